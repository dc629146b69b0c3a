"""Declared against live: whether the database has the shape that this version of the product expects."""

import asyncio
from collections.abc import Iterable

from sqlalchemy import Connection, text

from perfectcatch.model.entity import Entity
from perfectcatch.store.pool import Pool
from perfectcatch.store.schema.compare import Difference, differences, relation
from perfectcatch.store.schema.engine import work
from perfectcatch.store.schema.gathered import gathered_views
from perfectcatch.store.schema.mirror_tables import mirror_metadata
from perfectcatch.store.schema.tables import metadata
from perfectcatch.store.schema.views import VIEWS

__all__ = ["Difference", "check"]


async def check(where: str | Pool, entities: Iterable[Entity]) -> list[Difference]:
    """Give what is not as declared, nothing when all is well. Takes about a second, changes nothing."""
    declared = tuple(entities)
    mirror = mirror_metadata(declared)

    def compare(connection: Connection) -> list[Difference]:
        found = [*differences(connection, metadata), *differences(connection, mirror)]
        tables = {relation(table) for table in mirror.tables.values()}
        views = [
            view.relation for view in (*VIEWS, *gathered_views(declared)) if tables.issuperset(view.needs)
        ]
        missing = [view for view in views if not _exists(connection, view)]
        return found + [Difference(view, None, "the view is missing") for view in missing]

    return await asyncio.to_thread(work, where, compare)


def _exists(connection: Connection, name: str) -> bool:
    return bool(
        connection.execute(text("select to_regclass(:name) is not null"), {"name": name}).scalar_one()
    )
