"""The customer's records at hand: what expressions and templates can name, at one moment.

Pure: a ``Bundle`` of rows goes in, a mapping of plain values comes out, the same for the present and for any
moment of the past. What names there are and what they mean is listed in ``shapes.py``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.store.events import Event
from perfectcatch.workflows.bundle import Bundle, Names, Row
from perfectcatch.workflows.views import MOST_LISTED, ROLES, UNDER_WAY, View

_OF_ENTITY: Final = {entity: role for role, entity in ROLES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Who writes. ``zone`` is the company's time zone."""

    name: str = ""
    phone: str = ""
    postal_address: str = ""
    website: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What belongs to an instance and not to the mirror."""

    instance_id: int | None = None
    started_at: datetime | None = None
    taken_over: bool = False
    results: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    happened: Sequence[Event] = ()  # with the customer since the instance began
    happening: Event | None = None  # what woke it just now


def at_hand(
    bundle: Bundle,
    names: Names,
    event: Event,
    customer_id: int | None,
    *,
    now: datetime,
    company: Company,
    beside: Beside | None = None,
) -> dict[str, Any]:
    """Everything by its name. ``event`` is what started the instance, whichever way it was started."""
    beside = beside or Beside()
    zone = ZoneInfo(company.zone)
    roles = _roles(bundle, event)
    location = _location(bundle, roles, event, customer_id)
    customer = bundle.get("customers", customer_id)
    view = View(bundle, names, now, zone)
    records: dict[str, Any] = {role: view.record(role, row) for role, row in roles.items()}
    records["location"] = view.location(location)
    records["customer"] = view.customer(customer)
    records["technician"] = view.technician(roles)
    records["contact"] = view.contact(event.entity, customer, location, roles)
    records["event"] = _event(event)
    records["happening"] = _event(beside.happening) if beside.happening is not None else None
    records["happened"] = list(_happened(bundle, beside, event))
    records["instance"] = {
        "id": beside.instance_id,
        "started_at": beside.started_at or now,
        "taken_over": beside.taken_over,
    }
    records["results"] = beside.results
    records["settings"] = beside.settings
    records["company"] = {
        "name": company.name,
        "phone": company.phone,
        "postal_address": company.postal_address,
        "website": company.website,
        "zone": company.zone,
    }
    records["now"] = now
    records["local"] = _local(now, zone)
    records["approximate"] = bundle.approximate
    return records


# Which records ------------------------------------------------------------------------------------


def _roles(bundle: Bundle, event: Event) -> dict[str, Row | None]:
    roles: dict[str, Row | None] = dict.fromkeys(ROLES)
    role = _OF_ENTITY.get(event.entity)
    if role is not None:
        roles[role] = bundle.get(event.entity, event.st_id)
    if roles["assignment"]:
        roles["appointment"] = bundle.get("appointments", roles["assignment"]["appointment_id"])
    first = next((row for row in roles.values() if row is not None), None)
    if roles["job"] is None and first is not None:
        roles["job"] = bundle.get("jobs", first.get("job_id"))
    job = roles["job"]
    if job is not None:
        if roles["appointment"] is None:
            roles["appointment"] = _visit(bundle.of("appointments", "job_id", job["st_id"]))
        if roles["estimate"] is None:
            roles["estimate"] = bundle.get("estimates", job["created_from_estimate_id"])
        if roles["invoice"] is None:
            bills = bundle.of("invoices", "job_id", job["st_id"])
            roles["invoice"] = next((bill for bill in bills if bill["adjustment_to_id"] is None), None)
    if roles["recurring_service"] is not None and roles["membership"] is None:
        roles["membership"] = bundle.get("memberships", roles["recurring_service"]["membership_id"])
    return roles


def _visit(visits: Sequence[Row]) -> Row | None:
    """The job's visit that matters: the next that is not over, else the last."""
    ordered = sorted(visits, key=_starts)
    ahead = [visit for visit in ordered if visit["status"] in UNDER_WAY]
    return ahead[0] if ahead else (ordered[-1] if ordered else None)


def _starts(visit: Row) -> datetime:
    start: datetime = visit["start_time"] or visit["st_created_on"] or datetime.min.replace(tzinfo=UTC)
    return start


def _location(
    bundle: Bundle, roles: Mapping[str, Row | None], event: Event, customer_id: int | None
) -> Row | None:
    if event.entity == "locations":
        return bundle.get("locations", event.st_id)
    ids = [row.get("location_id") for row in roles.values() if row is not None]
    named = next((each for each in ids if each is not None), None)
    if named is not None:
        return bundle.get("locations", named)
    places = bundle.of("locations", "customer_id", customer_id)
    return places[0] if len(places) == 1 else None


# What happened -----------------------------------------------------------------------------------


def _event(event: Event) -> dict[str, Any]:
    return {
        "type": event.event_type,
        "entity": event.entity,
        "id": event.st_id,
        "version": event.version,
        "at": event.occurred_at,
        "data": event.data,
    }


def _happened(bundle: Bundle, beside: Beside, start: Event) -> Iterator[dict[str, Any]]:
    """Events since the instance began, and calls of ours, which are no event."""
    for event in beside.happened[:MOST_LISTED]:
        if event.id != start.id or event.id == 0:
            row = bundle.get(event.entity, event.st_id) or {}
            yield _event(event) | {
                "location_id": event.data.get("location_id", row.get("location_id")),
                "job_id": event.data.get("job_id", row.get("job_id")),
            }
    if beside.started_at is not None:
        for call in bundle.of("calls", "direction", "Outbound"):
            if call["st_created_on"] is not None and call["st_created_on"] >= beside.started_at:
                yield {
                    "type": "call_placed",
                    "entity": "calls",
                    "id": call["st_id"],
                    "version": "",
                    "at": call["st_created_on"],
                    "location_id": call["location_id"],
                    "job_id": call["job_id"],
                    "data": {"seconds": float(call["duration_seconds"] or 0)},
                }


def _local(now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    local = now.astimezone(zone)
    return {
        "date": local.date().isoformat(),
        "time": f"{local:%H:%M}",
        "hour": local.hour,
        "minute": local.minute,
        "weekday": local.isoweekday(),  # 1 is Monday
        "day": local.day,
        "month": local.month,
        "year": local.year,
    }
