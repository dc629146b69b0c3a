"""Every statement of a merge, written once from an entity's declaration.

Two tables of the session carry a batch: ``incoming`` (what was copied in) and ``plan`` (what to do with
it). ``plan.kind`` is one of

    n  new to us            c  changed                u  unchanged, byte for byte
    o  older than ours      s  same values, spelled differently (only the hash is renewed)

``plan.old`` is what the events of a changed record are compared with: the row before the change, and where
that one was deleted, what the record was before it went. ``plan.unseen`` marks a record that was deleted
whenever we saw it: to its events it is new.
Parameters: ``tenant``, ``run``, for events of later reads ``past_before``, and for ``classify`` the
``number`` of what was copied in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from perfectcatch.model.entity import Child, Entity
from perfectcatch.store.merging import extract, look_ups, recall, transitions
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.merging.transitions import record_json
from perfectcatch.store.names import EVENT_CHANNEL, HISTORY, beside, qualified, quote

SESSION_TABLES = """
create temp table if not exists incoming (ord integer, hash bytea, doc jsonb) on commit delete rows;
alter table incoming alter column doc set storage external;
alter table incoming set (toast_tuple_target = 8160);
create temp table if not exists plan (
    ord integer, place tid, st_id bigint, modified timestamptz, gone boolean, hash bytea, kind "char",
    old jsonb, unseen boolean not null default false
) on commit delete rows;
"""
# Documents up to 8 kB stay inline and uncompressed in ``incoming``: compressing there and undoing it once
# for each column read made a merge three times slower.

# The document of ``p``, fetched from where it lies: a hash table of documents, and sorting rows that hold
# them, were a fifteenth of PostgreSQL's time for a first load.
_DOCUMENT = "cross join lateral (select doc from incoming where ctid = p.place offset 0) i"

COPY_IN = "copy incoming (ord, hash, doc) from stdin (format binary)"


@dataclass(frozen=True, slots=True)
class Events:
    """The statements that write events, live or historical ones; each gives what ``transitions`` says."""

    insert: str  # new rows and their events; gives nothing where no event can come of it
    of_unseen: str | None
    of_changed: str | None


@dataclass(frozen=True, slots=True)
class Merge:
    """The statements for one entity, in the order of their use."""

    lock: str
    classify: str
    compare: str
    remember: str
    keep_history: str
    recall: str
    update: str
    respell: str
    children_out: tuple[str, ...]
    live: Events
    past: Events
    insert_unheard: str | None  # ``past.insert`` for records of which no event can be there yet
    children_in: tuple[str, ...]
    owners_look_ups: tuple[str, ...]
    links: tuple[str, ...]
    unsettled: tuple[tuple[str, str], ...]


def merge_of(entity: Entity, entities: Mapping[str, Entity]) -> Merge:
    """Write the statements for ``entity``."""
    owners = [
        (owner, column)
        for owner in entities.values()
        for column in owner.looked_up
        if column.entity == entity.name
    ]
    insert = _insert(entity, entities)
    unheard = None
    if transitions.are_distinct(entity):
        unheard = transitions.of_new(entity, entities, insert, historical=True, expects_none=True)
    return Merge(
        lock=_lock(entity, [owner for owner, _ in owners]),
        classify=_classify(entity),
        compare=_compare(entity),
        remember=_remember(entity),
        keep_history=_keep_history(entity),
        recall=recall.statement_of(entity),
        update=_update(entity),
        respell=_respell(entity),
        children_out=tuple(_child_out(entity, child) for child in entity.children),
        live=_events(entity, entities, insert, historical=False),
        past=_events(entity, entities, insert, historical=True),
        insert_unheard=unheard,
        children_in=tuple(_child_in(entity, child) for child in entity.children),
        owners_look_ups=tuple(look_ups.of_owner(entity, owner, column) for owner, column in owners),
        links=tuple(statement for link in entity.links for statement in look_ups.of_link(entity, link)),
        unsettled=tuple(_unsettled(entity, name, entities) for name in entity.settles),
    )


def _events(entity: Entity, entities: Mapping[str, Entity], insert: str, *, historical: bool) -> Events:
    return Events(
        insert=transitions.of_new(entity, entities, insert, historical=historical),
        of_unseen=transitions.of_unseen(entity, entities, historical=historical),
        of_changed=transitions.of_changed(entity, entities, historical=historical),
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
    """Kind and number of what was copied in.

    The limit tells the planner how many there are: it takes a table of the session that was never analyzed
    for hundreds of records, and reads the whole mirror for a few (8 ms instead of 0.5 for 40 of 4,000 jobs).
    """
    table = qualified(entity.table)
    gone = extract.says_deleted(entity, "doc")
    return f"""
