"""Email as the vendor's own document wants it, what its answers mean, and its signed events."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest

from perfectcatch.errors import BadSetting, CredentialsRejected, OutcomeUnknown, RateLimited
from perfectcatch.kit.clock import FakeClock, SystemClock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.model.messaging import Mail, NotCarried, Status
from perfectcatch.model.reports import Report, Webhook
from perfectcatch.sandbox.sendgrid.server import KEY, POST, SENDER, Fault, Post, make_app, signed
from perfectcatch.vendors.sendgrid.client import SendGrid
from perfectcatch.vendors.sendgrid.webhooks import Events

DOCUMENT = Path(__file__).parents[4] / "shared/vendors/specs/sendgrid/tsg_mail_v3.json"


def mail(**values: Any) -> Mail:
    usual = {
        "to": "ann@example.com",
        "subject": "Your estimate",
        "text": "Hello",
        "html": "<p>Hello</p>",
        "reference": "17",
        "headers": {"List-Unsubscribe": "<https://office.example/unsubscribe/x>"},
    }
    return Mail(**{**usual, **values})


class Recorded(Http):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        return await super().send(request)


@asynccontextmanager
async def opened(
    app: web.Application, *, key: str = KEY, sender: str = SENDER
) -> AsyncIterator[tuple[SendGrid, Recorded, str]]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Recorded() as http:
            client = SendGrid(
                http=http, key=key, sender=sender, name="Perfect Air", api_url=url, clock=SystemClock()
            )
            yield client, http, url
    finally:
        await runner.cleanup()


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's document is not here")
@pytest.mark.parametrize("headers", [{}, {"List-Unsubscribe": "<https://office.example/unsubscribe/x>"}])
async def test_a_request_is_as_the_vendors_document_says(headers: dict[str, str]):
    spec = json.loads(DOCUMENT.read_text())
    document = OpenAPI.from_dict(
        spec, config=Config(spec_validator_cls=None, spec_base_uri=DOCUMENT.as_uri())
    )
    app = make_app()
    async with opened(app) as (client, http, _):
        receipt = await client.send(mail(headers=headers))
    [request] = http.requests
    document.validate_request(
        MockRequest(
            "https://api.sendgrid.com",
            "post",
            "/v3/mail/send",
            headers=dict(request.headers),
            data=request.body if isinstance(request.body, bytes) else None,
            content_type="application/json",
        )
    )
    [taken] = app[POST].mails
    assert (receipt.status, receipt.vendor_id) == (Status.SENT, taken["id"])
    assert taken["personalizations"][0]["custom_args"] == {"perfectcatch_message": "17"}
    assert taken["personalizations"][0].get("headers", {}) == headers


@pytest.mark.parametrize(
    ("kind", "error", "taken"),
    [("500_after", OutcomeUnknown, 1), ("500_before", OutcomeUnknown, 0), ("429", RateLimited, 0)],
)
async def test_what_an_answer_leaves_open(kind: str, error: type[Exception], taken: int):
    app = make_app()
    app[POST].faults.append(Fault(kind))
    async with opened(app) as (client, http, _):
        with pytest.raises(error):
            await client.send(mail())
    assert len(http.requests) == 1
    assert len(app[POST].mails) == taken


async def test_a_vendor_that_closed_a_kept_connection_has_lost_no_email():
    """Whoever writes on a connection that was just closed would not know whether the email was taken."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            for turn in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                await reader.readexactly(int(length.partition(b":")[2]))
                seen.append(turn)
                if turn:
                    break  # it has had enough of this connection, and says nothing
                writer.write(b"HTTP/1.1 202 Accepted\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, Http() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = SendGrid(http=http, key=KEY, sender=SENDER, name="", api_url=url, clock=SystemClock())
        assert [(await client.send(mail())).status for _ in range(3)] == [Status.SENT] * 3
    assert seen == [0, 0, 0]


async def test_refusals():
    async with opened(make_app(), key="other") as (client, _, _):
        with pytest.raises(CredentialsRejected, match="SENDGRID_API_KEY"):
            await client.send(mail())
    async with opened(make_app(), sender="other@example.com") as (client, _, _):
        with pytest.raises(NotCarried, match="SENDGRID_FROM_EMAIL") as raised:
            await client.send(mail())
        assert raised.value.sender_blocked
    async with opened(make_app()) as (client, _, _):
        with pytest.raises(NotCarried) as raised:
            await client.send(mail(to="nobody"))
        assert raised.value.bad_number
        with pytest.raises(NotCarried) as raised:
            await client.send(mail(subject=""))
        assert not raised.value.bad_number


# Events ------------------------------------------------------------------------------------------


@pytest.fixture
def post() -> Post:
    return Post(FakeClock())


def webhook(post: Post, body: bytes, *, later: float = 0, **headers: str) -> Webhook:
    names = {name.lower(): value for name, value in signed(post, body).items()}
    at = post.clock.now() + timedelta(seconds=later)
    return Webhook(target="/webhooks/sendgrid", headers={**names, **headers}, body=body, at=at)


BODY = b'[{"event":"delivered","sg_message_id":"abc.recvd-1","sg_event_id":"e1","email":"ann@example.com"}]'


@pytest.mark.parametrize(
    ("later", "accepted"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)]
)
def test_a_signature_is_good_for_five_minutes(post: Post, later: float, accepted: bool):
    assert Events(public_key=post.public_key).verify(webhook(post, BODY, later=later)) is accepted


