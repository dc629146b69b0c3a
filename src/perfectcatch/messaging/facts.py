"""What the gate knows about an intent at a moment: plain values, so that a past moment is judged alike.

Everything here is read by ``gate.facts`` for the present. Whoever asks about the past (a dry run) builds the
same values from history, keeping ``sends`` of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from perfectcatch.model.messaging import Channel, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The customer as the mirror has it; a flag that nobody set is None."""

    customer_id: int
    known: bool = True  # there is such a customer
    active: bool = True
    deleted: bool = False
    merged_to_id: int | None = None
    do_not_service: bool = False
    do_not_mail: bool = False
    do_not_text: bool = False  # set at the contact with this very number
    wants: Mapping[str, bool | None] = field(default_factory=dict)
    """Preferences of the contact: ``job_reminders_enabled``, ``marketing_updates_enabled``,
    ``invoice_notification``, ``statement_notification``, ``invoice_statement_notification``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the recipient may be. Empty ``zones``: unknown. ``source``: number, address."""

    source: str
    zones: tuple[str, ...] = ()
    states: tuple[str, ...] = ()  # postal abbreviations


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """Somebody does not want messages. None covers every channel, or every purpose."""

    since: datetime
    channel: Channel | None
    purpose: Purpose | None
    source: str  # keyword, phrase, vendor, unsubscribe, complaint, person
    wording: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The last word on a purpose: given or withdrawn."""

    given: bool
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message to the same person or number that went out, or may have."""

    at: datetime
    channel: Channel
    purpose: Purpose
    to: str
    text: str  # ``numbers.fingerprint`` of the body
    customer_id: int | None = None
    what: str | None = None  # workflow and step, for two customers with one telephone


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Something that a person has to release: a workflow above its limit, a sender that is blocked."""

    reason: str  # blast, sender_blocked, person
    sentence: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known. ``to`` is the recipient normalized, None where it is no address of its channel."""

    to: str | None
    trouble: str | None = (
        None  # why not, or what is known against it: invalid, landline, bounced, foreign ...
    )
    connected: bool = True  # there is a vendor for the channel
    person: Person | None = None  # None: the intent names no customer
    places: tuple[Place, ...] = ()
    opt_outs: tuple[OptOut, ...] = ()
    consent: Consent | None = None  # to marketing on this channel
    doubtful_since: datetime | None = None  # words of theirs that may be an opt-out wait for a person
    sends: tuple[Send, ...] = ()  # of the last thirty days, the newest first
    hold: Hold | None = None
    sent_by_workflow: int = 0  # in the ``blast_window`` to anybody; without a workflow, by who asks
    released_until: int = 0  # a person let the workflow go on up to this many in the window
    released: bool = False  # a person let this very message go on: holds do not count
    first_asked: datetime | None = None  # None: now
    can_unsubscribe: bool = True  # a public address, a key and a postal address for the footer of emails
