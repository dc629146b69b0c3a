"""How customers come in: bookings, leads, calls."""

from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.crm import into_answer
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist
from perfectcatch.vendors.servicetitan.shapes import fits

_ROOT = "/crm/v2/tenant/{tenant}"
_PROVIDER = f"{_ROOT}/booking-provider/{{booking_provider}}/bookings"
_BOOKING = [
    "source",
    "name",
    "address",
    "customerType",
    "start",
    "summary",
    "campaignId",
    "businessUnitId",
    "jobTypeId",
    "priority",
    "isFirstTimeClient",
    "uploadedImages",
    "isSendConfirmationEmail",
    "externalId",
]
_LEAD = [
    "customerId",
    "locationId",
    "campaignId",
    "businessUnitId",
    "jobTypeId",
    "summary",
    "tagTypeIds",
    "priority",
    "callReasonId",
    "followUpDate",
    "bookingId",
    "leadCustomerName",
    "leadPhone",
    "leadEmail",
    "leadStreet",
    "leadUnit",
    "leadCity",
    "leadState",
    "leadZip",
    "leadCountry",
]


# Bookings -------------------------------------------------------------------------------------------


def create_booking(call: Call) -> Answer:
    """Take a booking from a provider, with its contacts."""
    record = add_booking(call, call.number("booking_provider"), call.body)
    return document(into_answer(call, record), call.route.status)


def add_booking(call: Call, provider: int, body: dict[str, Any]) -> Record:
    """Write a booking and its contacts."""
    facts = {name: value for name, value in given(body, *_BOOKING).items() if value is not None}
    fields = call.tenant.routes.all_fields("crm.bookings")
    facts = {name: value for name, value in facts.items() if fits(value, fields[name])}
    record = call.tenant.add(
        "crm.bookings",
        {
            "start": call.tenant.stamp(),
            "priority": "Normal",
            **facts,
            "status": "New",
            "bookingProviderId": provider,
        },
    )
    for each in body.get("contacts") or ():
        contact = {**each, "memo": each.get("memo") or ""}
        call.tenant.add("crm.bookings_contacts", contact, (str(record["id"]),))
    return record


def _booking(call: Call) -> Record:
    record = call.tenant.get("crm.bookings", call.path["id"])
    if record["bookingProviderId"] != call.number("booking_provider"):
        raise AnswerError(404)
    return record


def update_booking(call: Call) -> Answer:
    """Change a booking of this provider."""
    record = _booking(call)
    changes = {name: value for name, value in given(call.body, *_BOOKING).items() if value is not None}
    if isinstance(changes.get("address"), dict):
        changes["address"] = {**(record["address"] or {}), **changes["address"]}
    return document(into_answer(call, call.tenant.edit("crm.bookings", record["id"], **changes)))


def dismiss_booking(call: Call) -> Answer:
    """Dismiss a booking. Raises 409 for one that became a job."""
    record = _booking(call)
    if record["status"] == "Converted":
        raise AnswerError(409, "The booking became a job.")
    reason = call.body.get("callReasonId")
    call.tenant.edit("crm.bookings", record["id"], status="Dismissed", dismissingReasonId=reason)
    return nothing(call.route.status)


# Leads ----------------------------------------------------------------------------------------------


def create_lead(call: Call) -> Answer:
    """Write a lead."""
    must_exist(call, "campaignId", "marketing.campaigns", call.body["campaignId"])
    must_exist(call, "customerId", "crm.customers", call.body.get("customerId"))
    must_exist(call, "locationId", "crm.locations", call.body.get("locationId"))
    facts = {name: value for name, value in given(call.body, *_LEAD).items() if value is not None}
    record = call.tenant.add("crm.leads", {"priority": "Normal", "tagTypeIds": [], **facts, "status": "Open"})
    return document(into_answer(call, record), call.route.status)


def submit_form(call: Call) -> Answer:
    """Take a lead from a form on a website."""
    body = call.body
    campaign = next(iter(call.tenant.table("marketing.campaigns").rows), 0)
    known: Record = {
        "status": "Open",
        "priority": "Normal",
        "campaignId": campaign,
        "leadCustomerName": body["name"],
        "leadEmail": body.get("email"),
        "leadPhone": body.get("phoneNumber"),
        "summary": body.get("summary"),
        "captureSource": "Form",
    }
    for name, value in (body.get("address") or {}).items():
        if isinstance(value, str):
            known[f"lead{name[0].upper()}{name[1:]}"] = value
    return document({"leadId": call.tenant.add("crm.leads", known)["id"]}, call.route.status)


def dismiss_lead(call: Call) -> Answer:
    """Dismiss a lead. Raises 409 for one that became a job."""
    record = call.tenant.get("crm.leads", call.path["id"])
    if record["status"] == "Converted":
        raise AnswerError(409, "The lead became a job.")
    reason = call.body["dismissingReasonId"]
    call.tenant.edit("crm.leads", record["id"], status="Dismissed", dismissingReasonId=reason)
    return nothing(call.route.status)


def follow_up(call: Call) -> Answer:
    """Set when to come back to a lead."""
    record = call.tenant.edit("crm.leads", call.path["id"], followUpDate=call.body["followUpDate"])
    text = {
        "leadId": record["id"],
        **given(call.body, "followUpDate", "text"),
        "pinToTop": bool(call.body.get("pinToTop")),
    }
    return call.answer(text)


# Calls ----------------------------------------------------------------------------------------------


def update_call(call: Call) -> Answer:
    """Write what a call was about."""
    tenant, body = call.tenant, call.body
    record = tenant.get("telecom.calls", call.path["id"])
    changes: Record = {
        name: value for name, value in given(body, "excuseMemo", "tag").items() if value is not None
    }
    if body.get("callType"):
        changes["type"] = body["callType"]
    for field, name, collection in (
        ("campaignId", "campaign", "marketing.campaigns"),
        ("agentId", "agent", "settings.employees"),
    ):
        must_exist(call, field, collection, body.get(field))
        if body.get(field):
            changes[name] = tenant.named(collection, body[field])
    must_exist(call, "jobId", "jpm.jobs", body.get("jobId"))
    if body.get("jobId"):
        job = tenant.get("jpm.jobs", body["jobId"])
        changes["job"] = {"id": job["id"], "number": job["jobNumber"]}
    record = tenant.edit("telecom.calls", record["id"], **changes)
    known = {**record, "callType": record["type"], "receivedOn": record["createdOn"]}
    return call.answer(_fitting(call, known))


def _fitting(call: Call, known: Record) -> Record:
    fields = call.route.answer.fields if call.route.answer else {}
    return {
        name: value
        for name, value in known.items()
        if name in fields and fits(value, fields[name]) and value is not None
    }


WRITES: Area = {
    ("POST", _PROVIDER): create_booking,
    ("PATCH", f"{_PROVIDER}/{{id}}"): update_booking,
    ("POST", f"{_PROVIDER}/{{id}}/dismiss"): dismiss_booking,
    ("POST", f"{_ROOT}/leads"): create_lead,
    ("POST", f"{_ROOT}/leads/form"): submit_form,
    ("POST", f"{_ROOT}/leads/{{id}}/dismiss"): dismiss_lead,
    ("POST", f"{_ROOT}/leads/{{id}}/follow-up"): follow_up,
    ("PUT", "/telecom/v2/tenant/{tenant}/calls/{id}"): update_call,
}
