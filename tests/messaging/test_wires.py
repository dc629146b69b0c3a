"""The whole way over a simulated vendor: nothing twice, nothing lost, and what nobody told us is found."""

import asyncio
import json
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from counter import ADDRESS, NUMBER, Counter, mobile

from perfectcatch.kit.http import Http
from perfectcatch.messaging import gate, inbound, reconcile
from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.post import PostRoom
from perfectcatch.model.messaging import Channel, Received, Status
from perfectcatch.model.reports import Webhook
from perfectcatch.sandbox.sendgrid import server as mails
from perfectcatch.sandbox.twilio import server as texts
from perfectcatch.sandbox.twilio.server import ACCOUNT, EXCHANGE, PLANNED, TOKEN, Fault
from perfectcatch.vendors.sendgrid.client import SendGrid
from perfectcatch.vendors.sendgrid.webhooks import Events
from perfectcatch.vendors.twilio.client import Account, Twilio
from perfectcatch.vendors.twilio.webhooks import Statuses, Texts

PUBLIC = "https://office.example"
TARGET = "/webhooks/twilio/sms"


@asynccontextmanager
async def wired(counter: Counter, *, seconds: float = 0.5) -> AsyncIterator[tuple[Desk, web.Application]]:
    """A desk whose vendors are simulated ones, on its own clock."""
    app = web.Application()
    texts.install(app, clock=counter.clock, quiet=True)
    mails.install(app, clock=counter.clock)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Http() as http:
            messenger = Twilio(
                http=http,
                account=Account(sid=ACCOUNT, token=TOKEN, sender=texts.NUMBER),
                api_url=url,
                clock=counter.clock,
                callback=f"{PUBLIC}/webhooks/twilio/status",
                call_seconds=seconds,
            )
            mailer = SendGrid(
                http=http,
                key=mails.KEY,
                sender=mails.SENDER,
                name="Perfect Air",
                api_url=url,
                clock=counter.clock,
            )
            counter.desk = replace(counter.desk, messenger=messenger, mailer=mailer)
            yield counter.desk, app
    finally:
        await runner.cleanup()


def room(desk: Desk, app: web.Application) -> PostRoom:
    sources = (
        Texts(token=TOKEN, public_url=PUBLIC),
        Statuses(token=TOKEN, public_url=PUBLIC),
        Events(public_key=app[mails.POST].public_key),
    )
    return PostRoom(desk, {each.name: each for each in sources}, poll_seconds=60)


async def stored(post: PostRoom, name: str, target: str, body: bytes) -> bool:
    webhook = Webhook(target=target, headers={}, body=body, at=post.desk.clock.now())
    return await post.store(post.sources[name], webhook, {})


def said(sid: str, words: str, sender: str = NUMBER) -> bytes:
    return urlencode({"MessageSid": sid, "From": sender, "To": texts.NUMBER, "Body": words}).encode()


@pytest.mark.parametrize("size", [120, pytest.param(1000, marks=pytest.mark.reliability)])
async def test_of_texts_through_a_faulty_vendor_none_goes_twice_and_none_is_lost(counter: Counter, size: int):
    counter.ruled(texts_per_day=1000, blast_limit=10_000)
    async with wired(counter) as (desk, app):
        faults = app[PLANNED]
        for kind in ("hang_after", "500_after", "500_before"):
            faults.active.append(Fault(kind, share=0.1))
        intents = [counter.intent(recipient=f"+1303555{number:04d}") for number in range(size)]
        gate_ = asyncio.Semaphore(10)

        async def send(number: int) -> None:
            async with gate_:
                await gate.send(desk, intents[number])

        await asyncio.gather(*(send(number) for number in range(size)))
        first = Tally(status for status, _ in await counter.log())
        assert first.total() == size
        assert 0 < first["unknown"] <= 0.4 * size
        faults.active.clear()
        counter.clock.advance(30)
        looked = await reconcile.outcomes_unknown(desk, limit=size)
        assert (looked.absent, looked.found + looked.open) == (0, first["unknown"])
        assert looked.found > 0
        counter.clock.advance(40)
        looked = await reconcile.outcomes_unknown(desk, limit=size)
        assert (looked.found, looked.open) == (0, 0)
        assert await gate.resume(desk, limit=size) == looked.absent
        assert Tally(status for status, _ in await counter.log()) == {"sent": size}
        taken = Tally(message.to for message in app[EXCHANGE].messages)
        assert taken == {intent.recipient: 1 for intent in intents}


