"""An instance goes on: from where it stands to where it waits or ends.

What touches our own database alone is walked in one transaction (``walk``). An effect that reaches outside is
begun in a transaction of its own (a row for this coming to the step), done outside of any, and its result is
written together with the next step. So after a crash an instance goes on behind the last step that was
committed; what may have been done twice is made harmless by its key: a message by its intent.
"""

from datetime import timedelta
from typing import Final

import structlog

from perfectcatch.errors import AskPerson, Crash, PerfectCatchError, Retry, StatementStopped, Undecidable
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.model.workflow import Message, Step
from perfectcatch.store.messages import waiting
from perfectcatch.store.pool import Connection, transaction
from perfectcatch.store.workflows import instances, steps
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.acting import Acting, Done, Later, act, to_read_anew
from perfectcatch.workflows.running.answers import awaits
from perfectcatch.workflows.running.ledger import Ledger, NotTogether, in_turn
from perfectcatch.workflows.running.trying import slowly
from perfectcatch.workflows.running.walk import (
    HOPS,
    Walk,
    becomes,
    fails,
    happened,
    onward,
    state_of,
    stopped,
    takes,
    told_of,
)
from perfectcatch.workflows.running.workshop import Workshop

TRIES: Final = 5  # of an effect; then a person has to look
# A quarter of an hour at most: a vendor that is away for some minutes is no matter for a person.
_AGAIN: Final = Rules(attempts=TRIES, first_wait=60.0, longest_wait=600.0)
# How long a start of an effect is left alone, unless somebody wakes the instance: its worker has died.
_DOING: Final = timedelta(minutes=10)
_REUSED: Final = 1.0  # seconds for which records that were read serve steps that reach nobody

log = structlog.get_logger(__name__)


async def advance(
    workshop: Workshop, instance_id: int, happening: int | None = None, *, attempt: int = 1
) -> None:
    """Let an instance go on as far as it can now. Nothing happens with one that has ended or is paused.

    What nobody foresaw puts the instance aside for a person: it would come again at each try. So does a
    statement that the database stops at each ``attempt`` within a quarter of an hour or more.
    """
    try:
        await _advance(workshop, instance_id, happening)
    except StatementStopped as error:
        if attempt < TRIES:
            raise StatementStopped(str(error), after_seconds=slowly(attempt)) from error
        log.warning("an instance is too heavy for the database", instance=instance_id)
        await _put_aside(workshop, instance_id, str(error), attempts=attempt)
    except (Retry, AskPerson):
        raise  # the database is away or full: the whole is repeated
    except Exception as error:
        log.exception("an instance cannot go on", instance=instance_id)
        await _put_aside(workshop, instance_id, f"{type(error).__name__}: {error}")


async def _put_aside(workshop: Workshop, instance_id: int, error: str, *, attempts: int = 1) -> None:
    async with transaction(workshop.pool) as connection:
        instance = await instances.lock(connection, workshop.tenant_id, instance_id)
        if instance is None or not instance.is_open or instance.status == instances.FAILED:
            return
        ledger = Ledger(workshop, connection, workshop.clock.now())
        instance.status, instance.reason, instance.sentence = instances.FAILED, "failed", told_of(error)
        instance.next_action_at, instance.wakes = None, []
        ledger.failed(instance, error, attempts)
        await ledger.flush()


async def _advance(workshop: Workshop, instance_id: int, happening: int | None) -> None:
    for _ in range(HOPS):
        begun = await _walk(workshop, instance_id, happening)
        happening = None
        if begun is None:
            return
        if not await _do(workshop, begun):
            return
    raise Crash(f"Instance {instance_id} acted {HOPS} times in a row without waiting.")


# Up to an effect ---------------------------------------------------------------------------------


async def _walk(workshop: Workshop, instance_id: int, happening: int | None) -> Acting | None:
    """Walk to the next effect, and write that it begins; None: the instance waits or has ended."""
    try:
        return await _walk_once(workshop, instance_id, happening, apart=False)
    except NotTogether as error:
        log.info("steps are done one by one", instance=instance_id, reason=str(error))
    return await _walk_once(workshop, instance_id, happening, apart=True)


