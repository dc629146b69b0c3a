"""The filters of lists: from the documented query parameters to a test on records.

A name that the operation does not document is ignored without a word, as the vendor does.
"""

import contextlib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import bad
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.filter_names import ELSEWHERE, PATHS, RANGES, SEARCHED, VIA
from perfectcatch.sandbox.servicetitan.table import Id, Row, Table, as_id, dig
from perfectcatch.vendors.servicetitan.shapes import INTEGERS, NUMBERS, Shape

MOST_IDS = 50
_IDS_OF_JOBS = frozenset({"jpm.jobs_cancel_reasons", "jpm.jobs_hold_reasons"})
_GENERAL = frozenset(
    [
        "page",
        "pageSize",
        "includeTotal",
        "sort",
        "orderBy",
        "orderByDirection",
        "ids",
        "active",
        "activeState",
        "activeOnly",
        "includeInactive",
        "createdOnOrAfter",
        "createdBefore",
        "createdAfter",
        "modifiedOnOrAfter",
        "modifiedBefore",
        "modifiedOnOrBefore",
        "modifiedAfter",
        "from",
        "includeRecentChanges",
        "externalDataApplicationGuid",
        "externalDataKey",
        "externalDataValues",
    ]
)
_RANGE = re.compile(r"(\w+?)(?:On)?(OnOrAfter|OnOrBefore|OnBefore|OnAfter|Before|After|From|To|Greater|Less)")


@dataclass(slots=True)
class Wanted:
    """What a query asks for: ``ids`` narrow first (cheap), then ``tests`` look at each row."""

    ids: list[set[Id]] = field(default_factory=list)
    tests: list[Callable[[Row], bool]] = field(default_factory=list)

    def rows(self, rows: list[Row]) -> list[Row]:
        """The rows that pass."""
        if self.ids:
            narrow = set.intersection(*sorted(self.ids, key=len))
            rows = [row for row in rows if row.id in narrow]
        for test in self.tests:
            rows = [row for row in rows if test(row)]
        return rows


def wanted(call: Call, table: Table) -> Wanted:
    """Read all filters of a list request. Raises 400 for a value that cannot be read."""
    found = Wanted()
    found.tests.append(lambda row: not row.hidden)
    _moments(call, found)
    _activity(call, found)
    _ids(call, found)
    _external_data(call, table, found)
    for name, shape in call.route.operation.query.items():
        text = call.query.get(name)
        if text is None or name in _GENERAL:
            continue
        check(name, text, shape)
        if text:
            _field(call, table, name, text, found)
    return found


def check(name: str, text: str, shape: Shape) -> None:
    """Refuse a value that is not of the documented type. Raises 400."""
    problem = bad(name, f"The value '{text}' is not valid for {name}.")
    inner = shape.inner if shape.word == "list" and shape.inner else shape
    for part in text.split(",") if shape.word == "list" else [text]:
        try:
            if inner.word in INTEGERS and part:
                int(part)
            elif inner.word in NUMBERS and part:
                float(part)
            elif inner.word in {"date-time", "date"} and part:
                moments.read(part.replace(" ", "+"))
        except ValueError:
            raise problem from None
        if inner.word == "boolean" and part.lower() not in {"true", "false", ""}:
            raise problem
        if inner.choices and part and part.lower() not in {str(each).lower() for each in inner.choices}:
            raise problem


def _moments(call: Call, found: Wanted) -> None:
    known = call.route.operation.query
    for name, of, keep in (
        ("createdOnOrAfter", "created", operator.ge),
        ("createdAfter", "created", operator.gt),
        ("createdBefore", "created", operator.lt),
        ("modifiedOnOrAfter", "modified", operator.ge),
        ("modifiedAfter", "modified", operator.gt),
        ("modifiedBefore", "modified", operator.lt),
        ("modifiedOnOrBefore", "modified", operator.le),
    ):
        if name in known and (limit := call.moment(name)) is not None:
            found.tests.append(_limit(of, keep, limit))


