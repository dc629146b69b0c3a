"""Reads of one document, of unpaged lists, and of files."""

from typing import Any

import msgspec

from perfectcatch.sandbox.servicetitan.answers import JSON, Answer, AnswerError, bad, document
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.filters import parent, wanted
from perfectcatch.sandbox.servicetitan.paging import ancestors, furnish
from perfectcatch.sandbox.servicetitan.table import Row, as_id
from perfectcatch.sandbox.servicetitan.views import join, view
from perfectcatch.vendors.servicetitan.shapes import Shape

# A silent recording: the smallest valid WAV file of one second at 8 kHz, eight bits a sample.
_SILENCE = (
    b"RIFF" + (36 + 8000).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    + (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (8000).to_bytes(4, "little")
    + (8000).to_bytes(4, "little") + (1).to_bytes(2, "little") + (8).to_bytes(2, "little")
    + b"data" + (8000).to_bytes(4, "little") + b"\x80" * 8000
)  # fmt: skip

_NAMED_BY = {"preferenceName": "name"}
_REDIRECT = 302


def item(call: Call) -> Answer:
    """Answer one document: a record by its id, or something of which there is one for each parent."""
    _required(call)
    if call.route.item is not None:
        return _by_id(call)
    if call.route.wrapped:
        return whole(call)
    return document(single(call))


def _by_id(call: Call) -> Answer:
    if call.route.parents:
        ancestors(call)
    tenant, route = call.tenant, call.route
    table = tenant.table(route.collection)
    if route.parents or not table.rows:
        _furnish_item(call)
    row = located(call)
    body = view(tenant, route, table)(row)
    return Answer(body=b'{"data":' + body + b"}" if route.wrapped else body, records=1)


def located(call: Call) -> Row:
    """The row that the path names, by id or, where a path says so, by another field. Raises 404."""
    tenant, route = call.tenant, call.route
    field = _NAMED_BY.get(route.item or "")
    if field is None:
        return tenant.row(route.collection, call.item)
    for row in tenant.table(route.collection).rows.values():
        if row.scope == call.scope and row.record()[field] == call.item:
            return row
    raise AnswerError(404)


def _furnish_item(call: Call) -> None:
    """Resources that only a read by id shows exist for whatever id they are first asked by."""
    tenant, route = call.tenant, call.route
    table = tenant.table(route.collection)
    lists = any(
        each.method == "GET" and each.item is None for each in tenant.routes.by_collection[route.collection]
    )
    if route.parents and lists:
        furnish(call, table)
    elif not lists and tenant.key(route.collection, call.item) not in table.rows:
        known: dict[str, Any] = {"id": as_id(call.item)}
        table.put(
            tenant.made(route.collection, 0, known, *call.path.values()) | {"id": known["id"]},
            default=tenant.opened,
        )


def _equipment(call: Call) -> Any:
    return {"equipmentIds": call.tenant.get("jpm.jobs", call.path["id"])["equipmentIds"]}


def _booked(call: Call) -> Any:
    job = call.tenant.get("jpm.jobs", call.path["id"])
    visit = call.tenant.get("jpm.appointments", job["firstAppointmentId"])
    times = {name: visit[name] for name in ("start", "arrivalWindowStart", "arrivalWindowEnd")}
    made = {name: job[name] for name in ("createdOn", "createdById")}
    return {
        "id": job["id"],
        "jobId": job["id"],
        "jobAppointmentId": visit["id"],
        **times,
        **made,
        "active": True,
    }


# Single documents that follow from records.
_DERIVED = {"jpm.jobs_equipment": _equipment, "jpm.jobs_booked_log": _booked}


def single(call: Call) -> Any:
    """The one document of a collection and its parents, made up on first sight and writable from then on."""
    ancestors(call)
    if derive := _DERIVED.get(call.route.collection):
        return derive(call)
    tenant, shape = call.tenant, call.route.answer
    table = tenant.tables.get(call.route.collection)
    if table and call.route.collection in tenant.given and not call.route.parents:
        return msgspec.json.decode(next(iter(table.rows.values())).body)
    key = (call.route.collection, call.scope)
    if key not in tenant.documents:
        made = tenant.maker.record(shape or Shape("map"), call.route.collection, *call.scope)
        tenant.documents[key] = _unpaged(made)
    return tenant.documents[key]


def _unpaged(made: Any) -> Any:
    """A document that looks like a page is the whole of it."""
    if isinstance(made, dict) and "hasMore" in made:
        data = made.get("data") or []
        made |= {"hasMore": False, "page": 1, "pageSize": 50}
        if "totalCount" in made:
            made["totalCount"] = len(data)
    return made


def whole(call: Call) -> Answer:
    """Answer a list at once, without pages."""
    _required(call)
    shape, wrapped = call.route.answer, call.route.wrapped
    if shape is None or not (wrapped or shape.word == "list"):
        return document(single(call))
    tenant, table = call.tenant, call.tenant.table(call.route.collection)
    if call.route.parents:
        furnish(call, table)
    rows = wanted(call, table).rows(table.by_id())
    if call.route.parents:
        rows = parent(call, table).rows(rows)
    data = join(rows, view(tenant, call.route, table))
    body = b'{"data":[' + data + b"]}" if wrapped else b"[" + data + b"]"
    return Answer(body=body, records=len(rows))


def file(call: Call) -> Answer:
    """Answer bytes, or the address where they are."""
    ancestors(call)
    if call.route.collection.startswith("telecom.calls"):
        return Answer(body=_SILENCE, content_type="application/octet-stream", records=1)
    if _REDIRECT in call.route.operation.answers:
        name = call.query.get("path") or call.path.get("id", "file")
        return Answer(
            status=_REDIRECT, content_type=JSON, headers={"Location": f"https://files.example.com/{name}"}
        )
    return Answer(body=b"", content_type="application/octet-stream")


def _required(call: Call) -> None:
    for name, shape in call.route.operation.query.items():
        if shape.required and not call.query.get(name):
            raise bad(name, f"The {name} field is required.")
