"""Indexes that a first load does without: put aside while their table is empty, built again once it is full.

Filling a table and then building an index sorts once what would else be put into its place a row at a time.
The owner's functions do both (``schema.functions``), and keep the definitions in the same transaction, so
that whoever comes after a process that died builds what it left. Whoever puts the indexes of an entity aside
holds ``lock_of`` it until they are back.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import psycopg
import structlog

from perfectcatch.errors import PerfectCatchError, SchemaDiffers
from perfectcatch.model.entity import Entity, Type
from perfectcatch.store.names import SUSPENDED, index_name, schema_of_helpers, split
from perfectcatch.store.pool import Pool, transaction

_SUSPEND: Final = f"select {schema_of_helpers()}.suspend_indexes(%s, %s)"
_RESTORE: Final = f"select {schema_of_helpers()}.restore_indexes(%s, %s)"
_AT_ONCE: Final = 4  # indexes in a transaction: each commit waits for the disk, and others wait for it
_SIDE_BY_SIDE: Final = 2
# Values of these are not cut to what an index can hold: only the index itself says that one does not fit.
_UNBOUNDED: Final = (Type.TEXTS, Type.JSON, Type.NUMBER)

log = structlog.get_logger(__name__)


def lock_of(entity: Entity) -> str:
    """The name of the lock that is held while indexes of ``entity`` are put aside."""
    return f"indexes {entity.table}"


def relations(entity: Entity) -> tuple[str, ...]:
    """``schema.name`` of the table of ``entity`` and of those of its items."""
    schema, name = split(entity.table)
    children = (child.table for child in entity.children)
    return f"{schema}.{name}", *(each if "." in each else f"{schema}.{each}" for each in children)


def kept(entity: Entity, entities: Mapping[str, Entity]) -> list[str]:
    """Names of the indexes that a first load needs itself: others are looked up by them, or they refuse."""
    columns = {each.name for each in entity.columns if each.index and each.type in _UNBOUNDED}
    columns |= {link.left for link in entity.links}
    columns |= {
        column.by for owner in entities.values() for column in owner.looked_up if column.entity == entity.name
    }
    return sorted(index_name(entity.table, column) for column in columns)


async def suspend(pool: Pool, entity: Entity, entities: Mapping[str, Entity]) -> None:
    """Put aside what the tables of ``entity`` can do without, as far as they are empty and not in use.

    Where that cannot be, because somebody reads the table or the database was not migrated, all stays as it
    is. The caller holds the lock, and restores whatever comes of it.
    """
    needed = kept(entity, entities)
    try:
        for relation in relations(entity):
            async with pool.connection() as connection:
                found = await connection.execute(_SUSPEND, (relation, needed))
                if await found.fetchone() == (0,):
                    return
    except PerfectCatchError as error:
        log.info("indexes are kept up during a first load", entity=entity.name, reason=str(error))


async def restore(pool: Pool, entity: Entity) -> None:
    """Build what was put aside of the tables of ``entity``. The caller holds the lock.

    Tables without an index answer late and never wrongly, so nothing fails with it: what could not be built
    stays noted for the next run, and the log says why.
    """
    try:
        for relation in relations(entity):
            await asyncio.gather(*(_build(pool, relation) for _ in range(_SIDE_BY_SIDE)))
    except SchemaDiffers:
        return  # no such function: nothing was put aside
    except (PerfectCatchError, psycopg.Error) as error:
        log.warning(
            "indexes that a first load put aside could not be built: the next run tries again",
            entity=entity.name,
            reason=str(error),
        )


async def _build(pool: Pool, relation: str) -> None:
    while True:
        async with transaction(pool) as connection:
            await connection.execute("set local statement_timeout = 0")
            found = await connection.execute(_RESTORE, (relation, _AT_ONCE))
            if await found.fetchone() == (0,):
                return


async def suspended(pool: Pool) -> set[str]:
    """The tables of which something is put aside, whoever did it."""
    try:
        async with pool.connection() as connection:
            found = await connection.execute(f"select distinct relation from {SUSPENDED}")
            return {row[0] for row in await found.fetchall()}
    except SchemaDiffers:
        return set()
