"""Events that time causes: once per record and stage, also when nobody was looking at the moment itself."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from perfectcatch.model.entity import Entity
from perfectcatch.model.event import ClockRule
from perfectcatch.store.merging import detect
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.merging.mirror import announce
from perfectcatch.store.merging.transitions import record_json, typed_columns
from perfectcatch.store.names import EVENTS, SYNC_STATE, qualified, quote
from perfectcatch.store.pool import Connection, Pool, run_in_transaction


@dataclass(slots=True)
class Fired:
    """Counts by event type of what was written: ``live`` may reach people, ``past`` is historical."""

    live: Counter[str] = field(default_factory=Counter)
    past: Counter[str] = field(default_factory=Counter)


async def evaluate(
    pool: Pool, tenant_id: int, entities: Mapping[str, Entity], *, now: datetime, zone: str
) -> Fired:
    """Write what has fallen due until ``now``; ``zone`` is the company's time zone.

    An entity whose first load is not complete is left for later. A stage that passed before the first load
    was complete, or that a later stage of the same rule has overtaken (after an outage), is historical.
    """
    fired = Fired()
    values = {"tenant": tenant_id, "now": now, "zone": zone}
    rules = [
        (rule, partial(_write, statement=statement_of(entity, rule, entities), values=values))
        for entity in entities.values()
        for rule in entity.clock_rules
    ]
    # Side by side: each reads for some milliseconds and mostly finds nothing.
    writes = [run_in_transaction(pool, write) for _, write in rules]
    for (rule, _), written in zip(rules, await asyncio.gather(*writes, return_exceptions=True), strict=True):
        if isinstance(written, BaseException):
            raise written
        for historical in written:
            (fired.past if historical else fired.live)[rule.event_type] += 1
    return fired


async def _write(connection: Connection, *, statement: str, values: dict[str, Any]) -> list[bool]:
    """Write one rule's events; whether each is historical."""
    found = await connection.execute(statement, values)
    rows = await found.fetchall()
    await announce(connection, values["tenant"], [event_id for event_id, past in rows if not past])
    return [past for _, past in rows]


def statement_of(entity: Entity, rule: ClockRule, entities: Mapping[str, Entity]) -> str:
    """The statement for one rule. Parameters: ``tenant``, ``now``, ``zone``.

    It reads what the rule's own index holds (``mirror_tables``), and each record once.
    """
    due = detect.due_moment(entity, rule, "%(zone)s", "stage.days")
    stages = ", ".join(f"({days})" for days in sorted(rule.stages))
    first_load = literal(f"{entity.name}_first_load")
    return f"""
insert into {EVENTS} (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
select %(tenant)s, {literal(rule.event_type)}, {literal(entity.name)}, passed.st_id,
  'stage/' || passed.days, passed.at, passed.at < loaded.at or passed.days < passed.latest,
  {record_json(entity, "passed")} || jsonb_build_object('stage_days', passed.days)
from (
  select n.st_id, {typed_columns(entity, "n")}, stage.days, due.at,
    max(stage.days) over (partition by n.st_id) as latest
  from {qualified(entity.table)} n
  cross join (values {stages}) stage(days)
  cross join lateral (select {due} as at) due
  where n.tenant_id = %(tenant)s and n.deleted_at is null and n.{quote(rule.column)} is not null
    and due.at <= %(now)s and {detect.filters(rule.holds, "n", entities)}
) passed
join (
  select (value->>'completed_at')::timestamptz as at from {SYNC_STATE}
  where tenant_id = %(tenant)s and key = {first_load}
) loaded on true
where not exists (
  select 1 from {EVENTS} e where e.tenant_id = %(tenant)s and e.entity = {literal(entity.name)}
    and e.st_id = passed.st_id and e.event_type = {literal(rule.event_type)}
    and e.version = 'stage/' || passed.days
)
order by passed.at, passed.st_id
on conflict do nothing
returning id, historical"""
