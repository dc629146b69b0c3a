"""The CRM that sales people work in: contacts, opportunities, pipelines, and the role that reaches them.

``deals`` alone decides what an opportunity should say; vendors fulfil ``CrmAccount`` and know of no jobs.
Texts of identity are the CRM's own; money is Decimal; moments carry a zone.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from html import unescape
from typing import Any, Protocol


class Holder(StrEnum):
    """What a custom field belongs to."""

    CONTACT = "contact"
    OPPORTUNITY = "opportunity"


class DealStatus(StrEnum):
    """How a CRM calls an opportunity as a whole, beside its stage."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One column of a pipeline."""

    id: str
    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A row of stages that an opportunity moves through."""

    id: str
    name: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A field that the account added; records carry it by ``id`` alone."""

    id: str
    name: str
    key: str
    holder: Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person as the CRM has them. ``document`` is the vendor's whole answer."""

    id: str
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)  # by id of the custom field
    added_at: datetime | None = None
    updated_at: datetime | None = None
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """A deal as the CRM has it. ``document`` is the vendor's whole answer."""

    id: str
    name: str
    contact_id: str
    pipeline_id: str
    stage_id: str | None
    status: DealStatus
    value: Decimal | None = None
    assigned_to: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    added_at: datetime | None = None
    updated_at: datetime | None = None
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What was written on a contact."""

    id: str
    body: str
    added_at: datetime | None = None

    def says(self, body: str) -> bool:
        """Whether it has these words; an account may show a note as a web page does."""
        return _words(self.body) == _words(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChange:
    """What a contact should say; what is None is left as it is. Tags are only ever added, elsewhere."""

    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    source: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityChange:
    """What an opportunity should say; what is None is left as it is."""

    name: str | None = None
    pipeline_id: str | None = None
    stage_id: str | None = None
    status: DealStatus | None = None
    value: Decimal | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a pull: the records, the place to go on from, and how many there are if the CRM says so."""

    records: Sequence[Contact] | Sequence[Opportunity]
    after: str | None  # None: that was the last page
    total: int | None = None


def _words(text: str) -> list[str]:
    return unescape(re.sub(r"<[^>]*>", " ", text)).split()


class AlreadyThere(Exception):
    """The CRM has such a record and takes no second one; ``existing_id`` where it says which."""

    def __init__(self, sentence: str, existing_id: str | None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.existing_id = existing_id


class CrmAccount(Protocol):
    """One account at the CRM.

    Every call raises the errors of ``errors``: Retry (with ``OutcomeUnknown`` for a change without an
    answer), AskPerson (credentials, scope, suspended account), ``NotFound``, ``VendorRefused`` with the
    vendor's own words in ``errors``; creating raises ``AlreadyThere``.
    """

    async def pipelines(self) -> tuple[Pipeline, ...]:
        """All pipelines with their stages in order."""

    async def custom_fields(self, holder: Holder) -> tuple[CustomField, ...]:
        """The fields that the account added to contacts or to opportunities."""

    async def create_custom_field(self, holder: Holder, name: str) -> CustomField:
        """Add a field of text."""

    async def contact(self, contact_id: str) -> Contact:
        """One contact, as it is now."""

    async def contacts_like(
        self, *, email: str | None = None, phone: str | None = None
    ) -> tuple[Contact, ...]:
        """Contacts with that address or number; a search of the CRM may be seconds behind."""

    async def contacts_with(self, field_id: str, value: str) -> tuple[Contact, ...]:
        """Contacts whose custom field says that; behind as every search is. VendorRefused where it cannot."""

    async def create_contact(self, change: ContactChange, *, tags: Sequence[str] = ()) -> Contact:
        """Add a contact. Raises AlreadyThere where address or number belong to another one."""

    async def update_contact(self, contact_id: str, change: ContactChange) -> Contact:
        """Change what ``change`` names, and nothing else."""

    async def add_tags(self, contact_id: str, tags: Sequence[str]) -> None:
        """Add tags; those that are there stay."""

    async def add_note(self, contact_id: str, body: str) -> str:
        """Write a note on a contact; gives its id."""

    async def notes_of(self, contact_id: str) -> tuple[Note, ...]:
        """The notes on a contact, as they are now."""

    async def opportunity(self, opportunity_id: str) -> Opportunity:
        """One opportunity, as it is now."""

    async def opportunities_of(self, contact_id: str) -> tuple[Opportunity, ...]:
        """Every opportunity of a contact, in all pipelines and with every status."""

    async def create_opportunity(self, contact_id: str, change: OpportunityChange) -> Opportunity:
        """Add an opportunity. Raises AlreadyThere where the account allows one a contact."""

    async def update_opportunity(self, opportunity_id: str, change: OpportunityChange) -> Opportunity:
        """Change what ``change`` names, and nothing else."""

    def contact_pages(self, after: str | None = None) -> AsyncIterator[Page]:
        """All contacts, oldest change first where the CRM can; ``after`` goes on behind a page."""

    def opportunity_pages(self, after: str | None = None) -> AsyncIterator[Page]:
        """All opportunities, in the same way."""
