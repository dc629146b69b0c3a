"""An instance walks: through its waits, branches and whatever touches nothing but our own database.

All of a walk is taken down in a ledger and committed at once, so that a crash at any moment repeats it whole
or not at all. It ends where the instance waits, or has ended, or comes to a step that reaches outside: that
one is begun and finished by ``advance``, with a commit before and after, on records that are read anew.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perfectcatch.errors import Undecidable
from perfectcatch.model.workflow import (
    Act,
    Approval,
    Crm,
    Definition,
    End,
    Go,
    Message,
    Post,
    Result,
    Sleep,
    State,
    Step,
    Task,
    Write,
)
from perfectcatch.model.workflow import Call as Request
from perfectcatch.store.workflows import instances, steps
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.store.workflows.letters import storable
from perfectcatch.workflows import decisions
from perfectcatch.workflows.records import Records
from perfectcatch.workflows.running.acting import Acting, Done, Later, act
from perfectcatch.workflows.running.ledger import STOPPED, Ledger, NotTogether
from perfectcatch.workflows.running.workshop import order

HOPS: Final = 200  # steps in a row that wait for nothing are a loop
# Kept beside the ways that were taken: the event that moved the instance last. By its id, since the clocks of
# workers and database may differ, and no event may move it twice.
MOVED_BY: Final = "moved by event"
_BREATH: Final = 10  # instances between which the process looks after everything else it does
_OURS: Final = (Task, Approval)
_NOTED: Final = (Post, Crm, Write, Request)  # in shadow mode nothing is done


@dataclass(slots=True)
class Walk:
    """An instance that nobody else moves. ``apart``: no effect is had on the way, not even one of ours."""

    ledger: Ledger
    instance: Instance
    definition: Definition
    records: Records
    now: datetime
    apart: bool = False
    acted: bool = False  # since the records were read

    @property
    def state(self) -> State:
        """Where the instance stands."""
        return state_of(self.instance)


def state_of(instance: Instance) -> State:
    """Where the instance stands, as decisions know it."""
    return State(
        step=instance.step,
        entered_at=instance.entered_at,
        started_at=instance.started_at,
        visits=instance.visits,
        taken=instance.taken,
        results=instance.results,
    )


def is_ours(step: Step, *, shadow: bool) -> bool:
    """Whether the effect of the step stays in our own database, or is none in shadow mode."""
    return isinstance(step, _OURS) or (shadow and isinstance(step, _NOTED))


async def onward(walk: Walk) -> Step | None:
    """Walk to the next step that reaches outside, which is not begun; None: it waits, or has ended."""
    for _ in range(HOPS):
        seen = decisions.look(walk.definition, walk.records, walk.state, walk.now)
        match seen:
            case Sleep():
                rests(walk, instances.SLEEPING, seen.sentence, seen.until, list(seen.events))
                return None
            case Act(step=step):
                if walk.apart or not is_ours(step, shadow=walk.instance.shadow):
                    return step
                over = not walk.instance.is_open if stopped(walk, step) else await _acts(walk, step)
            case Go() | End():
                over = _passes(walk, seen)
        if over:
            return None
    raise Undecidable(f"{HOPS} steps without a wait or an effect: {walk.definition.name} goes in a circle.")


async def all_onward(walks: Iterable[Walk]) -> None:
    """Each walks as far as nothing reaches outside; what is left to do becomes a job."""
    for number, walk in enumerate(walks, 1):
        try:
            if await onward(walk) is not None:
                walk.ledger.order(order(walk.instance.id, walk.instance.priority))
        except Undecidable as error:
            fails(walk, str(error), attempts=1)
        if number % _BREATH == 0:
            await asyncio.sleep(0)


def _passes(walk: Walk, seen: Go | End) -> bool:
    """Go on from a step that has no effect; whether the instance has ended."""
    here = walk.definition.step(walk.instance.step)
    if here is not None:
        executed(walk, here, Result(outcome="passed"), seen.sentence)
        _leaves(walk, here, seen)
    return goes(walk, seen)


async def _acts(walk: Walk, step: Step) -> bool:
    """Have an effect in our own database; whether the instance waits for it, or has ended by it."""
    instance, occurrence = walk.instance, walk.state.occurrence
    acting = Acting(
        instance=instance,
        definition=walk.definition,
        step=step,
        occurrence=occurrence,
        attempt=1,
        records=walk.records,
        fresh=False,
        ledger=walk.ledger,
    )
    try:
        result = await act(walk.ledger.workshop, acting)
    except Exception as error:
        # What failed is tried again, and counted, where nothing else depends on it.
        raise NotTogether(f"{step.id}: {error}") from error
    walk.acted = True
    if walk.records["happening"] is not None:
        walk.records = walk.records.later(walk.now, happening=None)
    return takes(walk, step, result, attempts=1)


def takes(walk: Walk, step: Step, result: Done | Later, *, attempts: int = 0) -> bool:
    """Take down what a step gave; whether the instance waits now, or has ended."""
    if isinstance(result, Later):
        executed(walk, step, result.result, result.sentence, status=steps.DEFERRED, attempts=attempts)
        rests(walk, result.status, result.sentence, result.until, [])
        return True
    executed(walk, step, result.result, result.sentence, attempts=attempts)
    walk.instance.results[step.id] = result.result.value
    return goes(walk, decisions.next_step(walk.definition, step, result.result))


def happened(walk: Walk) -> bool:
    """What an event with the customer means for the instance; whether it has ended of it."""
    stop = decisions.should_stop(walk.definition, walk.records, None)
    step = walk.definition.step(walk.instance.step)
    if stop is not None and not _is_here(walk, stop):
        _leaves(walk, step, stop)
        _moved(walk)
        return goes(walk, stop)
    if step is None or _has_moved(walk) or not decisions.wakes(walk.definition, walk.records, walk.state):
        return False
    result = Result(outcome="event", value=walk.records["happening"]["type"])
    executed(walk, step, result)
    _moved(walk)
    return goes(walk, decisions.next_step(walk.definition, step, result))


def _has_moved(walk: Walk) -> bool:
    """Whether this event has moved the instance before; it may be told again."""
    event = walk.records.happening
    return event is not None and event.id == walk.instance.taken.get(MOVED_BY)


def _moved(walk: Walk) -> None:
    event = walk.records.happening
    if event is not None:
        before = walk.instance.taken.get(MOVED_BY, 0)
        walk.instance.taken = {**walk.instance.taken, MOVED_BY: max(event.id, before)}


def stopped(walk: Walk, step: Step) -> bool:
    """Whether a stop rule keeps ``step`` from acting; then the instance has ended or is elsewhere."""
    stop = decisions.should_stop(walk.definition, walk.records, step.id)
    if stop is None or _is_here(walk, stop):
        return False
    reason = stop.reason if isinstance(stop, End) else STOPPED
    executed(walk, step, Result(outcome=STOPPED, reason=reason), stop.sentence)
    _leaves(walk, step, stop)
    goes(walk, stop)
    return True


def _leaves(walk: Walk, step: Step | None, stop: Go | End) -> None:
    if isinstance(step, Message):
        walk.ledger.left(walk.instance, stop.sentence)


def _is_here(walk: Walk, stop: Go | End) -> bool:
    return isinstance(stop, Go) and stop.to == walk.instance.step


def goes(walk: Walk, seen: Go | End) -> bool:
    """Go to the step, or end; whether it has ended."""
    instance = walk.instance
    walk.ledger.keep(instance)
    if isinstance(seen, End):
        instance.status, instance.reason, instance.sentence = instances.ENDED, seen.reason, seen.sentence
        instance.ended_at, instance.next_action_at, instance.wakes = walk.now, None, []
        return True
    # The clock of another worker may be behind that of the one before.
    state = decisions.enter(walk.state, seen.to, max(walk.now, instance.entered_at), way_back=seen.way_back)
    instance.step, instance.entered_at = state.step, state.entered_at
    instance.visits, instance.taken = dict(state.visits), dict(state.taken)
    instance.sentence, instance.next_action_at, instance.wakes = seen.sentence, None, []
    becomes(instance, instances.RUNNING)
    return False


def becomes(instance: Instance, status: str) -> None:
    """Change the status, but for an instance that a person paused while its step was being done."""
    if instance.status != instances.PAUSED:
        instance.status = status


def fails(walk: Walk, error: str, *, attempts: int) -> None:
    """Put the instance aside until a person has it tried again."""
    instance = walk.instance
    instance.status, instance.reason, instance.sentence = instances.FAILED, "failed", told_of(error)
    instance.next_action_at, instance.wakes = None, []
    walk.ledger.failed(instance, error, attempts)


def told_of(error: str) -> str:
    """An error as the sentence of an instance."""
    return storable(error[:500])


def executed(
    walk: Walk, step: Step, result: Result, sentence: str = "", *, status: str = steps.DONE, attempts: int = 0
) -> None:
    """What became of this coming to a step."""
    walk.ledger.executed(
        walk.instance,
        step.id,
        walk.state.occurrence,
        result,
        sentence,
        status=status,
        attempts=attempts,
    )


def rests(walk: Walk, status: str, sentence: str, until: datetime | None, events: list[str]) -> None:
    """The instance stays at its step until then, or until one of the events happens."""
    instance = walk.instance
    becomes(instance, status)
    instance.sentence, instance.next_action_at, instance.wakes = sentence, until, events
    walk.ledger.keep(instance)
