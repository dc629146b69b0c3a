"""What is stored when an instance goes on with its wait: it came before the time that is up.

An event is stored by its own transaction, dispatched a moment later (longer after an outage) and becomes a
job of the instance, behind those that wait there already. A timer knows nothing of that: whoever answered in
time would be written to as one who has not. The job of an event finds an instance that is paused or has
failed at rest, and may give up: so what came is looked for among the events themselves.
"""

from datetime import timedelta
from typing import Final

from perfectcatch.errors import Undecidable
from perfectcatch.model.workflow import Sleep, Wait
from perfectcatch.store import events, state
from perfectcatch.store.events import Event, Place
from perfectcatch.store.workflows import instances
from perfectcatch.workflows import decisions
from perfectcatch.workflows.running.walk import MOVED_BY, Walk, happened, rests
from perfectcatch.workflows.running.workshop import PLACE, lock_of

_SOON: Final = timedelta(seconds=1)


async def awaits(walk: Walk) -> bool:
    """Whether nothing more is to be done now: what ends the wait is on its way, or has ended the instance.

    What came while the instance was paused or had failed is on no way any more: it is taken here.
    """
    step = walk.definition.step(walk.instance.step)
    if not isinstance(step, Wait) or not step.events:
        return False
    named = {event.id: event for event in walk.records.since if event.event_type in step.events}
    if not named:
        return False
    is_up = not isinstance(decisions.look(walk.definition, walk.records, walk.state, walk.now), Sleep)
    news = [event for event in named.values() if _is_news(walk, event) and _wakes(walk, event, unsure=False)]
    if not is_up and not news:
        return False
    coming = await _coming(walk, named)
    missed = [event for event in news if event.id not in coming]
    if missed:
        first = min(missed, key=lambda each: each.id)
        walk.records = walk.records.later(walk.now, happening=first)
        return happened(walk)
    if not is_up or not any(_wakes(walk, named[each], unsure=True) for each in coming):
        return False
    sentence = f"{step.id}: what ends the wait is stored, and on its way to it."
    rests(walk, instances.SLEEPING, sentence, walk.now + _SOON, list(step.events))
    return True


def _is_news(walk: Walk, event: Event) -> bool:
    """Whether it came after the instance began to wait, and after what has moved it before."""
    return event.recorded_at >= walk.instance.entered_at and event.id > walk.instance.taken.get(MOVED_BY, 0)


async def _coming(walk: Walk, named: dict[int, Event]) -> set[int]:
    """Those of the events that nobody has dispatched, or whose job is still to be done."""
    workshop, connection = walk.ledger.workshop, walk.ledger.connection
    # The place before the jobs: what is dispatched in between is found by both.
    kept = (await state.seen(connection, workshop.tenant_id, PLACE)).get(PLACE)
    if kept is None:
        return set()
    found = await events.not_read(connection, workshop.tenant_id, Place.parse(kept), named)
    jobs = await workshop.jobs.waiting_under(lock_of(walk.instance.id), connection=connection)
    return {*found, *(each["happening"] for each in jobs if each.get("happening") in named)}


def _wakes(walk: Walk, event: Event, *, unsure: bool) -> bool:
    """Whether it ends the wait; ``unsure`` where that cannot be decided, which its own job tells of."""
    records = walk.records.later(walk.now, happening=event)
    try:
        return decisions.wakes(walk.definition, records, walk.state)
    except Undecidable:
        return unsure
