"""Workflows that a clock starts: each tick once, and one tick for all that were missed.

A record that a tick could not start is tried again a few times like an event, then it goes to the dead
letters with its moment. So does a tick that cannot be gone through.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from perfectcatch.errors import Refused, Retry
from perfectcatch.kit.cron import Cron, parse
from perfectcatch.model.workflow import Start, Verdict
from perfectcatch.store import state
from perfectcatch.store.events import Event
from perfectcatch.store.jobs.queue import Order
from perfectcatch.store.pool import Connection, transaction
from perfectcatch.store.workflows import instances, letters
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.holding import CLOCK, clock_event, holding
from perfectcatch.workflows.running.starting import alone, start
from perfectcatch.workflows.running.trying import EVENT_TRIES, next_try
from perfectcatch.workflows.running.workshop import Workshop, is_away

TRY_TICK: Final = "workflows.start"  # the job that tries again what a tick could not start

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tick:
    """What a clock's moment starts: an instance for one record, or for none."""

    workflow: str
    entity: str
    st_id: int
    moment: datetime

    @property
    def occasion(self) -> str:
        """What names it among all triggers of the workflow."""
        record = f"{self.entity}-{self.st_id}/" if self.entity else ""
        return f"{CLOCK}/{record}{self.moment.isoformat()}"

    @property
    def event(self) -> Event:
        """What the workflow is told as its trigger."""
        return clock_event(self.entity, self.st_id, self.moment)

    @staticmethod
    def parse(workflow: str, occasion: str) -> "Tick":
        """The tick that an ``occasion`` names."""
        *record, moment = occasion.removeprefix(f"{CLOCK}/").split("/")
        entity, _, st_id = record[0].rpartition("-") if record else ("", "", "0")
        return Tick(workflow, entity, int(st_id), datetime.fromisoformat(moment))


async def tick(workshop: Workshop) -> int:
    """Start what has become due by now; how many instances there are of it.

    What stops one workflow keeps no other waiting; its tick is gone through again with the next call.
    """
    started = 0
    for active in await workshop.catalogue.active():
        if active.definition.trigger.clock is not None:
            try:
                started += await _tick(workshop, active)
            except Exception as error:
                if is_away(error):
                    raise
                log.exception("a tick could not be gone through", workflow=active.definition.name)
    return started


async def _tick(workshop: Workshop, active: Active) -> int:
    moment = await _due(workshop, active)
    if moment is None:
        return 0
    try:
        started = await _start(workshop, active, moment)
    except Exception as error:
        if is_away(error) or not await _given_up(workshop, active, moment, error):
            raise
        return 0
    # Only now: a tick whose process died is gone through again, and starts nothing twice.
    async with transaction(workshop.pool) as connection:
        await _over(workshop, connection, active, moment)
    return started


async def _over(workshop: Workshop, connection: Connection, active: Active, moment: datetime) -> None:
    await state.put(connection, workshop.tenant_id, _key(active), moment.isoformat())
    await state.forget(connection, workshop.tenant_id, _failures(active))


async def _given_up(workshop: Workshop, active: Active, moment: datetime, trouble: Exception) -> bool:
    """Count a failure in a row; whether it was the last, after which a person is told of it."""
    name, key = active.definition.name, _failures(active)
    async with transaction(workshop.pool) as connection:
        kept = (await state.seen(connection, workshop.tenant_id, key)).get(key)
        failures = kept["number"] + 1 if kept else 1
        if failures < EVENT_TRIES:
            later = next_try(workshop, failures, trouble)
            again = {"number": failures, "not_before": later.isoformat()}
            await state.put(connection, workshop.tenant_id, key, again)
            return False
        if not await letters.tells_of_ticks(connection, workshop.tenant_id, name):
            occasion = Tick(name, "", 0, moment).occasion
            await letters.write(
                connection,
                workshop.tenant_id,
                kind=letters.EVENT,
                workflow=name,
                occasion=occasion,
                error=f"{occasion}: {type(trouble).__name__}: {trouble}",
                attempts=failures,
            )
        await _over(workshop, connection, active, moment)
    return True


async def _due(workshop: Workshop, active: Active) -> datetime | None:
    """The newest tick since the last that was gone through; the first time nothing is due."""
    key, now = _key(active), workshop.clock.now()
    cron, zone = parse(active.definition.trigger.clock or ""), ZoneInfo(workshop.company.zone)
    async with transaction(workshop.pool) as connection:
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, %s))", (key, workshop.tenant_id)
        )
        kept = await state.seen(connection, workshop.tenant_id, key, _failures(active))
        if key not in kept:
            await state.put(connection, workshop.tenant_id, key, now.isoformat())
            return None
    failed = kept.get(_failures(active))
    if failed is not None and now < datetime.fromisoformat(failed["not_before"]):
        return None
    return _newest(cron, zone, datetime.fromisoformat(kept[key]), now)


def _key(active: Active) -> str:
    return f"workflow_clock_{active.definition.name}"


def _failures(active: Active) -> str:
    return f"workflow_clock_failures {active.definition.name}"  # no name holds a space


def _newest(cron: Cron, zone: ZoneInfo, seen: datetime, now: datetime) -> datetime | None:
    """The last tick in between; of a long outage the last day is looked through, then its first tick."""
    due = cron.next_after(seen, zone)
    if due > now:
        return None
    following = cron.next_after(max(due, now - timedelta(days=1)), zone)
    while following <= now:
        due, following = following, cron.next_after(following, zone)
    return due


class _Full(Exception):
    """The tick has started as many as it may: a try of one of its records took the last place meanwhile."""


