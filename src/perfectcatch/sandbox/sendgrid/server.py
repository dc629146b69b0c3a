"""The simulated SendGrid on a socket: the vendor's routes, and a control surface for tests.

====  ================================  =======================================================
GET   /_sandbox/sendgrid/mails          every email that was taken, with what became of it
GET   /_sandbox/sendgrid/key            the public key of the event webhook
POST  /_sandbox/sendgrid/settings       {webhook_url, kinds: {address: kind}}
POST  /_sandbox/sendgrid/faults         {kind, share, times}: let calls go wrong; null ends them all
====  ================================  =======================================================

Kinds of people: ``reads``, ``bounces``, ``blocked``, ``complains``, ``unsubscribed``. Kinds of faults:
``hang_after``, ``hang_before``, ``500_after``, ``500_before``, ``429``.
"""

import asyncio
import contextlib
import random
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.http import Http, Request
from perfectcatch.sandbox import chance

KEY: Final = "SG.made-up.key"
SENDER: Final = "office@example.com"
_HANG_SECONDS: Final = 120.0
_TICK: Final = 0.2
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_FATE: Final = {
    "bounces": ["processed", "bounce"],
    "blocked": ["processed", "blocked"],
    "complains": ["processed", "delivered", "spamreport"],
    "unsubscribed": ["dropped"],
}
_KINDS: Final = {0: "bounces", 1: "complains"}  # of a hundred addresses; the others read


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with a share of the calls, at most ``times`` often."""

    kind: str
    share: float = 1.0
    times: int | None = None
    struck: int = 0


@dataclass(slots=True)
class Post:
    """The account: what was taken, and the key that signs its events."""

    clock: Clock
    webhook_url: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    mails: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    draw: random.Random = field(default_factory=lambda: random.Random(7))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    waiting: list[dict[str, Any]] = field(default_factory=list)

    @property
    def public_key(self) -> str:
        """As the vendor's settings show it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return b64encode(self.key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()

    def take(self, mail: dict[str, Any]) -> str:
        """Take an email; the id that the vendor answers with."""
        message_id = secrets.token_urlsafe(16)
        self.mails.append({"id": message_id, **mail})
        for person in mail["personalizations"]:
            for to in person["to"]:
                address = to["email"]
                kind = self.kinds.get(address) or _KINDS.get(sha256(address.encode()).digest()[0], "reads")
                for what in _FATE.get(kind, ["processed", "delivered"]):
                    self.waiting.append(self._event(what, address, message_id, person.get("custom_args", {})))
        return message_id

    def _event(self, what: str, address: str, message_id: str, arguments: dict[str, str]) -> dict[str, Any]:
        kind = "bounce" if what == "blocked" else what
        event = {
            "email": address,
            "timestamp": int(self.clock.now().timestamp()),
            "event": kind,
            "sg_event_id": secrets.token_urlsafe(16),
            "sg_message_id": f"{message_id}.recvd-5f5f-1-5F5F-1.0",
            "smtp-id": f"<{message_id}@geopod-ismtpd>",
            **arguments,
        }
        if kind == "bounce":
            event |= {"status": "5.1.1", "reason": "550 5.1.1 The mailbox does not exist", "type": what}
        if what == "dropped":
            event["reason"] = "Unsubscribed Address"
        return event

    def strike(self) -> Fault | None:
        """The fault of this call."""
        return chance.strike(self.faults, self.draw.random())


POST: Final = web.AppKey("post", Post)


def make_app(*, clock: Clock | None = None, webhook_url: str | None = None) -> web.Application:
    """Make the application."""
    app = web.Application()
    install(app, clock=clock, webhook_url=webhook_url)
    return app


def install(app: web.Application, *, clock: Clock | None = None, webhook_url: str | None = None) -> None:
    """Add the vendor's routes and the control surface to ``app``."""
    app[POST] = Post(clock or SystemClock(), webhook_url)
    app.router.add_post("/v3/mail/send", _send)
    app.router.add_get("/_sandbox/sendgrid/mails", _mails)
    app.router.add_get("/_sandbox/sendgrid/key", _key)
    app.router.add_post("/_sandbox/sendgrid/settings", _set)
    app.router.add_post("/_sandbox/sendgrid/faults", _fault)
    app.cleanup_ctx.append(_telling)


