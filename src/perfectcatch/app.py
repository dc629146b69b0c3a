"""The composition root: settings become a database, a vendor's client and an engine that knows both."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from perfectcatch.connections import (
    CREDENTIALS,
    at_work,
    crm_app_of,
    crm_webhooks_of,
    open_deals,
    open_desk,
    open_roles,
    open_source,
    post_room_of,
)
from perfectcatch.errors import AlreadyRunning, BadArgument, BadSetting
from perfectcatch.kit import collector
from perfectcatch.kit.clock import SystemClock
from perfectcatch.settings import Settings, require
from perfectcatch.store import runs
from perfectcatch.store.acting import address_of
from perfectcatch.store.address import parse
from perfectcatch.store.jobs.schema import install
from perfectcatch.store.pool import WAIT_SECONDS, Connection, Pool, conninfo_of, open_pool
from perfectcatch.store.presence import open_presence
from perfectcatch.store.reading.freshness import Freshness
from perfectcatch.store.reading.reads import WAIT_SECONDS as SOON
from perfectcatch.store.reading.reads import open_reads
from perfectcatch.store.schema import migrate as migrations
from perfectcatch.store.server.embedded import opened
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.progress import Progress, Silent
from perfectcatch.vendors.servicetitan.entities import BY_NAME

if TYPE_CHECKING:
    from perfectcatch.gateway.context import Gateway
    from perfectcatch.kit.meter import Meter
    from perfectcatch.messaging.desk import Desk
    from perfectcatch.model.passing import Offer
    from perfectcatch.store.jobs.queue import Jobs
    from perfectcatch.store.schema.check import Difference
    from perfectcatch.store.schema.roles import Standing
    from perfectcatch.vendors.servicetitan.webhooks import Webhooks
    from perfectcatch.workflows.records import Company as Firm
    from perfectcatch.workflows.running.workshop import Workshop

READING_SHARE = 4  # one in so many connections of the API server is for reading alone
MADE_UP = "_sandbox"  # what the name of the database of a made-up company ends with
LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer name off without an error


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is. ``for_others`` is what other programs understand, password included."""

    url: str = field(repr=False)
    for_others: str = field(repr=False)
    embedded: bool
    ours: bool = False  # it was started by this process and ends with it

    @property
    def shown(self) -> str:
        """The address without its password."""
        return parse(self.for_others).url(password=False)

    def beside(self, name: str) -> "Database":
        """Another database of the same server."""
        url, for_others = parse(self.url).url(database=name), parse(self.for_others).url(database=name)
        return replace(self, url=url, for_others=for_others)


@asynccontextmanager
async def open_database(settings: Settings, *, sandbox: bool = False) -> AsyncIterator[Database]:
    """Use ``DATABASE_URL``, or the embedded PostgreSQL of the data directory: running or started for us.

    ``sandbox``: the database of the made-up company beside it. Raises ``BadArgument`` if there is none.
    """
    async with AsyncExitStack() as stack:
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
            database = Database(url, parse(url).url(), embedded=False)
        else:
            server = await stack.enter_async_context(opened(settings.perfectcatch_data_dir))
            ours = server.owner == os.getpid()
            database = Database(server.url, server.tcp_url, embedded=True, ours=ours)
        yield await _made_up(database) if sandbox else database


@asynccontextmanager
async def alone(database: Database, *, sandbox: bool) -> AsyncIterator[Database]:
    """Let nobody else do the same on ``database``, and give the one to work on.

    That is ``database``; with ``sandbox`` an empty one beside it, for a company is made up anew each time:
    what the last one left is dropped, and ``database`` itself is never written to. Errors:
    ``AlreadyRunning``; ``BadSetting`` when the role may not create databases.
    """
    async with open_pool(database.url, max_size=2) as pool, pool.connection() as connection:
        what = "perfectcatch up --sandbox" if sandbox else "perfectcatch up"
        taken = await connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (what,))
        if await taken.fetchone() != (True,):
            raise AlreadyRunning(f"`{what}` is running on this database already: end that one first.")
        if not sandbox:
            yield database
            return
        name = await _name_of_made_up(connection)
        identifier = sql.Identifier(name)
        try:
            await connection.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
            await connection.execute(sql.SQL("create database {}").format(identifier))
        except InsufficientPrivilege as error:
            raise BadSetting(
                f"DATABASE_URL names a role that may not create the database {name}, where the made-up "
                "company goes: grant it CREATEDB, or leave DATABASE_URL out."
            ) from error
        yield database.beside(name)


async def _name_of_made_up(connection: Connection) -> str:
    row = await (await connection.execute("select current_database()")).fetchone()
    assert row is not None
    ours = str(row[0])
    start = ours.encode()[: LONGEST_NAME - len(MADE_UP)].decode(errors="ignore")
    if start + MADE_UP == ours:
        raise BadSetting(f"The name {ours} of the database in DATABASE_URL is too long: use a shorter one.")
    return start + MADE_UP


