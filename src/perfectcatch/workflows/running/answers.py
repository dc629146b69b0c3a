"""What is stored and on its way to an instance when the time of its wait is up: it came before that.

An event is stored by its own transaction, dispatched a moment later (longer after an outage) and becomes a
job of the instance, behind those that wait there already. A timer knows nothing of that: whoever answered in
time would be written to as one who has not.
"""

from datetime import timedelta
from typing import Final

from perfectcatch.errors import Undecidable
from perfectcatch.model.workflow import Sleep, Wait
from perfectcatch.store import events, state
from perfectcatch.store.events import Event, Place
from perfectcatch.store.workflows import instances
from perfectcatch.workflows import decisions
from perfectcatch.workflows.running.walk import Walk, rests
from perfectcatch.workflows.running.workshop import PLACE, lock_of

_SOON: Final = timedelta(seconds=1)


async def awaits(walk: Walk) -> bool:
    """Whether the time of the wait is up and what ends it is on its way; then the instance rests a moment."""
    step = walk.definition.step(walk.instance.step)
    if not isinstance(step, Wait) or not step.events:
        return False
    named = {event.id: event for event in walk.records.since if event.event_type in step.events}
    if not named or isinstance(decisions.look(walk.definition, walk.records, walk.state, walk.now), Sleep):
        return False
    coming = await _coming(walk, named)
    if not any(_wakes(walk, named[each]) for each in coming):
        return False
    sentence = f"{step.id}: what ends the wait is stored, and on its way to it."
    rests(walk, instances.SLEEPING, sentence, walk.now + _SOON, list(step.events))
    return True


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


def _wakes(walk: Walk, event: Event) -> bool:
    records = walk.records.later(walk.now, happening=event)
    try:
        return decisions.wakes(walk.definition, records, walk.state)
    except Undecidable:
        return True  # its own job says so
