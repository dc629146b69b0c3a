"""Jobs: booked, changed, canceled, held, completed; their notes and equipment; projects that hold them."""

from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.accounting import open_invoice
from perfectcatch.sandbox.servicetitan.writes.appointments import add_appointment, check_span, job_status
from perfectcatch.sandbox.servicetitan.writes.crm import create_note, into_answer
from perfectcatch.sandbox.servicetitan.writes.kinds import (
    Area,
    custom_fields,
    external_data,
    given,
    must_exist,
)

_ROOT = "/jpm/v2/tenant/{tenant}"
_OPEN = frozenset({"Scheduled", "Dispatched", "InProgress", "Hold"})
_REFERENCES = (
    ("customerId", "crm.customers"),
    ("locationId", "crm.locations"),
    ("businessUnitId", "settings.business_units"),
    ("jobTypeId", "jpm.job_types"),
    ("campaignId", "marketing.campaigns"),
    ("projectId", "jpm.projects"),
)
_WRITABLE = [
    "customerId",
    "locationId",
    "businessUnitId",
    "jobGeneratedLeadSource",
    "jobTypeId",
    "priority",
    "campaignId",
    "summary",
    "tagTypeIds",
    "customerPo",
    "soldById",
    "isAutoDispatched",
    "summaryOfWork",
    "noCharge",
]
_OPTIONAL = ["projectId", "jobGeneratedLeadSource", "soldById", "partnerLeadCallId", "bookingId"]


def create_job(call: Call) -> Answer:
    """Book a job with its appointments and an empty invoice."""
    body = call.body
    if not body["appointments"]:
        raise AnswerError(400, appointments="At least one appointment is required.")
    for visit in body["appointments"]:
        check_span(visit)
    for field, collection in _REFERENCES:
        must_exist(call, field, collection, body.get(field))
    if call.tenant.get("crm.locations", body["locationId"])["customerId"] != body["customerId"]:
        raise AnswerError(400, locationId="The location does not belong to the customer.")
    job = book(call, body)
    if body.get("bookingId"):
        must_exist(call, "bookingId", "crm.bookings", body["bookingId"])
        call.tenant.edit("crm.bookings", body["bookingId"], status="Converted", jobId=job["id"])
    if body.get("leadId"):
        must_exist(call, "leadId", "crm.leads", body["leadId"])
        call.tenant.edit("crm.leads", body["leadId"], status="Converted")
    return document(into_answer(call, job), call.route.status)


def book(call: Call, body: dict[str, Any], **more: Any) -> Record:
    """Write a job, its appointments and assignments, and its invoice; ``more`` no request can say."""
    tenant = call.tenant
    number = _next_number(call)
    job = tenant.add(
        "jpm.jobs",
        {
            **given(
                body, "customerId", "locationId", "businessUnitId", "jobTypeId", "priority", "campaignId"
            ),
            **{name: value for name, value in given(body, *_OPTIONAL).items() if value is not None},
            "jobNumber": number,
            "jobStatus": "Scheduled",
            "completedOn": None,
            "appointmentCount": 0,
            "firstAppointmentId": 0,
            "lastAppointmentId": 0,
            "noCharge": bool(body.get("noCharge")),
            "notificationsEnabled": True,
            "tagTypeIds": body.get("tagTypeIds") or [],
            "customerPo": body.get("customerPo") or "",
            "invoiceId": 0,
            "total": 0.0,
            "summary": body.get("summary"),
            "isAutoDispatched": False,
            "customFields": custom_fields(call, "jpm.jobs", body),
            "externalData": external_data(body),
            **more,
        },
    )
    for visit in body["appointments"]:
        add_appointment(call, job["id"], visit)
    invoice = open_invoice(call, tenant.get("jpm.jobs", job["id"]))
    return tenant.edit("jpm.jobs", job["id"], invoiceId=invoice["id"])


