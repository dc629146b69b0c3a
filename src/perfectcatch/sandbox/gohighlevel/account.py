"""The simulated location: its records, and the rules by which the vendor takes changes.

A change is told to whoever listens, often as several happenings, and reaches the searches some seconds later.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from perfectcatch.kit.clock import Clock
from perfectcatch.sandbox.gohighlevel import index
from perfectcatch.sandbox.gohighlevel.index import Document, Index
from perfectcatch.sandbox.gohighlevel.shapes import RefusedError

LOCATION: Final = "ve9made0up0location0"
PIPELINES: Final[Mapping[str, tuple[str, ...]]] = {
    "SALES": (
        "New Lead",
        "Contacted",
        "Appointment Scheduled",
        "Proposal Sent",
        "Estimate Follow-up",
        "Job Sold",
        "Estimate Lost",
    ),
    "INSTALL": ("Ready for Install", "Install Scheduled", "Install Complete", "Paid"),
    "LEAD NURTURE": ("Nurture", "Re-engaged"),
    "REVIEWS & REFERRALS": ("Review Requested", "Review Received", "Referral"),
}
# How the ids of the stages of SALES begin in an account that is known.
_BEGINNINGS: Final = ("3dc14ef1", "56ab4d16", "e439d832", "a75d3c82", "de5601ac", "97703c8d", "a7ca7df5")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NORTH_AMERICAN: Final = 10  # digits of a number without its country

Tell = Callable[[str, Document], None]
"""Takes what happened and the record as it is then."""


@dataclass(slots=True, kw_only=True)
class Rules:
    """What the location has set. ``one_opportunity``: for a "contact", for a "pipeline" of it, or "none"."""

    allow_duplicate_contact: bool = False
    duplicate_order: list[str] = field(default_factory=lambda: ["email", "phone"])
    one_opportunity: str = "pipeline"


@dataclass(slots=True, kw_only=True)
class Account:
    """One location. ``index_seconds``: how far its searches are behind."""

    clock: Clock
    tell: Tell
    seed: int = 7
    location_id: str = LOCATION
    index_seconds: float = 2.0
    rules: Rules = field(default_factory=Rules)
    contacts: dict[str, Document] = field(default_factory=dict)
    opportunities: dict[str, Document] = field(default_factory=dict)
    notes: dict[str, Document] = field(default_factory=dict)
    fields: dict[str, Document] = field(default_factory=dict)
    pipelines: list[Document] = field(default_factory=list)
    contact_index: Index = field(init=False)
    opportunity_index: Index = field(init=False)
    _draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Set up the pipelines and the indexes."""
        self._draw = random.Random(self.seed)
        self.contact_index = Index(self.clock, self.index_seconds)
        self.opportunity_index = Index(self.clock, self.index_seconds)
        for place, (name, stages) in enumerate(PIPELINES.items()):
            beginnings = _BEGINNINGS if not place else ()
            shown = [_stage(name, each, number, beginnings) for number, each in enumerate(stages)]
            row = {"id": self.new_id(), "name": name, "stages": shown, "locationId": self.location_id}
            self.pipelines.append(row)

    def new_id(self) -> str:
        """An id as the vendor makes them: twenty letters and digits."""
        return "".join(self._draw.choices(_LETTERS, k=20))

    def at(self) -> str:
        """What time it is there, as the vendor writes it."""
        return self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def here(self, location_id: Any) -> None:
        """Refuse another location than this one."""
        if location_id != self.location_id:
            raise RefusedError(403, "The token does not have access to this location.")

    # Contacts ----------------------------------------------------------------------------------

    def contact(self, contact_id: str) -> Document:
        """A contact, as it is."""
        if contact_id not in self.contacts:
            raise RefusedError(400, f"Contact with id {contact_id} not found")
        return self.contacts[contact_id]

    def duplicate_of(self, email: Any, phone: Any, *, but: str = "") -> tuple[Document, str] | None:
        """The contact that is in the way, by the first field of the location's order that fits."""
        wanted = {"email": email_of(email), "phone": phone_of(phone)}
        for name in self.rules.duplicate_order:
            for each in self.contacts.values():
                if wanted.get(name) and each.get(name) == wanted[name] and each["id"] != but:
                    return each, name
        return None

    def create_contact(self, body: Mapping[str, Any]) -> Document:
        """Take a new contact."""
        self.here(body["locationId"])
        self._refuse_second(body)
        now = self.at()
        contact: Document = {
            "id": self.new_id(),
            "locationId": self.location_id,
            "type": "lead",
            "dnd": False,
            "tags": [],
            "customFields": [],
            "dateAdded": now,
            "dateUpdated": now,
        }
        self.contacts[contact["id"]] = contact
        self._write_contact(contact, body)
        self._contact_changed(contact, "ContactCreate", "ContactUpdate")
        return contact

    def update_contact(self, contact_id: str, body: Mapping[str, Any]) -> Document:
        """Change a contact; tags that come replace those that are there."""
        contact = self.contact(contact_id)
        self._refuse_second(body, but=contact_id)
        tags = list(contact["tags"])
        self._write_contact(contact, body)
        what = ["ContactUpdate"] + (["ContactTagUpdate"] if contact["tags"] != tags else [])
        self._contact_changed(contact, *what)
        return contact

    def tag(self, contact_id: str, tags: Iterable[str], *, remove: bool = False) -> list[str]:
        """Add tags to those that are there, or take some away; the vendor writes them small."""
        contact = self.contact(contact_id)
        given = [each.strip().lower() for each in tags]
        held = [each for each in contact["tags"] if not (remove and each in given)]
        contact["tags"] = held if remove else list(dict.fromkeys([*held, *given]))
        self._contact_changed(contact, "ContactTagUpdate", "ContactUpdate")
        return list(contact["tags"])

    def note(self, contact_id: str, body: Mapping[str, Any]) -> Document:
        """Write a note on a contact."""
        self.contact(contact_id)
        note = {"id": self.new_id(), "contactId": contact_id, "dateAdded": self.at(), **body}
        self.notes[note["id"]] = note
        self.tell("NoteCreate", {"locationId": self.location_id, **note})
        return note

    def delete_contact(self, contact_id: str) -> None:
        """A contact goes, with its opportunities."""
        contact = self.contact(contact_id)
        del self.contacts[contact_id]
        self.contact_index.changed(contact_id, None)
        self.tell("ContactDelete", deepcopy(contact))
        for each in [one for one in self.opportunities.values() if one["contactId"] == contact_id]:
            self.delete_opportunity(each["id"])

    def _refuse_second(self, body: Mapping[str, Any], *, but: str = "") -> None:
        if self.rules.allow_duplicate_contact:
            return
        found = self.duplicate_of(body.get("email"), body.get("phone"), but=but)
        if found is not None:
            other, name = found
            meta = {"contactId": other["id"], "contactName": other.get("contactName"), "matchingField": name}
            raise RefusedError(400, "This location does not allow duplicated contacts.", meta=meta)

    def _write_contact(self, contact: Document, body: Mapping[str, Any]) -> None:
        given = {name: value for name, value in body.items() if name not in ("customFields", "tags", "name")}
        if body.get("name") and not (body.get("firstName") or body.get("lastName")):
            first, _, last = str(body["name"]).partition(" ")
            given |= {"firstName": first, "lastName": last}
        if "email" in given:
            given["email"] = email_of(given["email"])
        if "phone" in given:
            given["phone"] = phone_of(given["phone"])
        contact |= given
        if "tags" in body:
            contact["tags"] = list(dict.fromkeys(each.strip().lower() for each in body["tags"]))
        self._custom(contact, body.get("customFields") or (), "contact", "value")
        whole = " ".join(filter(None, (contact.get("firstName"), contact.get("lastName"))))
        contact["contactName"] = contact["name"] = whole or contact.get("email") or contact.get("phone")

    def _contact_changed(self, contact: Document, *what: str) -> None:
        contact["dateUpdated"] = self.at()
        self.contact_index.changed(contact["id"], contact)
        for each in what:
            self.tell(each, deepcopy(contact))

    # Custom fields -----------------------------------------------------------------------------

    def create_field(self, body: Mapping[str, Any]) -> Document:
        """Add a custom field; a name that is taken is refused."""
        model, name = body.get("model") or "contact", str(body["name"]).strip()
        key = f"{model}.{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}"
        if any(each["fieldKey"] == key for each in self.fields.values()):
            raise RefusedError(400, f"Field with name {name} already exists")
        row = {
            "id": self.new_id(),
            "name": name,
            "fieldKey": key,
            "dataType": body["dataType"],
            "position": body.get("position", 0),
            "model": model,
            "locationId": self.location_id,
        }
        self.fields[row["id"]] = row
        return row

    def _custom(
        self, record: Document, items: Iterable[Mapping[str, Any]], model: str, shown_as: str
    ) -> None:
        """Write values by id or key; those of a field that is not there are lost without a word."""
        held = {each["id"]: each for each in record["customFields"]}
        for item in items:
            for known in self.fields.values():
                keys = (known["fieldKey"], known["fieldKey"].partition(".")[2])
                if known["model"] == model and (item.get("id") == known["id"] or item.get("key") in keys):
                    value = item.get("fieldValue", item.get("field_value"))
                    held[known["id"]] = {"id": known["id"], shown_as: value}
        record["customFields"] = list(held.values())

    # Opportunities -----------------------------------------------------------------------------

    def opportunity(self, opportunity_id: str) -> Document:
        """An opportunity, as it is."""
        if opportunity_id not in self.opportunities:
            raise RefusedError(404, f"Opportunity with id {opportunity_id} not found")
        return self.opportunities[opportunity_id]

    def create_opportunity(self, body: Mapping[str, Any]) -> Document:
        """Take a new opportunity."""
        self.here(body["locationId"])
        person = self.contact(body["contactId"])
        stage = self._stage_of(body["pipelineId"], body.get("pipelineStageId"))
        self._refuse_second_opportunity(body)
        now = self.at()
        row: Document = {
            "id": self.new_id(),
            "locationId": self.location_id,
            "contactId": person["id"],
            "monetaryValue": 0,
            "customFields": [],
            "createdAt": now,
            "updatedAt": now,
            "lastStatusChangeAt": now,
            "lastStageChangeAt": now,
            "source": None,
        }
        self.opportunities[row["id"]] = row
        self._write_opportunity(row, {**body, "pipelineStageId": stage})
        self._opportunity_changed(row, "OpportunityCreate", "OpportunityUpdate")
        return row

    def update_opportunity(self, opportunity_id: str, body: Mapping[str, Any]) -> Document:
        """Change an opportunity. One that goes to another pipeline without a stage goes to its first."""
        row, given = self.opportunity(opportunity_id), dict(body)
        if "pipelineId" in given or "pipelineStageId" in given:
            pipeline = given.get("pipelineId", row["pipelineId"])
            kept = row["pipelineStageId"] if pipeline == row["pipelineId"] else None
            given["pipelineStageId"] = self._stage_of(pipeline, given.get("pipelineStageId", kept))
        before = dict(row)
        self._write_opportunity(row, given)
        self._opportunity_changed(row, *_what_changed(before, row))
        return row

    def delete_opportunity(self, opportunity_id: str) -> None:
        """An opportunity goes."""
        row = self.opportunity(opportunity_id)
        del self.opportunities[opportunity_id]
        self.opportunity_index.changed(opportunity_id, None)
        self.tell("OpportunityDelete", deepcopy(row))

    def _refuse_second_opportunity(self, body: Mapping[str, Any]) -> None:
        if self.rules.one_opportunity == "none":
            return
        for each in self.opportunities.values():
            same = self.rules.one_opportunity == "contact" or each["pipelineId"] == body["pipelineId"]
            if same and each["contactId"] == body["contactId"]:
                raise RefusedError(
                    400,
                    "Can not create duplicate opportunity for the contact.",
                    code="OPPORTUNITY_NO_DUPLICATE",
                    meta={"existingId": each["id"]},
                )

    def _stage_of(self, pipeline_id: Any, stage_id: Any) -> str:
        for pipeline in self.pipelines:
            if pipeline["id"] == pipeline_id:
                ids = [str(stage["id"]) for stage in pipeline["stages"]]
                if stage_id is None:
                    return ids[0]
                if stage_id in ids:
                    return str(stage_id)
                raise RefusedError(400, f"The pipeline stage id {stage_id} is invalid.")
        raise RefusedError(400, f"The pipeline id {pipeline_id} is invalid.")

    def _write_opportunity(self, row: Document, body: Mapping[str, Any]) -> None:
        now = self.at()
        if body.get("status", row.get("status")) != row.get("status"):
            row["lastStatusChangeAt"] = now
        if body.get("pipelineStageId", row.get("pipelineStageId")) != row.get("pipelineStageId"):
            row["lastStageChangeAt"] = now
        row |= {name: value for name, value in body.items() if name != "customFields"}
        self._custom(row, body.get("customFields") or (), "opportunity", "fieldValue")

    def _opportunity_changed(self, row: Document, *what: str) -> None:
        row["updatedAt"] = self.at()
        self.opportunity_index.changed(row["id"], row)
        for each in what:
            self.tell(each, deepcopy(row))

    def shown(self, row: Document) -> Document:
        """An opportunity as the API shows it, with its contact."""
        person = self.contacts.get(row["contactId"], {})
        names = ("id", "name", "email", "phone", "tags")
        return {**row, "contact": {name: person.get(name) for name in names}, "followers": []}


