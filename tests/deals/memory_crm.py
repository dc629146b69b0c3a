"""A CRM in memory, with people who edit in it, faults, a search that is behind, and a ledger of calls."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from perfectcatch.errors import NotFound, OutcomeUnknown, VendorRefused
from perfectcatch.kit.clock import Clock
from perfectcatch.model.crm import (
    AlreadyThere,
    Contact,
    ContactChange,
    CustomField,
    DealStatus,
    Holder,
    Note,
    Opportunity,
    OpportunityChange,
    Page,
    Pipeline,
    Stage,
)

Record = TypeVar("Record", Contact, Opportunity)
SALES = (
    "New Lead",
    "Contacted",
    "Appointment Scheduled",
    "Appointment Completed / Proposal Sent",
    "Estimate Follow-up",
    "Job Sold",
    "Estimate Lost",
)
INSTALL = ("Ready for Install", "Scheduled", "Complete", "Paid")


def pipeline(its_id: str, name: str, stages: Sequence[str]) -> Pipeline:
    listed = tuple(Stage(id=f"{its_id}-{n}", name=each, position=n) for n, each in enumerate(stages))
    return Pipeline(id=its_id, name=name, stages=listed)


def usual() -> list[Pipeline]:
    return [
        pipeline("p1", "SALES", SALES),
        pipeline("p2", "INSTALL", INSTALL),
        pipeline("p3", "LEAD NURTURE", ("Long term",)),
        pipeline("p4", "REVIEWS & REFERRALS", ("Review requested", "Done")),
    ]


@dataclass
class Memory:
    """Fulfils ``CrmAccount``. ``fault`` is asked before and after each call, and may raise."""

    clock: Clock
    one_a_contact: bool = False
    unique_contacts: bool = True
    behind: float = 0.0  # seconds until a search shows what was created
    all_pipelines: list[Pipeline] = field(default_factory=usual)
    contacts: dict[str, Contact] = field(default_factory=dict)
    opportunities: dict[str, Opportunity] = field(default_factory=dict)
    fields: list[CustomField] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    note_ids: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    fault: Callable[[str, str], None] = lambda *_: None
    page_size: int = 3
    numbers: int = 0

    def _new(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}{self.numbers:04}"

    async def pipelines(self) -> tuple[Pipeline, ...]:
        self._call("pipelines")
        return tuple(self.all_pipelines)

    async def custom_fields(self, holder: Holder) -> tuple[CustomField, ...]:
        self._call("custom_fields")
        return tuple(each for each in self.fields if each.holder is holder)

    async def create_custom_field(self, holder: Holder, name: str) -> CustomField:
        self._call("create_custom_field")
        made = CustomField(id=self._new("f"), name=name, key=f"{holder}.{name}", holder=holder)
        self.fields.append(made)
        return made

    async def contact(self, contact_id: str) -> Contact:
        self._call("contact")
        return self._there(self.contacts, contact_id)

    async def contacts_like(
        self, *, email: str | None = None, phone: str | None = None
    ) -> tuple[Contact, ...]:
        self._call("contacts_like")
        return tuple(
            each
            for each in self.contacts.values()
            if self._is_shown(each) and ((email and each.email == email) or (phone and each.phone == phone))
        )

    async def contacts_with(self, field_id: str, value: str) -> tuple[Contact, ...]:
        self._call("contacts_with")
        found = [each for each in self.contacts.values() if each.custom.get(field_id) == value]
        return tuple(each for each in found if self._is_shown(each))

    async def create_contact(self, change: ContactChange, *, tags: Sequence[str] = ()) -> Contact:
        self._call("create_contact")
        for each in self.contacts.values() if self.unique_contacts else ():
            if (change.email and each.email == change.email) or (change.phone and each.phone == change.phone):
                raise AlreadyThere("This location does not allow duplicated contacts.", each.id)
        made = Contact(
            id=self._new("c"),
            first_name=change.first_name,
            last_name=change.last_name,
            name=change.name,
            email=change.email,
            phone=change.phone,
            source=change.source,
            tags=tuple(tags),
            custom=dict(change.custom),
            added_at=self.clock.now(),
        )
        self.contacts[made.id] = self._told(made)
        return self._answer("create_contact", self.contacts[made.id])

    async def update_contact(self, contact_id: str, change: ContactChange) -> Contact:
        self._call("update_contact")
        before = self._there(self.contacts, contact_id)
        names = ("first_name", "last_name", "name", "email", "phone", "source")
        said = {name: value for name in names if (value := getattr(change, name)) is not None}
        after = self._told(replace(before, **said, custom={**before.custom, **change.custom}))
        self.contacts[contact_id] = after
        return self._answer("update_contact", after)

    async def add_tags(self, contact_id: str, tags: Sequence[str]) -> None:
        self._call("add_tags")
        before = self._there(self.contacts, contact_id)
        merged = tuple(dict.fromkeys((*before.tags, *tags)))
        self.contacts[contact_id] = self._told(replace(before, tags=merged))
        self._answer("add_tags", None)

    async def add_note(self, contact_id: str, body: str) -> str:
        self._call("add_note")
        its_id = self._new("n")
        self.notes.append((contact_id, body))
        self.note_ids.append(its_id)
        return self._answer("add_note", its_id)

    async def notes_of(self, contact_id: str) -> tuple[Note, ...]:
        self._call("notes_of")
        noted = zip(self.notes, self.note_ids, strict=True)
        return tuple(
            Note(id=its_id, body=f"<p>{body}</p>") for (of, body), its_id in noted if of == contact_id
        )

    async def opportunity(self, opportunity_id: str) -> Opportunity:
        self._call("opportunity")
        return self._there(self.opportunities, opportunity_id)

    async def opportunities_of(self, contact_id: str) -> tuple[Opportunity, ...]:
        self._call("opportunities_of")
        mine = [each for each in self.opportunities.values() if each.contact_id == contact_id]
        return tuple(each for each in mine if self._is_shown(each))

    async def create_opportunity(self, contact_id: str, change: OpportunityChange) -> Opportunity:
        self._call("create_opportunity")
        for each in self.opportunities.values() if self.one_a_contact else ():
            if each.contact_id == contact_id:
                raise AlreadyThere("Can not create duplicate opportunity for the contact.", each.id)
        assert change.name is not None
        assert change.pipeline_id is not None
        made = Opportunity(
            id=self._new("o"),
            name=change.name,
            contact_id=contact_id,
            pipeline_id=change.pipeline_id,
            stage_id=change.stage_id,
            status=change.status or DealStatus.OPEN,
            value=change.value,
            custom=dict(change.custom),
            added_at=self.clock.now(),
        )
        self.opportunities[made.id] = self._told(made)
        return self._answer("create_opportunity", self.opportunities[made.id])

    async def update_opportunity(self, opportunity_id: str, change: OpportunityChange) -> Opportunity:
        self._call("update_opportunity")
        before = self._there(self.opportunities, opportunity_id)
        names = ("name", "pipeline_id", "stage_id", "status", "value")
        said = {name: value for name in names if (value := getattr(change, name)) is not None}
        after = self._told(replace(before, **said, custom={**before.custom, **change.custom}))
        self.opportunities[opportunity_id] = after
        return self._answer("update_opportunity", after)

    def contact_pages(self, after: str | None = None) -> AsyncIterator[Page]:
        return self._pages(self.contacts, after)

    def opportunity_pages(self, after: str | None = None) -> AsyncIterator[Page]:
        return self._pages(self.opportunities, after)

    async def _pages(self, records: dict[str, Any], after: str | None) -> AsyncIterator[Page]:
        while True:
            self._call("page")
            ids = sorted(each for each in records if each > (after or ""))
            page = ids[: self.page_size]
            last = len(ids) <= self.page_size
            after = None if last else page[-1]
            yield Page(records=[records[each] for each in page], after=after, total=len(records))
            if last:
                return

    # What people do there ------------------------------------------------------------------------

    def edit(self, opportunity_id: str, **values: Any) -> None:
        self.opportunities[opportunity_id] = self._told(replace(self.opportunities[opportunity_id], **values))

    def stage_of(self, opportunity: Opportunity) -> str:
        stages = {stage.id: (each.name, stage.name) for each in self.all_pipelines for stage in each.stages}
        return " / ".join(stages[opportunity.stage_id or ""])

    # Inside --------------------------------------------------------------------------------------

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        self.fault(name, "before")

    def _is_shown(self, record: Contact | Opportunity) -> bool:
        assert record.added_at is not None
        return (self.clock.now() - record.added_at).total_seconds() >= self.behind

    def _answer(self, name: str, value: Any) -> Any:
        self.fault(name, "after")
        return value

    def _told(self, record: Record) -> Record:
        """With a document that differs whenever the record does."""
        plain = replace(record, document={}, updated_at=self.clock.now())
        names = [name for name in plain.__slots__ if name not in ("document", "updated_at", "added_at")]
        return replace(plain, document={name: _plain(getattr(plain, name)) for name in names})

    def _there(self, records: dict[str, Any], its_id: str) -> Any:
        if its_id not in records:
            raise NotFound(f"There is no {its_id}.", status=404)
        return records[its_id]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, dict) else None if value is None else str(value)


def lost(names: Sequence[str]) -> Callable[[str, str], None]:
    """The answers of the next calls of these names are lost, after they were carried out."""
    waiting = list(names)

    def fault(name: str, when: str) -> None:
        if when == "after" and name in waiting:
            waiting.remove(name)
            raise OutcomeUnknown(f"{name} was not answered")

    return fault


def refusing(names: Sequence[str], sentence: str) -> Callable[[str, str], None]:
    def fault(name: str, when: str) -> None:
        if when == "before" and name in names:
            raise VendorRefused(sentence, status=422)

    return fault
