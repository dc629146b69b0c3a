"""SendGrid's event webhook: an array of what became of emails, signed with the vendor's private key.

Signed are the timestamp and the raw body (ECDSA, P-256, SHA-256). Events come more than once and out of
order; what they do is the same however often it is done.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from perfectcatch.kit import public_keys
from perfectcatch.model.messaging import Channel, NotCarried, Receipt, Received, Status
from perfectcatch.model.reports import Report, Webhook
from perfectcatch.vendors.sendgrid.client import REFERENCE

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_LONGEST: Final = 12
TOLERANCE: Final = 300.0  # seconds between the vendor's clock and ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """The webhook of one account. Without the key nothing is accepted; BadSetting for one that is none."""

    public_key: str | None
    _key: ec.EllipticCurvePublicKey | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look at the key before the first event comes."""
        key = public_keys.elliptic_curve(self.public_key, setting="SENDGRID_WEBHOOK_PUBLIC_KEY")
        object.__setattr__(self, "_key", key)

    @property
    def name(self) -> str:
        """The end of the route."""
        return "sendgrid"

    @property
    def answer(self) -> tuple[str, bytes]:
        """Nothing is expected."""
        return "text/plain", b""

    def verify(self, webhook: Webhook) -> bool:
        """Whether the vendor signed this body, within five minutes of now."""
        moment = webhook.headers.get(TIMESTAMP, "")
        if self._key is None or not moment.isdecimal() or len(moment) > _LONGEST:
            return False
        if abs(webhook.at.timestamp() - int(moment)) > TOLERANCE:
            return False
        try:
            signature = b64decode(webhook.headers.get(SIGNATURE, ""), validate=True)
            self._key.verify(signature, moment.encode() + webhook.body, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature):
            return False
        return True

    def identify(self, webhook: Webhook) -> tuple[str, str | None]:
        """An array has no number of its own; its events have, and where there is one it is the array's."""
        events = list(_events(webhook.body))
        only = _text(events[0], "sg_event_id") if len(events) == 1 else None
        return (_text(events[0], "event") or "events" if events else "events"), only

    def read(self, webhook: Webhook) -> Sequence[Received | Report]:
        """What the events tell of emails, and of people who want none; of opens and clicks nothing."""
        return [report for event in _events(webhook.body) if (report := _report(event)) is not None]


def _report(event: Mapping[str, Any]) -> Report | None:
    kind, vendor_id = _text(event, "event") or "", (_text(event, "sg_message_id") or "").split(".")[0]
    reason = _text(event, "reason") or ""
    reference = _text(event, REFERENCE)
    status: Status | None = None
    trouble: NotCarried | None = None
    match kind:
        case "processed" | "deferred":
            status = Status.SENT
        case "delivered":
            status = Status.DELIVERED
        case "bounce":
            # A block is a refusal of today: the mailbox is full, or the sender is doubted.
            status = Status.FAILED
            hard = _text(event, "type") != "blocked"
            trouble = NotCarried(_text(event, "status") or "bounce", reason or "bounced", bad_number=hard)
        case "dropped":
            status = Status.FAILED
            why = reason.casefold()
            trouble = NotCarried(
                "dropped",
                reason or "dropped",
                opted_out="unsubscribed" in why or "spam report" in why,
                bad_number="bounced" in why or why == "invalid",
            )
        case "spamreport":
            trouble = NotCarried("spamreport", "The recipient called it spam.", opted_out=True)
        case "unsubscribe" | "group_unsubscribe":
            trouble = NotCarried(kind, "The recipient unsubscribed at the vendor.", opted_out=True)
        case _:
            return None
    # An end of messages counts whatever it was said to.
    if not vendor_id and not reference and not (trouble and trouble.opted_out):
        return None
    receipt = None
    if status is not None:
        words = f"SendGrid: {kind}{': ' if reason else ''}{reason[:300]}."
        code = trouble.code if trouble else None
        receipt = Receipt(vendor_id=vendor_id, status=status, code=code, sentence=words)
    return Report(
        channel=Channel.EMAIL,
        vendor_id=vendor_id,
        address=_text(event, "email") or "",
        reference=reference,
        receipt=receipt,
        trouble=trouble,
    )


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return
    yield from (each for each in (said if isinstance(said, list) else [said]) if isinstance(each, dict))


def _text(event: Mapping[str, Any], name: str) -> str | None:
    value = event.get(name)
    return str(value) if isinstance(value, str | int) and value != "" else None
