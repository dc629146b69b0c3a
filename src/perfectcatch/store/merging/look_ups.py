"""Columns and link tables that are kept from records of other entities, as statement text."""

from collections.abc import Mapping

from perfectcatch.model.entity import Entity, Link, LookedUp
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.names import beside, qualified, quote

Entities = Mapping[str, Entity]


def value_of(column: LookedUp, source: Entity, tenant: str, st_id: str) -> str:
    """The value of a looked-up column for the record ``st_id`` of ``tenant``, both expressions."""
    where = f"""from {qualified(source.table)} s where s.tenant_id = {tenant}
    and s.{quote(column.by)} = {st_id} and s.deleted_at is null and s.active"""
    if column.where_column:
        listed = ", ".join(literal(value) for value in column.where_values)
        where += f" and s.{quote(column.where_column)} in ({listed})"
    if column.gather:
        return f"(select coalesce(array_agg(distinct s.{quote(column.column)}), '{{}}') {where})"
    order = f"s.{quote(column.order_by)}, s.st_id"
    if column.where_column:
        listed = ", ".join(literal(value) for value in column.where_values)
        order = f"array_position(array[{listed}], s.{quote(column.where_column)}), {order}"
    return f"(select s.{quote(column.column)} {where} order by {order} limit 1)"


def columns_of_new(entity: Entity, entities: Entities, tenant: str, st_id: str) -> list[tuple[str, str]]:
    """Every looked-up column of a row that is being inserted: (quoted name, expression).

    While nothing is there to look them up from, as in most of a first load, they cost nothing.
    """
    sources = sorted({qualified(entities[column.entity].table) for column in entity.looked_up})
    present = " or ".join(
        f"exists (select 1 from {source} any_row where any_row.tenant_id = {tenant})" for source in sources
    )
    values = {
        column.name: value_of(column, entities[column.entity], tenant, st_id) for column in entity.looked_up
    }
    return [(quote(name), f"case when (select {present}) then {value} end") for name, value in values.items()]


def _touched(entity: Entity, column: str) -> str:
    """Values of ``column`` in changed rows of this batch, before and after."""
    return f"""(select n.{quote(column)} as touched from plan p join {qualified(entity.table)} n
    on n.tenant_id = %(tenant)s and n.st_id = p.st_id where p.kind in ('n', 'c')
  union select (p.old->>{literal(column)})::bigint from plan p where p.kind = 'c')"""


def of_owner(entity: Entity, owner: Entity, column: LookedUp) -> str:
    """Renew a column of the records that this batch's records point to."""
    value = value_of(column, entity, "m.tenant_id", "m.st_id")
    return f"""
update {qualified(owner.table)} m set {quote(column.name)} = fresh.value
from (select m.st_id, {value} as value from {qualified(owner.table)} m
  join {_touched(entity, column.by)} t on t.touched = m.st_id
  where m.tenant_id = %(tenant)s) fresh
where m.tenant_id = %(tenant)s and m.st_id = fresh.st_id
  and m.{quote(column.name)} is distinct from fresh.value"""


def of_link(entity: Entity, link: Link) -> tuple[str, str]:
    """Keep a link table equal to the pairs in live records."""
    left, right = quote(link.left), quote(link.right)
    touched = _touched(entity, link.left)
    live = f"""select distinct s.tenant_id, s.{left}, s.{right} from {qualified(entity.table)} s
  join {touched} t on t.touched = s.{left}
  where s.tenant_id = %(tenant)s and s.deleted_at is null and s.active and s.{right} is not null"""
    return (
        f"""
delete from {beside(link.table, entity.table)} l using {touched} t
where l.tenant_id = %(tenant)s and l.{left} = t.touched and not exists (
  select 1 from {qualified(entity.table)} s where s.tenant_id = l.tenant_id and s.{left} = l.{left}
    and s.{right} = l.{right} and s.deleted_at is null and s.active)""",
        f"""
insert into {beside(link.table, entity.table)} (tenant_id, {left}, {right}) {live}
on conflict do nothing""",
    )
