"""Signatures are those of the vendor's own library; everything else is refused."""

import random
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from perfectcatch.model.messaging import Channel, Received, Status
from perfectcatch.model.reports import Report, Webhook
from perfectcatch.vendors.twilio.webhooks import Statuses, Texts

TOKEN, PUBLIC = "t" * 32, "https://office.example"
NOW = datetime(2026, 6, 10, tzinfo=UTC)
SMS = {
    "MessageSid": "SM" + "1" * 32,
    "From": "+13035550142",
    "To": "+13035550100",
    "Body": "Sí, mañana & gracias =)",
    "NumMedia": "0",
    "FromCity": "",
}


def signed(
    values: Any, *, url: str = PUBLIC, target: str = "/webhooks/twilio/sms", token: str = TOKEN
) -> Webhook:
    signature = RequestValidator(token).compute_signature(url + target, values)
    headers = {"x-twilio-signature": signature}
    return Webhook(target=target, headers=headers, body=urlencode(values).encode(), at=NOW)


def texts(**values: Any) -> Texts:
    return Texts(**{"token": TOKEN, "public_url": PUBLIC, **values})


@pytest.mark.parametrize("url", [PUBLIC, f"{PUBLIC}:443"])
def test_what_the_vendor_signed_is_accepted(url: str):
    assert texts().verify(signed(SMS, url=url))


@pytest.mark.parametrize(
    "source",
    [
        texts(token=None),
        texts(token=""),
        texts(public_url=None),
        texts(token="other"),
        texts(public_url="http://x"),
    ],
)
def test_without_the_token_and_the_address_nothing_is_accepted(source: Texts):
    assert not source.verify(signed(SMS))


def test_a_thousand_forgeries_are_refused():
    draw = random.Random(11)
    good = signed(SMS)
    source = texts()
    assert source.verify(good)
    for _ in range(250):
        body = bytearray(good.body)
        place = draw.randrange(len(body))
        body[place] ^= 1 << draw.randrange(7)
        changed = Webhook(target=good.target, headers=good.headers, body=bytes(body), at=NOW)
        assert bytes(body) == good.body or not source.verify(changed) or _same(bytes(body), good.body)
    signature = good.headers["x-twilio-signature"]
    for offered in ("", signature[:-1], signature + "A", signature.lower(), "A" * 28, "é" * 28, "null"):
        for target in (good.target, f"{good.target}?x=1", "/webhooks/twilio/status", ""):
            headers = {"x-twilio-signature": offered} if offered else {}
            assert not source.verify(Webhook(target=target, headers=headers, body=good.body, at=NOW))
    for target in (f"{good.target}?x=1", f"{good.target}/", "/webhooks/twilio/status"):
        assert not source.verify(Webhook(target=target, headers=good.headers, body=good.body, at=NOW))
    for name in SMS:
        rest = {key: value for key, value in SMS.items() if key != name or not value}
        if rest != SMS:
            body_ = urlencode(rest).encode()
            assert not source.verify(Webhook(target=good.target, headers=good.headers, body=body_, at=NOW))
    assert not source.verify(signed(SMS, token="another tenant's"))
    assert not source.verify(Webhook(target=good.target, headers=good.headers, body=b"\xff\xfe", at=NOW))


def _same(one: bytes, other: bytes) -> bool:
    """Whether two forms say the same, as ``%2b`` and ``%2B`` do."""
    from urllib.parse import parse_qsl

    return sorted(parse_qsl(one.decode(), True)) == sorted(parse_qsl(other.decode(), True))


def test_a_text_is_read():
    [told] = texts().read(signed(SMS))
    assert told == Received(
        vendor_id=SMS["MessageSid"], sender=SMS["From"], to=SMS["To"], body=SMS["Body"], at=NOW
    )
    assert texts().identify(signed(SMS)) == ("received", SMS["MessageSid"])


@pytest.mark.parametrize(
    ("values", "body"),
    [
        ({"Body": "baja", "OptOutType": "STOP"}, "STOP"),
        ({"Body": "Stop", "OptOutType": "STOP"}, "Stop"),
        ({"Body": "", "NumMedia": "2"}, "[2 pictures or files without words]"),
        ({"Body": ""}, ""),
    ],
)
def test_what_a_text_says(values: dict[str, str], body: str):
    [told] = texts().read(signed({**SMS, **values}))
    assert isinstance(told, Received)
    assert told.body == body


@pytest.mark.parametrize("body", [b"", b"From=x", b"\xff", b"{}"])
def test_what_cannot_be_read_tells_nothing(body: bytes):
    webhook = Webhook(target="/", headers={}, body=body, at=NOW)
    assert not texts().read(webhook)
    assert not Statuses(token=TOKEN, public_url=PUBLIC).read(webhook)


def test_a_status_carries_our_reference_and_what_it_teaches():
    target = "/webhooks/twilio/status?message=17"
    values = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30006", "To": "+13035550142"}
    source = Statuses(token=TOKEN, public_url=PUBLIC)
    webhook = signed(values, target=target)
    assert source.verify(webhook)
    assert source.identify(webhook) == ("undelivered", "SM1 undelivered")
    [told] = source.read(webhook)
    assert isinstance(told, Report)
    assert (told.channel, told.vendor_id, told.reference) == (Channel.SMS, "SM1", "17")
    assert told.receipt is not None
    assert (told.receipt.status, told.receipt.code) == (Status.FAILED, "30006")
    assert told.trouble is not None
    assert told.trouble.bad_number
