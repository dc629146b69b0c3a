"""A write without special rules: create, change or remove a record of the collection, answer in shape."""

import re
from collections.abc import Mapping
from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.filters import field_names
from perfectcatch.sandbox.servicetitan.paging import ancestors, furnish
from perfectcatch.sandbox.servicetitan.singles import located, single
from perfectcatch.sandbox.servicetitan.table import Record, as_id
from perfectcatch.sandbox.servicetitan.writes.kinds import external_data
from perfectcatch.vendors.servicetitan.shapes import Shape, complaints, fits

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BOOK = "POST /jpm/v2/tenant/{tenant}/jobs"
_AFTER = {"approve": "Approved", "reject": "Rejected", "cancellation": "Canceled", "dismiss": "Dismissed"}


def check_body(call: Call) -> None:
    """Check the body against the documented request. Raises 400."""
    shape = call.route.operation.body
    if shape is None or call.upload:
        return
    if call.body is None:
        if shape.fields and not any(field.required for field in shape.fields.values()):
            call.body = {}
            return
        raise AnswerError(400, body="A non-empty request body is required.")
    found = complaints(call.body, shape)
    if found:
        # Clients met 422 for a job without a campaign, where everything else that is missing is 400.
        error = AnswerError(422 if call.route.key == _BOOK and found.keys() == {"campaignId"} else 400)
        error.errors = found
        raise error


def write(call: Call) -> Answer:
    """Carry out any write that has no rules of its own."""
    ancestors(call)
    route = call.route
    if not route.known:
        return _only_answer(call)
    if route.action is not None:
        return _act(call)
    if route.method == "POST":
        return _create(call)
    if route.item is not None:
        return _change(call)
    return _settle(call)


def _create(call: Call) -> Answer:
    tenant, route = call.tenant, call.route
    if route.collection not in tenant.tables and not tenant.routes.list_fields(route.collection):
        return _only_answer(call)
    bodies = call.body if isinstance(call.body, list) else [call.body or {}]
    records = [tenant.add(route.collection, _facts(call, body), call.scope) for body in bodies]
    return answer_with(call, records)


