"""The judgement alone: budgets, holds and the order of the rules, over facts that are given."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfectcatch.messaging.facts import Consent, Facts, Hold, OptOut, Person, Place, Send
from perfectcatch.messaging.judging import RULES as JUDGED
from perfectcatch.messaging.judging import judge
from perfectcatch.messaging.numbers import fingerprint, normalized
from perfectcatch.messaging.rules import Rules
from perfectcatch.model.messaging import Channel, Intent, Purpose, Status

NOW = datetime(2026, 6, 10, 18, tzinfo=UTC)
TO = "+13035550142"
DENVER = Place(source="number", zones=("America/Denver",), states=("CO",))


def facts(**values: Any) -> Facts:
    usual: dict[str, Any] = {
        "to": TO,
        "places": (DENVER,),
        "consent": Consent(given=True, at=NOW, source="form"),
    }
    return Facts(**{**usual, **values})


def intent(**values: Any) -> Intent:
    usual: dict[str, Any] = {
        "key": "k",
        "channel": Channel.SMS,
        "purpose": Purpose.SERVICE,
        "recipient": TO,
        "body": "Hello",
    }
    return Intent(**{**usual, **values})


def sends(*hours_ago: float, channel: Channel = Channel.SMS, purpose: Purpose = Purpose.MARKETING):
    return tuple(
        Send(at=NOW - timedelta(hours=each), channel=channel, purpose=purpose, to=TO, text=f"{each}")
        for each in hours_ago
    )


@pytest.mark.parametrize(
    ("earlier", "purpose", "reason", "free_in"),
    [
        ((), Purpose.MARKETING, "allowed", None),
        (sends(25), Purpose.MARKETING, "allowed", None),
        (sends(23), Purpose.MARKETING, "budget_day", 1),
        (sends(30, 60, 160), Purpose.MARKETING, "budget_week", 8),
        (sends(2, 60, 160), Purpose.MARKETING, "budget_day", 22),
        (sends(30, 60), Purpose.MARKETING, "allowed", None),
        (sends(2, channel=Channel.EMAIL), Purpose.MARKETING, "budget_day", 22),
        (sends(2, purpose=Purpose.SERVICE), Purpose.MARKETING, "allowed", None),
        (sends(2), Purpose.SERVICE, "allowed", None),
        (sends(1, 2, 3, 4, 5, 23, purpose=Purpose.SERVICE), Purpose.SERVICE, "budget_texts", 1),
        (sends(1, 2, 3, 4, 5, purpose=Purpose.SERVICE), Purpose.SERVICE, "allowed", None),
    ],
)
def test_the_budget_of_a_person(earlier: Any, purpose: Purpose, reason: str, free_in: int | None):
    decision = judge(intent(purpose=purpose), facts(sends=earlier), Rules(), NOW)
    assert decision.reason == reason
    assert decision.until == (NOW + timedelta(hours=free_in) if free_in else None)


def test_a_budget_that_is_free_too_late_drops_the_message():
    decision = judge(
        intent(purpose=Purpose.MARKETING),
        facts(sends=sends(23), first_asked=NOW - timedelta(days=3)),
        Rules(),
        NOW,
    )
    assert (decision.status, decision.reason) == (Status.SUPPRESSED, "budget_day")


def test_what_is_final_comes_before_what_only_waits():
    """An opted-out person at night is suppressed, not told of tomorrow."""
    night = NOW + timedelta(hours=12)
    out = OptOut(since=NOW, channel=None, purpose=None, source="keyword", wording="STOP")
    held = Hold(reason="sender_blocked", sentence="blocked", since=NOW)
    everything = facts(opt_outs=(out,), hold=held, doubtful_since=NOW, sends=sends(1))
    assert judge(intent(), everything, Rules(), night).reason == "opted_out"
    assert "STOP" in judge(intent(), everything, Rules(), night).sentence


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"connected": False}, "not_connected"),
        ({"to": None}, "invalid"),
        ({"trouble": "landline"}, "landline"),
        ({"person": Person(customer_id=1, known=False)}, "customer_unknown"),
        ({"person": Person(customer_id=1, deleted=True)}, "customer_deleted"),
        ({"doubtful_since": NOW}, "doubtful_opt_out"),
        ({"hold": Hold(reason="person", sentence="Mary stopped it", since=NOW)}, "person"),
        ({"sent_by_workflow": 250}, "blast"),
        ({"sent_by_workflow": 249}, "allowed"),
        ({"sent_by_workflow": 250, "released_until": 300}, "allowed"),
        ({"sent_by_workflow": 250, "released": True}, "allowed"),
    ],
)
def test_reasons(values: Any, reason: str):
    assert judge(intent(workflow="reviews"), facts(**values), Rules(), NOW).reason == reason


def test_an_answer_is_not_held_back_and_is_no_way_around_an_opt_out():
    asked = intent(data={"reply": True})
    night = NOW + timedelta(hours=12)
    assert judge(asked, facts(sends=sends(*range(1, 9))), Rules(), night).status is Status.SENT
    out = OptOut(since=NOW, channel=None, purpose=None, source="keyword")
    assert judge(asked, facts(opt_outs=(out,)), Rules(), NOW).reason == "opted_out"
    confirmed = intent(data={"reply": True, "confirms_opt_out": True})
    assert judge(confirmed, facts(opt_outs=(out,)), Rules(), NOW).status is Status.SENT


def test_marketing_email_needs_a_footer():
    mail = intent(channel=Channel.EMAIL, purpose=Purpose.MARKETING)
    assert judge(mail, facts(can_unsubscribe=False), Rules(), NOW).reason == "no_footer"
    service = intent(channel=Channel.EMAIL)
    assert judge(service, facts(can_unsubscribe=False), Rules(), NOW).status is Status.SENT


def test_every_decision_has_a_sentence_that_ends():
    for values in ({"to": None}, {"hold": Hold(reason="x", sentence="it stopped", since=NOW)}, {}):
        decision = judge(intent(), facts(**values), Rules(), NOW)
        assert decision.sentence.endswith(".")
        assert "None" not in decision.sentence
    assert len(JUDGED) == len(set(JUDGED))


@pytest.mark.parametrize(
    ("channel", "given", "address", "trouble"),
    [
        (Channel.SMS, "(303) 555-0142", TO, None),
        (Channel.SMS, "1-303-555-0142", TO, None),
        (Channel.SMS, "303.555.0142 ext 4", None, "invalid"),
        (Channel.SMS, "555-0142", None, "invalid"),
        (Channel.SMS, "call the office", None, "invalid"),
        (Channel.SMS, "+44 20 7946 0958", "+442079460958", "foreign"),
        (Channel.SMS, "800-555-0142", "+18005550142", "toll_free"),
        (Channel.SMS, "900-555-0142", "+19005550142", "premium"),
        (Channel.EMAIL, " Ann@Example.COM ", "ann@example.com", None),
        (Channel.EMAIL, "ann@example", None, "invalid"),
        (Channel.EMAIL, "ann@exa mple.com", None, "invalid"),
        (Channel.EMAIL, "a@b.com, c@d.com", None, "invalid"),
        (Channel.EMAIL, "a@b.com\nbcc: c@d.com", None, "invalid"),
    ],
)
def test_addresses(channel: Channel, given: str, address: str | None, trouble: str | None):
    assert normalized(channel, given) == (address, trouble)


def test_a_fingerprint_sees_words_alone():
    assert fingerprint("Hello,  Ann!") == fingerprint("hello ann")
    assert fingerprint("Hello Ann") != fingerprint("Hello Bob")
