"""GoHighLevel's contacts, opportunities and pipelines of one location, as the role of a CRM asks for them."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from perfectcatch.errors import VendorLoop, VendorRefused, VendorUnavailable
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
)
from perfectcatch.vendors.gohighlevel import operations as rows
from perfectcatch.vendors.gohighlevel.operations import Operation
from perfectcatch.vendors.gohighlevel.reading import (
    contact_of,
    field_of,
    listed,
    note_of,
    opportunity_of,
    pipeline_of,
    total_of,
)
from perfectcatch.vendors.gohighlevel.refusals import WHO
from perfectcatch.vendors.gohighlevel.transport import Day, Transport
from perfectcatch.vendors.gohighlevel.versions import Version
from perfectcatch.vendors.gohighlevel.writing import contact_body, opportunity_body

PAGE: Final = 500  # the most that a search gives at once
_OF_ONE_CONTACT: Final = 100
_WITHOUT_CURSOR: Final = 10_000  # records that numbered pages reach
_MOST_PAGES: Final = 20_000
_UNPROCESSABLE: Final = 422
_DIGITS: Final = 10  # of a telephone number that tell it apart, without the country


class GoHighLevel:
    """Fulfils ``CrmAccount`` for one location."""

    def __init__(self, transport: Transport, *, location_id: str, version: Version) -> None:
        self._transport = transport
        self._location = location_id
        self._version = version

    @property
    def day(self) -> Day | None:
        """What is left of the requests that the vendor allows a day; None before it said so."""
        return self._transport.day

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._transport.requests

    async def pipelines(self) -> tuple[Pipeline, ...]:
        """All pipelines with their stages in order."""
        answer = await self._transport.send(rows.PIPELINES, query={"locationId": self._location})
        return tuple(pipeline_of(each) for each in listed(answer, "pipelines"))

    async def custom_fields(self, holder: Holder) -> tuple[CustomField, ...]:
        """The fields that the account added. Without ``model`` those of contacts alone would come."""
        answer = await self._transport.send(rows.FIELDS, query={"model": holder.value})
        found = listed(answer, "customFields")
        return tuple(
            field_of(each, holder)
            for each in found
            if not isinstance(each, dict) or each.get("model", holder.value) == holder.value
        )

    async def create_custom_field(self, holder: Holder, name: str) -> CustomField:
        """Add a field of text."""
        body = {"name": name, "dataType": "TEXT", "model": holder.value}
        answer = await self._transport.send(rows.CREATE_FIELD, body=body)
        return field_of(answer.get("customField"), holder)

    async def contact(self, contact_id: str) -> Contact:
        """One contact, as it is now."""
        answer = await self._transport.send(rows.CONTACT, record_id=contact_id)
        return contact_of(answer.get("contact"))

    async def contacts_like(
        self, *, email: str | None = None, phone: str | None = None
    ) -> tuple[Contact, ...]:
        """Contacts with that address or number.

        The search is seconds behind, and has been seen to find no number at all: where it brings nobody, the
        vendor's own look for duplicates is asked, once for the address and once for the number.
        """
        asked = {name: value for name, value in (("email", email), ("phone", phone)) if value}
        if not asked:
            return ()
        filters = [{"field": name, "operator": "eq", "value": value} for name, value in asked.items()]
        body = {
            "locationId": self._location,
            "page": 1,
            "pageLimit": PAGE,
            "filters": [{"group": "OR", "filters": filters}],
        }
        answer = await self._transport.send(rows.SEARCH_CONTACTS, body=body)
        found = [contact_of(each) for each in listed(answer, "contacts")]
        alike = {each.id: each for each in found if _is_alike(each, email, phone)}
        if not alike:
            for name, value in asked.items():
                query = {"locationId": self._location, "number" if name == "phone" else name: value}
                said = (await self._transport.send(rows.DUPLICATE, query=query)).get("contact")
                if said and _is_alike(one := contact_of(said), email, phone):
                    alike[one.id] = one
        return tuple(alike.values())

    async def contacts_with(self, field_id: str, value: str) -> tuple[Contact, ...]:
        """Contacts with that text in a custom field, as far as the search has come."""
        body = {
            "locationId": self._location,
            "page": 1,
            "pageLimit": PAGE,
            "filters": [{"field": f"customFields.{field_id}", "operator": "eq", "value": value}],
        }
        answer = await self._transport.send(rows.SEARCH_CONTACTS, body=body)
        found = (contact_of(each) for each in listed(answer, "contacts"))
        return tuple(each for each in found if str(each.custom.get(field_id) or "") == value)

    async def create_contact(self, change: ContactChange, *, tags: Sequence[str] = ()) -> Contact:
        """Add a contact, its tags with it: a new one has none that could be replaced.

        The vendor may refuse (422) and have created the contact all the same, so it is looked for before the
        refusal is passed on.
        """
        body = {"locationId": self._location, **contact_body(change, self._version)}
        if tags:
            body["tags"] = list(tags)
        try:
            answer = await self._transport.send(rows.CREATE_CONTACT, body=body)
        except VendorRefused as refused:
            if refused.status != _UNPROCESSABLE:
                raise
            return await self._created_all_the_same(change, refused)
        return contact_of(answer.get("contact"))

    async def _created_all_the_same(self, change: ContactChange, refused: VendorRefused) -> Contact:
        alike = await self.contacts_like(email=change.email, phone=change.phone)
        for each in alike:
            said = {name: getattr(change, name) for name in ("first_name", "last_name")}
            same = all(value is None or _same(value, getattr(each, name)) for name, value in said.items())
            if same and _holds(each.email, change.email) and _holds_number(each.phone, change.phone):
                return each
        if alike:
            raise AlreadyThere(f"{refused} There is such a contact.", alike[0].id) from refused
        raise refused

    async def update_contact(self, contact_id: str, change: ContactChange) -> Contact:
        """Change what ``change`` names. Raises AlreadyThere where address or number are another's."""
        body = contact_body(change, self._version)
        if not body:
            return await self.contact(contact_id)
        answer = await self._transport.send(rows.UPDATE_CONTACT, record_id=contact_id, body=body)
        return contact_of(answer.get("contact"))

    async def add_tags(self, contact_id: str, tags: Sequence[str]) -> None:
        """Add tags; those that are there stay."""
        if tags:
            await self._transport.send(rows.ADD_TAGS, record_id=contact_id, body={"tags": list(tags)})

    async def add_note(self, contact_id: str, body: str) -> str:
        """Write a note on a contact; gives its id."""
        answer = await self._transport.send(rows.ADD_NOTE, record_id=contact_id, body={"body": body})
        note = answer.get("note")
        if not isinstance(note, dict) or not isinstance(note.get("id"), str):
            raise VendorUnavailable(f"{WHO} took a note and gave no id for it.")
        return str(note["id"])

    async def notes_of(self, contact_id: str) -> tuple[Note, ...]:
        """Every note on a contact."""
        answer = await self._transport.send(rows.NOTES, record_id=contact_id)
        return tuple(note_of(each) for each in listed(answer, "notes"))

    async def opportunity(self, opportunity_id: str) -> Opportunity:
        """One opportunity, as it is now."""
        answer = await self._transport.send(rows.OPPORTUNITY, record_id=opportunity_id)
        return opportunity_of(answer.get("opportunity"))

    async def opportunities_of(self, contact_id: str) -> tuple[Opportunity, ...]:
        """Every opportunity of a contact, page after page; like every search it may be seconds behind."""
        query = {
            self._version.location: self._location,
            self._version.contact: contact_id,
            "status": "all",
            "limit": str(_OF_ONE_CONTACT),
        }
        found: dict[str, Opportunity] = {}
        place: dict[str, str] = {}
        for number in range(1, _MOST_PAGES):
            answer = await self._transport.send(rows.OPPORTUNITIES_OF, query={**query, **place})
            page = [opportunity_of(each) for each in listed(answer, "opportunities")]
            before = len(found)
            found |= {each.id: each for each in page}
            if len(page) < _OF_ONE_CONTACT or len(found) >= (total_of(answer) or len(found) + 1):
                break
            if len(found) == before:
                raise VendorLoop(f"{WHO} gave the same page of a contact's opportunities twice.")
            place = _behind(answer) or {"page": str(number + 1)}
        return tuple(each for each in found.values() if each.contact_id == contact_id)

    async def create_opportunity(self, contact_id: str, change: OpportunityChange) -> Opportunity:
        """Add an opportunity; open, unless the change says otherwise."""
        body = {
            "locationId": self._location,
            "contactId": contact_id,
            "status": DealStatus.OPEN,
            **opportunity_body(change, self._version),
        }
        answer = await self._transport.send(rows.CREATE_OPPORTUNITY, body=body)
        return opportunity_of(answer.get("opportunity"))

    async def update_opportunity(self, opportunity_id: str, change: OpportunityChange) -> Opportunity:
        """Change what ``change`` names, and nothing else."""
        body = opportunity_body(change, self._version)
        if not body:
            return await self.opportunity(opportunity_id)
        answer = await self._transport.send(rows.UPDATE_OPPORTUNITY, record_id=opportunity_id, body=body)
        return opportunity_of(answer.get("opportunity"))

    def contact_pages(self, after: str | None = None) -> AsyncIterator[Page]:
        """All contacts, the oldest change first; ``after`` goes on behind a page."""
        body = {
            "locationId": self._location,
            "pageLimit": PAGE,
            "sort": [{"field": "dateUpdated", "direction": "asc"}],
        }
        return self._pages(rows.SEARCH_CONTACTS, body, "contacts", contact_of, after)

    def opportunity_pages(self, after: str | None = None) -> AsyncIterator[Page]:
        """All opportunities, in the same way."""
        body = {
            "locationId": self._location,
            "limit": PAGE,
            "query": "",
            "sort": [{"field": "date_updated", "direction": "asc"}],
            "additionalDetails": {
                "notes": False,
                "tasks": False,
                "calendarEvents": False,
                "unReadConversations": False,
            },
        }
        return self._pages(rows.SEARCH_OPPORTUNITIES, body, "opportunities", opportunity_of, after)

    async def _pages(
        self,
        operation: Operation,
        body: Mapping[str, Any],
        name: str,
        read: Callable[[Any], Contact] | Callable[[Any], Opportunity],
        after: str | None,
    ) -> AsyncIterator[Page]:
        """Page after page by the vendor's cursor, which reaches beyond the 10,000 of numbered pages."""
        place, read_so_far = _place_of(after), 0
        for _ in range(_MOST_PAGES):
            try:
                answer = await self._transport.send(operation, body={**body, **place})
            except VendorRefused as refused:
                # No document of the vendor names ``sort`` for opportunities, and unknown keys may be refused.
                if "sort" not in body or "sort" not in str(refused):
                    raise
                body = {key: value for key, value in body.items() if key != "sort"}
                answer = await self._transport.send(operation, body={**body, **place})
            found = listed(answer, name)
            read_so_far += len(found)
            more = len(found) >= PAGE or (
                bool(found) and read_so_far < (total_of(answer) or 0) and after is None
            )
            following = _following(answer, found, place) if more else None
            if following is not None and following == place:
                raise VendorLoop(f"{WHO} gave the same page of {name} twice.")
            records: Any = [read(each) for each in found]
            yield Page(
                records=records,
                after=None if following is None else json.dumps(following),
                total=total_of(answer),
            )
            if following is None:
                return
            place = following
        raise VendorLoop(f"{WHO} gave {_MOST_PAGES:,} pages of {name} without an end.")


