"""A look into any table or view: its rows by the page, one row whole.

Everything runs in a read-only transaction and ends after five seconds. Names of schemas, tables, columns
and types are taken from PostgreSQL's catalog and quoted; what a person typed travels as a parameter only.
Values come as PostgreSQL writes them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from psycopg.errors import DataError, IntegrityError, ProgrammingError, QueryCanceled

from perfectcatch.errors import BadArgument
from perfectcatch.store.browse_catalog import SECONDS, Field, Shape, reading
from perfectcatch.store.names import quote
from perfectcatch.store.pool import Connection, Pool

PAGE: Final = 50  # rows
CELL: Final = 120  # characters of a value in a list
WHOLE: Final = 200_000  # characters of a value on its own row's page
COUNTED: Final = 10_000  # rows that are counted one by one; more are estimated

_COUNT_SECONDS: Final = 1
_SORTED: Final = 200  # characters that a long value is sorted by: they travel in the address of the next page


class Operator(StrEnum):
    """How a column is compared with a value; the last two need none."""

    EQUALS = "="
    CONTAINS = "contains"
    ABOVE = ">"
    BELOW = "<"
    NULL = "is null"
    NOT_NULL = "is not null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A condition that rows fulfil."""

    column: str
    operator: Operator
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page begins: behind the row with this key, or without a primary key behind so many rows."""

    key: tuple[str, ...] = ()
    value: str | None = None  # of the column that rows are sorted by
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row in a list: values are cut one character after ``CELL``. ``key`` is what ``whole`` takes."""

    key: tuple[str, ...]
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows, how many there are in all, and where the next page begins (None: this is the last)."""

    rows: list[Row]
    count: int
    exact: bool  # else ``count`` is an estimate
    next: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of a row, JSON indented, cut after ``WHOLE`` characters; ``length`` is that of all of it."""

    field: Field
    text: str | None
    length: int


# Rows ------------------------------------------------------------------------------------------


async def page(
    pool: Pool,
    shape: Shape,
    columns: Sequence[str],
    *,
    where: Filter | None = None,
    sort: str | None = None,
    descending: bool = False,
    after: Place | None = None,
) -> Page:
    """At most ``PAGE`` rows, their values in the order of ``columns``.

    Rows are in the order of ``sort`` (null last) and then of the primary key, which also says where a page
    ends: nothing is lost or shown twice when rows come and go meanwhile. Without a primary key they are in
    the order of all columns and pages are counted off. Raises ``BadArgument`` for a column that is not there
    or a value that is none of its type, ``Refused`` when reading takes too long.
    """
    statement = _Statement(shape, columns, where=where, sort=sort, descending=descending)
    name = f"{shape.relation.schema}.{shape.relation.name}"
    async with reading(pool, name) as connection:
        await _check(connection, statement.typed(after))
        text, values = statement.rows(after)
        found = await (await connection.execute(text, values)).fetchall()
        count, exact = await _count(connection, statement)
    rows = [Row(key=row[: statement.width], values=row[statement.width + 1 :]) for row in found[:PAGE]]
    following = None
    if len(found) > PAGE:
        last = found[PAGE - 1]
        if shape.key:
            following = Place(key=last[: statement.width], value=last[statement.width])
        else:
            following = Place(skipped=(after.skipped if after else 0) + PAGE)
    return Page(rows=rows, count=count, exact=exact, next=following)


async def whole(pool: Pool, shape: Shape, key: Sequence[str]) -> list[Value] | None:
    """Every value of one row, or None where no row has this key. Errors as for ``page``."""
    names, terms = _key(shape), [_whole(field) for field in shape.fields]
    if len(key) != len(names):
        raise BadArgument(
            f"A row of {shape.relation.name} is found by {len(names)} values, not by {len(key)}."
        )
    shown = [f"left({term}, {WHOLE}), length({term})" for term in terms]
    condition = " and ".join(f"{term} = %s::{cast}" for term, cast in names)
    name = f"{shape.relation.schema}.{shape.relation.name}"
    async with reading(pool, name) as connection:
        await _check(connection, zip([cast for _, cast in names], key, strict=True))
        found = await connection.execute(
            f"select {', '.join(shown)} from {_relation(shape)} r where {condition} limit 1", tuple(key)
        )
        row = await found.fetchone()
    if row is None:
        return None
    pairs = zip(row[::2], row[1::2], strict=True)
    return [
        Value(field=field, text=text, length=length or 0)
        for field, (text, length) in zip(shape.fields, pairs, strict=True)
    ]


# Statements ------------------------------------------------------------------------------------


def _name(identifier: str) -> str:
    """``identifier`` quoted, for a statement with parameters."""
    return quote(identifier).replace("%", "%%")


def _relation(shape: Shape) -> str:
    return f"{_name(shape.relation.schema)}.{_name(shape.relation.name)}"


def _raw(field: Field) -> str:
    return f"r.{_name(field.name)}"


def _cast(field: Field) -> str:
    """The type as PostgreSQL itself quotes it."""
    return field.cast.replace("%", "%%")


def _term(field: Field) -> tuple[str, str]:
    """What a column is sorted by, and the type of that."""
    return (
        (_raw(field), _cast(field)) if field.compared else (f"left({_raw(field)}::text, {_SORTED})", "text")
    )


def _key(shape: Shape) -> list[tuple[str, str]]:
    """What tells rows apart, with types: the primary key, or a digest of everything in the row."""
    if shape.key:
        return [(_raw(field), _cast(field)) for field in map(shape.field, shape.key)]
    return [("encode(sha256(convert_to((r.*)::text, 'UTF8')), 'hex')", "text")]


