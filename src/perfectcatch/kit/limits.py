"""Rates: how often something may be asked, shared fairly between a person who waits and the background.

A rate is kept by the generic cell rate algorithm: one number per key, the moment when the next call is due.
A call may come early by a tenth of a second's worth of calls, which makes up for imprecise sleeps and keeps
every second within 110 % of the rate.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from perfectcatch.errors import BadArgument
from perfectcatch.kit.clock import Clock

_EARLY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second, and the share of them that background callers leave to people who wait."""

    per_second: float
    reserve: float = 0.1

    def __post_init__(self) -> None:
        if not self.per_second > 0 or not 0 <= self.reserve < 1:
            raise BadArgument(
                f"a rate needs calls per second above 0 and a reserve from 0 to below 1, not {self}"
            )

    @property
    def interval(self) -> float:
        """Seconds between two calls."""
        return 1 / self.per_second

    @property
    def background_interval(self) -> float:
        """Seconds between two background calls."""
        return 1 / (self.per_second * (1 - self.reserve))

    @property
    def early(self) -> float:
        """How many seconds before its moment a call may come; none below ten calls a second."""
        return max(0.0, _EARLY_SHARE - self.interval)


class Budget(Protocol):
    """Asked before every call. Implementations: ``LocalBudget`` here, and one on the database."""

    async def acquire(self, key: str, *, interactive: bool = False) -> None:
        """Return when one call with ``key`` may be made. ``interactive``: a person waits for it."""

    def at_once(self, key: str) -> bool:
        """Whether somebody who waits may make one call with ``key`` now; if so, it is counted."""

    async def slow_down(self, key: str, seconds: float) -> None:
        """Let nobody call with ``key`` for ``seconds`` from now, because the vendor said so."""


def rate_for(key: str, rates: Mapping[str, Rate]) -> Rate:
    """Find the rate of ``key``: its own, else that of its longest beginning that ends before a colon."""
    name = key
    while name not in rates:
        name, colon, _ = name.rpartition(":")
        if not colon:
            raise BadArgument(
                f"no rate is declared for {key}; declared are: {', '.join(sorted(rates)) or 'none'}"
            )
    return rates[name]


@dataclass(slots=True)
class _Meter:
    rate: Rate
    next_call: float = 0.0
    next_background: float = 0.0
    paused_until: float = 0.0
    background: asyncio.Lock = field(default_factory=asyncio.Lock)


class LocalBudget:
    """Rates within one process.

    Background callers queue, and only the first of the queue looks at the clock, so however many wait,
    an interactive caller comes after other interactive ones and at most one of them.
    """

    def __init__(self, rates: Mapping[str, Rate], clock: Clock) -> None:
        self._rates = dict(rates)
        self._clock = clock
        self._meters: dict[str, _Meter] = {}

    async def acquire(self, key: str, *, interactive: bool = False) -> None:
        """Return when one call with ``key`` may be made; raises BadArgument for a key without a rate."""
        meter = self._meter(key)
        if interactive:
            await self._interactive(meter)
        else:
            async with meter.background:
                await self._background(meter)

    def at_once(self, key: str) -> bool:
        """Nobody: here it costs as little to ask by ``acquire``."""
        rate_for(key, self._rates)
        return False

    async def slow_down(self, key: str, seconds: float) -> None:
        """Hold every caller of ``key`` back for ``seconds``; a shorter wish never shortens a longer one."""
        meter = self._meter(key)
        meter.paused_until = max(meter.paused_until, self._clock.monotonic() + seconds)

    def _meter(self, key: str) -> _Meter:
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = _Meter(rate_for(key, self._rates))
        return meter

    async def _interactive(self, meter: _Meter) -> None:
        # The slot is taken before waiting for it, so that callers who wait keep their order. A pause that
        # is declared meanwhile makes the slot void: all who waited would leave together at its end.
        while True:
            due = max(meter.next_call, meter.paused_until, self._clock.monotonic())
            meter.next_call = due + meter.rate.interval
            earliest = max(due - meter.rate.early, meter.paused_until)
            while (wait := earliest - self._clock.monotonic()) > 0:
                await self._clock.sleep(wait)
            if meter.paused_until <= earliest:
                return

    async def _background(self, meter: _Meter) -> None:
        while (wait := self._earliest_background(meter) - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)
        now = self._clock.monotonic()
        meter.next_call = max(meter.next_call, now) + meter.rate.interval
        meter.next_background = max(meter.next_background, now) + meter.rate.background_interval

    @staticmethod
    def _earliest_background(meter: _Meter) -> float:
        return max(max(meter.next_call, meter.next_background) - meter.rate.early, meter.paused_until)
