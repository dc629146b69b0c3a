"""A quick look at a record before its customer is read: most records of a clock's walk fail on a column.

The parts of a trigger's condition that name nothing but the record's own columns are tried on the bare row.
A part that cannot be decided on it decides nothing here.
"""

import operator
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.errors import PerfectCatchError
from perfectcatch.model.entity import Entity, Type
from perfectcatch.model.workflow import Definition
from perfectcatch.store.workflows.records import Narrowing
from perfectcatch.workflows import expressions
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.records import local_time
from perfectcatch.workflows.views import OF_ENTITY, plain_record

_TIME: Final = ("now", "local")
_FREE: Final = (*_TIME, "settings")
_COMMON: Final = ("id", "created_on", "modified_on", "active", "deleted")


class Sieve:
    """The certain parts of a trigger's condition, for many records. ``of`` says of one at a moment."""

    def __init__(self, definition: Definition, entity: str, zone: ZoneInfo) -> None:
        self._role = OF_ENTITY.get(entity, entity.removesuffix("s"))
        parts = own_parts(definition.trigger.where or "true", entity, self._role)
        self._lasting = _Test(tuple(each for each in parts if not _reads_time(each)))
        self._passing = _Test(tuple(each for each in parts if _reads_time(each)))
        self._spans = [_Span(*found) for part in parts if (found := _of_time(part, self._role)) is not None]
        self._entity = entity
        self._zone = zone
        self._beside = {"settings": definition.settings, "company": {"zone": zone.key}}
        self._known: dict[int, tuple[Mapping[str, Any], bool]] = {}  # what holds until a record changes
        self._moment: tuple[datetime | None, Mapping[str, Any]] = (None, {})

    def may_hold(self, row: Mapping[str, Any], now: datetime) -> bool:
        """Whether the condition can hold for ``row``; False is certain."""
        if any(each.fails(row, now) for each in self._spans):
            return False
        known = self._known.get(row["st_id"])
        if known is None or known[0] is not row:
            holds = not self._lasting.parts or self._lasting.may_hold(self._records(row, self._beside))
            known = self._known[row["st_id"]] = row, holds
        if not known[1]:
            return False
        if not self._passing.parts:
            return True
        if self._moment[0] != now:
            self._moment = now, {**self._beside, "now": now, "local": local_time(now, self._zone)}
        return self._passing.may_hold(self._records(row, self._moment[1]))

    def _records(self, row: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
        return {**beside, self._role: plain_record(self._entity, row)}


@dataclass(frozen=True, slots=True)
class _Span:
    """A moment of the record compared with a span from now: without the language a fiftieth of the time."""

    column: str
    holds: Callable[[datetime, datetime], bool]
    span: timedelta

    def fails(self, row: Mapping[str, Any], now: datetime) -> bool:
        """Whether it certainly does not hold; without a moment that is not certain."""
        moment = row.get(self.column)
        return isinstance(moment, datetime) and not self.holds(moment, now + self.span)


_ORDERS: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _of_time(part: str, role: str) -> tuple[str, Callable[[datetime, datetime], bool], timedelta] | None:
    """Column, comparison and span of a part that says no more than that."""
    shown = _COMPARED.fullmatch(part)
    if shown is None or shown["role"] != role or shown["operator"] not in _ORDERS:
        return None
    span = _hours(shown["value"])
    if span is None:
        return None
    return _MOMENTS.get(shown["field"], shown["field"]), _ORDERS[shown["operator"]], span


class _Test:
    """Parts of a condition, asked at once; where that gives no answer, one by one."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self.parts = parts
        self._together = " && ".join(f"({each})" for each in parts)

    def may_hold(self, records: Mapping[str, Any]) -> bool:
        """False is certain: a part that cannot be decided decides nothing."""
        try:
            return expressions.holds(self._together, records)
        except PerfectCatchError:
            return all(_may_be_true(each, records) for each in self.parts)


def _may_be_true(part: str, records: Mapping[str, Any]) -> bool:
    try:
        return expressions.holds(part, records)
    except PerfectCatchError:
        return True


def _reads_time(part: str) -> bool:
    return any(path[0] in _TIME for path in expressions.compiled(part).paths)


def narrowed(definition: Definition, entity: Entity, now: datetime) -> list[Narrowing]:
    """The plainest parts of the condition, for the database to look at before anything is read.

    Only what is certain: a record that fulfils the condition passes all of them. A column is compared with a
    text, a number, a list of texts or a span from now, and only where its kind makes that mean the same.
    """
    role = OF_ENTITY.get(entity.name, entity.name.removesuffix("s"))
    kinds = {column.name: column.type for column in entity.vendor_columns}
    read = READINGS[entity.name].columns
    found = []
    for part in split(definition.trigger.where or "true"):
        shown = _COMPARED.fullmatch(part)
        if shown is None or shown["role"] != role:
            continue
        name, sign, value = shown["field"], shown["operator"], shown["value"]
        kind = Type.MOMENT if name in _MOMENTS else kinds.get(name) if name in read else None
        for fits, meaning in _MEANINGS:
            given = meaning(sign, value, now) if kind in fits else None
            if given is not None:
                found.append(Narrowing(_MOMENTS.get(name, name), sign, given))
    return found


def _text(sign: str, value: str, _: datetime) -> str | list[str] | None:
    texts = [each[1:-1] for each in _TEXT.findall(value)]
    if sign in ("==", "!="):
        return texts[0] if _TEXT.fullmatch(value) else None
    return texts if sign == "in" and _LIST.fullmatch(value) else None  # the order of texts may differ


def _number(sign: str, value: str, _: datetime) -> float | None:
    return float(value) if sign != "in" and _NUMBER.fullmatch(value) else None


def _span(sign: str, value: str, now: datetime) -> datetime | None:
    span = _hours(value)
    return None if span is None or sign == "in" else now + span


def _hours(value: str) -> timedelta | None:
    """The span from now that a value names."""
    shown = _SPAN.fullmatch(value)
    if shown is None:
        return None
    hours = timedelta(hours=int(shown["hours"] or 0))
    return -hours if shown["sign"] == "-" else hours


_COMPARED: Final = re.compile(
    r"(?P<role>[a-z_]+)\.(?P<field>[a-z_0-9]+)\s*(?P<operator>==|!=|<=|>=|<|>|\bin\b)\s*(?P<value>.+)"
)
_PLAIN: Final = r"'[^'\\]*'|\"[^\"\\]*\""
_TEXT: Final = re.compile(_PLAIN)
_LIST: Final = re.compile(rf"\[\s*(?:{_PLAIN})(?:\s*,\s*(?:{_PLAIN}))*\s*\]")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_SPAN: Final = re.compile(r"now(?:\s*(?P<sign>[+-])\s*duration\('(?P<hours>\d{1,6})h'\))?")
_MOMENTS: Final = {"created_on": "st_created_on", "modified_on": "st_modified_on"}
_MEANINGS: Final[Sequence[tuple[tuple[Type, ...], Callable[[str, str, datetime], Any]]]] = (
    ((Type.TEXT,), _text),
    ((Type.BIGINT, Type.INTEGER, Type.MONEY, Type.NUMBER, Type.DOUBLE), _number),
    ((Type.MOMENT,), _span),
)


@lru_cache(maxsize=256)
def own_parts(where: str, entity: str, role: str) -> tuple[str, ...]:
    """The parts that read the record's own columns alone."""
    columns = {*READINGS[entity].columns, *_COMMON}
    found = []
    for part in split(where):
        paths = expressions.compiled(part).paths
        if paths and all(path[0] in _FREE or _is_own(path, role, columns) for path in paths):
            found.append(part)
    return tuple(found)


def _is_own(path: Sequence[str], role: str, columns: Container[str]) -> bool:
    """Whether it is a column of the record; ``id`` behind it says only that it is compared with null."""
    at = path[:-1] if len(path) > 2 and path[-1] == "id" else path  # noqa: PLR2004 - role, column, id
    return path[0] == role and len(at) == 2 and at[1] in columns  # noqa: PLR2004


def split(where: str) -> Iterator[str]:
    """The parts of ``where`` that are joined by && at its top; the whole where || stands there too."""
    depth, start, quote, parts = 0, 0, "", []
    for place, character in enumerate(where):
        if quote:
            quote = "" if character == quote and where[place - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth == 0 and where.startswith(("||", "?"), place):
            yield where.strip()
            return
        elif depth == 0 and where.startswith("&&", place):
            parts.append(where[start:place])
            start = place + 2
    parts.append(where[start:])
    yield from (part.strip() for part in parts if part.strip())
