"""Routes as rows, for where speed counts or where routes follow from declarations.

A row is a plain Starlette route and its entry in the OpenAPI document. A route of FastAPI's own answers 0.58
times as many requests before a line of ours has run (benchmarks/gateway_reads.py).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perfectcatch.gateway.access import MEANINGS, PROBLEMS, Scope
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.problems import MEDIA_TYPE

Handler = Callable[[Gateway, Request], Awaitable[Response]]
Schema = Mapping[str, Any]

SECURITY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}]
NOT_FOUND: Final = 404
NOT_MODIFIED: Final = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route. ``answers`` maps a status to (what it means, the schema of its JSON or None).

    ``route``: the path as Starlette reads it, where it differs from the documented one.
    """

    name: str
    path: str
    does: str
    tag: str
    handler: Handler
    answers: Mapping[int, tuple[str, Schema | None]]
    method: str = "GET"
    scope: Scope = Scope.READ
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    headers: Mapping[str, Schema] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    route: str | None = None
    hidden: bool = False  # another row documents it


def routes(operations: Iterable[Operation]) -> list[Route]:
    """A route for each row that has one of its own."""
    made: dict[tuple[str, str], Route] = {}
    for row in operations:
        path = row.route or row.path
        made.setdefault((path, row.method), Route(path, _admitting(row), methods=[row.method]))
    return list(made.values())


def _admitting(row: Operation) -> Callable[[Request], Awaitable[Response]]:
    handler, scope = row.handler, row.scope

    async def endpoint(request: Request) -> Response:
        gateway = gateway_of(request)
        request.state.caller = await gateway.door.admit(request.headers.get("authorization"), scope)
        return await handler(gateway, request)

    endpoint.__name__ = row.name
    return endpoint


def describe(
    document: dict[str, Any], operations: Iterable[Operation], schemas: Mapping[str, Schema]
) -> None:
    """Add the rows and the schemas that they name to an OpenAPI document."""
    paths = document.setdefault("paths", {})
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
    for row in operations:
        if not row.hidden:
            paths.setdefault(row.path, {})[row.method.lower()] = _entry(row)


def _entry(row: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": row.name,
        "tags": [row.tag],
        "summary": row.does,
        "security": SECURITY,
        "x-required-scope": str(row.scope),
        "responses": _responses(row),
    }
    if row.parameters:
        entry["parameters"] = list(row.parameters)
    if row.body is not None:
        entry["requestBody"] = {"required": True, "content": {"application/json": {"schema": row.body}}}
    return entry


def _responses(row: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, (what, schema) in row.answers.items():
        found[str(status)] = {"description": what}
        if schema is not None:
            found[str(status)]["content"] = {"application/json": {"schema": schema}}
            if row.headers:
                found[str(status)]["headers"] = {name: dict(each) for name, each in row.headers.items()}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for number in (*PROBLEMS, *row.problems):
        text = PROBLEMS.get(number, {}).get("description") or MEANINGS[int(number)]
        found[str(number)] = {"description": text, "content": problem}
    return found


# Parts of a description --------------------------------------------------------------------------


def query(name: str, does: str, schema: Schema | None = None, *, many: bool = False) -> Schema:
    """A parameter of the query."""
    given = dict(schema or {"type": "string"})
    if many:
        return {
            "name": name,
            "in": "query",
            "description": does,
            "schema": {"type": "array", "items": given},
            "explode": True,
        }
    return {"name": name, "in": "query", "description": does, "schema": given}


def in_path(name: str, does: str, schema: Schema | None = None) -> Schema:
    """A parameter of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": does,
        "schema": dict(schema or {"type": "string"}),
    }


def ref(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """The same or null."""
    if "$ref" in schema or "anyOf" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kind = schema.get("type")
    return {**schema, "type": [kind, "null"]} if isinstance(kind, str) else schema
