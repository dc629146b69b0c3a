"""Free time and ranked slots, on boards that are made up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.errors import BadArgument
from perfectcatch.scheduling import rules as rulebook
from perfectcatch.scheduling.availability import availability
from perfectcatch.scheduling.board import Board, Taken, Technician
from perfectcatch.scheduling.intervals import Interval
from perfectcatch.scheduling.rules import DEFAULTS, RULES, Rules
from perfectcatch.scheduling.slots import Offer, Request, find_slots

ZONE = ZoneInfo("America/New_York")
MONDAY = datetime(2026, 3, 2, 5, tzinfo=UTC)  # midnight in New York


def hours(first: float, last: float, day: int = 0) -> Interval:
    """From one hour to another of a day in New York, before clocks change."""
    begin = MONDAY + timedelta(days=day)
    return Interval(begin + timedelta(hours=first), begin + timedelta(hours=last))


def board(*technicians: Technician, days: int = 1, **more: Any) -> Board:
    span = Interval(MONDAY, MONDAY + timedelta(days=days))
    return Board(span=span, technicians=technicians, **{"keeps_shifts": True} | more)


def technician(**values: Any) -> Technician:
    return Technician(**{"id": 1, "name": "Ann", "shifts": (hours(8, 17),)} | values)


def visit(first: float, last: float, st_id: int = 123, zone_id: int | None = None) -> Taken:
    return Taken(hours(first, last), "appointment", st_id, f"visit {st_id}", zone_id)


def rules(**changed: Any) -> Rules:
    return Rules({**DEFAULTS.values, **changed})


def offer(on: Board, by: Rules = DEFAULTS, **wanted: Any) -> Offer:
    asked = {"duration": timedelta(hours=2), "not_before": MONDAY, "limit": 200} | wanted
    return find_slots(on, Request(**asked), by, ZONE)


def codes(found: Offer) -> list[str]:
    return [refusal.code for refusal in found.refused]


# Free time -------------------------------------------------------------------------------------


def test_free_is_what_is_worked_and_not_taken():
    ann = technician(
        taken=(
            visit(9, 10),
            visit(9.5, 11, 4),  # overlapping
            visit(12, 12, 5),  # without length
            Taken(hours(16, 20), "time off", 6, "off"),
            Taken(hours(13, 14), "other", 7, "Meeting"),
        )
    )
    found = availability(board(ann), ann, DEFAULTS, ZONE)
    assert found.free == [hours(8, 9), hours(11, 13), hours(14, 16)]
    assert [each.id for each in found.taken] == [123, 4, 7, 6]


def test_nobody_works_when_switched_off_or_without_a_shift():
    for who in (technician(active=False), technician(shifts=())):
        assert availability(board(who), who, DEFAULTS, ZONE).free == []


def test_where_nobody_keeps_shifts_the_hours_count():
    ann = technician(shifts=())
    found = availability(board(ann, keeps_shifts=False), ann, DEFAULTS, ZONE)
    assert found.free == [hours(8, 17)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-10, 60), st.integers(-10, 60)), max_size=8))
def test_free_and_taken_never_meet(taken: list[tuple[int, int]]):
    ann = technician(taken=tuple(visit(first / 2, last / 2) for first, last in taken))
    found = availability(board(ann), ann, DEFAULTS, ZONE)
    for free in found.free:
        assert not any(free.overlaps(each.interval) for each in ann.taken)
        assert any(shift.start <= free.start and free.end <= shift.end for shift in ann.shifts)


# Slots -----------------------------------------------------------------------------------------


def test_slots_keep_a_way_from_visits():
    found = offer(board(technician(taken=(visit(11, 12),))))
    starts = sorted((slot.start - MONDAY) / timedelta(hours=1) for slot in found.slots)
    assert starts[0] == 8.0
    assert found.considered == 2 + 6  # 8:00 and 8:30 before the visit, 12:30 to 15:00 after it
    assert all(slot.end - slot.start == timedelta(hours=2) for slot in found.slots)
    [refusal] = found.refused
    assert (refusal.code, refusal.blocked_by) == ("appointment", 123)
    assert refusal.reason == "It overlaps visit 123 (appointment 123)."


def test_of_a_technician_no_two_offers_overlap():
    found = offer(board(technician()))
    spans = sorted((slot.start, slot.end) for slot in found.slots)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))


@pytest.mark.parametrize(
    ("who", "wanted", "code"),
    [
        (technician(skills=frozenset({"Pools"})), {"skills": frozenset({"Heaters"})}, "skill missing"),
        (technician(zone_ids=frozenset({1})), {"zone_id": 2}, "too far"),
        (technician(active=False), {}, "inactive"),
        (technician(), {"technician_ids": frozenset({2})}, "not asked for"),
        (technician(shifts=()), {}, "not on shift"),
        (technician(taken=(Taken(hours(0, 24), "time off", 5, "off"),)), {}, "time off"),
        (technician(taken=(Taken(hours(0, 24), "other", 5, "Training"),)), {}, "other"),
        (technician(taken=(visit(9, 16),)), {}, "too short"),
        (technician(), {"not_before": MONDAY + timedelta(days=1)}, "notice"),
    ],
)
def test_a_refusal_says_why(who: Technician, wanted: dict[str, Any], code: str):
    found = offer(board(who), **wanted)
    assert found.slots == []
    assert code in codes(found)


def test_skills_and_zones_are_recognised():
    ann = technician(skills=frozenset({"Pool Service"}), main_zone_id=7)
    assert offer(board(ann), skills=frozenset({"pool service"}), zone_id=7).slots
    assert offer(board(technician()), zone_id=7).slots  # nothing is known of the technician's zones
    far = technician(zone_ids=frozenset({1}))
    assert offer(board(far), rules(zones="prefer"), zone_id=2).slots
    assert offer(board(far), rules(zones="ignore"), zone_id=2).slots


def test_a_visit_begins_inside_an_arrival_window():
    found = offer(board(technician(), windows=((8 * 3600, 10 * 3600),)))
    assert {slot.arrival_window for slot in found.slots} == {hours(8, 10)}
    assert found.considered == 4
    assert set(codes(found)) == {"arrival window"}
    assert offer(board(technician(), windows=((0, 3600),)), rules(arrival_windows=False)).slots


def test_the_best_slot_is_sooner_nearer_and_fits():
    ann = technician(id=1, name="Ann", main_zone_id=7)
    bo = technician(id=2, name="Bo", zone_ids=frozenset({7, 8}), taken=(visit(13, 17),))
    found = offer(board(bo, ann), zone_id=7)
    assert found.slots[0].technician_id == 1
    scores = [slot.score for slot in found.slots]
    assert scores == sorted(scores, reverse=True)
    for slot in found.slots:
        assert slot.score == pytest.approx(sum(part.points for part in slot.parts), abs=0.2)
        assert all(0 <= part.points <= part.most and part.reason for part in slot.parts)
        assert slot.technician_name in slot.reason


def test_a_visit_in_the_same_zone_next_to_it_counts():
    near = technician(taken=(visit(8, 10, zone_id=7),))
    far = technician(taken=(visit(8, 10, zone_id=8),))
    best = [
        max(
            part.points
            for slot in offer(board(who), zone_id=7).slots
            for part in slot.parts
            if part.name == "fit"
        )
        for who in (near, far)
    ]
    assert best[0] > best[1]


def test_days_are_closed_and_clocks_change():
    """2026-03-08 is a Sunday on which clocks change; on Monday the hours are those on the wall again."""
    span = Interval(datetime(2026, 3, 7, 5, tzinfo=UTC), datetime(2026, 3, 10, 4, tzinfo=UTC))
    shifts = tuple(
        Interval(datetime(2026, 3, day, 0, tzinfo=UTC), datetime(2026, 3, day + 1, 0, tzinfo=UTC))
        for day in range(6, 11)
    )
    ann = technician(shifts=shifts)
    found = offer(Board(span=span, technicians=(ann,), keeps_shifts=True), limit=200)
    local = {slot.start.astimezone(ZONE) for slot in found.slots}
    assert {moment.date().isoformat() for moment in local} == {"2026-03-07", "2026-03-09"}
    assert {moment.hour for moment in local} <= set(range(8, 16))
    assert datetime(2026, 3, 9, 12, tzinfo=UTC) in {slot.start for slot in found.slots}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 48), st.integers(0, 48)), max_size=6),
    st.integers(15, 300),
    st.integers(0, 90),
)
def test_an_offered_slot_is_free(taken: list[tuple[int, int]], minutes: int, buffer: int):
    ann = technician(taken=tuple(visit(first / 2, last / 2) for first, last in taken))
    by = rules(buffer_minutes=buffer)
    for slot in offer(board(ann), by, duration=timedelta(minutes=minutes)).slots:
        span = Interval(slot.start, slot.end)
        assert hours(8, 17).start <= span.start
        assert span.end <= hours(8, 17).end
        way = timedelta(minutes=buffer)
        for each in ann.taken:
            if each.interval.length:
                assert not Interval(span.start - way, span.end + way).overlaps(each.interval)


# Rules -----------------------------------------------------------------------------------------


def test_every_default_is_a_value_that_could_be_set():
    for rule in RULES:
        rule.check(rule.default)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("buffer_minutes", -1),
        ("buffer_minutes", True),
        ("buffer_minutes", "5"),
        ("step_minutes", 0),
        ("zones", "perhaps"),
        ("on_call", 1),
        ("business_hours", {"mon": ["08:00", "17:00"]}),
        ("business_hours", {"monday": ["17:00", "08:00"]}),
        ("business_hours", {"monday": ["8", "17:00+01:00"]}),
        ("duration_minutes", {"pool": 5}),
        ("weights", {"luck": 1}),
        ("weights", {"zone": -1}),
        ("nothing", 1),
    ],
)
async def test_a_rule_refuses_what_it_cannot_be(name: str, value: Any):
    with pytest.raises(BadArgument, match=name):
        await rulebook.change(None, 1, name, value)  # type: ignore[arg-type] - refused before it is needed


def test_a_duration_is_that_of_the_rule_then_the_vendor_then_the_default():
    by = rules(duration_minutes={"5": 45}, default_duration_minutes=99)
    assert by.duration(5, 3600) == timedelta(minutes=45)
    assert by.duration(6, 3600) == timedelta(hours=1)
    assert rules(job_type_duration_unit="minutes").duration(6, 90) == timedelta(minutes=90)
    assert by.duration(None, None) == timedelta(minutes=99)
