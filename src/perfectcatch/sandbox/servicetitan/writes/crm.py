"""Customers, locations, their contacts, notes and tags."""

import re
from collections.abc import Mapping
from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.views import into
from perfectcatch.sandbox.servicetitan.writes.kinds import (
    Area,
    custom_fields,
    external_data,
    given,
    must_exist,
)

_ROOT = "/crm/v2/tenant/{tenant}"
_ALLOWED = (
    "jobRemindersEnabled",
    "marketingUpdatesEnabled",
    "invoiceStatementNotification",
    "invoiceNotification",
)
_CUSTOMER = [
    "name",
    "type",
    "doNotMail",
    "doNotService",
    "nationalAccount",
    "taxExempt",
    "paymentTermId",
    "creditLimit",
    "creditLimitBalance",
    "active",
    "tagTypeIds",
]
_LOCATION = ["name", "active", "taxZoneId", "tagTypeIds", "customerId"]


# Customers and locations ----------------------------------------------------------------------------


def create_customer(call: Call) -> Answer:
    """Create a customer with its locations and contacts."""
    body = call.body
    if not body["locations"]:
        raise AnswerError(400, locations="At least one location is required.")
    facts = {name: value for name, value in given(body, *_CUSTOMER).items() if value is not None}
    record = call.tenant.add(
        "crm.customers",
        {
            "type": "Residential",
            "doNotMail": False,
            "doNotService": False,
            "nationalAccount": False,
            "taxExempt": False,
            "tagTypeIds": [],
            **facts,
            "balance": 0.0,
            "mergedToId": None,
            "address": body["address"],
            "customFields": custom_fields(call, "crm.customers", body),
            "externalData": external_data(body),
        },
    )
    contacts = [add_contact(call, "customer", record["id"], each) for each in body.get("contacts") or ()]
    locations = [_new_location(call, {**each, "customerId": record["id"]}) for each in body["locations"]]
    return document(_created(call, {**record, "contacts": contacts, "locations": locations}))


def create_location(call: Call) -> Answer:
    """Create a location of a customer that exists."""
    must_exist(call, "customerId", "crm.customers", call.body["customerId"])
    return document(_created(call, _new_location(call, call.body)))


def _new_location(call: Call, body: Mapping[str, Any]) -> Record:
    record = call.tenant.add(
        "crm.locations",
        {
            "taxExempt": False,
            "zoneId": None,
            "mergedToId": None,
            "taxZoneId": None,
            "tagTypeIds": body.get("tagTypeIds") or [],
            **given(body, "name", "customerId"),
            "address": body["address"],
            "customFields": custom_fields(call, "crm.locations", body),
            "externalData": external_data(body),
        },
    )
    contacts = [add_contact(call, "location", record["id"], each) for each in body.get("contacts") or ()]
    return {**record, "contacts": contacts}


def _created(call: Call, record: Record) -> Record:
    shape = call.route.answer
    return _nested(call, shape, record) if shape else record


def _nested(call: Call, shape: Any, record: Record) -> Record:
    """Contacts and locations inside the answer have shapes of their own."""
    shown = dict(record)
    for name in ("contacts", "locations"):
        inner = shape.fields.get(name)
        if inner is not None and name in record:
            shown[name] = [_nested(call, inner.inner, each) for each in record[name]]
    return into(call.tenant, shape, shown)


def update_customer(call: Call) -> Answer:
    """Change a customer; what the body leaves out stays."""
    return document(into_answer(call, _update(call, "crm.customers", _CUSTOMER)))


def update_location(call: Call) -> Answer:
    """Change a location; another ``customerId`` moves it."""
    must_exist(call, "customerId", "crm.customers", call.body.get("customerId"))
    return document(into_answer(call, _update(call, "crm.locations", _LOCATION)))


def _update(call: Call, collection: str, fields: list[str]) -> Record:
    record = call.tenant.get(collection, call.item)
    changes = {name: value for name, value in given(call.body, *fields).items() if value is not None}
    if isinstance(call.body.get("address"), dict):
        changes["address"] = {**record["address"], **call.body["address"]}
    changes["customFields"] = custom_fields(call, collection, call.body, record["customFields"])
    changes["externalData"] = external_data(call.body, record["externalData"])
    return call.tenant.edit(collection, record["id"], **changes)