def _next_number(call: Call) -> str:
    key = ("jpm.job_numbers", ())
    last = call.tenant.documents.get(key)
    if last is None:
        numbers = call.tenant.table("jpm.jobs").column("jobNumber").values.values()
        last = max((int(each) for each in numbers if str(each).isdigit()), default=100_000)
    call.tenant.documents[key] = last + 1
    return str(last + 1)


def update_job(call: Call) -> Answer:
    """Change a job; its status cannot be written here."""
    for field, collection in _REFERENCES:
        must_exist(call, field, collection, call.body.get(field))
    job = call.tenant.get("jpm.jobs", call.item)
    changes = given(call.body, *_WRITABLE)
    changes["customFields"] = custom_fields(call, "jpm.jobs", call.body, job["customFields"])
    changes["externalData"] = external_data(call.body, job["externalData"])
    return document(into_answer(call, call.tenant.edit("jpm.jobs", job["id"], **changes)))


def cancel_job(call: Call) -> Answer:
    """Cancel a job and its open appointments, with a reason. Raises 409 for a job that is over."""
    must_exist(call, "reasonId", "jpm.job_cancel_reasons", call.body["reasonId"])
    job = call.tenant.get("jpm.jobs", call.item)
    if job["jobStatus"] not in _OPEN:
        raise AnswerError(409, f"The job is {job['jobStatus']} and cannot be canceled.")
    cancel(call, job, call.body["reasonId"], call.body["memo"])
    return nothing(call.route.status)


def cancel(call: Call, job: Record, reason: int, memo: str) -> None:
    """Write the cancellation: appointments, reason, log, job, void invoice."""
    tenant = call.tenant
    for visit in tenant.find("jpm.appointments", "jobId", job["id"]):
        if visit["status"] not in {"Done", "Canceled"}:
            tenant.edit("jpm.appointments", visit["id"], status="Canceled")
            for each in tenant.find("dispatch.appointment_assignments", "appointmentId", visit["id"]):
                tenant.edit("dispatch.appointment_assignments", each["id"], active=False)
    name = tenant.get("jpm.job_cancel_reasons", reason)["name"]
    tenant.put(
        "jpm.jobs_cancel_reasons", {"jobId": job["id"], "reasonId": reason, "name": name, "text": memo}
    )
    tenant.add("jpm.job_canceled_logs", {"jobId": job["id"], "reasonId": reason, "memo": memo})
    tenant.edit("jpm.jobs", job["id"], jobStatus="Canceled")
    _void(call, job, void=True)


def _void(call: Call, job: Record, *, void: bool) -> None:
    """A canceled job's invoice is void while nothing is on it; with the job it comes back."""
    invoice = call.tenant.table("accounting.invoices").rows.get(job["invoiceId"])
    if invoice is not None and invoice.active is void and not invoice.record()["items"]:
        call.tenant.edit("accounting.invoices", invoice.id, active=not void)


def remove_cancellation(call: Call) -> Answer:
    """Bring a canceled job back. Raises 409 for a job that is not canceled."""
    tenant = call.tenant
    job = tenant.get("jpm.jobs", call.item)
    if job["jobStatus"] != "Canceled":
        raise AnswerError(409, "The job is not canceled.")
    for visit in tenant.find("jpm.appointments", "jobId", job["id"]):
        if visit["status"] == "Canceled":
            tenant.edit("jpm.appointments", visit["id"], status="Scheduled")
            for each in tenant.find("dispatch.appointment_assignments", "appointmentId", visit["id"]):
                tenant.edit("dispatch.appointment_assignments", each["id"], active=True)
    reasons = tenant.table("jpm.jobs_cancel_reasons")
    for row_id in list(reasons.column("jobId").ids(job["id"])):
        tenant.remove("jpm.jobs_cancel_reasons", row_id)
    for log in tenant.find("jpm.job_canceled_logs", "jobId", job["id"]):
        tenant.edit("jpm.job_canceled_logs", log["id"], active=False)
    tenant.edit("jpm.jobs", job["id"], jobStatus=job_status(tenant, job["id"]))
    _void(call, job, void=False)
    return nothing(call.route.status)


