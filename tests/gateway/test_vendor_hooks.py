"""Webhooks over HTTP: a secret that changes under traffic, moments that are too old, everything forged."""

import asyncio
import dataclasses
import hmac
import json
import random
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from office import Office, open_office
from twilio.request_validator import RequestValidator

from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.sendgrid.server import Post, signed
from perfectcatch.vendors.sendgrid.webhooks import Events
from perfectcatch.vendors.servicetitan.webhooks import Webhooks
from perfectcatch.vendors.twilio.webhooks import Statuses, Texts

TOKEN, PUBLIC, NEW, OLD = "t" * 32, "https://office.example", "n" * 32, "o" * 32
ROTATION = timedelta(hours=1)
TENANTS = count(9391)


@pytest.fixture
async def wired(filled: str) -> AsyncIterator[tuple[Office, Post]]:
    """A server with every receiver, and the vendor of email's key, on the server's clock."""
    start = FakeClock().now()
    async with open_office(filled, tenant=next(TENANTS), start=start) as office:
        box = Post(office.clock)
        sources = (
            Texts(token=TOKEN, public_url=PUBLIC),
            Statuses(token=TOKEN, public_url=PUBLIC),
            Events(public_key=box.public_key),
        )
        office.gateway.post.sources = {each.name: each for each in sources}
        vendor = Webhooks(secret=NEW, old_secret=OLD, old_secret_until=start + ROTATION)
        gateway = dataclasses.replace(office.gateway, webhooks={"servicetitan": vendor})
        office.app.state.gateway = gateway
        yield office, box


async def stored(office: Office) -> int:
    query = "select count(*) from automation.webhooks where tenant_id = %s"
    return int((await office.rows(query, office.tenant))[0][0])


def hook(number: int, secret: str) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"eventId": f"e{number}", "eventType": "moon.full"}).encode()
    return body, {"X-ServiceTitan-Signature": hmac.new(secret.encode(), body, sha256).hexdigest()}


async def test_a_secret_changes_under_traffic(wired: tuple[Office, Post]) -> None:
    office, _ = wired

    async def send(number: int, secret: str) -> int:
        body, headers = hook(number, secret)
        answer = await office.http.post("/webhooks/servicetitan", content=body, headers=headers)
        return answer.status_code

    office.clock.advance(ROTATION.total_seconds() - 1)
    before = await asyncio.gather(*(send(number, (NEW, OLD)[number % 2]) for number in range(100)))
    assert set(before) == {200}
    office.clock.advance(1)
    after = await asyncio.gather(*(send(100 + number, (NEW, OLD)[number % 2]) for number in range(100)))
    assert after == [200, 401] * 50
    assert await stored(office) == 150


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-299, 200), (299, 200), (301, 401)])
async def test_email_events_have_five_minutes(wired: tuple[Office, Post], seconds: int, status: int) -> None:
    office, box = wired
    body = json.dumps([{"event": "open", "sg_event_id": f"at{seconds}"}]).encode()
    headers = signed(Post(FakeClock(office.clock.now() + timedelta(seconds=seconds)), key=box.key), body)
    answer = await office.http.post("/webhooks/sendgrid", content=body, headers=headers)
    assert answer.status_code == status
    assert await stored(office) == (status == 200)


