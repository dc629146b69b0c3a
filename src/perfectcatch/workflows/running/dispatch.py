"""Events become instances, and wake those that wait.

One process dispatches at a time, under an advisory lock. The place in the events, what was decided about
each trigger, new instances and their jobs are written in one transaction, so that a crash repeats nothing and
loses nothing. An event that cannot be dealt with goes to the dead letters; the others are not kept waiting.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from perfectcatch.errors import Retry, Undecidable
from perfectcatch.model.workflow import Mode, Verdict
from perfectcatch.store import events, state
from perfectcatch.store.events import Event, Place
from perfectcatch.store.pool import Connection, transaction
from perfectcatch.store.workflows import instances, letters
from perfectcatch.workflows import bundle, decisions
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.workshop import Workshop, order

PLACE: Final = "workflows_place"
BATCH: Final = 500

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Done:
    """What a batch brought."""

    events: int = 0
    started: int = 0
    woken: int = 0
    failed: int = 0


async def dispatch(workshop: Workshop, *, limit: int = BATCH) -> Done | None:
    """Deal with the next events; None: somebody else is at it, or there are none."""
    active = await workshop.catalogue.active()
    async with transaction(workshop.pool) as connection:
        place = await _place(workshop, connection)
        if place is None:
            return None
        found, reached = await events.after(workshop.pool, workshop.tenant_id, place, limit=limit)
        if not found:
            if reached.id != place.id:
                await state.put(connection, workshop.tenant_id, PLACE, str(reached))
            return None
        done = Done(events=len(found))
        for event in found:
            await _carefully(workshop, connection, active, event, done)
        await _wake_all(workshop, connection, found, done)
        await state.put(connection, workshop.tenant_id, PLACE, str(reached))
    return done


async def _place(workshop: Workshop, connection: Connection) -> Place | None:
    """Where the last batch ended, under the lock of the one who dispatches; the first begins now."""
    got = await connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended('dispatch workflows', %s))", (workshop.tenant_id,)
    )
    if await got.fetchone() != (True,):
        return None
    kept = (await state.get(workshop.pool, workshop.tenant_id, PLACE)).get(PLACE)
    if kept is not None:
        return Place.parse(kept)
    place = await events.here(workshop.pool, workshop.tenant_id)
    await state.put(connection, workshop.tenant_id, PLACE, str(place))
    return place


async def _carefully(
    workshop: Workshop, connection: Connection, active: Sequence[Active], event: Event, done: Done
) -> None:
    """Start what the event starts; whatever is wrong with it, the next ones follow."""
    wanted = [each for each in active if event.event_type in each.definition.trigger.events]
    if not wanted:
        return
    try:
        async with connection.transaction():
            done.started += await start_all(workshop, connection, wanted, event)
    except Retry:
        raise  # the database is away: the batch is repeated
    except Exception as error:
        log.exception("an event could not be dealt with", event=event.id, type=event.event_type)
        done.failed += 1
        await letters.write(
            connection,
            workshop.tenant_id,
            kind=letters.EVENT,
            event_id=event.id,
            error=f"{type(error).__name__}: {error}",
            attempts=1,
        )


async def start_all(
    workshop: Workshop, connection: Connection, wanted: Sequence[Active], event: Event
) -> int:
    """Let the event start each of these workflows where it may; how many instances there are of it."""
    started = 0
    for each in wanted:
        occasion = f"{event.event_type}/{event.entity}-{event.st_id}/{event.version}"
        started += await start(workshop, connection, each, event, occasion) is not None
    return started


async def start(
    workshop: Workshop,
    connection: Connection,
    active: Active,
    event: Event,
    occasion: str,
    *,
    parent_id: int | None = None,
    shadow: bool = False,
) -> int | None:
    """Decide about one trigger of one workflow, once for ever by its ``occasion``; the new instance's id."""
    definition, tenant_id, now = active.definition, workshop.tenant_id, workshop.clock.now()
    customer_id, records = await hand.of_event(workshop, connection, event, definition.settings)
    known = []
    try:
        key = decisions.key_of(definition, records)
    except Undecidable:
        key = ""
    if key:
        known = await instances.earlier(connection, tenant_id, definition.name, key, customer_id)
    begins = decisions.may_start(definition, records, known, now)
    if not await instances.decided(connection, tenant_id, definition.name, occasion, begins, customer_id):
        return None
    if begins.verdict is Verdict.SKIP:
        return None
    for replaced in begins.replaces:
        await end(workshop, connection, replaced, instances.ENDED, "replaced", "A newer one took its place.")
    queued = begins.verdict is Verdict.QUEUE
    instance_id = await instances.begin(
        connection,
        tenant_id,
        definition_id=active.id,
        workflow=definition.name,
        start=begins,
        customer_id=customer_id,
        shadow=shadow or active.mode is Mode.SHADOW,
        status=instances.QUEUED if queued else instances.RUNNING,
        priority=definition.priority,
        step=decisions.first(definition),
        trigger=hand.told_of(event, occasion),
        parent_id=parent_id,
        now=now,
    )
    if not queued:
        await workshop.wake(instance_id, definition.priority, connection=connection)
    return instance_id


async def end(
    workshop: Workshop, connection: Connection, instance_id: int, status: str, reason: str, sentence: str
) -> bool:
    """End an instance from outside; False: it had ended already."""
    instance = await instances.lock(connection, workshop.tenant_id, instance_id)
    if instance is None or not instance.is_open:
        return False
    now = workshop.clock.now()
    instance.status, instance.reason, instance.sentence = status, reason, sentence
    instance.ended_at, instance.next_action_at, instance.wakes = now, None, []
    await instances.save(connection, workshop.tenant_id, instance, now=now)
    await followers(workshop, connection, instance)
    return True


async def followers(workshop: Workshop, connection: Connection, ended: instances.Instance) -> None:
    """What an ended instance lets go on: the next in its queue, and the instance that waits for it."""
    following = await instances.queued_behind(connection, workshop.tenant_id, ended)
    if following is not None:
        instance = await instances.lock(connection, workshop.tenant_id, following)
        if instance is not None and instance.status == instances.QUEUED:
            now = workshop.clock.now()
            instance.status, instance.entered_at = instances.RUNNING, now
            await instances.save(connection, workshop.tenant_id, instance, now=now)
            await workshop.wake(following, instance.priority, connection=connection)
    if ended.parent_id is not None:
        await workshop.wake(ended.parent_id, ended.priority, connection=connection)


async def _wake_all(workshop: Workshop, connection: Connection, found: Sequence[Event], done: Done) -> None:
    """Open instances of the customers that something happened with look at their rules and waits."""
    if not found:
        return
    keys = {(event.entity, event.st_id) for event in found}
    owners = await bundle.owners(connection, workshop.tenant_id, workshop.entities, keys)
    about: dict[int, list[Event]] = defaultdict(list)
    for event in found:
        for owner in hand.owners_of(event, owners):
            about[owner].append(event)
    waiting = await instances.of_customers(connection, workshop.tenant_id, list(about))
    orders = [
        order(instance_id, priority, event.id)
        for instance_id, customer_id, priority in waiting
        for event in about[customer_id]
    ]
    await workshop.jobs.defer_many(orders, connection=connection)
    done.woken += len(orders)
