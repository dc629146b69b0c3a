"""Workflows that a clock starts: each tick once, and one tick for all that were missed."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from perfectcatch.errors import Retry, Undecidable
from perfectcatch.kit.cron import Cron, parse
from perfectcatch.store import state
from perfectcatch.store.events import Event
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import instances, letters
from perfectcatch.store.workflows import records as keys
from perfectcatch.workflows import bundle as rows
from perfectcatch.workflows import expressions, sieve
from perfectcatch.workflows.records import Beside, at_hand
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.starting import start
from perfectcatch.workflows.running.workshop import Workshop

CHUNK: Final = 200  # records whose customers are read together
_CLOCK: Final = "clock"

log = structlog.get_logger(__name__)


async def tick(workshop: Workshop) -> int:
    """Start what has become due by now; how many instances there are of it."""
    started = 0
    for active in await workshop.catalogue.active():
        if active.definition.trigger.clock is not None:
            moment = await _due(workshop, active)
            if moment is not None:
                started += await _start(workshop, active, moment)
                # Only now: a tick whose process died is gone through again, and starts nothing twice.
                async with transaction(workshop.pool) as connection:
                    await state.put(connection, workshop.tenant_id, _key(active), moment.isoformat())
    return started


async def _due(workshop: Workshop, active: Active) -> datetime | None:
    """The newest tick since the last that was gone through; the first time nothing is due."""
    key, now = _key(active), workshop.clock.now()
    cron, zone = parse(active.definition.trigger.clock or ""), ZoneInfo(workshop.company.zone)
    async with transaction(workshop.pool) as connection:
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, %s))", (key, workshop.tenant_id)
        )
        seen = (await state.get(workshop.pool, workshop.tenant_id, key)).get(key)
        if seen is None:
            await state.put(connection, workshop.tenant_id, key, now.isoformat())
            return None
    return _newest(cron, zone, datetime.fromisoformat(seen), now)


def _key(active: Active) -> str:
    return f"workflow_clock_{active.definition.name}"


def _newest(cron: Cron, zone: ZoneInfo, seen: datetime, now: datetime) -> datetime | None:
    """The last tick in between; of a long outage the last day is looked through, then its first tick."""
    due = cron.next_after(seen, zone)
    if due > now:
        return None
    following = cron.next_after(max(due, now - timedelta(days=1)), zone)
    while following <= now:
        due, following = following, cron.next_after(following, zone)
    return due


async def _start(workshop: Workshop, active: Active, moment: datetime) -> int:
    trigger, started = active.definition.trigger, 0
    if trigger.each is None:
        return await _one(workshop, active, _event("", 0, moment), f"{_CLOCK}/{moment.isoformat()}")
    if trigger.at_most is not None:
        async with workshop.pool.connection() as connection:
            before = await instances.started_at_tick(
                connection, workshop.tenant_id, active.definition.name, moment.isoformat()
            )
        left = trigger.at_most - before
    else:
        left = None
    async for entity_ids in _holding(workshop, active, trigger.each, moment):
        for st_id in entity_ids:
            if left is not None and started >= left:
                return started
            occasion = f"{_CLOCK}/{trigger.each}-{st_id}/{moment.isoformat()}"
            started += await _one(workshop, active, _event(trigger.each, st_id, moment), occasion)
    return started


async def _one(workshop: Workshop, active: Active, event: Event, occasion: str) -> int:
    """Start one instance; a record that cannot be dealt with is put aside, and the others follow."""
    try:
        async with transaction(workshop.pool) as connection:
            return int(await start(workshop, connection, active, event, occasion) is not None)
    except Retry:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        name, told = active.definition.name, f"{occasion}: {type(error).__name__}: {error}"
        log.warning("a tick could not start an instance", workflow=name, error=told)
        async with transaction(workshop.pool) as connection:
            await letters.write(
                connection, workshop.tenant_id, kind=letters.EVENT, workflow=name, error=told, attempts=1
            )
        return 0


async def _holding(
    workshop: Workshop, active: Active, entity: str, moment: datetime
) -> AsyncGenerator[Sequence[int], None]:
    """Ids of the records that fulfil the trigger's condition, some at a time."""
    after, kind, now = 0, workshop.entities[entity], workshop.clock.now()
    narrowed = sieve.narrowed(active.definition, kind, now)
    while True:
        async with workshop.pool.connection() as connection:
            ids = await keys.live(
                connection, workshop.tenant_id, kind, after=after, limit=CHUNK, narrowed=narrowed
            )
            if not ids:
                return
            own = [(entity, st_id) for st_id in ids]
            owners = await rows.owners(connection, workshop.tenant_id, workshop.entities, own)
            if entity == "customers":
                owners = {key: key[1] for key in own}
            present = await rows.present(
                connection, workshop.tenant_id, workshop.entities, set(owners.values()), own
            )
            names = await hand.names_of(workshop, connection)
        after = ids[-1]
        found = []
        for key in own:
            customer_id = owners.get(key)
            records = at_hand(
                present.of(customer_id, [key]),
                names,
                _event(*key, moment),
                customer_id,
                now=now,
                company=workshop.company,
                beside=Beside(settings=active.definition.settings),
            )
            if _holds(active, records):
                found.append(key[1])
        yield found


def _holds(active: Active, records: Mapping[str, Any]) -> bool:
    try:
        return expressions.holds(active.definition.trigger.where, records)
    except Undecidable:
        return False


def _event(entity: str, st_id: int, moment: datetime) -> Event:
    return Event(
        id=0,
        event_type=_CLOCK,
        entity=entity,
        st_id=st_id,
        version=moment.isoformat(),
        occurred_at=moment,
        recorded_at=moment,
        historical=False,
        data={},
    )
