"""Webhooks about messages over HTTP: signed, stored, answered in the vendor's form; then looked after."""

import json
from collections.abc import AsyncIterator
from itertools import count
from urllib.parse import urlencode

import pytest
from office import Office, open_office
from twilio.request_validator import RequestValidator

from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.sendgrid.server import Post, signed
from perfectcatch.vendors.sendgrid.webhooks import Events
from perfectcatch.vendors.twilio.webhooks import Statuses, Texts

TOKEN, PUBLIC = "t" * 32, "https://office.example"
TENANTS = count(9191)  # a company each, so that what one stored is not there for the next
BOX = Post(FakeClock())
SMS = {"MessageSid": "SM" + "1" * 32, "From": "+13035550142", "To": "+13035550100", "Body": "STOP"}


@pytest.fixture
async def wired(filled: str) -> AsyncIterator[Office]:
    sources = (
        Texts(token=TOKEN, public_url=PUBLIC),
        Statuses(token=TOKEN, public_url=PUBLIC),
        Events(public_key=BOX.public_key),
    )
    async with open_office(
        filled, tenant=next(TENANTS), sources={each.name: each for each in sources}
    ) as office:
        yield office


def signature(values: dict[str, str], target: str) -> dict[str, str]:
    said = RequestValidator(TOKEN).compute_signature(PUBLIC + target, values)
    return {"X-Twilio-Signature": said, "Content-Type": "application/x-www-form-urlencoded"}


async def rows(office: Office, query: str) -> list[tuple[object, ...]]:
    async with office.pool.connection() as connection:
        return await (await connection.execute(query, (office.tenant,))).fetchall()


async def test_a_text_is_stored_answered_and_taken(wired: Office):
    target, body = "/webhooks/twilio/sms", urlencode(SMS)
    headers = signature(SMS, target) | {"Host": "elsewhere.example", "X-Forwarded-Host": "evil.example"}
    for _ in range(2):
        answer = await wired.http.post(target, content=body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/xml")
        assert answer.text.endswith("<Response/>")
    assert await wired.gateway.post.look_after() == 1
    query = "select source, identity, times, state from automation.webhooks where tenant_id = %s"
    assert await rows(wired, query) == [("twilio/sms", SMS["MessageSid"], 2, "done")]
    query = "select address, source from automation.messaging_opt_outs where tenant_id = %s"
    assert await rows(wired, query) == [(SMS["From"], "keyword")]


async def test_a_status_is_signed_with_its_query(wired: Office):
    values = {"MessageSid": "SM2", "MessageStatus": "sent", "To": "+13035550142"}
    target = "/webhooks/twilio/status?message=17"
    good = signature(values, target)
    assert (await wired.http.post(target, content=urlencode(values), headers=good)).status_code == 200
    other = f"{target}8"
    assert (await wired.http.post(other, content=urlencode(values), headers=good)).status_code == 401


async def test_events_of_email_are_taken(wired: Office):
    moment = FakeClock().now()
    assert wired.gateway.clock.now() == moment
    body = b'[{"event":"open"}]'
    answer = await wired.http.post("/webhooks/sendgrid", content=body, headers=signed(BOX, body))
    assert answer.status_code == 200


async def test_who_unsubscribes_elsewhere_gets_nothing_from_us_either(wired: Office):
    """Of another program on the same account; each event twice, as the vendor may send it."""
    events = [
        {"event": "unsubscribe", "email": "Ann@Example.com", "sg_message_id": "elsewhere.1"},
        {"event": "group_unsubscribe", "email": "bob@example.com"},
        {"event": "spamreport", "email": "cy@example.com", "perfectcatch": "17", "sg_message_id": "m2"},
        {
            "event": "dropped",
            "reason": "Unsubscribed Address",
            "email": "di@example.com",
            "sg_message_id": "m3",
        },
        {"event": "bounce", "email": "eve@example.com", "sg_message_id": "m4"},
        {"event": "delivered", "email": "flo@example.com", "sg_message_id": "m5"},
        {"event": "unsubscribe", "email": "no address", "sg_message_id": "m6"},
        {"event": "unsubscribe"},
    ]
    for number in range(2):
        body = json.dumps([*events, {"event": "open", "sg_event_id": str(number)}]).encode()
        answer = await wired.http.post("/webhooks/sendgrid", content=body, headers=signed(BOX, body))
        assert answer.status_code == 200
        assert await wired.gateway.post.look_after() == 1
    assert await rows(
        wired,
        "select address, channel, source, wording from automation.messaging_opt_outs"
        " where tenant_id = %s order by address",
    ) == [
        ("ann@example.com", "email", "vendor", "unsubscribe: The recipient unsubscribed at the vendor."),
        (
            "bob@example.com",
            "email",
            "vendor",
            "group_unsubscribe: The recipient unsubscribed at the vendor.",
        ),
        ("cy@example.com", "email", "vendor", "spamreport: The recipient called it spam."),
        ("di@example.com", "email", "vendor", "dropped: Unsubscribed Address"),
    ]


@pytest.mark.parametrize("route", ["twilio/sms", "twilio/status", "sendgrid"])
@pytest.mark.parametrize("headers", [{}, {"X-Twilio-Signature": "AAAA"}, {"X-Twilio-Signature": ""}])
async def test_what_is_not_signed_is_refused_and_not_stored(
    wired: Office, route: str, headers: dict[str, str]
):
    before = await rows(wired, "select count(*) from automation.webhooks where tenant_id = %s")
    answer = await wired.http.post(f"/webhooks/{route}", content=urlencode(SMS), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert await rows(wired, "select count(*) from automation.webhooks where tenant_id = %s") == before


async def test_a_large_body_is_refused(wired: Office):
    answer = await wired.http.post("/webhooks/twilio/sms", content=b"x" * (1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_another_route_of_the_vendor_does_not_exist(wired: Office):
    assert (await wired.http.post("/webhooks/twilio/voice", content=b"")).status_code == 404
