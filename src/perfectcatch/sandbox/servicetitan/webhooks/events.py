"""What the vendor would call a change. Its own event names are not documented; these are in common use."""

from perfectcatch.sandbox.servicetitan.journal import Change
from perfectcatch.sandbox.servicetitan.table import Record, dig

ENTITIES = {
    "crm.customers": "customer",
    "crm.customers_contacts": "customer_contact",
    "crm.locations": "location",
    "crm.locations_contacts": "location_contact",
    "crm.leads": "lead",
    "crm.bookings": "booking",
    "jpm.jobs": "job",
    "jpm.appointments": "appointment",
    "jpm.projects": "project",
    "jpm.job_notes": "job_note",
    "dispatch.appointment_assignments": "assignment",
    "sales.estimates": "estimate",
    "accounting.invoices": "invoice",
    "accounting.payments": "payment",
    "memberships.memberships": "membership",
    "equipmentsystems.installed_equipment": "equipment",
    "telecom.calls": "call",
    "settings.technicians": "technician",
    "pricebook.services": "service",
    "pricebook.materials": "material",
    "pricebook.equipment": "pricebook_equipment",
}
# No feed tells of these deletions, and no webhook does.
_WITHOUT_A_TRACE = frozenset({"crm.customers_contacts", "crm.locations_contacts"})
_PLAIN = {"added": "created", "changed": "updated", "deleted": "deleted", "merged": "merged"}
# field that changed: where its value lies, and what a value is called
_TURNS: dict[str, tuple[tuple[str, tuple[str, ...], dict[object, str]], ...]] = {
    "jpm.jobs": (
        (
            "jobStatus",
            ("jobStatus",),
            {
                "Scheduled": "scheduled",
                "Dispatched": "dispatched",
                "InProgress": "started",
                "Hold": "held",
                "Completed": "completed",
                "Canceled": "canceled",
            },
        ),
    ),
    "jpm.appointments": (
        (
            "status",
            ("status",),
            {
                "Dispatched": "dispatched",
                "Working": "started",
                "Hold": "held",
                "Done": "completed",
                "Canceled": "canceled",
            },
        ),
        ("start", (), {None: "rescheduled"}),
        ("end", (), {None: "rescheduled"}),
        ("isConfirmed", ("isConfirmed",), {True: "confirmed"}),
    ),
    "sales.estimates": (
        ("status", ("status", "name"), {"Sold": "sold", "Dismissed": "dismissed", "Open": "unsold"}),
    ),
    "accounting.invoices": (("paidOn", (), {None: "paid"}),),
    "crm.leads": (("status", ("status",), {"Converted": "converted", "Dismissed": "dismissed"}),),
    "crm.bookings": (
        ("status", ("status",), {"Accepted": "accepted", "Converted": "converted", "Dismissed": "dismissed"}),
    ),
    "memberships.memberships": (("status", ("status",), {"Canceled": "canceled", "Expired": "expired"}),),
}


def name(change: Change, record: Record | None) -> str | None:
    """The event's type, such as ``job.completed``; None for a change of which nobody is told."""
    entity = ENTITIES.get(change.collection)
    if entity is None or (change.kind == "deleted" and change.collection in _WITHOUT_A_TRACE):
        return None
    if change.kind == "changed" and record is not None:
        for field, path, words in _TURNS.get(change.collection, ()):
            word = words.get(dig(record, path) if path else None) if field in change.what else None
            if word is not None:
                return f"{entity}.{word}"
    return f"{entity}.{_PLAIN[change.kind]}"
