"""Migrations and the check: from nothing, from before, against drift, at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from databases import new_database
from perfectcatch.errors import AlreadyRunning, SchemaDiffers
from perfectcatch.model.entity import (
    Child,
    Column,
    Computed,
    Entity,
    Link,
    Local,
    LookedUp,
    Type,
    big,
    export,
    ids,
    money,
    text,
)
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema import change
from perfectcatch.store.schema import migrate as migrations
from perfectcatch.store.schema.check import check
from perfectcatch.store.schema.migrate import ensure, is_empty, migrate
from perfectcatch.store.server.embedded import Server
from perfectcatch.vendors.servicetitan.entities import ENTITIES

PEOPLE = Entity(
    name="people",
    table="servicetitan.st_people",
    does="Made up; 100 % so.",
    groups=("core",),
    feeds=export("made.up"),
    columns=(
        text("name"),
        money("balance"),
        big("boss_id", ref="people", index=True),
        ids("tag_ids", index=True),
    ),
)
NOTES = Entity(
    name="notes",
    table="servicetitan.st_notes",
    does="What people wrote.",
    groups=("core",),
    feeds=export("made.up"),
    columns=(big("person_id", ref="people"), text("body")),
)
BOTH = (PEOPLE, NOTES)

GROWN = replace(
    PEOPLE,
    columns=(
        *PEOPLE.columns,
        text("city", "address.city", index=True),
        Local(name="stars", type=Type.INTEGER, does="Ours"),
        Computed(name="rich", type=Type.FLAG, expression="balance > 100", does="Has money"),
        LookedUp(name="last_note", type=Type.TEXT, entity="notes", by="person_id", column="body"),
    ),
    children=(
        Child(
            table="person_pets",
            at="pets",
            parent_column="person_id",
            columns=(text("name"),),
            does="Their pets",
        ),
    ),
    links=(Link(table="person_bosses", left="st_id", right="boss_id", does="Who works for whom"),),
)  # fmt: skip


UNIQUE = "events_tenant_id_entity_st_id_event_type_version_key"
GENERATED = """
drop view public.sync_statistics;
alter table servicetitan.st_sync_log drop column records_succeeded;
alter table servicetitan.st_sync_log
  add column records_succeeded bigint generated always as (records_created) stored
