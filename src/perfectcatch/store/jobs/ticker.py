"""Schedules: which tick is due, and who starts its run.

Reckoned with the clock of the database, the one clock that workers on several hosts share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
import structlog
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from perfectcatch.kit.clock import Clock
from perfectcatch.kit.cron import Cron

_PATIENCE: Final = timedelta(seconds=10)  # a worker so late is only slow: every tick gets its run
_SET_BACK: Final = timedelta(minutes=1)
_LONGEST_SLEEP: Final = 30.0  # so that a clock that was set is noticed
_SHORTEST_SLEEP: Final = 0.002

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A task that runs at the ticks of a cron."""

    name: str
    cron: Cron
    zone: ZoneInfo
    queue: str


def due(schedule: Schedule, last: datetime, now: datetime) -> Iterator[datetime]:
    """Ticks to run now, ``last`` having been the last: those just passed, or one for all that were missed."""
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
        while True:
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
        """Start what is due; seconds until something is due again. ``now`` defaults to the database's."""
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
        return max(min(waits), _SHORTEST_SLEEP)

    async def _turn_of(
        self, connection: psycopg.AsyncConnection[Any], schedule: Schedule, last: datetime, now: datetime
    ) -> float:
        if last > now + _SET_BACK:  # the clock was wrong and has been set back
            last = await self._begin_anew(connection, schedule, last, now)
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
        self, connection: psycopg.AsyncConnection[Any], schedule: Schedule, last: datetime, now: datetime
    ) -> datetime:
        latest = schedule.cron.latest_at(now, schedule.zone)
        await connection.execute(
            "update public.job_schedules set last_tick = %s where name = %s and last_tick = %s",
            (latest, schedule.name, last),
        )
        log.warning("the clock was set back; the schedule goes on from now", task=schedule.name)
        return latest
