"""What the processes of one server counted: each keeps its own, and whoever is asked adds them up.

Where several processes serve, each writes what it counted to a file of its own every second, and goes on from
there when it is started again; so the sum never falls. It is a second behind at most for the other processes,
and what a process counted in the second before it was killed is lost.
"""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from perfectcatch.kit.clock import Clock

EACH_SECONDS: Final = 1.0
ALIVE_SECONDS: Final = 5.0  # after which a process that wrote nothing has no listeners any more
BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_NAMES: Final = (*(str(float(each)) for each in BUCKETS), "+Inf")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Seconds:
    """How long answers took: how many fell into each bucket, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_NAMES))
    sum: float = 0.0

    def add(self, other: "Seconds") -> None:
        """Add what another process counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


class Counted(msgspec.Struct):
    """What one process counted. ``at``: when, by the machine's monotonic clock."""

    answers: list[tuple[str, str, int, int]]  # method, route, status, how many
    seconds: dict[str, Seconds]
    listeners: int
    at: float


class Tally(Collector):
    """What this process counted since it began, or since the one began whose place it has taken.

    ``place``: the directory that the processes of one server share, and the name of this one there.
    """

    def __init__(self, place: tuple[Path, str] | None = None) -> None:
        self._place = place
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Seconds] = {}
        if place is not None and (before := _read(place[0] / place[1])) is not None:
            self._add(before)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._answers[method, route, status] += 1
        took = self._seconds.get(route)
        if took is None:
            took = self._seconds[route] = Seconds()
        took.counts[bisect_left(BUCKETS, seconds)] += 1
        took.sum += seconds

    @asynccontextmanager
    async def told(self, clock: Clock, listeners: Callable[[], int]) -> AsyncIterator[None]:
        """Tell the other processes, where there are any, while the context is open."""
        telling = asyncio.create_task(self._telling(clock, listeners)) if self._place else None
        try:
            yield
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.wait([telling])
                self._write(clock, 0)

    async def _telling(self, clock: Clock, listeners: Callable[[], int]) -> None:
        while True:
            self._write(clock, listeners())
            await clock.sleep(EACH_SECONDS)

    def _write(self, clock: Clock, listeners: int) -> None:
        assert self._place is not None
        answers = [(*key, number) for key, number in self._answers.items()]
        counted = Counted(answers, self._seconds, listeners, clock.monotonic())
        directory, name = self._place
        new = directory / f"{name}.new"
        try:
            new.write_bytes(msgspec.json.encode(counted))
            new.replace(directory / name)
        except OSError as error:
            log.warning("the other processes do not learn what was counted here", reason=str(error))

    # What is asked ---------------------------------------------------------------------------------

    def everybody(self) -> "Tally":
        """This process's counts and those of the others."""
        whole = Tally()
        whole._answers.update(self._answers)
        for route, took in self._seconds.items():
            whole._seconds.setdefault(route, Seconds()).add(took)
        for each in self._others():
            whole._add(each)
        return whole

    def listeners(self, own: int, now: float) -> int:
        """Who listens to the stream, of all processes; ``own`` to this one."""
        return own + sum(each.listeners for each in self._others() if each.at > now - ALIVE_SECONDS)

    def collect(self) -> Iterable[Metric]:
        """The counts as Prometheus reads them."""
        answers = CounterMetricFamily(
            "perfectcatch_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), number in sorted(self._answers.items()):
            answers.add_metric((method, route, str(status)), number)
        yield answers
        seconds = HistogramMetricFamily(
            "perfectcatch_http_request_seconds", "Seconds until the answer began.", labels=("route",)
        )
        for route, took in sorted(self._seconds.items()):
            upto, buckets = 0, []
            for name, number in zip(_NAMES, took.counts, strict=True):
                upto += number
                buckets.append((name, upto))
            seconds.add_metric((route,), buckets, took.sum)
        yield seconds

    def registry(self) -> CollectorRegistry:
        """What Prometheus's own writer takes."""
        made = CollectorRegistry()
        made.register(self)
        return made

    def _add(self, counted: Counted) -> None:
        for method, route, status, number in counted.answers:
            self._answers[method, route, status] += number
        for route, took in counted.seconds.items():
            self._seconds.setdefault(route, Seconds()).add(took)

    def _others(self) -> Iterator[Counted]:
        if self._place is None:
            return
        directory, name = self._place
        for file in sorted(directory.glob("*")):
            if file.name != name and file.suffix != ".new" and (each := _read(file)) is not None:
                yield each


def _read(file: Path) -> Counted | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Counted)
    except (OSError, msgspec.MsgspecError):
        return None
