"""Events become instances, and wake those that wait.

One process dispatches at a time, under an advisory lock. The place in the events, what was decided about each
trigger, new instances, how far they went at once and their jobs are written in one transaction, so that a
crash repeats nothing and loses nothing.

A batch goes together: records are read for all of its customers at once, and new instances walk at once as
far as nothing reaches outside. An event that cannot be decided about is set aside, and tried again by itself
(``trying``) behind the others. Where the batch fails as a whole nothing of it is kept: it is halved until the
few around what is wrong are left, and these are dealt with one by one. So nobody is kept waiting.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from perfectcatch.errors import Retry
from perfectcatch.model.workflow import Definition, Earlier, Verdict
from perfectcatch.store import events, state
from perfectcatch.store.events import Event, Place
from perfectcatch.store.pool import Connection, transaction
from perfectcatch.store.workflows import batches, hearing, instances, letters
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import bundle, decisions
from perfectcatch.workflows.bundle import Key, Names, Present
from perfectcatch.workflows.records import Records
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.ledger import Ledger, NotTogether
from perfectcatch.workflows.running.starting import born, key_of
from perfectcatch.workflows.running.trying import carefully, occasion_of, wanted_by
from perfectcatch.workflows.running.walk import Walk, all_onward, is_ours
from perfectcatch.workflows.running.workshop import FEW, PLACE, Workshop, is_away, order

BATCH: Final = 250

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Done:
    """What a batch brought."""

    events: int = 0
    started: int = 0
    woken: int = 0
    failed: int = 0

    def with_(self, more: "Done | None") -> "Done":
        """Both together."""
        if more is None:
            return self
        return Done(
            events=self.events + more.events,
            started=self.started + more.started,
            woken=self.woken + more.woken,
            failed=self.failed + more.failed,
        )


async def dispatch(workshop: Workshop, *, limit: int = BATCH) -> Done | None:
    """Deal with the next events; None: somebody else is at it, or there are none."""
    try:
        return await _batch(workshop, limit, together=True)
    except Exception as error:
        if is_away(error):
            raise  # the batch is repeated
        # In smaller batches, in the end one by one, it shows which event it was.
        log.info("events are dealt with apart", number=limit, reason=f"{type(error).__name__}: {error}")
    if limit <= FEW:
        return await _batch(workshop, limit, together=False)
    first = await dispatch(workshop, limit=limit // 2)
    second = await dispatch(workshop, limit=limit - limit // 2) if first is not None else None
    return first.with_(second) if first is not None else None


async def _batch(workshop: Workshop, limit: int, *, together: bool) -> Done | None:
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
        one_by_one: Sequence[Event] = found
        owners: Mapping[Key, int] = {}
        if together:
            owners = await _owners(workshop, connection, found)
            done.started, one_by_one = await _start_together(workshop, connection, active, found, owners)
        for event in one_by_one:
            started, well = await carefully(workshop, connection, active, event)
            done.started, done.failed = done.started + started, done.failed + (not well)
        if together:
            await _wake_all(workshop, connection, found, owners, done)
        else:
            for event in found:
                await _wake_carefully(workshop, connection, event, done)
        await state.put(connection, workshop.tenant_id, PLACE, str(reached))
    return done


async def _owners(workshop: Workshop, connection: Connection, found: Sequence[Event]) -> Mapping[Key, int]:
    keys = {(event.entity, event.st_id) for event in found}
    return await bundle.owners(connection, workshop.tenant_id, workshop.entities, keys)


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


# A batch together --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """An event that may start a workflow."""

    active: Active
    event: Event
    occasion: str
    customer_id: int | None
    records: Records
    key: str

    @property
    def definition(self) -> Definition:
        return self.active.definition


async def _start_together(
    workshop: Workshop,
    connection: Connection,
    active: Sequence[Active],
    found: Sequence[Event],
    owners: Mapping[Key, int],
) -> tuple[int, list[Event]]:
    """Start what the events start; how many instances there are of it, and those that were set aside."""
    wanted = [(event, each) for event in found for each in wanted_by(active, event)]
    if not wanted:
        return 0, []
    before = await batches.decided_before(
        connection, workshop.tenant_id, [(each.definition.name, occasion_of(event)) for event, each in wanted]
    )
    wanted = [pair for pair in wanted if (pair[1].definition.name, occasion_of(pair[0])) not in before]
    if not wanted:
        return 0, []
    whose = {event.id: _only(hand.owners_of(event, owners)) for event, _ in wanted}
    present = await bundle.present(
        connection,
        workshop.tenant_id,
        workshop.entities,
        {each for each in whose.values() if each is not None},
        {(event.entity, event.st_id) for event, _ in wanted},
    )
    names = await hand.names_of(workshop, connection)
    asked, aside = [], {}
    for event, each in wanted:
        customer_id = whose[event.id]
        try:
            rows = present.of(customer_id, [(event.entity, event.st_id)])
            records = hand.of_start(workshop, rows, names, event, customer_id, each.definition.settings)
            key = key_of(each.definition, records)
        except Retry:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            log.info("an event is set aside", event_id=event.id, reason=repr(error))
            aside[event.id] = event
        else:
            asked.append(_Asked(each, event, occasion_of(event), customer_id, records, key))
    if not asked:
        return 0, list(aside.values())
    ledger = Ledger(workshop, connection, workshop.clock.now())
    starting = await _decide(ledger, asked)
    await _walk_all(ledger, starting, present, names)
    await ledger.flush()
    return len(starting), list(aside.values())


async def _decide(ledger: Ledger, asked: Sequence[_Asked]) -> list[tuple[_Asked, Instance]]:
    """Decide about each start in turn, as if those before it were written; gives the new instances."""
    workshop, connection, now = ledger.workshop, ledger.connection, ledger.now
    known: list[list[Earlier]] = await batches.earlier(
        connection,
        workshop.tenant_id,
        [(each.definition.name, each.key, each.customer_id) for each in asked],
    )
    numbers = iter(await batches.numbers(connection, "instances", len(asked)))
    begun: dict[str, list[Earlier]] = defaultdict(list)
    starting, rows = [], []
    for each, earlier in zip(asked, known, strict=True):
        name = each.definition.name
        mine = [
            one
            for one in begun[name]
            if one.key == each.key or (one.customer_id == each.customer_id and each.customer_id is not None)
        ]
        begins = decisions.may_start(
            each.definition, each.records, [*mine, *earlier] if each.key else [], now
        )
        if begins.replaces:
            raise NotTogether("An instance takes the place of another.")
        instance = None
        if begins.verdict is not Verdict.SKIP:
            told = hand.told_of(each.event, each.occasion)
            instance = born(each.active, begins, told, each.customer_id, now, number=next(numbers))
            begun[name].insert(0, _as_earlier(instance))
            starting.append((each, instance))
            ledger.born(instance)
        rows.append(
            {
                "workflow": name,
                "trigger": each.occasion,
                "customer_id": each.customer_id,
                "verdict": begins.verdict.value,
                "reason": begins.reason,
                "sentence": begins.sentence,
                "workflow_instance_id": instance.id if instance is not None else None,
            }
        )
    if await batches.decide(connection, workshop.tenant_id, rows) < len(rows):
        raise NotTogether("Somebody else has decided about one of the triggers.")
    return starting


async def _walk_all(
    ledger: Ledger, starting: Sequence[tuple[_Asked, Instance]], present: Present, names: Names
) -> None:
    """Let new instances go as far as nothing reaches outside; what is left to do becomes a job."""
    workshop, walking = ledger.workshop, []
    for each, instance in starting:
        if instance.status != instances.RUNNING:
            continue
        if _may_walk(each.definition, shadow=instance.shadow):
            walking.append((each, instance))
        else:
            ledger.order(order(instance.id, instance.priority))
    if not walking:
        return
    found = await hand.of_instances(
        workshop,
        ledger.connection,
        present,
        names,
        [(instance, each.event, each.definition.settings) for each, instance in walking],
    )
    await all_onward(
        Walk(ledger, instance, each.definition, records, ledger.now)
        for (each, instance), records in zip(walking, found, strict=True)
    )


def _as_earlier(instance: Instance) -> Earlier:
    return Earlier(
        id=instance.id,
        key=instance.key,
        customer_id=instance.customer_id,
        started_at=instance.started_at,
        running=True,
    )


def _may_walk(definition: Definition, *, shadow: bool) -> bool:
    step = definition.steps[0]
    return not step.acts or step.when is not None or is_ours(step, shadow=shadow)


def _only(owners: Sequence[int]) -> int | None:
    return owners[0] if len(owners) == 1 else None


# Those that wait ---------------------------------------------------------------------------------


async def _wake_all(
    workshop: Workshop,
    connection: Connection,
    found: Sequence[Event],
    owners: Mapping[Key, int],
    done: Done,
) -> None:
    """Open instances of the customers that something happened with look at their rules and waits.

    A message from a person also concerns the instances that wrote to that address, whoever it belongs to.
    """
    about: dict[int | str, list[Event]] = defaultdict(list)
    for event in found:
        for owner in hand.owners_of(event, owners):
            about[owner].append(event)
        if sender := event.data.get("sender"):
            about[sender].append(event)
    customers = [each for each in about if isinstance(each, int)]
    waiting: list[tuple[int, int | str, int, int]] = [
        *await instances.of_customers(connection, workshop.tenant_id, customers),
        *await hearing.waiting_for(
            connection, workshop.tenant_id, [each for each in about if isinstance(each, str)]
        ),
    ]
    wakened = {
        (instance_id, priority, event.id)
        for instance_id, whose, priority, started_by in waiting
        for event in about[whose]
        if event.id != started_by  # what started it does not happen to it as well
    }
    orders = [order(*each) for each in sorted(wakened, key=lambda each: (each[2], each[0]))]
    await workshop.jobs.defer_many(orders, connection=connection)
    done.woken += len(orders)


async def tell(workshop: Workshop, connection: Connection, event: Event) -> int:
    """Have those that an event concerns look at it; how many they are."""
    done = Done()
    await _wake_all(workshop, connection, [event], await _owners(workshop, connection, [event]), done)
    return done.woken


async def _wake_carefully(workshop: Workshop, connection: Connection, event: Event, done: Done) -> None:
    """Wake those that one event concerns; where that goes wrong a person is told, and the others follow."""
    try:
        async with connection.transaction():
            done.woken += await tell(workshop, connection, event)
    except Exception as error:
        if is_away(error):
            raise  # the whole is repeated
        log.warning("an event wakes nobody", event_id=event.id, error=repr(error))
        done.failed += 1
        await letters.write(
            connection,
            workshop.tenant_id,
            kind=letters.EVENT,
            event_id=event.id,
            error=f"{letters.UNTOLD}: {type(error).__name__}: {error}",
            attempts=1,
        )
