"""The customer's records at hand: what expressions and templates can name, at one moment.

Pure: a ``Bundle`` of rows goes in, a mapping of plain values comes out, the same for the present and for any
moment of the past. What names there are and what they mean is listed in ``shapes.py``.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.store.events import Event
from perfectcatch.workflows.bundle import Bundle, Names, Row
from perfectcatch.workflows.views import MOST_LISTED, OF_ENTITY, ROLES, UNDER_WAY, View


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
) -> "Records":
    """Everything by its name. ``event`` is what started the instance, whichever way it was started."""
    return Records(bundle, names, event, customer_id, now, company, beside or Beside())


CALL_PLACED: Final = "call_placed"
# What is at hand beside the roles.
OTHERS: Final = (
    "customer",
    "location",
    "technician",
    "contact",
    "event",
    "happening",
    "happened",
    "instance",
    "results",
    "settings",
    "company",
    "now",
    "local",
    "approximate",
)


class Records(Mapping[str, Any]):
    """Records by name, each put together when somebody asks for it: most conditions name two or three."""

    def __init__(
        self,
        bundle: Bundle,
        names: Names,
        event: Event,
        customer_id: int | None,
        now: datetime,
        company: Company,
        beside: Beside,
    ) -> None:
        self._bundle = bundle
        self._event = event
        self._customer_id = customer_id
        self._now = now
        self._company = company
        self._beside = beside
        self._zone = ZoneInfo(company.zone)
        self._view = View(bundle, names, now, self._zone)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name in ROLES:
                self._made[name] = self._view.record(name, self._roles[name])
            elif name in OTHERS:
                self._made[name] = getattr(self, f"_make_{name}")()
            else:
                raise KeyError(name)
        return self._made[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The record, or ``default`` for a name that stands for nothing."""
        made = self._made
        if name in made:
            return made[name]
        return self[name] if name in ROLES or name in OTHERS else default

    def __iter__(self) -> Iterator[str]:
        yield from ROLES
        yield from OTHERS

    def __len__(self) -> int:
        return len(ROLES) + len(OTHERS)

    def later(self, now: datetime, **beside: Any) -> "Records":
        """The same rows at a later moment, with what belongs to the instance changed."""
        return Records(
            self._bundle,
            self._view.names,
            self._event,
            self._customer_id,
            now,
            self._company,
            replace(self._beside, **beside),
        )

    @property
    def since(self) -> Sequence[Event]:
        """Events with the customer since the instance began, the newest first."""
        return self._beside.happened

    @property
    def types(self) -> AbstractSet[str]:
        """The types of what ``happened`` lists, without the list."""
        found = {event.event_type for event in _told(self._beside, self._event)}
        return found | {CALL_PLACED} if any(_calls(self._bundle, self._beside)) else found

    @property
    def happening(self) -> Event | None:
        """The event that woke the instance just now."""
        return self._beside.happening

    @property
    def _roles(self) -> dict[str, Row | None]:
        about = (self._event.entity, self._event.st_id)
        return self._bundle.once(("roles", *about), lambda: _roles(self._bundle, self._event))

    @property
    def _place(self) -> Row | None:
        about = (self._event.entity, self._event.st_id, self._customer_id)
        return self._bundle.once(
            ("place", *about),
            lambda: _location(self._bundle, self._roles, self._event, self._customer_id),
        )

    @property
    def _customer(self) -> Row | None:
        return self._bundle.get("customers", self._customer_id)

    def _make_customer(self) -> Any:
        return self._view.customer(self._customer)

    def _make_location(self) -> Any:
        return self._view.location(self._place)

    def _make_technician(self) -> Any:
        return self._view.technician(self._roles)

    def _make_contact(self) -> Any:
        return self._view.contact(self._event.entity, self._customer, self._place, self._roles)

    def _make_event(self) -> Any:
        return _event(self._event)

    def _make_happening(self) -> Any:
        return _event(self._beside.happening) if self._beside.happening is not None else None

    def _make_happened(self) -> Any:
        return list(_happened(self._bundle, self._beside, self._event))

    def _make_instance(self) -> Any:
        return {
            "id": self._beside.instance_id,
            "started_at": self._beside.started_at or self._now,
            "taken_over": self._beside.taken_over,
        }

    def _make_results(self) -> Any:
        return self._beside.results

    def _make_settings(self) -> Any:
        return self._beside.settings

    def _make_company(self) -> Any:
        return _firm(self._company)

    def _make_now(self) -> Any:
        return self._now

    def _make_local(self) -> Any:
        return local_time(self._now, self._zone)

    def _make_approximate(self) -> Any:
        return self._bundle.approximate


# Which records ------------------------------------------------------------------------------------


def _roles(bundle: Bundle, event: Event) -> dict[str, Row | None]:
    roles: dict[str, Row | None] = dict.fromkeys(ROLES)
    role = OF_ENTITY.get(event.entity)
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
    due = roles["plan_visit"]
    if due is not None:
        roles["recurring_service"] = bundle.get("recurring_services", due["recurring_service_id"])
        roles["membership"] = bundle.get("memberships", due["membership_id"])
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


@lru_cache(maxsize=64)
def _firm(company: Company) -> dict[str, Any]:
    return asdict(company)


def _event(event: Event) -> dict[str, Any]:
    return {
        "type": event.event_type,
        "entity": event.entity,
        "id": event.st_id,
        "version": event.version,
        "at": event.occurred_at,
        "data": event.data,
    }


def types_of(records: Mapping[str, Any]) -> AbstractSet[str]:
    """The types of what happened since the instance began."""
    return records.types if isinstance(records, Records) else {each["type"] for each in records["happened"]}


def _happened(bundle: Bundle, beside: Beside, start: Event) -> Iterator[dict[str, Any]]:
    """Events since the instance began, and calls of ours, which are no event."""
    for event in _told(beside, start):
        row = bundle.get(event.entity, event.st_id) or {}
        yield _event(event) | {
            "location_id": event.data.get("location_id", row.get("location_id")),
            "job_id": event.data.get("job_id", row.get("job_id")),
        }
    for call in _calls(bundle, beside):
        yield {
            "type": CALL_PLACED,
            "entity": "calls",
            "id": call["st_id"],
            "version": "",
            "at": call["st_created_on"],
            "location_id": call["location_id"],
            "job_id": call["job_id"],
            "data": {"seconds": float(call["duration_seconds"] or 0)},
        }


def _told(beside: Beside, start: Event) -> Iterator[Event]:
    return (event for event in beside.happened[:MOST_LISTED] if event.id != start.id or event.id == 0)


def _calls(bundle: Bundle, beside: Beside) -> Iterator[Row]:
    if beside.started_at is not None:
        for call in bundle.of("calls", "direction", "Outbound"):
            if call["st_created_on"] is not None and call["st_created_on"] >= beside.started_at:
                yield call


def local_time(now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """The moment on the company's calendar."""
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
