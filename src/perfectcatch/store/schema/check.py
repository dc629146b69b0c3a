"""Declared against live: whether the database has the shape that this version of the product expects."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import Connection, MetaData, text

from perfectcatch.model.entity import Entity
from perfectcatch.store.pool import Pool
from perfectcatch.store.schema.compare import Difference, differences, relation
from perfectcatch.store.schema.engine import work
from perfectcatch.store.schema.gathered import gathered_views
from perfectcatch.store.schema.mirror_tables import mirror_metadata
from perfectcatch.store.schema.suspended import put_aside
from perfectcatch.store.schema.tables import metadata
from perfectcatch.store.schema.views import VIEWS

__all__ = ["Difference", "check"]

_INDEXES: Final = "select schemaname || '.' || tablename, indexname from pg_indexes"
_COMES_BACK: Final = "the next sync builds it, or `perfectcatch db migrate`"


async def check(where: str | Pool, entities: Iterable[Entity]) -> list[Difference]:
    """Give what is not as declared, nothing when all is well. Takes about a second, changes nothing."""
    declared = tuple(entities)
    mirror = mirror_metadata(declared)

    def compare(connection: Connection) -> list[Difference]:
        found = [*differences(connection, metadata), *_explained(connection, declared, mirror)]
        tables = {relation(table) for table in mirror.tables.values()}
        views = [
            view.relation for view in (*VIEWS, *gathered_views(declared)) if tables.issuperset(view.needs)
        ]
        missing = [view for view in views if not _exists(connection, view)]
        return found + [Difference(view, None, "the view is missing") for view in missing]

    return await asyncio.to_thread(work, where, compare)


def _explained(
    connection: Connection, declared: tuple[Entity, ...], mirror: MetaData
) -> Iterator[Difference]:
    """Leave out what a first load will build at its end, and say of what one has left how it comes back.

    Loads begin and end while we compare: what was put aside before or is now, or is there by now, is well.
    """
    before = put_aside(connection, declared)
    found = list(differences(connection, mirror))
    now = put_aside(connection, declared)
    well = {(relation, f"{name} is missing") for relation, name in before.held | now.held}
    well |= {(relation, f"{name} is missing") for relation, name in connection.execute(text(_INDEXES))}
    left = {(relation, f"{name} is missing"): (name, error) for (relation, name), error in now.left.items()}
    for each in found:
        key = (each.relation, each.what)
        if key in left:
            name, error = left[key]
            why = f"and could not be built ({error})" if error else "that was cut short"
            yield Difference(
                each.relation, None, f"{name} was put aside by a first load {why}: {_COMES_BACK}"
            )
        elif key not in well:
            yield each


def _exists(connection: Connection, name: str) -> bool:
    return bool(
        connection.execute(text("select to_regclass(:name) is not null"), {"name": name}).scalar_one()
    )
