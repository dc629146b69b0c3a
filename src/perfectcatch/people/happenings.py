"""What a customer's timeline tells, as rows: which records belong to a customer, and how each is told.

A sentence is made of a subject (``Estimate 'New heater' over $5,200.00``) and of what happened to it (``was
sold``). A record that came into being tells the first of them, a business event the others.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from typing import Any, Final

from perfectcatch.people.conversations import SENTENCES

Facts = Mapping[str, Any]

DEALS: Final = "deals"  # lines that are no records of the mirror: what we wrote on opportunities of the CRM

_LONGEST: Final = 80  # characters of a text that is quoted in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Records of one entity that belong to a customer.

    ``by``: the column that holds the customer's id; with ``through`` the column that holds the id of a record
    of that entity, which in turn holds the customer's id. ``facts``: columns that sentences need,
    ``borrowed``: columns of the record in between. ``at``: when it came into being.
    """

    entity: str
    subject: Callable[[Facts], str]
    began: str
    facts: tuple[str, ...]
    by: str = "customer_id"
    through: str | None = None
    borrowed: tuple[str, ...] = ()
    at: str = "st_created_on"
    amount: str | None = None


def dollars(amount: Any) -> str:
    """``$1,234.50``; a refund is ``-$20.00``."""
    value = Decimal(str(amount))
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def _over(facts: Facts, name: str) -> str:
    return f" over {dollars(facts[name])}" if facts.get(name) is not None else ""


def _named(facts: Facts, name: str) -> str:
    text = short(facts.get(name))
    return f" '{text}'" if text else ""


def short(text: object) -> str:
    """Text that somebody wrote, without markup, on one line, and not too long for a sentence."""
    plain = " ".join(unescape(re.sub(r"<[^>]+>", " ", str(text or ""))).split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3].rstrip() + "..."


def _number(facts: Facts, name: str) -> str:
    return str(facts.get(name) or facts["st_id"])


def _person(facts: Facts) -> str:
    return str(facts.get("technician_name") or f"Technician {facts.get('technician_id')}")


def _call(facts: Facts) -> str:
    outbound = facts.get("direction") == "Outbound"
    reason = f" about {facts['reason_name']}" if facts.get("reason_name") else ""
    number = facts.get("to_number" if outbound else "from_number")
    whom = f" {'to' if outbound else 'from'} {number}" if number else ""
    return f"A call{whom}{reason}"


def _payment(facts: Facts) -> str:
    what = "Refund" if Decimal(str(facts.get("total") or 0)) < 0 else "Payment"
    kind = f" by {facts['payment_type']}" if facts.get("payment_type") else ""
    return f"{what} of {dollars(facts.get('total') or 0)}{kind}"


HAPPENINGS: Final = (
    Happening(
        entity="customers",
        by="st_id",
        facts=("name", "merged_to_id"),
        subject=lambda f: f"Customer{_named(f, 'name')}",
        began="was entered",
    ),
    Happening(
        entity="customer_contacts",
        facts=("contact_type", "value"),
        subject=lambda f: f"{f.get('contact_type') or 'Contact'} {short(f.get('value'))}",
        began="was noted",
    ),
    Happening(
        entity="locations",
        facts=("name", "address_line1", "city", "merged_to_id"),
        subject=lambda f: (
            f"Location{_named(f, 'name')}"
            + (f" at {short(f['address_line1'])}" if f.get("address_line1") else "")
            + (f", {short(f['city'])}" if f.get("city") else "")
        ),
        began="was entered",
    ),
    Happening(
        entity="location_contacts",
        by="location_id",
        through="locations",
        facts=("contact_type", "value"),
        subject=lambda f: f"{f.get('contact_type') or 'Contact'} {short(f.get('value'))} of a location",
        began="was noted",
    ),
    Happening(
        entity="calls",
        facts=("direction", "from_number", "to_number", "reason_name"),
        subject=_call,
        began="took place",
    ),
    Happening(
        entity="leads",
        facts=("summary",),
        subject=lambda f: f"Lead {f['st_id']}{_named(f, 'summary')}",
        began="came in",
    ),
    Happening(
        entity="bookings",
        by="job_id",
        through="jobs",
        facts=("source", "summary"),
        subject=lambda f: (
            f"Booking request {f['st_id']}" + (f" from {f['source']}" if f.get("source") else "")
        ),
        began="came in",
    ),
    Happening(
        entity="projects",
        facts=("project_number", "name", "status"),
        subject=lambda f: f"Project {_number(f, 'project_number')}{_named(f, 'name')}",
        began="was opened",
    ),
    Happening(
        entity="jobs",
        facts=("job_number", "summary", "total"),
        amount="total",
        subject=lambda f: f"Job {_number(f, 'job_number')}{_over(f, 'total')}",
        began="was booked",
    ),
    Happening(
        entity="job_notes",
        by="job_id",
        through="jobs",
        borrowed=("job_number",),
        facts=("text",),
        subject=lambda f: f"A note{_named(f, 'text')}",
        began="was written on a job",
    ),
    Happening(
        entity="appointments",
        facts=("appointment_number",),
        subject=lambda f: f"Visit {_number(f, 'appointment_number')}",
        began="was planned",
    ),
    Happening(
        entity="appointment_assignments",
        by="job_id",
        through="jobs",
        borrowed=("job_number",),
        at="assigned_on",
        facts=("technician_name", "technician_id"),
        subject=_person,
        began="was put on a visit",
    ),
    Happening(
        entity="estimates",
        facts=("name", "total"),
        amount="total",
        subject=lambda f: f"Estimate {f['st_id']}{_named(f, 'name')}{_over(f, 'total')}",
        began="was written",
    ),
    Happening(
        entity="invoices",
        facts=("reference_number", "total", "balance"),
        amount="total",
        subject=lambda f: f"Invoice {_number(f, 'reference_number')}{_over(f, 'total')}",
        began="was written",
    ),
    Happening(
        entity="payments",
        facts=("payment_type", "total"),
        amount="total",
        subject=_payment,
        began="came in",
    ),
    Happening(
        entity="memberships",
        facts=("from_date", "to_date"),
        subject=lambda f: f"Membership {f['st_id']}",
        began="was sold",
    ),
    Happening(
        entity="recurring_services",
        by="location_id",
        through="locations",
        facts=("name",),
        subject=lambda f: f"Recurring service {f['st_id']}{_named(f, 'name')}",
        began="was agreed",
    ),
    Happening(
        entity="installed_equipment",
        facts=("name", "manufacturer", "model"),
        subject=lambda f: (
            f"Equipment{_named(f, 'name')}"
            + "".join(f" {short(f[each])}" for each in ("manufacturer", "model") if f.get(each))
        ),
        began="was entered",
    ),
)
BY_ENTITY: Final = {happening.entity: happening for happening in HAPPENINGS}

