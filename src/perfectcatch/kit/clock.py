"""Time, handed to whoever needs it, so that a test can decide what time it is."""

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What time it is, and a way to let it pass."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC. It may jump: measure nothing with it."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment; never goes back, whatever happens to the wall clock."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; zero or less gives other tasks a turn."""


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic time in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of real time."""
        await asyncio.sleep(max(0.0, seconds))


class FakeClock:
    """A clock for tests: a sleep takes no real time, it moves the clock.

    Sleepers that overlap wake in the order of their moments, so two tasks that sleep one second at once
    move the clock by one second, not by two. ``slept`` lists every duration that was asked for.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._passed = 0.0
        self._wall_offset = timedelta()
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int]] = []
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the start plus whatever has passed, plus any skew."""
        return self._start + timedelta(seconds=self._passed) + self._wall_offset

    def monotonic(self) -> float:
        """Return the seconds that have passed since the clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody sleeping."""
        self._passed += seconds

    def skew(self, by: timedelta) -> None:
        """Move the wall clock alone, as a bad time server or an operator does."""
        self._wall_offset += by

    async def sleep(self, seconds: float) -> None:
        """Give other tasks a turn, then move the clock to the end of this sleep."""
        self.slept.append(seconds)
        me = (self._passed + max(0.0, seconds), next(self._order))
        heapq.heappush(self._sleepers, me)
        try:
            await asyncio.sleep(0)
            while self._sleepers[0] != me:  # noqa: ASYNC110 - turns are what it waits for
                await asyncio.sleep(0)
            self._passed = max(self._passed, me[0])
        finally:
            self._sleepers.remove(me)
            heapq.heapify(self._sleepers)