with planned as (
insert into plan (ord, place, st_id, modified, gone, hash, kind)
select distinct on (r.st_id) r.ord, r.place, r.st_id, r.modified, r.gone, r.hash,
  case
    when m.st_id is null then 'n'
    when m.content_hash = r.hash and (m.deleted_at is null or r.gone) then 'u'
    when r.modified < m.st_modified_on then 'o'
    else 'c'
  end::"char"
from (
  select ord, ctid as place, hash, {extract.key_of(entity, "doc")} as st_id,
    {extract.moment_of(entity.modified, "doc")} as modified, {gone} as gone
  from incoming limit %(number)s
) r
left join {table} m on m.tenant_id = %(tenant)s and m.st_id = r.st_id
order by r.st_id, r.modified desc nulls last, r.ord desc
returning kind)
select kind::text, count(*) from planned group by kind"""


def _compare(entity: Entity) -> str:
    """The same document with its keys in another order is no change.

    The documents of a pair are compared only once it is known to be one: in a nested loop PostgreSQL else
    compares every document of the page with every other (20 s instead of 0.1 s for 500 estimates).
    """
    return f"""
update plan p set kind = 's'
from {qualified(entity.table)} m, incoming i
where p.kind = 'c' and i.ord = p.ord and m.tenant_id = %(tenant)s and m.st_id = p.st_id
  and case when i.ord = p.ord then m.full_data = i.doc end and (m.deleted_at is null or p.gone)"""


def _remember(entity: Entity) -> str:
    """Keep what changed rows were, for events.

    Gives how many change under the modification time that we had, and how many had been deleted.
    """
    return f"""
with remembered as (update plan p set old = {record_json(entity, "m")}
from {qualified(entity.table)} m
where p.kind = 'c' and m.tenant_id = %(tenant)s and m.st_id = p.st_id
returning p.modified = m.st_modified_on and m.deleted_at is null as same, m.deleted_at is not null as gone)
select count(*) filter (where same), count(*) filter (where gone) from remembered"""


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


def _insert(entity: Entity, entities: Mapping[str, Entity]) -> str:
    pairs = extract.columns_of(entity, "i.doc")
    pairs += look_ups.columns_of_new(entity, entities, "%(tenant)s", "p.st_id")
    names = ", ".join(name for name, _ in pairs)
    values = ",\n  ".join(value for _, value in pairs)
    return f"""
insert into {qualified(entity.table)} as m
  (tenant_id, st_id, {names}, deleted_at, content_hash, full_data)
select %(tenant)s, p.st_id, {values},
  case when p.gone then coalesce(p.modified, now()) end, p.hash, i.doc
from (select * from plan where kind = 'n' order by st_id offset 0) p {_DOCUMENT}"""


def _update(entity: Entity) -> str:
    """Write changed rows; gives how many went from live to inactive or deleted."""
    pairs = extract.columns_of(entity, "i.doc")
    values = ",\n  ".join(f"{name} = {value}" for name, value in pairs)
    return f"""
with updated as (update {qualified(entity.table)} m set {values},
  deleted_at = case when p.gone then coalesce(m.deleted_at, p.modified, now()) end,
  content_hash = p.hash, full_data = i.doc, revision = m.revision + 1, local_synced_at = now()
from plan p join incoming i using (ord)
where p.kind = 'c' and m.tenant_id = %(tenant)s and m.st_id = p.st_id
returning (p.old->>'active')::boolean and p.old->>'deleted_at' is null
  and (not m.active or m.deleted_at is not null) as switched_off)
select count(*) filter (where switched_off) from updated"""


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
from plan p {_DOCUMENT},
  jsonb_array_elements({extract.items_of(child, "i.doc")}) with ordinality listed(item, position)
where p.kind in ('n', 'c')"""


# What else a merge asks for --------------------------------------------------------------------


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


NOTIFY = f"select pg_notify({literal(EVENT_CHANNEL)}, %(payload)s)"
