"""How far a run has come, and when it will be over, told honestly."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from perfectcatch.store.merging.mirror import Outcome

WINDOW_SECONDS = 10.0
SOON = 0.02  # the first small lists say nothing about the rate of the large ones


class Progress(Protocol):
    """Somebody who watches a run."""

    def plans(self, expected: Mapping[str, int | None]) -> None:
        """The run will read these entities; so many records, None when the vendor does not tell."""

    def begins(self, entity: str) -> None:
        """An entity starts."""

    def page(self, entity: str, total: Outcome) -> None:
        """A page is stored; ``total`` of this entity so far."""

    def ends(self, entity: str, status: str) -> None:
        """An entity is done."""


class Silent:
    """Nobody watches."""

    def plans(self, expected: Mapping[str, int | None]) -> None:
        """Ignore."""

    def begins(self, entity: str) -> None:
        """Ignore."""

    def page(self, entity: str, total: Outcome) -> None:
        """Ignore."""

    def ends(self, entity: str, status: str) -> None:
        """Ignore."""


@dataclass(slots=True)
class TimeLeft:
    """Time left from the rate of the last ten seconds; None while it is anybody's guess.

    ``certain`` is false while an entity is unread of which the vendor does not tell the number.
    """

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
    def certain(self) -> bool:
        """Whether everything that is still to come is known."""
        return all(number is not None for number in self.expected.values())

    @property
    def seconds(self) -> float | None:
        """Seconds left for what is known."""
        if len(self.samples) < 2:  # noqa: PLR2004
            return None
        remaining = sum(
            max(0, (number or 0) - self.fetched.get(entity, 0)) for entity, number in self.expected.items()
        )
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        planned = sum(number or 0 for number in self.expected.values())
        if after <= before or end <= start or after < planned * SOON:
            return None
        return remaining * (end - start) / (after - before)
