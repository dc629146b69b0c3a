"""Arithmetic of spans: held against sets of minutes, and the days on which clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.scheduling.intervals import (
    Interval,
    at,
    days_of,
    intersect,
    minus,
    total,
    union,
    whole_day,
)

NEW_YORK = ZoneInfo("America/New_York")
MIDNIGHT = datetime(2026, 3, 8, tzinfo=UTC)


def span(first: int, last: int) -> Interval:
    return Interval(MIDNIGHT + timedelta(minutes=first), MIDNIGHT + timedelta(minutes=last))


SPANS = st.lists(st.builds(span, st.integers(0, 40), st.integers(0, 40)), max_size=8)


def minutes(intervals: list[Interval]) -> set[int]:
    found = set()
    for each in intervals:
        first = round((each.start - MIDNIGHT) / timedelta(minutes=1))
        found |= set(range(first, round((each.end - MIDNIGHT) / timedelta(minutes=1))))
    return found


@settings(max_examples=300, deadline=None)
@given(SPANS, SPANS)
def test_spans_are_sets_of_moments(one: list[Interval], other: list[Interval]):
    assert minutes(union(one)) == minutes(one)
    assert minutes(minus(one, other)) == minutes(one) - minutes(other)
    assert minutes(intersect(one, other)) == minutes(one) & minutes(other)
    assert total(one) == timedelta(minutes=len(minutes(one)))
    for found in (union(one), minus(one, other), intersect(one, other)):
        assert all(each.start < each.end for each in found)
        assert all(left.end <= right.start for left, right in pairwise(found))
    assert all(left.end < right.start for left, right in pairwise(union(one)))


def test_nothing_overlaps_an_empty_span():
    assert not span(5, 5).overlaps(span(0, 10))
    assert not span(0, 5).overlaps(span(5, 10))
    assert span(7, 3).length == timedelta()


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 3, 9), 24)]
)
def test_a_day_has_as_many_hours_as_clocks_show(day: date, hours: int):
    assert whole_day(day, NEW_YORK).length == timedelta(hours=hours)


def test_hours_are_those_on_the_wall():
    assert at(date(2026, 3, 7), time(8), NEW_YORK) == datetime(2026, 3, 7, 13, tzinfo=UTC)
    assert at(date(2026, 3, 8), time(8), NEW_YORK) == datetime(2026, 3, 8, 12, tzinfo=UTC)
    assert at(date(2026, 3, 8), time(2, 30), NEW_YORK) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert at(date(2026, 11, 1), time(1, 30), NEW_YORK) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_the_days_of_a_span_are_those_of_the_place():
    long = Interval(datetime(2026, 3, 8, 3, tzinfo=UTC), datetime(2026, 3, 10, 4, tzinfo=UTC))
    assert days_of(long, NEW_YORK) == [date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)]
    assert days_of(span(5, 5), NEW_YORK) == []
