"""Business events as declarations, and their meaning as a pure function.

A *transition* is computed from a record before and after a change. A rule with a ``Condition`` fires when
the condition holds after and did not hold before; a record that we never had fulfils no condition. A deleted
record fires nothing, and one that comes back is compared with what it was before it went.
A *clock rule* fires once per record and stage when a moment passes, whether or not the record changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

Row = Mapping[str, Any]

# Events that come from us and not from a record of the vendor, and what happened then.
OURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "crm_refused": "The CRM has refused a customer's deals for a day; once, until it accepts them.",
        "message_received": "A person wrote to us.",
        "opted_out": "A person wants no more messages; once for each customer with the address.",
        "review_opened": "The link of a review request was opened by a person, once for each request.",
        "task_done": "Somebody closed a task.",
    }
)


@dataclass(frozen=True, slots=True)
class Exists:
    """The record is there."""


@dataclass(frozen=True, slots=True)
class Is:
    """``column`` has one of ``values`` (compared after conversion, None never matches)."""

    column: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """``column`` is not null."""

    column: str


@dataclass(frozen=True, slots=True)
class Above:
    """``column`` is greater than ``limit``."""

    column: str
    limit: int = 0


@dataclass(frozen=True, slots=True)
class AtMost:
    """``column`` is not null and not greater than ``limit``."""

    column: str
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Refers:
    """``column`` refers to a record of ``entity`` with ``word`` in its ``text_column``, in any case."""

    column: str
    entity: str
    text_column: str
    word: str


@dataclass(frozen=True, slots=True)
class All:
    """Every one of ``conditions`` holds."""

    conditions: tuple["Condition", ...]


Condition = Exists | Is | Present | Above | AtMost | Refers | All


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """An event that a change of one record causes.

    ``enters``: fires when the condition becomes true. ``changes``: fires when one of these columns of an
    existing record differs and ``enters`` holds afterwards (used as a guard). ``leaves``: in both cases the
    record before the change has to fulfil this condition, so that only a known record can fire. ``at`` is
    the column that says when it happened; without a value the record's modification time is taken.
    ``about`` names a column that refers to another record: the event is that record's (a visit that is moved
    reschedules its job).
    """

    event_type: str
    does: str
    enters: Condition = Exists()
    changes: tuple[str, ...] = ()
    leaves: Condition | None = None
    at: str = "st_modified_on"
    about: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    """An event that time causes: ``column`` plus a stage has passed while ``holds`` is true.

    ``stages`` are whole days on the company's calendar from the moment in ``column``, so that a stage keeps
    its hour when clocks change; a negative one fires before the moment. A column of type date counts as the
    end of that day in the company's time zone.
    """

    event_type: str
    does: str
    column: str
    stages: tuple[int, ...]
    holds: Condition = Exists()


def holds(
    condition: Condition, row: Row | None, look_up: Mapping[tuple[str, Any], Row] | None = None
) -> bool:
    """Whether ``condition`` is true for ``row`` (a mapping of column to converted value; None: no record).

    ``look_up`` gives the referred record for (entity, id). This function is the definition; the statement
    that PostgreSQL runs is proved equal to it by a property test.
    """
    if row is None:
        return False
    match condition:
        case Exists():
            return True
        case Is(column, values):
            return row.get(column) is not None and row[column] in values
        case Present(column):
            return row.get(column) is not None
        case Above(column, limit):
            return row.get(column) is not None and row[column] > limit
        case AtMost(column, limit):
            return row.get(column) is not None and row[column] <= limit
        case Refers(column, entity, text_column, word):
            referred = (look_up or {}).get((entity, row.get(column)))
            return referred is not None and word.lower() in str(referred.get(text_column) or "").lower()
        case All(conditions):
            return all(holds(each, row, look_up) for each in conditions)


def fires(
    rule: Transition,
    before: Row | None,
    after: Row,
    look_up: Mapping[tuple[str, Any], Row] | None = None,
) -> bool:
    """Whether ``rule`` fires for the change from ``before`` (None: the record is new to us) to ``after``."""
    if after.get("deleted_at") is not None or not holds(rule.enters, after, look_up):
        return False
    if rule.leaves is not None and not holds(rule.leaves, before, look_up):
        return False
    if rule.changes:
        return before is not None and any(before.get(name) != after.get(name) for name in rule.changes)
    return not holds(rule.enters, before, look_up)


# Makers ----------------------------------------------------------------------------------------


def appears(event_type: str, does: str, *, when: Condition = Exists()) -> Transition:
    """The record comes into being, or begins to fulfil ``when``."""
    return Transition(event_type=event_type, does=does, enters=when, at="st_created_on")


def becomes(event_type: str, does: str, column: str, *values: Any, at: str = "st_modified_on") -> Transition:
    """``column`` takes one of ``values``."""
    return Transition(event_type=event_type, does=does, enters=Is(column, values), at=at)


def goes(
    event_type: str, does: str, column: str, *, before: tuple[Any, ...], after: tuple[Any, ...]
) -> Transition:
    """``column`` of a record that we already had goes from one of ``before`` to one of ``after``."""
    return Transition(event_type=event_type, does=does, enters=Is(column, after), leaves=Is(column, before))


def changes(
    event_type: str, does: str, *columns: str, while_: Condition = Exists(), about: str | None = None
) -> Transition:
    """One of ``columns`` of a record that we already had takes another value."""
    return Transition(event_type=event_type, does=does, enters=while_, changes=columns, about=about)


def clock(
    event_type: str, does: str, column: str, *stage_days: int, while_: Condition = Exists()
) -> ClockRule:
    """``column`` lies ``stage_days`` days in the past (negative: in the future) while ``while_`` holds."""
    return ClockRule(event_type=event_type, does=does, column=column, stages=stage_days, holds=while_)
