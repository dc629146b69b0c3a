"""Event rules as statement text: the same meaning as ``model.event.fires``, for a whole batch at once.

``n`` is the mirror row after the change, ``o`` the one before (all columns null for a record that is new,
and then ``known`` is false). A property test holds the two meanings equal.
"""

from collections.abc import Mapping
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
from perfectcatch.store.extract import literal
from perfectcatch.store.names import qualified, quote

Entities = Mapping[str, Entity]


def holds(condition: Condition, row: str, entities: Entities, known: str = "true") -> str:
    """An expression that is never null: whether ``condition`` holds for the row named ``row``."""
    match condition:
        case Exists():
            return known
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
            return "(" + " and ".join(holds(each, row, entities, known) for each in conditions) + ")"


def constant(value: Any) -> str:
    """A value of a rule as an SQL constant."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return literal(str(value))


def fires(rule: Transition, entities: Entities) -> str:
    """Whether ``rule`` fires for the change from ``o`` to ``n``."""
    after = holds(rule.enters, "n", entities)
    if rule.leaves is not None:
        after = f"({after} and known and {holds(rule.leaves, 'o', entities, 'known')})"
    if rule.changes:
        differs = " or ".join(f"o.{quote(name)} is distinct from n.{quote(name)}" for name in rule.changes)
        return f"(known and ({differs}) and {after})"
    before = holds(rule.enters, "o", entities, "known")
    return f"({after} and not {before})"


def transition_rows(entity: Entity, entities: Entities) -> str:
    """The body of a VALUES list: (event type, fired, occurred at, entity, st_id, suffix of the version)."""
    return ",\n    ".join(
        f"({literal(rule.event_type)}, {fires(rule, entities)}, n.{quote(rule.at)}, {_subject(entity, rule)})"
        for rule in entity.transitions
    )


def _subject(entity: Entity, rule: Transition) -> str:
    """Whose event it is; another record's carries ours in its version, because it has several of them."""
    if rule.about is None:
        return f"{literal(entity.name)}, n.st_id, ''"
    column = next(each for each in entity.vendor_columns if each.name == rule.about)
    own = literal(f"/{entity.name}/")
    return f"{literal(column.references or '')}, n.{quote(rule.about)}, {own} || n.st_id"


def due_moment(entity: Entity, rule: ClockRule, zone: str) -> str:
    """When ``rule.column`` counts as passed: a day ends at midnight in the company's time zone."""
    column = next((each for each in entity.vendor_columns if each.name == rule.column), None)
    value = f"n.{quote(rule.column)}"
    if column is not None and column.type is Type.DAY:
        return f"(({value} + 1)::timestamp at time zone {zone})"
    return value
