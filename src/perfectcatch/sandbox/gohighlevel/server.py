"""The simulated GoHighLevel on a socket: the vendor's routes, and a control surface for tests.

====  ===========================  =================================================================
GET   /_sandbox/ghl/state          contacts, opportunities, notes, fields and pipelines, as they are
GET   /_sandbox/ghl/calls          every call: method, path, status, and the fault that struck
GET   /_sandbox/ghl/told           webhooks that were brought, with the last answer
GET   /_sandbox/ghl/key            the public key of the webhooks
POST  /_sandbox/ghl/settings       what ``_set`` lists: rules of the location, lag of its searches, ...
POST  /_sandbox/ghl/edit           {kind, id, changes}: a person changes a record; {kind, id} deletes it
POST  /_sandbox/ghl/people         {acts}: people do so many things, drawn by seed
POST  /_sandbox/ghl/authorize      {kind}: the owner consents; gives a code for the token endpoint
POST  /_sandbox/ghl/faults         {kind, share, times, on}: let calls go wrong; null ends them all
====  ===========================  =================================================================

Kinds of faults: ``429``, ``500_before``, ``503``, ``hang_before`` (nothing is done), ``500_after``,
``hang_after``, ``cut``, ``422_after`` (it is done), ``late`` (done ``late_seconds`` after a 500),
``scope``, ``inactive``. ``on``: part of "METHOD /path".
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.http import Http
from perfectcatch.sandbox import chance
from perfectcatch.sandbox.gohighlevel.account import LOCATION, Account
from perfectcatch.sandbox.gohighlevel.late import Late
from perfectcatch.sandbox.gohighlevel.people import People
from perfectcatch.sandbox.gohighlevel.routes import ROUTES, Call, Handler
from perfectcatch.sandbox.gohighlevel.shapes import VERSIONS, RefusedError
from perfectcatch.sandbox.gohighlevel.telling import Teller
from perfectcatch.sandbox.gohighlevel.tokens import CLIENT_ID, CLIENT_SECRET, PRIVATE_TOKEN, TokenDesk

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "LOCATION", "PRIVATE_TOKEN", "VENDOR", "Fault", "Vendor", "make_app"]

_HANG_SECONDS: Final = 120.0
_TICK: Final = 0.2
_AFTER: Final = frozenset({"500_after", "hang_after", "cut", "422_after", "late"})
_INTERVAL: Final = 10.0


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with a share of the calls that contain ``on``, at most ``times`` often."""

    kind: str
    share: float = 1.0
    times: int | None = None
    on: str = ""
    struck: int = 0


@dataclass(slots=True)
class Meter:
    """The vendor's limits: so many in ten seconds and in a day, by the machine's time."""

    clock: Clock
    burst: int = 100
    daily: int = 200_000
    used: int = 0
    today: int = 0
    most: int = 0  # in ten seconds, ever
    refused: int = 0
    _began: float = float("-inf")

    def take(self) -> bool:
        """Count a call; whether it is within the limits."""
        now = self.clock.monotonic()
        if now - self._began >= _INTERVAL:
            self._began, self.used = now, 0
        if self.used >= self.burst or self.today >= self.daily:
            self.refused += 1
            return False
        self.used, self.today = self.used + 1, self.today + 1
        self.most = max(self.most, self.used)
        return True

    @property
    def headers(self) -> dict[str, str]:
        """What every answer says."""
        return {
            "X-RateLimit-Limit-Daily": str(self.daily),
            "X-RateLimit-Daily-Remaining": str(self.daily - self.today),
            "X-RateLimit-Interval-Milliseconds": str(round(_INTERVAL * 1000)),
            "X-RateLimit-Max": str(self.burst),
            "X-RateLimit-Remaining": str(self.burst - self.used),
        }


@dataclass(slots=True)
class Vendor:
    """One location with everything around it."""

    clock: Clock
    seed: int = 7
    teller: Teller = field(default_factory=Teller)
    account: Account = field(init=False)
    tokens: TokenDesk = field(init=False)
    meter: Meter = field(init=False)
    people: People = field(init=False)
    faults: list[Fault] = field(default_factory=list)
    calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=50_000))
    draw: random.Random = field(init=False)
    late: Late = field(init=False)

    def __post_init__(self) -> None:
        """Make what belongs to it."""
        self.account = Account(clock=self.clock, tell=self.teller.happened, seed=self.seed)
        self.tokens = TokenDesk(self.clock, self.account.location_id)
        self.meter = Meter(self.clock)
        self.late = Late(self.clock)
        self.people = People(self.account)
        self.draw = random.Random(self.seed)

    def strike(self, what: str) -> Fault | None:
        """The fault of this call."""
        return chance.strike([each for each in self.faults if each.on in what], self.draw.random())


