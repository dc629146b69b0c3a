"""Statements that write the transitions of a batch.

Those of new rows are written by the statement that inserts the rows, from what it returns: reading the rows
again by a join took a third of the time of the events.
"""

from collections.abc import Mapping

from perfectcatch.model.entity import Entity, Type
from perfectcatch.model.event import All, Condition, Refers
from perfectcatch.store.merging import detect
from perfectcatch.store.names import EVENTS, qualified, quote

Entities = Mapping[str, Entity]

_OURS = ("st_created_on", "st_modified_on", "active", "deleted_at")


def typed_columns(entity: Entity, row: str) -> str:
    """Every typed column of ``row``, the document itself left out."""
    names = [quote(column.name) for column in entity.columns if column.type is not Type.WORDS] + list(_OURS)
    return ", ".join(f"{row}.{name}" for name in names)


def record_json(entity: Entity, row: str) -> str:
    """Every typed column of ``row`` as one JSON object."""
    return f"(select to_jsonb(columns_of) from (select {typed_columns(entity, row)}) columns_of)"


def are_distinct(entity: Entity) -> bool:
    """Whether no two rules give a new record the same event."""
    types = [(rule.event_type, rule.about) for rule in entity.transitions]
    return len(types) == len(set(types))


def of_new(
    entity: Entity, entities: Entities, insert: str, *, historical: bool, expects_none: bool = False
) -> str:
    """``insert`` (into a table called ``m``) together with the events of the rows that it makes.

    ``expects_none``: leave out the search for events that are there already, a third of their cost; if there
    are any, the statement fails with a unique violation.
    """
    rules = detect.transition_rows(entity, entities, known=False)
    if rules is None:
        return insert
    if any(_refers_to(entity.name, rule.enters) for rule in entity.transitions):
        message = (
            f"a rule of {entity.name} refers to {entity.name}: it would not see the rows of its own page"
        )
        raise ValueError(message)
    # Once for each record, however many events it has; the limit keeps the planner from undoing that.
    told = f"{version('b')} as told_version"
    if historical:
        told += f", {_references_json(entity, 'b')} as told_data"
    rows = f"from (select b.*, {told} from born b offset 0) n"
    conflict = "" if expects_none else "on conflict do nothing"
    returned = f"m.tenant_id, m.st_id, m.revision, {typed_columns(entity, 'm')}"
    data = "n.told_data" if historical else f"{record_json(entity, 'n')} || '{{\"changed\": {{}}}}'::jsonb"
    written = _written(rules, rows, "n.told_version", data, historical=historical)
    return f"""
with born as ({insert}
  returning {returned}
), told as ({written}
{conflict}
returning id, event_type, historical
){_told(historical=historical)}"""


def _refers_to(name: str, condition: Condition) -> bool:
    if isinstance(condition, All):
        return any(_refers_to(name, each) for each in condition.conditions)
    return isinstance(condition, Refers) and condition.entity == name


def of_unseen(entity: Entity, entities: Entities, *, historical: bool) -> str | None:
    """The events of records that were deleted whenever we saw them: to events they are new."""
    rules = detect.transition_rows(entity, entities, known=False)
    return rules and _of_plan(entity, rules, "p.unseen", "", historical=historical)


def of_changed(entity: Entity, entities: Entities, *, historical: bool) -> str | None:
    """The events of changed records, from what they were and what they are."""
    rules = detect.transition_rows(entity, entities, known=True)
    before = f"cross join lateral jsonb_populate_record(null::{qualified(entity.table)}, p.old) o"
    return rules and _of_plan(entity, rules, "not p.unseen", before, historical=historical)


def _of_plan(entity: Entity, rules: str, which: str, before: str, *, historical: bool) -> str:
    rows = f"""from plan p join {qualified(entity.table)} n
  on n.tenant_id = %(tenant)s and n.st_id = p.st_id and p.kind = 'c' and {which}
{before}"""
    data = _references_json(entity, "n") if historical else _record_with_changes(entity)
    written = _written(rules, rows, version("n"), data, historical=historical)
    return f"""
with told as ({written}
on conflict do nothing
returning id, event_type, historical
){_told(historical=historical)}"""


def _written(rules: str, rows: str, version_: str, data: str, *, historical: bool) -> str:
    """The insertion into the events; historical ones carry references only."""
    past = "true" if historical else "coalesce(n.st_modified_on < %(past_before)s, false)"
    order = "" if historical else "\norder by n.st_modified_on, n.st_id"
    return f"""
insert into {EVENTS} (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data, run_id)
select %(tenant)s, e.event_type, e.entity, e.st_id, {version_} || e.suffix,
  coalesce(e.at, n.st_modified_on, clock_timestamp()), {past}, {data}, %(run)s
{rows}
cross join lateral (values
    {rules}
  ) e(event_type, fired, at, entity, st_id, suffix)
where n.deleted_at is null and e.fired and e.st_id is not null{order}"""


def _told(*, historical: bool) -> str:
    """What the caller learns: (event type, historical, number, ids), the ids of news only."""
    ids = "null::bigint[]" if historical else "array_agg(id)"
    return f"""
select event_type, historical, count(*), {ids} from told group by event_type, historical"""


def version(row: str) -> str:
    """What makes a transition the same one: the vendor's version of the record and our count of it."""
    moment = f"to_char({row}.st_modified_on at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    return f"coalesce({moment}, 'undated') || '/' || {row}.revision"


def _references_json(entity: Entity, row: str) -> str:
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
