"""No text at the wrong hour, wherever the recipient may be; what waits goes at the first right one."""

import random
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import pytest
from counter import Counter, mobile

from perfectcatch.messaging import gate, quiet
from perfectcatch.messaging.facts import Consent, Facts, Place
from perfectcatch.messaging.judging import judge
from perfectcatch.messaging.numbers import anywhere, place_of_address, place_of_number
from perfectcatch.messaging.rules import Registration, Rules
from perfectcatch.model.messaging import Channel, Decision, Intent, Purpose, Status

# Told again here, in other words than the table's, from the sources that it names.
ZONES = {
    "CT": ["America/New_York"], "MD": ["America/New_York"], "NJ": ["America/New_York"],
    "RI": ["America/New_York"], "NY": ["America/New_York"], "OK": ["America/Chicago"],
    "MS": ["America/Chicago"], "IL": ["America/Chicago"], "CO": ["America/Denver"], "AZ": ["America/Phoenix"],
    "CA": ["America/Los_Angeles"], "WA": ["America/Los_Angeles"], "HI": ["Pacific/Honolulu"],
    "AK": ["America/Anchorage", "America/Adak"], "TX": ["America/Chicago", "America/Denver"],
    "FL": ["America/New_York", "America/Chicago"], "TN": ["America/New_York", "America/Chicago"],
    "PR": ["America/Puerto_Rico"],
}  # fmt: skip
NUMBERS = {
    "+12125550123": "NY", "+12035550123": "CT", "+13015550123": "MD", "+12015550123": "NJ",
    "+14015550123": "RI", "+14055550123": "OK", "+16015550123": "MS", "+13125550123": "IL",
    "+13035550142": "CO", "+16025550123": "AZ", "+14155550123": "CA", "+12065550123": "WA",
    "+18085550123": "HI", "+19075550123": "AK", "+17875550123": "PR",
}  # fmt: skip
EXACT = {"+17135550123": ("TX", "America/Chicago"), "+19155550123": ("TX", "America/Denver"),
         "+13055550123": ("FL", "America/New_York"), "+16155550123": ("TN", "America/Chicago"),
         "+18655550123": ("TN", "America/New_York")}  # fmt: skip
UNKNOWN = "+15005550123"  # an area code of no place
EIGHT_TO_EIGHT = {"FL", "MD", "MS", "NJ", "OK"}
RULES = Rules(
    registrations=(("TX", Registration.REGISTERED),), longest_deferral=timedelta(days=14), marketing_per_day=9
)


@cache
def hours(state: str | None, purpose: Purpose, day: date) -> tuple[time, time] | None:
    """From when until when; None: not on this day."""
    if purpose is Purpose.SERVICE:
        return time(8), time(21)
    subdivision = state if state in holidays.country_holidays("US").subdivisions else None
    if day in holidays.country_holidays("US", subdiv=subdivision):
        return None
    opens, closes = time(9), time(20)
    if state == "RI":
        weekend = day.weekday() >= 5
        opens, closes = (time(10), time(17)) if weekend else (time(9), time(18))
    if state == "TX" and day.weekday() == 6:
        opens = time(12)
    return opens, closes


def allowed(spots: list[tuple[str, str | None]], purpose: Purpose, moment: datetime) -> bool:
    for zone, state in spots:
        local = moment.astimezone(ZoneInfo(zone))
        span = hours(state, purpose, local.date())
        if span is None or not span[0] <= local.time() < span[1]:
            return False
    return True


def spots_of(number: str, state: str | None) -> list[tuple[str, str | None]]:
    if number in EXACT:
        spots: list[tuple[str, str | None]] = [(EXACT[number][1], EXACT[number][0])]
    elif number == UNKNOWN:
        spots = [(zone, None) for zone in anywhere()]
    else:
        spots = [(zone, NUMBERS[number]) for zone in ZONES[NUMBERS[number]]]
    return spots + [(zone, state) for zone in ZONES.get(state or "", [])]


