"""The gate: once for ever by the key, with a reason in every row."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from counter import NOON, NUMBER, Counter, email, mobile

from perfectcatch.errors import CredentialsRejected, OutcomeUnknown, RateLimited, VendorRefused
from perfectcatch.messaging import gate
from perfectcatch.model.messaging import Channel, NotCarried, Purpose, Receipt, Status


async def test_a_message_is_sent_once_however_often_it_is_asked_for(counter: Counter):
    intent = counter.intent()
    first = await gate.send(counter.desk, intent)
    again = await gate.send(counter.desk, intent)
    assert (first.status, first.reason) == (Status.SENT, "sent")
    assert again == first
    assert [text.to for text in counter.carrier.texts] == [NUMBER]
    [(status, vendor, segments, attempts)] = await counter.log("status, vendor_id, segments, attempts")
    assert (status, vendor, segments, attempts) == ("sent", f"V{first.message_id}", 1, 1)


async def test_one_key_asked_for_at_the_same_time_is_sent_once(counter: Counter):
    intent = counter.intent()
    answers = await asyncio.gather(*(gate.send(counter.desk, intent) for _ in range(20)))
    assert len(counter.carrier.texts) == 1
    assert {answer.message_id for answer in answers} == {answers[0].message_id}


async def test_the_row_is_there_before_the_vendor_is_asked(counter: Counter):
    seen: list[Any] = []

    async def look(message: Any) -> Receipt:
        seen.extend(await counter.log("status, reason, sent_at"))
        return Receipt(vendor_id="V", status=Status.SENT)

    counter.carrier.send = look  # type: ignore[method-assign]
    await counter.send()
    assert seen == [("unknown", "sending", NOON)]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (OutcomeUnknown("no answer"), Status.UNKNOWN, "outcome_unknown"),
        (ZeroDivisionError("a bug"), Status.UNKNOWN, "outcome_unknown"),
        (VendorRefused("bad words", status=400), Status.REFUSED, "refused"),
        (NotCarried("21211", "no such number", bad_number=True), Status.REFUSED, "bad_number"),
        (NotCarried("30024", "not provisioned", sender_blocked=True), Status.REFUSED, "sender_blocked"),
        (NotCarried("21408", "region"), Status.REFUSED, "refused"),
    ],
)
async def test_what_may_have_been_taken_is_never_sent_again(
    counter: Counter, error: Exception, status: Status, reason: str
):
    calls = []

    def answer(message: Any) -> Exception:
        calls.append(message)
        return error

    counter.carrier.answer = answer
    intent = counter.intent()
    decision = await gate.send(counter.desk, intent)
    counter.clock.advance(86_400)
    assert await gate.send(counter.desk, intent) == decision
    assert (decision.status, decision.reason) == (status, reason)
    assert len(calls) == 1


async def test_what_was_certainly_not_taken_goes_later(counter: Counter):
    counter.carrier.answer = lambda _: RateLimited("too many", after_seconds=30)
    intent = counter.intent()
    decision = await gate.send(counter.desk, intent)
    assert (decision.status, decision.until) == (Status.DEFERRED, NOON + timedelta(seconds=30))
    assert await gate.send(counter.desk, intent) == decision
    counter.carrier.answer = None
    counter.clock.advance(30)
    assert (await gate.send(counter.desk, intent)).status is Status.SENT
    assert len(counter.carrier.texts) == 1


async def test_credentials_that_are_refused_wait_and_are_given_up_after_three_days(counter: Counter):
    counter.carrier.answer = lambda _: CredentialsRejected("the key is refused")
    intent = counter.intent()
    decision = await gate.send(counter.desk, intent)
    assert (decision.status, decision.reason) == (Status.DEFERRED, "vendor_refuses_us")
    counter.clock.advance(3 * 86_400 - 60)
    decision = await gate.send(counter.desk, intent)
    assert (decision.status, decision.reason) == (Status.SUPPRESSED, "vendor_refuses_us")


async def test_a_number_that_was_refused_gets_no_more(counter: Counter):
    counter.carrier.answer = lambda _: NotCarried("21211", "no such number", bad_number=True)
    await counter.send()
    counter.carrier.answer = None
    assert (await counter.send()).reason == "unreachable"


async def test_a_blocked_sender_holds_the_channel_and_not_the_other_one(counter: Counter):
    counter.carrier.answer = lambda _: NotCarried("30034", "unregistered", sender_blocked=True)
    await counter.send()
    counter.carrier.answer = None
    decision = await counter.send(recipient="+13035550177")
    assert (decision.status, decision.held, decision.reason) == (Status.DEFERRED, True, "sender_blocked")
    other = await counter.send(channel=Channel.EMAIL, recipient="ann@example.com", subject="Hello")
    assert other.status is Status.SENT


async def test_without_a_vendor_nothing_is_sent_and_the_row_says_so(counter: Counter):
    from dataclasses import replace

    counter.desk = replace(counter.desk, messenger=None)
    decision = await counter.send()
    assert (decision.status, decision.reason) == (Status.SUPPRESSED, "not_connected")


async def test_a_shadow_decides_alike_and_sends_nothing(counter: Counter):
    await counter.agree()
    marketing = [counter.intent(purpose=Purpose.MARKETING, shadow=True) for _ in range(3)]
    shadow = [(await gate.send(counter.desk, each)).status for each in marketing]
    assert counter.carrier.texts == []
    from dataclasses import replace

    live = [(await gate.send(counter.desk, replace(each, shadow=False))).status for each in marketing]
    assert shadow == live == [Status.SENT, Status.DEFERRED, Status.DEFERRED]
    assert len(counter.carrier.texts) == 1


@pytest.mark.parametrize(
    ("values", "contact", "intent", "reason"),
    [
        ({"doNotService": True}, {}, {}, "do_not_service"),
        ({"active": False}, {}, {}, "customer_inactive"),
        ({"mergedToId": 99}, {}, {}, "customer_merged"),
        ({}, {"phoneSettings": {"doNotText": True}}, {}, "do_not_text"),
        ({"doNotMail": True}, {}, {"purpose": Purpose.MARKETING}, "do_not_mail"),
        (
            {},
            {"preferences": {"marketingUpdatesEnabled": False}},
            {"purpose": Purpose.MARKETING},
            "preference",
        ),
        ({}, {"preferences": {"jobRemindersEnabled": False}}, {"data": {"notice": "job"}}, "preference"),
        ({}, {}, {"purpose": Purpose.MARKETING}, "no_consent"),
        ({}, {}, {}, "sent"),
    ],
)
async def test_the_flags_of_the_mirror_count(
    counter: Counter, values: Any, contact: Any, intent: Any, reason: str
):
    customer = await counter.customer(7, mobile(**contact), email(), **values)
    decision = await counter.send(customer_id=customer, **intent)
    assert decision.reason == reason
    if intent.get("data"):
        assert decision.sentence == "Not sent: the contact has job reminders switched off."


async def test_a_number_finds_its_customer_by_itself(counter: Counter):
    await counter.customer(7, mobile(), doNotService=True)
    assert (await counter.send()).reason == "do_not_service"


async def test_the_same_words_go_once_in_thirty_days(counter: Counter):
    assert (await counter.send(body="Your filter is due.")).reason == "sent"
    counter.clock.advance(29 * 86_400)
    assert (await counter.send(body="your filter  is due")).reason == "identical"
    assert (await counter.send(body="your filter is due", data={"may_repeat": True})).reason == "sent"
    counter.clock.advance(31 * 86_400)
    assert (await counter.send(body="Your filter is due!")).reason == "sent"


async def test_a_household_gets_marketing_once(counter: Counter):
    await counter.agree()
    await counter.customer(7, mobile())
    await counter.customer(8, mobile())
    counter.ruled(marketing_per_day=5)
    intent = {"purpose": Purpose.MARKETING, "workflow": "rehash", "step": "first"}
    assert (await counter.send(customer_id=7, **intent)).reason == "sent"
    assert (await counter.send(customer_id=8, **intent)).reason == "household"


async def test_a_marketing_text_says_how_to_end_it(counter: Counter):
    await counter.agree()
    await counter.send(purpose=Purpose.MARKETING, body="Time for a tune-up?")
    await counter.send(body="See you at 9.")
    assert [text.body for text in counter.carrier.texts] == [
        "Time for a tune-up? Reply STOP to opt out.",
        "See you at 9.",
    ]


async def test_a_text_is_not_kept_into_the_night(counter: Counter):
    counter.clock.advance(8 * 3600)  # 20:00 in Denver
    await counter.send()
    assert counter.carrier.texts[0].valid_for == 3600
    await counter.send(data={"expires_at": counter.clock.now() + timedelta(minutes=10)})
    assert counter.carrier.texts[1].valid_for == 600


async def test_ten_workflows_aim_at_one_person(counter: Counter):
    """On two numbers and by email, in one hour: the budget holds, and every skip has its reason."""
    customer = await counter.customer(7, mobile(), mobile("+13035550143"), email())
    for channel, address in (("sms", NUMBER), ("sms", "+13035550143"), ("email", "ann@example.com")):
        await counter.agree(address, channel)
    intents = [
        counter.intent(
            purpose=purpose,
            customer_id=customer,
            workflow=f"workflow {number}",
            channel=channel,
            recipient=recipient,
            subject="Hello",
        )
        for number in range(10)
        for purpose, channel, recipient in (
            (Purpose.MARKETING, Channel.SMS, (NUMBER, "+13035550143")[number % 2]),
            (Purpose.MARKETING, Channel.EMAIL, "ann@example.com"),
            (Purpose.SERVICE, Channel.SMS, (NUMBER, "+13035550143")[number % 2]),
        )
    ]
    decisions = await asyncio.gather(*(gate.send(counter.desk, each) for each in intents))
    went = [each for each, decision in zip(intents, decisions, strict=True) if decision.status is Status.SENT]
    assert len([each for each in went if each.purpose is Purpose.MARKETING]) == 1
    assert len([each for each in went if each.channel is Channel.SMS]) == 6
    rows = await counter.log("status, reason, sentence")
    assert len(rows) == 30
    reasons = {reason for status, reason, _ in rows if status != "sent"}
    assert reasons <= {"budget_day", "budget_texts"}
    assert all("of" in sentence for status, _, sentence in rows if status != "sent")


async def test_marketing_mail_has_its_footer_and_both_headers(counter: Counter):
    await counter.agree("ann@example.com", "email")
    mail = {"channel": Channel.EMAIL, "recipient": "Ann@Example.com", "subject": "Tune-up"}
    await counter.send(**mail, purpose=Purpose.MARKETING, html="<html><body><p>Hi</p></body></html>")
    await counter.send(**mail)
    marketing, service = counter.carrier.mails
    link = marketing.headers["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://office.example/unsubscribe/")
    assert marketing.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for part in (marketing.text, marketing.html):
        assert "1 Main Street, Denver CO 80202" in part
        assert link in part
    assert marketing.html.endswith("</body></html>")
    assert service.headers == {}
    assert "1 Main Street" in service.text
    assert "unsubscribe" not in service.text.lower()
    assert marketing.to == "ann@example.com"
