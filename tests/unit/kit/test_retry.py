"""Waits between attempts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectcatch.kit.retry import Rules, backoff, next_wait, retry_after

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = Rules(attempts=4, first_wait=1, longest_wait=5, total=100)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0),
        (" 7 ", 7),
        ("301", 300),
        ("9" * 5000, 300),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 300),
        ("Fri, 20 Nov 2026 12:00:30 -0000", 30),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_backoff_doubles_to_a_cap() -> None:
    assert [backoff(attempt, RULES, lambda: 1.0) for attempt in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 5, 5, 5]


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_backoff_stays_within_its_bounds(attempt: int, drawn: float) -> None:
    assert 0 <= backoff(attempt, RULES, lambda: drawn) <= RULES.longest_wait


def test_it_stops_after_the_last_attempt() -> None:
    assert next_wait(3, 0, RULES) is not None
    assert next_wait(4, 0, RULES) is None


def test_it_stops_when_the_wait_would_end_after_the_budget_of_time() -> None:
    assert next_wait(1, 99.5, RULES, draw=lambda: 1.0) is None
    assert next_wait(1, 98.9, RULES, draw=lambda: 1.0) == 1.0
    assert next_wait(1, 0, RULES, told=101) is None


def test_what_the_vendor_said_is_obeyed_and_spread() -> None:
    assert next_wait(1, 0, RULES, told=20, draw=lambda: 0.0) == 20
    assert next_wait(1, 0, RULES, told=20, draw=lambda: 1.0) == 21