def into_answer(call: Call, record: Record) -> Record:
    """A record in the answer's shape."""
    return into(call.tenant, call.route.answer, record) if call.route.answer else record


# Contacts -------------------------------------------------------------------------------------------


def add_contact(call: Call, owner: str, owner_id: int, body: Mapping[str, Any]) -> Record:
    """Add a contact to a customer or location. The owner's own modification time stays as it is."""
    return call.tenant.add(
        f"crm.{owner}s_contacts",
        {
            "type": body["type"],
            "value": body["value"],
            "memo": body.get("memo"),
            "phoneSettings": _phone(body["type"], body["value"]),
            "preferences": dict.fromkeys((*_ALLOWED, "statementNotification"), True),
            f"{owner}Id": owner_id,
        },
    )


def _phone(kind: str, value: str) -> dict[str, Any]:
    digits = re.sub(r"\D", "", value) if kind in {"Phone", "MobilePhone", "Fax"} else ""
    return {"phoneNumber": digits, "doNotText": False}


def create_contact(call: Call) -> Answer:
    """Add a contact below a customer or location."""
    owner = _owner(call)
    return document(
        into_answer(call, add_contact(call, owner, call.number("id"), call.body)), call.route.status
    )


def _owner(call: Call) -> str:
    owner = "customer" if "/customers/" in call.route.path else "location"
    call.tenant.row(f"crm.{owner}s", call.path["id"])
    return owner


def _contact(call: Call) -> tuple[str, Record]:
    owner = _owner(call)
    collection = f"crm.{owner}s_contacts"
    record = call.tenant.get(collection, call.path["contactId"])
    if record[f"{owner}Id"] != call.number("id"):
        raise AnswerError(404)
    return collection, record


def update_contact(call: Call) -> Answer:
    """Change a contact."""
    collection, record = _contact(call)
    changes = {
        name: value for name, value in given(call.body, "type", "value", "memo").items() if value is not None
    }
    merged = {**record, **changes}
    changes["phoneSettings"] = {**record["phoneSettings"], **_phone(merged["type"], merged["value"])}
    changes["phoneSettings"]["doNotText"] = record["phoneSettings"]["doNotText"]
    if isinstance(call.body.get("preferences"), dict):
        changes["preferences"] = {**(record.get("preferences") or {}), **call.body["preferences"]}
    return document(into_answer(call, call.tenant.edit(collection, record["id"], **changes)))


def delete_contact(call: Call) -> Answer:
    """Delete a contact; no feed tells of it."""
    collection, record = _contact(call)
    call.tenant.delete(collection, record["id"])
    return nothing(call.route.status)


# Notes and tags -------------------------------------------------------------------------------------


def create_note(call: Call) -> Answer:
    """Pin or add a note below a customer, location, lead, job or project."""
    owner = call.route.parents[0][1]
    collection = call.route.collection
    call.tenant.row(f"{collection.split('.')[0]}.{owner}", call.path["id"])
    facts = {"text": call.body["text"], "isPinned": bool(call.body.get("pinToTop"))}
    fields = call.tenant.routes.all_fields(collection)
    link = f"{owner.removesuffix('s')}Id"
    known: Record = {**facts, link: call.number("id")} if link in fields else facts
    record = call.tenant.add(collection, known, call.scope)
    return document(into_answer(call, record), call.route.status)


def add_tag(call: Call) -> Answer:
    """Put a tag on a customer or location."""
    collection, record, tag = _tagged(call)
    tags = list(dict.fromkeys([*record["tagTypeIds"], tag]))
    call.tenant.edit(collection, record["id"], tagTypeIds=tags)
    link = "customerId" if collection == "crm.customers" else "locationId"
    return document({link: record["id"], "tagTypeIds": tags}, call.route.status)


def remove_tag(call: Call) -> Answer:
    """Take a tag off. Raises 404 where it is not on."""
    collection, record, tag = _tagged(call)
    if tag not in record["tagTypeIds"]:
        raise AnswerError(404)
    call.tenant.edit(
        collection, record["id"], tagTypeIds=[each for each in record["tagTypeIds"] if each != tag]
    )
    return nothing(call.route.status)


