"""Events one by one: what an event starts, and what is done where that goes wrong.

Such an event is tried again a few times, each workflow for itself, then it goes to the dead letters. The job
of a try is done when its outcome is noted: the next try, a dead letter, or nothing.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from perfectcatch.errors import Retry
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store import events
from perfectcatch.store.events import Event
from perfectcatch.store.jobs.queue import Order
from perfectcatch.store.pool import Connection, transaction, was_stopped
from perfectcatch.store.workflows import letters
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.starting import start
from perfectcatch.workflows.running.workshop import Workshop, is_away

TRY_EVENT: Final = "workflows.event"  # the job that tries an event again
EVENT_TRIES: Final = 5
_AGAIN: Final = Rules(attempts=EVENT_TRIES, first_wait=2.0, longest_wait=60.0)
# A database that is too slow for a statement may be so for everybody, for half an hour.
_SLOWLY: Final = Rules(attempts=EVENT_TRIES, first_wait=120.0, longest_wait=1800.0)
UNTIL_NOTED: Final = Rules(attempts=1_000_000, first_wait=4.0, longest_wait=300.0)  # of the job of a try

log = structlog.get_logger(__name__)


def wanted_by(active: Sequence[Active], event: Event) -> list[Active]:
    """The workflows that the event may start."""
    return [each for each in active if event.event_type in each.definition.trigger.events]


def occasion_of(event: Event) -> str:
    """What names the event among all triggers of a workflow."""
    return f"{event.event_type}/{event.entity}-{event.st_id}/{event.version}"


async def start_all(
    workshop: Workshop, connection: Connection, wanted: Sequence[Active], event: Event
) -> int:
    """Let the event start each of these workflows where it may; how many instances there are of it."""
    started = 0
    for each in wanted:
        started += await start(workshop, connection, each, event, occasion_of(event)) is not None
    return started


async def carefully(
    workshop: Workshop, connection: Connection, active: Sequence[Active], event: Event, *, attempt: int = 1
) -> tuple[int, bool]:
    """Start what the event starts, and see to what is wrong with it; how many, and whether all went well.

    What it has started in an earlier attempt stays as it is.
    """
    started, trouble = 0, None
    for each in wanted_by(active, event):
        try:
            async with connection.transaction():
                started += await start_all(workshop, connection, [each], event)
        except Exception as error:
            if is_away(error):
                raise  # the whole is repeated
            told = {"event_id": event.id, "workflow": each.definition.name, "error": repr(error)}
            log.warning("an event could not be dealt with", **told)
            trouble = error
    if trouble is not None:
        await _again(workshop, connection, event, trouble, attempt)
    return started, trouble is None


async def _again(
    workshop: Workshop, connection: Connection, event: Event, trouble: Exception, attempt: int
) -> None:
    """Have the event tried later, or put it aside for a person after the last try."""
    if attempt < EVENT_TRIES:
        arguments = {"event_id": event.id, "attempt": attempt + 1}
        order = Order(name=TRY_EVENT, arguments=arguments, at=next_try(workshop, attempt, trouble))
        await workshop.jobs.defer(order, connection=connection)
        return
    await _put_aside(workshop, connection, event.id, trouble, attempt)


def next_try(workshop: Workshop, attempt: int, trouble: Exception) -> datetime:
    """When what failed at ``attempt`` is tried again."""
    seconds = backoff(attempt, _AGAIN)
    if was_stopped(trouble):
        seconds = slowly(attempt)
    return workshop.clock.now() + timedelta(seconds=seconds)


def slowly(attempt: int) -> float:
    """Seconds to wait after the database has stopped a statement at ``attempt``."""
    return backoff(attempt, _SLOWLY, draw=lambda: random.uniform(0.5, 1.0))


async def _put_aside(
    workshop: Workshop, connection: Connection, event_id: int, trouble: Exception, attempt: int
) -> None:
    await letters.write(
        connection,
        workshop.tenant_id,
        kind=letters.EVENT,
        event_id=event_id,
        error=f"{type(trouble).__name__}: {trouble}",
        attempts=attempt,
    )


async def try_event(workshop: Workshop, event_id: int, attempt: int) -> None:
    """Try an event again that went wrong. Raises Retry where nothing could be noted of it."""
    try:
        await _try_event(workshop, event_id, attempt)
    except Exception as error:
        if is_away(error):
            raise
        log.warning("a try of an event could not be noted", event_id=event_id, error=repr(error))
        try:
            async with transaction(workshop.pool) as connection:
                await _put_aside(workshop, connection, event_id, error, attempt)
        except Exception as again:  # noqa: BLE001 - its job is done again
            raise Retry(f"Of event {event_id} nothing can be noted now: {again}") from error


async def _try_event(workshop: Workshop, event_id: int, attempt: int) -> None:
    found = await events.by_ids(workshop.pool, workshop.tenant_id, [event_id])
    active = await workshop.catalogue.active()
    for event in found:
        async with transaction(workshop.pool) as connection:
            await carefully(workshop, connection, active, event, attempt=attempt)
