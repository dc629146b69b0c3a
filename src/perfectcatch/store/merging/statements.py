"""Every statement of a merge, written once from an entity's declaration.

Two tables of the session carry a batch: ``incoming`` (what was copied in) and ``plan`` (what to do with
it). ``plan.kind`` is one of

    n  new to us            c  changed                u  unchanged, byte for byte
    o  older than ours      s  same values, spelled differently (only the hash is renewed)

``plan.old`` is what the events of a changed record are compared with: the row before the change, and where
that one was deleted, what the record was before it went. ``plan.unseen`` marks a record that was deleted
whenever we saw it: to its events it is new.
Parameters: ``tenant``, ``run``, and for events of later reads ``past_before``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from perfectcatch.model.entity import Child, Entity, Link, LookedUp, Type
from perfectcatch.store.merging import detect, extract, recall
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.names import EVENT_CHANNEL, EVENTS, HISTORY, beside, qualified, quote

SESSION_TABLES = """
create temp table if not exists incoming (ord integer, hash bytea, doc jsonb) on commit delete rows;
alter table incoming alter column doc set storage external;
alter table incoming set (toast_tuple_target = 8160);
create temp table if not exists plan (
    ord integer, st_id bigint, modified timestamptz, gone boolean, hash bytea, kind "char", old jsonb,
    unseen boolean not null default false
) on commit delete rows;
"""
# Documents up to 8 kB stay inline and uncompressed in ``incoming``: compressing there and undoing it once
# for each column read made a merge three times slower.

COPY_IN = "copy incoming (ord, hash, doc) from stdin (format binary)"


@dataclass(frozen=True, slots=True)
class Merge:
    """The statements for one entity, in the order of their use."""

    lock: str
    classify: str
    compare: str
    remember: str
    keep_history: str
    recall: str
    insert: str
    update: str
    respell: str
    children_out: tuple[str, ...]
    children_in: tuple[str, ...]
    own_look_ups: str | None
    owners_look_ups: tuple[str, ...]
    links: tuple[str, ...]
    unsettled: tuple[tuple[str, str], ...]
    switched_off: str
    events_of_new: tuple[str, ...]
    events_of_changed: tuple[str, ...]
    past_events_of_new: tuple[str, ...]
    past_events_of_changed: tuple[str, ...]


def merge_of(entity: Entity, entities: Mapping[str, Entity]) -> Merge:
    """Write the statements for ``entity``."""
    owners = [
        (owner, column)
        for owner in entities.values()
        for column in owner.looked_up
        if column.entity == entity.name
    ]
    return Merge(
        lock=_lock(entity, [owner for owner, _ in owners]),
        classify=_classify(entity),
        compare=_compare(entity),
        remember=_remember(entity),
        keep_history=_keep_history(entity),
        recall=recall.statement_of(entity),
        insert=_insert(entity),
        update=_update(entity),
        respell=_respell(entity),
        children_out=tuple(_child_out(entity, child) for child in entity.children),
        children_in=tuple(_child_in(entity, child) for child in entity.children),
        own_look_ups=_own_look_ups(entity, entities),
        owners_look_ups=tuple(_owner_look_up(entity, owner, column) for owner, column in owners),
        links=tuple(statement for link in entity.links for statement in _link(entity, link)),
        unsettled=tuple(_unsettled(entity, name, entities) for name in entity.settles),
        switched_off=_switched_off(entity),
        events_of_new=_events(entity, entities, known=False, historical=False),
        events_of_changed=_events(entity, entities, known=True, historical=False),
        past_events_of_new=_events(entity, entities, known=False, historical=True),
        past_events_of_changed=_events(entity, entities, known=True, historical=True),
    )


def _lock(entity: Entity, owners: list[Entity]) -> str:
    """One writer per entity and tenant; whoever looks up from it must not read in between.

    Locks are taken in the order of their names, so that two merges cannot wait for each other.
    """
    wanted = {entity.name: "pg_advisory_xact_lock"}
    wanted |= {column.entity: "pg_advisory_xact_lock_shared" for column in entity.looked_up}
    wanted |= {owner.name: "pg_advisory_xact_lock" for owner in owners} | {
        entity.name: "pg_advisory_xact_lock"
    }
    calls = [
        f"{function}(hashtextextended({literal('merge ' + name)}, %(tenant)s))"
        for name, function in sorted(wanted.items())
    ]
    return "select " + ", ".join(calls)


def _classify(entity: Entity) -> str:
    table = qualified(entity.table)
    gone = extract.says_deleted(entity, "doc")
    return f"""
