"""What a grown declaration adds, filled from the records that are already here.

A new column, child table or link would otherwise stay empty until each record changes at the vendor.
"""

from collections.abc import Iterable, Iterator, Mapping

from perfectcatch.model.entity import Child, Column, Entity, Link, LookedUp
from perfectcatch.store.merging import extract
from perfectcatch.store.merging.look_ups import value_of
from perfectcatch.store.names import beside, qualified, quote


def refill(entity: Entity, added: Iterable[str], entities: Mapping[str, Entity]) -> Iterator[str]:
    """Give the statements that fill ``added``: names of columns of ``entity``, and of its tables.

    A table stands for all its rows: they are made anew. ``entities`` holds those that columns look into.
    """
    names = frozenset(added)
    values = [f"{quote(name)} = {value}" for name, value in _values(entity, names, entities)]
    if values:
        yield f"update {qualified(entity.table)} m set {', '.join(values)}"
    for child in entity.children:
        if child.table in names:
            yield f"delete from {beside(child.table, entity.table)}"
            yield _rows_of(entity, child)
    for link in entity.links:
        if link.table in names:
            yield f"delete from {beside(link.table, entity.table)}"
            yield _pairs_of(entity, link)


def _values(
    entity: Entity, names: frozenset[str], entities: Mapping[str, Entity]
) -> Iterator[tuple[str, str]]:
    for column in entity.columns:
        if column.name not in names:
            continue
        if isinstance(column, Column):
            yield column.name, extract.read(column, "m.full_data")
        elif isinstance(column, LookedUp):
            yield column.name, value_of(column, entities[column.entity], "m.tenant_id", "m.st_id")


def _rows_of(entity: Entity, child: Child) -> str:
    pairs = extract.child_columns(child, "listed.item")
    names = "".join(f", {name}" for name, _ in pairs)
    values = "".join(f", {value}" for _, value in pairs)
    return f"""
insert into {beside(child.table, entity.table)} (tenant_id, {quote(child.parent_column)}, position{names})
select m.tenant_id, m.st_id, listed.position{values}
from {qualified(entity.table)} m,
  jsonb_array_elements({extract.items_of(child, "m.full_data")}) with ordinality listed(item, position)"""


def _pairs_of(entity: Entity, link: Link) -> str:
    left, right = quote(link.left), quote(link.right)
    return f"""
insert into {beside(link.table, entity.table)} (tenant_id, {left}, {right})
select distinct tenant_id, {left}, {right} from {qualified(entity.table)}
where deleted_at is null and active and {left} is not null and {right} is not null"""