async def test_a_callback_tells_what_the_call_did_not(counter: Counter):
    async with wired(counter) as (desk, app):
        app[PLANNED].active.append(Fault("500_after"))
        decision = await counter.send()
        assert decision.status == Status.UNKNOWN
        post, exchange = room(desk, app), app[EXCHANGE]
        counter.clock.advance(2)
        [told] = exchange.due()
        target = told.url.removeprefix(PUBLIC)
        body = urlencode(told.parameters).encode()
        signature = {"x-twilio-signature": texts.signature(TOKEN, told)}
        webhook = Webhook(target=target, headers=signature, body=body, at=counter.clock.now())
        assert post.sources["twilio/status"].verify(webhook)
        assert await stored(post, "twilio/status", target, body)
        assert not await stored(post, "twilio/status", target, body)
        assert await post.look_after() == 1
        assert await counter.log("status, vendor_id") == [("sent", exchange.messages[0].sid)]


@pytest.mark.parametrize("order", [("sent", "delivered"), ("delivered", "sent")])
async def test_reports_in_any_order_end_the_same(counter: Counter, order: tuple[str, ...]):
    async with wired(counter) as (desk, app):
        await counter.send()
        post, sid = room(desk, app), app[EXCHANGE].messages[0].sid
        for status in order:
            body = urlencode({"MessageSid": sid, "MessageStatus": status, "To": NUMBER}).encode()
            await stored(post, "twilio/status", "/webhooks/twilio/status", body)
        await post.look_after()
        assert [status for status, _ in await counter.log()] == ["delivered"]


async def test_a_reference_of_another_installation_changes_nothing(counter: Counter):
    async with wired(counter) as (desk, app):
        decision = await counter.send()
        post = room(desk, app)
        target = f"/webhooks/twilio/status?message={decision.message_id}"
        for sid, to in (("SM" + "9" * 32, NUMBER), (app[EXCHANGE].messages[0].sid[:-1], "+13035550177")):
            body = urlencode({"MessageSid": sid, "MessageStatus": "failed", "To": to}).encode()
            await stored(post, "twilio/status", target, body)
        await post.look_after()
        assert await counter.log() == [("sent", "sent")]


async def test_500_deliveries_of_100_texts_have_100_effects(counter: Counter):
    async with wired(counter) as (desk, app):
        post = room(desk, app)
        bodies = [said(f"SM{number:032x}", f"Question {number}") for number in range(100)] * 5
        new = await asyncio.gather(*(stored(post, "twilio/sms", TARGET, body) for body in bodies))
        assert sum(new) == 100
        await asyncio.gather(post.look_after(), post.look_after())
        [(number,)] = await counter.rows(
            "select count(*) from automation.messaging_received where tenant_id = %s", counter.tenant
        )
        assert number == 100
        [(number,)] = await counter.rows(
            "select count(*) from automation.events where tenant_id = %s and event_type = 'message_received'",
            counter.tenant,
        )
        assert number == 100


async def test_a_stop_whose_webhook_was_lost_is_found_and_one_that_came_is_not_taken_twice(counter: Counter):
    await counter.customer(1, mobile())
    async with wired(counter) as (desk, app):
        exchange, post = app[EXCHANGE], room(desk, app)
        message, _ = exchange.receive("+13035550143", "Thanks!")
        await stored(post, "twilio/sms", TARGET, said(message.sid, "Thanks!", "+13035550143"))
        await post.look_after()
        exchange.receive(NUMBER, "please stop texting me")
        assert await reconcile.messages_from_people(desk) == 1
        assert await reconcile.messages_from_people(desk) == 0
        decision = await counter.send()
        assert (decision.status, decision.reason) == (Status.SUPPRESSED, "opted_out")