insert into plan (ord, st_id, modified, gone, hash, kind)
select distinct on (r.st_id) r.ord, r.st_id, r.modified, r.gone, r.hash,
  case
    when m.st_id is null then 'n'
    when m.content_hash = r.hash and (m.deleted_at is null or r.gone) then 'u'
    when r.modified < m.st_modified_on then 'o'
    else 'c'
  end::"char"
from (
  select ord, hash, {extract.key_of(entity, "doc")} as st_id,
    {extract.moment_of(entity.modified, "doc")} as modified, {gone} as gone
  from incoming
) r
left join {table} m on m.tenant_id = %(tenant)s and m.st_id = r.st_id
order by r.st_id, r.modified desc nulls last, r.ord desc"""


def _compare(entity: Entity) -> str:
    """The same document with its keys in another order is no change."""
    return f"""
update plan p set kind = 's'
from {qualified(entity.table)} m, incoming i
where p.kind = 'c' and i.ord = p.ord and m.tenant_id = %(tenant)s and m.st_id = p.st_id
  and m.full_data = i.doc and (m.deleted_at is null or p.gone)"""


def record_json(entity: Entity, row: str) -> str:
    """Every typed column of ``row`` as one JSON object, the document itself left out."""
    names = [quote(column.name) for column in entity.columns if column.type is not Type.WORDS]
    names += ["st_created_on", "st_modified_on", "active", "deleted_at"]
    listed = ", ".join(f"{row}.{name}" for name in names)
    return f"(select to_jsonb(columns_of) from (select {listed}) columns_of)"


def _remember(entity: Entity) -> str:
    """Keep what changed rows were, for events."""
    return f"""
update plan p set old = {record_json(entity, "m")}
from {qualified(entity.table)} m
where p.kind = 'c' and m.tenant_id = %(tenant)s and m.st_id = p.st_id"""


def _keep_history(entity: Entity) -> str:
    """The superseded version with the span in which it was true, by the vendor's clock where it tells."""
    return f"""
insert into {HISTORY} (tenant_id, entity, st_id, revision, valid_from, valid_to, st_modified_on,
  deleted_at, change, run_id, full_data)
select m.tenant_id, {literal(entity.name)}, m.st_id, m.revision,
  {since(entity)},
  greatest({since(entity)},
    case when p.modified > m.st_modified_on then p.modified else clock_timestamp() end),
  m.st_modified_on, m.deleted_at,
  case when p.gone and m.deleted_at is null then 'deleted'
    when m.deleted_at is not null and not p.gone then 'restored' else 'changed' end,
  %(run)s, m.full_data
from plan p join {qualified(entity.table)} m on m.tenant_id = %(tenant)s and m.st_id = p.st_id
where p.kind = 'c'"""


def since(entity: Entity) -> str:
    """From when the version in mirror row ``m`` was true."""
    return f"""coalesce((select max(h.valid_to) from {HISTORY} h where h.tenant_id = m.tenant_id
      and h.entity = {literal(entity.name)} and h.st_id = m.st_id),
    m.st_modified_on, m.st_created_on, m.local_synced_at)"""


def _insert(entity: Entity) -> str:
    pairs = extract.columns_of(entity, "i.doc")
    names = ", ".join(name for name, _ in pairs)
    values = ",\n  ".join(value for _, value in pairs)
    return f"""
insert into {qualified(entity.table)} (tenant_id, st_id, {names}, deleted_at, content_hash, full_data)
select %(tenant)s, p.st_id, {values},
  case when p.gone then coalesce(p.modified, now()) end, p.hash, i.doc
from plan p join incoming i using (ord) where p.kind = 'n' order by p.st_id"""