def search_contacts(account: Account, body: Mapping[str, Any]) -> dict[str, Any]:
    """The search of contacts, as far as its index has come."""
    account.here(body["locationId"])
    found, total = index.search(
        account.contact_index.now(),
        body=body,
        size="pageLimit",
        updated="dateUpdated",
        added="dateAdded",
        cursor_of_texts=False,
    )
    return {"contacts": found, "total": total}


def search_opportunities(account: Account, body: Mapping[str, Any]) -> dict[str, Any]:
    """The search of opportunities."""
    account.here(body["locationId"])
    found, total = index.search(
        account.opportunity_index.now(),
        body=body,
        size="limit",
        updated="updatedAt",
        added="createdAt",
        cursor_of_texts=True,
    )
    return {"opportunities": [account.shown(each) for each in found], "total": total, "aggregations": {}}


def email_of(value: Any) -> str | None:
    """An address as the vendor keeps it."""
    return value.strip().lower() if isinstance(value, str) and value.strip() else None


def phone_of(value: Any) -> str | None:
    """A number as the vendor keeps it."""
    if not isinstance(value, str) or not (digits := re.sub(r"\D", "", value)):
        return None
    return f"+1{digits}" if len(digits) == _NORTH_AMERICAN else f"+{digits}"


def _stage(pipeline: str, name: str, place: int, beginnings: tuple[str, ...]) -> Document:
    made = str(uuid5(NAMESPACE_URL, f"{pipeline}/{name}"))
    return {
        "id": (beginnings[place] if beginnings else made[:8]) + made[8:],
        "name": name,
        "position": place,
    }


def _what_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    what = ["OpportunityUpdate"]
    if before["pipelineStageId"] != after["pipelineStageId"]:
        what.append("OpportunityStageUpdate")
    if before["status"] != after["status"]:
        what.append("OpportunityStatusUpdate")
    if before["monetaryValue"] != after["monetaryValue"]:
        what.append("OpportunityMonetaryValueUpdate")
    if before.get("assignedTo") != after.get("assignedTo"):
        what.append("OpportunityAssignedToUpdate")
    return what
