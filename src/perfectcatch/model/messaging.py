"""Messages to people: what is meant to be sent, what became of it, and the roles that carry it.

The gate in ``messaging`` alone sends. Vendors fulfil ``Messenger`` and ``Mailer``; nobody else calls them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Channel(StrEnum):
    """How a message travels."""

    SMS = "sms"
    EMAIL = "email"


class Purpose(StrEnum):
    """What a message is for: consent and the contact budget are kept for each apart."""

    SERVICE = "service"
    MARKETING = "marketing"


class Status(StrEnum):
    """What became of an intent; ``UNKNOWN`` from before the vendor is asked until its answer is stored."""

    SENT = "sent"
    DELIVERED = "delivered"
    REFUSED = "refused"  # the vendor said no
    SUPPRESSED = "suppressed"  # our own rules said no, for good
    DEFERRED = "deferred"  # later, at ``until``; the same intent is decided again then
    UNKNOWN = "unknown"  # the vendor may have it: reconciled by reading there, never by sending again
    FAILED = "failed"  # accepted, and never arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One message that somebody or something wants sent, once for ever by ``key``.

    ``key`` names tenant-wide what is meant: workflow, step, trigger record, occurrence, channel, recipient.
    ``recipient`` is a phone number or an address as it stands in the records; the gate normalizes it.
    ``body`` is rendered already; a template's name is kept for the record. ``shadow``: decide, never send.
    """

    key: str
    channel: Channel
    purpose: Purpose
    recipient: str
    body: str
    subject: str | None = None
    html: str | None = None
    customer_id: int | None = None
    location_id: int | None = None
    template: str | None = None
    workflow: str | None = None
    instance_id: int | None = None
    step: str | None = None
    asked_by: str = "workflow"  # or the name of an API key, a tool, a person
    shadow: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate decided, with its reason: a word of ``reason`` and a sentence for people."""

    status: Status
    reason: str
    sentence: str
    until: datetime | None = None
    message_id: int | None = None
    held: bool = False  # a person has to release it


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An SMS as a vendor gets it. ``valid_for``: seconds after which the vendor drops it undelivered."""

    to: str  # E.164
    body: str
    reference: str  # ours; the vendor may carry it back
    valid_for: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """An email as a vendor gets it; headers hold the one-click unsubscription."""

    to: str
    subject: str
    text: str
    html: str
    reference: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The vendor's answer to a sending, or what it knows of one."""

    vendor_id: str
    status: Status
    code: str | None = None
    sentence: str = ""
    segments: int | None = None
    cost: str | None = None  # as the vendor wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message from a person."""

    vendor_id: str
    sender: str  # E.164
    to: str
    body: str
    at: datetime


class NotCarried(Exception):
    """The vendor certainly did not take the message; three flags say what that means from now on."""

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        opted_out: bool = False,
        bad_number: bool = False,
        sender_blocked: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.opted_out = opted_out
        self.bad_number = bad_number
        self.sender_blocked = sender_blocked


class Messenger(Protocol):
    """Carries SMS.

    Raises ``NotCarried``; ``errors.OutcomeUnknown`` after a timeout, a 500 or a broken connection; any other
    ``errors.Retry`` only when certainly nothing was sent.
    """

    async def send(self, text: Text) -> Receipt:
        """Hand one text over."""

    async def find(self, text: Text, *, since: datetime) -> Receipt | None:
        """The message to ``text.to`` with this body that the vendor took at or after ``since``."""

    async def received(self, *, since: datetime) -> list[Received]:
        """Messages from people since then, for webhooks that were lost."""


class Mailer(Protocol):
    """Carries email, with the same errors as ``Messenger``."""

    async def send(self, mail: Mail) -> Receipt:
        """Hand one email over."""

    async def find(self, mail: Mail, *, since: datetime) -> Receipt | None:
        """What the vendor knows of it; None where it knows nothing or cannot be asked."""