def _update(entity: Entity) -> str:
    pairs = extract.columns_of(entity, "i.doc")
    values = ",\n  ".join(f"{name} = {value}" for name, value in pairs)
    return f"""
update {qualified(entity.table)} m set {values},
  deleted_at = case when p.gone then coalesce(m.deleted_at, p.modified, now()) end,
  content_hash = p.hash, full_data = i.doc, revision = m.revision + 1, local_synced_at = now()
from plan p join incoming i using (ord)
where p.kind = 'c' and m.tenant_id = %(tenant)s and m.st_id = p.st_id"""


def _respell(entity: Entity) -> str:
    return f"""
update {qualified(entity.table)} m set content_hash = p.hash, full_data = i.doc
from plan p join incoming i using (ord)
where p.kind = 's' and m.tenant_id = %(tenant)s and m.st_id = p.st_id"""


# Rows inside rows ------------------------------------------------------------------------------


def _child_out(entity: Entity, child: Child) -> str:
    return f"""
delete from {beside(child.table, entity.table)} c using plan p
where p.kind = 'c' and c.tenant_id = %(tenant)s and c.{quote(child.parent_column)} = p.st_id"""


def _child_in(entity: Entity, child: Child) -> str:
    pairs = extract.child_columns(child, "listed.item")
    names = ", ".join(name for name, _ in pairs)
    values = ",\n  ".join(value for _, value in pairs)
    return f"""
insert into {beside(child.table, entity.table)} (tenant_id, {quote(child.parent_column)}, position, {names})
select %(tenant)s, p.st_id, listed.position, {values}
from plan p join incoming i using (ord),
  jsonb_array_elements({extract.items_of(child, "i.doc")}) with ordinality listed(item, position)
where p.kind in ('n', 'c')"""


# Columns that come from elsewhere --------------------------------------------------------------


def look_up_value(column: LookedUp, source: Entity, owner: str) -> str:
    """The value of a looked-up column for the row named ``owner``."""
    where = f"""from {qualified(source.table)} s where s.tenant_id = {owner}.tenant_id
    and s.{quote(column.by)} = {owner}.st_id and s.deleted_at is null and s.active"""
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


def _own_look_ups(entity: Entity, entities: Mapping[str, Entity]) -> str | None:
    """Fill the looked-up columns of rows that have just been inserted."""
    if not entity.looked_up:
        return None
    values = ", ".join(
        f"{quote(column.name)} = {look_up_value(column, entities[column.entity], 'm')}"
        for column in entity.looked_up
    )
    sources = sorted({qualified(entities[column.entity].table) for column in entity.looked_up})
    present = " or ".join(
        f"exists (select 1 from {source} any_row where any_row.tenant_id = %(tenant)s)" for source in sources
    )
    return f"""
update {qualified(entity.table)} m set {values} from plan p
where p.kind = 'n' and m.tenant_id = %(tenant)s and m.st_id = p.st_id and ({present})"""


def _touched(entity: Entity, column: str) -> str:
    """Values of ``column`` in changed rows of this batch, before and after."""
    return f"""(select n.{quote(column)} as touched from plan p join {qualified(entity.table)} n
    on n.tenant_id = %(tenant)s and n.st_id = p.st_id where p.kind in ('n', 'c')
  union select (p.old->>{literal(column)})::bigint from plan p where p.kind = 'c')"""


def _owner_look_up(entity: Entity, owner: Entity, column: LookedUp) -> str:
    """Renew a column of the records that this batch's records point to."""
    value = look_up_value(column, entity, "m")
    return f"""
update {qualified(owner.table)} m set {quote(column.name)} = fresh.value
from (select m.st_id, {value} as value from {qualified(owner.table)} m
  join {_touched(entity, column.by)} t on t.touched = m.st_id
  where m.tenant_id = %(tenant)s) fresh
where m.tenant_id = %(tenant)s and m.st_id = fresh.st_id
  and m.{quote(column.name)} is distinct from fresh.value"""


