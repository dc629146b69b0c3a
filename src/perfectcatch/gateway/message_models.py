"""What callers send about messages, and what they are told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from perfectcatch.gateway.models import Asked, Dollars, Told
from perfectcatch.store.reading.fields import BIGGEST

ChannelName = Literal["sms", "email"]
PurposeName = Literal["service", "marketing"]
StatusName = Literal["sent", "delivered", "refused", "suppressed", "deferred", "unknown", "failed"]
Id = Annotated[int, Field(ge=-BIGGEST, le=BIGGEST)]
Words = Annotated[str, Field(max_length=100_000)]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class Drafted(Asked):
    """A message as it is to be sent: its words, or the name of a template with the values for its fields."""

    channel: ChannelName
    purpose: PurposeName = "service"
    recipient: Word = Field(description="A telephone number or an email address.")
    body: Words | None = Field(None, description="The words, if no template is named.")
    subject: Annotated[str, Field(max_length=500)] | None = None
    html: Words | None = None
    template: Word | None = Field(None, description="The name of a template.")
    values: dict[str, Any] = Field(default_factory=dict, description="What fills the template's fields.")
    customer_id: Id | None = None
    location_id: Id | None = None


class Draft(Drafted):
    """A message to send."""

    shadow: bool = Field(False, description="Decide and write it down, and send nothing.")
    may_repeat: bool = Field(False, description="The same words again within thirty days are right.")
    expires_at: datetime | None = Field(None, description="After this moment it is of no use.")


class Message(Told):
    """A message that was meant for a person, and what was decided about it."""

    id: int
    intent_key: str
    channel: ChannelName
    purpose: PurposeName
    status: StatusName
    reason: str
    sentence: str
    customer_id: int | None
    location_id: int | None
    recipient: str
    address: str | None
    subject: str | None
    body: str
    template: str | None
    workflow: str | None
    instance_id: int | None
    step: str | None
    asked_by: str
    shadow: bool
    held: bool
    released_by: str | None
    attempts: int
    vendor_id: str | None
    vendor_code: str | None
    segments: int | None
    cost: Dollars | None
    until: datetime | None
    asked_at: datetime
    decided_at: datetime
    sent_at: datetime | None
    updated_at: datetime


class WholeMessage(Message):
    """A message with all its texts and data."""

    html: str | None
    data: dict[str, Any]


class Messages(Told):
    """A page of messages."""

    data_as_of: datetime | None
    data: list[Message]
    next: str | None


class Preview(Told):
    """How a message would read, and what would be decided about it now. Nothing is written or sent."""

    body: str | None
    subject: str | None
    html: str | None
    segments: int | None
    estimated_cost: Dollars | None = Field(description="In dollars, by the rule `segment_price`.")
    problems: list[str]
    fields: list[str]
    filled: list[str] = Field(description="Fields that got their fallback.")
    status: StatusName | None
    reason: str | None
    sentence: str | None
    until: datetime | None
    held: bool


class Released(Told):
    """Which messages a decision let go on, or gave up."""

    messages: list[int]


class Release(Asked):
    """How many more messages of the workflow may go out before it is held again."""

    allow: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="All that are held, if it is left out."
    )


class Hold(Told):
    """A workflow, a caller or a channel that was stopped until a person decides."""

    id: int
    kind: Literal["workflow", "caller", "channel"]
    name: str
    reason: str
    sentence: str
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    allowed: int | None


class HoldAsked(Asked):
    """Stop a workflow, a caller or a channel."""

    kind: Literal["workflow", "caller", "channel"]
    name: Word = Field(description="Of a channel: sms or email.")
    because: Annotated[str, Field(min_length=1, max_length=300)] = "a person stopped it"


class Holds(Told):
    """Holds, the newest first."""

    data_as_of: datetime | None
    data: list[Hold]
    next: str | None


class ConsentGiven(Asked):
    """Consent or its withdrawal, with what proves it."""

    channel: ChannelName
    purpose: PurposeName = "marketing"
    given: bool = True
    address: Word | None = None
    customer_id: Id | None = None
    source: Literal["form", "contract", "text", "call", "import"]
    wording: Annotated[str, Field(max_length=2000)] = Field(description="What the person agreed to.")
    evidence: dict[str, Any] = Field(
        default_factory=dict, description="Such as the page, its address, a file."
    )
    given_at: datetime | None = Field(None, description="Now, if it is left out.")


class Consent(Told):
    """Consent or its withdrawal."""

    id: int
    customer_id: int | None
    channel: ChannelName
    address: str | None
    purpose: PurposeName
    given: bool
    source: str
    wording: str
    evidence: dict[str, Any]
    given_at: datetime
    recorded_by: str
    recorded_at: datetime


class Consents(Told):
    """Consents, the newest first."""

    data_as_of: datetime | None
    data: list[Consent]
    next: str | None


class OptOutAsked(Asked):
    """Somebody wants no more messages."""

    channel: ChannelName
    address: Word | None = None
    customer_id: Id | None = None
    covers: Literal["everything", "channel", "purpose"] | None = Field(
        None, description="`purpose`: marketing alone. Left out: what the rule `stop_covers` says."
    )
    wording: Annotated[str, Field(max_length=500)] = ""


class OptOut(Told):
    """Somebody wants no more messages, until ``ended_at``."""

    id: int
    channel: ChannelName
    address: str | None
    customer_ids: list[int]
    covers: str | None
    source: str
    wording: str
    received_id: int | None
    message_id: int | None
    since: datetime
    recorded_by: str
    ended_at: datetime | None
    ended_by: str | None


class OptOuts(Told):
    """Opt-outs, the newest first."""

    data_as_of: datetime | None
    data: list[OptOut]
    next: str | None


class Heard(Told):
    """A message from a person."""

    id: int
    channel: ChannelName
    sender: str
    recipient: str
    body: str
    customer_ids: list[int]
    meaning: Literal["opt_out", "doubtful", "start", "help", "reply"]
    received_at: datetime
    stored_at: datetime
    needs_person: bool
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None


class HeardList(Told):
    """Messages from people, the newest first."""

    data_as_of: datetime | None
    data: list[Heard]
    next: str | None


class Verdict(Asked):
    """What a person says of a message that waited."""

    opted_out: bool


class BadAddress(Told):
    """An address that takes no messages."""

    channel: ChannelName
    address: str
    trouble: str
    code: str | None
    since: datetime


class BadAddresses(Told):
    """Addresses that take no messages, the newest first."""

    data_as_of: datetime | None
    data: list[BadAddress]
    next: None


class TemplateWritten(Asked):
    """A template's words."""

    does: Annotated[str, Field(max_length=500)] = ""
    channel: ChannelName
    purpose: PurposeName
    language: Annotated[str, Field(max_length=20)] = "en"
    subject: Annotated[str, Field(max_length=500)] | None = None
    body: Annotated[str, Field(min_length=1, max_length=100_000)]
    html: Words | None = None
    fallbacks: dict[str, str] = Field(default_factory=dict, description="By the dotted path of a field.")
    active: bool = True


class Template(Told):
    """A template in its newest version."""

    name: str
    version: int
    does: str
    channel: ChannelName
    purpose: PurposeName
    language: str
    subject: str | None
    body: str
    html: str | None
    fallbacks: dict[str, str]
    active: bool
    written_by: str
    written_at: datetime


class Templates(Told):
    """Templates in their newest versions."""

    data_as_of: datetime | None
    data: list[Template]
    next: None


class TemplateStored(Told):
    """A new version of a template is stored."""

    name: str
    version: int
    fields: list[str]


class RuleShown(Told):
    """A rule of messages."""

    name: str
    value: Any
    default: Any
    changed: bool
    does: str


class RulesShown(Told):
    """What decisions go by."""

    data_as_of: datetime | None
    data: list[RuleShown]


class RuleValue(Asked):
    """A rule's value; null makes it as by default."""

    value: Any


class Noted(Told):
    """Something was noted; ``id`` null: it was in force already."""

    id: int | None
