"""The vendor's shapes: which fields a body has and of what type. Made by tools/make_shapes.py.

The table is a fact of the vendor's documents, so whoever speaks for the vendor or to it reads it here.

``Shape`` is a parsed type word (see the tool for the spelling); ``SCHEMAS`` holds the named ones by name and
``OPERATIONS`` what is known of each operation, by ``"METHOD path"``.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import msgspec

INTEGERS = frozenset({"int32", "int64", "integer"})
NUMBERS = frozenset({"decimal", "double", "float", "number"})
_ARTICLE = {"int32": "a whole number", "int64": "a whole number", "boolean": "true or false"}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Shape:
    """A type: a plain word, a list or map of ``inner``, or the named schema ``name``."""

    word: str
    nullable: bool = False
    required: bool = False
    inner: "Shape | None" = None
    name: str | None = None

    @property
    def fields(self) -> Mapping[str, "Shape"]:
        """The fields of a named object; empty for anything else."""
        return fields_of(self.name) if self.name else {}

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a named enumeration; empty for anything else."""
        return choices_of(self.name) if self.name else ()


@lru_cache(maxsize=4096)
def parse(text: str) -> Shape:
    """Read a type word."""
    required, nullable = text.endswith("!"), text.rstrip("!").endswith("?")
    word = text.rstrip("!").removesuffix("?")
    if word[0] in "[{":
        kind = "list" if word[0] == "[" else "map"
        return Shape(kind, nullable, required, inner=parse(word[1:-1]))
    if word[0] == "@":
        return Shape("ref", nullable, required, name=word[1:])
    return Shape(word, nullable, required)


@dataclass(frozen=True, slots=True)
class Operation:
    """What the vendor's documents say of one operation."""

    query: Mapping[str, Shape] = field(default_factory=dict)
    path: Mapping[str, Shape] = field(default_factory=dict)
    sort: tuple[str, ...] | None = None  # None: no sort, or its fields are not documented
    active: str | None = None  # the default of the ``active`` filter
    max_page_size: int = 5000
    body: Shape | None = None
    answers: Mapping[int, Shape | None] = field(default_factory=dict)

    @property
    def success(self) -> tuple[int, Shape | None]:
        """The first documented status of success and the shape of its body."""
        return next(iter(self.answers.items()), (200, None))


@cache
def _table() -> dict[str, Any]:
    text = resources.files("perfectcatch.vendors.servicetitan").joinpath("shapes.json").read_bytes()
    table: dict[str, Any] = msgspec.json.decode(text)
    return table


@cache
def fields_of(name: str) -> Mapping[str, Shape]:
    """The fields of the schema ``name``."""
    entry = _table()["schemas"].get(name)
    return {key: parse(word) for key, word in entry.items()} if isinstance(entry, dict) else {}


@cache
def choices_of(name: str) -> tuple[Any, ...]:
    """The values of the enumeration ``name``."""
    entry = _table()["schemas"].get(name)
    return tuple(entry) if isinstance(entry, list) else ()


@cache
def operation(key: str) -> Operation:
    """Look up what is known of ``"METHOD path"``; an empty answer when the documents never held it."""
    fact = _table()["operations"].get(key, {})
    return Operation(
        query={name: parse(word) for name, word in fact.get("query", {}).items()},
        path={name: parse(word) for name, word in fact.get("path", {}).items()},
        sort=tuple(fact["sort"]) if "sort" in fact else None,
        active=fact.get("active"),
        max_page_size=fact.get("max", 5000),
        body=parse(fact["body"]) if fact.get("body") else None,
        answers={int(code): parse(word) if word else None for code, word in fact.get("answers", {}).items()},
    )


def operations() -> tuple[str, ...]:
    """Every key that ``operation`` knows."""
    return tuple(_table()["operations"])


def schema_names() -> tuple[str, ...]:
    """The name of every schema."""
    return tuple(_table()["schemas"])


# Checks -----------------------------------------------------------------------------------------


def complaints(value: Any, shape: Shape, at: str = "") -> dict[str, list[str]]:
    """What is wrong with a request's body, as the vendor lists it: {field: [text]}."""
    found: dict[str, list[str]] = {}
    _complain(value, shape, at, found)
    return found


def strangers(value: Any, shape: Shape, at: str = "") -> dict[str, str]:
    """Fields of a body that no document names, which the vendor ignores in silence: {field: sentence}."""
    found: dict[str, str] = {}
    if isinstance(value, list) and shape.inner:
        for index, each in enumerate(value):
            found |= strangers(each, shape.inner, f"{at}[{index}]")
    elif isinstance(value, dict) and shape.fields:
        for name, each in value.items():
            path = f"{at}.{name}" if at else name
            if name in shape.fields:
                found |= strangers(each, shape.fields[name], path)
            else:
                near = difflib.get_close_matches(name, shape.fields, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else "it would be ignored in silence."
                found[path] = f"There is no field {name}; {hint}"
    return found


def fits(value: Any, shape: Shape) -> bool:
    """Whether ``value`` may stand where ``shape`` is documented."""
    return not complaints(value, shape)


def _complain(value: Any, shape: Shape, at: str, found: dict[str, list[str]]) -> None:
    if value is None:
        # Optional fields take null in requests although few documents say so.
        if shape.required and not shape.nullable and shape.word != "any":
            found[at] = [f"The {at} field is required."]
        return
    if shape.word == "list" and shape.inner:
        _complain_list(value, shape.inner, at, found)
    elif shape.name and shape.fields:
        _complain_object(value, shape.fields, at, found)
    elif shape.name and shape.choices:
        if not _chosen(value, shape.choices):
            found[at] = [f"The value '{value}' is not valid for {at}."]
    elif not _plain_fits(value, shape.word):
        found[at] = [f"The value of {at} must be {_ARTICLE.get(shape.word, f'a {shape.word}')}."]


def _complain_list(value: Any, inner: Shape, at: str, found: dict[str, list[str]]) -> None:
    if not isinstance(value, list):
        found[at] = [f"The value of {at} must be a list."]
        return
    for index, each in enumerate(value):
        _complain(each, inner, f"{at}[{index}]", found)


def _complain_object(value: Any, fields: Mapping[str, Shape], at: str, found: dict[str, list[str]]) -> None:
    if not isinstance(value, dict):
        found[at] = [f"The value of {at or 'the body'} must be an object."]
        return
    for name, shape in fields.items():
        path = f"{at}.{name}" if at else name
        if name in value:
            _complain(value[name], shape, path, found)
        elif shape.required:
            found[path] = [f"The {path} field is required."]


def _chosen(value: Any, choices: tuple[Any, ...]) -> bool:
    if isinstance(value, str):
        return value.lower() in {str(choice).lower() for choice in choices}
    return value in choices


def _plain_fits(value: Any, word: str) -> bool:
    if word in {"any", "map"}:
        return word == "any" or isinstance(value, dict)
    if word == "boolean":
        return isinstance(value, bool)
    if word in INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool)
    if word in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if word in {"date-time", "date"}:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
    return word != "guid" or _GUID.fullmatch(value) is not None