def moments(chance: random.Random) -> datetime:
    """Anywhere in two years, half of them at an edge, many on the days when clocks change."""
    day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(730))
    if chance.random() < 0.2:
        changing = chance.choice([(2026, 3, 8), (2026, 11, 1), (2027, 3, 14), (2027, 11, 7)])
        day = datetime(*changing, tzinfo=UTC)
    if chance.random() < 0.5:
        zone = ZoneInfo(chance.choice([zone for zones in ZONES.values() for zone in zones]))
        edge = chance.choice([8, 9, 10, 12, 17, 18, 20, 21])
        local = datetime(day.year, day.month, day.day, edge, tzinfo=zone)
        return local.astimezone(UTC) + timedelta(seconds=chance.choice([-61, -1, 0, 1, 61]))
    return day + timedelta(seconds=chance.randrange(86_400))


def decide(number: str, state: str | None, purpose: Purpose, now: datetime) -> tuple[Decision, Facts]:
    places = (place_of_number(number), *((place_of_address(state, None),) if state else ()))
    facts = Facts(to=number, places=places, consent=Consent(given=True, at=now, source="form"))
    intent = Intent(key="k", channel=Channel.SMS, purpose=purpose, recipient=number, body="Hello")
    return judge(intent, facts, RULES, now), facts