async def _send(request: web.Request) -> web.Response:
    post = request.app[POST]
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return _errors(401, "The provided authorization grant is invalid, expired, or revoked")
    fault = post.strike()
    if fault is not None and fault.kind in ("hang_before", "500_before", "429"):
        return await _instead(fault)
    try:
        mail = msgspec.json.decode(await request.read())
    except msgspec.MsgspecError:
        return _errors(400, "Bad Request")
    if (wrong := _wrong(mail)) is not None:
        return wrong
    message_id = post.take(mail)
    if fault is not None:
        return await _instead(fault)
    return web.Response(status=202, headers={"X-Message-Id": message_id})


def _wrong(mail: Any) -> web.Response | None:
    """What is wrong with an email, in the vendor's words."""
    if not isinstance(mail, dict) or not mail.get("personalizations"):
        return _errors(
            400, "The personalizations field is required and must have at least one.", "personalizations"
        )
    sender = mail.get("from")
    if not isinstance(sender, dict) or "email" not in sender:
        return _errors(400, "The from object must be provided for every email send.", "from.email")
    if sender["email"] != SENDER:
        said = "The from address does not match a verified Sender Identity."
        return _errors(403, said, "from")
    for number, person in enumerate(mail["personalizations"]):
        to = person.get("to") or []
        if not to:
            return _errors(
                400, "The to array is required for all personalization objects.", "personalizations"
            )
        for place, each in enumerate(to):
            if not _ADDRESS.fullmatch(str(each.get("email", ""))):
                where = f"personalizations.{number}.to.{place}.email"
                return _errors(400, "Does not contain a valid address.", where)
    if not mail.get("template_id") and not (mail.get("subject") and mail.get("content")):
        return _errors(400, "The subject is required.", "subject")
    return None


async def _instead(fault: Fault) -> web.Response:
    if fault.kind == "429":
        return _errors(429, "too many requests")
    if fault.kind.startswith("hang"):
        await asyncio.sleep(_HANG_SECONDS)
    return _errors(500, "Internal Server Error")


def _errors(status: int, message: str, where: str | None = None) -> web.Response:
    said = {"errors": [{"message": message, "field": where, "help": None}]}
    return web.Response(status=status, body=msgspec.json.encode(said), content_type="application/json")


# Events ----------------------------------------------------------------------------------------


async def _telling(app: web.Application) -> AsyncIterator[None]:
    """Bring events to their receiver; what it does not take is brought again."""

    async def tell(http: Http) -> None:
        post = app[POST]
        while True:
            if post.waiting and post.webhook_url:
                events, post.waiting = post.waiting, []
                if not await bring(http, post, events):
                    post.waiting = events + post.waiting
            await asyncio.sleep(_TICK)

    async with Http() as http:
        task = asyncio.create_task(tell(http))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def bring(http: Http, post: Post, events: list[dict[str, Any]]) -> bool:
    """Bring events, signed as the vendor signs; whether they were taken."""
    assert post.webhook_url is not None
    body = msgspec.json.encode(events)
    try:
        response = await http.send(
            Request(
                method="POST",
                url=post.webhook_url,
                headers={"Content-Type": "application/json", **signed(post, body)},
                body=body,
                total_seconds=15.0,
            )
        )
    except PerfectCatchError:
        return False
    return 200 <= response.status < 300  # noqa: PLR2004


def signed(post: Post, body: bytes) -> dict[str, str]:
    """The headers that the vendor signs with."""
    moment = str(int(post.clock.now().timestamp()))
    signature = post.key.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": moment,
    }


# Control ---------------------------------------------------------------------------------------


async def _mails(request: web.Request) -> web.Response:
    return web.json_response(request.app[POST].mails)


async def _key(request: web.Request) -> web.Response:
    return web.json_response({"public_key": request.app[POST].public_key})


async def _set(request: web.Request) -> web.Response:
    post, facts = request.app[POST], await request.json()
    post.webhook_url = facts.get("webhook_url", post.webhook_url)
    post.kinds |= facts.get("kinds", {})
    return web.json_response({"webhook_url": post.webhook_url, "public_key": post.public_key})


async def _fault(request: web.Request) -> web.Response:
    post, facts = request.app[POST], await request.json()
    if facts is None:
        post.faults.clear()
    else:
        post.faults.append(Fault(**facts))
    return web.json_response([{"kind": each.kind, "struck": each.struck} for each in post.faults])