def _place_of(after: str | None) -> dict[str, Any]:
    """Where to begin. ``page`` must not accompany ``searchAfter``."""
    if after is None:
        return {"page": 1}
    place = json.loads(after)
    assert isinstance(place, dict), after
    return place


def _following(answer: Mapping[str, Any], found: Sequence[Any], place: Mapping[str, Any]) -> dict[str, Any]:
    """Where the next page begins: behind the last record, else at the next number as far as those reach."""
    for said in (found[-1], answer):
        for key in ("searchAfter", "sort"):
            if isinstance(said, dict) and isinstance(cursor := said.get(key), list) and cursor:
                return {"searchAfter": cursor}
    number = place.get("page")
    if not isinstance(number, int) or number * PAGE >= _WITHOUT_CURSOR:
        raise VendorUnavailable(f"{WHO} gave a page of a search without saying where to go on.")
    return {"page": number + 1}


def _behind(answer: Mapping[str, Any]) -> dict[str, str]:
    """Behind which record the next page of a list begins. One of the two alone repeats the first page."""
    meta = answer.get("meta")
    said = {name: meta.get(name) for name in ("startAfter", "startAfterId")} if isinstance(meta, dict) else {}
    return {name: str(value) for name, value in said.items()} if said and all(said.values()) else {}


def _is_alike(contact: Contact, email: str | None, phone: str | None) -> bool:
    same_address = bool(email) and _same(email, contact.email)
    return same_address or (bool(phone) and _number(contact.phone) == _number(phone))


def _same(ours: str | None, theirs: str | None) -> bool:
    return (ours or "").strip().casefold() == (theirs or "").strip().casefold()


def _holds(theirs: str | None, ours: str | None) -> bool:
    return ours is None or _same(ours, theirs)


def _holds_number(theirs: str | None, ours: str | None) -> bool:
    return ours is None or _number(ours) == _number(theirs)


def _number(text: str | None) -> str:
    return re.sub(r"\D", "", text or "")[-_DIGITS:]
