"""GoHighLevel's webhooks: signed with Ed25519 over the raw body, and a hint which record to read again.

One change is told several times under several names, and a webhook that is answered by anything but 429 is
never told again. So one that could not be stored is answered with 429, and let in although it is old when it
comes back, some ten minutes later.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from perfectcatch.kit import public_keys
from perfectcatch.model.webhook import Delivery, Hint
from perfectcatch.vendors.gohighlevel.reading import moment_of

HEADER: Final = "x-ghl-signature"
TOLERANCE: Final = timedelta(minutes=5)  # between the moment in a body and our clock
COMES_BACK: Final = timedelta(hours=2)  # six tries, ten minutes and more apart
CONTACT, OPPORTUNITY = "contact", "opportunity"
_PATIENCE: Final = 5.0
_MOST_PUT_OFF: Final = 10_000
_LONGEST: Final = 200
_KINDS: Final = {"Contact": CONTACT, "Opportunity": OPPORTUNITY}


@dataclass(slots=True, kw_only=True)
class Happenings:
    """The webhooks of one location. Without the key nothing is accepted; BadSetting for one that is none."""

    public_key: str | None
    location_id: str | None
    _put_off: dict[bytes, datetime] = field(default_factory=dict, repr=False)
    _key: Ed25519PublicKey | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look at the key before the first happening comes."""
        self._key = public_keys.ed25519(self.public_key, setting="GHL_WEBHOOK_PUBLIC_KEY")

    @property
    def name(self) -> str:
        """The last part of the route."""
        return "ghl"

    @property
    def patience(self) -> float | None:
        """The vendor gives up on an answer that does not come."""
        return _PATIENCE

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Whether the vendor signed this body, and says that it happened within five minutes of now."""
        if not self._signed(headers.get(HEADER, ""), body):
            return False
        moment = moment_of(_envelope(body).get("timestamp"))
        return moment is not None and (abs(now - moment) <= TOLERANCE or self._comes_back(body, now))

    def put_off(self, body: bytes, now: datetime) -> None:
        """Let this body in when it comes again. A process that ended has forgotten: then a pull finds it."""
        if len(self._put_off) >= _MOST_PUT_OFF:
            self._put_off.pop(next(iter(self._put_off)))
        self._put_off.setdefault(sha256(body).digest(), now)

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """What the body says; a happening at another location, or of no record of ours, gives no hint."""
        _ = headers
        said = _envelope(body)
        return Delivery(
            event_type=_text(said, "type")[:_LONGEST],
            event_id=_text(said, "webhookId")[:_LONGEST] or None,
            hints=tuple(self._hints(said)),
        )

    def _hints(self, said: Mapping[str, Any]) -> Iterator[Hint]:
        inside = said.get("data")
        record = inside if isinstance(inside, dict) else said
        place = _text(said, "locationId") or _text(record, "locationId")
        kind = re.match(r"[A-Z][a-z]+", _text(said, "type"))
        record_id = _text(record, "id")
        if kind is not None and kind[0] in _KINDS and record_id and place == self.location_id:
            yield Hint(_KINDS[kind[0]], record_id)

    def _signed(self, offered: str, body: bytes) -> bool:
        if self._key is None or not offered:
            return False
        try:
            self._key.verify(b64decode(offered, validate=True), body)
        except (ValueError, InvalidSignature):
            return False
        return True

    def _comes_back(self, body: bytes, now: datetime) -> bool:
        since = self._put_off.get(sha256(body).digest())
        return since is not None and abs(now - since) <= COMES_BACK


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: Mapping[str, Any], name: str) -> str:
    """A text without what cannot be stored."""
    value = said.get(name)
    return value.replace("\x00", "").strip() if isinstance(value, str) else ""