def test_forgeries_are_refused(post: Post):
    source, good = Events(public_key=post.public_key), webhook(post, BODY)
    assert source.verify(good)
    signature, moment = (
        good.headers[f"x-twilio-email-event-webhook-{name}"] for name in ("signature", "timestamp")
    )
    name = "x-twilio-email-event-webhook-"
    for place in range(len(BODY)):
        body = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        assert not source.verify(Webhook(target="", headers=good.headers, body=body, at=good.at))
    for other in ("", signature[:-4], "AAAA", "é", signature[::-1]):
        headers = {**good.headers, f"{name}signature": other}
        assert not source.verify(Webhook(target="", headers=headers, body=BODY, at=good.at))
    for other in ("", f"{moment}0", "x", str(int(moment) + 1), "-1", "9" * 40):
        headers = {**good.headers, f"{name}timestamp": other}
        assert not source.verify(Webhook(target="", headers=headers, body=BODY, at=good.at))
    stranger = Post(post.clock)
    for key in (None, "", stranger.public_key):
        assert not Events(public_key=key).verify(good)


def test_the_key_is_looked_at_before_the_first_event(post: Post):
    pem = f"-----BEGIN PUBLIC KEY-----\n{post.public_key}\n-----END PUBLIC KEY-----\n"
    assert Events(public_key=pem).verify(webhook(post, BODY))
    edwards = b64encode(
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    for key in ("AAAA", "SG.a key of the API", post.public_key[:-8], edwards):
        with pytest.raises(BadSetting, match=r"^SENDGRID_WEBHOOK_PUBLIC_KEY is no public key"):
            Events(public_key=key)


def event(kind: str, **values: Any) -> bytes:
    said = {"event": kind, "sg_message_id": "abc.recvd-1", "email": "ann@example.com", "sg_event_id": "e"}
    return json.dumps([{**said, "perfectcatch_message": "17", **values}]).encode()


@pytest.mark.parametrize(
    ("body", "status", "opted_out", "bad"),
    [
        (event("processed"), Status.SENT, None, None),
        (event("deferred", response="400 try again"), Status.SENT, None, None),
        (event("delivered"), Status.DELIVERED, None, None),
        (event("bounce", type="bounce", status="5.1.1", reason="550"), Status.FAILED, False, True),
        (event("bounce", type="blocked", reason="550 spam"), Status.FAILED, False, False),
        (event("dropped", reason="Unsubscribed Address"), Status.FAILED, True, False),
        (event("dropped", reason="Bounced Address"), Status.FAILED, False, True),
        (event("spamreport"), None, True, False),
        (event("unsubscribe"), None, True, False),
    ],
)
def test_what_an_event_says(post: Post, body: bytes, status: Status, opted_out: bool, bad: bool):
    [told] = Events(public_key=None).read(webhook(post, body))
    assert isinstance(told, Report)
    assert (told.vendor_id, told.reference, told.address) == ("abc", "17", "ann@example.com")
    assert (told.receipt.status if told.receipt else None) == status
    assert (told.trouble.opted_out if told.trouble else None) == opted_out
    assert (told.trouble.bad_number if told.trouble else None) == bad


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"[1]", b"\xff", event("open"), event("click"), b"[" * 20_000]
)
def test_the_rest_tells_nothing(post: Post, body: bytes):
    assert not Events(public_key=None).read(webhook(post, body))


def test_a_single_event_is_known_by_its_id(post: Post):
    assert Events(public_key=None).identify(webhook(post, BODY)) == ("delivered", "e1")
    two = json.dumps(json.loads(BODY) * 2).encode()
    assert Events(public_key=None).identify(webhook(post, two)) == ("delivered", None)