def _limit(of: str, keep: Callable[[int, int], bool], limit: int) -> Callable[[Row], bool]:
    return lambda row: keep(getattr(row, of), limit)


def _activity(call: Call, found: Wanted) -> None:
    known, query = call.route.operation.query, call.query
    wish = None
    if "active" in known:
        wish = query.get("active") or call.route.operation.active or "True"
        check("active", wish, known["active"])
    elif "activeState" in known:
        wish = query.get("activeState") or "ActiveOnly"
        check("activeState", wish, known["activeState"])
    elif "activeOnly" in known:
        wish = "True" if call.flag("activeOnly") else "Any"
    elif "includeInactive" in known:
        wish = "Any" if call.flag("includeInactive") else "True"
    if wish is None:
        return
    if wish.lower() in {"true", "activeonly"}:
        found.tests.append(lambda row: row.active and not row.merged)
    elif wish.lower() in {"false", "inactiveonly"}:
        found.tests.append(lambda row: not row.active and not row.merged)


def _ids(call: Call, found: Wanted) -> None:
    text = call.query.get("ids")
    if "ids" not in call.route.operation.query or not text:
        return
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MOST_IDS:
        raise bad("ids", f"At most {MOST_IDS} ids can be asked for at once, got {len(parts)}.")
    if call.tenant.routes.all_fields(call.route.collection).get(
        "id", Shape("int64")
    ).word == "int64" and not all(part.lstrip("-").isdigit() for part in parts):
        raise bad("ids", f"The value '{text}' is not valid for ids.")
    if call.route.collection in _IDS_OF_JOBS:
        column = call.tenant.table(call.route.collection).column("jobId")
        found.ids.append({each for part in parts for each in column.ids(int(part))})
        return
    found.ids.append({call.tenant.key(call.route.collection, part) for part in parts})


def _external_data(call: Call, table: Table, found: Wanted) -> None:
    key = call.query.get("externalDataKey")
    if "externalDataKey" not in call.route.operation.query or not key:
        return
    values = [part for part in (call.query.get("externalDataValues") or "").split(",") if part]
    if len(values) > MOST_IDS:
        raise bad(
            "externalDataValues", f"At most {MOST_IDS} values can be asked for at once, got {len(values)}."
        )
    column = table.column("externalData").values

    def holds(row: Row) -> bool:
        pairs = column.get(row.id) or ()
        return any(pair.get("key") == key and (not values or pair.get("value") in values) for pair in pairs)

    found.tests.append(holds)


# Filters on fields --------------------------------------------------------------------------------


def _field(call: Call, table: Table, name: str, text: str, found: Wanted) -> None:
    collection = call.route.collection
    if (collection, name) in VIA:
        other, condition, back = VIA[collection, name]
        found.ids.append(_via(call, other, condition, back, text))
        return
    if (collection, name) in ELSEWHERE:
        ids = {row.id for row in table.rows.values() if ELSEWHERE[collection, name](call, row.record(), text)}
        found.ids.append(ids)
        return
    if path := _path(table, collection, name):
        _compare(table, path, name, text, found)
        return
    match = _RANGE.fullmatch(name)
    if match and (path := _range_path(table, collection, match.group(1))):
        found.tests.append(_range(table, path, match.group(2), text))


def _via(call: Call, other: str, condition: str, back: str, text: str) -> set[Id]:
    """Ids found through another collection: jobs by the technician of an assignment."""
    column = call.tenant.table(other).column(*condition.split("."))
    ids = set(column.ids(as_id(text)))
    if condition == "value":  # phone numbers are searched by their digits
        digits = re.sub(r"\D", "", text)
        ids = {
            key for key, value in column.values.items() if digits and digits in re.sub(r"\D", "", str(value))
        }
    links = call.tenant.table(other).column(back).values
    return {links[each] for each in ids if links.get(each) is not None}


