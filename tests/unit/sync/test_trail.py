"""Rows that become visible late are read, whenever one looks and however one's reads lie between them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.sync.trail import APART, LATE, Trail

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
Rows = list[tuple[int, int]]  # second of the change, seconds until it is visible


class Reader:
    """Reads a feed whose continuations are the seconds of the last change that was read."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.token: str | None = None
        self.trail = Trail()
        self.seen: set[tuple[int, int]] = set()
        self.brought: list[int] = []

    def read(self, second: int) -> None:
        now = NOON + timedelta(seconds=second)
        begins = self.token
        if mark := self.trail.start(now):
            self.trail = self.trail.began(now)
            begins = mark.token
        after = int(begins) if begins is not None else -1
        page = [(at, delay) for at, delay in self.rows if after < at and at + delay <= second]
        self.brought.append(len(page))
        self.seen.update(page)
        self.token = str(max([after, *(at for at, _ in page)])) if page else begins
        self.trail = Trail.read(self.trail.ended(self.token, now, last_page=begins).written())


rows = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, int(LATE.total_seconds()))), max_size=30)
moments = st.lists(st.integers(0, 4000), max_size=40)


@settings(max_examples=300)
@given(rows, moments)
def test_nothing_that_comes_late_is_passed_over(rows: Rows, moments: list[int]) -> None:
    reader = Reader(rows)
    for second in sorted(moments):
        reader.read(second)
    for second in (4000 + int(LATE.total_seconds()), 4000 + int((LATE + APART).total_seconds()), 9000):
        reader.read(second)
    assert reader.seen == set(rows)


@settings(max_examples=100)
@given(rows, moments)
def test_the_trail_stays_short(rows: Rows, moments: list[int]) -> None:
    reader = Reader(rows)
    for second in sorted(moments):
        reader.read(second)
        assert len(reader.trail.marks) <= 2 * (LATE / APART) + 3


def test_a_quiet_feed_is_not_read_again() -> None:
    reader = Reader([(10, 0), (20, 0)])
    for second in (0, 100, 200, 300, 1000, 2000, 3000):
        reader.read(second)
    assert reader.brought[:2] == [0, 2]
    assert reader.brought[-2:] == [0, 0]


def test_a_feed_that_is_read_every_second_looks_back_once_a_minute() -> None:
    reader = Reader([(at, 0) for at in range(600)])
    for second in range(600):
        reader.read(second)
    assert sum(count > 1 for count in reader.brought) <= 10
