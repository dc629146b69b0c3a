"""The company's time: where it begins, how fast it goes, what an advance does to it and to nothing else."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from server_client import Caller, caller
from test_server_control import control

from perfectcatch.errors import BadArgument
from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.clock import SimulatedClock, seconds_of
from perfectcatch.sandbox.servicetitan.company.moments import ZONE
from perfectcatch.sandbox.servicetitan.life import hours

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("8h", 28_800), ("3d", 259_200), ("1d12h", 129_600), ("0s", 0)],
)
def test_a_span_is_written_in_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "d", "3 weeks", "-1d", "3d!", "99999d"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(BadArgument, match="span of time"):
        seconds_of(text)


def test_it_goes_as_the_machine_does_from_where_it_begins() -> None:
    real = FakeClock(NOON)
    clock = SimulatedClock(real, ago=3_600)
    real.advance(60)

    assert clock.now() == NOON - timedelta(minutes=59)
    assert clock.monotonic() == 60


def test_a_speed_counts_from_the_moment_at_which_it_is_set() -> None:
    real = FakeClock(NOON)
    clock = SimulatedClock(real)
    real.advance(10)
    clock.speed = 60
    real.advance(10)
    clock.speed = 0
    real.advance(10)

    assert clock.now() == NOON + timedelta(seconds=10 + 600)
    with pytest.raises(BadArgument, match="speed"):
        clock.speed = -1


def test_it_goes_on_as_if_it_had_not_stood() -> None:
    real = FakeClock(NOON)
    clock = SimulatedClock(real)
    with clock.standing():
        clock.move(NOON + timedelta(hours=1))
        real.advance(5)
        assert clock.now() == NOON + timedelta(hours=1)

    assert clock.now() == NOON + timedelta(seconds=5)


# In the sandbox -------------------------------------------------------------------------------------


def modified(who: Caller) -> list[int]:
    return [row.modified for table in who.service.tenant.tables.values() for row in table.rows.values()]


def test_what_happens_has_its_moment_inside_the_advance() -> None:
    who = caller()
    before = moments.micros(who.clock.now())
    told = control(who, "POST", "advance", {"by": "2d"})

    fresh = sorted(each for each in modified(who) if each > before)
    assert told["happened"] == sum(told["kinds"].values()) > 10
    assert len(fresh) > 30
    assert fresh[-1] <= before + 2 * moments.DAY
    assert fresh[0] < before + moments.DAY < fresh[-1]
    assert control(who, "GET", "clock")["now"] == told["to"]


def test_tokens_and_the_rate_know_nothing_of_it() -> None:
    who = caller(token_seconds=900, rate=2)
    control(who, "POST", "advance", {"seconds": 86_400})

    who.get("crm/customers")
    who.get("crm/customers")
    assert who.refused("GET", "crm/customers")["status"] == 429
    who.clock.advance(901)
    assert who.refused("GET", "crm/customers")["status"] == 401


def test_a_change_settles_in_the_companys_time() -> None:
    who = caller()
    control(who, "POST", "advance", {"by": "1h"})
    token = who.get("crm/export/customers")["continueFrom"]
    who.write("PATCH", f"crm/customers/{who.some('crm.customers')['id']}", {"name": "Changed"})

    assert who.get("crm/export/customers", **{"from": token})["data"] == []
    control(who, "POST", "advance", {"by": "16m"})
    assert "Changed" in {each["name"] for each in who.get("crm/export/customers", **{"from": token})["data"]}


def test_a_company_that_begins_in_the_past_can_be_brought_up_to_now() -> None:
    who = caller(ago=3 * 86_400)
    assert control(who, "GET", "clock")["behind_seconds"] == 3 * 86_400
    assert max(modified(who)) <= moments.micros(who.clock.now() - timedelta(days=3))

    control(who, "POST", "advance", {"by": "3d"})

    assert control(who, "GET", "clock")["behind_seconds"] == 0


def test_a_speed_lets_it_live_by_itself_and_null_ends_that() -> None:
    who = caller()
    assert control(who, "GET", "clock")["lives"] is False
    assert control(who, "POST", "speed", {"factor": 3600})["lives"] is True
    who.clock.advance(48)

    done = list(who.service.life.catch_up())

    assert len(done) > 10
    fresh = [each for each in modified(who) if each > who.service.tenant.opened]
    assert min(fresh) < who.service.tenant.opened + moments.DAY
    assert max(fresh) <= moments.micros(who.service.clock.now())
    told = control(who, "POST", "speed", {"factor": None})
    assert (told["lives"], told["speed"]) == (False, 1)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("advance", {}),
        ("advance", {"by": "soon"}),
        ("advance", {"seconds": -1}),
        ("advance", {"seconds": "3"}),
        ("speed", {}),
        ("speed", {"factor": -1}),
        ("speed", {"factor": "fast"}),
    ],
)
def test_a_wrong_wish_is_refused_in_a_sentence(name: str, body: dict[str, object]) -> None:
    who = caller(customers=20)
    answer = who.control.answer("POST", f"/_sandbox/{name}", "", json.dumps(body).encode())

    assert answer.status == 400
    assert json.loads(answer.body)["errors"]


def test_quiet_hours_can_be_skipped_up_to_the_present() -> None:
    who = caller(customers=20, ago=2 * 86_400, speed=60, skip_quiet=True)
    life, clock = who.service.life, who.service.clock
    begun = clock.now()
    for _ in range(400):
        who.clock.advance(1)
        list(life.catch_up())
        life.keep_pace()

    assert clock.now() - begun > timedelta(hours=12)  # 400 minutes without a jump
    assert clock.now() - who.clock.now() <= timedelta(seconds=60)  # what passes between two looks


def test_a_company_that_has_caught_up_goes_on_at_the_machines_speed() -> None:
    who = caller(customers=20, ago=3_600, speed=60)
    life = who.service.life
    for _ in range(90):
        who.clock.advance(1)
        list(life.catch_up())
        life.keep_pace()

    assert who.service.clock.speed == 1
    assert control(who, "GET", "clock")["behind_seconds"] == pytest.approx(0, abs=61)
    assert control(who, "POST", "speed", {"factor": 60})["speed"] == 60  # who wants to go beyond may
    life.keep_pace()
    assert who.service.clock.speed == 60


@pytest.mark.parametrize(
    ("now", "began"),
    [
        ("2026-06-03T15:00", "2026-06-03T10:00"),  # a Wednesday afternoon: the same day
        ("2026-06-03T03:00", "2026-06-02T13:00"),  # at night: the afternoon before
        ("2026-06-08T08:00", "2026-06-06T09:00"),  # a Monday morning: an hour of it, and four of Saturday
        ("2026-06-07T12:00", "2026-06-06T08:00"),  # a Sunday: the whole of Saturday
    ],
)
def test_a_company_that_lives_up_to_now_has_five_working_hours_behind_it(now: str, began: str) -> None:
    at = moments.micros(datetime.fromisoformat(now).replace(tzinfo=ZONE))
    found = hours.working_time_ago(at, 5 * hours.HOUR)
    assert hours.local(found).isoformat()[:16] == began
