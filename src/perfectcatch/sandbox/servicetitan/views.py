"""From stored rows to the records of an answer.

Most answers show exactly what is stored, so their bytes are joined as they are. Where an operation's shape
differs (an export's ``active``, a list below a parent without the parent's id, the forms of a call) the
record is decoded and brought into that shape.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from perfectcatch.sandbox.servicetitan.company import call_in_v3
from perfectcatch.sandbox.servicetitan.routes import Route
from perfectcatch.sandbox.servicetitan.table import Record, Row, Table
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.vendors.servicetitan.shapes import Shape

_encode = msgspec.json.encode
View = Callable[[Row], bytes]
_BODY: View = attrgetter("body")


def view(tenant: Tenant, route: Route, table: Table) -> View:
    """Choose the cheapest way to show this table's rows in this route's shape."""
    shape = route.record
    if shape is None or not shape.fields:
        return _BODY
    if table.name == "telecom.calls":
        return partial(_call, tenant, shape, extra=route.kind != "export")
    allowed = shape.fields.keys()
    required = {name for name, field in shape.fields.items() if field.required}
    if table.seen <= allowed:
        if required <= table.seen and not table.seen_extra & allowed:
            return _BODY
        if required <= table.seen | table.seen_extra and table.seen_extra <= allowed:
            return lambda row: row.body[:-1] + b"," + row.extra + b"}" if row.extra else row.body
    return lambda row: _encode(into(tenant, shape, row.record()))


def shown(tenant: Tenant, route: Route, row: Row) -> Any:
    """One row as a decoded record in the route's shape."""
    return msgspec.json.decode(view(tenant, route, tenant.table(route.collection))(row))


def into(tenant: Tenant, shape: Shape, record: Mapping[str, Any]) -> Record:
    """Bring a record into a shape: other fields go, missing ones are null, empty or made up."""
    facts = {name: value for name, value in record.items() if name in shape.fields}
    if facts.keys() == shape.fields.keys():
        return facts
    return tenant.maker.bare(shape.fields, facts, shape.name, record.get("id"))


def join(rows: Iterable[Row], show: View) -> bytes:
    """Write rows as the inside of a JSON list."""
    return b",".join(map(show, rows))


# Calls --------------------------------------------------------------------------------------------


def _call(tenant: Tenant, shape: Shape, row: Row, *, extra: bool) -> bytes:
    if not extra:
        return row.body
    record = row.record()
    if "leadCall" not in shape.fields:
        return _encode(into(tenant, shape, record))
    record.setdefault(
        "_list", {"projectId": 0, "businessUnit": None, "type": None, "reason": None, "sid": ""}
    )
    listed = call_in_v3(record)
    if (shape.name or "").startswith("Telecom.V3"):
        return _encode(listed)
    # Version 2 documents none of these as null: what is absent there is an empty object in this shape.
    return _encode(_strict(tenant, shape, listed, row.id))


def _strict(tenant: Tenant, shape: Shape, known: Any, *path: Any) -> Any:
    """Bring nested objects into a shape whose fields may not be null."""
    if not shape.fields:
        return known
    facts = known if isinstance(known, dict) else {}
    result = tenant.maker.bare(shape.fields, {}, shape.name, *path)
    for name, inner in shape.fields.items():
        value = facts.get(name)
        if inner.fields and (value is not None or not inner.nullable):
            result[name] = _strict(tenant, inner, value, *path)
        elif value is not None:
            result[name] = value
    return result