def _whole(field: Field) -> str:
    return f"jsonb_pretty({_raw(field)})" if field.cast == "jsonb" else f"{_raw(field)}::text"


class _Statement:
    """The statements for pages of one table in one order under one condition."""

    def __init__(
        self,
        shape: Shape,
        columns: Sequence[str],
        *,
        where: Filter | None,
        sort: str | None,
        descending: bool,
    ) -> None:
        self.shape = shape
        self.key = _key(shape)
        self.width = len(self.key)
        self.sort = _term(shape.field(sort)) if sort is not None else None
        self.fields = [shape.field(column) for column in columns]
        self.direction, self.beyond = ("desc", "<") if descending else ("asc", ">")
        self.condition, self.values, self.filtered = "true", (), []
        if where is not None:
            self._where(shape.field(where.column), where.operator, where.value)

    condition: str
    values: tuple[str, ...]
    filtered: list[tuple[str, str]]  # values that must be of a type

    def _where(self, field: Field, operator: Operator, value: str) -> None:
        text = f"{_raw(field)}::text"
        if operator in (Operator.NULL, Operator.NOT_NULL):
            self.condition = f"{_raw(field)} {operator}"
        elif operator is Operator.CONTAINS:
            self.condition, self.values = f"strpos(lower({text}), lower(%s::text)) > 0", (value,)
        else:
            cast = _cast(field) if field.compared else "text"
            self.condition = f"{_raw(field) if field.compared else text} {operator} %s::{cast}"
            self.values, self.filtered = (value,), [(cast, value)]

    def typed(self, after: Place | None) -> list[tuple[str, str]]:
        """Types and values that a person may have typed."""
        typed = list(self.filtered)
        if after is not None and self.shape.key:
            if len(after.key) != self.width:
                raise BadArgument("The page to show begins behind no row: begin with the first page.")
            typed += [(cast, value) for (_, cast), value in zip(self.key, after.key, strict=True)]
            if self.sort is not None and after.value is not None:
                typed.append((self.sort[1], after.value))
        return typed

    def rows(self, after: Place | None) -> tuple[str, tuple[str | int, ...]]:
        """The statement for a page and one row more: the key, the value sorted by, the cells."""
        cells = [f"left({_raw(field)}::text, {CELL + 1})" for field in self.fields]
        keys = [f"{term}::text" for term, _ in self.key]
        sorted_by = f"{self.sort[0]}::text" if self.sort else "null"
        behind, values = self._behind(after) if after is not None else ("true", ())
        text = (
            f"select {', '.join([*keys, sorted_by, *cells])} from {_relation(self.shape)} r"
            f" where {self.condition} and {behind} order by {self._order()} limit {PAGE + 1}"
        )
        if self.shape.key:
            return text, (*self.values, *values)
        return f"{text} offset %s::bigint", (*self.values, after.skipped if after else 0)

    def _order(self) -> str:
        terms = [self.sort] if self.sort else []
        # Without a key all columns, and in the end the row itself: equal rows may then change places.
        terms += self.key if self.shape.key else [*map(_term, self.shape.fields), ("(r.*)::text", "text")]
        return ", ".join(f"{term} {self.direction} nulls last" for term, _ in terms)

    def _behind(self, after: Place) -> tuple[str, tuple[str, ...]]:
        if not self.shape.key:
            return "true", ()
        terms = ", ".join(term for term, _ in self.key)
        places = ", ".join(f"%s::{cast}" for _, cast in self.key)
        behind = f"({terms}) {self.beyond} ({places})"
        if self.sort is None:
            return behind, after.key
        term, cast = self.sort
        if after.value is None:
            return f"({term} is null and {behind})", after.key
        return (
            f"({term} is null or {term} {self.beyond} %s::{cast} or ({term} = %s::{cast} and {behind}))",
            (after.value, after.value, *after.key),
        )

    def selected(self, what: str, limit: str = "") -> str:
        """A statement over every row that fulfils the condition."""
        return f"select {what} from {_relation(self.shape)} r where {self.condition}{limit}"


# Reading ---------------------------------------------------------------------------------------


async def _check(connection: Connection, typed: Iterable[tuple[str, str]]) -> None:
    """Raise ``BadArgument`` for the first value that is none of its type."""
    for cast, value in typed:
        try:
            await connection.execute(f"select %s::{cast}", (value,))
        except (DataError, IntegrityError, ProgrammingError, UnicodeError):
            raise BadArgument(f"{value!r} is no {cast.replace('%%', '%')}: write it as one.") from None


async def _count(connection: Connection, statement: _Statement) -> tuple[int, bool]:
    """How many rows fulfil the condition, and whether that is exact: the first ten thousand are counted."""
    counted = f"select count(*) from ({statement.selected('1', f' limit {COUNTED + 1}')}) counted"
    try:
        async with connection.transaction():
            await connection.execute(f"set local statement_timeout = '{_COUNT_SECONDS}s'")
            found = await (await connection.execute(counted, statement.values)).fetchone()
            await connection.execute(f"set local statement_timeout = '{SECONDS}s'")
        assert found is not None
        if found[0] <= COUNTED:
            return found[0], True
    except QueryCanceled:
        pass
    found = await (
        await connection.execute(f"explain (format json) {statement.selected('1')}", statement.values)
    ).fetchone()
    assert found is not None
    plan = json.loads(found[0]) if isinstance(found[0], str) else found[0]
    return int(plan[0]["Plan"]["Plan Rows"]), False
