"""The sync worker: one process that starts and does the scheduled runs, beside any number of others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from perfectcatch.kit.clock import Clock
from perfectcatch.kit.heartbeat import beat
from perfectcatch.kit.signals import until_told
from perfectcatch.store.jobs.queue import Jobs, Pace, Run
from perfectcatch.sync.schedule import Scheduled

QUEUE: Final = "sync"
BACKFILLS: Final = "backfill"  # a queue of its own, so that a read of the past takes no place of the schedule
BACKFILL: Final = "sync.backfill"
SIDE_BY_SIDE: Final = 4  # a nightly run must not keep the incremental ones waiting

log = structlog.get_logger(__name__)


async def work(
    jobs: Jobs,
    schedule: Iterable[Scheduled],
    run: Callable[[str], Awaitable[object]],
    *,
    backfill: Callable[[str], Awaitable[object]] | None = None,
    zone: ZoneInfo,
    clock: Clock,
    heartbeat_file: Path,
    concurrency: int = SIDE_BY_SIDE,
    grace_seconds: float = 20.0,
    pace: Pace = Pace(),  # noqa: B008 - frozen
    stop: asyncio.Event | None = None,
) -> None:
    """Work until ``stop``, or SIGTERM or SIGINT if none is given; ``run`` gets the mode of ``sync.modes``.

    A run in progress has ``grace_seconds`` to end; after that it is cancelled and given back to the queue, so
    that another worker does it anew. Two runs of one row never overlap. Call once per ``jobs``.

    ``backfill`` goes on with the backfill of an id; one at a time, on all workers, beside the other runs.
    """
    rows = list(schedule)
    for row in rows:
        jobs.every(row.cron, row.name, _doing(row.mode, run), zone=zone, queue=QUEUE)
    queues = [QUEUE]
    if backfill is not None:
        declare_backfill(jobs, backfill)
        queues, concurrency = [QUEUE, BACKFILLS], concurrency + 1
    async with until_told(stop) as told, _beating(heartbeat_file, clock):
        log.info("sync worker started", runs={row.name: row.cron.text for row in rows}, zone=zone.key)
        await jobs.work(told, queues=queues, concurrency=concurrency, grace_seconds=grace_seconds, pace=pace)
    log.info("sync worker ended")


def declare_backfill(jobs: Jobs, run: Callable[[str], Awaitable[object]]) -> None:
    """Let ``jobs`` know what a backfill is; its one argument is the id."""

    async def once(_: Run, backfill_id: str) -> object:
        return await run(backfill_id)

    jobs.task(BACKFILL, once, queue=BACKFILLS, lock=BACKFILL)


def _doing(mode: str, run: Callable[[str], Awaitable[object]]) -> Callable[[Run], Awaitable[object]]:
    async def once(_: Run) -> object:
        return await run(mode)

    return once


@asynccontextmanager
async def _beating(file: Path, clock: Clock) -> AsyncIterator[None]:
    task = asyncio.create_task(beat(file, clock), name="heartbeat")
    await asyncio.sleep(0)  # the first touch tells whether the file can be written at all
    if task.done():
        await task
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
