"""A mirrored entity, declared once: where it comes from, what is kept of it, what its changes mean.

From one ``Entity`` follow its table, the pull, the merge, event detection, quarantine checks, drift
reports and the documentation page. Paths are in the vendor's spelling, names of columns in ours.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from perfectcatch.model.event import ClockRule, Transition


class Type(StrEnum):
    """The PostgreSQL type of a column."""

    BIGINT = "bigint"
    INTEGER = "integer"
    TEXT = "text"
    MONEY = "numeric(18,4)"
    NUMBER = "numeric"
    DOUBLE = "double precision"
    MOMENT = "timestamptz"
    DAY = "date"
    FLAG = "boolean"
    IDS = "bigint[]"
    TEXTS = "text[]"
    JSON = "jsonb"
    WORDS = "tsvector"  # for search alone: never part of a record


class Convert(StrEnum):
    """How the vendor's value becomes the column's value; "" and null are null in every typed column."""

    PLAIN = "plain"  # read as text, then as the column's type; numbers in strings are numbers
    # digits in E.164 form where they make a North American number, else digits only; null for text with "@"
    PHONE = "phone"
    FIRST_NAME = "first_name"  # of "Last, First" or "First Last"
    LAST_NAME = "last_name"
    LOWER = "lower"  # an e-mail address in lower case; null for text without "@"
    DAY_OF = "day_of"  # the calendar day as the vendor writes it, whatever the offset
    SECONDS = "seconds"  # "HH:MM:SS.fff" as a number of seconds
    IDS_OF = "ids_of"  # the "id" of each object in a list
    NAMES_OF = "names_of"  # the "name" of each object in a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column that is filled from the vendor's record. ``at`` is a dotted path into it."""

    name: str
    type: Type
    at: str
    convert: Convert = Convert.PLAIN
    references: str | None = None  # the entity whose st_id this holds
    index: bool = False  # an indexed text is cut after 500 characters; the document keeps all of it
    also_written: tuple[str, ...] = ()  # JSON kinds that the vendor documents beside the type's own
    does: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """The steps of ``at``."""
        return tuple(self.at.split("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A column of the mirror table that is ours: a merge never touches it."""

    name: str
    type: Type
    does: str
    index: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A column that PostgreSQL itself computes from others of the same row (a stored generated column).

    ``expression`` is SQL over the names of the row's other columns, immutable as PostgreSQL demands.
    """

    name: str
    type: Type
    expression: str
    does: str
    index: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """A column filled from records of another entity that point here, such as a customer's phone.

    Of the records of ``entity`` whose ``by`` holds our st_id, which are not deleted and whose
    ``where_column`` is one of ``where_values`` (in order of preference), take ``column`` of the first by
    preference and then by ``order_by``; with ``gather`` the distinct values of all of them as an array.
    """

    name: str
    type: Type
    entity: str
    by: str
    column: str
    where_column: str | None = None
    where_values: tuple[str, ...] = ()
    order_by: str = "st_id"
    gather: bool = False
    index: bool = False
    does: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Rows inside a record that get a table of their own (an estimate's items).

    Its rows are replaced together with their parent's row. Key: tenant, parent id, ``position``.
    """

    table: str
    at: str  # the list in the parent's record
    parent_column: str  # holds the parent's st_id
    columns: tuple[Column, ...]
    does: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link table kept from records of this entity: one row per distinct pair of two columns.

    Rows exist for records that are neither deleted nor inactive (job_technicians from assignments).
    """

    table: str
    left: str
    right: str
    does: str


class Source(StrEnum):
    """How an entity is read."""

    EXPORT = "export"  # export feed: token, includes inactive and deleted rows
    CHANGED = "changed"  # paged list that filters by modification time
    WHOLE = "whole"  # paged list without such a filter: read whole each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where records come from: an endpoint of the catalogue and the fixed values of its query."""

    source: Source
    endpoint: str
    query: tuple[tuple[str, str], ...] = ()
    page_size: int | None = None  # None: the endpoint's maximum
    serial: bool = False  # the vendor misbehaves under parallel page calls
    tag: tuple[str, str] | None = None  # (key, value) put into each record that several lists share


class Inactive(StrEnum):
    """What ``active: false`` says about a record."""

    DEACTIVATED = "deactivated"  # it exists, switched off
    DELETED = "deleted"  # it is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One kind of record. ``key``, ``created``, ``modified``, ``active`` are paths in the vendor's record."""

    name: str
    table: str  # schema and name
    does: str
    groups: tuple[str, ...]  # of core, contacts, reference, scheduling, pricebook
    feeds: tuple[Feed, ...]
    columns: tuple[Column | Local | LookedUp | Computed, ...]
    key: str = "id"
    derived_key: tuple[str, ...] = ()  # paths that identify a record where ``key`` alone is no unique number
    created: str | None = "createdOn"
    modified: str | None = "modifiedOn"
    active: str | None = "active"
    inactive_means: Inactive = Inactive.DEACTIVATED
    merged_into: str | None = None  # path of the id of the record that replaced this one
    reads_one: str | None = None  # endpoint that reads one record by id
    also: str = ""  # other fields that the vendor documents, separated by spaces: not columns, not drift
    children: tuple[Child, ...] = ()
    links: tuple[Link, ...] = ()
    events: tuple[Transition | ClockRule, ...] = ()
    sweep: bool = True  # whether a full read proves that an absent record is gone
    settles: tuple[str, ...] = ()  # columns whose referred record must be known before events are computed

    @property
    def vendor_columns(self) -> tuple[Column, ...]:
        """Columns filled from the record itself."""
        return tuple(column for column in self.columns if isinstance(column, Column))

    @property
    def looked_up(self) -> tuple[LookedUp, ...]:
        """Columns filled from other entities' records."""
        return tuple(column for column in self.columns if isinstance(column, LookedUp))

    @property
    def computed(self) -> tuple[Computed, ...]:
        """Columns that PostgreSQL computes from the others."""
        return tuple(column for column in self.columns if isinstance(column, Computed))

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Events caused by a change."""
        return tuple(event for event in self.events if isinstance(event, Transition))

    @property
    def clock_rules(self) -> tuple[ClockRule, ...]:
        """Events caused by time."""
        return tuple(event for event in self.events if isinstance(event, ClockRule))

    @property
    def needs(self) -> tuple[str, ...]:
        """Entities that should be read before this one, by its references (itself left out)."""
        names = {column.references for column in self.vendor_columns if column.references}
        return tuple(sorted(names - {self.name}))

    @property
    def settled_by(self) -> tuple[str, ...]:
        """Entities whose records decide about this one's events."""
        return tuple(
            column.references
            for column in self.vendor_columns
            if column.name in self.settles and column.references
        )

    @property
    def known_fields(self) -> frozenset[str]:
        """Top-level fields that the vendor documents for this record."""
        return frozenset(self._fields())

    def _fields(self) -> Iterator[str]:
        paths = [self.key, *self.derived_key, self.created, self.modified, self.active, self.merged_into]
        yield from (path.split(".")[0] for path in paths if path)
        yield from (column.path[0] for column in self.vendor_columns)
        yield from (child.at.split(".")[0] for child in self.children)
        yield from (feed.tag[0] for feed in self.feeds if feed.tag)
        yield from self.also.split()


def derived_id(parts: Iterable[str]) -> int:
    """The st_id of a record with a ``derived_key``: always negative, as no id of a vendor is.

    60 bits of a digest: among a million records the chance that any two meet is below one in a million.
    PostgreSQL computes the same number from the stored document.
    """
    digest = sha256("\x1f".join(parts).encode()).hexdigest()
    return -1 - int(digest[:15], 16)


# Makers ----------------------------------------------------------------------------------------


def camel(name: str) -> str:
    """``customer_id`` in the vendor's spelling: ``customerId``."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), name)


def _column(type_: Type, name: str, at: str | None, **more: object) -> Column:
    return replace(Column(name=name, type=type_, at=at or camel(name)), **more)  # type: ignore[arg-type]


def big(
    name: str, at: str | None = None, *, ref: str | None = None, index: bool = False, **more: object
) -> Column:
    """A 64-bit number, most often the id of another record (``ref`` names its entity and makes an index)."""
    return _column(Type.BIGINT, name, at, references=ref, index=index or ref is not None, **more)


def integer(name: str, at: str | None = None, **more: object) -> Column:
    """A 32-bit number."""
    return _column(Type.INTEGER, name, at, **more)


def text(name: str, at: str | None = None, **more: object) -> Column:
    """Text; an empty text stays empty."""
    return _column(Type.TEXT, name, at, **more)


def money(name: str, at: str | None = None, **more: object) -> Column:
    """An amount, numeric(18,4); the vendor writes some as strings."""
    return _column(Type.MONEY, name, at, **more)


def number(name: str, at: str | None = None, **more: object) -> Column:
    """A number of any precision; the vendor writes some as strings."""
    return _column(Type.NUMBER, name, at, **more)


def double(name: str, at: str | None = None, **more: object) -> Column:
    """A measured value such as a coordinate."""
    return _column(Type.DOUBLE, name, at, **more)


def moment(name: str, at: str | None = None, **more: object) -> Column:
    """A moment in UTC; five to seven fractional digits at the vendor, microseconds here."""
    return _column(Type.MOMENT, name, at, **more)


def day(name: str, at: str | None = None, **more: object) -> Column:
    """A calendar day that the vendor writes as a midnight."""
    return _column(Type.DAY, name, at, **{"convert": Convert.DAY_OF, **more})


def flag(name: str, at: str | None = None, **more: object) -> Column:
    """Yes or no."""
    return _column(Type.FLAG, name, at, **more)


def ids(name: str, at: str | None = None, **more: object) -> Column:
    """A list of ids."""
    return _column(Type.IDS, name, at, **more)


def texts(name: str, at: str | None = None, **more: object) -> Column:
    """A list of texts."""
    return _column(Type.TEXTS, name, at, **more)


def json(name: str, at: str | None = None, **more: object) -> Column:
    """Structure kept as it is."""
    return _column(Type.JSON, name, at, **more)


def export(endpoint: str, **query: str) -> tuple[Feed, ...]:
    """The vendor's export feed: continuation tokens, inactive and deleted rows included."""
    return (Feed(source=Source.EXPORT, endpoint=endpoint, query=tuple(query.items())),)


def changed(endpoint: str, *, serial: bool = False, **query: str) -> tuple[Feed, ...]:
    """A list that can be asked for what changed since a moment."""
    return (Feed(source=Source.CHANGED, endpoint=endpoint, query=tuple(query.items()), serial=serial),)


def whole(endpoint: str, *, tag: tuple[str, str] | None = None, **query: str) -> tuple[Feed, ...]:
    """A list that has to be read whole."""
    return (Feed(source=Source.WHOLE, endpoint=endpoint, query=tuple(query.items()), tag=tag),)