def _tagged(call: Call) -> tuple[str, Record, int]:
    collection = call.route.collection
    tag = call.number("tagTypeId")
    if call.route.method == "POST":
        must_exist(call, "tagTypeId", "settings.tag_types", tag)
    return collection, call.tenant.get(collection, call.path["id"]), tag


def bulk_tags(call: Call) -> Answer:
    """Put tags on many customers at once, or take them off."""
    for number in call.body["customerIds"]:
        tags = call.tenant.get("crm.customers", number)["tagTypeIds"]
        rest = [each for each in tags if each not in call.body["tagTypeIds"]]
        after = rest if call.route.method == "DELETE" else [*rest, *call.body["tagTypeIds"]]
        call.tenant.edit("crm.customers", number, tagTypeIds=after)
    return nothing(call.route.status)


def relationship(call: Call) -> Answer:
    """Tie a contact of the contact hub to a customer or location, or untie it. Raises 404."""
    tenant, scope = call.tenant, (call.path["contactId"],)
    tenant.row("crm.contacts", scope[0])
    known: Record = {"relatedEntityId": call.number("relatedEntityId"), "typeSlug": call.path["typeSlug"]}
    if call.route.method == "POST":
        facts = {**known, "typeName": known["typeSlug"].title(), "createdBy": tenant.office()}
        tenant.add("crm.contacts_relationships", facts, scope)
        return nothing(call.route.status)
    for row in tenant.table("crm.contacts_relationships").rows.values():
        if row.scope == scope and known.items() <= row.record().items():
            tenant.remove("crm.contacts_relationships", row.id)
            return nothing(call.route.status)
    raise AnswerError(404)


def preferred_technician(call: Call) -> Answer:
    """Name the technician whom a location prefers."""
    call.tenant.row("crm.locations", call.path["id"])
    technician = call.number("preferredTechnicianId")
    must_exist(call, "preferredTechnicianId", "settings.technicians", technician)
    call.tenant.documents["crm.locations_preferredtechnician", (call.path["id"],)] = technician
    return nothing(call.route.status)


_TIE = f"{_ROOT}/contacts/{{contactId}}/relationships/{{relatedEntityId}}/{{typeSlug}}"
WRITES: Area = {
    ("POST", _TIE): relationship,
    ("DELETE", _TIE): relationship,
    ("POST", f"{_ROOT}/customers"): create_customer,
    ("PATCH", f"{_ROOT}/customers/{{id}}"): update_customer,
    ("POST", f"{_ROOT}/customers/{{id}}/contacts"): create_contact,
    ("PATCH", f"{_ROOT}/customers/{{id}}/contacts/{{contactId}}"): update_contact,
    ("DELETE", f"{_ROOT}/customers/{{id}}/contacts/{{contactId}}"): delete_contact,
    ("POST", f"{_ROOT}/customers/{{id}}/notes"): create_note,
    ("POST", f"{_ROOT}/customers/{{id}}/tags/{{tagTypeId}}"): add_tag,
    ("DELETE", f"{_ROOT}/customers/{{id}}/tags/{{tagTypeId}}"): remove_tag,
    ("POST", f"{_ROOT}/locations"): create_location,
    ("PATCH", f"{_ROOT}/locations/{{id}}"): update_location,
    ("POST", f"{_ROOT}/locations/{{id}}/contacts"): create_contact,
    ("PATCH", f"{_ROOT}/locations/{{id}}/contacts/{{contactId}}"): update_contact,
    ("DELETE", f"{_ROOT}/locations/{{id}}/contacts/{{contactId}}"): delete_contact,
    ("POST", f"{_ROOT}/locations/{{id}}/notes"): create_note,
    ("POST", f"{_ROOT}/locations/{{id}}/tags/{{tagTypeId}}"): add_tag,
    ("DELETE", f"{_ROOT}/locations/{{id}}/tags/{{tagTypeId}}"): remove_tag,
    ("POST", f"{_ROOT}/locations/{{id}}/preferredtechnician/{{preferredTechnicianId}}"): preferred_technician,
    ("PUT", f"{_ROOT}/tags"): bulk_tags,
    ("DELETE", f"{_ROOT}/tags"): bulk_tags,
    ("POST", f"{_ROOT}/leads/{{id}}/notes"): create_note,
}
