"""A condition about a record's own columns, taken apart: what of it has to be asked again, and when.

A part is false for now, until the record is older, or until it changes. Parts that && and || join are asked
by themselves: in the language one false part decides an "and" and one true part an "or", even beside a part
that has no value.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from perfectcatch.errors import BadWorkflow, PerfectCatchError
from perfectcatch.workflows import expressions
from perfectcatch.workflows.past import LAST
from perfectcatch.workflows.records import local_time
from perfectcatch.workflows.views import plain_record

Row = Mapping[str, Any]

TIME: Final = ("now", "local")
COMPARED: Final = re.compile(
    r"(?P<role>[a-z_]+)\.(?P<field>[a-z_0-9]+)\s*(?P<operator>==|!=|<=|>=|<|>|\bin\b)\s*(?P<value>.+)"
)
MOMENTS: Final = {"created_on": "st_created_on", "modified_on": "st_modified_on"}
_ORDERS: Final[Mapping[str, Callable[[datetime, datetime], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_YOUNGER: Final = (operator.gt, operator.ge)
_HOURS: Final = re.compile(r"now(?:\s*(?P<sign>[+-])\s*duration\('(?P<hours>\d{1,6})h'\))?")
_SPAN: Final = re.compile(r"now\s*(?P<sign>[+-])\s*(?P<length>duration\(.+\))")


class Condition(Protocol):
    """Something that is true or false of a row at a moment."""

    def false_until(self, row: Row, now: datetime) -> datetime | None:
        """None: it may hold. Else it certainly does not before that moment, unless ``row`` changes."""
        ...


class Clock:
    """What conditions read beside the row: the same for all rows at one moment."""

    def __init__(self, entity: str, role: str, zone: ZoneInfo, beside: Mapping[str, Any]) -> None:
        self.role = role
        self.zone = zone
        self.beside = beside
        self._entity = entity
        self._moment: tuple[datetime | None, Mapping[str, Any]] = (None, {})

    def at(self, now: datetime) -> Mapping[str, Any]:
        """What there is at ``now``."""
        if self._moment[0] != now:
            self._moment = now, {**self.beside, "now": now, "local": local_time(now, self.zone)}
        return self._moment[1]

    def with_row(self, row: Row, beside: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record by its name, and ``beside``."""
        return {**beside, self.role: plain_record(self._entity, row)}


def condition(parts: Sequence[str], clock: Clock) -> Condition:
    """``parts``, all of which have to hold; what sleeps longest is asked first."""
    lasting = [part for part in parts if not _reads(part, *TIME)]
    passing = [_part(part, clock) for part in parts if _reads(part, *TIME)]
    spans = [each for each in passing if isinstance(each, Span)]
    rest = [each for each in passing if not isinstance(each, Span)]
    return _All((*spans, *([_Lasting(lasting, clock)] if lasting else ()), *rest))


def _part(part: str, clock: Clock) -> Condition:
    part = _bare(part)
    for joint, made in (("||", _any), ("&&", condition)):
        joined = split(part, joint)
        if len(joined) > 1:
            return made(joined, clock)
    if not _reads(part, *TIME):
        return _Lasting([part], clock)
    if not _reads(part, clock.role):
        return _Ticking(part, clock)
    return span_of(part, clock) or _Passing(part, clock)


def _any(parts: Sequence[str], clock: Clock) -> Condition:
    return _Any([_part(part, clock) for part in parts])


def _reads(part: str, *roots: str) -> bool:
    return any(path[0] in roots for path in expressions.compiled(part).paths)


@dataclass(frozen=True, slots=True)
class _All:
    parts: Sequence[Condition]

    def false_until(self, row: Row, now: datetime) -> datetime | None:
        longest: datetime | None = None
        for part in self.parts:
            until = part.false_until(row, now)
            if until is not None and until > now:
                return until
            longest = longest or until
        return longest


@dataclass(frozen=True, slots=True)
class _Any:
    parts: Sequence[Condition]

    def false_until(self, row: Row, now: datetime) -> datetime | None:
        shortest = LAST
        for part in self.parts:
            until = part.false_until(row, now)
            if until is None:
                return None
            shortest = min(shortest, until)
        return shortest


class _Lasting:
    """Parts that read no time: asked once of each version of a record."""

    def __init__(self, parts: Sequence[str], clock: Clock) -> None:
        self._test = _Test(parts)
        self._clock = clock
        self._known: dict[int, tuple[Row, bool]] = {}

    def false_until(self, row: Row, _: datetime) -> datetime | None:
        known = self._known.get(row["st_id"])
        if known is None or known[0] is not row:
            holds = self._test.may_hold(self._clock.with_row(row, self._clock.beside))
            known = self._known[row["st_id"]] = row, holds
        return None if known[1] else LAST


class _Ticking:
    """A part that reads nothing of the record: asked once at each moment."""

    def __init__(self, part: str, clock: Clock) -> None:
        self._part = part
        self._clock = clock
        self._known: tuple[datetime | None, bool] = (None, True)

    def false_until(self, _: Row, now: datetime) -> datetime | None:
        if self._known[0] != now:
            self._known = now, expressions.decided(self._part, self._clock.at(now)) is not False
        return None if self._known[1] else now


