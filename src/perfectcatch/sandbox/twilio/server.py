"""The simulated Twilio on a socket: the vendor's routes, and a control surface for tests.

====  ==============================  ===========================================================
GET   /_sandbox/twilio/messages       every message of the account, as the API shows it
GET   /_sandbox/twilio/calls          every call that sent or refused a text, and what was done about it
POST  /_sandbox/twilio/settings       {sms_url, quiet, kinds: {number: kind}, drop_webhooks}
POST  /_sandbox/twilio/say            {from, body}: a person writes to us
POST  /_sandbox/twilio/faults         {kind, share, times}: let calls that send go wrong; null ends them all
====  ==============================  ===========================================================

Kinds of faults: ``hang_after`` and ``hang_before`` (no answer, the text taken or not), ``500_after``,
``500_before``, ``503``, ``429``, ``cut`` (half an answer), ``code`` with ``code`` (refused with that code).
"""

import asyncio
import contextlib
import hmac
import random
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from aiohttp import web

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.http import Http, Request
from perfectcatch.sandbox import chance
from perfectcatch.sandbox.twilio.exchange import Exchange, Message, RefusedError, Tell

ACCOUNT: Final = "AC" + "5a" * 16
TOKEN: Final = "made-up-auth-token"  # noqa: S105 - of nobody
NUMBER: Final = "+15005550006"  # the vendor's own magic number
EXCHANGE: Final = web.AppKey("exchange", Exchange)
_HANG_SECONDS: Final = 120.0
_TICK: Final = 0.2
_BEFORE: Final = frozenset({"hang_before", "500_before", "503", "429", "code"})


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with a share of the calls that send, at most ``times`` often."""

    kind: str
    share: float = 1.0
    times: int | None = None
    code: int = 30001
    struck: int = 0


@dataclass(slots=True)
class Faults:
    """What goes wrong, drawn from one seed."""

    seed: int = 7
    active: list[Fault] = field(default_factory=list)
    draw: random.Random = field(default_factory=lambda: random.Random(7))
    drop_webhooks: bool = False

    def strike(self) -> Fault | None:
        """The fault of this call."""
        return chance.strike(self.active, self.draw.random())


PLANNED: Final = web.AppKey("faults", Faults)
CALLS: Final = web.AppKey("calls", list[Any])


def make_app(
    *, clock: Clock | None = None, seed: int = 7, sms_url: str | None = None, quiet: bool = False
) -> web.Application:
    """Make the application: one account with one number."""
    app = web.Application()
    install(app, clock=clock, seed=seed, sms_url=sms_url, quiet=quiet)
    return app


def install(
    app: web.Application,
    *,
    clock: Clock | None = None,
    seed: int = 7,
    sms_url: str | None = None,
    quiet: bool = False,
) -> None:
    """Add the vendor's routes and the control surface to ``app``."""
    app[EXCHANGE] = Exchange(
        account_sid=ACCOUNT,
        number=NUMBER,
        clock=clock or SystemClock(),
        service_sid="MG" + "5a" * 16,
        seed=seed,
        sms_url=sms_url,
        quiet=quiet,
    )
    app[PLANNED] = Faults(seed, draw=random.Random(seed))
    app[CALLS] = []
    here = "/2010-04-01/Accounts/{account}/Messages"
    app.router.add_post(f"{here}.json", _create)
    app.router.add_get(f"{here}.json", _list)
    app.router.add_get(f"{here}/{{sid}}.json", _one)
    app.router.add_get("/_sandbox/twilio/messages", _all)
    app.router.add_get("/_sandbox/twilio/calls", _calls)
    app.router.add_post("/_sandbox/twilio/settings", _set)
    app.router.add_post("/_sandbox/twilio/say", _say)
    app.router.add_post("/_sandbox/twilio/faults", _fault)
    app.cleanup_ctx.append(_telling)


# The vendor's routes ---------------------------------------------------------------------------


async def _create(request: web.Request) -> web.StreamResponse:
    exchange, faults, calls = request.app[EXCHANGE], request.app[PLANNED], request.app[CALLS]
    if (refusal := _stranger(request)) is not None:
        return refusal
    form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
    fault = faults.strike()
    call: dict[str, Any] = {"to": form.get("To"), "fault": fault.kind if fault else None, "sid": None}
    calls.append(call)
    if fault is not None and fault.kind in _BEFORE:
        return await _instead(request, fault)
    try:
        message = exchange.create(form)
    except RefusedError as refused:
        call["code"] = refused.body["code"]
        return _json(refused.body, refused.status)
    call["sid"] = message.sid
    if fault is not None:
        return await _instead(request, fault, message)
    return _json(exchange.shown(message), 201)


