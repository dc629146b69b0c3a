"""Arithmetic of spans of time: half open, so that one may begin where another ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From ``start`` to just before ``end``, aware moments in UTC; empty where ``end`` is not later."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is, never below zero."""
        return max(self.end - self.start, timedelta())

    def overlaps(self, other: "Interval") -> bool:
        """Whether some moment is in both."""
        return max(self.start, other.start) < min(self.end, other.end)


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same moments as disjoint intervals in order; those that touch are joined, empty ones are gone."""
    joined: list[Interval] = []
    for each in sorted(interval for interval in intervals if interval.start < interval.end):
        if joined and each.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return joined


def intersect(one: Iterable[Interval], other: Iterable[Interval]) -> list[Interval]:
    """The moments that are in both."""
    found = []
    left, right = union(one), union(other)
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i].start, right[j].start), min(left[i].end, right[j].end)
        if start < end:
            found.append(Interval(start, end))
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return found


def minus(one: Iterable[Interval], other: Iterable[Interval]) -> list[Interval]:
    """The moments of ``one`` that are not in ``other``."""
    taken = union(other)
    left: list[Interval] = []
    for each in union(one):
        start = each.start
        for gone in taken:
            if gone.end <= start:
                continue
            if gone.start >= each.end:
                break
            if start < gone.start:
                left.append(Interval(start, gone.start))
            start = max(start, gone.end)
        if start < each.end:
            left.append(Interval(start, each.end))
    return left


def total(intervals: Iterable[Interval]) -> timedelta:
    """How long they are together; what overlaps counts once."""
    return sum((each.length for each in union(intervals)), timedelta())


# Days of a place ---------------------------------------------------------------------------------


def at(day: date, clock: time, zone: ZoneInfo, utc: ZoneInfo = ZoneInfo("UTC")) -> datetime:  # noqa: B008
    """The moment in UTC at which clocks of ``zone`` show ``clock`` on ``day``.

    An hour that is skipped in spring is the one that clocks show instead, one that comes twice the first.
    """
    return datetime.combine(day, clock, zone).astimezone(utc)


def whole_day(day: date, zone: ZoneInfo) -> Interval:
    """The day of ``zone``: 23 or 25 hours when clocks change."""
    return Interval(at(day, time(), zone), at(day + timedelta(days=1), time(), zone))


def days_of(span: Interval, zone: ZoneInfo) -> list[date]:
    """The days of ``zone`` that ``span`` touches."""
    if span.start >= span.end:
        return []
    first = span.start.astimezone(zone).date()
    last = (span.end - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
