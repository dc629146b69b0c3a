"""Where two sets of records differ, found by counting: windows of time are halved where the counts differ.

Nothing here reads anything: who counts is given. Counting costs one request at the vendor and nothing here,
and of two halves only one is counted there, because the other one is the difference.

A window is read when one of the sides has so few records in it that reading is cheaper than halving. So for
``n`` records here and ``w`` windows that are read in the end, the vendor is asked at most
``parts + w * (ceil(log2(n / leaf)) + 1)`` times for a count.

What equal counts cannot show: a record missing here and another one gone there within the same window. The
first division into ``parts`` makes that rare, and the sample bounds it (see ``sure``): where counts agree,
as many records are missing here as are gone there, and what is gone there is among those that are sampled.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

Key = TypeVar("Key", int, datetime)


@dataclass(frozen=True, slots=True)
class Window(Generic[Key]):
    """From ``start`` on, before ``end``; None: without limit. Undated records count to the last window."""

    start: Key | None = None
    end: Key | None = None


@dataclass(frozen=True, slots=True)
class Counted(Generic[Key]):
    """A window with the number of records there (at the vendor) and here."""

    window: Window[Key]
    there: int
    here: int

    @property
    def equal(self) -> bool:
        """Whether both sides have the same number."""
        return self.there == self.here


@dataclass(slots=True)
class Found(Generic[Key]):
    """``equal``: windows whose counts agree; ``differing``: small enough to be read; ``left``: no budget."""

    equal: list[Counted[Key]] = field(default_factory=list)
    differing: list[Counted[Key]] = field(default_factory=list)
    left: list[Counted[Key]] = field(default_factory=list)


Count = Callable[[Window[Key]], Awaitable[int]]
"""How many records are in a window."""
Middle = Callable[[Window[Key]], Awaitable[Key | None]]
"""A key above the window's start with about half of the records here before it; None: there is none."""


async def search(
    whole: Counted[Key],
    cuts: Sequence[Key],
    *,
    count_there: Count[Key],
    count_here: Count[Key],
    middle: Middle[Key],
    leaf: int,
    may_ask: Callable[[], bool],
) -> Found[Key]:
    """Divide ``whole`` at ``cuts`` and then halve each window whose counts differ.

    ``may_ask`` is asked before each request to the vendor; when it refuses, what is not decided is ``left``.
    """
    found: Found[Key] = Found()
    waiting: deque[Counted[Key]] = deque()
    rest = whole
    for cut in cuts:
        if not may_ask():
            break
        first, rest = await _divide(rest, cut, count_there, count_here)
        waiting.append(first)
    waiting.append(rest)
    while waiting:
        counted = waiting.popleft()
        if counted.equal:
            found.equal.append(counted)
        elif min(counted.there, counted.here) <= leaf or (cut_at := await middle(counted.window)) is None:
            found.differing.append(counted)
        elif not may_ask():
            found.left.append(counted)
        else:
            waiting.extend(await _divide(counted, cut_at, count_there, count_here))
    return found


async def _divide(
    counted: Counted[Key], cut: Key, count_there: Count[Key], count_here: Count[Key]
) -> tuple[Counted[Key], Counted[Key]]:
    window = counted.window
    before, after = Window(window.start, cut), Window(cut, window.end)
    there, here = await count_there(before), await count_here(before)
    return (
        Counted(before, there, here),
        # The vendor may have changed between two counts; what is looked at afterwards is certain.
        Counted(after, max(0, counted.there - there), max(0, counted.here - here)),
    )