"""


@pytest.fixture(scope="session")
async def small(database: Server) -> AsyncIterator[str]:
    """The name of a database with the tables of ``BOTH``, to be copied."""
    template = new_database(database)
    async with template as url:
        await migrate(url, BOTH)
        yield template.name


@pytest.fixture
async def live(database: Server, small: str) -> AsyncIterator[Pool]:
    async with new_database(database, small) as url, open_pool(url) as pool:
        yield pool


async def run(pool: Pool, statement: str) -> list[tuple[object, ...]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []


async def test_an_empty_database_gets_every_declared_table(pool: Pool) -> None:
    assert await is_empty(pool)
    done = await migrate(pool, ENTITIES)
    assert not await is_empty(pool)
    assert any(sentence.startswith("applied migration 0001") for sentence in done)
    assert "created view public.business_units" in done
    assert await check(pool, ENTITIES) == []
    assert await migrate(pool, ENTITIES) == []
    found = await run(
        pool, "select count(*) from servicetitan.mirror_migrations where statement ~ '^CREATE TABLE'"
    )
    assert found[0][0] == sum(sentence.startswith("created table") for sentence in done)


async def test_views_answer(pool: Pool) -> None:
    await migrate(pool, ENTITIES)
    await run(pool, """
        insert into servicetitan.st_business_units (tenant_id, st_id, name, ghl_pipeline_id)
        values (1, 10, 'North', 'p1'), (1, 11, 'South', null);
        insert into servicetitan.st_sync_log (tenant_id, module, sync_type, status, records_fetched,
          records_created, records_quarantined, started_at, duration_ms)
        values (1, 'jobs', 'full', 'succeeded', 5, 4, 1, '2026-01-01', 100),
               (1, 'jobs', 'full', 'failed', 2, 0, 0, '2026-01-02', 300);
        insert into servicetitan.sync_state (tenant_id, key, value) values (1, 'jobs_cursor', '1')
        """)  # fmt: skip
    units = await run(pool, "select st_business_unit_id, sync_enabled from public.business_units order by 1")
    assert units == [(10, True), (11, False)]
    statistics = await run(pool, """
        select total_syncs, successful_syncs, failed_syncs, records_processed, records_succeeded,
          records_failed, average_duration_ms, last_sync_at::date::text from public.sync_statistics
        """)  # fmt: skip
    assert statistics == [(2, 1, 1, 7, 4, 1, 200, "2026-01-02")]
    assert await run(pool, "select key from public.sync_state") == [("jobs_cursor",)]


async def test_a_grown_declaration_is_filled_from_what_is_here(live: Pool) -> None:
    await run(live, """
        insert into servicetitan.st_people (tenant_id, st_id, balance, boss_id, full_data) values
          (1, 1, 50, null, '{"address": {"city": "Miami"}, "pets": [{"name": "Rex"}, {"name": "Tom"}]}'),
          (1, 2, 500, 1, '{}');
        insert into servicetitan.st_notes (tenant_id, st_id, person_id, body) values (1, 7, 2, 'Hello')
        """)  # fmt: skip
    done = await migrate(live, (GROWN, NOTES))
    assert "created table servicetitan.person_pets" in done
    assert "added column servicetitan.st_people.city" in done
    assert "created index st_people_city_idx on servicetitan.st_people" in done
    assert done[-1] == "filled city, last_note, person_bosses, person_pets of people from stored records"
    people = await run(
        live, "select st_id, city, stars, rich, last_note from servicetitan.st_people order by 1"
    )
    assert people == [(1, "Miami", None, False, None), (2, None, None, True, "Hello")]
    pets = await run(live, "select person_id, position, name from servicetitan.person_pets order by 1, 2")
    assert pets == [(1, 1, "Rex"), (1, 2, "Tom")]
    assert await run(live, "select st_id, boss_id from servicetitan.person_bosses") == [(2, 1)]
    assert await check(live, (GROWN, NOTES)) == []
    assert await migrate(live, (GROWN, NOTES)) == []


async def test_a_fill_that_a_crash_cut_off_is_done_the_next_time(
    live: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(live, """
        insert into servicetitan.st_people (tenant_id, st_id, full_data)
        values (1, 1, '{"address": {"city": "Miami"}}')
        """)  # fmt: skip

    def cut_off(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "refill", cut_off)
        with pytest.raises(ConnectionResetError):
            await migrate(live, (GROWN, NOTES))
    assert await run(live, "select city from servicetitan.st_people") == [(None,)]
    done = await migrate(live, (GROWN, NOTES))
    assert done == ["filled city, last_note, person_bosses, person_pets of people from stored records"]
    assert await run(live, "select city from servicetitan.st_people") == [("Miami",)]


@pytest.mark.parametrize(
    ("drift", "says"),
    [
        ("alter table {people} drop column name", "{people}.name: the column is missing"),
        ("alter table {people} alter balance type double precision", "the type is DOUBLE PRECISION and"),
        ("alter table {people} alter balance type numeric(18,2)", "the type is NUMERIC(18, 2) and should be"),
        ("drop index servicetitan.st_people_boss_id_idx", "{people}: st_people_boss_id_idx is missing"),
        ("alter table {people} add extra text", "{people}.extra: the column is not declared"),
        ("create unique index odd on {people} (name)", "{people}: odd is not declared"),
        ("alter table {people} alter active drop default", "the default is None and should be true"),
        ("alter table {people} alter active drop not null", "{people}.active: null is allowed"),
        ("drop table servicetitan.sync_holds", "servicetitan.sync_holds: the table is missing"),
        ("alter table servicetitan.sync_runs drop column owner", "sync_runs.owner: the column is missing"),
        ("drop view public.sync_statistics", "public.sync_statistics: the view is missing"),
        (
            f"alter table automation.events drop constraint {UNIQUE}",
            f"automation.events: {UNIQUE} is missing",
        ),
        (GENERATED, "the default is records_created and should be ((records_created +"),
    ],
)
async def test_the_check_sees_drift(live: Pool, drift: str, says: str) -> None:
    assert await check(live, BOTH) == []
    await run(live, drift.format(people=PEOPLE.table))
    found = [str(each) for each in await check(live, BOTH)]
    assert any(says.format(people=PEOPLE.table) in each for each in found), found


async def test_tables_and_indexes_of_others_are_left_alone(live: Pool) -> None:
    await run(live, """
        create table servicetitan.of_somebody (n int);
        create table public.procrastinate_jobs (n int);
        create index wanted_for_a_report on servicetitan.st_people (name)
        """)  # fmt: skip
    assert await check(live, BOTH) == []
    assert await migrate(live, BOTH) == []


@pytest.mark.parametrize(
    ("drift", "says"),
    [
        ("add extra text", r"servicetitan\.st_people\.extra: the column is not declared"),
        ("alter balance type text", r"servicetitan\.st_people\.balance: the type is TEXT"),
    ],
)
async def test_what_is_not_an_addition_is_refused_and_nothing_is_changed(
    live: Pool, drift: str, says: str
) -> None:
    await run(live, f"alter table servicetitan.st_people {drift}")
    with pytest.raises(SchemaDiffers, match=says):
        await migrate(live, (GROWN, NOTES))
    assert await run(live, "select to_regclass('servicetitan.person_pets') is null") == [(True,)]


async def test_a_lost_column_comes_back_filled(live: Pool) -> None:
    await run(live, """
        insert into servicetitan.st_people (tenant_id, st_id, full_data) values (1, 1, '{"name": "Ann"}');
        alter table servicetitan.st_people drop column name
        """)  # fmt: skip
    assert await migrate(live, BOTH) == [
        "added column servicetitan.st_people.name",
        "filled name of people from stored records",
    ]
    assert await run(live, "select name from servicetitan.st_people") == [("Ann",)]


async def test_what_was_done_by_the_same_version_is_not_done_again(
    live: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(change, "change", None)
        assert await ensure(live, BOTH) == []
    assert "created table servicetitan.person_pets" in await ensure(live, (GROWN, NOTES))
    # Back to the old declarations: the newest shape counts, not any that was reached before.
    with pytest.raises(SchemaDiffers, match="is not declared"):
        await ensure(live, BOTH)


async def test_an_empty_database_is_brought_up_by_ensure(pool: Pool) -> None:
    assert "created table servicetitan.st_people" in await ensure(pool, BOTH)


async def test_a_database_of_a_newer_version_is_refused(live: Pool) -> None:
    await run(live, "update servicetitan.alembic_version set version_num = '9999'")
    with pytest.raises(SchemaDiffers, match="at revision 9999, which this version does not know"):
        await migrate(live, BOTH)


async def test_two_migrations_at_once(pool: Pool) -> None:
    first, second = await asyncio.gather(migrate(pool, BOTH), migrate(pool, BOTH))
    assert sorted([first == [], second == []]) == [False, True]
    assert await check(pool, BOTH) == []


async def test_a_view_that_others_build_on_is_not_pulled_away(live: Pool) -> None:
    await run(live, "drop view public.sync_state; create view public.sync_state as select 1 as tenant_id")
    await migrate(live, BOTH)
    assert await run(live, "select key from public.sync_state") == []
    await run(live, """
        drop view public.sync_state;
        create view public.sync_state as select 1 as tenant_id;
        create view public.of_somebody as select tenant_id from public.sync_state
        """)  # fmt: skip
    with pytest.raises(SchemaDiffers, match="something that is not ours depends on it"):
        await migrate(live, BOTH)


async def test_a_table_in_use_is_not_waited_for_long(live: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "_LIMITS", "set local lock_timeout = '50ms'")
    async with live.connection() as reader, reader.transaction():
        await reader.execute("select * from servicetitan.st_people")
        with pytest.raises(AlreadyRunning, match="in use by a long transaction"):
            await migrate(live, (GROWN, NOTES))


async def test_the_job_engine_is_installed_on_a_connection_of_its_own(live: Pool) -> None:
    modes = []

    async def install(connection: object) -> None:
        modes.append(connection.autocommit)  # type: ignore[attr-defined]

    await migrate(live, BOTH, install_jobs=install)
    assert modes == [True]


def test_every_column_of_every_entity_can_be_refilled() -> None:
    by_name = {entity.name: entity for entity in ENTITIES}
    for entity in ENTITIES:
        names = [column.name for column in entity.columns if isinstance(column, Column | LookedUp)]
        names += [part.table for part in (*entity.children, *entity.links)]
        assert list(migrations.refill(entity, names, by_name))