def _facts(call: Call, body: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Record:
    """What a body says of a record, as far as it fits the record's shape, and the parents of the path."""
    fields = call.tenant.routes.all_fields(call.route.collection)
    facts = {name: overlaid(call, fields[name], value) for name, value in body.items() if name in fields}
    facts = {name: value for name, value in facts.items() if value is not None or fields[name].nullable}
    if "externalData" in fields and isinstance(body.get("externalData"), dict):
        facts["externalData"] = external_data(body, (before or {}).get("externalData"))
    for name, segment in call.route.parents:
        link = next((each for each in field_names(name, segment) if each in fields), None)
        if link is not None:
            facts[link] = call.link(name)
    if fields.get("id", Shape("int64")).word not in {"int64", "int32"} or not isinstance(
        facts.get("id"), int
    ):
        facts.pop("id", None)
    return facts


def overlaid(call: Call, shape: Shape, value: Any) -> Any:
    """Bring a request's value into the answer's shape, or None where nothing of it fits."""
    if isinstance(value, list) and shape.word == "list" and shape.inner:
        parts = [overlaid(call, shape.inner, each) for each in value]
        return [each for each in parts if each is not None]
    if isinstance(value, dict) and shape.fields:
        facts = {
            name: overlaid(call, shape.fields[name], each)
            for name, each in value.items()
            if name in shape.fields
        }
        return call.tenant.maker.bare(
            shape.fields, {k: v for k, v in facts.items() if v is not None}, shape.name
        )
    return value if fits(value, shape) else None


def _change(call: Call) -> Answer:
    tenant, route = call.tenant, call.route
    if route.parents:
        furnish(call, tenant.table(route.collection))
    if route.method == "DELETE":
        tenant.delete(route.collection, located(call).id)
        return answer_with(call, [{"id": call.item}])
    # A PUT that names its own record makes it when there is none (contact methods, preferences).
    if (
        route.method == "PUT"
        and tenant.key(route.collection, call.item) not in tenant.table(route.collection).rows
    ):
        id_shape = tenant.routes.all_fields(route.collection).get("id", Shape("string"))
        if id_shape.word not in {"int64", "int32"} and not isinstance(as_id(call.item), int):
            if id_shape.word == "guid" and not _GUID.fullmatch(call.item):
                raise AnswerError(404)
            known = {"id": call.item, **_facts(call, call.body or {})}
            return answer_with(call, [tenant.add(route.collection, known, call.scope)])
        raise AnswerError(404)
    body = call.body if isinstance(call.body, dict) else {}
    row = located(call)
    record = tenant.edit(route.collection, row.id, **_facts(call, body, row.record()))
    return answer_with(call, [record])


def _act(call: Call) -> Answer:
    """An action such as approve: the record's moment moves, its status follows where it has that word."""
    tenant, route = call.tenant, call.route
    bodies = call.body if isinstance(call.body, list) else [call.body or {}]
    if route.item is None:
        records = [_acted_on(call, body) for body in bodies]
        return answer_with(call, records)
    record = tenant.get(route.collection, call.item)
    fields = tenant.routes.all_fields(route.collection)
    changes = {
        name: value for name, value in _facts(call, bodies[0]).items() if name not in dict(route.parents)
    }
    status, word = fields.get("status"), _AFTER.get(route.action or "")
    if status and word and word in status.choices:
        changes["status"] = word
    return answer_with(call, [tenant.edit(route.collection, record["id"], **changes)])


def _acted_on(call: Call, body: Any) -> Record:
    """The record that an element of a bulk request names, touched; else what the request itself says."""
    facts = dict(body) if isinstance(body, dict) else {}
    table = call.tenant.table(call.route.collection)
    for name, value in facts.items():
        if name.lower().endswith("id") and isinstance(value, int) and value in table.rows:
            changes = {key: each for key, each in _facts(call, facts).items() if key != "id"}
            return {**facts, **call.tenant.edit(call.route.collection, value, **changes)}
    return facts


def _settle(call: Call) -> Answer:
    """A write to the one document of a collection, or to many records that the body names."""
    tenant, route = call.tenant, call.route
    body = call.body if isinstance(call.body, dict) else {}
    key = (route.collection, call.scope)
    getter = next(
        (each for each in tenant.routes.by_collection[route.collection] if each.method == "GET"), None
    )
    if getter is not None and getter.answer and getter.answer.fields and not getter.wrapped:
        document_call = Call(tenant, getter, call.path, {}, None)
        if "hasMore" not in getter.answer.fields:
            now = single(document_call)
            facts = {
                name: value
                for name, value in body.items()
                if fits(value, getter.answer.fields.get(name, Shape("?")))
            }
            tenant.documents[key] = {**now, **{k: v for k, v in facts.items() if k in getter.answer.fields}}
            return answer_with(call, [tenant.documents[key]])
    return answer_with(call, [dict(body)])


def _only_answer(call: Call) -> Answer:
    """A command about nothing that can be read back: only its answer's shape matters."""
    return answer_with(call, [each if isinstance(each, dict) else {} for each in _each(call.body)])


def _each(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body or {}]


def answer_with(call: Call, records: list[Record]) -> Answer:
    """Answer in the documented shape around records; what does not fit the shape is left out."""
    shape, status = call.route.answer, call.route.status
    if shape is None:
        return nothing(status)
    if shape.word == "list" and shape.inner:
        return document([shaped(call, shape.inner, each) for each in records], status, len(records))
    first = records[0] if records else {}
    if call.route.wrapped:
        return document({"data": shaped(call, shape.fields["data"], first)}, status)
    return document(shaped(call, shape, first), status)


def shaped(call: Call, shape: Shape, known: Mapping[str, Any]) -> Any:
    """Bring what is known into an answer's shape; values that do not fit it are made up instead."""
    if not shape.fields:
        return call.shaped(shape, known)
    facts = {name: value for name, value in known.items() if name in shape.fields}
    fitting = {name: overlaid(call, shape.fields[name], value) for name, value in facts.items()}
    kept = {name: value for name, value in fitting.items() if value is not None or facts[name] is None}
    return call.shaped(
        shape, {name: value for name, value in kept.items() if fits(value, shape.fields[name])}
    )
