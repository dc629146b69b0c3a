"""The rate of calls to a vendor, shared by every process on every host through one row per key.

The generic cell rate algorithm, on the database's clock. Two moments are kept: when the next call of any
kind may start, and when the next background call may, which comes later because background calls leave a
part of the rate to people who wait. A slot is taken before it comes, but a background caller takes one only
if it comes very soon; otherwise it is told when to ask again. So there is never a long queue of background
slots, and an interactive caller waits for a few calls at most.
"""

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.limits import Rate, rate_for
from perfectcatch.store.pool import Pool, plain_errors

# Long enough that a caller who sleeps a little too long loses nothing, short enough for a person.
AHEAD_SECONDS: Final = 0.05
# How long after its moment a slot may still be used: a second then holds at most a twentieth more calls.
LATE_SECONDS: Final = 0.05

_TABLE: Final = "public.rate_budgets"

# The row is locked first and the clock read after that; the update then works on what the lock showed.
_TAKE: Final = f"""
with held as materialized (
  select key, next_at, background_next_at, paused_until from {_TABLE} where key = %(key)s for update
), timed as materialized (
  select held.*, clock_timestamp() as now from held
), slot as materialized (
  select key, now, next_at, background_next_at, greatest(now, paused_until, next_at,
    case when %(interactive)s then next_at else background_next_at end) as at from timed
), decision as materialized (
  select *, %(interactive)s or at <= now + make_interval(secs => %(ahead)s) as taken from slot
)
update {_TABLE} b set
  next_at = case when d.taken then d.at + make_interval(secs => %(interval)s * %(slots)s) else d.next_at end,
  background_next_at = case when d.taken and not %(interactive)s
    then d.at + make_interval(secs => %(background_interval)s) else d.background_next_at end
from decision d where b.key = d.key
returning d.taken, extract(epoch from d.at - d.now)::float8
"""
_MAKE: Final = f"""
insert into {_TABLE} (key, next_at, background_next_at, paused_until)
values (%s, '-infinity', '-infinity', '-infinity') on conflict do nothing
"""
_PAUSE: Final = f"""
insert into {_TABLE} as b (key, next_at, background_next_at, paused_until)
values (%(key)s, '-infinity', '-infinity', clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (key) do update set paused_until = greatest(b.paused_until, excluded.paused_until)
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    taken: bool
    wait: float  # seconds until the slot, or the first of several


@dataclass(slots=True)
class _Lease:
    """Slots that this process owns: their moments, by the local clock, the earliest first."""

    moments: deque[float] = field(default_factory=deque)
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    taken: int = 0  # since counting began
    counting_since: float = float("-inf")
    per_second: float = 0.0  # as it was counted last
    pauses: int = 0
    pausing: asyncio.Lock = field(default_factory=asyncio.Lock)  # while a pause is being written

    def pause(self) -> None:
        """Give up what is in hand, and what is being asked for."""
        self.pauses += 1
        self.moments.clear()

    def take(self, now: float) -> float | None:
        """Seconds until the next slot, which is the caller's then; None when there is none left."""
        while self.moments and self.moments[0] < now - LATE_SECONDS:
            self.moments.popleft()
        if not self.moments:
            return None
        self.taken += 1
        return self.moments.popleft() - now

    def take_due(self, now: float) -> bool:
        """Take the next slot if its moment has come."""
        while self.moments and self.moments[0] < now - LATE_SECONDS:
            self.moments.popleft()
        if not self.moments or self.moments[0] > now:
            return False
        self.moments.popleft()
        self.taken += 1
        return True

    def used(self, now: float) -> float:
        """How many slots a second callers take now."""
        seconds = now - self.counting_since
        if seconds >= LATE_SECONDS:
            self.per_second = self.taken / seconds
            self.taken, self.counting_since = 0, now
        return self.per_second


