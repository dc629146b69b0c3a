"""What a replay leaves out, puts off or keeps is what the long way round would have said."""

import contextlib
import gc
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from street import COMPANY, MONDAY, NAMES, Street, recipe

from perfectcatch.errors import Undecidable
from perfectcatch.kit import collector
from perfectcatch.model.workflow import Definition, Start, Trigger
from perfectcatch.store.events import Event
from perfectcatch.workflows import decisions
from perfectcatch.workflows.bundle import Row
from perfectcatch.workflows.definitions import shipped
from perfectcatch.workflows.expressions import decided
from perfectcatch.workflows.lasting import light, parted
from perfectcatch.workflows.past import LAST
from perfectcatch.workflows.pasts import Past
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.records import Beside, Records, at_hand, local_time, types_of
from perfectcatch.workflows.rehearsal.play import Player
from perfectcatch.workflows.rehearsal.walk import Walk
from perfectcatch.workflows.sieve import Sieve, own_parts
from perfectcatch.workflows.sifting import split
from perfectcatch.workflows.views import OF_ENTITY, plain_record

SEED = 20261127
DENVER = ZoneInfo("America/Denver")
CLOCKS = sorted(name for name, each in shipped().items() if each.trigger.each)
EVERY_MONTH = {"season_months": list(range(1, 13))}


def busy(draw: random.Random, customers: int = 25) -> Street:
    """A street whose estimates, jobs, calls and visits of plans come and change at random moments."""
    street = Street().household()
    for number in range(2, customers + 1):
        at = MONDAY - timedelta(days=300)
        name = {"name": "Lee, Ann", "first_name": "Ann", "customer_type": "Residential", "state": "CO"}
        street.put("customers", number, at, number, **name)
        street.put("locations", number, at, number, customer_id=number, state="CO", zip="80202")
        mail = {"contact_type": "Email", "email": f"ann{number}@example.com"}
        street.put("customer_contacts", 1000 + number, at, number, customer_id=number, **mail)
    for number in range(1, customers + 1):
        estimates_of(street, draw, number)
        plan_of(street, draw, number)
    street.versions.sort(key=lambda each: each[0])
    return street


def some(draw: random.Random, first: int, last: int) -> datetime:
    """A moment between two days."""
    return MONDAY + timedelta(hours=draw.randrange(24 * first, 24 * last), seconds=draw.randrange(3600))


def estimates_of(street: Street, draw: random.Random, customer: int) -> None:
    for number in range(10 * customer, 10 * customer + draw.randrange(1, 3)):
        made, its = some(draw, -290, 40), {"customer_id": customer, "location_id": customer}
        street.put("jobs", number, made, customer, job_number=str(number), job_status="Scheduled", **its)
        street.put(
            "estimates", number, made, customer, job_id=number, status=draw.choice(["Open", "Dismissed"]),
            subtotal=Decimal(draw.choice([100, 500, 9000])), is_change_order=False, **its,
        )  # fmt: skip
        later = made
        for _ in range(draw.choice([0, 0, 1, 3])):
            later += timedelta(days=draw.randrange(1, 100))
            status = draw.choice(["Open", "Dismissed", "Sold"])
            street.put("estimates", number, later, customer, status=status, sold_on=later)
        begins = made + timedelta(days=draw.randrange(1, 60))
        street.put(
            "appointments", number, made, customer, job_id=number, customer_id=customer, status="Scheduled",
            start_time=begins, end_time=begins + timedelta(hours=1),
        )  # fmt: skip
        done = {"job_status": "Completed", "st_completed_on": begins}
        street.put("jobs", number, begins, customer, **done)
    if draw.random() < 0.3:
        seconds = draw.choice([5, 90])
        at = some(draw, -200, 60)
        street.put("calls", customer, at, customer, customer_id=customer, duration_seconds=seconds)
    if draw.random() < 0.3:
        street.put("customers", customer, some(draw, 0, 40), customer, tag_type_ids=[draw.choice([2, 3])])


def plan_of(street: Street, draw: random.Random, customer: int) -> None:
    begins, due = some(draw, -100, -50), (MONDAY + timedelta(days=draw.randrange(-90, 120))).date()
    its = {"customer_id": customer, "location_id": customer, "membership_type_id": 3}
    street.put("memberships", customer, begins, customer, status="Active", to_date=date(2026, 9, 1), **its)
    of = {"location_id": customer, "membership_id": customer, "name": "tune-up"}
    street.put("recurring_services", customer, begins, customer, **of)
    visit = {"status": draw.choice(["NotAttempted", "Won"]), "due_on": due}
    of = {"recurring_service_id": customer, "membership_id": customer}
    street.put("recurring_service_events", customer, begins, customer, **visit, **of)


