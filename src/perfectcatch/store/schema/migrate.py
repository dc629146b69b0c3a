"""Bring a database to the shape that is declared; safe to run again, and by two processes at once.

Our own tables follow numbered migrations. Mirror tables grow by what the entities declare: a new table,
column or index is created and filled from the records that are here. Whatever would lose or reinterpret
data is refused, and needs a numbered migration that a person has thought about.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow

from perfectcatch.errors import AlreadyRunning
from perfectcatch.model.entity import Entity
from perfectcatch.store.acting import NO_ROLE
from perfectcatch.store.names import MIRROR, qualified
from perfectcatch.store.pool import Pool, conninfo_of, plain_errors
from perfectcatch.store.schema.refill import refill

Install = Callable[[psycopg.AsyncConnection[TupleRow]], Awaitable[None]]

_LEDGER: Final = qualified(f"{MIRROR}.mirror_migrations")
_LOCK: Final = "select pg_advisory_lock(hashtextextended('perfectcatch migration', 0))"
_REACHED: Final = f"select statement from {_LEDGER} where relation = '*' order by id desc limit 1"
_OTHERS_SECONDS: Final = 120


async def migrate(
    where: str | Pool,
    entities: Iterable[Entity],
    *,
    install_jobs: Install | None = None,
    role: str = NO_ROLE,
) -> list[str]:
    """Create and change what is missing; give a sentence for each change, none when all was well.

    ``install_jobs`` creates the tables of the job engine, on a connection in autocommit mode. ``role`` is the
    one that others work as, created and given its rights. Errors: ``SchemaDiffers`` naming table and column
    for what is not an addition, ``AlreadyRunning`` when another migration takes longer than two minutes.
    """
    # Alembic and SQLAlchemy take a quarter of a second to import, which ``ensure`` most often saves.
    from perfectcatch.store.schema import roles
    from perfectcatch.store.schema.change import change

    declared = tuple(entities)
    async with _alone(where) as connection:
        done = await asyncio.to_thread(change, where, declared)
        if install_jobs is not None:
            await install_jobs(connection)
        done += await _fill(connection, {entity.name: entity for entity in declared})
        if role != NO_ROLE:
            done += await roles.prepare(connection, declared, role)
        await connection.execute(
            f"insert into {_LEDGER} (relation, entity, statement) select '*', '*', %(shape)s "
            f"where %(shape)s is distinct from ({_REACHED})",
            {"shape": fingerprint(declared, role)},
        )
        return done


async def ensure(
    pool: Pool, entities: Iterable[Entity], *, install_jobs: Install | None = None, role: str = NO_ROLE
) -> list[str]:
    """``migrate``, unless these very declarations and this very code have migrated the database last.

    Takes a millisecond then, and does not see what somebody changed by hand: ``check`` does.
    """
    declared = tuple(entities)
    if not await is_empty(pool):
        async with pool.connection() as connection:
            row = await (await connection.execute(_REACHED)).fetchone()
        if row is not None and row[0] == fingerprint(declared, role):
            return []
    return await migrate(pool, declared, install_jobs=install_jobs, role=role)


def fingerprint(entities: Iterable[Entity], role: str = NO_ROLE) -> str:
    """Give a short name to everything that decides the shape: declarations, our code, job engine, role."""
    digest = blake2b(repr((*entities, role)).encode(), digest_size=16)
    digest.update(metadata.version("procrastinate").encode())
    for source in sorted(Path(__file__).parent.parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


async def is_empty(pool: Pool) -> bool:
    """Whether nothing of ours was ever created in this database."""
    async with pool.connection() as connection:
        # By the catalogue: whoever may not look into the schema may not name what is in it either.
        found = await connection.execute(
            "select not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = %s and c.relname = 'alembic_version')",
            (MIRROR,),
        )
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