@pytest.mark.parametrize(
    ("heard_hours_ago", "looks_back"),
    [(None, timedelta(days=3)), (0, timedelta(hours=1)), (30, timedelta(hours=30, minutes=10)),
     (200, timedelta(days=3))],
)  # fmt: skip
async def test_the_first_look_goes_back_to_the_last_message_that_came(
    counter: Counter, heard_hours_ago: int | None, looks_back: timedelta
):
    now, asked = counter.clock.now(), []
    if heard_hours_ago is not None:
        at = now - timedelta(hours=heard_hours_ago)
        heard = Received(vendor_id="SM1", sender=NUMBER, to="+13035550100", body="Hello?", at=at)
        await inbound.take(counter.desk, heard)
    old = Received(
        vendor_id="SM2", sender=NUMBER, to="+13035550100", body="stop", at=now - timedelta(hours=3)
    )

    async def received(*, since: datetime) -> list[Received]:
        asked.append(since)
        return [old]

    counter.carrier.received = received  # type: ignore[method-assign]
    assert await reconcile.messages_from_people(counter.desk) == 1
    assert asked == [now - looks_back]
    assert counter.carrier.texts == [], "nobody gets a confirmation hours later"
    assert (await counter.send()).reason == "opted_out"
    await reconcile.messages_from_people(counter.desk)
    assert asked[1] == now - reconcile.OVERLAP


async def test_the_vendors_own_opt_out_is_ours_at_once_and_nothing_is_tried_again(counter: Counter):
    async with wired(counter) as (_, app):
        app[EXCHANGE].stopped.add(NUMBER)
        first, second = await counter.send(), await counter.send()
        assert (first.status, first.reason) == (Status.REFUSED, "opted_out_at_vendor")
        assert (second.status, second.reason) == (Status.SUPPRESSED, "opted_out")
        assert len(app[texts.CALLS]) == 1


async def test_help_and_start_are_answered_through_the_gate(counter: Counter):
    async with wired(counter) as (desk, app):
        post, exchange = room(desk, app), app[EXCHANGE]
        for number, words in enumerate(("HELP", "STOP", "START")):
            message, _ = exchange.receive(NUMBER, words)
            await stored(post, "twilio/sms", TARGET, said(message.sid, words))
            await post.look_after()
            counter.clock.advance(5 + number)
        answers = [each.body for each in exchange.messages if each.direction == "outbound-api"]
        assert len(answers) == 2, answers
        assert "Reply STOP" in answers[0]
        assert "again" in answers[1]


async def test_a_process_that_stood_still_sends_nothing_after_its_message_was_read_back(counter: Counter):
    async with wired(counter) as (desk, app):
        intent = counter.intent()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate, "run_in_transaction", _after_commit(gate.run_in_transaction, counter, desk))
            late = await gate.send(desk, intent)
        assert late.status == Status.DEFERRED
        assert late.reason == "absent"
        assert app[EXCHANGE].messages == []
        assert (await gate.send(desk, intent)).status == Status.SENT
        assert len(app[EXCHANGE].messages) == 1


def _after_commit(run: Any, counter: Counter, desk: Desk) -> Any:
    async def commit_and_stand_still(*arguments: Any, **named: Any) -> Any:
        decided = await run(*arguments, **named)
        counter.clock.advance(120)
        await reconcile.outcomes_unknown(desk)
        return decided

    return commit_and_stand_still


# Email -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "then"),
    [
        ("reads", "delivered", "sent"),
        ("bounces", "failed", "unreachable"),
        ("complains", "delivered", "opted_out"),
    ],
)
async def test_events_of_email_are_kept_and_teach(counter: Counter, kind: str, status: str, then: str):
    async with wired(counter) as (desk, app):
        box, post = app[mails.POST], room(desk, app)
        box.kinds[ADDRESS] = kind
        await counter.send(channel=Channel.EMAIL, recipient=ADDRESS, subject="Hello")
        body = json.dumps(box.waiting[::-1]).encode()
        for _ in range(3):
            await stored(post, "sendgrid", "/webhooks/sendgrid", body)
            await post.look_after()
        assert [each for each, _ in await counter.log()] == [status]
        later = await counter.send(channel=Channel.EMAIL, recipient=ADDRESS, subject="Again")
        assert later.reason == then


async def test_an_email_of_unknown_outcome_stays_unknown_until_an_event_tells(counter: Counter):
    async with wired(counter) as (desk, app):
        box, post = app[mails.POST], room(desk, app)
        box.faults.append(mails.Fault("500_after", times=1))
        decision = await counter.send(channel=Channel.EMAIL, recipient=ADDRESS, subject="Hello")
        counter.clock.advance(timedelta(days=2).total_seconds())
        assert (await reconcile.outcomes_unknown(desk)).open == 1
        assert decision.status == Status.UNKNOWN
        await stored(post, "sendgrid", "/webhooks/sendgrid", json.dumps(box.waiting).encode())
        await post.look_after()
        assert [status for status, _ in await counter.log()] == ["delivered"]
