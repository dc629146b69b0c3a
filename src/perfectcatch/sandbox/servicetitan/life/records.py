"""Records are looked after: edited, merged, switched off and on, deleted, brought back."""

from collections.abc import Callable
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import ids, people, sentences, words
from perfectcatch.sandbox.servicetitan.company.lists import custom
from perfectcatch.sandbox.servicetitan.life import booking
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes import appointments, crm, inbound

_CUSTOMERS, _LOCATIONS, _CONTACTS = "crm.customers", "crm.locations", "crm.customers_contacts"


# Customers, locations, contacts ---------------------------------------------------------------------


def edit_customer(desk: Desk, _key: object) -> Did | None:
    """Something about a customer is set right."""
    record = desk.some(_CUSTOMERS, lately=0.7)
    if record is None:
        return None
    random = desk.random
    tags = [desk.tags[name] for name in ("VIP", "Prefers Text", "Slow Payer", "Landlord")]
    tag = random.choice(tags)
    changes: list[dict[str, Any]] = [
        {"doNotMail": not record["doNotMail"]},
        {
            "tagTypeIds": [each for each in record["tagTypeIds"] if each != tag]
            if tag in record["tagTypeIds"]
            else [*record["tagTypeIds"], tag]
        },
        {"address": {**record["address"], "unit": f"Unit {random.randrange(100, 900)}"}},
        {
            "customFields": _field(
                record, custom("Preferred Contact Time", random.choice(("Morning", "Afternoon", "Evening")))
            )
        },
        {
            "name": _respelled(record["name"], random.choice(words.LAST_NAMES))
            if record["type"] == "Residential"
            else record["name"]
        },
    ]
    change = random.choices(changes, (2, 4, 2, 2, 1))[0]
    if all(record[name] == value for name, value in change.items()):
        return None
    desk.tenant.edit(_CUSTOMERS, record["id"], **change)
    return {"what": "customer_edited", "customerId": record["id"], "fields": list(change)}


def _respelled(name: str, other: str) -> str:
    first, *rest = name.split()
    return f"{first} {rest[-1]}-{other}" if rest and "-" not in rest[-1] else f"{first} {other}"


def _field(record: Record, field: Record) -> list[Record]:
    return [each for each in record["customFields"] or () if each["typeId"] != field["typeId"]] + [field]


def edit_location(desk: Desk, _key: object) -> Did | None:
    """A gate code, a tag, a name of a location changes."""
    record = desk.some(_LOCATIONS, lately=0.7)
    if record is None:
        return None
    random = desk.random
    tag = desk.tags[random.choice(("Gated Community", "Dog on Property", "Screened Lanai", "Salt Pool"))]
    change: dict[str, Any] = random.choice(
        (
            {"customFields": _field(record, custom("Gate Code", f"#{random.randrange(1000, 9999)}"))},
            {"tagTypeIds": sorted({*record["tagTypeIds"], tag})},
        )
    )
    if all(record[name] == value for name, value in change.items()):
        return None
    desk.tenant.edit(_LOCATIONS, record["id"], **change)
    return {"what": "location_edited", "locationId": record["id"], "fields": list(change)}


def add_location(desk: Desk, _key: object) -> Did | None:
    """A customer has another place."""
    owner = desk.some(_CUSTOMERS, lately=0.7)
    if owner is None:
        return None
    where, zone, tax = people.address(desk.random)
    body = {"customerId": owner["id"], "name": f"{owner['name']} - Rental", "address": where}
    crm.create_location(desk.call(body))
    place = desk.tenant.table(_LOCATIONS).by_id()[-1].record()
    desk.tenant.edit(_LOCATIONS, place["id"], zoneId=ids.ZONES[zone], taxZoneId=ids.TAX_ZONES[tax])
    return {"what": "location_added", "locationId": place["id"], "customerId": owner["id"]}


def add_contact(desk: Desk, _key: object) -> Did | None:
    """A customer gives another telephone number or mail address."""
    owner = desk.some(_CUSTOMERS, lately=0.7)
    if owner is None:
        return None
    random = desk.random
    ten = people.digits(random.randrange(9_000))
    body = random.choice(
        (
            {"type": "Phone", "value": people.spelled(random, ten), "memo": "Work"},
            {
                "type": "Email",
                "value": f"{random.choice(words.FIRST_NAMES)}.{owner['id']}@example.net".lower(),
            },
        )
    )
    record = crm.add_contact(desk.call(), "customer", owner["id"], body)
    return {"what": "contact_added", "contactId": record["id"], "customerId": owner["id"]}


