"""Appointments and who is sent to them."""

from collections.abc import Mapping
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.sandbox.servicetitan.writes.crm import into_answer
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist

_ROOT = "/jpm/v2/tenant/{tenant}/appointments"
_BOARD = "/dispatch/v2/tenant/{tenant}/appointment-assignments"
_OVER = frozenset({"Done", "Canceled"})


def check_span(body: Mapping[str, Any]) -> None:
    """Check that a visit ends after it starts. Raises 400."""
    start, end = body.get("start"), body.get("end")
    if start and end and moments.read(end) <= moments.read(start):
        raise AnswerError(400, end="The end must be after the start.")


def job_status(tenant: Tenant, job_id: int) -> str:
    """What a job's appointments make of its status."""
    statuses = {each["status"] for each in tenant.find("jpm.appointments", "jobId", job_id)}
    for status, means in (
        ("Working", "InProgress"),
        ("Dispatched", "Dispatched"),
        ("Scheduled", "Scheduled"),
    ):
        if status in statuses:
            return means
    if "Hold" in statuses:
        return "Hold"
    return "Completed" if "Done" in statuses else "Canceled"


def add_appointment(call: Call, job_id: int, body: Mapping[str, Any]) -> Record:
    """Write an appointment of a job and its assignments; the job counts it."""
    tenant = call.tenant
    job = tenant.get("jpm.jobs", job_id)
    count = job["appointmentCount"] + 1
    visit = tenant.add(
        "jpm.appointments",
        {
            **given(body, "start", "end", "arrivalWindowStart", "arrivalWindowEnd", "specialInstructions"),
            "jobId": job_id,
            "appointmentNumber": f"{job['jobNumber']}-{count}",
            "status": "Scheduled",
            "customerId": job["customerId"],
            "unused": False,
            "isConfirmed": False,
            "appointmentSummaries": [],
        },
    )
    first = job["firstAppointmentId"] or visit["id"]
    changes = {"appointmentCount": count, "firstAppointmentId": first, "lastAppointmentId": visit["id"]}
    tenant.edit("jpm.jobs", job_id, **changes)
    for technician in body.get("technicianIds") or ():
        assign(call, visit, technician)
    return visit


def assign(call: Call, visit: Record, technician: int) -> Record:
    """Send a technician to an appointment, once."""
    tenant = call.tenant
    must_exist(call, "technicianIds", "settings.technicians", technician)
    for each in tenant.find("dispatch.appointment_assignments", "appointmentId", visit["id"]):
        if each["technicianId"] == technician:
            return tenant.edit("dispatch.appointment_assignments", each["id"], active=True)
    return tenant.add(
        "dispatch.appointment_assignments",
        {
            "technicianId": technician,
            "technicianName": tenant.get("settings.technicians", technician)["name"],
            "assignedById": tenant.office(),
            "assignedOn": tenant.stamp(),
            "status": "Scheduled",
            "isPaused": False,
            "jobId": visit["jobId"],
            "appointmentId": visit["id"],
        },
    )


def create(call: Call) -> Answer:
    """Add an appointment to a job. Raises 409 for a job that is over."""
    must_exist(call, "jobId", "jpm.jobs", call.body["jobId"])
    check_span(call.body)
    job = call.tenant.get("jpm.jobs", call.body["jobId"])
    if job["jobStatus"] == "Canceled":
        raise AnswerError(409, "The job is canceled.")
    visit = add_appointment(call, job["id"], call.body)
    if job["jobStatus"] == "Completed":
        call.tenant.edit("jpm.jobs", job["id"], jobStatus="Scheduled", completedOn=None)
    return document(into_answer(call, visit), call.route.status)


def _open(call: Call) -> Record:
    visit = call.tenant.get("jpm.appointments", call.path["id"])
    if visit["status"] in _OVER:
        raise AnswerError(409, f"The appointment is {visit['status']}.")
    return visit


def _set(call: Call, visit: Record, **changes: Any) -> Record:
    """Change an appointment and let its job's status follow."""
    tenant = call.tenant
    visit = tenant.edit("jpm.appointments", visit["id"], **changes)
    if "status" in changes:
        status = job_status(tenant, visit["jobId"])
        if tenant.get("jpm.jobs", visit["jobId"])["jobStatus"] != status:
            tenant.edit("jpm.jobs", visit["jobId"], jobStatus=status)
    return visit


def reschedule(call: Call) -> Answer:
    """Move an appointment. The confirmation goes, as the customer confirmed another time."""
    visit = _open(call)
    changes = given(call.body, "start", "end", "arrivalWindowStart", "arrivalWindowEnd")
    check_span({**visit, **changes})
    return document(into_answer(call, _set(call, visit, **changes, isConfirmed=False)))


