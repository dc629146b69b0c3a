"""The composition root: settings become a database, a vendor's client and an engine that knows both."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from psycopg import AsyncConnection, sql

from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.settings import Settings, require
from perfectcatch.store import check, runs
from perfectcatch.store import migrate as migrations
from perfectcatch.store.budget import PostgresBudget
from perfectcatch.store.embedded import opened
from perfectcatch.store.jobs_schema import install
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.progress import Progress, Silent
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.client import Client, open_client
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.vendors.servicetitan.transport import rates

CREDENTIALS = (
    "SERVICE_TITAN_CLIENT_ID",
    "SERVICE_TITAN_CLIENT_SECRET",
    "SERVICE_TITAN_TENANT_ID",
    "SERVICE_TITAN_APP_KEY",
)


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
    async with await AsyncConnection.connect(database.url, autocommit=True) as connection:
        identifier = sql.Identifier(name)
        await connection.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
        await connection.execute(sql.SQL("create database {}").format(identifier))
    return Database(_renamed(database.url, name), _renamed(database.shown, name), database.embedded)


def _renamed(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _pool(settings: Settings, database: Database, application: str) -> AbstractAsyncContextManager[Pool]:
    return open_pool(database.url, max_size=settings.database_max_connections, application_name=application)


@asynccontextmanager
async def open_store(settings: Settings, *, application: str) -> AsyncIterator[Pool]:
    """A pool on the database; one that nobody has migrated yet, or that is ours alone, is migrated."""
    async with (
        open_database(settings) as database,
        _pool(settings, database, application) as pool,
    ):
        if database.embedded or await migrations.is_empty(pool):
            await migrations.ensure(pool, BY_NAME.values(), install_jobs=install)
        yield pool


async def migrated(settings: Settings) -> list[str]:
    """Bring the database to the declared shape; returns what was changed, a sentence each."""
    async with (
        open_database(settings) as database,
        _pool(settings, database, "perfectcatch db migrate") as pool,
    ):
        return await migrations.migrate(pool, BY_NAME.values(), install_jobs=install)


async def differences(settings: Settings) -> list[check.Difference]:
    """What in the live database is not as declared."""
    async with (
        open_database(settings) as database,
        _pool(settings, database, "perfectcatch db check") as pool,
    ):
        return await check.check(pool, BY_NAME.values())


async def company_of(settings: Settings, pool: Pool) -> int | None:
    """The company that is set, else the only one that the database holds."""
    if settings.service_titan_tenant_id is not None:
        return settings.service_titan_tenant_id
    known = await runs.companies(pool)
    return known[0] if len(known) == 1 else None


@asynccontextmanager
async def open_source(settings: Settings, pool: Pool, clock: Clock) -> AsyncIterator[Client]:
    """ServiceTitan's client, within the rate budget that all processes share."""
    require(settings, *CREDENTIALS)
    assert settings.service_titan_client_id is not None
    assert settings.service_titan_client_secret is not None
    assert settings.service_titan_app_key is not None
    assert settings.service_titan_tenant_id is not None
    credentials = Credentials(
        client_id=settings.service_titan_client_id.get_secret_value(),
        client_secret=settings.service_titan_client_secret.get_secret_value(),
        app_key=settings.service_titan_app_key.get_secret_value(),
        tenant_id=settings.service_titan_tenant_id,
    )
    async with open_client(
        credentials=credentials,
        api_url=settings.service_titan_api_url,
        auth_url=settings.service_titan_auth_url,
        budget=PostgresBudget(pool, rates(settings.service_titan_rate_limit), clock),
        clock=clock,
    ) as client:
        yield client


@asynccontextmanager
async def open_engine(
    settings: Settings, *, application: str = "perfectcatch", progress: Progress | None = None
) -> AsyncIterator[Engine]:
    """Everything that a sync needs."""
    clock = SystemClock()
    require(settings, *CREDENTIALS)  # before a database is started for nothing
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
