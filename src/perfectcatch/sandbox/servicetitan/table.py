"""One collection of records, held as the bytes that go out, with the few facts that lists and feeds need.

Measured on the company of 20,000 customers: a 5,000-record page is one ``b",".join`` of stored bytes; only
a filter on a field of the body decodes records, once, into a ``Column``.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from perfectcatch.sandbox.servicetitan import moments

Id = int | str
Record = dict[str, Any]
Place = tuple[int, int]  # a moment and a serial number: a row's place in the order of modification
_encode = msgspec.json.encode
_decode = msgspec.json.decode
_MODIFIED = ("modifiedOn", "createdOn")
_CREATED = ("createdOn", "submittedOn")
_KEEP = 8


def as_id(text: str) -> Id:
    """What a path or a query names: a number, below zero too, or a text such as a GUID."""
    return int(text) if text.removeprefix("-").isdecimal() else text


@dataclass(slots=True, eq=False)
class Row:
    """A record: ``body`` is its list form, ``extra`` the inside of an object with what only exports carry."""

    id: Id
    body: bytes
    extra: bytes
    created: int
    modified: int
    active: bool
    merged: bool
    scope: tuple[str, ...]
    hidden: bool = False  # gone from lists and by-id reads, still in the export feed (a deletion it tells)

    def take(self, other: "Row") -> "Row":
        """Become ``other``, which has the same id: lists that hold this row stay valid."""
        self.body, self.extra, self.created, self.modified = (
            other.body,
            other.extra,
            other.created,
            other.modified,
        )
        self.active, self.merged, self.hidden = other.active, other.merged, False
        self.scope = other.scope or self.scope
        return self

    def record(self) -> Record:
        """Decode the whole record, the export's fields included."""
        record: Record = _decode(self.body)
        if self.extra:
            record.update(_decode(b"{" + self.extra + b"}"))
        return record


