"""Texts as the vendor's own document wants them, and what each of its answers means."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest

from perfectcatch.errors import (
    BadSetting,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    Retry,
    ScopeMissing,
    VendorRefused,
)
from perfectcatch.kit.clock import FakeClock, SystemClock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.model.messaging import NotCarried, Status, Text
from perfectcatch.sandbox.twilio.server import (
    ACCOUNT,
    CALLS,
    EXCHANGE,
    NUMBER,
    PLANNED,
    TOKEN,
    Fault,
    make_app,
)
from perfectcatch.vendors.twilio.client import Account, Twilio

DOCUMENT = Path(__file__).parents[4] / "shared/vendors/specs/twilio/twilio_api_v2010.json"
ANN = "+13035550142"
CALLBACK = "https://office.example/webhooks/twilio/status"


def text(body: str = "Your technician comes at 9.", **values: Any) -> Text:
    return Text(**{"to": ANN, "body": body, "reference": "17", "valid_for": 3600, **values})


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(
    app: web.Application, *, sender: str = NUMBER, token: str = TOKEN, seconds: float = 15.0
) -> AsyncIterator[Twilio]:
    async with served(app) as url, Http() as http:
        yield Twilio(
            http=http,
            account=Account(sid=ACCOUNT, token=token, sender=sender),
            api_url=url,
            clock=SystemClock(),
            callback=CALLBACK,
            call_seconds=seconds,
        )


class Recorded(Http):
    """Keeps every request."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.responses: list[Response] = []

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        self.responses.append(await super().send(request))
        return self.responses[-1]


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's document is not here")
@pytest.mark.parametrize("sender", [NUMBER, "MG" + "5a" * 16])
async def test_requests_and_answers_are_as_the_vendors_document_says(sender: str):
    spec = json.loads(DOCUMENT.read_text())
    document = OpenAPI.from_dict(
        spec, config=Config(spec_validator_cls=None, spec_base_uri=DOCUMENT.as_uri())
    )
    async with served(make_app(quiet=True)) as url, Recorded() as http:
        account = Account(sid=ACCOUNT, token=TOKEN, sender=sender)
        client = Twilio(http=http, account=account, api_url=url, clock=SystemClock(), callback=CALLBACK)
        receipt = await client.send(text())
        assert receipt.status == Status.SENT
        assert await client.find(text(), since=SystemClock().now()) is not None
        await client.received(since=SystemClock().now())
    assert [request.method for request in http.requests] == ["POST", "GET", "GET"]
    shapes = spec["components"]["schemas"]["api.v2010.account.message"]["properties"]
    for request, response in zip(http.requests, http.responses, strict=True):
        path, _, query = request.url.removeprefix(url).partition("?")
        args = dict(each.split("=", 1) for each in query.split("&") if each)
        body = request.body if isinstance(request.body, bytes) else None
        mock = MockRequest(
            "https://api.twilio.com",
            request.method.lower(),
            path,
            args={key: value.replace("%2B", "+") for key, value in args.items()},
            headers=dict(request.headers),
            data=body,
            content_type="application/x-www-form-urlencoded" if body else "application/json",
        )
        document.validate_request(mock)
        said = json.loads(response.body)
        for message in said.get("messages", [said]):
            assert set(message) == set(shapes)


