"""What can be read of a record, and the text that a value of a query is written as."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.errors import BadArgument
from perfectcatch.model.entity import Child, Column, Entity, Type
from perfectcatch.store.names import quote

BIGGEST: Final = 2**63 - 1
BIGGEST_INTEGER: Final = 2**31 - 1
_LONGEST_NUMBER: Final = 40
_SNAKE: Final = re.compile(r"(?<!^)(?=[A-Z])")
_UNENCODED_PLUS: Final = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")  # a plus that arrives as a blank
_FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DECIMAL: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a record. ``usual``: given unless other fields are asked for."""

    name: str
    type: Type
    does: str = ""
    references: str | None = None
    indexed: bool = False
    usual: bool = True


_COMMON: Final = (
    Field("st_created_on", Type.MOMENT, "When the vendor created it"),
    Field("st_modified_on", Type.MOMENT, "When the vendor changed it last", indexed=True),
    Field("active", Type.FLAG, "Whether it is switched on"),
    Field("deleted_at", Type.MOMENT, "When it went, null while it is there"),
    Field("revision", Type.BIGINT, "Our count of its versions"),
    Field("local_synced_at", Type.MOMENT, "When we stored this version"),
    Field("full_data", Type.JSON, "The whole record as the vendor wrote it", usual=False),
)


@lru_cache(maxsize=256)
def fields_of(entity: Entity) -> Mapping[str, Field]:
    """Every field of ``entity`` by name, ``st_id`` first."""
    declared = [
        Field(
            column.name,
            column.type,
            column.does,
            column.references if isinstance(column, Column) else None,
            getattr(column, "index", False),
        )
        for column in entity.columns
        if column.type is not Type.WORDS
    ]
    fields = (Field("st_id", Type.BIGINT, "The vendor's id", indexed=True), *declared, *_COMMON)
    return {field.name: field for field in fields}


def chosen(entity: Entity, asked: str | None) -> tuple[Field, ...]:
    """The fields that ``asked`` names, separated by commas, ``st_id`` always first; None: the usual ones."""
    known = fields_of(entity)
    if asked is None:
        return tuple(field for field in known.values() if field.usual)
    names = [name.strip() for name in asked.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise BadArgument(f"{entity.name} have no field {name!r}{nearest(name, known)}")
    return tuple(known[name] for name in dict.fromkeys(["st_id", *names]))


def child_key(child: Child) -> str:
    """The name under which the rows inside a record are given: ``appliedTo`` is ``applied_to``."""
    return _SNAKE.sub("_", child.at.split(".")[-1]).lower()


def child_fields(child: Child) -> tuple[Field, ...]:
    """The fields of a row inside a record."""
    columns = [Field(column.name, column.type, column.does, column.references) for column in child.columns]
    return (Field("position", Type.INTEGER, "Its place in the record, from 1"), *columns)


def record_of(fields: Iterable[Field], row: str) -> str:
    """The fields of ``row`` as one JSON object."""
    listed = ", ".join(f"{row}.{quote(field.name)}" for field in fields)
    return f"(select row_to_json(c) from (select {listed}) c)"


def nearest(name: str, known: Iterable[str]) -> str:
    """How a sentence about an unknown ``name`` ends: with the nearest names, or with all of few."""
    names = list(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f": did you mean {' or '.join(near)}?"
    return f": choose one of {', '.join(names)}." if len(names) <= 60 else "."  # noqa: PLR2004


# Values ----------------------------------------------------------------------------------------


def value_of(type_: Type, text: str, what: str, zone: str) -> Any:
    """``text`` as a value of ``type_``; a moment without an offset is one of ``zone``. Raises BadArgument."""
    try:
        return _value(type_, text.strip(), zone)
    except (ValueError, ArithmeticError, KeyError):
        raise BadArgument(f"{what} is {_shown(text)}, which is no {_NAMES[type_]}.") from None


def _value(type_: Type, text: str, zone: str) -> Any:
    match type_:
        case Type.BIGINT | Type.INTEGER | Type.IDS:
            if len(text) > _LONGEST_NUMBER or not re.fullmatch(r"-?\d+", text, re.ASCII):
                raise ValueError
            number = int(text)
            if abs(number) > (BIGGEST_INTEGER if type_ is Type.INTEGER else BIGGEST):
                raise ValueError
            return number
        case Type.MONEY | Type.NUMBER | Type.DOUBLE:
            if len(text) > _LONGEST_NUMBER or not _DECIMAL.fullmatch(text) or not text.isascii():
                raise ValueError
            return Decimal(text)
        case Type.FLAG:
            return _FLAGS[text.lower()]
        case Type.DAY:
            return date.fromisoformat(text)
        case Type.MOMENT:
            return moment(text, zone)
    if "\x00" in text:
        raise ValueError
    return text


def moment(text: str, zone: str) -> datetime:
    """A moment such as ``2026-03-01T14:00:00Z``; without an offset it is one of ``zone``.

    Raises ValueError.
    """
    value = datetime.fromisoformat(_UNENCODED_PLUS.sub("+", text.strip()))
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(zone))
    if not 1 < value.year < 9999:  # noqa: PLR2004 - an offset could lead out of what a moment can hold
        raise ValueError
    return value.astimezone(UTC)  # PostgreSQL takes no offset of sixteen hours or more


_NAMES: Final[dict[Type, str]] = {
    Type.BIGINT: "whole number",
    Type.INTEGER: "whole number",
    Type.IDS: "whole number",
    Type.MONEY: "amount such as 12.50",
    Type.NUMBER: "number",
    Type.DOUBLE: "number",
    Type.FLAG: "true or false",
    Type.DAY: "day such as 2026-03-01",
    Type.MOMENT: "moment such as 2026-03-01T14:00:00Z or 2026-03-01",
    Type.TEXT: "usable text",
    Type.TEXTS: "usable text",
    Type.JSON: "usable text",
}


def _shown(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "...'"  # noqa: PLR2004


def only_known(given: Sequence[tuple[str, str]], known: Iterable[str]) -> None:
    """Refuse a query that names what is not ``known``."""
    names = list(known)
    for name, _ in given:
        if name not in names:
            raise BadArgument(f"This route takes no {name!r}{nearest(name, names)}")