VENDOR: Final = web.AppKey("ghl", Vendor)


def make_app(*, clock: Clock | None = None, seed: int = 7) -> web.Application:
    """Make the application."""
    app = web.Application()
    install(app, clock=clock, seed=seed)
    return app


def install(app: web.Application, *, clock: Clock | None = None, seed: int = 7) -> None:
    """Add the vendor's routes and the control surface to ``app``. ``clock``: the time of the location."""
    app[VENDOR] = Vendor(clock or SystemClock(), seed)
    for method, path, scope, handler in ROUTES:
        app.router.add_route(method, path, _route(method, path, scope, handler))
    app.router.add_post("/oauth/token", _token)
    for path in ("/oauth/locationToken", "/oauth/location-token"):
        app.router.add_post(path, _location_token)
    for name, look in {"state": _state, "calls": _calls, "told": _told, "key": _key}.items():
        app.router.add_get(f"/_sandbox/ghl/{name}", look)
    controls = {
        "settings": _set,
        "edit": _edit,
        "people": _people,
        "authorize": _authorize,
        "faults": _fault,
    }
    for name, change in controls.items():
        app.router.add_post(f"/_sandbox/ghl/{name}", change)
    app.cleanup_ctx.append(_living)


def _route(
    method: str, path: str, scope: str, handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        vendor = request.app[VENDOR]
        what = f"{method} {path}"
        body = await request.read()
        call: dict[str, Any] = {"method": method, "path": request.path, "what": what, "fault": None}
        vendor.calls.append(call)
        try:
            response = await _answered(vendor, request, call, scope, handler, body)
        except RefusedError as refused:
            response = _json(vendor, refused.status, refused.body)
        call["status"] = response.status
        return response

    return answer


async def _answered(
    vendor: Vendor,
    request: web.Request,
    call: dict[str, Any],
    scope: str,
    handler: Handler,
    body: bytes,
) -> web.StreamResponse:
    if not vendor.meter.take():
        raise RefusedError(429, "Too Many Requests")
    version = request.headers.get("Version", "")
    if version not in VERSIONS:
        raise RefusedError(401, "version header was not found.")
    vendor.tokens.admit(request.headers.get("Authorization", ""), scope)
    fault = vendor.strike(call["what"])
    call["fault"] = fault and fault.kind
    if fault is not None and fault.kind not in _AFTER:
        return await _instead(vendor, request, fault, None)
    try:
        said = msgspec.json.decode(body) if body else None
    except msgspec.MsgspecError:
        raise RefusedError(400, "Unexpected token in JSON") from None
    asked = Call(version, request.match_info.get("id", ""), request.query, said)
    if fault is not None and fault.kind == "late":
        vendor.late.do(lambda: handler(vendor.account, asked))
        return await _instead(vendor, request, fault, None)
    status, answer = handler(vendor.account, asked)
    call["id"] = next(
        (each["id"] for name, each in answer.items() if name in ("contact", "opportunity") and each), None
    )
    if fault is not None:
        return await _instead(vendor, request, fault, answer)
    return _json(vendor, status, answer)


async def _instead(
    vendor: Vendor, request: web.Request, fault: Fault, answer: dict[str, Any] | None
) -> web.StreamResponse:
    match fault.kind:
        case "429":
            raise RefusedError(429, "Too Many Requests")
        case "scope":
            raise RefusedError(401, "The token is not authorized for this scope.")
        case "inactive":
            raise RefusedError(400, "Location is not active")
        case "422_after":
            raise RefusedError(422, ["phone must be a valid phone number"])
        case "hang_before" | "hang_after":
            await asyncio.sleep(_HANG_SECONDS)
        case "cut":
            body = msgspec.json.encode(answer)
            response = web.StreamResponse(status=200, headers={"Content-Type": "application/json"})
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.abort()
            return response
    status = 503 if fault.kind == "503" else 500
    return _json(vendor, status, {"statusCode": status, "message": "Internal server error"})


async def _token(request: web.Request) -> web.Response:
    vendor = request.app[VENDOR]
    try:
        said = vendor.tokens.token(request.headers.get("Version"), await _form(request))
    except RefusedError as refused:
        return _json(vendor, refused.status, refused.body)
    return _json(vendor, 200, said)


async def _location_token(request: web.Request) -> web.Response:
    vendor = request.app[VENDOR]
    version, bearer = request.headers.get("Version", ""), request.headers.get("Authorization", "")
    try:
        said = vendor.tokens.for_location(version, bearer, await _form(request))
    except RefusedError as refused:
        return _json(vendor, refused.status, refused.body)
    return _json(vendor, 200, said)


async def _form(request: web.Request) -> dict[str, Any]:
    text = (await request.read()).decode()
    if request.content_type == "application/json":
        said = msgspec.json.decode(text)
        return said if isinstance(said, dict) else {}
    return dict(parse_qsl(text, keep_blank_values=True))


def _json(vendor: Vendor, status: int, value: Any) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers=vendor.meter.headers,
    )