# Records -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_bundle_that_goes_on_says_what_a_new_one_would(seed: int) -> None:
    """Whichever kinds were asked for before, and whatever was made of them."""
    draw = random.Random(SEED + seed)
    street = busy(draw, 3)
    kept, entities = street.known(), [*READINGS]
    seconds = sorted(draw.randrange(-86400 * 300, 86400 * 90) for _ in range(250))
    for second in seconds:
        moment = MONDAY + timedelta(seconds=second)
        customer = draw.randrange(1, 4)
        mine, theirs = kept.at(customer, moment), street.known().at(customer, moment)
        for entity in draw.sample(entities, draw.randrange(4)):
            made = mine.once(entity, lambda: dict(mine.kind(entity).rows))  # noqa: B023 - called at once
            assert made == mine.kind(entity).rows == theirs.kind(entity).rows
            assert mine.of(entity, "active", True) == theirs.of(entity, "active", True)
        assert mine.approximate == theirs.approximate


def test_a_bundle_is_kept_for_as_long_as_nothing_that_was_asked_for_changes() -> None:
    street = Street().household().job(MONDAY).estimate(MONDAY + timedelta(hours=2))
    past = street.known()
    first = past.at(1, MONDAY)
    first.get("jobs", 11)
    assert past.at(1, MONDAY + timedelta(hours=3)) is first
    assert first.get("estimates", 21) is not None
    assert past.at(1, MONDAY + timedelta(hours=1)) is not first


def test_the_types_of_what_happened_are_those_of_the_list() -> None:
    """Also of our own calls, and without what began the instance."""
    street = Street().household().job(MONDAY)
    called = MONDAY + timedelta(hours=3)
    street.put("calls", 71, called, customer_id=1, direction="Outbound", duration_seconds=9)
    street.says("yes", MONDAY + timedelta(hours=1))
    street.tell("job_created", "jobs", 11, MONDAY)
    street.tell("estimate_created", "estimates", 21, MONDAY + timedelta(hours=2))
    start, seen = street.events[1], set()
    for hours in range(5):
        now = MONDAY + timedelta(hours=hours)
        for since in (MONDAY, called + timedelta(minutes=1), None):
            happened = [each for each in street.events if each.occurred_at <= now]
            beside = Beside(started_at=since, happened=happened)
            bundle = street.known().at(1, now)
            records = at_hand(bundle, NAMES, start, 1, now=now, company=COMPANY, beside=beside)
            expected = {each["type"] for each in records["happened"]}
            assert types_of(records) == types_of(dict(records)) == expected
            seen.add(frozenset(expected))
    assert seen >= {frozenset(), frozenset({"message_received", "estimate_created", "call_placed"})}


def test_python_collects_as_before_when_the_last_is_out() -> None:
    before, rarely = gc.get_threshold(), collector.Rarely()
    with rarely, contextlib.ExitStack() as second:
        inner = gc.get_threshold()
        second.enter_context(rarely)
        assert inner[0] > before[0]
        second.close()
        assert gc.get_threshold() == inner
    assert gc.get_threshold() == before


# Clocks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOCKS)
@pytest.mark.parametrize("settings", [{}, EVERY_MONTH], ids=["as shipped", "every month"])
def test_a_walk_brings_what_a_look_at_every_record_would(name: str, settings: dict[str, Any]) -> None:
    draw = random.Random(SEED)
    definition = recipe(name, **settings)
    entity = definition.trigger.each or ""
    street = busy(draw, 40)
    ids = sorted({st_id for _, kind, st_id, _, _ in street.versions if kind == entity})
    draw.shuffle(ids)
    walk = Walk(street.known(), Sieve(definition, entity, DENVER), entity, ids)
    moments = sorted(MONDAY + timedelta(hours=draw.randrange(-2000, 3000)) for _ in range(120))
    found = 0
    for now in moments:
        past = street.known()
        rows = [(st_id, past.row(entity, st_id, now)) for st_id in ids]
        expected = [(st_id, row) for st_id, row in rows if row and may_hold(definition, entity, row, now)]
        assert list(walk.at(now)) == expected
        found += len(expected)
    if ids:
        assert 0 < found < len(ids) * len(moments)


def may_hold(definition: Definition, entity: str, row: Row, now: datetime) -> bool:
    """The parts of the record's own columns, each asked of the language."""
    role = OF_ENTITY[entity]
    records = {
        "settings": definition.settings,
        "company": {"zone": "America/Denver"},
        "now": now,
        "local": local_time(now, DENVER),
        role: plain_record(entity, row),
    }
    parts = own_parts(definition.trigger.where or "true", entity, role)
    return all(decided(part, records) is not False for part in parts)


