"""The role that changes rows only: what PostgreSQL refuses it, who gets it, and where there is none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from databases import new_database
from perfectcatch.errors import BadSetting, PrivilegeMissing
from perfectcatch.model.entity import text
from perfectcatch.store.acting import NO_ROLE, address_of
from perfectcatch.store.address import parse
from perfectcatch.store.jobs.schema import install
from perfectcatch.store.pool import Pool, conninfo_of, open_pool
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.schema.roles import standing
from perfectcatch.store.server.embedded import Server
from perfectcatch.vendors.servicetitan.entities import ENTITIES

ROLE = "perfectcatch_tried"
UNITS = next(each for each in ENTITIES if each.name == "business_units")
REFUSED = (
    "create table public.mine (x integer)",
    "create schema mine",
    "create function servicetitan.mine() returns integer language sql as 'select 1'",
    "alter table servicetitan.st_jobs add column mine text",
    "drop table servicetitan.st_jobs",
    "drop view public.business_units",
    "truncate servicetitan.st_jobs",
    "create index mine on servicetitan.st_jobs (st_id)",
    "delete from servicetitan.st_jobs",
    "delete from automation.audit_log",
    "update automation.audit_log set actor = 'somebody else'",
    "truncate automation.audit_log",
    "update servicetitan.record_history set full_data = '{}'",
    "delete from servicetitan.record_history",
    "update automation.events set data = '{}'",
    "delete from automation.events",
    "update automation.messaging_consents set tenant_id = 1",
    "delete from automation.messaging_opt_outs",
    "delete from automation.api_keys",
    "update servicetitan.alembic_version set version_num = '0001'",
    "insert into servicetitan.mirror_migrations (relation, entity, statement) values ('*', '*', 'x')",
    "insert into servicetitan.suspended_indexes values ('servicetitan.st_jobs', 'x', 'drop table st_jobs')",
    "update servicetitan.suspended_indexes set definition = 'drop table servicetitan.st_jobs'",
    "delete from servicetitan.suspended_indexes",
    "alter role current_user superuser",
    "create role mine",
    "copy servicetitan.st_jobs to program 'cat'",
    "select pg_read_file('/etc/passwd')",
)


@asynccontextmanager
async def acting(url: str, role: str, *, required: bool = True) -> AsyncIterator[Pool]:
    async with open_pool(url, max_size=2) as login:
        address = await address_of(login, role, required=required)
    async with open_pool(address, max_size=2) as pool:
        yield pool


async def run(pool: Pool, statement: str) -> list[tuple[object, ...]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
async def made(database: Server) -> AsyncIterator[str]:
    """A migrated database with the role."""
    async with new_database(database) as url:
        done = await migrate(url, ENTITIES, install_jobs=install, role=ROLE)
        assert done[-1] == f"gave {ROLE} its rights"
        yield url


async def test_it_is_given_its_rights_once(made: str) -> None:
    assert await migrate(made, ENTITIES, install_jobs=install, role=ROLE) == []
    async with open_pool(made) as login:
        found = await standing(login, ENTITIES, ROLE)
    assert (found.name, found.is_login, found.powers, found.lacks) == (ROLE, False, (), ())


async def test_postgresql_refuses_it_everything_but_rows(made: str) -> None:
    async with acting(made, ROLE) as pool:
        assert await run(pool, "select current_user::text, session_user = current_user") == [(ROLE, False)]
        for statement in REFUSED:
            with pytest.raises(PrivilegeMissing):
                await run(pool, statement)
        await run(pool, "reset role")
        assert await run(pool, "select current_user::text") == [(ROLE,)]
        await run(pool, "create temp table mine (x integer); analyze mine; drop table mine")
        await run(pool, "insert into servicetitan.sync_state (tenant_id, key, value) values (1, 'x', '1')")
        await run(pool, "delete from servicetitan.sync_state where tenant_id = 1")
        await run(pool, "notify perfectcatch_events, 'x'")


async def test_the_owner_s_functions_put_aside_what_is_declared_and_nothing_else(made: str) -> None:
    listed = "select indexdef from pg_indexes where schemaname in ('servicetitan', 'automation') order by 1"
    suspend = "select servicetitan.suspend_indexes({}, '{{st_calls_customer_id_idx}}')".format
    async with acting(made, ROLE) as pool:
        before = await run(pool, listed)
        assert await run(pool, suspend("'automation.events'")) == [(0,)]
        assert await run(pool, suspend("'servicetitan.sync_runs'")) == [(0,)]
        assert await run(pool, suspend("'servicetitan.st_calls; drop table x'")) == [(0,)]
        await run(pool, "set search_path = pg_temp; create temp table st_calls (x integer)")
        [(number,)] = await run(pool, suspend("'servicetitan.st_calls'"))
        gone = {each for (each,) in before} - {each for (each,) in await run(pool, listed)}
        assert len(gone) == number > 1
        assert all("st_calls" in each and "UNIQUE" not in each for each in map(str, gone))
        assert not any("st_calls_customer_id_idx" in str(each) for each in gone)
        await run(pool, "insert into servicetitan.st_calls (tenant_id, st_id) values (1, 1)")
        assert await run(pool, "select servicetitan.restore_indexes('servicetitan.st_calls', 1)") == [(1,)]
        assert await run(pool, "select servicetitan.restore_indexes('servicetitan.st_calls', 99)") == [
            (number - 1,)
        ]
        assert await run(pool, suspend("'servicetitan.st_calls'")) == [(0,)]  # it holds a row
        assert await run(pool, listed) == before
        anybody = "has_function_privilege('public', 'servicetitan.{}', 'execute')".format
        assert await run(
            pool,
            f"select {anybody('suspend_indexes(text, text[])')}, {anybody('restore_indexes(text, integer)')}",
        ) == [(False, False)]


async def test_statistics_are_its_to_gather_where_the_server_knows_such_a_right(made: str) -> None:
    async with acting(made, ROLE) as pool:
        await run(pool, "insert into servicetitan.st_jobs (tenant_id, st_id) values (1, 1)")
        await run(pool, "analyze servicetitan.st_jobs")
        [(rows, version)] = await run(
            pool,
            "select reltuples, current_setting('server_version_num')::integer from pg_class "
            "where oid = 'servicetitan.st_jobs'::regclass",
        )
    assert isinstance(version, int)
    assert rows == (1 if version >= 170000 else -1)


async def test_what_somebody_gave_it_beyond_is_taken_back_or_told(made: str) -> None:
    async with open_pool(made) as login:
        await run(login, f"grant delete, truncate on automation.audit_log to {ROLE}")
        await run(login, f"revoke insert on servicetitan.st_jobs from {ROLE}")
        await run(login, f"grant create on schema public to {ROLE}")
        found = await standing(login, ENTITIES, ROLE)
        assert found.powers == ("it may create tables in the schema public",)
        assert len(found.lacks) == 2
        assert await migrate(made, ENTITIES, install_jobs=install, role=ROLE) == [f"gave {ROLE} its rights"]
        assert (await standing(login, ENTITIES, ROLE)).lacks == ()
        await run(login, f"revoke create on schema public from {ROLE}")


async def test_what_a_declaration_adds_can_be_written(database: Server, made: str) -> None:
    grown = replace(UNITS, columns=(*UNITS.columns, text("weather", "weather")))
    skies = replace(UNITS, name="skies", table="servicetitan.st_skies")
    declared = (*(grown if each is UNITS else each for each in ENTITIES), skies)
    async with new_database(database, parse(made).database) as url:
        done = await migrate(url, declared, install_jobs=install, role=ROLE)
        assert "added column servicetitan.st_business_units.weather" in done
        async with acting(url, ROLE) as pool:
            for table in ("business_units", "skies"):
                await run(pool, f"insert into servicetitan.st_{table} (tenant_id, st_id) values (2, 1)")
            await run(pool, "update servicetitan.st_business_units set weather = 'fair'")


@asynccontextmanager
async def owned(database: Server, rights: str) -> AsyncIterator[tuple[str, str]]:
    """An empty database that belongs to a login with ``rights``, as a hosting company gives one; its name."""
    login = f"owner_{uuid4().hex[:8]}"
    async with new_database(database) as url:
        name = parse(url).database
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
            await admin.execute(f"create role {login} login password 'x' {rights}".encode())
            await admin.execute(f"alter database {name} owner to {login}".encode())
            try:
                person = parse(url).url(password=False).replace("perfectcatch@", f"{login}:x@", 1)
                assert login in person
                yield person, login
            finally:
                await admin.execute(f"alter database {name} owner to current_user".encode())
                for role in (f"{login}_app", login):
                    found = await admin.execute("select from pg_roles where rolname = %s", [role])
                    if found.rowcount:
                        await admin.execute(f"drop owned by {role} cascade; drop role {role}".encode())


async def test_a_login_that_may_create_roles_makes_it(database: Server) -> None:
    async with owned(database, "createrole") as (url, login):
        role = f"{login}_app"
        done = await migrate(url, [UNITS], install_jobs=install, role=role)
        assert done[-2:] == [f"created role {role}", f"gave {role} its rights"]
        async with acting(url, role) as pool:
            assert await run(pool, "select current_user::text") == [(role,)]
            with pytest.raises(PrivilegeMissing):
                await run(pool, "create table public.mine (x integer)")


async def test_a_login_that_may_not_works_itself_until_somebody_else_makes_it(database: Server) -> None:
    async with owned(database, "nocreaterole") as (url, login):
        role = f"{login}_app"
        assert "created role" not in " ".join(await migrate(url, [UNITS], install_jobs=install, role=role))
        with pytest.raises(BadSetting, match="does not exist"):
            async with acting(url, role):
                pass
        async with acting(url, role, required=False) as pool:
            assert await run(pool, "select current_user::text") == [(login,)]
            found = await standing(pool, [UNITS], role)
            assert (found.name, found.is_login) == (login, True)
            assert any("owner of" in each for each in found.powers)
        async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as admin:
            await admin.execute(f"create role {role} nologin".encode())
            with pytest.raises(BadSetting, match="was not granted"):
                async with acting(url, role):
                    pass
            await admin.execute(f"grant {role} to {login}".encode())
        assert await migrate(url, [UNITS], install_jobs=install, role=role) == [f"gave {role} its rights"]
        async with acting(url, role) as pool:
            assert await run(pool, "select current_user::text") == [(role,)]


async def test_none_is_the_login(made: str) -> None:
    async with acting(made, NO_ROLE) as pool:
        assert await run(pool, "select current_user = session_user") == [(True,)]


def test_an_address_keeps_its_own_options_beside_the_role() -> None:
    url = "postgresql://x@h/d?options=-c%20statement_timeout%3D5s"
    assert "-c statement_timeout=5s -c role=app" in conninfo_of(parse(url).url(role="app"))
