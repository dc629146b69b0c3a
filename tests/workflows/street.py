"""A made-up street: rows and events of one household, for playing workflows without a database.

A change of a record is a new version from a moment on, an event is told at its moment.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from perfectcatch.messaging.rules import Rules
from perfectcatch.model.workflow import Definition
from perfectcatch.store.events import Event
from perfectcatch.workflows import definitions
from perfectcatch.workflows.bundle import Names
from perfectcatch.workflows.definitions import read
from perfectcatch.workflows.pasts import Past
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.records import Company
from perfectcatch.workflows.rehearsal.history import History
from perfectcatch.workflows.rehearsal.play import Player
from perfectcatch.workflows.rehearsal.report import Report

MONDAY = datetime(2026, 6, 1, 15, tzinfo=UTC)  # 9 o'clock in Denver
COMPANY = Company(name="Peak Air", phone="+13035550100", zone="America/Denver")
PHONE = "+13035550142"
NAMES = Names(
    {
        "business_units": {5: {"name": "HVAC Install"}, 6: {"name": "Service"}},
        "tag_types": {
            1: {"name": "Open complaint"},
            2: {"name": "Do not chase"},
            3: {"name": "Payment plan"},
        },
        "technicians": {7: {"name": "Bo Hill", "phone": None, "email": None}},
        "membership_types": {3: {"name": "Gold"}},
        "campaigns": {8: {"name": "Referral program"}, 9: {"name": "Web search"}},
        "job_types": {4: {"name": "Repair", "job_class": "Service"}},
    }
)


@dataclass
class Street:
    """One customer, number 1, at place 1, with job 11 and visit 41 of technician 7."""

    events: list[Event] = field(default_factory=list)
    latest: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    versions: list[tuple[datetime, str, int, int | None, dict[str, Any]]] = field(default_factory=list)

    def put(self, entity: str, st_id: int, at: datetime, customer: int | None = 1, **values: Any) -> None:
        """A new record or a new version of it."""
        before = self.latest.get((entity, st_id))
        row: dict[str, Any] = dict(before) if before else dict.fromkeys(READINGS[entity].columns)
        if before is None:
            row |= {"st_id": st_id, "st_created_on": at, "active": True, "deleted_at": None}
        row |= {"st_modified_on": at, **values}
        if entity == "estimates":
            row["total"] = row["subtotal"]
        self.latest[entity, st_id] = row
        self.versions.append((at, entity, st_id, customer, row))

    def tell(self, event_type: str, entity: str, st_id: int, at: datetime, **data: Any) -> None:
        number = len(self.events) + 1
        self.events.append(
            Event(number, event_type, entity, st_id, f"{number}", at, at, historical=False, data=data)
        )

    def says(self, body: str, at: datetime, meaning: str = "reply") -> None:
        said = {"customer_id": 1, "customer_ids": [1], "body": body, "meaning": meaning}
        self.tell("message_received", "messages", 900 + len(self.events), at, **said)

    def household(self, at: datetime = MONDAY - timedelta(days=200)) -> "Street":
        self.put(
            "customers", 1, at, name="Lee, Ann", first_name="Ann", customer_type="Residential", state="CO",
            zip="80202", do_not_service=False, do_not_mail=False,
        )  # fmt: skip
        self.put("locations", 1, at, customer_id=1, address_line1="1 Main", state="CO", zip="80202")
        self.put("customer_contacts", 1, at, customer_id=1, contact_type="MobilePhone", phone=PHONE)
        self.put("customer_contacts", 2, at, customer_id=1, contact_type="Email", email="ann@example.com")
        return self

    def job(self, at: datetime, status: str = "Scheduled", **values: Any) -> "Street":
        self.put(
            "jobs", 11, at, customer_id=1, location_id=1, job_number="11", job_status=status,
            job_type_id=4, business_unit_id=6, **values,
        )  # fmt: skip
        return self

    def visit(self, at: datetime, begins: datetime, status: str = "Scheduled") -> "Street":
        self.put(
            "appointments", 41, at, job_id=11, customer_id=1, status=status, start_time=begins,
            end_time=begins + timedelta(hours=2), arrival_window_start=begins,
            arrival_window_end=begins + timedelta(hours=2), is_confirmed=False,
        )  # fmt: skip
        self.put(
            "appointment_assignments", 51, at, technician_id=7, technician_name="Bo Hill", job_id=11,
            appointment_id=41, status="Scheduled", assigned_on=at,
        )  # fmt: skip
        return self

    def estimate(self, at: datetime, st_id: int = 21, total: int = 900, **values: Any) -> "Street":
        self.put(
            "estimates", st_id, at, job_id=11, customer_id=1, location_id=1, status="Open",
            subtotal=Decimal(total), is_change_order=False, **values,
        )  # fmt: skip
        return self

    def invoice(self, at: datetime, due: date, balance: int = 300) -> "Street":
        self.put(
            "invoices", 31, at, customer_id=1, location_id=1, job_id=11, reference_number="R31",
            due_date=due, balance=Decimal(balance), total=Decimal(balance),
        )  # fmt: skip
        return self

    def membership(self, at: datetime, ends: date) -> "Street":
        self.put(
            "memberships", 61, at, customer_id=1, location_id=1, membership_type_id=3, status="Active",
            to_date=ends,
        )  # fmt: skip
        return self

    def plan_visit(self, at: datetime, due: date, st_id: int = 95, **values: Any) -> "Street":
        """A visit that membership 61 promises, under recurring service 91."""
        self.put(
            "recurring_services", 91, at, location_id=1, membership_id=61, name="tune-up", job_type_id=4
        )  # fmt: skip
        known = {"status": "NotAttempted", "recurring_service_name": "Tune-up", **values}
        self.put(
            "recurring_service_events", st_id, at, recurring_service_id=91, membership_id=61, due_on=due,
            **known,
        )  # fmt: skip
        return self

    def known(self) -> Past:
        """Every version, as it would be read."""
        past = Past()
        for at, entity, st_id, customer, row in sorted(self.versions, key=lambda each: each[0]):
            past.read(entity, [(customer, at, st_id, row)], lambda told: told[3])
        return past

    def play(
        self, *names: str, days: int = 120, settings: dict[str, Any] | None = None, **more: Any
    ) -> Report:
        """Play the shipped recipes from a day before Monday on."""
        past = self.known()
        history = History(
            since=MONDAY - timedelta(days=1),
            until=MONDAY + timedelta(days=days),
            events=sorted(self.events, key=lambda each: (each.occurred_at, each.id)),
            owner=past.owner,
            past=past,
            names=NAMES,
            candidates={
                entity: [key[1] for key in past.owner if key[0] == entity]
                for entity in ("estimates", "recurring_service_events")
            },
            opt_outs=more.pop("opt_outs", ()),
            consents=(),
            sends=more.pop("sends", ()),
        )
        chosen = [recipe(name, **(settings or {})) for name in names]
        company = more.pop("company", COMPANY)
        rules = more.pop("rules", Rules())
        return Player(history, chosen, company=company, rules=rules, assume_consent=True, **more).run()


LINKS = {
    "review_link": "https://example.com/r",
    "payment_link": "https://example.com/p",
    "referral_link": "https://example.com/f",
    "owner_phone": "+13035550199",
}


def recipe(name: str, **settings: Any) -> Definition:
    """A shipped recipe with its links filled in."""
    document = dict(definitions.shipped()[name].document)
    known = dict(document.get("settings") or {})
    filled = {each: LINKS.get(each, value) if value == "" else value for each, value in known.items()}
    document["settings"] = filled | {each: value for each, value in settings.items() if each in known}
    return read(document)


def steps(report: Report) -> list[str]:
    return [each.step for each in report.would]