@dataclass(frozen=True, slots=True)
class _Passing:
    """A part that reads the record and the time: asked each time."""

    part: str
    clock: Clock

    def false_until(self, row: Row, now: datetime) -> datetime | None:
        records = self.clock.with_row(row, self.clock.at(now))
        return now if expressions.decided(self.part, records) is False else None


class _Test:
    """Parts of a condition, asked at once; where that gives no answer, one by one."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts
        self._together = " && ".join(f"({each})" for each in parts)

    def may_hold(self, records: Mapping[str, Any]) -> bool:
        """False is certain: a part that cannot be decided decides nothing."""
        together = expressions.decided(self._together, records)
        if together is not None:
            return together
        return all(expressions.decided(each, records) is not False for each in self._parts)


# Spans -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A moment of the record compared with a span from now: without the language a fiftieth of the time."""

    column: str
    holds: Callable[[datetime, datetime], bool]
    span: timedelta
    otherwise: _Passing

    def false_until(self, row: Row, now: datetime) -> datetime | None:
        """Until when it does not hold: what is too young grows older, and never younger."""
        moment = row.get(self.column)
        if type(moment) is not datetime:
            moment = expressions.plain(moment, self.otherwise.clock.zone)  # a day is its first moment
        if type(moment) is not datetime:
            return self.otherwise.false_until(row, now)
        try:
            if self.holds(moment, now + self.span):
                return None
            return LAST if self.holds in _YOUNGER else moment - self.span
        except OverflowError:
            return self.otherwise.false_until(row, now)


def span_of(part: str, clock: Clock) -> Span | None:
    """Column, comparison and span of a part that says no more than that."""
    shown = COMPARED.fullmatch(part)
    if shown is None or shown["role"] != clock.role or shown["operator"] not in _ORDERS:
        return None
    span = hours(shown["value"])
    if span is None:
        span = _told(shown["value"], clock)
    if span is None:
        return None
    column = MOMENTS.get(shown["field"], shown["field"])
    return Span(column, _ORDERS[shown["operator"]], span, _Passing(part, clock))


def hours(value: str) -> timedelta | None:
    """The span from now that a value names."""
    shown = _HOURS.fullmatch(value)
    if shown is None:
        return None
    length = timedelta(hours=int(shown["hours"] or 0))
    return -length if shown["sign"] == "-" else length


def _told(value: str, clock: Clock) -> timedelta | None:
    """The span from now whose length the settings tell."""
    shown = _SPAN.fullmatch(value)
    if shown is None or _closes(value, value.index("(")) != len(value) - 1 or _reads(value, clock.role):
        return None
    length = shown["length"]
    if _reads(length, *TIME):
        return None
    try:
        told = expressions.evaluate(length, clock.beside)
    except PerfectCatchError:
        return None
    if not isinstance(told, timedelta):
        return None
    return -told if shown["sign"] == "-" else told


# Texts -------------------------------------------------------------------------------------------


def split(where: str, joint: str = "&&") -> list[str]:
    """The parts of ``where`` that are joined at its top.

    The whole where a weaker sign stands there too, or where a part does not mean the same by itself: there is
    a comment, or a name that one of them gives to the members of a list and another one reads.
    """
    parts = list(_at_the_top(where, joint))
    return parts if not parts[1:] or _stand_alone(parts) else [where.strip()]


def _at_the_top(where: str, joint: str) -> Iterator[str]:
    start, parts = 0, []
    weaker = _WEAKER[joint]
    for place, depth in _outside(where):
        if where.startswith("//", place) or (depth == 0 and where.startswith(weaker, place)):
            yield where.strip()
            return
        if depth == 0 and where.startswith(joint, place):
            parts.append(where[start:place])
            start = place + len(joint)
    parts.append(where[start:])
    yield from (part.strip() for part in parts if part.strip())


def _stand_alone(parts: Sequence[str]) -> bool:
    try:
        shown = [expressions.compiled(part) for part in parts]
    except BadWorkflow:
        return False
    given = {name for each in shown for name in each.bound}
    return given.isdisjoint(path[0] for each in shown for path in each.paths)


_WEAKER: Final = {"&&": ("||", "?"), "||": ("?",)}


def _outside(where: str) -> Iterator[tuple[int, int]]:
    """Each character outside of texts, by its place, with the number of brackets that are open around it."""
    depth = 0
    for place, character in enumerate(expressions.without_texts(where)):
        if character != expressions.OF_TEXT:
            depth -= character in ")]}"
            yield place, depth
            depth += character in "([{"


def _bare(part: str) -> str:
    """``part`` without brackets around the whole of it."""
    part = part.strip()
    while part.startswith("(") and _closes(part, 0) == len(part) - 1:
        part = part[1:-1].strip()
    return part


def _closes(text: str, opening: int) -> int | None:
    """Where the bracket at ``opening`` is closed."""
    level = None
    for place, depth in _outside(text):
        if place == opening:
            level = depth
        elif level is not None and depth == level:
            return place
    return None