async def _instead(request: web.Request, fault: Fault, message: Message | None = None) -> web.StreamResponse:
    exchange = request.app[EXCHANGE]
    match fault.kind:
        case "hang_after" | "hang_before":
            await asyncio.sleep(_HANG_SECONDS)
        case "cut":
            assert message is not None
            body = msgspec.json.encode(exchange.shown(message))
            response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.abort()
            return response
        case "429":
            said = {"code": 20429, "message": "Too Many Requests", "status": 429}
            return _json(said, 429, {"Retry-After": "1"})
        case "503":
            return _json({"code": 20503, "message": "Service unavailable", "status": 503}, 503)
        case "code":
            return _json({"code": fault.code, "message": f"Error {fault.code}", "status": 400}, 400)
    return _json({"code": 20500, "message": "An internal server error has occurred", "status": 500}, 500)


async def _list(request: web.Request) -> web.StreamResponse:
    exchange = request.app[EXCHANGE]
    if (refusal := _stranger(request)) is not None:
        return refusal
    words = request.query
    size, page = min(int(words.get("PageSize", 50)), 1000), int(words.get("Page", 0))
    exchange.due()
    found = [
        each
        for each in reversed(exchange.messages)
        if words.get("To") in (None, each.to) and words.get("From") in (None, each.sender)
    ]
    shown = [exchange.shown(each) for each in found[page * size : (page + 1) * size]]
    path = request.path

    def link(number: int) -> str:
        return f"{path}?{urlencode({**words, 'PageSize': size, 'Page': number})}"

    more = len(found) > (page + 1) * size
    return _json(
        {
            "messages": shown,
            "first_page_uri": link(0),
            "next_page_uri": link(page + 1) if more else None,
            "previous_page_uri": link(page - 1) if page else None,
            "uri": link(page),
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(0, len(shown) - 1),
        }
    )


async def _one(request: web.Request) -> web.StreamResponse:
    if (refusal := _stranger(request)) is not None:
        return refusal
    exchange = request.app[EXCHANGE]
    for each in exchange.messages:
        if each.sid == request.match_info["sid"]:
            return _json(exchange.shown(each))
    said = {"code": 20404, "message": f"The requested resource {request.path} was not found", "status": 404}
    return _json(said, 404)


def _stranger(request: web.Request) -> web.Response | None:
    """The refusal of a call that is not of the account."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    with contextlib.suppress(ValueError):
        ours = f"{ACCOUNT}:{TOKEN}"
        if (
            kind == "Basic"
            and b64decode(secret) == ours.encode()
            and request.match_info["account"] == ACCOUNT
        ):
            return None
    return _json({"code": 20003, "message": "Authenticate", "status": 401}, 401)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )


# Webhooks --------------------------------------------------------------------------------------


async def _telling(app: web.Application) -> AsyncIterator[None]:
    """Let messages go their way, and tell of it, as long as the application runs."""

    async def tell(http: Http) -> None:
        while True:
            for each in app[EXCHANGE].due():
                await bring(app, http, each)
            await asyncio.sleep(_TICK)

    async with Http() as http:
        task = asyncio.create_task(tell(http))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def bring(app: web.Application, http: Http, told: Tell) -> int | None:
    """Bring a webhook, signed as the vendor signs; a failure is final, as with the vendor."""
    if app[PLANNED].drop_webhooks:
        return None
    request = Request(
        method="POST",
        url=told.url,
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": signature(TOKEN, told),
        },
        body=urlencode(told.parameters).encode(),
        total_seconds=15.0,
    )
    try:
        return (await http.send(request)).status
    except PerfectCatchError:
        return None


def signature(token: str, told: Tell) -> str:
    """The vendor's signature of a webhook."""
    said = told.url + "".join(name + told.parameters[name] for name in sorted(told.parameters))
    return b64encode(hmac.digest(token.encode(), said.encode(), "sha1")).decode()


# Control ---------------------------------------------------------------------------------------


async def _all(request: web.Request) -> web.Response:
    exchange = request.app[EXCHANGE]
    exchange.due()
    return _json([exchange.shown(each) for each in exchange.messages])


async def _calls(request: web.Request) -> web.Response:
    return _json(request.app[CALLS])


async def _set(request: web.Request) -> web.Response:
    exchange, facts = request.app[EXCHANGE], await request.json()
    exchange.sms_url = facts.get("sms_url", exchange.sms_url)
    exchange.quiet = facts.get("quiet", exchange.quiet)
    exchange.kinds |= facts.get("kinds", {})
    faults = request.app[PLANNED]
    faults.drop_webhooks = facts.get("drop_webhooks", faults.drop_webhooks)
    return _json({"account_sid": ACCOUNT, "number": NUMBER, "sms_url": exchange.sms_url})


async def _say(request: web.Request) -> web.Response:
    facts = await request.json()
    message, told = request.app[EXCHANGE].receive(facts["from"], facts["body"])
    status = None
    if told is not None:
        async with Http() as http:
            status = await bring(request.app, http, told)
    return _json({"sid": message.sid, "webhook_status": status})


async def _fault(request: web.Request) -> web.Response:
    facts, faults = await request.json(), request.app[PLANNED]
    if facts is None:
        faults.active.clear()
    else:
        faults.active.append(Fault(**facts))
    return _json([{"kind": each.kind, "share": each.share, "struck": each.struck} for each in faults.active])
