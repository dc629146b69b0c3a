"""A quick look at a record before its customer is read: most records of a clock's walk fail on a column.

The parts of a trigger's condition that name nothing but the record's own columns are tried on the bare row.
A part that cannot be decided on it decides nothing here.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.model.entity import Entity, Type
from perfectcatch.model.workflow import Definition
from perfectcatch.store.workflows.records import Narrowing
from perfectcatch.workflows import expressions
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.sifting import COMPARED, MOMENTS, TIME, Clock, condition, hours, split
from perfectcatch.workflows.views import OF_ENTITY

_FREE: Final = (*TIME, "settings")
_COMMON: Final = ("id", "created_on", "modified_on", "active", "deleted")


class Sieve:
    """The certain parts of a trigger's condition, for many records that are looked at again and again."""

    def __init__(self, definition: Definition, entity: str, zone: ZoneInfo) -> None:
        role = OF_ENTITY.get(entity, entity.removesuffix("s"))
        beside = {"settings": definition.settings, "company": {"zone": zone.key}}
        self._clock = Clock(entity, role, zone, beside)
        parts = own_parts(definition.trigger.where or "true", entity, role)
        self._condition = condition(parts, self._clock)

    def may_hold(self, row: Mapping[str, Any], now: datetime) -> bool:
        """Whether the condition can hold for ``row``; False is certain."""
        return self.asleep_until(row, now) is None

    def asleep_until(self, row: Mapping[str, Any], now: datetime) -> datetime | None:
        """None: the condition can hold. Else it cannot before that moment, unless ``row`` changes."""
        return self._condition.false_until(row, now)


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
        shown = COMPARED.fullmatch(part)
        if shown is None or shown["role"] != role:
            continue
        name, sign, value = shown["field"], shown["operator"], shown["value"]
        kind = Type.MOMENT if name in MOMENTS else kinds.get(name) if name in read else None
        for fits, meaning in _MEANINGS:
            given = meaning(sign, value, now) if kind in fits else None
            if given is not None:
                found.append(Narrowing(MOMENTS.get(name, name), sign, given))
    return found


def _text(sign: str, value: str, _: datetime) -> str | list[str] | None:
    texts = [each[1:-1] for each in _TEXT.findall(value)]
    if sign in ("==", "!="):
        return texts[0] if _TEXT.fullmatch(value) else None
    return texts if sign == "in" and _LIST.fullmatch(value) else None  # the order of texts may differ


def _number(sign: str, value: str, _: datetime) -> float | None:
    return float(value) if sign != "in" and _NUMBER.fullmatch(value) else None


def _span(sign: str, value: str, now: datetime) -> datetime | None:
    span = hours(value)
    return None if span is None or sign == "in" else now + span


_PLAIN: Final = r"'[^'\\]*'|\"[^\"\\]*\""
_TEXT: Final = re.compile(_PLAIN)
_LIST: Final = re.compile(rf"\[\s*(?:{_PLAIN})(?:\s*,\s*(?:{_PLAIN}))*\s*\]")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
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
