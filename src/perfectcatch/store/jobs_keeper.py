"""What a worker does besides jobs: it starts scheduled runs, gives back jobs of the dead, waits for the database.

The reaper is no job itself: it must run when every place of every worker is taken by a job that hangs.
All of it reckons with the clock of the database, the one clock that workers on several hosts share.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from perfectcatch.kit.clock import Clock
from perfectcatch.kit.cron import Cron
from perfectcatch.kit.retry import Rules, backoff

DATABASE_AWAY: Final = (psycopg.OperationalError, ConnectorException, OSError)

_PATIENCE: Final = timedelta(seconds=10)
_SET_BACK: Final = timedelta(minutes=1)
_LONGEST_SLEEP: Final = 30.0  # so that a clock that was set is noticed
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A task that runs at the ticks of a cron."""

    name: str
    cron: Cron
    zone: ZoneInfo
    queue: str


def due(schedule: Schedule, last: datetime, now: datetime) -> Iterator[datetime]:
    """Ticks to run now, if ``last`` was the last that ran: those just passed, or one for all that were missed."""
    tick = schedule.cron.next_after(last, schedule.zone)
    if now - tick > _PATIENCE:
        yield schedule.cron.latest_at(now, schedule.zone)
        return
    while tick <= now:
        yield tick
        tick = schedule.cron.next_after(tick, schedule.zone)


class Ticker:
    """Starts the runs of schedules. Any number of them may work on one database."""

    def __init__(self, pool: AsyncConnectionPool, schedules: Sequence[Schedule], clock: Clock) -> None:
        self._pool = pool
        self._schedules = schedules
        self._clock = clock

    async def run(self) -> None:
        """Run until cancelled."""
        await self.register()
        while self._schedules:
            await self._clock.sleep(await self.turn())

    async def register(self, now: datetime | None = None) -> None:
        """Make the schedules known. A new one, or one with another cron, begins at its next tick."""
        async with self._pool.connection() as connection:
            now = now or (await (await connection.execute("select clock_timestamp()")).fetchone() or ())[0]
            for schedule in self._schedules:
                await connection.execute(
                    """
                    insert into public.job_schedules as known (name, cron, timezone, last_tick)
                    values (%(name)s, %(cron)s, %(zone)s, %(last)s)
                    on conflict (name) do update set
                        cron = excluded.cron, timezone = excluded.timezone,
                        last_tick = greatest(known.last_tick, excluded.last_tick)
                    where (known.cron, known.timezone) is distinct from (excluded.cron, excluded.timezone)
                    """,
                    {
                        "name": schedule.name,
                        "cron": schedule.cron.for_engine,
                        "zone": schedule.zone.key,
                        "last": schedule.cron.latest_at(now, schedule.zone),
                    },
                )

    async def turn(self, now: datetime | None = None) -> float:
        """Start what is due; seconds until something is due again. ``now`` defaults to the database's time."""
        async with self._pool.connection() as connection:
            found = await connection.execute(
                """
                select name, last_tick, coalesce(%s, clock_timestamp()) from public.job_schedules
                where name = any(%s)
                """,
                (now, [schedule.name for schedule in self._schedules]),
            )
            known = {name: (last, seen_at) for name, last, seen_at in await found.fetchall()}
            waits = [_LONGEST_SLEEP]
            for schedule in self._schedules:
                if schedule.name in known:
                    last, seen_at = known[schedule.name]
                    waits.append(await self._turn_of(connection, schedule, last, seen_at))
        return max(min(waits), 0.002)

    async def _turn_of(
        self, connection: psycopg.AsyncConnection[Any], schedule: Schedule, last: datetime, now: datetime
    ) -> float:
        if last > now + _SET_BACK:  # the clock was wrong and has been set back
            last = await self._begin_anew(connection, schedule, now)
        for tick in due(schedule, last, now):
            found = await connection.execute(
                "select public.job_schedules_claim(%s, %s, %s, %s, %s, %s, %s)",
                (
                    *(schedule.name, last, tick, schedule.queue, schedule.name, schedule.name),
                    Jsonb({"tick": tick.isoformat()}),
                ),
            )
            outcome = (await found.fetchone() or ("",))[0]
            if outcome == "taken":
                break
            late = round((now - tick).total_seconds(), 1)
            log.debug("tick", task=schedule.name, tick=tick.isoformat(), outcome=outcome, late_seconds=late)
            if late > _PATIENCE.total_seconds():
                log.warning("missed ticks are made good by one run", task=schedule.name, late_seconds=late)
            last = tick
        return (schedule.cron.next_after(max(last, now), schedule.zone) - now).total_seconds()

    async def _begin_anew(
        self, connection: psycopg.AsyncConnection[Any], schedule: Schedule, now: datetime
    ) -> datetime:
        latest = schedule.cron.latest_at(now, schedule.zone)
        await connection.execute(
            "update public.job_schedules set last_tick = %s where name = %s and last_tick > %s",
            (latest, schedule.name, now + _SET_BACK),
        )
        log.warning("the clock was set back; the schedule goes on from now", task=schedule.name)
        return latest


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
            count = (await found.fetchone() or (0,))[0]
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
        worker = app.run_worker_async(
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
                stop.wait(), worker, Ticker(pool, schedules, clock).run(), _reaping(pool, pace, clock)
            )
        except DATABASE_AWAY as error:
            log.warning("the job queue cannot be reached and is tried again", error=str(error).strip())
        if stop.is_set():
            return
        failures = 1 if clock.monotonic() - began > _RECONNECT.longest_wait else failures + 1
        await _first_of(stop.wait(), clock.sleep(backoff(failures, _RECONNECT)))
        with suppress(*DATABASE_AWAY):
            await pool.check()


async def _reaping(pool: AsyncConnectionPool, pace: Pace, clock: Clock) -> None:
    while True:
        await reap(pool, pace)
        await clock.sleep(pace.reap)


async def _first_of(*coroutines: Any) -> None:
    """Run side by side until one ends, then cancel the others and wait for them; raises what the first raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        await task
