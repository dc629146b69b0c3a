"""ServiceTitan's webhooks (version 2): their signature, and which records they are about.

The vendor's text names neither the header nor the encoding of the signature, nor the envelope; public
integrations disagree. So the header is a setting, hexadecimal and Base64 are both understood, and the
envelope is read generously: what is found is a hint, and the record itself is read from the API.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from perfectcatch.model.webhook import Delivery, Hint

HEADER: Final = "x-servicetitan-signature"  # the name that is reported most often

_EVENT_HEADER: Final = "x-servicetitan-event"
_TYPE_KEYS: Final = ("eventType", "event_type", "eventName", "event", "type", "topic")
_EVENT_ID_KEYS: Final = ("eventId", "event_id", "webhookEventId", "deliveryId")
_INSIDE: Final = ("data", "payload", "entity", "resource", "record")
_ID_KEYS: Final = ("entityId", "resourceId", "recordId", "id")

# Words in the name of an event and the entity that it is about; the first that fits counts.
_ABOUT: Final = (
    ("customercontact", "customer_contacts"),
    ("locationcontact", "location_contacts"),
    ("appointmentassignment", "appointment_assignments"),
    ("nonjobappointment", "non_job_appointments"),
    ("installedequipment", "installed_equipment"),
    ("recurringserviceevent", "recurring_service_events"),
    ("recurringservice", "recurring_services"),
    ("technicianshift", "technician_shifts"),
    ("customer", "customers"),
    ("location", "locations"),
    ("appointment", "appointments"),
    ("estimate", "estimates"),
    ("invoice", "invoices"),
    ("payment", "payments"),
    ("membership", "memberships"),
    ("booking", "bookings"),
    ("project", "projects"),
    ("technician", "technicians"),
    ("employee", "employees"),
    ("call", "calls"),
    ("lead", "leads"),
    ("job", "jobs"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """The webhooks of one company. ``old_secret`` is accepted beside the new one until a moment."""

    secret: str | None
    old_secret: str | None = None
    old_secret_until: datetime | None = None
    header: str = HEADER

    @property
    def name(self) -> str:
        """The last part of the route."""
        return "servicetitan"

    @property
    def patience(self) -> float | None:
        """Whatever is not taken comes again."""
        return None

    def put_off(self, body: bytes, now: datetime) -> None:
        """How old one is does not matter here."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Whether one of the secrets signed the raw body (HMAC-SHA256)."""
        offered = _signature(headers.get(self.header, ""))
        secrets = [self.secret]
        if self.old_secret_until is not None and now < self.old_secret_until:
            secrets.append(self.old_secret)
        known = [hmac.new(secret.encode(), body, sha256).digest() for secret in secrets if secret]
        return any(hmac.compare_digest(offered, each) for each in known)

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """What the body says; a list of happenings is read as one delivery."""
        try:
            said = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            said = None
        happenings = [each for each in (said if isinstance(said, list) else [said]) if isinstance(each, dict)]
        kinds = [_text(each, _TYPE_KEYS) or headers.get(_EVENT_HEADER, "") for each in happenings]
        hints = [hint for each, kind in zip(happenings, kinds, strict=True) for hint in _hints(each, kind)]
        return Delivery(
            event_type=next(filter(None, kinds), "")[:200],
            event_id=(_text(happenings[0], _EVENT_ID_KEYS) or None) if len(happenings) == 1 else None,
            hints=tuple(dict.fromkeys(hints)),
        )


def _signature(text: str) -> bytes:
    """The bytes of a signature in hexadecimal or Base64, with or without ``sha256=`` before it."""
    text = text.strip().removeprefix("sha256=")
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(happening: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """The first of ``keys`` that holds a text or a number."""
    for key in keys:
        value = happening.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""


def _hints(happening: Mapping[str, Any], kind: str) -> Iterator[Hint]:
    words = re.sub(r"[^a-z]", "", kind.lower())
    entity = next((name for word, name in _ABOUT if word in words), None)
    if entity is None:
        return
    own = re.sub(r"_(\w)", lambda match: match[1].upper(), entity.removesuffix("s")) + "Id"
    inside = [happening[key] for key in _INSIDE if isinstance(happening.get(key), dict)]
    inner: dict[str, Any] = inside[0] if inside else {}
    found = _text(inner, (own, *_ID_KEYS)) or _text(happening, (own, *_ID_KEYS))
    yield Hint(entity, int(found) if re.fullmatch(r"\d{1,18}", found) else None)