class Column:
    """A field of every record, for filters: its value by id and the ids by value."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        self.values: dict[Id, Any] = {}
        self.groups: dict[Any, set[Id]] = {}

    def fill(self, rows: Iterable[Row]) -> None:
        """Take in rows, all of them new here. Reading one field costs a quarter of decoding the record."""
        field, rest = self.path[0], self.path[1:]
        one = msgspec.defstruct("One", [("value", Any, msgspec.UNSET)], rename={"value": field})
        read = msgspec.json.Decoder(one).decode
        for row in rows:
            value = read(row.body).value  # type: ignore[attr-defined]
            if value is msgspec.UNSET and row.extra:
                value = read(b"{" + row.extra + b"}").value  # type: ignore[attr-defined]
            self._take(row.id, None if value is msgspec.UNSET else dig(value, rest))

    def set(self, row_id: Id, record: Record) -> None:
        """Take the value of a new or changed record; a list counts once for each of its elements."""
        self.drop(row_id)
        self._take(row_id, dig(record, self.path))

    def _take(self, row_id: Id, value: Any) -> None:
        self.values[row_id] = value
        for each in value if isinstance(value, list) else (value,):
            self.groups.setdefault(_key(each), set()).add(row_id)

    def drop(self, row_id: Id) -> None:
        """Forget a record."""
        old = self.values.pop(row_id, None)
        for each in old if isinstance(old, list) else (old,):
            if group := self.groups.get(_key(each)):
                group.discard(row_id)

    def ids(self, value: Any) -> Collection[Id]:
        """Ids of the records with this value; text is compared without case."""
        return self.groups.get(_key(value), ())


class Table:
    """The records of one collection. ``fields`` are those of its list form; empty: all of them."""

    def __init__(self, name: str, fields: Collection[str] = ()) -> None:
        self.name = name
        self.fields = frozenset(fields)
        self.rows: dict[Id, Row] = {}
        self.seen: set[str] = set()  # fields that occur in bodies
        self.seen_extra: set[str] = set()
        self.furnished: set[tuple[str, ...]] = set()  # parents whose made-up records exist
        self.version = 0
        self.watchers: list[Callable[[Row, Record | None], None]] = []
        self.unseen: Callable[[Row], bool] | None = None  # of the feed that is being answered
        self._order: list[Place] | None = None
        self._serial = 0
        self._by_serial: dict[int, Row] = {}
        self._serials: dict[Id, int] = {}
        self._columns: dict[tuple[str, ...], Column] = {}
        self._results: dict[Any, list[Row]] = {}
        self._sorted: list[Row] | None = None
        self._highest = 0

    def __len__(self) -> int:
        return len(self.rows)

    def settle(self) -> None:
        """Put the rows in order now, so that the first reader does not wait for it."""
        self._in_order()
        self.by_id()

    def put(
        self, record: Record, *, default: int = 0, modified: int | None = None, scope: tuple[str, ...] = ()
    ) -> Row:
        """Add or replace a record, given whole; ``modified`` overrides what the record says of itself."""
        row = self._row(record, default, modified, scope)
        old = self.rows.get(row.id)
        if old is not None:
            self._unlist(old)
            row = old.take(row)
        else:
            self.rows[row.id] = row
            self._place(row)
            if isinstance(row.id, int):
                self._highest = max(self._highest, row.id)
        self._list(row)
        self._changed()
        for column in self._columns.values():
            column.set(row.id, record)
        for watcher in self.watchers:
            watcher(row, record)
        return row

    def _row(self, record: Record, default: int, modified: int | None, scope: tuple[str, ...]) -> Row:
        names = record.keys()
        if self.fields and not names <= self.fields:
            body = {name: value for name, value in record.items() if name in self.fields}
            rest = {name: value for name, value in record.items() if name not in self.fields}
            extra = _encode(rest)[1:-1]
            self.seen_extra.update(rest)
        else:
            body, extra = record, b""
        if not body.keys() <= self.seen:
            self.seen.update(body)
        changed = modified if modified is not None else _moment(record, _MODIFIED, default)
        return Row(
            id=record["id"] if record.get("id") is not None else self.next_id(),
            body=_encode(body),
            extra=extra,
            created=_moment(record, _CREATED, changed),
            modified=changed,
            active=record.get("active") is not False,
            merged=record.get("mergedToId") is not None,
            scope=scope,
        )

    def remove(self, row_id: Id) -> None:
        """Take a record out without a trace."""
        row = self.rows.pop(row_id)
        self._sorted = None
        self._unlist(row)
        self._changed()
        for column in self._columns.values():
            column.drop(row_id)
        for watcher in self.watchers:
            watcher(row, None)

    def next_id(self) -> int:
        """A number that no record has had."""
        self._highest += 1
        return self._highest

    def _place(self, row: Row) -> None:
        """Keep the rows in order of id; new ids are nearly always the highest."""
        rows = self._sorted
        if rows and _id_order(rows[-1]) < _id_order(row):
            rows.append(row)
        else:
            self._sorted = None

    def _list(self, row: Row) -> None:
        self._serial += 1
        self._serials[row.id] = self._serial
        self._by_serial[self._serial] = row
        if self._order is not None:
            insort(self._order, (row.modified, self._serial))

    def _unlist(self, row: Row) -> None:
        serial = self._serials.pop(row.id)
        del self._by_serial[serial]
        if self._order is not None:
            del self._order[bisect_left(self._order, (row.modified, serial))]

    def _changed(self) -> None:
        self.version += 1
        self._results.clear()

    # Reading ------------------------------------------------------------------------------------

    def span(self, start: Place, end: Place) -> tuple[int, int]:
        """The part of the order of modification from one place up to another, as indexes for ``part``."""
        order = self._in_order()
        return bisect_left(order, start), bisect_left(order, end)

    def part(self, first: int, last: int) -> list[tuple[Place, Row]]:
        """Rows of that part, each with its place."""
        rows = self._by_serial
        return [(place, rows[place[1]]) for place in self._in_order()[first:last]]

    def _in_order(self) -> list[Place]:
        if self._order is None:
            self._order = sorted((row.modified, number) for number, row in self._by_serial.items())
        return self._order

    def by_id(self) -> list[Row]:
        """All rows, lowest id first."""
        if self._sorted is None:
            self._sorted = sorted(self.rows.values(), key=_id_order)
        return self._sorted

    def result(self, key: Any, make: Callable[[], list[Row]]) -> list[Row]:
        """Remember the rows of a query until the next change: later pages of a list only take a slice."""
        found = self._results.get(key)
        if found is None:
            found = make()
            if len(self._results) >= _KEEP:
                self._results.pop(next(iter(self._results)))
            self._results[key] = found
        return found

    def column(self, *path: str) -> Column:
        """The values of a field; the first use decodes every record once."""
        column = self._columns.get(path)
        if column is None:
            column = self._columns[path] = Column(path)
            column.fill(self.rows.values())
        return column

    def has(self, *path: str) -> bool:
        """Whether records carry a field of this name at the top."""
        return path[0] in self.seen or path[0] in self.seen_extra


def _id_order(row: Row) -> tuple[int, str]:
    return (row.id, "") if isinstance(row.id, int) else (0, row.id)


def _key(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    return value if isinstance(value, int | float | bool | None) else repr(value)


def dig(record: Any, path: Iterable[str]) -> Any:
    """Follow a path of names; None where it leads nowhere, a list where it passes through one."""
    for name in path:
        if isinstance(record, list):
            record = [each.get(name) for each in record if isinstance(each, dict)]
        elif isinstance(record, dict):
            record = record.get(name)
        else:
            return None
    return record


def _moment(record: Record, names: tuple[str, ...], default: int) -> int:
    for name in names:
        text = record.get(name)
        if isinstance(text, str):
            return moments.read(text)
    return default