def _link(entity: Entity, link: Link) -> tuple[str, str]:
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


# Events ----------------------------------------------------------------------------------------


def _events(
    entity: Entity, entities: Mapping[str, Entity], *, known: bool, historical: bool
) -> tuple[str, ...]:
    """Write the transitions of changed (``known``) or new rows; historical ones carry references only."""
    rules = detect.transition_rows(entity, entities, known=known)
    if rules is None:
        return ()
    table = qualified(entity.table)
    data = references_json(entity, "n") if historical else _record_with_changes(entity)
    past = "true" if historical else "coalesce(n.st_modified_on < %(past_before)s, false)"
    before = f"cross join lateral jsonb_populate_record(null::{table}, p.old) o" if known else ""
    return (
        f"""
insert into {EVENTS} (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data, run_id)
select %(tenant)s, e.event_type, e.entity, e.st_id, {version("n")} || e.suffix,
  coalesce(e.at, n.st_modified_on, clock_timestamp()), {past}, {data}, %(run)s
from plan p join {table} n on n.tenant_id = %(tenant)s and n.st_id = p.st_id
{before}
cross join lateral (values
    {rules}
  ) e(event_type, fired, at, entity, st_id, suffix)
where {"p.kind = 'c' and not p.unseen" if known else "(p.kind = 'n' or p.unseen)"}
  and n.deleted_at is null and e.fired and e.st_id is not null
order by {"n.st_id" if historical else "n.st_modified_on, n.st_id"}
on conflict do nothing
returning id, event_type, historical""",
    )


def version(row: str) -> str:
    """What makes a transition the same one: the vendor's version of the record and our count of it."""
    moment = f"to_char({row}.st_modified_on at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    return f"coalesce({moment}, 'undated') || '/' || {row}.revision"


def references_json(entity: Entity, row: str) -> str:
    """The ids that a record points to: all that a historical event carries."""
    names = [quote(column.name) for column in entity.vendor_columns if column.references]
    if not names:
        return "'{}'::jsonb"
    listed = ", ".join(f"{row}.{name}" for name in names)
    return f"(select to_jsonb(columns_of) from (select {listed}) columns_of)"


def _record_with_changes(entity: Entity) -> str:
    """The record's columns, and under ``changed`` the earlier values of those that differ."""
    return f"""(select j.value || jsonb_build_object('changed', coalesce((
      select jsonb_object_agg(was.key, was.value) from jsonb_each(p.old) was
      where was.value is distinct from j.value->was.key), '{{}}'::jsonb))
    from (select {record_json(entity, "n")} as value offset 0) j)"""


def _unsettled(entity: Entity, name: str, entities: Mapping[str, Entity]) -> tuple[str, str]:
    """The entity that ``name`` refers to, and whether this batch names a record of it that we lack."""
    column = next(each for each in entity.vendor_columns if each.name == name)
    referred = entities[column.references or ""]
    value = extract.read(column, "i.doc")
    return (
        referred.name,
        f"""
select exists (select 1 from plan p join incoming i using (ord)
  where p.kind in ('n', 'c') and {value} is not null and not exists (
    select 1 from {qualified(referred.table)} r where r.tenant_id = %(tenant)s and r.st_id = {value}))""",
    )


def _switched_off(entity: Entity) -> str:
    """How many changed rows went from live to inactive or deleted."""
    return f"""
select count(*) from plan p join {qualified(entity.table)} n on n.tenant_id = %(tenant)s and n.st_id = p.st_id
where p.kind = 'c' and (p.old->>'active')::boolean and p.old->>'deleted_at' is null
  and (not n.active or n.deleted_at is not null)"""


NOTIFY = f"select pg_notify({literal(EVENT_CHANNEL)}, %(payload)s)"
