"""Twilio's webhooks: texts from people, and what became of ours.

Signed is the address that the vendor was given, which is PUBLIC_BASE_URL and the route, never what a caller
says of the host, followed by every parameter in the order of the names (HMAC-SHA1 with the auth token).
Parameters are added without notice, so all are taken as they come.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from perfectcatch.model.messaging import Channel, Receipt, Received
from perfectcatch.model.reports import Report, Webhook
from perfectcatch.vendors.twilio import codes

HEADER: Final = "x-twilio-signature"
_TWIML: Final = ("text/xml", b'<?xml version="1.0" encoding="UTF-8"?><Response/>')
_NOTHING: Final = ("text/plain", b"")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What both kinds of webhooks share. Without a token or a public address nothing is accepted."""

    token: str | None = field(repr=False)
    public_url: str | None

    def verify(self, webhook: Webhook) -> bool:
        """Whether the vendor signed these parameters for this address."""
        offered = webhook.headers.get(HEADER, "")
        if not self.token or not self.public_url or not offered:
            return False
        parameters = _form(webhook.body)
        if parameters is None:
            return False
        said = "".join(name + value for name, value in _in_order(parameters))
        token = self.token.encode()
        expected = [
            _signature(token, url + said) for url in _spellings(self.public_url.rstrip("/") + webhook.target)
        ]
        return any(hmac.compare_digest(each, offered.encode()) for each in expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts(Signed):
    """Texts from people."""

    @property
    def name(self) -> str:
        """The end of the route."""
        return "twilio/sms"

    @property
    def answer(self) -> tuple[str, bytes]:
        """No answer by TwiML: what is answered goes through the gate."""
        return _TWIML

    def identify(self, webhook: Webhook) -> tuple[str, str | None]:
        """A text comes once by its id."""
        return "received", _first(webhook.body).get("MessageSid") or None

    def read(self, webhook: Webhook) -> Sequence[Received | Report]:
        """The text. With Advanced Opt-Out the vendor says which of its own keywords it was."""
        said = _first(webhook.body)
        sid, sender = said.get("MessageSid", ""), said.get("From", "")
        if not sid or not sender:
            return ()
        words, kind = said.get("Body", ""), said.get("OptOutType", "")
        if kind in ("STOP", "START", "HELP") and words.strip().upper() != kind:
            words = kind
        if not words.strip() and said.get("NumMedia", "0") != "0":
            words = f"[{said['NumMedia']} pictures or files without words]"
        return (Received(vendor_id=sid, sender=sender, to=said.get("To", ""), body=words, at=webhook.at),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses(Signed):
    """What became of our texts."""

    @property
    def name(self) -> str:
        """The end of the route."""
        return "twilio/status"

    @property
    def answer(self) -> tuple[str, bytes]:
        """Nothing is expected."""
        return _NOTHING

    def identify(self, webhook: Webhook) -> tuple[str, str | None]:
        """A status of a text comes once."""
        said = _first(webhook.body)
        sid, status = said.get("MessageSid", ""), said.get("MessageStatus", "")
        return status or "status", f"{sid} {status}" if sid and status else None

    def read(self, webhook: Webhook) -> Sequence[Received | Report]:
        """The report; a status that we do not know tells nothing."""
        said = _first(webhook.body)
        sid, status = said.get("MessageSid", ""), codes.STATUSES.get(said.get("MessageStatus", ""))
        if not sid or status is None:
            return ()
        code = said.get("ErrorCode") or None
        sentence = said.get("ErrorMessage", "") or f"Twilio: {said['MessageStatus']}"
        words = f"{sentence} ({code})." if code else f"{sentence}."
        report = Report(
            channel=Channel.SMS,
            vendor_id=sid,
            address=said.get("To", ""),
            reference=parse_qs(urlsplit(webhook.target).query).get("message", [None])[0],
            receipt=Receipt(vendor_id=sid, status=status, code=code, sentence=words),
            trouble=codes.trouble(code, sentence) if code else None,
        )
        return (report,)


def _form(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
    except ValueError:
        return None


def _first(body: bytes) -> dict[str, str]:
    return dict(reversed(_form(body) or []))


def _in_order(parameters: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """By name; a name that comes more than once has each of its values once, in order."""
    return iter(sorted(set(parameters)))


def _spellings(url: str) -> Iterator[str]:
    """The vendor may or may not write a port that goes without saying."""
    yield url
    parts = urlsplit(url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if parts.port is None and default:
        yield url.replace(parts.netloc, f"{parts.netloc}:{default}", 1)
    elif parts.port == default:
        yield url.replace(parts.netloc, parts.netloc.rpartition(":")[0], 1)


def _signature(token: bytes, text: str) -> bytes:
    return b64encode(hmac.digest(token, text.encode(), "sha1"))
