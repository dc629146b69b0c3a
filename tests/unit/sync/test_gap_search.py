"""The search by counts finds what differs, within the promised number of requests."""

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.sync.gaps.search import Counted, Found, Window, search

KEYS = st.integers(0, 4000)


class Sides:
    """Two sets of keys, and how often the vendor was asked for a count."""

    def __init__(self, there: set[int], here: set[int]) -> None:
        self.there, self.here, self.asked = there, here, 0

    def within(self, keys: set[int], window: Window[int]) -> list[int]:
        start = -math.inf if window.start is None else window.start
        end = math.inf if window.end is None else window.end
        return sorted(key for key in keys if start <= key < end)

    async def count_there(self, window: Window[int]) -> int:
        self.asked += 1
        return len(self.within(self.there, window))

    async def count_here(self, window: Window[int]) -> int:
        return len(self.within(self.here, window))

    async def middle(self, window: Window[int]) -> int | None:
        keys = self.within(self.here, window)
        middle = keys[len(keys) // 2] if keys else None
        return middle if keys and middle != keys[0] else None

    async def search(self, cuts: list[int], leaf: int, requests: int = 10**9) -> Found[int]:
        whole: Counted[int] = Counted(Window(), len(self.there), len(self.here))
        return await search(
            whole,
            cuts,
            count_there=self.count_there,
            count_here=self.count_here,
            middle=self.middle,
            leaf=leaf,
            may_ask=lambda: self.asked < requests,
        )

    def differing_in(self, windows: list[Counted[int]]) -> set[int]:
        return {key for each in windows for key in self.within(self.there ^ self.here, each.window)}


@settings(deadline=None, max_examples=200)
@given(
    here=st.sets(KEYS, max_size=300),
    lost=st.sets(KEYS, max_size=8),
    leaf=st.integers(1, 40),
    cuts=st.sets(KEYS, max_size=6),
    ghosts=st.booleans(),
)
async def test_every_difference_to_one_side_is_found(
    here: set[int], lost: set[int], leaf: int, cuts: set[int], ghosts: bool
) -> None:
    there = here | lost if not ghosts else here - lost
    sides = Sides(there, here)
    found = await sides.search(sorted(cuts), leaf)
    assert found.left == []
    assert sides.differing_in(found.differing) == there ^ here
    assert sides.differing_in(found.equal) == set()
    halvings = max(1, math.ceil(math.log2(max(2, len(here)) / leaf)) + 1)
    assert sides.asked <= len(cuts) + len(found.differing) * halvings


@settings(deadline=None, max_examples=200)
@given(
    there=st.sets(KEYS, max_size=200),
    here=st.sets(KEYS, max_size=200),
    leaf=st.integers(1, 40),
    cuts=st.sets(KEYS, max_size=6),
    requests=st.integers(0, 30),
)
async def test_windows_divide_the_whole_and_the_budget_holds(
    there: set[int], here: set[int], leaf: int, cuts: set[int], requests: int
) -> None:
    sides = Sides(there, here)
    found = await sides.search(sorted(cuts), leaf, requests)
    assert sides.asked <= requests
    windows = sorted(
        (each.window for part in (found.equal, found.differing, found.left) for each in part),
        key=lambda window: -math.inf if window.start is None else window.start,
    )
    assert windows[0].start is None
    assert windows[-1].end is None
    assert all(one.end == other.start for one, other in pairwise(windows))
    for each in (*found.equal, *found.differing, *found.left):
        assert each.there == len(sides.within(there, each.window))
        assert each.here == len(sides.within(here, each.window))
    # Where counts agree, as many are missing here as are gone there.
    for each in found.equal:
        inside = set(sides.within(there ^ here, each.window))
        assert len(inside & there) == len(inside & here)
