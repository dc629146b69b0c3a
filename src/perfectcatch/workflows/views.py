"""Rows as people name them: a record with what it leads to, at one moment."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.messaging.numbers import place_of_address
from perfectcatch.workflows import wording
from perfectcatch.workflows.bundle import Bundle, Names, Row
from perfectcatch.workflows.plans import is_open, plan_of
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.sources import calls_with, is_employee, recall_days, source_of

MOST_LISTED: Final = 100  # of each kind in a list
_TOUCHABLE: Final = ("MobilePhone", "Phone")
UNDER_WAY: Final = ("Scheduled", "Dispatched", "InProgress", "Hold", "Working")
_COMPLAINT: Final = "complaint"
# A role is the record that a start is about, or one that it leads to. Each is None where there is none.
ROLES: Final = {
    "job": "jobs",
    "appointment": "appointments",
    "assignment": "appointment_assignments",
    "estimate": "estimates",
    "invoice": "invoices",
    "payment": "payments",
    "membership": "memberships",
    "recurring_service": "recurring_services",
    "plan_visit": "recurring_service_events",
    "equipment": "installed_equipment",
    "call": "calls",
    "lead": "leads",
    "booking": "bookings",
    "note": "job_notes",
}
OF_ENTITY: Final = {entity: role for role, entity in ROLES.items()}
OF_TODAY: Final = ("invoice", "membership")  # what they say changes with the day
OF_THE_MOMENT: Final = ("upcoming", "next_visit_at")  # what of a customer changes with the moment
_PAYER_FIRST: Final = ("invoices", "payments", "memberships")


class Lazy(Mapping[str, Any]):
    """A record whose dearer fields are put together when somebody asks for them."""

    def __init__(self, known: dict[str, Any], makers: Mapping[str, Callable[[], Any]]) -> None:
        self._known = known
        self._makers = makers

    def __bool__(self) -> bool:
        return True  # asked for often, and whoever counts the fields has to go through them

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._makers[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        yield from {**self._makers, **self._known}

    def __len__(self) -> int:
        return len({**self._makers, **self._known})


class Ahead(Lazy):
    """A record of which little depends on the moment: the rest is that of ``lasting``."""

    def __init__(self, lasting: Lazy, makers: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__({}, makers)
        self._lasting = lasting

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name in self._makers else self._lasting[name]

    def __iter__(self) -> Iterator[str]:
        yield from {**dict.fromkeys(self._lasting), **self._makers}

    def __len__(self) -> int:
        return len({*self._lasting, *self._makers})


class View:
    """Rows as people name them, at one moment."""

    def __init__(self, bundle: Bundle, names: Names, now: datetime, zone: ZoneInfo) -> None:
        self.bundle = bundle
        self.names = names
        self.now = now
        self.zone = zone

    def record(self, role: str, row: Row | None) -> dict[str, Any] | None:
        """The record of ``role``, with what it leads to."""
        if row is None:
            return None
        if role in OF_TODAY:
            return self._record(role, row)
        return self.bundle.once((role, row["st_id"]), lambda: self._record(role, row))

    def _record(self, role: str, row: Row) -> dict[str, Any]:
        shown = plain_record(ROLES[role], row)
        more = getattr(self, f"_{role}", None)
        return shown if more is None else shown | more(row)

    def customer(self, row: Row | None) -> Mapping[str, Any] | None:
        """The customer, with lists of what they have."""
        if row is None:
            return None
        lasting = self.bundle.once(("customer", row["st_id"]), lambda: self._customer(row))
        upcoming = partial(self._upcoming, row["st_id"])
        return Ahead(
            lasting,
            {
                "upcoming": upcoming,
                "next_visit_at": lambda: min((each["start_time"] for each in upcoming()), default=None),
            },
        )

    def _customer(self, row: Row) -> "Lazy":
        """What is the same at every moment at which the rows are these."""
        st_id = row["st_id"]
        known = plain_record("customers", row)
        known["first_name"] = row["first_name"] if row["customer_type"] != "Commercial" else None
        jobs = partial(self.bundle.of, "jobs", "customer_id", st_id)
        memberships = partial(self.bundle.of, "memberships", "customer_id", st_id)
        makers: dict[str, Callable[[], Any]] = {
            "tags": lambda: self._tags(row),
            "phone": lambda: self._phone("customer_contacts", "customer_id", st_id),
            "email": lambda: self._email("customer_contacts", "customer_id", st_id),
            "is_member": lambda: any(each["status"] == "Active" for each in memberships()),
            "jobs_done": lambda: len(_done(jobs())),
            "last_job_at": lambda: max(filter(None, _done(jobs())), default=None),
            "complaint_open": lambda: self._complaint(row, jobs()),
        }
        for name, entity in _LISTS.items():
            makers[name] = partial(self._listed, entity, st_id)
        return Lazy(known, makers)

    def location(self, row: Row | None) -> dict[str, Any] | None:
        """The place, with its time zone where it has one only."""
        if row is None:
            return None
        return self.bundle.once(("location", row["st_id"]), lambda: self._location(row))

    def _location(self, row: Row) -> dict[str, Any]:
        zones = place_of_address(row["state"], row["zip"]).zones
        return plain_record("locations", row) | {
            "tags": self._tags(row),
            "zone": zones[0] if len(zones) == 1 else None,
            "street": row["address_line1"],
        }

    def technician(self, roles: Mapping[str, Row | None]) -> dict[str, Any] | None:
        """Who goes or went: of the assignment, else the first of the visit, else the first of the job."""
        assignment, visit, job = roles["assignment"], roles["appointment"], roles["job"]
        found: Sequence[Row] = [assignment] if assignment is not None else ()
        if not found and visit is not None:
            found = self.bundle.of("appointment_assignments", "appointment_id", visit["st_id"])
        if not found and job is not None:
            found = self.bundle.of("appointment_assignments", "job_id", job["st_id"])
        if not found:
            return None
        first = min(found, key=lambda each: (each["assigned_on"] is None, each["assigned_on"], each["st_id"]))
        name = self.names.of("technicians", first["technician_id"]) or first["technician_name"]
        return {
            "id": first["technician_id"],
            "name": name,
            "first_name": wording.first_name(name),
            "phone": self.names.of("technicians", first["technician_id"], "phone"),
            "email": self.names.of("technicians", first["technician_id"], "email"),
        }

    def contact(
        self, entity: str, customer: Row | None, location: Row | None, roles: Mapping[str, Row | None]
    ) -> dict[str, Any]:
        """Whom to write to: at the place first, or who pays first; or what an enquiry itself names."""
        lead, call = roles["lead"], roles["call"]
        payer = ("customer_contacts", "customer_id", customer["st_id"]) if customer else None
        place = ("location_contacts", "location_id", location["st_id"]) if location else None
        order = (payer, place) if entity in _PAYER_FIRST else (place, payer)
        phones = [self._phone(*each) for each in order if each]
        emails = [self._email(*each) for each in order if each]
        if lead is not None:
            phones, emails = [lead["phone"], *phones], [lead["email"], *emails]
        if call is not None:
            phones = [call["from_number"], *phones]
        name = customer["name"] if customer else (lead["customer_name"] if lead else None)
        residential = customer is not None and customer["customer_type"] != "Commercial"
        first = customer["first_name"] if residential and customer else None
        return {
            "phone": next(filter(None, phones), None),
            "email": next(filter(None, emails), None),
            "name": name,
            "first_name": first if customer else wording.first_name(name),
        }

    # Roles with more than their columns -----------------------------------------------------------

    def _job(self, row: Row) -> dict[str, Any]:
        unit = self.names.of("business_units", row["business_unit_id"])
        estimates = self.bundle.of("estimates", "job_id", row["st_id"])
        return {
            "type": self.names.of("job_types", row["job_type_id"]),
            "class": self.names.of("job_types", row["job_type_id"], "job_class"),
            "business_unit": unit,
            "campaign": self.names.of("campaigns", row["campaign_id"]),
            "is_install": "install" in (unit or "").lower(),
            "is_recall": row["recall_for_id"] is not None,
            "recall_days": recall_days(row, self.bundle),
            "is_warranty": row["warranty_id"] is not None,
            "tags": self._tags(row),
            "estimates": [self._short("estimates", each) for each in estimates[:MOST_LISTED]],
            "had_recall": self._had_recall(row),
            **source_of(row, self.bundle, self.names),
        }

    def _had_recall(self, row: Row) -> bool:
        recalls = self.bundle.of("jobs", "recall_for_id", row["st_id"])
        return any(each["st_created_on"] is not None for each in recalls)

    def _appointment(self, row: Row) -> dict[str, Any]:
        begins = row["arrival_window_start"] or row["start_time"]
        ends = row["arrival_window_end"] or row["end_time"]
        others = self.bundle.of("appointment_assignments", "appointment_id", row["st_id"])
        return {
            "day": wording.day(begins, self.zone),
            "window": wording.window(begins, ends, self.zone),
            "begins": begins,
            "technicians": [each["technician_name"] for each in others],
        }

    def _estimate(self, row: Row) -> dict[str, Any]:
        siblings = [each for each in self._options(row) if each["st_id"] != row["st_id"]]
        every = [row, *siblings]
        sold = [each["total"] or 0 for each in every if each["status"] == "Sold"]
        offered = [each["total"] or 0 for each in every if each["status"] == "Open"]
        value = max(sold or offered or [row["total"] or 0])
        return {
            "deleted": row["deleted_at"] is not None,
            "siblings": [self._short("estimates", each) for each in siblings[:MOST_LISTED]],
            "opportunity": f"job-{row['job_id']}"
            if row["job_id"] is not None
            else f"estimate-{row['st_id']}",
            "is_first_option": row["st_id"] == min(each["st_id"] for each in every),
            "options": len(every),
            "value": value,
            "amount": wording.money(value),
        }

    def _options(self, row: Row) -> Sequence[Row]:
        """Estimates of one job are options of one decision."""
        return self.bundle.of("estimates", "job_id", row["job_id"]) if row["job_id"] is not None else ()

    def _invoice(self, row: Row) -> dict[str, Any]:
        due = row["due_date"]
        today = self.now.astimezone(self.zone).date()
        return {
            "amount": wording.money(row["balance"]),
            "due": wording.date_of(due),
            "days_overdue": None if due is None else (today - due).days,
        }

    def _membership(self, row: Row) -> dict[str, Any]:
        return plan_of(row, self.bundle, self.names, self.now.astimezone(self.zone).date())

    def _plan_visit(self, row: Row) -> dict[str, Any]:
        return {"due": wording.date_of(row["due_on"]), "is_open": is_open(row)}

    def _recurring_service(self, row: Row) -> dict[str, Any]:
        return {"type": self.names.of("recurring_service_types", row["recurring_service_type_id"])}

    def _call(self, row: Row) -> dict[str, Any]:
        number = row["from_number"]
        others = self.bundle.of("calls", "from_number", number) if number else ()
        return {
            "seconds": row["duration_seconds"],
            "other_calls": [self._short("calls", each) for each in others if each["st_id"] != row["st_id"]],
            "our_calls": [self._short("calls", each) for each in calls_with(number, self.bundle)],
            "is_employee": is_employee(number, self.names),
            "voicemail": row["voicemail_path"] is not None,
            "answered": row["call_type"] != "Abandoned" and row["voicemail_path"] is None,
        }

    def _lead(self, row: Row) -> dict[str, Any]:
        return {
            "type": self.names.of("job_types", row["job_type_id"]),
            "campaign": self.names.of("campaigns", row["campaign_id"]),
        }

    def _booking(self, row: Row) -> dict[str, Any]:
        return {
            "type": self.names.of("job_types", row["job_type_id"]),
            "campaign": self.names.of("campaigns", row["campaign_id"]),
        }

    # Parts ----------------------------------------------------------------------------------------

    def _listed(self, entity: str, customer_id: int) -> list[dict[str, Any]]:
        rows = self.bundle.of(entity, "customer_id", customer_id)[:MOST_LISTED]
        return [self._short(entity, row) for row in rows]

    def _complaint(self, row: Row, jobs: Sequence[Row]) -> bool:
        """A tag says so, or something that we did has to be put right and is not yet."""
        if any(_COMPLAINT in tag.lower() for tag in self._tags(row)):
            return True
        return any(job["recall_for_id"] is not None and job["job_status"] in UNDER_WAY for job in jobs)

    def _upcoming(self, customer_id: int) -> list[dict[str, Any]]:
        return list(self._ahead(self.bundle.of("jobs", "customer_id", customer_id)))

    def _ahead(self, jobs: Iterable[Row]) -> Iterator[dict[str, Any]]:
        for job in jobs:
            if job["job_status"] in ("Completed", "Canceled"):
                continue
            for visit in self.bundle.of("appointments", "job_id", job["st_id"]):
                start = visit["start_time"]
                if visit["status"] in UNDER_WAY and start is not None and start >= self.now:
                    yield {
                        "id": visit["st_id"],
                        "job_id": job["st_id"],
                        "location_id": job["location_id"],
                        "start_time": start,
                        "status": visit["status"],
                    }

    def _short(self, entity: str, row: Row) -> dict[str, Any]:
        shown = {name: row.get(name) for name in SHORT[entity]}
        return shown | {"id": row["st_id"], "created_on": row["st_created_on"]}

    def _tags(self, row: Row) -> list[str]:
        found = [self.names.of("tag_types", each) for each in row["tag_type_ids"] or ()]
        return [each for each in found if each is not None]

    def _phone(self, entity: str, by: str, st_id: int) -> str | None:
        """The first number that takes texts: a mobile one before another, none whose owner wants no texts."""
        return self.bundle.once(("phone", entity, st_id), lambda: self._first_phone(entity, by, st_id))

    def _first_phone(self, entity: str, by: str, st_id: int) -> str | None:
        for kind in _TOUCHABLE:
            for row in reversed(self.bundle.of(entity, by, st_id)):
                if row["contact_type"] == kind and row["phone"] and not row["do_not_text"]:
                    return str(row["phone"])
        return None

    def _email(self, entity: str, by: str, st_id: int) -> str | None:
        rows = reversed(self.bundle.of(entity, by, st_id))
        return next((row["email"] for row in rows if row["contact_type"] == "Email" and row["email"]), None)


# What lists show of a record.
SHORT: Final = {
    "jobs": (
        "job_status", "location_id", "st_completed_on", "recall_for_id", "total", "summary",
        "created_from_estimate_id"
    ),
    "estimates": ("status", "total", "sold_on", "job_id", "location_id", "name", "st_modified_on"),
    "invoices": ("balance", "total", "due_date", "job_id", "reference_number"),
    "memberships": ("status", "location_id", "from_date", "to_date"),
    "calls": ("direction", "call_type", "duration_seconds", "from_number", "to_number"),
    "installed_equipment": ("name", "equipment_type", "location_id", "installed_on", "status"),
}  # fmt: skip


def _done(jobs: Sequence[Row]) -> list[datetime | None]:
    return [job["st_completed_on"] for job in jobs if job["job_status"] == "Completed"]


# The customer's lists, by the names that workflows use.
_LISTS: Final = {
    "jobs": "jobs",
    "estimates": "estimates",
    "invoices": "invoices",
    "memberships": "memberships",
    "calls": "calls",
    "equipment": "installed_equipment",
}


def plain_record(entity: str, row: Row) -> dict[str, Any]:
    """A row by the names that workflows use."""
    shown = {name: row[name] for name in READINGS[entity].columns}
    if "total" in row:
        shown["total"] = row["total"]
    return shown | {
        "id": row["st_id"],
        "created_on": row["st_created_on"],
        "modified_on": row["st_modified_on"],
        "active": row["active"],
        "deleted": row["deleted_at"] is not None,
    }
