"""A list of records: filters, order and place in the list become one statement that answers with JSON.

For each field ``name`` of an entity a query may give

    name=value           equal; several times, or for what is no text several separated by commas: any of them
    name_from=value      not before or below it        name_before=value     before or below it
    name_null=true       without a value               name_contains=words   of an indexed text, in any case

A list holds any of the values that are asked for. ``created`` and ``modified`` stand for ``st_created_on``
and ``st_modified_on``. Names come from the declaration of the entity, values are parameters.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from perfectcatch.errors import BadArgument
from perfectcatch.model.entity import Entity, Type
from perfectcatch.store.names import qualified, quote
from perfectcatch.store.reading.fields import (
    BIGGEST,
    Field,
    chosen,
    fields_of,
    moment,
    nearest,
    record_of,
    value_of,
)

LONGEST: Final = 1000
USUAL: Final = 100
MOST_VALUES: Final = 500

SORTS: Final = ("st_id", "-st_id", "modified", "-modified")
_ALIASES: Final = {"created": "st_created_on", "modified": "st_modified_on"}
_RANGED: Final = (Type.BIGINT, Type.INTEGER, Type.MONEY, Type.NUMBER, Type.DOUBLE, Type.MOMENT, Type.DAY)
_LISTS: Final = {Type.IDS: "bigint[]", Type.TEXTS: "text[]"}
_PLACE: Final = re.compile(r"(?:(?P<moment>[^~]*)~)?(?P<st_id>-?\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """A name that a query may use. ``operator`` is one of =, from, before, null, contains."""

    name: str
    field: Field
    operator: str

    @property
    def does(self) -> str:
        """What it does, for a person."""
        what = self.field.does or f"`{self.field.name}`"
        match self.operator:
            case "from":
                return f"{what}: not before or below this."
            case "before":
                return f"{what}: before or below this."
            case "null":
                return f"{what}: `true` without a value, `false` with one."
            case "contains":
                return f"{what}: contains this, in any case."
        return f"{what}: one of these." if self.field.type in _LISTS else f"{what}: equal to one of these."


CONTROLS: Final = {
    "limit": f"How many at most: 1 to {LONGEST}, {USUAL} if it is left out.",
    "after": "The `next` of the answer before.",
    "sort": f"One of {', '.join(SORTS)}.",
    "fields": "The fields to give, separated by commas; all but `full_data` if it is left out.",
    "include_deleted": "`true` gives deleted records too.",
}


@lru_cache(maxsize=256)
def choices(entity: Entity) -> Mapping[str, Choice]:
    """Every filter that a query about ``entity`` may use, by its name."""
    return {choice.name: choice for choice in _choices(entity)}


def _choices(entity: Entity) -> Iterator[Choice]:
    spelled = [(field.name, field) for field in fields_of(entity).values()]
    spelled += [(alias, fields_of(entity)[name]) for alias, name in _ALIASES.items()]
    for name, field in spelled:
        if field.type is Type.JSON:
            continue
        yield Choice(name, field, "=")
        yield Choice(f"{name}_null", field, "null")
        if field.type in _RANGED:
            yield Choice(f"{name}_from", field, "from")
            yield Choice(f"{name}_before", field, "before")
        if field.type is Type.TEXT and field.indexed:
            yield Choice(f"{name}_contains", field, "contains")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with one JSON value as its answer, and its parameters."""

    text: str
    values: tuple[Any, ...]


def list_of(
    entity: Entity, given: Sequence[tuple[str, str]], *, tenant_id: int, as_of: datetime | None, zone: str
) -> Statement:
    """The statement that answers a query. Raises ``BadArgument`` for what it names wrongly.

    The answer: ``{"data_as_of": moment or null, "data": [...], "next": text or null}``.
    """
    known = choices(entity)
    controls: dict[str, str] = {}
    filters: dict[str, list[str]] = {}
    for name, text in given:
        if name in known:
            filters.setdefault(name, []).append(text)
        elif name in CONTROLS:
            if name in controls:
                raise BadArgument(f"{name} is given twice.")
            controls[name] = text
        else:
            raise BadArgument(
                f"{entity.name} cannot be filtered by {name!r}{nearest(name, [*known, *CONTROLS])}"
            )
    where, values = ["m.tenant_id = %s"], [tenant_id]
    if not flag(controls, "include_deleted", zone) and "deleted_at" not in filters:
        where.append("m.deleted_at is null")
    for name, texts in filters.items():
        condition, given_values = _condition(known[name], texts, zone)
        where.append(condition)
        values += given_values
    fields = chosen(entity, controls.get("fields"))
    order = _order(controls.get("sort", "st_id"))
    limit = limit_of(controls.get("limit"))
    branches, branch_values = _branches(order, controls.get("after"), zone)
    record = record_of(fields, "m")
    parts = []
    all_values: list[Any] = []
    for number, (condition, more) in enumerate(zip(branches, branch_values, strict=True)):
        parts.append(
            f"(select {number} as part, {order.key} as modified, m.st_id, {record} as record"
            f" from {qualified(entity.table)} m where {' and '.join([*where, condition])}"
            f" order by {order.by} limit {limit + 1})"
        )
        all_values += [*values, *more]
    return Statement(
        f"""
with page as materialized (
  select row_number() over (order by part, {order.outer}) as place, {order.cursor} as cursor, record
  from ({" union all ".join(parts)}) found
  order by place limit {limit + 1}
)
select json_build_object(
  'data_as_of', %s::timestamptz,
  'data', coalesce(json_agg(record order by place) filter (where place <= {limit}), '[]'::json),
  'next', case when count(*) > {limit} then max(cursor) filter (where place = {limit}) end)
from page""",
        (*all_values, as_of),
    )