class PostgresBudget:
    """Keeps ``rates`` (calls per second by key) for all processes that use the same database.

    At most one round trip per call, and no connection is held while a caller waits.
    """

    def __init__(self, pool: Pool, rates: Mapping[str, Rate], clock: Clock | None = None) -> None:
        self._pool = pool
        self._rates = dict(rates)
        self._clock = clock or SystemClock()
        self._queues: dict[str, asyncio.Lock] = {}
        self._leases: dict[str, _Lease] = {}

    async def acquire(self, key: str, *, interactive: bool = False) -> None:
        """Return when one call with ``key`` may be made; raises BadArgument for a key without a rate."""
        if interactive:
            wait = await self._next_interactive(key)
        else:
            rate = rate_for(key, self._rates)
            # One of this process at a time asks, so that many waiting callers cost no more than one.
            async with self._queues.setdefault(key, asyncio.Lock()):
                wait = (await self._next_background(key, rate)).wait
        if wait > 0:
            await self._clock.sleep(wait)

    def at_once(self, key: str) -> bool:
        """Take a slot whose moment has come, of those in hand, for somebody who waits."""
        lease = self._leases.get(key)
        return lease is not None and not lease.waiting and lease.take_due(self._clock.monotonic())

    async def slow_down(self, key: str, seconds: float) -> None:
        """Let no process call with ``key`` for ``seconds``; a shorter wish never shortens a longer one."""
        rate_for(key, self._rates)
        lease = self._leases.setdefault(key, _Lease())
        async with lease.pausing:
            lease.pause()
            with plain_errors():
                async with self._pool.connection() as connection:
                    await connection.execute(_PAUSE, {"key": key, "seconds": seconds})

    async def _next_interactive(self, key: str) -> float:
        """Seconds until a slot that is ours now."""
        lease = self._leases.get(key)
        if lease is None:
            rate_for(key, self._rates)
            lease = self._leases[key] = _Lease()
        if not lease.waiting and (wait := lease.take(self._clock.monotonic())) is not None:
            return wait
        lease.waiting += 1
        try:
            async with lease.filling:
                while (wait := lease.take(self._clock.monotonic())) is None:
                    await self._fill(key, lease)
                return wait
        finally:
            lease.waiting -= 1

    async def _fill(self, key: str, lease: _Lease) -> None:
        """Take slots for all who wait, and for as many as will come before the slots are too old."""
        rate, now = rate_for(key, self._rates), self._clock.monotonic()
        expected = int(min(lease.used(now), rate.per_second) * LATE_SECONDS)
        count = max(lease.waiting, expected, 1)
        answer = await self._ask(key, rate, interactive=True, slots=count)
        asked_at = self._clock.monotonic()
        lease.moments.extend(asked_at + answer.wait + place * rate.interval for place in range(count))

    async def _next_background(self, key: str, rate: Rate) -> _Answer:
        while not (answer := await self._ask(key, rate, interactive=False)).taken:
            # Asking a little late still finds the slot; a draw keeps processes from asking all at once.
            await self._clock.sleep(answer.wait - AHEAD_SECONDS * random.uniform(0.5, 1.0))
        return answer

    async def _ask(self, key: str, rate: Rate, *, interactive: bool, slots: int = 1) -> _Answer:
        """Ask for slots, again when this process has learnt of a pause meanwhile: they may lie in it."""
        lease = self._leases.setdefault(key, _Lease())
        while True:
            async with lease.pausing:
                pass  # whoever asks now may be answered before the pause is there
            pauses = lease.pauses
            answer = await self._ask_once(key, rate, interactive=interactive, slots=slots)
            if lease.pauses == pauses:
                return answer

    async def _ask_once(self, key: str, rate: Rate, *, interactive: bool, slots: int) -> _Answer:
        values = {
            "key": key,
            "interactive": interactive,
            "ahead": AHEAD_SECONDS,
            "interval": rate.interval,
            "slots": slots,
            "background_interval": rate.background_interval,
        }
        with plain_errors():
            async with self._pool.connection() as connection:
                while True:
                    row = await (await connection.execute(_TAKE, values)).fetchone()
                    if row is not None:
                        return _Answer(*row)
                    await connection.execute(_MAKE, (key,))