def hold_job(call: Call) -> Answer:
    """Put a job on hold (withdrawn from the documents, may still answer)."""
    must_exist(call, "reasonId", "jpm.job_hold_reasons", call.body["reasonId"])
    call.tenant.edit("jpm.jobs", call.item, jobStatus="Hold")
    return nothing(call.route.status)


def complete_job(call: Call) -> Answer:
    """Complete a job at a moment (withdrawn from the documents, may still answer)."""
    job = call.tenant.get("jpm.jobs", call.item)
    finish(call, job, call.body["completedOn"])
    return nothing(call.route.status)


def finish(call: Call, job: Record, moment: str) -> None:
    """End a job: its open appointments are done."""
    tenant = call.tenant
    for visit in tenant.find("jpm.appointments", "jobId", job["id"]):
        if visit["status"] not in {"Done", "Canceled"}:
            tenant.edit("jpm.appointments", visit["id"], status="Done")
            for each in tenant.find("dispatch.appointment_assignments", "appointmentId", visit["id"]):
                tenant.edit("dispatch.appointment_assignments", each["id"], status="Done", isPaused=False)
    tenant.edit("jpm.jobs", job["id"], jobStatus="Completed", completedOn=moment)


def equipment(call: Call) -> Answer:
    """Attach installed equipment to a job or detach it."""
    job = call.tenant.get("jpm.jobs", call.path["id"])
    named = (
        [call.number("equipmentId")]
        if "equipmentId" in call.path
        else (call.body or {}).get("equipmentIds", [])
    )
    rest = [each for each in job["equipmentIds"] if each not in named]
    after = rest if call.route.method == "DELETE" else [*rest, *named]
    job = call.tenant.edit("jpm.jobs", job["id"], equipmentIds=after)
    if call.route.answer is None:
        return nothing(call.route.status)
    return document({"equipmentIds": job["equipmentIds"]}, call.route.status)


def attach_to_project(call: Call) -> Answer:
    """Put a job into a project, or take it out of the one it is in."""
    tenant = call.tenant
    job = tenant.get("jpm.jobs", call.path["jobId"])
    if job["projectId"] is not None:
        _project_jobs(call, job["projectId"], job["id"], add=False)
    target = call.number("id") if "id" in call.path else None
    if target is not None:
        _project_jobs(call, target, job["id"], add=True)
    tenant.edit("jpm.jobs", job["id"], projectId=target)
    return nothing(call.route.status)


def _project_jobs(call: Call, project: int, job: int, *, add: bool) -> None:
    record = call.tenant.get("jpm.projects", project)
    rest = [each for each in record.get("jobIds") or () if each != job]
    call.tenant.edit("jpm.projects", project, jobIds=[*rest, job] if add else rest)


WRITES: Area = {
    ("POST", f"{_ROOT}/jobs"): create_job,
    ("PATCH", f"{_ROOT}/jobs/{{id}}"): update_job,
    ("PUT", f"{_ROOT}/jobs/{{id}}/cancel"): cancel_job,
    ("PUT", f"{_ROOT}/jobs/{{id}}/remove-cancellation"): remove_cancellation,
    ("PUT", f"{_ROOT}/jobs/{{id}}/hold"): hold_job,
    ("PUT", f"{_ROOT}/jobs/{{id}}/complete"): complete_job,
    ("POST", f"{_ROOT}/jobs/{{id}}/notes"): create_note,
    ("POST", f"{_ROOT}/jobs/{{id}}/equipment"): equipment,
    ("DELETE", f"{_ROOT}/jobs/{{id}}/equipment"): equipment,
    ("DELETE", f"{_ROOT}/jobs/{{id}}/equipment/{{equipmentId}}"): equipment,
    ("POST", f"{_ROOT}/projects/{{id}}/notes"): create_note,
    ("POST", f"{_ROOT}/projects/{{id}}/attach-job/{{jobId}}"): attach_to_project,
    ("POST", f"{_ROOT}/projects/detach-job/{{jobId}}"): attach_to_project,
}