async def _made_up(database: Database) -> Database:
    async with open_pool(database.url, max_size=2) as pool, pool.connection() as connection:
        name = await _name_of_made_up(connection)
        found = await connection.execute("select 1 from pg_database where datname = %s", (name,))
        if await found.fetchone() is None:
            raise BadArgument("There is no made-up company yet: run `perfectcatch up --sandbox`.")
    return database.beside(name)


@asynccontextmanager
async def open_store(
    settings: Settings,
    *,
    application: str,
    sandbox: bool = False,
    spare: int = 0,
    wait_seconds: float = WAIT_SECONDS,
) -> AsyncIterator[Pool]:
    """A pool on the database; one that nobody has migrated yet, or that is ours alone, is migrated.

    Its connections act as ``DATABASE_APP_ROLE``, where there is that role. ``spare``: how many of this
    process's connections are left for others; ``wait_seconds``: how long anybody waits for a free one.
    """
    async with open_database(settings, sandbox=sandbox) as database:
        async with _as_login(database, application) as login:
            role = settings.database_app_role
            if database.embedded or await migrations.is_empty(login):
                await migrations.ensure(login, BY_NAME.values(), install_jobs=install, role=role)
            url = await address_of(login, role, required="database_app_role" in settings.model_fields_set)
        size = settings.database_max_connections - spare
        async with open_pool(
            url, max_size=size, application_name=application, wait_seconds=wait_seconds
        ) as pool:
            yield pool


def _as_login(database: Database, application: str) -> AbstractAsyncContextManager[Pool]:
    """Connections that act as who logged in: of them alone the shape is changed and looked at."""
    return open_pool(database.url, max_size=2, application_name=application)


async def migrated(settings: Settings) -> list[str]:
    """Bring the database to the declared shape; returns what was changed, a sentence each."""
    async with open_database(settings) as database, _as_login(database, "perfectcatch db migrate") as login:
        role = settings.database_app_role
        return await migrations.migrate(login, BY_NAME.values(), install_jobs=install, role=role)


async def differences(settings: Settings) -> "tuple[list[Difference], Standing]":
    """What in the live database is not as declared, and as whom everybody but a migration works on it."""
    from perfectcatch.store.schema import check, roles  # a quarter of a second, for SQLAlchemy

    async with open_database(settings) as database, _as_login(database, "perfectcatch db check") as login:
        found = await check.check(login, BY_NAME.values())
        return found, await roles.standing(login, BY_NAME.values(), settings.database_app_role)


async def companies_of(settings: Settings, pool: Pool) -> list[int]:
    """The company that is set, else those that were ever read into the database (two, if more)."""
    if settings.service_titan_tenant_id is not None:
        return [settings.service_titan_tenant_id]
    return await runs.companies(pool)


@asynccontextmanager
async def open_engine(
    settings: Settings,
    *,
    application: str = "perfectcatch",
    progress: Progress | None = None,
    lane: str | None = None,
) -> AsyncIterator[Engine]:
    """Everything that a sync needs; ``lane``: its calls keep within a part of the rate."""
    clock = SystemClock()
    require(settings, *CREDENTIALS)  # before a database is started for nothing
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_store(settings, application=application))
        source = await stack.enter_async_context(open_source(settings, pool, clock, lane=lane))
        collector.settle(collect=False)
        yield Engine(
            pool=pool,
            source=source,
            entities=BY_NAME,
            clock=clock,
            zone=settings.service_titan_timezone,
            progress=progress or Silent(),
        )


def webhooks_of(settings: Settings) -> "Webhooks":
    """ServiceTitan's webhooks, as they are signed for us."""
    from perfectcatch.vendors.servicetitan.webhooks import Webhooks

    new, old = settings.service_titan_webhook_secret, settings.service_titan_webhook_old_secret
    return Webhooks(
        secret=new.get_secret_value() if new else None,
        old_secret=old.get_secret_value() if old else None,
        old_secret_until=settings.service_titan_webhook_old_secret_until,
        header=settings.service_titan_webhook_header.lower(),
    )


