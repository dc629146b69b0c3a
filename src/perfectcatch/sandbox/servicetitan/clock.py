"""The simulated clock: the wall clock of the company, which may begin in the past, run fast, and be advanced.

Only the company's time is simulated. Access tokens, the rate window and every wait stay on the machine's
monotonic time, because whoever calls the sandbox lives in that.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from perfectcatch.errors import BadArgument
from perfectcatch.kit.clock import Clock

FASTEST = 86_400.0  # a simulated day a second
LONGEST = 10 * 366 * 86_400.0
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def seconds_of(text: str) -> float:
    """Read a span such as ``3d`` or ``1h30m``, in seconds. Raises BadArgument for anything else."""
    words = text.strip().lower()
    if not words or _PART.sub("", words).strip():
        raise BadArgument(f"{text!r} is no span of time: write it like 90s, 15m, 8h, 3d or 1d12h.")
    return checked(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(words)))


def checked(seconds: float) -> float:
    """Return a usable span in seconds. Raises BadArgument for one that is negative, endless or too long."""
    if not 0 <= seconds <= LONGEST:
        raise BadArgument(f"A span of time lies between 0 and 10 years; {seconds:g} seconds do not.")
    return seconds


class SimulatedClock:
    """A wall clock over a real one: ``speed`` simulated seconds a second (0: it stands), never back."""

    def __init__(self, real: Clock, *, ago: float = 0.0, speed: float = 1.0) -> None:
        self.real = real
        self._speed = usable_speed(speed)
        self._since = real.now() - timedelta(seconds=checked(ago))
        self._read = real.monotonic()
        self._held: datetime | None = None

    def now(self) -> datetime:
        """Return the company's time: aware, in UTC."""
        if self._held is not None:
            return self._held
        return self._since + timedelta(seconds=(self.real.monotonic() - self._read) * self._speed)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return self.real.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of the machine's time."""
        await self.real.sleep(seconds)

    @property
    def speed(self) -> float:
        """Simulated seconds a second."""
        return self._speed

    @speed.setter
    def speed(self, factor: float) -> None:
        usable_speed(factor)
        self._set(self.now())
        self._speed = factor

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Let time stand while the block moves it with ``move``; afterwards it goes on as if it had not."""
        try:
            yield
        finally:
            self._held = None

    def move(self, moment: datetime) -> None:
        """Stand at ``moment``."""
        self._held = moment

    def jump(self, moment: datetime) -> None:
        """Go on from ``moment``, which is not before now."""
        self._set(moment)

    def _set(self, moment: datetime) -> None:
        self._since, self._read = moment, self.real.monotonic()


def usable_speed(factor: float) -> float:
    """Return a usable speed. Raises BadArgument for one below 0 or too high."""
    if not 0 <= factor <= FASTEST:
        raise BadArgument(f"A speed lies between 0 and {FASTEST:,.0f}; {factor:g} does not.")
    return factor
