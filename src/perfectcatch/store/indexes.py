"""Indexes that a first load does without: put aside while their table is empty, built again once it is full.

Filling a table and then building an index sorts once what would else be put into its place a row at a time.
The owner's functions do both (``schema.functions``), and keep the definitions in the same transaction, so
that whoever comes after a process that died builds what it left. Whoever puts the indexes of an entity aside
holds ``lock_of`` it until they are back.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, LiteralString

import psycopg
import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.model.entity import Child, Entity, Type
from perfectcatch.store.names import SUSPENDED, index_name, schema_of_helpers, split
from perfectcatch.store.pool import Connection, Pool, run_in_transaction, transaction

_SUSPEND: Final = f"select {schema_of_helpers()}.suspend_indexes(%s, %s)"
_RESTORE: Final = f"select {schema_of_helpers()}.restore_indexes(%s, %s)"
_MADE: Final = f"select to_regproc('{schema_of_helpers()}.restore_indexes') is not null"
# One that could not be built would fail again as long as nobody has mended anything.
DUE: Final = "(failed_at is null or failed_at < now() - interval '1 hour')"
_LEFT: Final = f"select distinct relation from {SUSPENDED} where {DUE}"
# The function notes the moment of the transaction that both are in.
_FAILED: Final = f"select name, error from {SUSPENDED} where relation = %s and failed_at = now()"
_LIMITS: Final = "select set_config('statement_timeout', '0', true), set_config('lock_timeout', %s, true)"
LOCK_TIMEOUT = "5s"  # others who write wait behind a builder who waits for somebody's open transaction
SIDE_BY_SIDE: Final = 2  # connections that build
_AT_ONCE: Final = 4  # indexes in a transaction: each commit waits for the disk, and others wait for it
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
    columns = {(entity.table, link.left) for link in entity.links}
    columns |= {
        (entity.table, column.by)
        for owner in entities.values()
        for column in owner.looked_up
        if column.entity == entity.name
    }
    parts: tuple[Entity | Child, ...] = (entity, *entity.children)
    for part in parts:
        columns |= {
            (part.table, each.name) for each in part.columns if each.index and each.type in _UNBOUNDED
        }
    return sorted(index_name(table, column) for table, column in columns)


async def suspend(pool: Pool, entity: Entity, entities: Mapping[str, Entity]) -> None:
    """Put aside what the tables of ``entity`` can do without, as far as they are empty and not in use.

    Where that cannot be, because somebody reads the table or the database was not migrated, all stays as it
    is. The caller holds the lock, and restores whatever comes of it.
    """
    needed = kept(entity, entities)
    for relation in relations(entity):

        async def put_aside(connection: Connection, relation: str = relation) -> None:
            await connection.execute(_SUSPEND, (relation, needed))

        try:
            await run_in_transaction(pool, put_aside)
        except PerfectCatchError as error:
            log.info("indexes are kept up during a first load", relation=relation, reason=str(error))


async def restore(pool: Pool, entity: Entity, builders: asyncio.Semaphore) -> None:
    """Build what was put aside of the tables of ``entity``. The caller holds the lock.

    Tables without an index answer late and never wrongly, so nothing fails with it: what could not be built
    stays noted for a later run, and the log says why. ``builders`` has a place for each connection that may
    build in this process.
    """
    if not (await suspended(pool)).intersection(relations(entity)):
        return
    for relation in relations(entity):
        errors: list[Exception] = []
        async with asyncio.TaskGroup() as group:  # nobody builds on when the caller lets go of the lock
            for _ in range(SIDE_BY_SIDE):
                group.create_task(_build(pool, relation, builders, errors))
        if errors:
            log.warning(
                "indexes that a first load put aside could not be built: the next run tries again",
                relation=relation,
                reason=str(errors[0]),
            )


async def _build(pool: Pool, relation: str, builders: asyncio.Semaphore, errors: list[Exception]) -> None:
    """Build until nothing is left, or until something stood in the way: what it was is put to ``errors``."""
    done = _AT_ONCE
    while done:
        async with builders:
            if errors:
                return
            try:
                done = await _build_some(pool, relation)
            except (PerfectCatchError, psycopg.Error) as error:
                errors.append(error)


async def _build_some(pool: Pool, relation: str) -> int:
    async with transaction(pool) as connection:
        await connection.execute(_LIMITS, (LOCK_TIMEOUT,))
        done = await _number(connection, _RESTORE, (relation, _AT_ONCE))
        failed = await (await connection.execute(_FAILED, (relation,))).fetchall() if done else []
    for name, reason in failed:
        log.warning(
            "an index that a first load put aside could not be built: it is tried again in an hour",
            relation=relation,
            index=name,
            reason=reason,
        )
    return done


async def suspended(pool: Pool) -> set[str]:
    """The tables of which something is put aside and may be built, whoever put it aside.

    A database that was not migrated has none. Who may not read of it cannot build either: the log says so.
    """
    try:
        async with pool.connection() as connection:
            if not await _number(connection, _MADE):
                return set()
            found = await connection.execute(_LEFT)
            return {row[0] for row in await found.fetchall()}
    except PerfectCatchError as error:
        log.warning("whether a first load has left indexes to build is not known", reason=str(error))
        return set()


async def _number(connection: Connection, question: LiteralString, values: tuple[object, ...] = ()) -> int:
    row = await (await connection.execute(question, values)).fetchone()
    return int(row[0]) if row else 0