def hold(call: Call) -> Answer:
    """Put an appointment on hold, with a reason, or take it off hold."""
    visit = _open(call)
    if call.route.method == "DELETE":
        if visit["status"] != "Hold":
            raise AnswerError(409, "The appointment is not on hold.")
        _set(call, visit, status="Scheduled")
        return nothing(call.route.status)
    must_exist(call, "reasonId", "jpm.job_hold_reasons", call.body["reasonId"])
    put_on_hold(
        call, visit, call.tenant.get("jpm.job_hold_reasons", call.body["reasonId"]), call.body["memo"]
    )
    return nothing(call.route.status)


def put_on_hold(call: Call, visit: Record, why: Record, memo: str) -> None:
    """Write the hold of an appointment and its reason."""
    reason = {"reasonId": why["id"], "name": why["name"], "text": memo}
    _set(call, visit, status="Hold")
    held = [{"appointmentId": visit["id"], **reason}]
    call.tenant.put(
        "jpm.jobs_hold_reasons", {"jobId": visit["jobId"], **reason, "appointmentHoldReasons": held}
    )


def set_status(call: Call, visit: Record, status: str, **more: Any) -> Record:
    """Write how far an appointment is; no request can say it."""
    return _set(call, visit, status=status, **more)


def confirmation(call: Call) -> Answer:
    """Confirm an appointment or take the confirmation back."""
    visit = _open(call)
    _set(call, visit, isConfirmed=call.route.method == "PUT")
    return nothing(call.route.status)


def instructions(call: Call) -> Answer:
    """Write the special instructions of an appointment."""
    visit = call.tenant.get("jpm.appointments", call.path["id"])
    return document(
        into_answer(call, _set(call, visit, specialInstructions=call.body["specialInstructions"]))
    )


def summary(call: Call) -> Answer:
    """Write what a technician says of an appointment."""
    visit = call.tenant.get("jpm.appointments", call.path["id"])
    must_exist(call, "technicianId", "settings.technicians", call.body["technicianId"])
    moment = call.tenant.stamp()
    text = {
        **given(call.body, "notes", "technicianId"),
        "createdOn": moment,
        "modifiedOn": moment,
        "jobAppointmentId": visit["id"],
        "jobId": visit["jobId"],
    }
    others = [
        each for each in visit["appointmentSummaries"] or () if each["technicianId"] != text["technicianId"]
    ]
    _set(call, visit, appointmentSummaries=[*others, text])
    return document(into_answer(call, text), call.route.status)


def delete(call: Call) -> Answer:
    """Delete an appointment for good. Raises 409 for a job's only one."""
    tenant = call.tenant
    visit = tenant.get("jpm.appointments", call.path["id"])
    rest = [
        each["id"]
        for each in tenant.find("jpm.appointments", "jobId", visit["jobId"])
        if each["id"] != visit["id"]
    ]
    if not rest:
        raise AnswerError(409, "A job keeps at least one appointment.")
    for each in tenant.find("dispatch.appointment_assignments", "appointmentId", visit["id"]):
        tenant.edit("dispatch.appointment_assignments", each["id"], active=False)
    tenant.delete("jpm.appointments", visit["id"])
    changes = {"appointmentCount": len(rest), "firstAppointmentId": min(rest), "lastAppointmentId": max(rest)}
    tenant.edit("jpm.jobs", visit["jobId"], **changes)
    return nothing(call.route.status)


def assign_technicians(call: Call) -> Answer:
    """Send technicians to an appointment, or call them back."""
    tenant, body = call.tenant, call.body
    must_exist(call, "jobAppointmentId", "jpm.appointments", body["jobAppointmentId"])
    visit = tenant.get("jpm.appointments", body["jobAppointmentId"])
    if call.route.action == "assign_technicians":
        for technician in body["technicianIds"]:
            assign(call, visit, technician)
    else:
        for each in tenant.find("dispatch.appointment_assignments", "appointmentId", visit["id"]):
            if each["technicianId"] in body["technicianIds"] and each["active"]:
                tenant.edit("dispatch.appointment_assignments", each["id"], active=False)
    return document(into_answer(call, visit), call.route.status)


WRITES: Area = {
    ("POST", _ROOT): create,
    ("DELETE", f"{_ROOT}/{{id}}"): delete,
    ("PATCH", f"{_ROOT}/{{id}}/reschedule"): reschedule,
    ("PUT", f"{_ROOT}/{{id}}/hold"): hold,
    ("DELETE", f"{_ROOT}/{{id}}/hold"): hold,
    ("PUT", f"{_ROOT}/{{id}}/confirmation"): confirmation,
    ("DELETE", f"{_ROOT}/{{id}}/confirmation"): confirmation,
    ("PUT", f"{_ROOT}/{{id}}/special-instructions"): instructions,
    ("POST", f"{_ROOT}/{{id}}/summaries"): summary,
    ("POST", f"{_BOARD}/assign-technicians"): assign_technicians,
    ("POST", f"{_BOARD}/unassign-technicians"): assign_technicians,
}
