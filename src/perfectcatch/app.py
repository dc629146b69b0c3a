"""The composition root: settings become a database, a vendor's client and an engine that knows both."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import RecordSource
from perfectcatch.settings import Settings, require
from perfectcatch.store import jobs, statements
from perfectcatch.store import migrate as migrations
from perfectcatch.store.embedded import opened
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.progress import Progress, Silent
from perfectcatch.vendors import servicetitan
from perfectcatch.vendors.servicetitan.entities import BY_NAME

MIGRATION_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is. ``shown`` is what a person may paste into another program."""

    url: str
    shown: str
    embedded: bool


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Use ``DATABASE_URL``, or the embedded PostgreSQL of the data directory: running or started for us."""
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        yield Database(url, url, embedded=False)
        return
    async with opened(settings.perfectcatch_data_dir) as server:
        yield Database(server.url, server.tcp_url, embedded=True)


async def fresh_database(database: Database, name: str) -> Database:
    """An empty database ``name`` beside ``database``; what it held before is dropped."""
    connection = await AsyncConnection.connect(database.url, autocommit=True)
    async with connection:
        identifier = sql.Identifier(name)
        await connection.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
        await connection.execute(sql.SQL("create database {}").format(identifier))
    return Database(_renamed(database.url, name), _renamed(database.shown, name), database.embedded)


def _renamed(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def migrate(pool: Pool) -> list[str]:
    """Bring the database to the declared shape; returns what was changed, a sentence each."""
    return await migrations.migrate(pool, BY_NAME.values(), refill=_refill, install_jobs=jobs.install)


async def _refill(connection: AsyncConnection[TupleRow], entity: Entity, columns: Iterable[str]) -> None:
    """Fill new columns from the documents that are already here."""
    await connection.execute(statements.refill_of(entity, frozenset(columns)))


@asynccontextmanager
async def open_store(settings: Settings, *, application: str) -> AsyncIterator[Pool]:
    """A pool on the database, migrated if it is ours alone (embedded) or still empty."""
    async with open_database(settings) as database, _pool(settings, database, application) as pool:
        if database.embedded or await migrations.is_empty(pool):
            await migrate(pool)
        yield pool


@asynccontextmanager
async def _pool(settings: Settings, database: Database, application: str) -> AsyncIterator[Pool]:
    async with open_pool(
        database.url, max_size=settings.database_max_connections, application_name=application
    ) as pool:
        yield pool


@asynccontextmanager
async def open_source(settings: Settings, pool: Pool, clock: Clock) -> AsyncIterator[RecordSource]:
    """The vendor's client, with the rate budget that all processes share."""
    require(settings, *servicetitan.CREDENTIALS)
    async with servicetitan.open_source(settings, pool, clock) as source:  # type: ignore[attr-defined]
        yield source


@asynccontextmanager
async def open_engine(
    settings: Settings, *, application: str = "perfectcatch", progress: Progress | None = None
) -> AsyncIterator[Engine]:
    """Everything that a sync needs."""
    clock = SystemClock()
    require(settings, *servicetitan.CREDENTIALS)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_store(settings, application=application))
        source = await stack.enter_async_context(open_source(settings, pool, clock))
        yield Engine(
            pool=pool,
            source=source,
            entities=BY_NAME,
            clock=clock,
            zone=settings.service_titan_timezone,
            progress=progress or Silent(),
        )