def edit_contact(desk: Desk, _key: object) -> Did | None:
    """A contact is typed anew, or a wish about messages noted."""
    record = desk.some(_CONTACTS, lately=0.7)
    if record is None:
        return None
    random = desk.random
    if record["type"] == "Email" or desk.chance(0.4):
        preferences = {**(record.get("preferences") or {}), "marketingUpdatesEnabled": desk.chance(0.3)}
        change: dict[str, Any] = {"preferences": preferences}
    else:
        ten = people.digits(random.randrange(9_000))
        change = {
            "value": people.spelled(random, ten),
            "phoneSettings": {**record["phoneSettings"], "phoneNumber": ten},
        }
    desk.tenant.edit(_CONTACTS, record["id"], **change)
    return {"what": "contact_edited", "contactId": record["id"]}


def delete_contact(desk: Desk, _key: object) -> Did | None:
    """A contact is deleted; no feed tells of it."""
    record = desk.some(_CONTACTS, lambda each: each["type"] in {"Phone", "Fax", "Email"}, lately=0.7)
    if record is None:
        return None
    desk.tenant.delete(_CONTACTS, record["id"])
    return {"what": "contact_deleted", "contactId": record["id"]}


def merge(desk: Desk, _key: object) -> Did | None:
    """Two records of the same customer become one; so, sometimes, do two of its locations."""
    winner = desk.some(_CUSTOMERS, lambda each: each["mergedToId"] is None, lately=0.7)
    loser = desk.some(_CUSTOMERS, lambda each: each["mergedToId"] is None, lately=0.5)
    if winner is None or loser is None or winner["id"] == loser["id"] or winner["type"] != loser["type"]:
        return None
    desk.tenant.merge(_CUSTOMERS, loser["id"], winner["id"])
    _own(desk, winner["id"], loser["id"])
    return {"what": "customers_merged", "from": loser["id"], "to": winner["id"]}


def _own(desk: Desk, winner: int, loser: int) -> None:
    """The winner owes what the loser owed."""
    tenant = desk.tenant
    owed = tenant.get(_CUSTOMERS, loser)["balance"]
    if owed:
        balance = round(tenant.get(_CUSTOMERS, winner)["balance"] + owed, 2)
        tenant.edit(_CUSTOMERS, winner, balance=balance)
        tenant.edit(_CUSTOMERS, loser, balance=0.0)


def merge_locations(desk: Desk, _key: object) -> Did | None:
    """A location that was written down twice."""
    owners = desk.tenant.table(_LOCATIONS).column("customerId")
    place = desk.some(_LOCATIONS, lambda each: len(owners.ids(each["customerId"])) > 1, lately=0.9)
    if place is None:
        return None
    others = [
        each
        for each in desk.tenant.find(_LOCATIONS, "customerId", place["customerId"])
        if each["id"] != place["id"] and each["active"] and each["mergedToId"] is None
    ]
    if not others:
        return None
    desk.tenant.merge(_LOCATIONS, others[0]["id"], place["id"])
    return {"what": "locations_merged", "from": others[0]["id"], "to": place["id"]}


# Off and on -----------------------------------------------------------------------------------------


def _quiet(desk: Desk) -> Callable[[Record], bool]:
    jobs = desk.tenant.table("jpm.jobs")
    owners, statuses = jobs.column("customerId"), jobs.column("jobStatus").values
    return lambda each: (
        not each["balance"]
        and not any(statuses[job] not in {"Completed", "Canceled"} for job in owners.ids(each["id"]))
    )


def deactivate(desk: Desk, _key: object) -> Did | None:
    """A customer without open work or debts is switched off, and its locations with it."""
    record = desk.some(_CUSTOMERS, _quiet(desk), lately=1)
    if record is None:
        return None
    desk.tenant.edit(_CUSTOMERS, record["id"], active=False)
    for place in desk.tenant.find(_LOCATIONS, "customerId", record["id"]):
        if place["active"]:
            desk.tenant.edit(_LOCATIONS, place["id"], active=False)
    return {"what": "customer_deactivated", "customerId": record["id"]}


def reactivate(desk: Desk, _key: object) -> Did | None:
    """A former customer comes back."""
    record = desk.some(_CUSTOMERS, lambda each: each["mergedToId"] is None, lately=1, active=False)
    if record is None:
        return None
    desk.tenant.edit(_CUSTOMERS, record["id"], active=True)
    for place in desk.tenant.find(_LOCATIONS, "customerId", record["id"]):
        if not place["active"] and place["mergedToId"] is None:
            desk.tenant.edit(_LOCATIONS, place["id"], active=True)
    return {"what": "customer_reactivated", "customerId": record["id"]}


# Jobs and what hangs on them ------------------------------------------------------------------------


