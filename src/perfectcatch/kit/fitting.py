"""Answers in a given shape: the part of JSON Schema that a model's answer is checked against.

A keyword that is not among those here is refused, so that no shape is promised that nobody checks.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from perfectcatch.errors import Refused

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
_BOUNDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "minLength": lambda value, bound: not isinstance(value, str) or len(value) >= bound,
    "maxLength": lambda value, bound: not isinstance(value, str) or len(value) <= bound,
    "minItems": lambda value, bound: not isinstance(value, list) or len(value) >= bound,
    "maxItems": lambda value, bound: not isinstance(value, list) or len(value) <= bound,
    "minimum": lambda value, bound: not _TYPES["number"](value) or value >= bound,
    "maximum": lambda value, bound: not _TYPES["number"](value) or value <= bound,
    "enum": lambda value, bound: value in bound,
    "const": lambda value, bound: value == bound,
}
_SHAPE: Final = frozenset({"type", "properties", "required", "items", "additionalProperties"})
_WORDS: Final = frozenset({"description", "title"})
# What models' vendors take when they promise an answer of exactly this shape; bounds are not among it.
_PROMISED: Final = frozenset({"type", "required", "enum", "const", "description"})


def fitted(value: Any, schema: Mapping[str, Any], where: str = "the answer") -> Any:
    """``value``, or ``Refused`` that names the first place that does not fit."""
    for keyword in schema:
        if keyword not in _SHAPE | _WORDS | _BOUNDS.keys():
            raise Refused(f"The schema of {where} has {keyword}, which is not understood: leave it out.")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds if kind in _TYPES):
        raise Refused(f"{where} is {type(value).__name__}, not {' or '.join(kinds)}.")
    for keyword, holds in _BOUNDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            raise Refused(f"{where} does not keep {keyword} {schema[keyword]}.")
    if isinstance(value, dict):
        return _object(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        return [fitted(each, schema["items"], f"{where}[{place}]") for place, each in enumerate(value)]
    return value


def _object(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What is not in the schema is left out: nobody has asked for it."""
    for name in schema.get("required", ()):
        if name not in value:
            raise Refused(f"{where} lacks {name}.")
    properties: Mapping[str, Any] = schema.get("properties", {})
    if not properties:
        return value
    known = {name: each for name, each in value.items() if name in properties}
    return {name: fitted(each, properties[name], f"{where}.{name}") for name, each in known.items()}


def promised(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as a model's vendor takes it: without bounds, and with no further properties."""
    told = {name: value for name, value in schema.items() if name in _PROMISED}
    if "items" in schema:
        told["items"] = promised(schema["items"])
    if "properties" in schema:
        told["properties"] = {name: promised(each) for name, each in schema["properties"].items()}
        told["additionalProperties"] = False
    return told