async def test_a_text_names_its_callback_and_how_long_it_may_wait():
    app = make_app(quiet=True)
    async with opened(app) as client:
        await client.send(text(valid_for=50_000))
    [message] = app[EXCHANGE].messages
    assert (message.to, message.callback) == (ANN, f"{CALLBACK}?message=17")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("500_after", OutcomeUnknown),
        ("500_before", OutcomeUnknown),
        ("503", OutcomeUnknown),
        ("cut", OutcomeUnknown),
        ("hang_after", OutcomeUnknown),
        ("hang_before", OutcomeUnknown),
        ("429", RateLimited),
    ],
)
async def test_what_an_answer_leaves_open(kind: str, error: type[Exception]):
    app = make_app(quiet=True)
    app[PLANNED].active.append(Fault(kind))
    async with opened(app, seconds=0.3) as client:
        with pytest.raises(error) as raised:
            await client.send(text())
        app[PLANNED].active.clear()
        found = await client.find(text(), since=SystemClock().now())
    assert (found is not None) == (kind in {"500_after", "cut", "hang_after"})
    assert len(app[CALLS]) == 1, "nothing is sent twice"
    assert isinstance(raised.value, OutcomeUnknown) == (error is OutcomeUnknown)


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        (21610, (True, False, False)),
        (21211, (False, True, False)),
        (21614, (False, True, False)),
        (30006, (False, True, False)),
        (21606, (False, False, True)),
        (30034, (False, False, True)),
        (30024, (False, False, True)),
        (21408, (False, False, False)),
    ],
)
async def test_what_a_code_teaches(code: int, flags: tuple[bool, bool, bool]):
    app = make_app(quiet=True)
    app[PLANNED].active.append(Fault("code", code=code))
    async with opened(app) as client:
        with pytest.raises(NotCarried) as raised:
            await client.send(text())
    said = raised.value
    assert (said.opted_out, said.bad_number, said.sender_blocked, said.code) == (*flags, str(code))


async def test_a_full_queue_is_for_later():
    app = make_app(quiet=True)
    app[PLANNED].active.append(Fault("code", code=21611))
    async with opened(app) as client:
        with pytest.raises(Retry) as raised:
            await client.send(text())
    assert not isinstance(raised.value, OutcomeUnknown)


async def test_after_a_stop_the_vendor_refuses_and_we_know_it_as_an_opt_out():
    app = make_app(quiet=True)
    app[EXCHANGE].receive(ANN, "stop")
    async with opened(app) as client:
        with pytest.raises(NotCarried) as raised:
            await client.send(text())
        app[EXCHANGE].receive(ANN, "START")
        assert (await client.send(text())).status == Status.SENT
    assert raised.value.opted_out


async def test_wrong_credentials_are_told_by_the_name_of_their_setting():
    async with opened(make_app(), token="other") as client:
        with pytest.raises(CredentialsRejected, match="TWILIO_AUTH_TOKEN"):
            await client.send(text())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, '{"code": 20403, "message": "no"}', ScopeMissing),
        (403, '{"code": 21610, "message": "no"}', NotCarried),
        (400, '{"code": "21610", "message": null}', NotCarried),
        (400, "<html>", VendorRefused),
        (302, "", OutcomeUnknown),
        (201, "<html>", OutcomeUnknown),
        (408, "", OutcomeUnknown),
    ],
)
async def test_answers_of_something_in_between(status: int, body: str, error: type[Exception]):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with opened(app) as client:
        with pytest.raises(error):
            await client.send(text())


async def test_an_unreachable_vendor_has_certainly_not_taken_it():
    async with Http() as http:
        account = Account(sid=ACCOUNT, token=TOKEN, sender=NUMBER)
        url = "http://127.0.0.1:9"
        client = Twilio(http=http, account=account, api_url=url, clock=SystemClock(), callback=None)
        with pytest.raises(Retry) as raised:
            await client.send(text())
    assert not isinstance(raised.value, OutcomeUnknown | BadSetting)


async def test_reading_back_goes_over_pages_to_the_moment_and_no_further():
    clock = FakeClock(SystemClock().now())
    app = make_app(quiet=True, clock=clock)
    exchange = app[EXCHANGE]
    exchange.create({"To": ANN, "From": NUMBER, "Body": "The old one"})
    clock.advance(3600)
    since = clock.now()
    exchange.create({"To": ANN, "From": NUMBER, "Body": "The one"})
    for number in range(450):
        exchange.create({"To": ANN, "From": NUMBER, "Body": f"Later {number}"})
    exchange.receive(ANN, "The old one")
    async with opened(app) as client:
        assert (await client.find(text("The one"), since=since)) is not None
        assert (await client.find(text("The old one"), since=since)) is None
        received = await client.received(since=since - timedelta(hours=2))
    assert [each.body for each in received] == ["The old one"]
    assert received[0].sender == ANN
    await asyncio.sleep(0)
