"""An instance goes on: from where it stands to where it waits, acts or ends.

Steps without an effect are walked in one transaction. An effect is begun in a transaction of its own (a row
for this coming to the step), done outside of any, and its result is written together with the next step. So
after a crash an instance goes on behind the last step that was committed; what may have been done twice is
made harmless by its key: a message by its intent, a task by its step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from perfectcatch.errors import Crash, PerfectCatchError, Undecidable
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.model.workflow import Act, Definition, End, Go, Result, Sleep, State, Step
from perfectcatch.store.pool import Connection, transaction
from perfectcatch.store.workflows import instances, letters, steps
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import decisions
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.acting import Acting, Later, act, must_be_fresh
from perfectcatch.workflows.running.dispatch import followers
from perfectcatch.workflows.running.workshop import Workshop

TRIES: Final = 5  # of an effect; then a person has to look
HOPS: Final = 200  # steps without an effect in a row are a loop
_AGAIN: Final = Rules(attempts=TRIES, first_wait=5.0, longest_wait=600.0)
# How long a start of an effect is left alone, unless somebody wakes the instance: its worker has died.
_DOING: Final = timedelta(minutes=10)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Walk:
    """An instance under its lock."""

    workshop: Workshop
    connection: Connection
    instance: Instance
    definition: Definition
    records: Mapping[str, Any]
    now: datetime

    async def save(self) -> None:
        await instances.save(self.connection, self.workshop.tenant_id, self.instance, now=self.now)


async def advance(workshop: Workshop, instance_id: int, happening: int | None = None) -> None:
    """Let an instance go on as far as it can now. Nothing happens with one that has ended or is paused."""
    for _ in range(HOPS):
        begun = await _walk(workshop, instance_id, happening)
        happening = None
        if begun is None:
            return
        if not await _do(workshop, begun):
            return
    raise Crash(f"Instance {instance_id} acted {HOPS} times in a row without waiting.")


# Steps without an effect -------------------------------------------------------------------------


async def _walk(workshop: Workshop, instance_id: int, happening: int | None) -> Acting | None:
    """Walk to the next effect, and write that it begins; None: the instance waits or has ended."""
    async with transaction(workshop.pool) as connection:
        instance = await instances.lock(connection, workshop.tenant_id, instance_id)
        if instance is None or not instance.is_open:
            return None
        if instance.status in (instances.QUEUED, instances.PAUSED, instances.FAILED):
            return None
        definition = await workshop.catalogue.pinned(instance.workflow_definition_id)
        records = await hand.of_instance(workshop, connection, instance, definition.settings, happening)
        walk = _Walk(workshop, connection, instance, definition, records, workshop.clock.now())
        try:
            return await _steps(walk)
        except Undecidable as error:
            await _fail(walk, str(error), attempts=1)
            return None


async def _steps(walk: _Walk) -> Acting | None:
    if walk.records["happening"] is not None and await _happened(walk):
        return None
    for _ in range(HOPS):
        seen = decisions.look(walk.definition, walk.records, _state(walk.instance), walk.now)
        match seen:
            case Sleep():
                await _sleep(walk, seen)
                return None
            case Act(step=step):
                return await _begin(walk, step)
            case Go() | End():
                here = walk.definition.step(walk.instance.step)
                if here is not None:
                    await _executed(walk, here, Result(outcome="passed"), seen.sentence)
                if await _goes(walk, seen):
                    return None
    raise Undecidable(f"{HOPS} steps without a wait or an effect: {walk.definition.name} goes in a circle.")


async def _sleep(walk: _Walk, seen: Sleep) -> None:
    instance = walk.instance
    instance.status, instance.sentence = instances.SLEEPING, seen.sentence
    instance.next_action_at, instance.wakes = seen.until, list(seen.events)
    await walk.save()


async def _happened(walk: _Walk) -> bool:
    """What an event with the customer means for the instance; whether it has ended of it."""
    if await _stopped(walk, None):
        return True
    step = walk.definition.step(walk.instance.step)
    if step is None or not decisions.wakes(walk.definition, walk.records, _state(walk.instance)):
        return False
    result = Result(outcome="event", value=walk.records["happening"]["type"])
    await _executed(walk, step, result)
    return await _goes(walk, decisions.next_step(walk.definition, step, result))


async def _stopped(walk: _Walk, step: str | None) -> bool:
    stop = decisions.should_stop(walk.definition, walk.records, step)
    if stop is None or (isinstance(stop, Go) and stop.to == walk.instance.step):
        return False
    return await _goes(walk, stop)


async def _goes(walk: _Walk, seen: Go | End) -> bool:
    """Go to the step, or end; whether it has ended."""
    instance = walk.instance
    if isinstance(seen, End):
        instance.status, instance.reason, instance.sentence = instances.ENDED, seen.reason, seen.sentence
        instance.ended_at, instance.next_action_at, instance.wakes = walk.now, None, []
        await walk.save()
        await followers(walk.workshop, walk.connection, instance)
        return True
    state = decisions.enter(_state(instance), seen.to, walk.now, way_back=seen.way_back)
    instance.step, instance.entered_at = state.step, state.entered_at
    instance.visits, instance.taken = dict(state.visits), dict(state.taken)
    instance.sentence, instance.next_action_at, instance.wakes = seen.sentence, None, []
    _becomes(instance, instances.RUNNING)
    return False


def _becomes(instance: Instance, status: str) -> None:
    """Change the status, but for an instance that a person paused while its step was being done."""
    if instance.status != instances.PAUSED:
        instance.status = status


async def _begin(walk: _Walk, step: Step) -> Acting | None:
    """Check the stop rules, write that the effect begins, and give what it needs."""
    stop = decisions.should_stop(walk.definition, walk.records, step.id)
    if stop is not None and not (isinstance(stop, Go) and stop.to == step.id):
        await _executed(walk, step, Result(outcome="stopped", reason=_reason(stop)), stop.sentence)
        if await _goes(walk, stop):
            return None
        return await _steps(walk)
    instance, occurrence = walk.instance, _state(walk.instance).occurrence
    began = await steps.begin(
        walk.connection, walk.workshop.tenant_id, instance.id, step.id, occurrence, walk.now
    )
    instance.status, instance.next_action_at = instances.RUNNING, walk.now + _DOING
    await walk.save()
    return Acting(
        instance=instance,
        definition=walk.definition,
        step=step,
        occurrence=occurrence,
        attempt=began.attempts,
        certain=began.outcome == steps.NO_EFFECT,
        records=walk.records,
        fresh=False,
    )


def _reason(stop: Go | End) -> str:
    return stop.reason if isinstance(stop, End) else "stopped"


# Effects -----------------------------------------------------------------------------------------


async def _do(workshop: Workshop, acting: Acting) -> bool:
    """Have the effect, and write its result with the next step; whether the instance goes on at once."""
    try:
        if await must_be_fresh(workshop, acting):
            stopped = await _on_fresh_records(workshop, acting)
            if stopped is not None:
                return stopped
        result = await act(workshop, acting)
    except PerfectCatchError as error:
        return await _again(workshop, acting, str(error))
    except Exception as error:
        log.exception("a step failed", instance=acting.instance.id, step=acting.step.id)
        return await _again(workshop, acting, f"{type(error).__name__}: {error}")
    async with transaction(workshop.pool) as connection:
        walk = await _relocked(workshop, connection, acting)
        if walk is None:
            return False
        if isinstance(result, Later):
            await _executed(walk, acting.step, result.result, result.sentence, status=steps.DEFERRED)
            instance = walk.instance
            _becomes(instance, result.status)
            instance.sentence, instance.next_action_at, instance.wakes = result.sentence, result.until, []
            await walk.save()
            return False
        await _executed(walk, acting.step, result.result, result.sentence)
        walk.instance.results[acting.step.id] = result.result.value
        over = await _goes(walk, decisions.next_step(acting.definition, acting.step, result.result))
        if not over:
            await walk.save()
        return walk.instance.status == instances.RUNNING


async def _on_fresh_records(workshop: Workshop, acting: Acting) -> bool | None:
    """Read the customer anew, and the stop rules on what came; None: nothing stands against the effect."""
    assert workshop.refresher is not None
    assert acting.instance.customer_id is not None
    await workshop.refresher.refresh(acting.instance.customer_id)
    async with transaction(workshop.pool) as connection:
        walk = await _relocked(workshop, connection, acting)
        if walk is None:
            return False
        walk.records = await hand.of_instance(workshop, connection, walk.instance, walk.definition.settings)
        stop = decisions.should_stop(walk.definition, walk.records, acting.step.id)
        acting.records, acting.fresh = walk.records, True
        if stop is None:
            return None
        await _executed(walk, acting.step, Result(outcome="stopped", reason=_reason(stop)), stop.sentence)
        over = await _goes(walk, stop)
        if not over:
            await walk.save()
        return walk.instance.status == instances.RUNNING


async def _relocked(workshop: Workshop, connection: Connection, acting: Acting) -> _Walk | None:
    """The instance under its lock again, where it still stands at this step; None: it was ended meanwhile."""
    instance = await instances.lock(connection, workshop.tenant_id, acting.instance.id)
    if instance is None or not instance.is_open or instance.step != acting.step.id:
        return None
    if _state(instance).occurrence != acting.occurrence:
        return None
    return _Walk(workshop, connection, instance, acting.definition, acting.records, workshop.clock.now())


async def _again(workshop: Workshop, acting: Acting, error: str) -> bool:
    """Try the effect later, or put the instance aside for a person after the last try."""
    async with transaction(workshop.pool) as connection:
        walk = await _relocked(workshop, connection, acting)
        if walk is None:
            return False
        if acting.attempt >= TRIES:
            await _fail(walk, error, attempts=acting.attempt)
            return False
        if acting.certain:
            await steps.had_no_effect(
                connection, workshop.tenant_id, acting.instance.id, acting.step.id, acting.occurrence
            )
        instance = walk.instance
        _becomes(instance, instances.SLEEPING)
        instance.sentence = f"It is tried again: {error}"[:500]
        instance.next_action_at = walk.now + timedelta(seconds=backoff(acting.attempt, _AGAIN))
        await walk.save()
    return False


async def _fail(walk: _Walk, error: str, *, attempts: int) -> None:
    instance = walk.instance
    instance.status, instance.reason, instance.sentence = instances.FAILED, "failed", error[:500]
    instance.next_action_at, instance.wakes = None, []
    await walk.save()
    await letters.write(
        walk.connection,
        walk.workshop.tenant_id,
        kind=letters.INSTANCE,
        instance_id=instance.id,
        workflow=instance.workflow,
        step=instance.step,
        error=error,
        attempts=attempts,
    )


async def _executed(
    walk: _Walk, step: Step, result: Result, sentence: str = "", *, status: str = steps.DONE
) -> None:
    await steps.end(
        walk.connection,
        walk.workshop.tenant_id,
        walk.instance.id,
        step.id,
        _state(walk.instance).occurrence,
        status=status,
        outcome=result.outcome,
        reason=result.reason,
        sentence=sentence,
        value=result.value,
        began=walk.instance.entered_at,
        now=walk.now,
    )


def _state(instance: Instance) -> State:
    return State(
        step=instance.step,
        entered_at=instance.entered_at,
        started_at=instance.started_at,
        visits=instance.visits,
        taken=instance.taken,
        results=instance.results,
    )
