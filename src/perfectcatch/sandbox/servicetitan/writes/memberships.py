"""Memberships sold and changed, their visits, and the price book in bulk."""

from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.accounting import counter_invoice
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist
from perfectcatch.vendors.servicetitan.shapes import fits

_ROOT = "/memberships/v2/tenant/{tenant}"
_BULK = {
    "services": "pricebook.services",
    "equipment": "pricebook.equipment",
    "materials": "pricebook.materials",
    "discountAndFees": "pricebook.discounts_and_fees",
}
_YEAR = 365 * moments.DAY


def sell(call: Call) -> Answer:
    """Sell a membership: its invoice and the membership come at once."""
    tenant, body = call.tenant, call.body
    must_exist(call, "customerId", "crm.customers", body["customerId"])
    must_exist(call, "businessUnitId", "settings.business_units", body["businessUnitId"])
    must_exist(call, "locationId", "crm.locations", body.get("locationId"))
    plan = next(
        (row.record() for row in tenant.table("memberships.membership_types").by_id() if row.active), None
    )
    if plan is None:
        raise AnswerError(404, saleTaskId="There is no membership for sale.")
    membership, invoice = add(call, body, plan)
    return document({"invoiceId": invoice["id"], "customerMembershipId": membership["id"]}, call.route.status)


def add(call: Call, body: Record, plan: Record, **more: Any) -> tuple[Record, Record]:
    """Write a membership of a plan and its empty invoice; ``more`` are facts that no request can say."""
    tenant = call.tenant
    now = tenant.now()
    membership = tenant.add(
        "memberships.memberships",
        {
            **given(body, "customerId", "businessUnitId", "locationId", "recurringLocationId"),
            "membershipTypeId": plan["id"],
            "from": moments.write(now),
            "to": moments.write(now + _YEAR),
            "followUpOn": moments.write(now + _YEAR - 30 * moments.DAY),
            "nextScheduledBillDate": moments.write(now + 30 * moments.DAY),
            "billingFrequency": "Monthly",
            "status": "Active",
            "followUpStatus": "NotAttempted",
            "initialDeferredRevenue": 0.0,
            "duration": 12,
            "customFields": [],
            **more,
        },
    )
    invoice = counter_invoice(
        call, body["customerId"], body.get("locationId"), body["businessUnitId"], membership["id"]
    )
    return membership, invoice


def update(call: Call) -> Answer:
    """Change a membership; another status is told in the log of status changes."""
    tenant, body = call.tenant, call.body
    record = tenant.get("memberships.memberships", call.path["id"])
    changes = {name: value for name, value in body.items() if name in record}
    status = changes.get("status")
    if status and status != record["status"]:
        log_status(call, record, status)
        if status == "Canceled":
            changes["cancellationDate"] = tenant.stamp()
    tenant.edit("memberships.memberships", record["id"], **changes)
    return document({"id": record["id"]}, call.route.status)


def log_status(call: Call, record: Record, status: str) -> None:
    """Write a status change of a membership."""
    known = {"oldStatus": record["status"], "newStatus": status, "membershipId": record["id"], "note": None}
    call.tenant.add("memberships.membership_status_changes", {**known, "createdOn": call.tenant.stamp()})


def mark_visit(call: Call) -> Answer:
    """Mark a recurring visit as done by a job, or as not done."""
    must_exist(call, "jobId", "jpm.jobs", call.body["jobId"])
    done = call.route.action == "mark_complete"
    changes = {"status": "Won" if done else "NotAttempted", "jobId": call.body["jobId"] if done else None}
    record = call.tenant.edit("memberships.recurring_service_events", call.path["id"], **changes)
    return document({"id": record["id"]}, call.route.status)


# The price book in bulk -----------------------------------------------------------------------------


def bulk_update(call: Call) -> Answer:
    """Change many articles at once. Fields that the price book does not know are dropped in silence."""
    for name, collection in _BULK.items():
        for body in call.body.get(name) or ():
            must_exist(call, f"{name}.id", collection, body.get("id"))
            call.tenant.edit(collection, body["id"], **_known(call, collection, body))
    return nothing(call.route.status)


def bulk_create(call: Call) -> Answer:
    """Create many articles at once; the answer maps the caller's own ids to the new ones."""
    answer: dict[str, Any] = {}
    for name, collection in _BULK.items():
        made = []
        for body in call.body.get(name) or ():
            record = call.tenant.add(collection, _known(call, collection, body))
            made.append({"customId": body.get("customId") or "", "id": record["id"]})
        answer[name] = made
    shape = call.route.answer
    for name, made in answer.items():
        inner = shape.fields[name].inner if shape else None
        answer[name] = [call.shaped(inner, each) for each in made] if inner else made
    return document(answer, call.route.status)


def _known(call: Call, collection: str, body: Record) -> Record:
    fields = call.tenant.routes.all_fields(collection)
    return {
        name: value
        for name, value in body.items()
        if name in fields
        and name not in {"id", "externalData"}
        and value is not None
        and fits(value, fields[name])
    }


def rate_technician(call: Call) -> Answer:
    """Write what a customer thinks of a technician's work on a job; a second time replaces the first."""
    body = call.body
    facts = {
        "technicianId": body["technicianId"] if "technicianId" in body else call.number("technicianId"),
        "jobId": body["jobId"] if "jobId" in body else call.number("jobId"),
        "rating": body["rating"] if "rating" in body else body["value"],
    }
    must_exist(call, "technicianId", "settings.technicians", facts["technicianId"])
    must_exist(call, "jobId", "jpm.jobs", facts["jobId"])
    name, tenant = "customer_interactions.technician_ratings", call.tenant
    for row_id in tenant.table(name).column("jobId").ids(facts["jobId"]):
        row = tenant.table(name).rows[row_id]
        if row.record()["technicianId"] == facts["technicianId"]:
            tenant.remove(name, row_id)
            break
    return call.answer(tenant.add(name, facts))


_RATINGS = "/customer-interactions/v2/tenant/{tenant}"
WRITES: Area = {
    ("PUT", f"{_RATINGS}/technician-rating/technician/{{technicianId}}/job/{{jobId}}"): rate_technician,
    ("POST", f"{_RATINGS}/technician-ratings"): rate_technician,
    ("POST", f"{_ROOT}/memberships/sale"): sell,
    ("PATCH", f"{_ROOT}/memberships/{{id}}"): update,
    ("POST", f"{_ROOT}/recurring-service-events/{{id}}/mark-complete"): mark_visit,
    ("POST", f"{_ROOT}/recurring-service-events/{{id}}/mark-incomplete"): mark_visit,
    ("PATCH", "/pricebook/v2/tenant/{tenant}/pricebook"): bulk_update,
    ("POST", "/pricebook/v2/tenant/{tenant}/pricebook"): bulk_create,
}
