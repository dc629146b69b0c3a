"""The workflows worker: one process that dispatches, sweeps timers and does the jobs of instances."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.kit.cron import parse
from perfectcatch.kit.heartbeat import beat
from perfectcatch.kit.signals import until_told
from perfectcatch.messaging import gate
from perfectcatch.store.jobs.queue import ONCE, Pace, Run
from perfectcatch.store.messages import waiting
from perfectcatch.store.names import EVENT_CHANNEL, MESSAGE_CHANNEL, WORKFLOW_CHANNEL
from perfectcatch.store.workflows import instances
from perfectcatch.store.workflows.signals import announced
from perfectcatch.workflows.running.advance import advance
from perfectcatch.workflows.running.dispatch import dispatch
from perfectcatch.workflows.running.dues import sweep
from perfectcatch.workflows.running.ticks import TRY_TICK, tick, try_tick
from perfectcatch.workflows.running.trying import TRY_EVENT, UNTIL_NOTED, try_event
from perfectcatch.workflows.running.workshop import ADVANCE, QUEUE, UNDER, Workshop, order

TICK: Final = "workflows.tick"
SIDE_BY_SIDE: Final = 10
_SWEEP_SECONDS: Final = 0.5
_STALLED: Final = timedelta(minutes=15)
_STALLED_SECONDS: Final = 60.0
_REST_SECONDS: Final = 0.1
_AWAY_SECONDS: Final = 1.0
_QUIET_LOOKS: Final = 3

log = structlog.get_logger(__name__)


def declare(workshop: Workshop) -> None:
    """Let the jobs of ``workshop`` know what an instance's job is."""

    async def go_on(run: Run, instance_id: int, happening: int | None = None) -> None:
        await advance(workshop, instance_id, happening, attempt=run.attempt)

    async def once_more(_: Run, event_id: int, attempt: int) -> None:
        await try_event(workshop, event_id, attempt)

    async def start_once_more(_: Run, workflow: str, occasion: str, attempt: int) -> None:
        await try_tick(workshop, workflow, occasion, attempt)

    workshop.jobs.task(ADVANCE, go_on, queue=QUEUE)
    workshop.jobs.task(TRY_EVENT, once_more, queue=QUEUE, retry=UNTIL_NOTED)
    workshop.jobs.task(TRY_TICK, start_once_more, queue=QUEUE, retry=UNTIL_NOTED)


async def work(
    workshop: Workshop,
    *,
    poll_seconds: float,
    heartbeat_file: Path,
    stop: asyncio.Event | None = None,
    queues: Sequence[str] = (),
    concurrency: int = SIDE_BY_SIDE,
    grace_seconds: float = 20.0,
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> None:
    """Work until ``stop``, or SIGTERM or SIGINT. ``declare`` was called once for the jobs before.

    ``queues``: those of other parts whose jobs are done here too.
    """

    async def ticks(_: Run) -> None:
        await tick(workshop)

    zone = ZoneInfo(workshop.company.zone)
    workshop.jobs.every(parse("* * * * *"), TICK, ticks, zone=zone, queue=QUEUE, retry=ONCE)
    events, messages = asyncio.Event(), asyncio.Event()
    async with (
        until_told(stop) as told,
        _beside(
            lambda: _listen(workshop, events, messages),
            lambda: _dispatching(workshop, events, poll_seconds),
            lambda: _sweeping(workshop),
            lambda: _messages(workshop, messages, poll_seconds),
            lambda: _releasing(workshop),
            lambda: beat(heartbeat_file, workshop.clock),
        ),
    ):
        log.info("workflows worker started")
        await workshop.jobs.work(
            told, queues=[QUEUE, *queues], concurrency=concurrency, grace_seconds=grace_seconds, pace=pace
        )
    log.info("workflows worker ended")


async def settle(workshop: Workshop) -> int:
    """Deal with all events that are there, once; how many were read. For a single cycle by hand."""
    read = 0
    while (done := await dispatch(workshop)) is not None:
        read += done.events
    return read


async def cycle(workshop: Workshop) -> None:
    """Deal with all events, due timers and jobs that there are now, in this process."""
    stop = asyncio.Event()

    async def until_quiet() -> None:
        quiet = 0
        while quiet < _QUIET_LOOKS:
            read, due = await settle(workshop), await sweep(workshop)
            waiting = await instances.at_work(workshop.pool, workshop.tenant_id)
            quiet = 0 if read or due or waiting else quiet + 1
            await workshop.clock.sleep(_SWEEP_SECONDS / 2)
        stop.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(until_quiet())
        group.create_task(workshop.jobs.work(stop, queues=[QUEUE], concurrency=SIDE_BY_SIDE))


# What runs beside the jobs -----------------------------------------------------------------------


async def _listen(workshop: Workshop, events: asyncio.Event, messages: asyncio.Event) -> None:
    channels = (EVENT_CHANNEL, MESSAGE_CHANNEL, WORKFLOW_CHANNEL)
    async with aclosing(announced(workshop.pool, channels)) as notes:
        async for channel in notes:
            if channel in ("", EVENT_CHANNEL):
                events.set()
            if channel in ("", MESSAGE_CHANNEL):
                messages.set()
            if channel == WORKFLOW_CHANNEL:
                workshop.catalogue.forget()


async def _dispatching(workshop: Workshop, events: asyncio.Event, poll_seconds: float) -> None:
    while True:
        events.clear()
        began = workshop.clock.monotonic()
        await settle(workshop)
        took = workshop.clock.monotonic() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(poll_seconds):
                await events.wait()
        # Where they never end, half of the time is others', and what comes meanwhile goes together.
        await workshop.clock.sleep(min(took, _REST_SECONDS))


async def _sweeping(workshop: Workshop) -> None:
    while True:
        if not await sweep(workshop):
            await workshop.clock.sleep(_SWEEP_SECONDS)


async def _messages(workshop: Workshop, messages: asyncio.Event, poll_seconds: float) -> None:
    """Deferred messages of nobody's instance are decided again; those of an instance wake it."""
    while True:
        messages.clear()
        await gate.resume(workshop.desk)
        found = await waiting.due(
            workshop.pool, workshop.tenant_id, now=workshop.clock.now(), of_instances=True
        )
        for instance_id in {each.instance_id for each in found if each.instance_id is not None}:
            await workshop.wake(instance_id, 0)
        with suppress(TimeoutError):
            async with asyncio.timeout(poll_seconds):
                await messages.wait()


async def _releasing(workshop: Workshop) -> None:
    while True:
        await release(workshop)
        await workshop.clock.sleep(_STALLED_SECONDS)


async def release(workshop: Workshop) -> int:
    """Wake the instances that nothing will wake any more, whatever the reason; how many."""
    before = workshop.clock.now() - _STALLED
    found = await instances.stalled(workshop.pool, workshop.tenant_id, before=before, under=UNDER)
    if found:
        log.warning("stalled instances are released", number=len(found))
    await workshop.jobs.defer_many([order(*each) for each in found])
    return len(found)


@asynccontextmanager
async def _beside(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run each loop meanwhile; one that loses the database begins again."""
    tasks = [asyncio.create_task(_again(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                log.error("a part of the worker failed", error=repr(done))


async def _again(loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
        except DatabaseUnavailable as error:
            log.warning("the database is away", error=str(error))
        except Exception:
            log.exception("a part of the worker failed and begins again")
        await asyncio.sleep(_AWAY_SECONDS)