async def _living(app: web.Application) -> AsyncIterator[None]:
    """Let people work and webhooks go out, as long as the application runs."""
    vendor = app[VENDOR]

    async def live(http: Http) -> None:
        while True:
            vendor.people.live()
            vendor.late.catch_up()
            await vendor.teller.bring(http.send)
            await asyncio.sleep(_TICK)

    async with Http() as http:
        task = asyncio.create_task(live(http))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


# Control ---------------------------------------------------------------------------------------


async def _state(request: web.Request) -> web.Response:
    account = request.app[VENDOR].account
    lists = {
        "contacts": account.contacts,
        "opportunities": account.opportunities,
        "notes": account.notes,
        "custom_fields": account.fields,
    }
    shown = {name: list(rows.values()) for name, rows in lists.items()}
    return _json(request.app[VENDOR], 200, shown | {"pipelines": account.pipelines})


async def _calls(request: web.Request) -> web.Response:
    return _json(request.app[VENDOR], 200, list(request.app[VENDOR].calls))


async def _told(request: web.Request) -> web.Response:
    teller = request.app[VENDOR].teller
    rows = [{"type": each.type, "status": each.status, "tries": each.tries} for each in teller.told]
    return _json(request.app[VENDOR], 200, {"told": rows, "waiting": teller.waiting})


async def _key(request: web.Request) -> web.Response:
    return _json(request.app[VENDOR], 200, {"public_key": request.app[VENDOR].teller.public_key})


async def _set(request: web.Request) -> web.Response:
    """Set what is named: each is a field of one part of the location."""
    vendor = request.app[VENDOR]
    account = vendor.account
    places: dict[str, tuple[Any, str]] = {
        "webhook_url": (vendor.teller, "url"),
        "drop_webhooks": (vendor.teller, "drop"),
        "again_seconds": (vendor.teller, "again_seconds"),
        "people_a_day": (vendor.people, "a_day"),
        "allow_duplicate_contact": (account.rules, "allow_duplicate_contact"),
        "duplicate_order": (account.rules, "duplicate_order"),
        "one_opportunity": (account.rules, "one_opportunity"),
        "late_seconds": (vendor.late, "seconds"),
        "active": (vendor.tokens, "active"),
        "token_seconds": (vendor.tokens, "seconds"),
        "burst": (vendor.meter, "burst"),
        "daily": (vendor.meter, "daily"),
    }
    facts = await request.json()
    for name, value in facts.items():
        if name == "index_seconds":
            account.contact_index.seconds = account.opportunity_index.seconds = value
        elif name == "scopes":
            vendor.tokens.scopes = None if value is None else frozenset(value)
        elif name in places:
            setattr(*places[name], value)
        else:
            return _json(vendor, 400, {"message": f"There is no setting {name}."})
    shown = {name: getattr(*place) for name, place in places.items()}
    return _json(vendor, 200, shown | {"index_seconds": account.contact_index.seconds})


async def _edit(request: web.Request) -> web.Response:
    vendor, facts = request.app[VENDOR], await request.json()
    account, record_id, changes = vendor.account, facts["id"], facts.get("changes")
    contact = facts["kind"] == "contact"
    try:
        if changes is None:
            (account.delete_contact if contact else account.delete_opportunity)(record_id)
            return _json(vendor, 200, {})
        change = account.update_contact if contact else account.update_opportunity
        return _json(vendor, 200, change(record_id, changes))
    except RefusedError as refused:
        return _json(vendor, refused.status, refused.body)


async def _people(request: web.Request) -> web.Response:
    return _json(request.app[VENDOR], 200, request.app[VENDOR].people.act((await request.json())["acts"]))


async def _authorize(request: web.Request) -> web.Response:
    kind = (await request.json()).get("kind", "Location")
    return _json(request.app[VENDOR], 200, {"code": request.app[VENDOR].tokens.authorize(kind)})


async def _fault(request: web.Request) -> web.Response:
    facts, faults = await request.json(), request.app[VENDOR].faults
    if facts is None:
        faults.clear()
    else:
        faults.append(Fault(**facts))
    rows = [{"kind": each.kind, "share": each.share, "struck": each.struck} for each in faults]
    return _json(request.app[VENDOR], 200, rows)