def edit_job(desk: Desk, _key: object) -> Did | None:
    """A job's text, priority or tags change while it is open."""
    record = desk.some(
        "jpm.jobs", lambda each: each["jobStatus"] not in {"Completed", "Canceled"}, lately=0.1
    )
    if record is None:
        return None
    random = desk.random
    tag = desk.tags[
        random.choice(("Warranty", "Financing", "Permit Needed", "Second Opinion", "Parts Ordered"))
    ]
    change: dict[str, Any] = random.choice(
        (
            {"tagTypeIds": sorted({*record["tagTypeIds"], tag})},
            {"priority": random.choice(("Low", "Normal", "High", "Urgent"))},
            {"summary": f"{record['summary'] or ''}<p>{sentences.note(random)}</p>"},
        )
    )
    if all(record[name] == value for name, value in change.items()):
        return None
    desk.tenant.edit("jpm.jobs", record["id"], **change)
    return {"what": "job_edited", "jobId": record["id"], "fields": list(change)}


def note_job(desk: Desk, _key: object) -> Did | None:
    """Somebody writes a note on a job."""
    record = desk.some("jpm.jobs", lately=0.15)
    if record is None:
        return None
    text = {"text": sentences.note(desk.random), "isPinned": desk.chance(0.08), "jobId": record["id"]}
    note = desk.tenant.add("jpm.job_notes", text)
    return {"what": "job_noted", "noteId": note["id"], "jobId": record["id"]}


def note_customer(desk: Desk, _key: object) -> Did | None:
    """Somebody writes a note on a customer."""
    record = desk.some(_CUSTOMERS, lately=0.5)
    if record is None:
        return None
    text = {"text": sentences.note(desk.random), "isPinned": False}
    note = desk.tenant.add("crm.customers_notes", text, (str(record["id"]),))
    return {"what": "customer_noted", "noteId": note["id"], "customerId": record["id"]}


def delete_note(desk: Desk, _key: object) -> Did | None:
    """A note on a customer is deleted without a trace, where somebody wrote one; else one on a job."""
    rows = [row for row in desk.tenant.table("crm.customers_notes").rows.values() if row.scope]
    if rows and desk.chance(0.5):
        row = desk.random.choice(sorted(rows, key=lambda each: str(each.id)))
        desk.tenant.delete("crm.customers_notes", row.id)
        return {"what": "customer_note_deleted", "noteId": row.id}
    return _delete(desk, "jpm.job_notes", "job_note_deleted")


def _delete(
    desk: Desk, collection: str, what: str, fits: Callable[[Record], bool] = lambda _: True
) -> Did | None:
    record = desk.some(collection, fits, lately=0.3)
    if record is None:
        return None
    desk.tenant.delete(collection, record["id"])
    desk.deleted.append((collection, record["id"]))
    return {"what": what, "id": record["id"]}


def delete_estimate(desk: Desk, _key: object) -> Did | None:
    """An estimate that was a mistake is deleted; the feed tells it as inactive."""
    return _delete(
        desk, "sales.estimates", "estimate_deleted", lambda each: (each["status"] or {}).get("name") == "Open"
    )


def delete_lead(desk: Desk, _key: object) -> Did | None:
    """A lead that was no lead is deleted."""
    return _delete(desk, "crm.leads", "lead_deleted", lambda each: each["status"] != "Converted")


def delete_visit(desk: Desk, _key: object) -> Did | None:
    """A job's further visit is not needed after all."""
    visit = desk.some("jpm.appointments", lambda each: each["status"] == "Scheduled", lately=0.1)
    if visit is None or len(desk.tenant.find("jpm.appointments", "jobId", visit["jobId"])) == 1:
        return None
    appointments.delete(desk.call(None, id=visit["id"]))
    return {"what": "visit_deleted", "appointmentId": visit["id"], "jobId": visit["jobId"]}


def undelete(desk: Desk, _key: object) -> Did | None:
    """What was deleted by mistake comes back."""
    while desk.deleted:
        collection, number = desk.deleted.pop(desk.random.randrange(len(desk.deleted)))
        row = desk.tenant.table(collection).rows.get(number)
        if row is not None and row.hidden:
            desk.tenant.restore(collection, number)
            return {"what": "record_restored", "collection": collection, "id": number}
    return None


def reopen_lead(desk: Desk, _key: object) -> Did | None:
    """Somebody who was given up calls again."""
    record = desk.some("crm.leads", lambda each: each["status"] == "Dismissed", lately=0.3)
    if record is None:
        return None
    desk.tenant.edit("crm.leads", record["id"], status="Open", dismissingReasonId=None)
    again = desk.now + booking.random_day(desk.random, 1, 3)
    inbound.follow_up(
        desk.call({"followUpDate": moments.write(again), "text": "Called again."}, id=record["id"])
    )
    desk.agenda.set("lead", record["id"], again)
    return {"what": "lead_reopened", "leadId": record["id"]}