MADE_UP = st.recursive(
    st.sampled_from(
        [
            "job.created_on < now - duration('24h')",
            "job.modified_on >= now + duration('5h')",
            "job.created_on > now - duration(size(settings.list) == 0 ? '48h' : '96h')",
            "job.st_completed_on <= now - duration(settings.hours)",
            "job.st_completed_on > now - duration(settings.missing)",
            "job.job_status == 'Completed'",
            "job.total > 3.0",
            "job.total == null",
            "local.hour < 12",
            "local.weekday in settings.list",
            "(local.day <= 14)",
            "now > job.created_on",
            "settings.flag",
        ]
    ),
    lambda inner: st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(
        lambda each: f"({each[0]} {each[1]} {each[2]})"
    ),
    max_leaves=6,
)
HOURS = st.none() | st.integers(-120, 120)


@given(
    parts=st.lists(MADE_UP, min_size=1, max_size=4),
    created=HOURS,
    modified=HOURS,
    completed=HOURS,
    total=st.none() | st.integers(1, 5),
    flag=st.booleans(),
    weekdays=st.lists(st.integers(1, 7), max_size=3),
    steps=st.lists(st.integers(0, 200), min_size=1, max_size=8),
)
def test_a_condition_taken_apart_is_false_when_the_whole_is_and_as_long(
    parts: Sequence[str],
    created: int | None,
    modified: int | None,
    completed: int | None,
    total: int | None,
    flag: bool,
    weekdays: list[int],
    steps: list[int],
) -> None:
    base = shipped()["review-request"]
    settings = {"list": weekdays, "hours": "36h", "flag": flag}
    definition = replace(base, trigger=Trigger(where=" && ".join(parts)), settings=settings)
    row: dict[str, Any] = dict.fromkeys(READINGS["jobs"].columns)
    row |= {"st_id": 1, "active": True, "deleted_at": None, "job_status": "Completed", "total": total}
    named = {"st_created_on": created, "st_modified_on": modified, "st_completed_on": completed}
    row |= {name: None if at is None else MONDAY + timedelta(hours=at) for name, at in named.items()}
    sieve = Sieve(definition, "jobs", DENVER)
    now, asleep = MONDAY - timedelta(hours=150), None
    for step in steps:
        now += timedelta(hours=step)
        expected = may_hold(definition, "jobs", row, now)
        until = sieve.asleep_until(row, now)
        assert (until is None) == expected
        if asleep is not None and now < asleep:
            assert not expected
        asleep = max(asleep or now, until) if until is not None else None
        assert until is None or now <= until <= LAST


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_ways_to_hold_the_earlier_counts(turned: bool) -> None:
    ways = ["job.created_on < now - duration('9h')", "job.modified_on < now - duration('2h')"]
    where = " || ".join(reversed(ways) if turned else ways)
    definition = replace(shipped()["review-request"], trigger=Trigger(where=f"({where})"))
    row: dict[str, Any] = {**dict.fromkeys(READINGS["jobs"].columns), "st_id": 1, "active": True}
    row |= {"st_created_on": MONDAY, "st_modified_on": MONDAY, "deleted_at": None}
    assert Sieve(definition, "jobs", DENVER).asleep_until(row, MONDAY) == MONDAY + timedelta(hours=2)


@pytest.mark.parametrize(
    ("upcoming", "said", "found"),
    [
        ("[1]", "true", True),
        ("[1]", "false", False),
        ("[]", "true", False),
        ("1", "false", False),
        ("1", "true", None),
    ],
)
def test_a_way_is_closed_by_its_light_part_as_by_the_whole(
    upcoming: str, said: str, found: bool | None
) -> None:
    """Also where the light part has no value, and the other decides."""
    when = f"size({upcoming}) > 0 && happened.exists(h, {said})"
    if upcoming == "1":
        when = when.replace("size(1) > 0", "customer.missing > 0")
    records = {"happened": [{"type": "a"}], "customer": {}, "company": {"zone": "UTC"}}
    assert decided(when, records) == found
    assert light(when) == when.split(" && ")[0]
    assert light("happened.exists(h, true)") is None
    if found is None:
        with pytest.raises(Undecidable):
            decisions._holds(when, records)
    else:
        assert decisions._holds(when, records) == found


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ("a && b || c", ["a && b", "c"]),
        ("a || (b || c) && d", ["a", "(b || c) && d"]),
        ("a == '||' || b", ["a == '||'", "b"]),
        ("a ? b : c || d", ["a ? b : c || d"]),
    ],
)
def test_an_or_is_parted_where_it_is_joined(where: str, parts: list[str]) -> None:
    assert list(split(where, "||")) == parts


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("a && b", 2),
        ("a // && quoted\n&& b", 1),  # to the end of the line it is a comment
        ("a == 'http://b' && c", 2),
        (
            r"a == 'b\\' && c.exists(d, d == 'e && f')",
            2,
        ),  # the quote behind an escaped backslash ends the text
        ("a.exists(job, job > 1) && job.id == 1", 1),  # by itself the other part would read another job
        ("a.exists(j, j > 1) && job.id == 1", 2),
        ("a && b c", 1),  # no expression, and so no part of one
    ],
)
def test_what_means_something_else_by_itself_is_not_parted(where: str, number: int) -> None:
    parts = split(where)
    assert len(parts) == number
    assert number > 1 or parts == [where]


