"""Every name that expressions and templates can use: for the linter, and for the page that lists them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from perfectcatch.model.entity import Entity
from perfectcatch.store.events import Event
from perfectcatch.workflows.bundle import Bundle, Names
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.records import Beside, Company, at_hand
from perfectcatch.workflows.views import ROLES

OPEN: Final = (("event", "data"), ("happening", "data"), ("results",))  # names inside are free
_NOW: Final = datetime(2026, 6, 1, 15, tzinfo=UTC)
_MESSAGE: Final = {"body": "C", "meaning": "reply", "customer_id": 1, "customer_ids": [1]}


def sample(entities: Mapping[str, Entity], settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Records in which every name has a value of its kind: a condition can be tried on them."""
    kinds = {
        name: {column.name: str(column.type) for column in entity.columns}
        for name, entity in entities.items()
    }
    rows = {entity: {1: _row(columns.columns, kinds.get(entity, {}))} for entity, columns in READINGS.items()}
    names = Names({name: {1: {"name": "a name", "phone": "+12125550100", "email": "a@example.com",
                              "job_class": "Service"}} for name in
                   ("job_types", "business_units", "technicians", "campaigns", "tag_types",
                   "membership_types",
                    "recurring_service_types")})  # fmt: skip
    event = Event(1, "job_created", "jobs", 1, "1", _NOW, _NOW, historical=False, data={})
    bundle = Bundle(rows)
    beside = Beside(
        instance_id=1,
        started_at=_NOW,
        settings=settings or {},
        happened=(event, _other()),
        happening=_other(),
    )
    found = dict(
        at_hand(
            bundle, names, event, 1, now=_NOW, company=Company(name="a", phone="b", zone="UTC"), beside=beside
        )
    )
    for role, entity in ROLES.items():  # each in turn, as the thing that a start is about
        about = Event(1, "tick", entity, 1, "1", _NOW, _NOW, historical=False, data={})
        found[role] = at_hand(bundle, names, about, 1, now=_NOW, company=Company(zone="UTC"))[role]
    for role in ("contact", "customer"):
        found[role] = {**found[role], "email": _TEXTS["email"]}
    return found


def _other() -> Event:
    return Event(2, "message_received", "jobs", 1, "2", _NOW, _NOW, historical=False, data=_MESSAGE)


def known(records: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether ``path`` names something in ``sample``."""
    here: Any = records
    for place, name in enumerate(path):
        if path[:place] in OPEN:
            return True
        if not isinstance(here, Mapping) or name not in here:
            return False
        here = here[name]
    return True


def listed(records: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each name with its kind: (customer.name, text)."""
    for name, value in records.items():
        if isinstance(value, Mapping) and (name,) not in (*OPEN, ("settings",)):
            for field, inner in value.items():
                yield f"{name}.{field}", kind_of(inner)
        else:
            yield name, kind_of(value)


def kind_of(value: Any) -> str:
    """The kind of a value in a word."""
    match value:
        case bool():
            return "true or false"
        case int() | float() | Decimal():
            return "number"
        case datetime():
            return "moment"
        case date():
            return "day"
        case Mapping():
            return "record"
        case list() | tuple():
            return "list"
    return "text"


def _row(columns: tuple[str, ...], kinds: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "st_id": 1,
        "st_created_on": _NOW,
        "st_modified_on": _NOW,
        "active": True,
        "deleted_at": None,
    }
    row |= {name: _value(name, kinds.get(name, "text")) for name in columns}
    if "subtotal" in row:
        row["total"] = Decimal(500)
    return row


def _value(name: str, kind: str) -> Any:
    if name == "merged_to_id":
        return 1
    if kind in ("bigint", "integer"):
        return 1
    if kind.startswith(("numeric", "double")):
        return Decimal(500)
    if kind == "timestamptz":
        return _NOW
    if kind == "date":
        return _NOW.date()
    if kind == "boolean":
        return name != "do_not_text"
    if kind == "bigint[]":
        return [1]
    if kind == "text[]":
        return ["a"]
    return _TEXTS.get(name, "a text")


_TEXTS: Final = {
    "state": "NY",
    "zip": "10001",
    "phone": "+12125550100",
    "email": "a@example.com",
    "contact_type": "MobilePhone",
    "customer_type": "Residential",
}