async def _walk_once(
    workshop: Workshop, instance_id: int, happening: int | None, *, apart: bool
) -> Acting | None:
    async with transaction(workshop.pool) as connection:
        instance = await instances.lock(connection, workshop.tenant_id, instance_id)
        if instance is None or not instance.is_open:
            return None
        if instance.status in (instances.QUEUED, instances.PAUSED, instances.FAILED):
            return None
        definition = await workshop.catalogue.pinned(instance.workflow_definition_id)
        read_at = workshop.clock.monotonic()
        records = await hand.of_instance(workshop, connection, instance, definition.settings, happening)
        now = workshop.clock.now()
        walk = Walk(Ledger(workshop, connection, now), instance, definition, records, now, apart)
        rests = _rests_at(walk) if happening is not None else None
        try:
            if (walk.records["happening"] is not None and happened(walk)) or await awaits(walk):
                acting = None
            else:
                acting = await _to_effect(walk, read_at, rests)
        except Undecidable as error:
            acting = None
            fails(walk, str(error), attempts=1)
        await _flush(walk)
    return acting


async def _flush(walk: Walk) -> None:
    try:
        await walk.ledger.flush()
    except Retry:
        raise
    except Exception as error:
        if walk.acted:  # perhaps one of its effects cannot be written, which is counted apart
            raise NotTogether(str(error)) from error
        raise


def _rests_at(walk: Walk) -> tuple[str, int] | None:
    """The coming to a step that has its moment to be gone on with: between two tries, or put off."""
    instance = walk.instance
    waits = instance.status in (instances.SLEEPING, instances.ASKING)
    if not waits or instance.next_action_at is None or instance.next_action_at <= walk.now:
        return None
    return instance.step, walk.state.occurrence


async def _to_effect(walk: Walk, read_at: float, rests: tuple[str, int] | None) -> Acting | None:
    """Walk to the next effect outside, and begin it on records that were read after all that was done.

    ``rests``: a coming that is not begun before its moment; what happens with a customer is no try.
    """
    workshop, connection = walk.ledger.workshop, walk.ledger.connection
    while True:
        step = await onward(walk)
        if step is None or (step.id, walk.state.occurrence) == rests:
            return None
        if walk.acted:
            read_at = workshop.clock.monotonic()
            walk.records = await hand.of_instance(
                workshop, connection, walk.instance, walk.definition.settings
            )
            walk.acted = False
        elif not stopped(walk, step):
            return await _begin(walk, step, read_at)
        elif not walk.instance.is_open:
            return None


async def _begin(walk: Walk, step: Step, read_at: float) -> Acting:
    """Write that the effect begins, and give what it needs."""
    instance, occurrence = walk.instance, walk.state.occurrence
    ledger = walk.ledger
    began = await steps.begin(
        ledger.connection,
        ledger.workshop.tenant_id,
        instance.id,
        step.id,
        occurrence,
        in_turn(instance, walk.now),
    )
    instance.status, instance.next_action_at = instances.RUNNING, walk.now + _DOING
    ledger.keep(instance)
    return Acting(
        instance=instance,
        definition=walk.definition,
        step=step,
        occurrence=occurrence,
        attempt=began.attempts,
        certain=began.outcome == steps.NO_EFFECT,
        records=walk.records,
        read_at=read_at,
        fresh=False,
    )


# Effects -----------------------------------------------------------------------------------------


async def _do(workshop: Workshop, acting: Acting) -> bool:
    """Have the effect, and write its result with the next step; whether the instance goes on at once."""
    try:
        if customers := await to_read_anew(workshop, acting):
            halted = await _on_fresh_records(workshop, acting, customers)
            if halted is not None:
                return halted
        result = await act(workshop, acting)
    except PerfectCatchError as error:
        return await _again(workshop, acting, str(error))
    except Exception as error:
        log.exception("a step failed", instance=acting.instance.id, step=acting.step.id)
        return await _again(workshop, acting, f"{type(error).__name__}: {error}")
    if workshop.clock.monotonic() - acting.read_at <= _REUSED:
        try:
            return await _written(workshop, acting, result, further=True)
        except Retry:
            raise
        except Exception as error:  # noqa: BLE001 - the result is kept, whatever is wrong with what follows
            log.info("steps are done one by one", instance=acting.instance.id, reason=str(error))
    return await _written(workshop, acting, result, further=False)


