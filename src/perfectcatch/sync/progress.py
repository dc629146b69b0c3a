"""How far a run has come, and when it will be over, told honestly."""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from perfectcatch.store.mirror import Outcome

WINDOW_SECONDS = 10.0


class Progress(Protocol):
    """Somebody who watches a run."""

    def begins(self, entity: str, expected: int | None) -> None:
        """An entity starts; ``expected`` records, None when the vendor does not tell."""

    def page(self, entity: str, total: Outcome) -> None:
        """A page is stored; ``total`` of this entity so far."""

    def ends(self, entity: str, status: str) -> None:
        """An entity is done."""


class Silent:
    """Nobody watches."""

    def begins(self, entity: str, expected: int | None) -> None:
        """Ignore."""

    def page(self, entity: str, total: Outcome) -> None:
        """Ignore."""

    def ends(self, entity: str, status: str) -> None:
        """Ignore."""


@dataclass(slots=True)
class TimeLeft:
    """Time left from the rate of the last ten seconds; None while it is anybody's guess."""

    expected: dict[str, int | None] = field(default_factory=dict)
    fetched: dict[str, int] = field(default_factory=dict)
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, entity: str, fetched: int, now: float) -> None:
        """``fetched`` records of ``entity`` are stored at ``now`` (monotonic seconds)."""
        self.fetched[entity] = fetched
        self.samples.append((now, sum(self.fetched.values())))
        while now - self.samples[0][0] > WINDOW_SECONDS and len(self.samples) > 2:  # noqa: PLR2004
            self.samples.popleft()

    def done(self, entity: str) -> None:
        """``entity`` will bring no more."""
        self.expected[entity] = self.fetched.get(entity, 0)

    @property
    def seconds(self) -> float | None:
        """Seconds left."""
        if any(number is None for number in self.expected.values()) or len(self.samples) < 2:  # noqa: PLR2004
            return None
        remaining = sum(
            max(0, (number or 0) - self.fetched.get(entity, 0)) for entity, number in self.expected.items()
        )
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        if after <= before or end <= start:
            return None
        return remaining * (end - start) / (after - before)
