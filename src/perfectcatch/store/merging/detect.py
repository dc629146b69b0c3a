"""Event rules as statement text: the same meaning as ``model.event.fires``, for a whole batch at once.

``n`` is the mirror row after the change, ``o`` the one before. A record that we never had has no ``o``, and
its rules are simpler. A property test holds the two meanings equal.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from perfectcatch.model.entity import Entity, Type
from perfectcatch.model.event import (
    Above,
    All,
    AtMost,
    ClockRule,
    Condition,
    Exists,
    Is,
    Present,
    Refers,
    Transition,
)
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.names import qualified, quote

Entities = Mapping[str, Entity]


def holds(condition: Condition, row: str, entities: Entities) -> str:
    """An expression that is never null: whether ``condition`` holds for the row named ``row``."""
    match condition:
        case Exists():
            return "true"
        case Is(column, values):
            listed = ", ".join(constant(value) for value in values)
            return f"coalesce({row}.{quote(column)} in ({listed}), false)"
        case Present(column):
            return f"({row}.{quote(column)} is not null)"
        case Above(column, limit):
            return f"coalesce({row}.{quote(column)} > {limit}, false)"
        case AtMost(column, limit):
            return f"coalesce({row}.{quote(column)} <= {limit}, false)"
        case Refers(column, entity, text_column, word):
            table = qualified(entities[entity].table)
            return (
                f"exists (select 1 from {table} referred where referred.tenant_id = n.tenant_id "
                f"and referred.st_id = {row}.{quote(column)} "
                f"and strpos(lower(referred.{quote(text_column)}), {literal(word.lower())}) > 0)"
            )
        case All(conditions):
            return "(" + " and ".join(holds(each, row, entities) for each in conditions) + ")"


def filters(condition: Condition, row: str, entities: Entities) -> str:
    """The same as ``holds`` where null means no: a plain comparison, of which the planner has statistics."""
    match condition:
        case Is(column, values):
            listed = ", ".join(constant(value) for value in values)
            return f"{row}.{quote(column)} in ({listed})"
        case Above(column, limit):
            return f"{row}.{quote(column)} > {limit}"
        case AtMost(column, limit):
            return f"{row}.{quote(column)} <= {limit}"
        case All(conditions):
            return "(" + " and ".join(filters(each, row, entities) for each in conditions) + ")"
    return holds(condition, row, entities)


def is_of_one_row(condition: Condition) -> bool:
    """Whether ``condition`` looks at the record alone, so that an index can be made of it."""
    if isinstance(condition, All):
        return all(is_of_one_row(each) for each in condition.conditions)
    return not isinstance(condition, Refers)


def constant(value: Any) -> str:
    """A value of a rule as an SQL constant."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return literal(str(value))


def columns_of(rules: Iterable[Transition]) -> set[str]:
    """Names of the columns that ``rules`` compare before and after a change."""
    found: set[str] = set()
    waiting: list[Condition] = []
    for rule in rules:
        found.update(rule.changes)
        waiting += [rule.enters] if rule.leaves is None else [rule.enters, rule.leaves]
    while waiting:
        match waiting.pop():
            case All(conditions):
                waiting += conditions
            case Exists():
                pass
            case Is(column) | Present(column) | Above(column) | AtMost(column) | Refers(column):
                found.add(column)
    return found


def fires(rule: Transition, entities: Entities, *, known: bool) -> str | None:
    """Whether ``rule`` fires for a record that we had (``known``) or never had; None: it cannot."""
    after = holds(rule.enters, "n", entities)
    if not known:
        return None if rule.changes or rule.leaves is not None else after
    if rule.leaves is not None:
        after = f"({after} and {holds(rule.leaves, 'o', entities)})"
    if rule.changes:
        differs = " or ".join(f"o.{quote(name)} is distinct from n.{quote(name)}" for name in rule.changes)
        return f"(({differs}) and {after})"
    if isinstance(rule.enters, Exists):
        return None  # it was there before; what was never live is not ``known``
    return f"({after} and not {holds(rule.enters, 'o', entities)})"


def transition_rows(entity: Entity, entities: Entities, *, known: bool) -> str | None:
    """The body of a VALUES list: (event type, fired, occurred at, entity, st_id, suffix of the version)."""
    rows = [
        f"({literal(rule.event_type)}, {fired}, n.{quote(rule.at)}, {_subject(entity, rule)})"
        for rule in entity.transitions
        if (fired := fires(rule, entities, known=known)) is not None
    ]
    return ",\n    ".join(rows) or None


def _subject(entity: Entity, rule: Transition) -> str:
    """Whose event it is; another record's carries ours in its version, because it has several of them."""
    if rule.about is None:
        return f"{literal(entity.name)}, n.st_id, ''"
    column = next(each for each in entity.vendor_columns if each.name == rule.about)
    own = literal(f"/{entity.name}/")
    return f"{literal(column.references or '')}, n.{quote(rule.about)}, {own} || n.st_id"


def due_moment(entity: Entity, rule: ClockRule, zone: str, days: str) -> str:
    """When a stage of ``days`` is due: days are the calendar's, and the column's own day ends at midnight."""
    column = next((each for each in entity.vendor_columns if each.name == rule.column), None)
    value = f"n.{quote(rule.column)}"
    if column is not None and column.type is Type.DAY:
        return f"(({value} + 1 + {days})::timestamp at time zone {zone})"
    return f"(({value} at time zone {zone} + make_interval(days => {days})) at time zone {zone})"