def _path(table: Table, collection: str, name: str) -> tuple[str, ...] | None:
    """The field that a filter means: written down, of the same name, its singular, or inside an object."""
    given = PATHS.get((collection, name)) or PATHS.get(("", name))
    if given and table.has(given.split(".")[0]):
        return tuple(given.split("."))
    for word in (name, name.removesuffix("s"), name.removesuffix("es"), f"{name}s"):
        if table.has(word):
            return (word,)
    single = name.removesuffix("s")
    if single.endswith("Id") and table.has(single.removesuffix("Id")):
        return (single.removesuffix("Id"), "id")
    if name in {"street", "unit", "city", "state", "zip", "country", "latitude", "longitude"} and table.has(
        "address"
    ):
        return ("address", name)
    return None


def _compare(table: Table, path: tuple[str, ...], name: str, text: str, found: Wanted) -> None:
    column = table.column(*path)
    if name in SEARCHED:
        needle = text.lower()
        found.tests.append(lambda row: needle in str(column.values.get(row.id) or "").lower())
        return
    ids: set[Id] = set()
    for part in text.split(",") if name.endswith("s") else [text]:
        for value in _readings(part.strip()):
            ids |= set(column.ids(value))
    found.ids.append(ids)


def _readings(text: str) -> list[Any]:
    readings: list[Any] = [text]
    if text.lower() in {"true", "false"}:
        readings.append(text.lower() == "true")
    try:
        readings.append(int(text))
    except ValueError:
        with contextlib.suppress(ValueError):
            readings.append(float(text))
    return readings


def _range_path(table: Table, collection: str, stem: str) -> tuple[str, ...] | None:
    given = RANGES.get((collection, stem)) or RANGES.get(("", stem))
    for word in (given, f"{stem}On", stem, f"{stem}Date", stem.removesuffix("s"), f"{stem}At"):
        if word and table.has(word.split(".")[0]):
            return tuple(word.split("."))
    return None


def _range(table: Table, path: tuple[str, ...], how: str, text: str) -> Callable[[Row], bool]:
    column = table.column(*path).values
    limit = _measure(text)
    upper = how in {"OnOrBefore", "OnBefore", "Before", "To", "Less"}
    inclusive = how in {"OnOrAfter", "OnOrBefore", "From", "To"}

    def holds(row: Row) -> bool:
        value = _measure(column.get(row.id))
        if value is None or limit is None:
            return False
        if value == limit:
            return inclusive
        return (value < limit) if upper else (value > limit)

    return holds


def _measure(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        return float(moments.read(str(value).replace(" ", "+")))
    except ValueError:
        return None


def parent(call: Call, table: Table) -> Wanted:
    """Narrow to the records below the parents that the path names. Raises 404 for an unknown parent."""
    found = Wanted()
    fields = call.tenant.routes.all_fields(call.route.collection)
    for name, segment in call.route.parents:
        names = field_names(name, segment)
        link = next((each for each in names if each in fields or table.has(each)), None)
        if link is None:
            scope = call.scope
            found.tests.append(lambda row, scope=scope: row.scope == scope)  # type: ignore[misc]
            return found
        found.ids.append(set(table.column(link).ids(call.link(name))))
    return found


def field_names(parameter: str, segment: str) -> tuple[str, ...]:
    """Fields in which a record may name its parent, such as ``customerId`` for ``customers/{id}``."""
    single = {"employees": "employee", "categories": "category"}.get(segment, segment.removesuffix("s"))
    camel = re.sub(r"-(\w)", lambda match: match.group(1).upper(), single)
    words = (f"{camel}Id", f"{parameter}Id", parameter) if parameter != "id" else (f"{camel}Id",)
    pretty = tuple(re.sub(r"_(\w)", lambda match: match.group(1).upper(), word) for word in words)
    return (*pretty, "employeeId") if camel in {"employee", "technician"} else pretty


def pick(record: Any, path: str) -> Any:
    """Read a dotted path."""
    return dig(record, path.split("."))
