"""The pass-through in the OpenAPI document: an entry for each route, written from the rows."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from perfectcatch.gateway.passing import preview
from perfectcatch.gateway.problems import MEDIA_TYPE
from perfectcatch.model.endpoint import Kind, Parameter
from perfectcatch.model.passing import Offer, Route, Schema

_TYPES: Final[Mapping[str, Schema]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "object": {"type": "object", "additionalProperties": {"type": "string"}},
}
_PROBLEMS: Final = {
    400: "The request is not well formed.",
    401: "No valid key.",
    403: "The key, or our app at the vendor, lacks a permission.",
    404: "The vendor has no such record.",
    405: "The path takes other methods.",
    408: "The body did not arrive in time.",
    409: "The vendor refuses because of the record's state, or the same write is under way or unknown.",
    413: "The body is too large.",
    414: "The query is too long.",
    415: "The body is of a kind that is not taken.",
    422: "An argument or the body is wrong; the nearest valid name is told.",
    429: "Too many requests: with this key, or to the vendor.",
    500: "A fault of this program.",
    502: "The vendor failed.",
    503: "Not possible right now: the vendor rests, calls pause, or the database is away.",
    504: "The vendor did not answer in time.",
}
_READ: Final = (400, 401, 403, 404, 422, 429, 500, 502, 503, 504)
_WRITE: Final = (*_READ, 408, 409, 413, 415)
_SIGNS: Final = {"/": "_", "-": "_"}
_KEY: Final = "IdempotencyKey"
_DRY: Final = "DryRun"
_PREVIEW: Final = "PassedPreview"


def describe(document: dict[str, Any], offer: Offer, routes: Iterable[Route]) -> None:
    """Add ``routes`` and everything that they refer to."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= offer.schemas
    schemas.setdefault("Problem", _problem())
    shown = preview.Preview.model_json_schema(ref_template=f"#/components/schemas/{_PREVIEW}{{model}}")
    schemas |= {f"{_PREVIEW}{name}": each for name, each in shown.pop("$defs", {}).items()}
    schemas[_PREVIEW] = shown
    components.setdefault("responses", {}).update(
        {f"Problem{status}": _response(text) for status, text in _PROBLEMS.items()}
    )
    components.setdefault("parameters", {}).update(_common())
    paths = document.setdefault("paths", {})
    tags: dict[str, None] = {}
    for route in routes:
        tag = _tag(route)
        tags[tag] = None
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, tag)
    document.setdefault("tags", []).extend({"name": tag} for tag in tags)


def _tag(route: Route) -> str:
    return route.path.split("/")[1] if route.alias else f"st/{route.path.split('/')[2]}"


def _operation(route: Route, tag: str) -> dict[str, Any]:
    endpoint = route.endpoint
    numbers = _WRITE if endpoint.writes else (*_READ, 408, 413) if route.body else _READ
    parameters = [_parameter(each, "path") for each in endpoint.path_parameters if each.name != "tenant"]
    parameters += [_parameter(each, "query") for each in route.query]
    parameters.append({"$ref": f"#/components/parameters/{_DRY}"})
    if endpoint.writes:
        parameters.append({"$ref": f"#/components/parameters/{_KEY}"})
    told: dict[str, Any] = {
        "operationId": route.method.lower() + re.sub(r"\W", lambda sign: _SIGNS.get(sign[0], ""), route.path),
        "tags": [tag],
        "summary": endpoint.does,
        "description": _description(route),
        "parameters": parameters,
        "responses": {
            **_answers(route),
            **{
                str(number): {"$ref": f"#/components/responses/Problem{number}"} for number in sorted(numbers)
            },
        },
        "security": [{"apiKey": []}],
        "x-required-scope": "write" if endpoint.writes else "read",
        "x-operation": endpoint.name,
    }
    if route.body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    elif route.uploads:
        file = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        told["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": file}}}
    elif endpoint.body is not None and not route.query_is_body:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": {}}}}
    if not endpoint.current:
        told["deprecated"] = True
    return told


def _description(route: Route) -> str:
    endpoint = route.endpoint
    said = [f"`{endpoint.method} {endpoint.path}` at the vendor."]
    if endpoint.scopes:
        said.append(f"Our app there needs {' and '.join(endpoint.scopes)}.")
    if endpoint.needs_one_of:
        said.append(f"At least one of {', '.join(endpoint.needs_one_of)} is needed.")
    if endpoint.fresh_seconds:
        said.append(
            f"An answer may be {endpoint.fresh_seconds:g} s old, as `Age` tells; "
            "`Cache-Control: no-cache` asks anew."
        )
    if not endpoint.current:
        said.append("Withdrawn from the vendor's documents; it may still answer.")
    return " ".join(said)


def _answers(route: Route) -> dict[str, Any]:
    endpoint = route.endpoint
    shown = {"$ref": f"#/components/schemas/{_PREVIEW}"}
    if endpoint.kind is Kind.FILE:
        told: dict[str, Any] = {
            "200": {
                "description": "The file; of a dry run, what would be asked.",
                "content": {
                    "application/json": {"schema": shown},
                    "*/*": {"schema": {"type": "string", "format": "binary"}},
                },
            },
            "302": {"description": "Where the file lies: a signed address that needs no key of ours."},
        }
        return told
    found: dict[str, Any] = {}
    for status, schema in route.answers.items():
        found[str(status)] = {"description": "As the vendor answered."}
        if schema is not None:
            found[str(status)]["content"] = {"application/json": {"schema": schema}}
    if not found:
        found["200"] = {"description": "As the vendor answered; its documents do not say what."}
    elif "200" not in found:
        content = {"application/json": {"schema": shown}}
        found["200"] = {"description": "What a dry run would send.", "content": content}
    elif (content := found["200"].get("content")) is not None:
        content["application/json"]["schema"] = {"anyOf": [content["application/json"]["schema"], shown]}
    return found


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    kind, many = parameter.type.removesuffix("[]"), parameter.type.endswith("[]")
    schema: dict[str, Any] = dict(_TYPES[kind])
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.name == "pageSize":
        schema |= {"minimum": 1}
    told: dict[str, Any] = {"name": parameter.name, "in": place, "schema": schema}
    if many:
        told["schema"] = {"type": "array", "items": schema}
    if place == "path" or parameter.required:
        told["required"] = True
    return told


def _response(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _common() -> dict[str, Any]:
    return {
        _KEY: {
            "name": "Idempotency-Key",
            "in": "header",
            "description": (
                "Your word for this change, 1 to 255 characters. Repeating the request with it gives the "
                "first answer again for 30 days and never changes anything twice."
            ),
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        },
        _DRY: {
            "name": preview.PARAMETER,
            "in": "query",
            "description": "Check everything and show the vendor's request; nothing is sent.",
            "schema": {"type": "boolean", "default": False},
        },
    }


def _problem() -> dict[str, Any]:
    from perfectcatch.gateway.problems import Problem

    return Problem.model_json_schema()
