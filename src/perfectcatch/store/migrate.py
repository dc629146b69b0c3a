"""Bring a database to the shape that is declared; safe to run again, and by two processes at once.

Our own tables follow numbered migrations. Mirror tables grow by what the entities declare: a new table,
column or index is created and filled from the records that are here. Whatever would lose or reinterpret
data is refused, and needs a numbered migration that a person has thought about.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from perfectcatch.errors import AlreadyRunning, SchemaDiffers
from perfectcatch.model.entity import Entity
from perfectcatch.store.engine import conninfo_of, work
from perfectcatch.store.functions import FUNCTIONS
from perfectcatch.store.gathered import gathered_views
from perfectcatch.store.grow import compress_documents, grow
from perfectcatch.store.names import MIRROR, PUBLIC, SCHEMAS, qualified, quote, split
from perfectcatch.store.pool import Pool, plain_errors
from perfectcatch.store.refill import refill
from perfectcatch.store.views import VIEWS, View

Install = Callable[[psycopg.AsyncConnection[TupleRow]], Awaitable[None]]

_LEDGER: Final = qualified(f"{MIRROR}.mirror_migrations")
_LOCK: Final = "select pg_advisory_lock(hashtextextended('perfectcatch migration', 0))"
_OTHERS_SECONDS: Final = 120
# Waiting for a lock makes everybody behind us wait too: better to give up and be run again.
_LIMITS: Final = "set local lock_timeout = '10s'; set local statement_timeout = '15min'"


async def migrate(
    where: str | Pool, entities: Iterable[Entity], *, install_jobs: Install | None = None
) -> list[str]:
    """Create and change what is missing; give a sentence for each change, none when all was well.

    ``install_jobs`` creates the tables of the job engine, on a connection in autocommit mode. Errors:
    ``SchemaDiffers`` naming table and column for what is not an addition, ``AlreadyRunning`` when another
    migration takes longer than two minutes.
    """
    declared = tuple(entities)
    async with _alone(where) as connection:
        done = await asyncio.to_thread(_in_thread, where, declared)
        if install_jobs is not None:
            await install_jobs(connection)
        return done + await _fill(connection, {entity.name: entity for entity in declared})


async def is_empty(pool: Pool) -> bool:
    """Whether nothing of ours was ever created in this database."""
    async with pool.connection() as connection:
        found = await connection.execute(f"select to_regclass('{MIRROR}.alembic_version') is null")
        row = await found.fetchone()
        return bool(row and row[0])


@asynccontextmanager
async def _alone(where: str | Pool) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
    with plain_errors():
        connection = await psycopg.AsyncConnection.connect(
            conninfo_of(where), autocommit=True, application_name="perfectcatch migration"
        )
        async with connection:
            await connection.execute("set time zone 'UTC'")
            await connection.execute(f"set lock_timeout = '{_OTHERS_SECONDS}s'")
            try:
                await connection.execute(_LOCK)
            except LockNotAvailable as error:
                raise AlreadyRunning(
                    f"another migration of this database has been running for {_OTHERS_SECONDS} s: "
                    "wait for it and start again"
                ) from error
            await connection.execute("set lock_timeout = 0")
            yield connection


def _in_thread(where: str | Pool, entities: tuple[Entity, ...]) -> list[str]:
    try:
        return work(where, partial(_change, entities=entities))
    except LockNotAvailable as error:
        raise AlreadyRunning(
            "a table is in use by a long transaction, so it cannot be changed now: stop the workers, "
            "or wait, and migrate again"
        ) from error


def _change(connection: Connection, entities: tuple[Entity, ...]) -> list[str]:
    """Make every change in one transaction: all of them or none."""
    connection.exec_driver_sql(_LIMITS)
    schemas = sorted({*SCHEMAS, *(split(entity.table)[0] for entity in entities)} - {PUBLIC})
    for schema in schemas:
        connection.exec_driver_sql(f"create schema if not exists {quote(schema)}")
    for function in FUNCTIONS:
        connection.exec_driver_sql(function)
    done = _numbered(connection)
    done += grow(connection, entities)
    done += compress_documents(connection, schemas)
    for view in (*VIEWS, *gathered_views(entities)):
        done += _view(connection, view)
    return done


def _numbered(connection: Connection) -> list[str]:
    """Run the numbered migrations that this database has not seen."""
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(connection, opts={"version_table_schema": MIRROR})
    before = context.get_current_revision()
    try:
        command.upgrade(config, "head")
        ahead = list(script.iterate_revisions(context.get_current_revision(), before))
    except CommandError as error:
        raise SchemaDiffers(
            f"the database is at revision {before}, which this version does not know: "
            "a newer version has migrated it, so run that one"
        ) from error
    return [f"applied migration {each.revision}: {each.doc}" for each in reversed(ahead)]


def _view(connection: Connection, view: View) -> list[str]:
    """Create ``view`` or give it its present meaning; columns of a view can be added but not changed."""
    for needed in view.needs:
        if (
            connection.execute(text("select to_regclass(:name)"), {"name": qualified(needed)}).scalar()
            is None
        ):
            return []
    name = qualified(view.relation)
    existed = connection.execute(text("select to_regclass(:name)"), {"name": name}).scalar() is not None
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"create or replace view {name} as {view.query}")
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InvalidTableDefinition):
            raise
        connection.exec_driver_sql(f"drop view {name}")
        connection.exec_driver_sql(f"create view {name} as {view.query}")
    comment = view.does.replace("'", "''")
    connection.exec_driver_sql(f"comment on view {name} is '{comment}'")
    return [] if existed else [f"created view {view.relation}"]


async def _fill(connection: psycopg.AsyncConnection[Any], entities: dict[str, Entity]) -> list[str]:
    """Fill what was added to tables that had rows; what a crash left unfilled is filled the next time."""
    found = await connection.execute(
        f"select entity, array_agg(distinct added) from {_LEDGER} "
        "where added is not null and filled_at is null group by entity order by entity"
    )
    done = []
    for name, added in await found.fetchall():
        if name not in entities:
            continue
        async with connection.transaction():
            for statement in refill(entities[name], added, entities):
                await connection.execute(statement.encode())
            await connection.execute(
                f"update {_LEDGER} set filled_at = clock_timestamp() "
                "where entity = %s and added = any(%s) and filled_at is null",
                (name, added),
            )
        done.append(f"filled {', '.join(sorted(added))} of {name} from stored records")
    return done
