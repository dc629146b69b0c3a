"""Cron expressions: what is understood, what is refused, and both days of the year when the clock jumps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.errors import BadSetting
from perfectcatch.kit.cron import Cron, parse

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clock jumps by half an hour


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def ticks(cron: Cron, start: str, end: str, zone: ZoneInfo = NEW_YORK) -> list[str]:
    """All ticks in (start, end], as local times with their offset."""
    found, now = [], moment(start)
    while (now := cron.next_after(now, zone)) <= moment(end):
        found.append(now.astimezone(zone).isoformat())
    return found


@pytest.mark.parametrize(
    ("written", "for_engine"),
    [
        ("* * * * *", "* * * * *"),
        ("0 2 * * *", "0 2 * * *"),
        ("*/15 0 2 * * *", "0 2 * * * 0,15,30,45"),  # seconds first becomes seconds last
        ("*/3 * * * * *", "* * * * * " + ",".join(map(str, range(0, 60, 3)))),
        ("0 9 * JAN,mar MON-FRI", "0 9 * 1,3 1,2,3,4,5"),
        ("0 9 * February Sunday", "0 9 * 2 0"),
        ("0 9 * * 7", "0 9 * * 0"),
        ("0 9 * * 5-7", "0 9 * * 0,5,6"),
        ("0 9 * * FRI-MON", "0 9 * * 0,1,5,6"),
        ("0 22-2 * * *", "0 0,1,2,22,23 * * *"),
        ("0 0 * nov-feb *", "0 0 * 1,2,11,12 *"),
        ("10/20 * * * *", "10,30,50 * * * *"),
        ("0-30/10,45 * * * *", "0,10,20,30,45 * * * *"),
        ("  0   2 * *   * ", "0 2 * * *"),
    ],
)
def test_translation_for_the_engine(written: str, for_engine: str) -> None:
    assert parse(written).for_engine == for_engine


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "0 fields"),
        ("daily", "1 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * *", "minute '60' is not within 0 to 59"),
        ("* 24 * * *", "hour '24' is not within 0 to 23"),
        ("* * 0 * *", "day of month '0'"),
        ("* * * 13 *", "month '13'"),
        ("* * * * 8", "day of week '8'"),
        ("* * * FOO *", "month 'FOO'"),
        ("*/0 * * * *", "minute '*/0'"),
        ("*-5 * * * *", "minute '*-5'"),
        ("1,,2 * * * *", "minute '1,,2'"),
        ("-1 * * * *", "minute '-1'"),
        ("L * * * *", "minute 'L'"),
        ("61 * * * * *", "second '61' is not within 0 to 59"),
        ("0 0 31 2 *", "a day that no year has"),
    ],
)
def test_a_wrong_expression_is_refused_in_one_sentence(written: str, says: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        parse(written, "SYNC_FULL_CRON")
    sentence = str(refusal.value)
    assert sentence.startswith(f"SYNC_FULL_CRON is {written!r}")
    assert says in sentence
    assert "'*/5 * * * *'" in sentence
    assert "'0 30 2 * * *'" in sentence


def test_it_is_read_in_the_zone_of_the_company() -> None:
    nightly = parse("0 2 * * *")
    assert nightly.next_after(moment("2026-01-15T12:00Z"), NEW_YORK) == moment("2026-01-16T07:00Z")
    assert nightly.next_after(moment("2026-07-15T12:00Z"), NEW_YORK) == moment("2026-07-16T06:00Z")
    assert nightly.latest_at(moment("2026-07-15T06:00Z"), NEW_YORK) == moment("2026-07-15T06:00Z")
    assert nightly.latest_at(moment("2026-07-15T05:59:59.999999Z"), NEW_YORK) == moment("2026-07-14T06:00Z")
    assert nightly.next_after(moment("2026-07-15T05:59:59.999999Z"), NEW_YORK) == moment("2026-07-15T06:00Z")


def test_the_nightly_run_happens_once_on_the_day_without_that_hour() -> None:
    assert ticks(parse("0 2 * * *"), "2026-03-07T12:00-05:00", "2026-03-10T00:00-04:00") == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:00:00-04:00",
    ]
    assert ticks(parse("30 2 * * *"), "2026-03-07T12:00-05:00", "2026-03-10T00:00-04:00") == [
        "2026-03-08T03:30:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]


def test_the_nightly_run_happens_once_on_the_day_with_that_hour_twice() -> None:
    assert ticks(parse("0 2 * * *"), "2026-10-31T12:00-04:00", "2026-11-03T00:00-05:00") == [
        "2026-11-01T02:00:00-05:00",
        "2026-11-02T02:00:00-05:00",
    ]
    assert ticks(parse("30 1 * * *"), "2026-10-31T12:00-04:00", "2026-11-03T00:00-05:00") == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-02T01:30:00-05:00",
    ]


def test_two_hours_that_become_one_moment_run_once() -> None:
    assert ticks(parse("0 2,3 * * *"), "2026-03-08T00:00-05:00", "2026-03-08T12:00-04:00") == [
        "2026-03-08T03:00:00-04:00"
    ]


def test_hours_after_the_repeated_one_are_not_lost() -> None:
    assert ticks(parse("*/30 1,2 * * *"), "2026-11-01T00:00-04:00", "2026-11-01T12:00-05:00") == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T02:00:00-05:00",
        "2026-11-01T02:30:00-05:00",
    ]


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01", "2026-06-01"])
def test_a_run_every_five_minutes_never_pauses(day: str) -> None:
    often, now = parse("*/5 * * * *"), moment(f"{day}T00:00-04:00")
    for _ in range(25 * 12):
        following = often.next_after(now, NEW_YORK)
        assert following - now == timedelta(minutes=5)
        assert often.latest_at(following - timedelta(microseconds=1), NEW_YORK) == now
        now = following


def test_the_catch_up_tick_lies_in_the_shifted_hour() -> None:
    late = parse("30 2 * * *")
    assert late.latest_at(moment("2026-03-08T03:10-04:00"), NEW_YORK) == moment("2026-03-07T02:30-05:00")
    assert late.latest_at(moment("2026-03-08T03:30-04:00"), NEW_YORK) == moment("2026-03-08T03:30-04:00")
    assert late.next_after(moment("2026-03-08T03:10-04:00"), NEW_YORK) == moment("2026-03-08T03:30-04:00")


def test_a_jump_of_half_an_hour() -> None:
    # On 4 October 2026 Lord Howe's clock goes from 02:00 to 02:30.
    assert ticks(parse("15,40 2 * * *"), "2026-09-01T00:00Z", "2026-10-05T00:00+11:00", LORD_HOWE)[-2:] == [
        "2026-10-04T02:40:00+11:00",
        "2026-10-04T02:45:00+11:00",
    ]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minute = draw(st.sampled_from(["0", "30", "15,40", "*/20", "7-9"]))
    hour = draw(st.sampled_from(["*", "0", "1", "2", "3", "1,2", "*/2", "*/4", "2-3", "0-23"]))
    day = draw(st.sampled_from(["*", "*", "*", "1", "4,8", "*/3"]))
    weekday = draw(st.sampled_from(["*", "*", "*", "SUN", "1-5"]))
    return f"{minute} {hour} {day} * {weekday}"


JUMPS = [
    (NEW_YORK, "2026-03-08T07:00Z"),
    (NEW_YORK, "2026-11-01T06:00Z"),
    (LORD_HOWE, "2026-10-03T15:30Z"),
    (LORD_HOWE, "2026-04-04T15:00Z"),
]


@settings(max_examples=150, deadline=None)
@given(text=expressions(), jump=st.sampled_from(JUMPS), minutes=st.integers(-2880, 2880))
def test_forward_and_backward_agree_and_nothing_lies_between(
    text: str, jump: tuple[ZoneInfo, str], minutes: int
) -> None:
    cron, zone = parse(text), jump[0]
    now = moment(jump[1]) + timedelta(minutes=minutes)
    before, after = cron.latest_at(now, zone), cron.next_after(now, zone)
    assert before <= now < after
    assert cron.next_after(before, zone) == after
    assert cron.latest_at(after - timedelta(seconds=1), zone) == before
    assert expected_within(cron, zone, before, after) == [after]


def expected_within(cron: Cron, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Ticks in (start, end] by the definition: every minute of the wall clock, mapped to its moments."""
    fields = [
        None if word == "*" else {int(one) for one in word.split(",")} for word in cron.for_engine.split()
    ]
    found: set[datetime] = set()
    wall = (start.astimezone(zone) - timedelta(hours=3)).replace(tzinfo=None, second=0)
    while wall <= end.astimezone(zone).replace(tzinfo=None) + timedelta(hours=3):
        minute, hour, day, month, weekday = fields
        fits_day = [
            wall.day in (day or ()) or day is None,
            (wall.isoweekday() % 7) in (weekday or ()) or weekday is None,
        ]
        fits = any(fits_day) if day and weekday else all(fits_day)
        if fits and all(
            wanted is None or value in wanted
            for wanted, value in ((minute, wall.minute), (hour, wall.hour), (month, wall.month))
        ):
            first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
            second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
            found |= {first, second} if second > first and cron.every_hour else {first}
        wall += timedelta(minutes=1)
    return sorted(tick for tick in found if start < tick <= end)