def forged(box: Post) -> dict[str, list[tuple[bytes, dict[str, str]]]]:
    """For each receiver what is almost right: altered, cut, signed with another key, for another address."""
    said = {"MessageSid": "SM1", "From": "+13035550142", "To": "+13035550100", "Body": "STOP"}
    form = urlencode(said).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    def texted(token: str, url: str, values: dict[str, str], body: bytes = form) -> tuple[bytes, Any]:
        return body, kind | {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, values)}

    texts = [
        (form, kind),
        (form, kind | {"X-Twilio-Signature": ""}),
        texted("u" * 32, f"{PUBLIC}/webhooks/twilio/sms", said),
        texted(TOKEN, "https://evil.example/webhooks/twilio/sms", said),
        texted(TOKEN, f"{PUBLIC}/webhooks/twilio/status", said),
        texted(TOKEN, f"{PUBLIC}/webhooks/twilio/sms", said, form + b"&Body=START"),
        texted(TOKEN, f"{PUBLIC}/webhooks/twilio/sms", said | {"From": "+13035550199"}),
    ]
    events = b'[{"event":"unsubscribe","email":"a@example.com","sg_message_id":"m1"}]'
    good, other = signed(box, events), signed(Post(box.clock), events)
    signature = "X-Twilio-Email-Event-Webhook-Signature"
    mails = [
        (events, {}),
        (events, other),
        (events + b" ", good),
        (events, good | {signature: good[signature][:-4]}),
        (events, good | {signature: ""}),
        (events, {name: text for name, text in good.items() if name == signature}),
        (events, good | {"X-Twilio-Email-Event-Webhook-Timestamp": "1"}),
        (events, good | {"X-Twilio-Email-Event-Webhook-Timestamp": "9" * 400}),
    ]
    body, right = hook(1, NEW)
    name = "X-ServiceTitan-Signature"
    records = [
        (body, {}),
        (body, {name: ""}),
        (body, {name: right[name][:-1]}),
        (body, {name: right[name].swapcase() + "00"}),
        (body, {name: hmac.new(NEW.encode(), body, "sha1").hexdigest()}),
        (body + b" ", right),
        hook(1, "x" * 32),
        hook(1, ""),
    ]
    return {"twilio/sms": texts, "twilio/status": texts[:4], "sendgrid": mails, "servicetitan": records}


async def test_what_is_forged_leaves_no_row(wired: tuple[Office, Post]) -> None:
    office, box = wired
    for route, attempts in forged(box).items():
        for body, headers in attempts:
            answer = await office.http.post(f"/webhooks/{route}", content=body, headers=headers)
            assert answer.status_code == 401, (route, headers)
    assert await stored(office) == 0


def genuine(box: Post) -> dict[str, tuple[bytes, dict[str, str], str]]:
    """For each receiver a body and its headers as the vendor signs them, and which one is the signature."""
    said = {"MessageSid": "SM1", "From": "+13035550142", "To": "+13035550100", "Body": "STOP"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    texted = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}/webhooks/twilio/sms", said)
    events = b'[{"event":"unsubscribe","email":"a@example.com","sg_message_id":"m1","sg_event_id":"e1"}]'
    return {
        "twilio/sms": (urlencode(said).encode(), form | {(name := "X-Twilio-Signature"): texted}, name),
        "sendgrid": (events, signed(box, events), "X-Twilio-Email-Event-Webhook-Signature"),
        "servicetitan": (*hook(1, NEW), "X-ServiceTitan-Signature"),
    }


def flipped(draw: random.Random, raw: bytes) -> bytes:
    """The lowest bit of one byte is another."""
    changed = bytearray(raw)
    changed[draw.randrange(len(changed))] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "size", [60, pytest.param(10_000, marks=[pytest.mark.reliability, pytest.mark.timeout(900)])]
)
async def test_one_bit_that_is_another_is_refused(wired: tuple[Office, Post], size: int) -> None:
    office, box = wired
    sent, draw = genuine(box), random.Random(4711)
    for _ in range(size):
        route = draw.choice(list(sent))
        body, headers, name = sent[route]
        if draw.random() < 0.5:
            body = flipped(draw, body)
        elif route == "servicetitan":
            headers = headers | {name: flipped(draw, bytes.fromhex(headers[name])).hex()}
        else:
            headers = headers | {name: b64encode(flipped(draw, b64decode(headers[name]))).decode()}
        answer = await office.http.post(f"/webhooks/{route}", content=body, headers=headers)
        assert answer.status_code == 401, (route, body, headers)
    assert await stored(office) == 0
    for route, (body, headers, _) in sent.items():  # they were good but for that
        answer = await office.http.post(f"/webhooks/{route}", content=body, headers=headers)
        assert answer.status_code == 200, (route, answer.text)
    assert await stored(office) == len(sent)
