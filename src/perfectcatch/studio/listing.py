"""What a page of rows is asked for, read from an address and written to one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlencode

from perfectcatch.errors import BadArgument
from perfectcatch.store.browse import Filter, Operator, Place
from perfectcatch.store.browse_catalog import Field, Shape

COLUMNS: Final = 12  # of a wide table, until all are asked for
_ORDERS: Final = {"up": False, "down": True}
_DIGITS: Final = 18  # of a bigint, whatever its first digit


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Rows of a table: which, in what order, how many columns, from where on."""

    schema: str
    table: str
    where: Filter | None = None
    sort: str | None = None
    descending: bool = False
    every: bool = False  # every column
    after: Place | None = None

    @property
    def address(self) -> str:
        """The address of this page."""
        words = [*self.settings.items()]
        if self.after is not None:
            words += [("after", each) for each in self.after.key]
            words += [("value", self.after.value)] if self.after.value is not None else []
            words += [("skip", str(self.after.skipped))] if self.after.skipped else []
        path = table_address(self.schema, self.table)
        return f"{path}?{urlencode(words)}" if words else path

    @property
    def settings(self) -> Mapping[str, str]:
        """Everything but the place, as words of the address."""
        words: dict[str, str] = {}
        if self.where is not None:
            words |= {"column": self.where.column, "is": self.where.operator.value, "to": self.where.value}
        if self.sort is not None:
            words |= {"sort": self.sort, "order": "down" if self.descending else "up"}
        return words | ({"columns": "all"} if self.every else {})

    @property
    def first(self) -> "Listing":
        """The same rows from the first page on."""
        return replace(self, after=None)

    def to(self, after: Place) -> "Listing":
        """The same rows from ``after`` on."""
        return replace(self, after=after)

    def unfiltered(self) -> "Listing":
        """All rows, from the first page on."""
        return replace(self, where=None, after=None)

    def widened(self, every: bool) -> "Listing":
        """The same rows with every column, or with the usual ones."""
        return replace(self, every=every)

    def sorted_by(self, column: str) -> "Listing":
        """Rows by ``column``: upwards, or downwards if they are upwards now."""
        downwards = self.sort == column and not self.descending
        return replace(self, sort=column, descending=downwards, after=None)


def parse(schema: str, table: str, query: Iterable[tuple[str, str]]) -> Listing:
    """Read the words of an address; columns are not checked here. Raises ``BadArgument``."""
    pairs = list(query)
    words = dict(reversed(pairs))  # of a word that comes twice the first counts
    column, sort, order = words.get("column"), words.get("sort"), words.get("order", "up")
    if order not in _ORDERS:
        raise BadArgument(f"order is up or down, not {order!r}.")
    operator = _operator(words.get("is", Operator.EQUALS.value))
    return Listing(
        schema=schema,
        table=table,
        where=Filter(column=column, operator=operator, value=words.get("to", "")) if column else None,
        sort=sort or None,
        descending=_ORDERS[order],
        every=words.get("columns") == "all",
        after=_place(tuple(value for word, value in pairs if word == "after"), words),
    )


def _operator(asked: str) -> Operator:
    try:
        return Operator(asked)
    except ValueError:
        known = ", ".join(Operator)
        raise BadArgument(f"A column is compared by one of {known}, not by {asked!r}.") from None


def _place(key: tuple[str, ...], words: Mapping[str, str]) -> Place | None:
    skipped = words.get("skip", "0")
    if not (skipped.isascii() and skipped.isdigit() and len(skipped) <= _DIGITS):
        raise BadArgument(f"skip is a number of rows, not {skipped!r}.")
    if not key and not int(skipped):
        return None
    return Place(key=key, value=words.get("value"), skipped=int(skipped))


# Addresses -------------------------------------------------------------------------------------


def table_address(schema: str, table: str) -> str:
    """The address of a table's first page."""
    return f"/table/{quote(schema, safe='')}/{quote(table, safe='')}"


def row_address(schema: str, table: str, key: Sequence[str]) -> str:
    """The address of one row."""
    path = f"/row/{quote(schema, safe='')}/{quote(table, safe='')}"
    return f"{path}?{urlencode([('id', each) for each in key])}"


# Columns ---------------------------------------------------------------------------------------


def chosen(shape: Shape, listing: Listing) -> list[Field]:
    """The columns to show: all of a narrow table; of a wide one the key, then those that read well.

    Documents, bytes and ids that no other program knows are left to the row's own page, unless rows are
    sorted or filtered by them.
    """
    if listing.every or len(shape.fields) <= COLUMNS:
        return list(shape.fields)
    asked = {listing.sort, listing.where.column if listing.where else None, *shape.key}
    plain = [field.name for field in shape.fields if field.cast not in ("json", "jsonb", "bytea", "uuid")]
    room = max(0, COLUMNS - len(asked - {None}))
    shown = asked | set([name for name in plain if name not in asked][:room])
    fields = [field for field in shape.fields if field.name in shown]
    return sorted(fields, key=lambda field: field.name not in shape.key)
