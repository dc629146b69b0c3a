"""Messages from people: STOP holds at once, everywhere, and the rest goes to somebody who reads it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from counter import ADDRESS, NOON, NUMBER, Counter, email, mobile

from perfectcatch.errors import NothingKnown
from perfectcatch.messaging import gate, inbound, people, reports
from perfectcatch.messaging.optout import Meaning
from perfectcatch.messaging.people import OptingOut
from perfectcatch.messaging.rules import StopCovers
from perfectcatch.model.messaging import Channel, NotCarried, Purpose, Received, Status
from perfectcatch.model.reports import Report

SECOND, THIRD, OFFICE = "+13035550143", "+13035550144", "+13035550100"


def words(body: str, sender: str = NUMBER, vendor_id: str = "SM1") -> Received:
    return Received(vendor_id=vendor_id, sender=sender, to=OFFICE, body=body, at=NOON)


@pytest.mark.parametrize(
    "body", ["STOP", "stpo", "no más", "🛑", "please stop texting me", "END", "revoke", "opt out"]
)
async def test_nothing_goes_out_after_stop_on_any_number_or_channel(counter: Counter, body: str):
    customer = await counter.customer(7, mobile(), mobile(SECOND), mobile(THIRD), email())
    taken = await inbound.take(counter.desk, words(body))
    assert taken.meaning is Meaning.OPT_OUT
    queued = [
        await counter.send(customer_id=customer, recipient=number, workflow=workflow)
        for number in (NUMBER, SECOND, THIRD)
        for workflow in ("reminders", "reviews")
        for _ in range(3)
    ]
    queued.append(
        await counter.send(customer_id=customer, channel=Channel.EMAIL, recipient=ADDRESS, subject="Hi")
    )
    assert {(each.status, each.reason) for each in queued} == {(Status.SUPPRESSED, "opted_out")}
    assert len(counter.carrier.texts) <= 1  # the confirmation
    assert all("no more messages" in each.body or "no recib" in each.body for each in counter.carrier.texts)


async def test_the_vendor_confirms_its_own_keywords_and_we_the_others_once(counter: Counter):
    await inbound.take(counter.desk, words("STOP"))
    assert counter.carrier.texts == []
    again = words("please stop texting me", SECOND, "SM2")
    first = await inbound.take(counter.desk, again)
    second = await inbound.take(counter.desk, again)
    assert (first.new, second.new) == (True, False)
    assert [text.to for text in counter.carrier.texts] == [SECOND]


async def test_the_same_message_by_webhook_and_by_polling_counts_once(counter: Counter):
    await asyncio.gather(*(inbound.take(counter.desk, words("Can you come at 9?")) for _ in range(5)))
    query = "select count(*) from automation.events where tenant_id = %s and event_type = 'message_received'"
    assert await counter.rows(query, counter.tenant) == [(1,)]


async def test_start_opens_the_number_again(counter: Counter):
    await counter.customer(7, mobile())
    await inbound.take(counter.desk, words("STOP"))
    assert (await counter.send()).reason == "opted_out"
    taken = await inbound.take(counter.desk, words("START", vendor_id="SM2"))
    assert taken.meaning is Meaning.START
    assert (await counter.send()).status is Status.SENT
    assert "again" in counter.carrier.texts[0].body


async def test_yes_is_an_answer_and_no_new_beginning(counter: Counter):
    taken = await inbound.take(counter.desk, words("Yes"))
    assert taken.meaning is Meaning.REPLY
    [(needs, meaning)] = await counter.rows(
        "select needs_person, meaning from automation.messaging_received where tenant_id = %s", counter.tenant
    )
    assert (needs, meaning) == (True, "reply")


async def test_help_is_answered_even_at_night_and_after_stop(counter: Counter):
    await inbound.take(counter.desk, words("STOP"))
    counter.clock.advance(12 * 3600)
    now = counter.clock.now()
    await inbound.take(counter.desk, replace(words("HELP", vendor_id="SM2"), at=now))
    await inbound.take(counter.desk, replace(words("ayuda", SECOND, "SM3"), at=now))
    assert [text.body.split(":")[0] for text in counter.carrier.texts] == ["Perfect Air", "Perfect Air"]
    assert "mensajes" in counter.carrier.texts[1].body


async def test_dont_stop_waits_for_a_person_and_nothing_goes_meanwhile(counter: Counter):
    customer = await counter.customer(7, mobile())
    taken = await inbound.take(counter.desk, words("don't stop"))
    assert taken.meaning is Meaning.DOUBTFUL
    intent = counter.intent(customer_id=customer)
    held = await gate.send(counter.desk, intent)
    assert (held.status, held.held, held.reason) == (Status.DEFERRED, True, "doubtful_opt_out")
    assert taken.received_id is not None
    await inbound.decide(counter.desk, taken.received_id, opted_out=False, by="Mary")
    assert (await gate.send(counter.desk, intent)).status is Status.SENT
    with pytest.raises(NothingKnown):
        await inbound.decide(counter.desk, taken.received_id, opted_out=True, by="Mary")


async def test_a_person_can_say_that_it_was_an_opt_out(counter: Counter):
    taken = await inbound.take(counter.desk, words("Not interested"))
    assert taken.received_id is not None
    await inbound.decide(counter.desk, taken.received_id, opted_out=True, by="Mary")
    assert (await counter.send()).reason == "opted_out"


async def test_a_cancel_ends_messages_and_is_read_by_the_office(counter: Counter):
    """It may be meant for the visit."""
    await inbound.take(counter.desk, words("Cancel"))
    query = "select meaning, needs_person from automation.messaging_received where tenant_id = %s"
    assert await counter.rows(query, counter.tenant) == [("opt_out", True)]


async def test_a_refusal_for_an_opt_out_is_one(counter: Counter):
    customer = await counter.customer(7, mobile(), mobile(SECOND))
    counter.carrier.answer = lambda _: NotCarried("21610", "the recipient has replied STOP", opted_out=True)
    first = await counter.send(customer_id=customer)
    counter.carrier.answer = None
    assert (first.status, first.reason) == (Status.REFUSED, "opted_out_at_vendor")
    assert (await counter.send(customer_id=customer, recipient=SECOND)).reason == "opted_out"


async def test_what_a_vendor_told_of_a_message_once_does_not_undo_a_later_start(counter: Counter):
    """A process may die between what it does about a report and noting that it is done."""
    await counter.customer(7, mobile())
    assert (await counter.send()).status is Status.SENT
    [(number,)] = await counter.log("id")
    trouble = NotCarried("21610", "the recipient has replied STOP", opted_out=True)
    report = Report(channel=Channel.SMS, address=NUMBER, vendor_id=f"V{number}", trouble=trouble)
    await reports.apply(counter.desk, report)
    assert (await counter.send()).reason == "opted_out"
    await inbound.take(counter.desk, words("START"))
    await reports.apply(counter.desk, report)
    assert (await counter.send()).status is Status.SENT
    query = "select count(*) from automation.events where tenant_id = %s and event_type = 'opted_out'"
    assert await counter.rows(query, counter.tenant) == [(1,)]


async def test_a_merged_customer_takes_the_opt_out_along(counter: Counter):
    await counter.customer(7, mobile())
    await inbound.take(counter.desk, words("STOP"))
    await counter.customer(8, mobile(SECOND))
    await counter.customer(7, modifiedOn="2026-01-03T00:00:00Z", mergedToId=8, active=False)
    assert (await counter.send(customer_id=8, recipient=SECOND)).reason == "opted_out"


@pytest.mark.parametrize(
    ("covers", "service_text", "service_mail", "marketing_mail"),
    [
        (StopCovers.EVERYTHING, "opted_out", "opted_out", "opted_out"),
        (StopCovers.CHANNEL, "opted_out", "sent", "sent"),
        (StopCovers.PURPOSE, "sent", "sent", "opted_out"),
    ],
)
async def test_how_far_stop_reaches_is_one_switch(
    counter: Counter, covers: StopCovers, service_text: str, service_mail: str, marketing_mail: str
):
    customer = await counter.customer(7, mobile(), email())
    await counter.agree(ADDRESS, "email")
    await inbound.take(counter.desk, words("STOP"))
    counter.ruled(stop_covers=covers)
    mail = {"customer_id": customer, "channel": Channel.EMAIL, "recipient": ADDRESS, "subject": "Hi"}
    assert (await counter.send(customer_id=customer)).reason == service_text
    assert (await counter.send(**mail)).reason == service_mail
    assert (await counter.send(**mail, purpose=Purpose.MARKETING)).reason == marketing_mail


async def test_stop_while_a_batch_goes_out(counter: Counter):
    """Of five hundred messages none is handed over for the person once STOP is stored."""
    counter.ruled(texts_per_day=10_000, blast_limit=10_000)
    await counter.customer(7, mobile(), mobile(SECOND))
    intents = [
        counter.intent(
            customer_id=7 if number % 2 else None,
            recipient=(NUMBER, SECOND)[number % 4 // 2] if number % 2 else f"+1303555{number:04d}",
        )
        for number in range(500)
    ]
    started: list[tuple[bool, str]] = []
    stored = False
    carry = counter.carrier.send

    async def carried(message: object) -> object:
        started.append((stored, message.to))  # type: ignore[attr-defined]
        return await carry(message)

    counter.carrier.send = carried  # type: ignore[method-assign,assignment]

    async def stop() -> None:
        nonlocal stored
        while len(started) < 50:  # noqa: ASYNC110 - turns are what it waits for
            await asyncio.sleep(0.001)
        await inbound.take(counter.desk, words("STOP"))
        stored = True

    limit = asyncio.Semaphore(20)

    async def one(intent: gate.Intent) -> None:
        async with limit:
            await gate.send(counter.desk, intent)

    await asyncio.gather(stop(), *(one(each) for each in intents))
    late = [to for after, to in started if after and to in (NUMBER, SECOND)]
    assert late == []
    assert stored
    assert len([to for after, to in started if after]) > 50  # the others went on
    rows = dict(
        await counter.rows(
            "select reason, count(*) from automation.messaging_log where tenant_id = %s group by 1",
            counter.tenant,
        )
    )
    assert rows["sent"] + rows["opted_out"] == 500


async def test_an_opt_out_by_the_office_and_its_end(counter: Counter):
    opting = OptingOut(channel=Channel.SMS, address="(303) 555-0142", source="person", by="Mary")
    opt_out_id = await people.opt_out(counter.desk, opting)
    assert opt_out_id is not None
    assert await people.opt_out(counter.desk, opting) is None
    assert (await counter.send()).reason == "opted_out"
    assert await people.end_opt_out(counter.desk, opt_out_id, by="Mary")
    assert not await people.end_opt_out(counter.desk, opt_out_id, by="Mary")
    assert (await counter.send()).status is Status.SENT


async def test_consent_that_was_withdrawn_is_none(counter: Counter):
    await counter.agree()
    counter.clock.advance(60)
    await counter.agree(given=False)
    assert (await counter.send(purpose=Purpose.MARKETING)).reason == "consent_withdrawn"
    counter.clock.advance(60)
    await counter.agree()
    assert (await counter.send(purpose=Purpose.MARKETING)).status is Status.SENT


async def test_what_was_deferred_is_suppressed_when_its_time_comes(counter: Counter):
    counter.clock.advance(10 * 3600)  # 22:00 in Denver
    intent = counter.intent()
    assert (await gate.send(counter.desk, intent)).status is Status.DEFERRED
    await inbound.take(counter.desk, words("STOP"))
    counter.clock.advance(timedelta(hours=11).total_seconds())
    assert (await gate.send(counter.desk, intent)).reason == "opted_out"