@asynccontextmanager
async def open_gateway(settings: Settings, *, meter: "Meter | None" = None) -> "AsyncIterator[Gateway]":
    """Everything that the API server needs. ``meter`` counts requests, where several processes serve."""
    from perfectcatch.gateway.access import Door  # here, because a web framework takes long to import
    from perfectcatch.gateway.context import Gateway
    from perfectcatch.gateway.monitor.hub import open_hub
    from perfectcatch.kit.http import Http
    from perfectcatch.store.jobs.queue import open_jobs
    from perfectcatch.sync import requests
    from perfectcatch.sync.one import read_whole
    from perfectcatch.vendors.servicetitan.related import OF_CUSTOMER

    clock = SystemClock()
    require(settings, *CREDENTIALS)
    async with AsyncExitStack() as stack:
        looking = max(2, settings.database_max_connections // READING_SHARE)
        pool = await stack.enter_async_context(
            open_store(settings, application="perfectcatch serve", spare=looking, wait_seconds=SOON)
        )
        source = await stack.enter_async_context(open_source(settings, pool, clock))
        reads = await stack.enter_async_context(
            open_reads(pool.url, max_size=looking, application="perfectcatch serve reads")
        )
        jobs = await stack.enter_async_context(open_jobs(conninfo_of(pool), connections=2))
        requests.declare(jobs)
        webhooks = (webhooks_of(settings), crm_webhooks_of(settings))
        engine = Engine(
            pool=pool, source=source, entities=BY_NAME, clock=clock, zone=settings.service_titan_timezone
        )
        post = post_room_of(settings, await stack.enter_async_context(open_desk(settings, pool, clock)))
        await stack.enter_async_context(at_work(post))
        http = await stack.enter_async_context(Http())
        yield Gateway(
            pool=pool,
            deals=await stack.enter_async_context(open_deals(settings, pool, clock, asks=jobs)),
            desk=post.desk,
            post=post,
            crm_app=crm_app_of(settings, pool, http, clock),
            reads=reads,
            freshness=Freshness(reads, source.tenant_id, BY_NAME, clock),
            source=source,
            passage=source.passing,
            presence=await stack.enter_async_context(open_presence(pool)),
            entities=BY_NAME,
            tenant_id=source.tenant_id,
            clock=clock,
            zone=settings.service_titan_timezone,
            jobs=jobs,
            webhooks={each.name: each for each in webhooks},
            workshop=workshop_of(
                settings,
                post.desk,
                jobs,
                **await stack.enter_async_context(open_roles(settings, clock)),
            ),
            read_customer=lambda st_id: read_whole(engine, BY_NAME["customers"], st_id, OF_CUSTOMER),
            hub=await stack.enter_async_context(
                open_hub(pool, source.tenant_id, clock, poll_seconds=settings.event_poll_interval_ms / 1000)
            ),
            door=Door(pool, source.tenant_id, clock, per_second=settings.api_rate_limit, meter=meter),
        )


def company_of(settings: Settings) -> "Firm":
    """Who writes, as the words of workflows know it."""
    from perfectcatch.workflows.records import Company as Firm

    return Firm(
        name=settings.company_name or "",
        phone=settings.company_phone or "",
        postal_address=settings.company_postal_address or "",
        zone=settings.service_titan_timezone,
    )


def workshop_of(settings: Settings, desk: "Desk", jobs: "Jobs", **roles: Any) -> "Workshop":
    """What workflows run with, or are changed with, on the database and the clock of ``desk``."""
    from perfectcatch.workflows.running import worker
    from perfectcatch.workflows.running.catalogue import Catalogue
    from perfectcatch.workflows.running.workshop import Workshop

    workshop = Workshop(
        pool=desk.pool,
        tenant_id=desk.tenant_id,
        clock=desk.clock,
        entities=BY_NAME,
        company=company_of(settings),
        desk=desk,
        jobs=jobs,
        catalogue=Catalogue(desk.pool, desk.tenant_id, desk.clock),
        **roles,
    )
    worker.declare(workshop)
    return workshop


@asynccontextmanager
async def open_workshop(
    settings: Settings, *, application: str = "perfectcatch worker workflows"
) -> "AsyncIterator[Workshop]":
    """Everything that workflows run with."""
    from perfectcatch.deals.acting import Actions
    from perfectcatch.store.jobs.queue import open_jobs
    from perfectcatch.sync.refreshing import FreshCustomers
    from perfectcatch.vendors.servicetitan.related import OF_CUSTOMER
    from perfectcatch.vendors.servicetitan.writing import Operations

    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(settings, application=application))
        client = await stack.enter_async_context(open_source(settings, engine.pool, engine.clock))
        deals = await stack.enter_async_context(open_deals(settings, engine.pool, engine.clock))
        yield workshop_of(
            settings,
            await stack.enter_async_context(open_desk(settings, engine.pool, engine.clock)),
            await stack.enter_async_context(open_jobs(conninfo_of(engine.pool))),
            refresher=FreshCustomers(engine, BY_NAME["customers"], OF_CUSTOMER),
            writer=Operations(client),
            crm=Actions(deals) if deals is not None and deals.enabled else None,
            **await stack.enter_async_context(open_roles(settings, engine.clock)),
        )


def offer() -> "Offer":
    """Every route to the vendor, with the schemas of what goes through them."""
    from perfectcatch.vendors.servicetitan import routes

    return routes.offer()