def limit_of(text: str | None, *, usual: int = USUAL, longest: int = LONGEST) -> int:
    """How many records to give. Raises ``BadArgument``."""
    if text is None:
        return usual
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= longest:
        raise BadArgument(f"limit is {text[:20]!r}: give a whole number from 1 to {longest}.")
    return int(text)


def flag(controls: Mapping[str, str], name: str, zone: str) -> bool:
    """A switch of a query, off if it is left out."""
    return bool(name in controls and value_of(Type.FLAG, controls[name], name, zone))


# Filters ---------------------------------------------------------------------------------------


def _condition(choice: Choice, texts: Sequence[str], zone: str) -> tuple[str, list[Any]]:
    column, field = f"m.{quote(choice.field.name)}", choice.field
    if choice.operator == "=":
        return _any_of(choice, texts, zone)
    if len(texts) > 1:
        raise BadArgument(f"{choice.name} is given twice.")
    if choice.operator == "null":
        wanted = value_of(Type.FLAG, texts[0], choice.name, zone)
        return f"{column} is {'' if wanted else 'not '}null", []
    value = value_of(field.type, texts[0], choice.name, zone)
    if choice.operator == "contains":
        return f"strpos(lower({column}), lower(%s::text)) > 0", [value]
    return f"{column} {'>=' if choice.operator == 'from' else '<'} %s::{field.type}", [value]


def _any_of(choice: Choice, texts: Sequence[str], zone: str) -> tuple[str, list[Any]]:
    column, field = f"m.{quote(choice.field.name)}", choice.field
    if field.type not in (Type.TEXT, Type.TEXTS):
        texts = [part for text in texts for part in text.split(",")]
    if len(texts) > MOST_VALUES:
        raise BadArgument(f"{choice.name} names more than {MOST_VALUES} values: ask several times.")
    values = [value_of(field.type, text, choice.name, zone) for text in texts]
    if field.type in _LISTS:
        return f"{column} && %s::{_LISTS[field.type]}", [values]
    if len(values) == 1:
        return f"{column} = %s::{field.type}", values
    return f"{column} = any(%s::{field.type}[])", [values]


# Order and place -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Order:
    by: str
    outer: str
    key: str
    cursor: str
    dated: bool
    descending: bool


_UTC = "to_char(modified at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def _order(sort: str) -> _Order:
    if sort not in SORTS:
        raise BadArgument(f"sort is {sort[:40]!r}: choose one of {', '.join(SORTS)}.")
    descending = sort.startswith("-")
    direction = "desc" if descending else "asc"
    if sort.endswith("modified"):
        return _Order(
            by=f"m.st_modified_on {direction}, m.st_id {direction}",
            outer=f"modified {direction}, st_id {direction}",
            key="m.st_modified_on",
            cursor=f"coalesce({_UTC}, '') || '~' || st_id",
            dated=True,
            descending=descending,
        )
    return _Order(
        by=f"m.st_id {direction}",
        outer=f"st_id {direction}",
        key="null::timestamptz",
        cursor="st_id::text",
        dated=False,
        descending=descending,
    )


def _branches(order: _Order, after: str | None, zone: str) -> tuple[list[str], list[list[Any]]]:
    """Conditions of the parts of a list and their values: what has no modification time comes last."""
    beyond = "<" if order.descending else ">"
    place = _PLACE.fullmatch(after) if after is not None else None
    if after is not None and (place is None or (place["moment"] is not None) != order.dated):
        raise BadArgument(f"after is {after[:60]!r}: give the `next` of an answer with the same sort.")
    st_id = int(place["st_id"]) if place else 0
    if abs(st_id) > BIGGEST:
        raise BadArgument("after holds a number that is no id: give the `next` of the answer before.")
    behind = f"m.st_id {beyond} %s::bigint"
    if not order.dated:
        return ([behind], [[st_id]]) if place else (["true"], [[]])
    undated = "m.st_modified_on is null"
    if place is None:
        return ["m.st_modified_on is not null", undated], [[], []]
    if not place["moment"]:
        return [f"{undated} and {behind}"], [[st_id]]
    try:
        modified = moment(place["moment"], zone)
    except ValueError:
        raise BadArgument(f"after is {after!r}: give the `next` of the answer before.") from None
    dated = f"(m.st_modified_on, m.st_id) {beyond} (%s::timestamptz, %s::bigint)"
    return [dated, undated], [[modified, st_id], []]
