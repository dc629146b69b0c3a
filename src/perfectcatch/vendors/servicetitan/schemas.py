"""The vendor's shapes as JSON schemas."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from perfectcatch.model.passing import Schema
from perfectcatch.vendors.servicetitan.shapes import Shape, choices_of, fields_of, schema_names

# Words of the vendor that say how a text is shown; no format that a checker could know.
_TEXTS = {"html", "multiline", "phone", "password", "email", "duration", "string"}
_PLAIN: Mapping[str, Schema] = {
    "boolean": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "integer": {"type": "integer"},
    "decimal": {"type": "number"},
    "double": {"type": "number", "format": "double"},
    "float": {"type": "number", "format": "float"},
    "number": {"type": "number"},
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "guid": {"type": "string", "format": "uuid"},
    "binary": {"type": "string", "format": "binary"},
    "map": {"type": "object"},
    "any": {},
} | {word: {"type": "string"} for word in _TEXTS}


def schema_of(shape: Shape) -> Schema:
    """A shape as a schema; named shapes are references into the components."""
    if shape.name:
        plain: dict[str, Any] = {"$ref": f"#/components/schemas/{shape.name}"}
    elif shape.word == "list":
        plain = {"type": "array", "items": schema_of(shape.inner) if shape.inner else {}}
    elif shape.word == "map":
        plain = {"type": "object", "additionalProperties": schema_of(shape.inner) if shape.inner else True}
    else:
        plain = dict(_PLAIN[shape.word])
    if not shape.nullable or not plain:
        return plain
    if "$ref" in plain:
        return {"anyOf": [plain, {"type": "null"}]}
    return {**plain, "type": [plain["type"], "null"]}


@cache
def components() -> dict[str, Schema]:
    """Every named shape by its name in the vendor's documents."""
    return {name: _named(name) for name in schema_names()}


def _named(name: str) -> Schema:
    if choices := choices_of(name):
        return {"enum": list(choices)}
    fields = fields_of(name)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key: schema_of(shape) for key, shape in fields.items()},
    }
    if required := [key for key, shape in fields.items() if shape.required]:
        schema["required"] = required
    return schema