async def _written(workshop: Workshop, acting: Acting, result: Done | Later, *, further: bool) -> bool:
    """Write a result with the next step, and where the records still serve walk ``further`` from there."""
    async with transaction(workshop.pool) as connection:
        walk = await _relocked(workshop, connection, acting)
        if walk is None:
            await _given_up(workshop, connection, acting, result)
            return False
        if not takes(walk, acting.step, result) and further and walk.instance.status == instances.RUNNING:
            walk.records = acting.records.later(
                walk.now, results=walk.instance.results, taken_over=walk.instance.taken_over, happening=None
            )
            try:
                await onward(walk)
            except Undecidable as error:
                fails(walk, str(error), attempts=1)
        await walk.ledger.flush()
    return walk.instance.is_open and walk.instance.status == instances.RUNNING


async def _given_up(workshop: Workshop, connection: Connection, acting: Acting, result: Done | Later) -> None:
    """Give up what was put off while somebody took the instance from its step: nobody would come for it."""
    if not isinstance(result, Later) or not isinstance(acting.step, Message):
        return
    instance = await instances.lock(connection, workshop.tenant_id, acting.instance.id)
    if instance is None or (instance.is_open and instance.step == acting.step.id):
        return
    left = (instance.id, acting.step.id, instance.sentence or "Its workflow had gone on meanwhile.")
    await waiting.leave(connection, workshop.tenant_id, [left], now=workshop.clock.now())


async def _on_fresh_records(workshop: Workshop, acting: Acting, customers: list[int]) -> bool | None:
    """Read customers anew, and the stop rules on what came; None: nothing stands against the effect."""
    assert workshop.refresher is not None
    for customer_id in customers:
        await workshop.refresher.refresh(customer_id)
    async with transaction(workshop.pool) as connection:
        walk = await _relocked(workshop, connection, acting)
        if walk is None:
            return False
        if walk.instance.status == instances.PAUSED:
            return False
        acting.read_at = workshop.clock.monotonic()
        walk.records = await hand.of_instance(workshop, connection, walk.instance, walk.definition.settings)
        acting.records, acting.fresh = walk.records, True
        if not stopped(walk, acting.step):
            return None
        await walk.ledger.flush()
    return walk.instance.is_open and walk.instance.status == instances.RUNNING


async def _relocked(workshop: Workshop, connection: Connection, acting: Acting) -> Walk | None:
    """The instance under its lock again, where it still stands at this step; None: it was ended meanwhile."""
    instance = await instances.lock(connection, workshop.tenant_id, acting.instance.id)
    if instance is None or not instance.is_open or instance.step != acting.step.id:
        return None
    if state_of(instance).occurrence != acting.occurrence:
        return None
    now = workshop.clock.now()
    return Walk(Ledger(workshop, connection, now), instance, acting.definition, acting.records, now)


async def _again(workshop: Workshop, acting: Acting, error: str) -> bool:
    """Try the effect later, or put the instance aside for a person after the last try."""
    async with transaction(workshop.pool) as connection:
        walk = await _relocked(workshop, connection, acting)
        if walk is None:
            return False
        if acting.attempt >= TRIES:
            fails(walk, error, attempts=acting.attempt)
        else:
            if acting.certain:
                await steps.had_no_effect(
                    connection, workshop.tenant_id, acting.instance.id, acting.step.id, acting.occurrence
                )
            instance = walk.instance
            becomes(instance, instances.SLEEPING)
            instance.sentence = told_of(f"It is tried again: {error}")
            instance.next_action_at = walk.now + timedelta(seconds=backoff(acting.attempt, _AGAIN))
            walk.ledger.keep(instance)
        await walk.ledger.flush()
    return False