# What happened, after the subject. ``{name}`` is a fact, or a value that the event itself carries.
PHRASES: Final = {
    "customer_created": "was entered",
    "customer_merged": "was merged into customer {merged_to_id}",
    "customer_deactivated": "was switched off",
    "opted_out": "wants no more messages",
    "review_opened": "opened the link of a review request",
    "task_done": "was served by a task: {title}",
    "location_created": "was entered",
    "location_merged": "was merged into location {merged_to_id}",
    "lead_created": "came in",
    "lead_converted": "became a job",
    "lead_dismissed": "was given up",
    "booking_created": "came in",
    "booking_converted": "became a job",
    "booking_dismissed": "was given up",
    "call_received": "came in",
    "call_abandoned": "was given up before anybody answered",
    "project_created": "was opened",
    "project_status_changed": "has another status",
    "job_created": "was booked",
    "install_job_created": "was booked as an installation",
    "job_started": "was begun",
    "job_completed": "was completed",
    "job_cancelled": "was cancelled",
    "job_on_hold": "was put on hold",
    "job_reopened": "was opened again",
    "job_rescheduled": "was moved to another time",
    "job_note_added": "was written on a job",
    "appointment_created": "was planned",
    "appointment_rescheduled": "was moved to another time",
    "appointment_confirmed": "was confirmed by the customer",
    "appointment_cancelled": "was cancelled",
    "appointment_completed": "was completed",
    "technician_assigned": "was put on a visit",
    "technician_dispatched": "was sent on the way",
    "technician_arrived": "has arrived and begun to work",
    "estimate_created": "was written",
    "estimate_approved": "was sold",
    "estimate_rejected": "was dismissed",
    "estimate_unsold": "is no longer sold",
    "estimate_revised": "has another price",
    "invoice_created": "was written",
    "invoice_paid": "was paid in full",
    "invoice_due_soon": "falls due in three days",
    "invoice_overdue": "is overdue",
    "payment_received": "came in",
    "membership_created": "was sold",
    "membership_expiring": "ends soon",
    "membership_expired": "has ended",
    "membership_suspended": "rests",
    "membership_cancelled": "was cancelled",
    "membership_renewed": "was continued by a later one",
    "recurring_service_created": "was agreed",
    "equipment_installed": "was entered",
    "equipment_replaced": "was replaced",
    "equipment_warranty_expiring": "loses the manufacturer's warranty in 30 days",
}


def _moved(facts: Facts) -> str:
    """What we wrote on an opportunity of the CRM."""
    told = [str(facts[name]) for name in ("pipeline", "stage") if facts.get(name)]
    if facts.get("value") is not None:
        told.append(dollars(facts["value"]))
    return f"In the CRM: {', '.join(told or facts['changed'])}."


def sentence(entity: str, event_type: str | None, facts: Facts) -> str:
    """What happened, in one sentence; ``event_type`` None: the record came into being."""
    if entity == DEALS:
        return _moved(facts)
    if entity in SENTENCES:
        return SENTENCES[entity](facts)
    happening = BY_ENTITY[entity]
    phrase = happening.began if event_type is None else PHRASES.get(event_type)
    if phrase is None:
        phrase = f"- {(event_type or '').replace('_', ' ')}"
    told = re.sub(r"\{(\w+)\}", lambda match: str(facts.get(match[1]) or "another one"), phrase)
    job = f" ({'job ' + str(facts['job_number'])})" if facts.get("job_number") and happening.borrowed else ""
    return f"{happening.subject(facts)} {told}{job}."
