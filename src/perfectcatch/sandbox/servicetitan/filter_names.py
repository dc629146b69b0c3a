"""Filters whose name is not the field's: written down per collection ("" for all of them)."""

from collections.abc import Callable
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.call import Call

# Compared as "contains", without regard to case.
SEARCHED = frozenset(
    [
        "name",
        "title",
        "searchTerm",
        "searchText",
        "search",
        "titleContains",
        "noteContains",
        "street",
        "city",
        "summary",
        "description",
        "leadCustomerName",
        "leadPhone",
        "customerName",
        "locationName",
        "vendorName",
        "agentName",
    ]
)

PATHS: dict[tuple[str, str], str] = {
    ("jpm.jobs", "number"): "jobNumber",
    ("jpm.appointments", "number"): "appointmentNumber",
    ("jpm.appointments", "jobId"): "jobId",
    ("accounting.invoices", "number"): "referenceNumber",
    ("accounting.invoices", "jobNumber"): "job.number",
    ("accounting.invoices", "statuses"): "syncStatus",
    ("accounting.payments", "appliedToInvoiceIds"): "appliedTo.appliedTo",
    ("accounting.payments", "appliedToReferenceNumber"): "appliedTo.appliedToReferenceNumber",
    ("accounting.payments", "types"): "type",
    ("sales.estimates", "status"): "status.name",
    ("sales.estimates", "soldByEmployeeId"): "soldBy",
    ("sales.estimates", "number"): "id",
    ("sales.estimates_items", "estimateId"): "estimateId",
    ("crm.bookings", "externalId"): "externalId",
    ("settings.employees", "userIds"): "userId",
    ("settings.technicians", "userIds"): "userId",
    ("dispatch.technician_shifts", "titleContains"): "title",
    ("dispatch.technician_shifts", "noteContains"): "note",
    ("telecom.calls", "customerId"): "customer.id",
    ("telecom.calls", "campaignId"): "campaign.id",
    ("telecom.calls", "agentId"): "agent.id",
    ("telecom.calls", "agentName"): "agent.name",
    ("telecom.calls", "callerPhoneNumber"): "from",
    ("telecom.calls", "phoneNumberCalled"): "to",
    ("telecom.calls", "sid"): "_list.sid",
    ("", "batchNumber"): "batch.number",
    ("", "batchId"): "batch.id",
}

RANGES: dict[tuple[str, str], str] = {
    ("", "starts"): "start",
    ("", "ends"): "end",
    ("", "date"): "date",
    ("accounting.invoices", "invoiced"): "invoiceDate",
    ("accounting.payments", "paid"): "date",
    ("accounting.payments", "total"): "total",
    ("accounting.invoices", "total"): "total",
    ("sales.estimates", "total"): "subtotal",
}

# (collection, filter): (other collection, its field that is compared, its field with our id)
VIA: dict[tuple[str, str], tuple[str, str, str]] = {
    ("crm.customers", "phone"): ("crm.customers_contacts", "value", "customerId"),
    ("jpm.jobs", "technicianId"): ("dispatch.appointment_assignments", "technicianId", "jobId"),
    ("jpm.jobs", "appointmentStatus"): ("jpm.appointments", "status", "jobId"),
    ("jpm.appointments", "technicianId"): (
        "dispatch.appointment_assignments",
        "technicianId",
        "appointmentId",
    ),
}


def _held(call: Call, condition: Callable[[Any], bool], job: Any) -> bool:
    return any(condition(visit) for visit in call.tenant.find("jpm.appointments", "jobId", job["id"]))


def _starts(call: Call, record: Any, text: str, *, after: bool, which: str | None) -> bool:
    limit = moments.read(text.replace(" ", "+"))

    def fits(visit: Any) -> bool:
        if which and visit["id"] != record[which]:
            return False
        start = moments.read(visit["start"])
        return start >= limit if after else start < limit

    return _held(call, fits, record)


# (collection, filter): whether a record passes, where that takes a look elsewhere
ELSEWHERE: dict[tuple[str, str], Callable[[Call, Any, str], bool]] = {
    ("jpm.jobs", "appointmentStartsOnOrAfter"): lambda call, job, text: _starts(
        call, job, text, after=True, which=None
    ),
    ("jpm.jobs", "appointmentStartsBefore"): lambda call, job, text: _starts(
        call, job, text, after=False, which=None
    ),
    ("jpm.jobs", "firstAppointmentStartsOnOrAfter"): lambda call, job, text: _starts(
        call, job, text, after=True, which="firstAppointmentId"
    ),
    ("jpm.jobs", "firstAppointmentStartsBefore"): lambda call, job, text: _starts(
        call, job, text, after=False, which="firstAppointmentId"
    ),
    ("jpm.jobs", "hasUnusedAppointments"): lambda call, job, text: (
        _held(call, lambda visit: visit["unused"], job) == (text.lower() == "true")
    ),
    ("crm.leads", "withoutCustomer"): lambda _call, lead, text: (
        (lead["customerId"] is None) == (text.lower() == "true")
    ),
}