async def _start(workshop: Workshop, active: Active, moment: datetime) -> int:
    entity, started = active.definition.trigger.each, 0
    if entity is None:
        return await _one(workshop, active, Tick(active.definition.name, "", 0, moment))
    async with workshop.pool.connection() as connection:
        left = await _left(workshop, connection, active, moment)
    async for entity_ids in holding(workshop, active, entity, moment):
        for st_id in entity_ids:
            if left is not None and started >= left:
                return started
            try:
                started += await _one(workshop, active, Tick(active.definition.name, entity, st_id, moment))
            except _Full:
                return started
    return started


async def _left(workshop: Workshop, connection: Connection, active: Active, moment: datetime) -> int | None:
    """How many instances the tick may still start; None: any number."""
    most, name = active.definition.trigger.at_most, active.definition.name
    if most is None:
        return None
    return most - await instances.started_at_tick(connection, workshop.tenant_id, name, moment.isoformat())


async def _fits(workshop: Workshop, connection: Connection, active: Active, moment: datetime) -> None:
    """Raise _Full if one more was started than may be. Who has started is alone, so that this counts all."""
    left = await _left(workshop, connection, active, moment)
    if left is not None and left < 0:
        raise _Full


async def _one(workshop: Workshop, active: Active, ticked: Tick) -> int:
    """Start one instance; a record that cannot be dealt with is tried later, and the others follow."""
    try:
        async with transaction(workshop.pool) as connection:
            if await _begin(workshop, connection, active, ticked) is None:
                return 0
            await _fits(workshop, connection, active, ticked.moment)
            return 1
    except Exception as error:
        if is_away(error) or isinstance(error, _Full):
            raise
        async with transaction(workshop.pool) as connection:
            await _again(workshop, connection, ticked, error, 1)
        return 0


async def _begin(workshop: Workshop, connection: Connection, active: Active, ticked: Tick) -> int | None:
    return await start(workshop, connection, active, ticked.event, ticked.occasion)


# Again -------------------------------------------------------------------------------------------


async def _again(
    workshop: Workshop, connection: Connection, ticked: Tick, trouble: Exception, attempt: int
) -> None:
    """Have a start tried later, or put it aside for a person after the last try."""
    told = f"{ticked.occasion}: {type(trouble).__name__}: {trouble}"
    log.warning("a tick could not start an instance", workflow=ticked.workflow, error=told)
    if attempt < EVENT_TRIES:
        arguments = {
            "workflow": ticked.workflow,
            "occasion": ticked.occasion,
            "attempt": attempt + 1,
        }
        order = Order(
            name=TRY_TICK,
            arguments=arguments,
            queueing_lock=f"{ticked.workflow} {ticked.occasion}",  # a tick may be gone through twice
            at=next_try(workshop, attempt, trouble),
        )
        await workshop.jobs.defer(order, connection=connection)
        return
    await letters.write(
        connection,
        workshop.tenant_id,
        kind=letters.EVENT,
        workflow=ticked.workflow,
        occasion=ticked.occasion,
        error=told,
        attempts=attempt,
    )


async def try_tick(workshop: Workshop, workflow: str, occasion: str, attempt: int) -> None:
    """Try a start again that went wrong. Raises Retry where nothing could be noted of it."""
    ticked = Tick.parse(workflow, occasion)
    active = await _active(workshop, workflow)
    if active is None:
        return  # it was disabled meanwhile
    try:
        async with transaction(workshop.pool) as connection:
            await alone(workshop, connection)  # of two tries side by side each would find the last place
            left = await _left(workshop, connection, active, ticked.moment)
            if left is None or left > 0:
                await _begin(workshop, connection, active, ticked)
            else:
                await _passed_over(workshop, connection, active, ticked)
    except Exception as error:
        if is_away(error):
            raise
        try:
            async with transaction(workshop.pool) as connection:
                await _again(workshop, connection, ticked, error, attempt)
        except Exception as again:  # noqa: BLE001 - its job is done again
            raise Retry(f"Of {occasion} nothing can be noted now: {again}") from error


async def _passed_over(workshop: Workshop, connection: Connection, active: Active, ticked: Tick) -> None:
    """Say of a record why this tick starts nothing for it any more: the others have taken all its places."""
    customer_id = await hand.owner_of(workshop, connection, ticked.event)
    most = active.definition.trigger.at_most
    start = Start(
        verdict=Verdict.SKIP,
        reason="at_most",
        sentence=f"The tick had started {most} others, as many as it may, before this one could be tried.",
        key="",
    )
    await instances.decided(
        connection, workshop.tenant_id, ticked.workflow, ticked.occasion, start, customer_id
    )


async def redrive(workshop: Workshop, connection: Connection, workflow: str, occasion: str) -> None:
    """Start what a dead letter is about, because a person wants it. Raises Refused and whatever is wrong."""
    active = await _active(workshop, workflow)
    if active is None:
        raise Refused(f"{workflow} is not enabled: enable it, then try again.")
    ticked, trigger = Tick.parse(workflow, occasion), active.definition.trigger
    if trigger.clock is None or (ticked.entity and ticked.entity != trigger.each):
        raise Refused(f"{workflow} is started by something else by now.")
    if trigger.each is None or ticked.entity:
        await _begin(workshop, connection, active, ticked)
        return
    kept = (await state.seen(connection, workshop.tenant_id, _key(active))).get(_key(active))
    if kept != ticked.moment.isoformat():
        raise Refused("It is of a moment that is over: the ticks after it have started what was left.")
    await _start(workshop, active, ticked.moment)


async def _active(workshop: Workshop, workflow: str) -> Active | None:
    found = await workshop.catalogue.active()
    return next((each for each in found if each.definition.name == workflow), None)