def test_nothing_outside_the_hours_and_what_waits_goes_at_the_first_right_moment():
    chance = random.Random(20261126)
    sent = deferred = dropped = 0
    for _ in range(5000):
        number = chance.choice([*NUMBERS, *EXACT, UNKNOWN])
        state = chance.choice([None, *ZONES])
        purpose = chance.choice(list(Purpose))
        now = moments(chance)
        decision, facts = decide(number, state, purpose, now)
        spots = spots_of(number, state)
        told = (number, state, purpose, now, decision)
        if decision.status is Status.SENT:
            sent += 1
            assert allowed(spots, purpose, now), told
            last = now + timedelta(seconds=quiet.seconds_left(facts.places, purpose, now) - 1)
            assert allowed(spots, purpose, last), told
        elif decision.status is Status.DEFERRED:
            deferred += 1
            until = decision.until
            assert until is not None
            assert allowed(spots, purpose, until), told
            assert not allowed(spots, purpose, until - timedelta(seconds=1)), told
            assert not allowed(spots, purpose, now) or not allowed(spots, purpose, now + quiet.MARGIN), told
            for minutes in range(15, int((until - now).total_seconds() // 60), 97):
                assert not allowed(spots, purpose, now + timedelta(minutes=minutes)), told
        else:  # places so far apart that their hours never meet
            dropped += 1
            assert decision.reason == "quiet_hours", told
            for minutes in range(0, 3 * 24 * 60, 97):
                assert not allowed(spots, purpose, now + timedelta(minutes=minutes)), told
    assert sent > 1000
    assert deferred > 1000
    assert dropped < 500


@pytest.mark.parametrize("state", sorted(EIGHT_TO_EIGHT))
def test_eight_to_eight_states_are_within_the_house_rule(state: str):
    opens, closes = hours(state, Purpose.MARKETING, date(2026, 6, 10)) or (time(0), time(0))
    assert time(8) <= opens
    assert closes <= time(20)


@pytest.mark.parametrize(
    ("number", "state", "postal_code", "zones"),
    [
        ("+13035550142", None, None, {"America/Denver"}),
        ("+18505550142", None, None, {"America/New_York", "America/Chicago"}),
        ("+14235550142", None, None, {"America/New_York", "America/Chicago"}),
        ("+13035550142", "tx", "79901", {"America/Denver"}),
        ("+13035550142", "Texas", "77001", {"America/Denver", "America/Chicago"}),
        ("+13035550142", "TX", None, {"America/Denver", "America/Chicago"}),
        ("+13035550142", "Ontario", None, {"America/Denver"}),
        ("+12365550142", None, None, {"America/Vancouver"}),
    ],
)
def test_where_a_recipient_may_be(number: str, state: str | None, postal_code: str | None, zones: set[str]):
    places: list[Place] = [place_of_number(number)]
    if state:
        places.append(place_of_address(state, postal_code))
    assert {zone for place in places for zone in place.zones} == zones


def test_a_state_that_wants_registration_gets_no_marketing_without_it():
    decision, facts = decide("+17135550123", None, Purpose.MARKETING, datetime(2026, 6, 10, 18, tzinfo=UTC))
    assert decision.status is Status.SENT
    intent = Intent(key="k", channel=Channel.SMS, purpose=Purpose.MARKETING, recipient="x", body="Hello")
    refused = judge(intent, facts, Rules(), datetime(2026, 6, 10, 18, tzinfo=UTC))
    assert refused.reason == "not_registered"
    assert judge(intent, facts, Rules(), datetime(2025, 8, 29, 18, tzinfo=UTC)).status is Status.SENT


def test_a_deferral_that_comes_too_late_is_dropped():
    now = datetime(2026, 6, 10, 5, tzinfo=UTC)
    _, facts = decide("+13035550142", None, Purpose.SERVICE, now)
    intent = Intent(
        key="k",
        channel=Channel.SMS,
        purpose=Purpose.SERVICE,
        recipient="x",
        body="He is on the way",
        data={"expires_at": "2026-06-10T13:00:00+00:00"},
    )
    decision = judge(intent, facts, Rules(), now)
    assert (decision.status, decision.reason) == (Status.SUPPRESSED, "quiet_hours")
    assert judge(intent, facts, Rules(), now + timedelta(hours=8)).reason == "expired"


async def test_deferred_messages_go_out_once_in_the_next_window(counter: Counter):
    """Through the gate: thirty people all over the country, asked for at night."""
    chance = random.Random(7)
    counter.clock.advance(12 * 3600)  # 06:00 UTC: night everywhere but in Hawaii
    states = [chance.choice(list(ZONES)) for _ in range(30)]
    intents = []
    for index, state in enumerate(states):
        number = chance.choice(list(NUMBERS))[:-4] + f"{1000 + index}"
        await counter.customer(index + 1, mobile(number), address={"state": state})
        intents.append(counter.intent(recipient=number, customer_id=index + 1))
    waiting = {}
    for intent in intents:
        decision = await gate.send(counter.desk, intent)
        if decision.status is Status.DEFERRED:
            assert decision.until is not None
            waiting[intent.key] = decision.until
    assert len(waiting) >= 25
    hourly = counter.clock.now()
    for _ in range(30):
        counter.clock.advance(3600)
        for intent in intents:
            await gate.send(counter.desk, intent)
    assert len(counter.carrier.texts) == 30
    assert len({text.to for text in counter.carrier.texts}) == 30
    for text, at in zip(counter.carrier.texts, counter.carrier.times, strict=True):
        index = next(i for i, each in enumerate(intents) if each.recipient == text.to)
        number = next(known for known in NUMBERS if known[:5] == text.to[:5])
        assert allowed(spots_of(number, states[index]), Purpose.SERVICE, at)
        if intents[index].key in waiting:
            assert at - waiting[intents[index].key] < timedelta(hours=1)
        assert at >= hourly - timedelta(hours=1)


def test_a_holiday_is_told_where_it_is_the_reason():
    nine = datetime(2026, 11, 26, 17, tzinfo=UTC)
    places = [place_of_number("+13035550142")]
    told = quiet.reason(places, Purpose.MARKETING, nine)
    assert told == "it is Thu 10:00, Thanksgiving Day, at the recipient's place (CO, America/Denver)"
    assert quiet.reason(places, Purpose.SERVICE, nine) == "it is allowed"
    night = quiet.reason(places, Purpose.SERVICE, nine + timedelta(hours=12))
    assert night == "it is Thu 22:00 at the recipient's place (CO, America/Denver)"
