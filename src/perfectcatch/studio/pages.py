"""The pages: tables, rows of a table, one row whole, and what went wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perfectcatch.model.entity import Entity
from perfectcatch.store import browse, browse_catalog
from perfectcatch.store.browse import CELL, PAGE, WHOLE, Filter, Operator, Value
from perfectcatch.store.browse_catalog import Field, Shape
from perfectcatch.store.pool import Pool
from perfectcatch.studio.listing import Listing, chosen, parse, row_address, table_address
from perfectcatch.studio.references import KEY, References, Table

STYLE: Final = (Path(__file__).parent / "studio.css").read_text()
_KIB: Final = 1024
_TENS: Final = 10
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int | None) -> str:
    """Bytes as people read them: ``512 B``, ``3.4 MB``, ``12 MB``."""
    if count is None:
        return ""
    power = max(0, count.bit_length() - 1) // 10
    amount, unit = count / _KIB**power, _UNITS[power]
    return f"{amount:.1f} {unit}" if power and amount < _TENS else f"{amount:.0f} {unit}"


def number(count: int | None) -> str:
    """A number with its thousands apart."""
    return "" if count is None else f"{count:,}"


def short(text: str) -> str:
    """A value of a list, with an ellipsis where it was cut."""
    return text if len(text) <= CELL else f"{text[:CELL]}…"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size, "number": number, "short": short}
    environment.globals |= {"table_address": table_address, "row_address": row_address}
    return environment


_TEMPLATES: Final = _environment()


def rendered(template: str, *, status: int = 200, **values: object) -> web.Response:
    """A page as an answer."""
    text = _TEMPLATES.get_template(template).render(**values)
    return web.Response(text=text, content_type="text/html", status=status)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a list; ``link`` leads to the record that it names."""

    text: str | None
    link: str | None


class Pages:
    """Answers to requests for pages."""

    def __init__(self, pool: Pool, entities: Iterable[Entity] = ()) -> None:
        self._pool = pool
        self._references = References(entities)

    async def tables(self, _: web.Request) -> web.StreamResponse:
        """Every table and view, by schema."""
        found = groupby(await browse_catalog.relations(self._pool), key=lambda relation: relation.schema)
        return rendered("tables.html", schemas=[(schema, list(relations)) for schema, relations in found])

    async def table(self, request: web.Request) -> web.StreamResponse:
        """Rows of a table."""
        shape = await self._shape(request)
        listing = parse(shape.relation.schema, shape.relation.name, request.query.items())
        fields = chosen(shape, listing)
        page = await browse.page(
            self._pool,
            shape,
            [field.name for field in fields],
            where=listing.where,
            sort=listing.sort,
            descending=listing.descending,
            after=listing.after,
        )
        return rendered(
            "table.html",
            shape=shape,
            listing=listing,
            fields=fields,
            rows=[
                (row_address(listing.schema, listing.table, row.key), self._cells(shape, fields, row))
                for row in page.rows
            ],
            page=page,
            size=PAGE,
            operators=list(Operator),
        )

    async def row(self, request: web.Request) -> web.StreamResponse:
        """Every value of one row."""
        shape = await self._shape(request)
        schema, name = shape.relation.schema, shape.relation.name
        key = request.query.getall("id", [])
        values = await browse.whole(self._pool, shape, key)
        if values is None:
            raise web.HTTPNotFound(text=f"{schema}.{name} has no row {', '.join(key)}.")
        known = {value.field.name: value.text for value in values}
        return rendered(
            "row.html",
            shape=shape,
            key=[known[column] or "" for column in shape.key],
            values=[
                (value, self._link(Table(schema, name), value.field.name, value.text, known))
                for value in values
            ],
            pointing=self._pointing(shape, values),
            limit=WHOLE,
        )

    async def _shape(self, request: web.Request) -> Shape:
        schema, name = request.match_info["schema"], request.match_info["name"]
        shape = await browse_catalog.shape(self._pool, schema, name)
        if shape is None:
            raise web.HTTPNotFound(text=f"There is no table or view {schema}.{name}.")
        return shape

    # Links -------------------------------------------------------------------------------------

    def _cells(self, shape: Shape, fields: list[Field], row: browse.Row) -> list[Cell]:
        table = Table(shape.relation.schema, shape.relation.name)
        names = [field.name for field in fields]
        known = dict(zip(shape.key, row.key, strict=False)) | dict(zip(names, row.values, strict=True))
        return [Cell(known[name], self._link(table, name, known[name], known)) for name in names]

    def _link(self, table: Table, column: str, text: str | None, known: dict[str, str | None]) -> str | None:
        """The address of the record that ``text`` in ``column`` names, in the company of its row."""
        target, tenant = self._references.of(table).get(column), known.get(KEY[0])
        if target is None or text is None or tenant is None:
            return None
        return row_address(target.schema, target.name, (tenant, text))

    def _pointing(self, shape: Shape, values: list[Value]) -> list[tuple[str, str]]:
        """The rows of other tables that name this record: what they are, and their address."""
        if shape.key != KEY:
            return []
        ident = next(value.text for value in values if value.field.name == KEY[1]) or ""
        return [
            (
                f"{table.name}.{column}",
                Listing(
                    schema=table.schema,
                    table=table.name,
                    where=Filter(column=column, operator=Operator.EQUALS, value=ident),
                ).address,
            )
            for table, column in self._references.to(Table(shape.relation.schema, shape.relation.name))
        ]