def test_a_way_behind_a_comment_is_taken_as_before() -> None:
    when = "// said && done\nhappened.exists(h, h.type == 'x') && customer.id == 1"
    records = {"happened": [{"type": "x"}], "customer": {"id": 1}, "company": {"zone": "UTC"}}
    assert decisions._holds(when, records)
    assert parted("customer.id == 1 // now\n&& now > event.at") == (
        "true",
        "customer.id == 1 // now\n&& now > event.at",
    )


# What lasts --------------------------------------------------------------------------------------


def test_what_the_clock_changes_does_not_last() -> None:
    lasting, passing = parted(
        "estimate.total > 1 && customer.active && size(customer.upcoming) == 0 && invoice.days_overdue > 3"
        " && membership.days_left < 30 && now > estimate.created_on && local.hour < 9 && event.id == 1"
        " && customer.next_visit_at == null && customer.jobs.exists(j, j.created_on > now)"
        " && customer.calls.exists(c, c.duration_seconds > 1) && approximate && size(happened) == 0"
    )
    assert lasting == "estimate.total > 1&&customer.active&&customer.calls.exists(c, c.duration_seconds > 1)"
    assert len(list(split(passing))) == 10


@pytest.mark.parametrize("name", CLOCKS)
def test_parts_decide_as_the_whole_condition(name: str) -> None:
    draw = random.Random(SEED)
    definition = shipped()[name]
    entity, where = definition.trigger.each or "", definition.trigger.where or "true"
    lasting, passing = parted(where)
    seen = set()
    for _ in range(6):
        street = busy(draw)
        past = street.known()
        for st_id in {st_id for _, kind, st_id, _, _ in street.versions if kind == entity}:
            for _ in range(4):
                now = MONDAY + timedelta(hours=draw.randrange(-2000, 3000))
                records = hand(past, definition, st_id, now)
                both = (decided(lasting, records), decided(passing, records))
                whole = decided(where, records)
                seen.add(whole)
                assert whole == (False if False in both else None if None in both else True)
    assert seen >= {True, False}


def hand(past: Past, definition: Definition, st_id: int, now: datetime) -> Records:
    entity = definition.trigger.each or ""
    event = Event(0, "tick", entity, st_id, now.isoformat(), now, now, historical=False, data={})
    customer = past.owner[entity, st_id]
    beside = Beside(settings=definition.settings)
    bundle = past.at(customer, now, [(entity, st_id)])
    return at_hand(bundle, NAMES, event, customer, now=now, company=COMPANY, beside=beside)


# All of it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["rehash-unsold", "member-visit-due"])
def test_a_replay_is_the_same_without_the_shortcuts(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = busy(random.Random(SEED + seed), 80)
    quick = street.play(name, settings=EVERY_MONTH)
    past_at = Past.at

    def anew(self: Past, *asked: Any) -> Any:
        self._last.clear()
        return past_at(self, *asked)

    def every(self: Walk, now: datetime) -> Iterator[tuple[int, Row]]:
        for st_id, versions in self._known:
            row = versions.at(now).row
            if row is not None and self._sieve.may_hold(row, now):
                yield st_id, row

    def whole(
        _: Player, definition: Definition, __: Event, ___: int | None, records: Any, ____: Any
    ) -> str | Start:
        return decisions.is_wanted(definition, records)

    monkeypatch.setattr(Past, "at", anew)
    monkeypatch.setattr(Walk, "at", every)
    monkeypatch.setattr(Player, "_wanted", whole)
    assert street.play(name, settings=EVERY_MONTH) == quick
    assert quick.courses
    assert quick.skipped[name]["condition"]
