"""A worker's life: it does jobs, starts scheduled runs, gives back jobs of the dead, waits for the database.

The reaper is no job itself: it must run when every place of every worker is taken by a job that hangs.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker
from psycopg_pool import AsyncConnectionPool

from perfectcatch.kit.clock import Clock
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store.jobs.ticker import Schedule, Ticker

DATABASE_AWAY: Final = (psycopg.OperationalError, ConnectorException, OSError)

_BATCH: Final = 1000
_RECONNECT: Final = Rules(first_wait=1.0, longest_wait=15.0)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. A worker that is silent for ``stalled_after``, three heartbeats, is taken for dead.

    ``poll`` finds jobs whose moment has come; new ones are announced. A job that has killed its worker
    ``give_up_after`` times is not tried again.
    """

    heartbeat: float = 5.0
    stalled_after: float = 15.0
    reap: float = 3.0
    poll: float = 1.0
    give_up_after: int = 10


async def reap(pool: AsyncConnectionPool, pace: Pace) -> int:
    """Give back the jobs of workers that are silent; the number of jobs. One reaper at a time does it."""
    async with pool.connection() as connection:
        found = await connection.execute(
            "select job_id, task, outcome from public.job_engine_reap(%s, %s)",
            (pace.stalled_after, pace.give_up_after),
        )
        rows = await found.fetchall()
    for job, task, outcome in rows:
        log.warning("the worker of a run is gone", job=job, task=task, outcome=outcome)
    return len(rows)


async def clean(pool: AsyncConnectionPool, keep_hours: float) -> int:
    """Remove jobs that ended more than ``keep_hours`` ago; the number of jobs."""
    removed = 0
    async with pool.connection() as connection:
        while True:
            found = await connection.execute(
                "select public.job_engine_clean(make_interval(secs => %s), %s)", (keep_hours * 3600, _BATCH)
            )
            count = int((await found.fetchone() or (0,))[0])
            removed += count
            if count < _BATCH:
                return removed


async def work_until(
    stop: asyncio.Event,
    app: App,
    pool: AsyncConnectionPool,
    schedules: Sequence[Schedule],
    *,
    queues: Sequence[str],
    concurrency: int,
    grace_seconds: float,
    pace: Pace,
    clock: Clock,
) -> None:
    """Work until ``stop``; start again whenever the connection to the database was lost."""
    failures = 0
    while not stop.is_set():
        worker = Worker(
            app,
            queues=queues,
            concurrency=concurrency,
            fetch_job_polling_interval=pace.poll,
            update_heartbeat_interval=pace.heartbeat,
            stalled_worker_timeout=pace.stalled_after,
            shutdown_graceful_timeout=grace_seconds,
            delete_jobs="successful",
            install_signal_handlers=False,
        )
        began = clock.monotonic()
        try:
            await _first_of(
                stop.wait(),
                _working(worker, pace, clock),
                Ticker(pool, schedules, clock).run(),
                _reaping(pool, pace, clock),
            )
        except DATABASE_AWAY as error:
            log.warning("the job queue cannot be reached and is tried again", error=str(error).strip())
        if stop.is_set():
            return
        failures = 1 if clock.monotonic() - began > _RECONNECT.longest_wait else failures + 1
        await _first_of(stop.wait(), clock.sleep(backoff(failures, _RECONNECT)))
        with suppress(*DATABASE_AWAY):
            await pool.check()


async def _working(worker: Worker, pace: Pace, clock: Clock) -> None:
    """Run the worker until cancelled, and let its heart beat until its last job has ended.

    Its own heartbeat stops as soon as it is told to end; what then takes its time would be taken for dead.
    """
    beating = asyncio.create_task(_beating(worker, pace, clock))
    try:
        await worker.run()  # type: ignore[no-untyped-call]
    finally:
        beating.cancel()


async def _beating(worker: Worker, pace: Pace, clock: Clock) -> None:
    while True:
        await clock.sleep(pace.heartbeat)
        if worker.worker_id is not None:
            with suppress(*DATABASE_AWAY):
                await worker.app.job_manager.update_heartbeat(worker.worker_id)


async def _reaping(pool: AsyncConnectionPool, pace: Pace, clock: Clock) -> None:
    while True:
        await reap(pool, pace)
        await clock.sleep(pace.reap)


async def _first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Run side by side until one ends; cancel the others and wait for them; raise what the first raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    ended: set[asyncio.Task[object]] = set()
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        await task
