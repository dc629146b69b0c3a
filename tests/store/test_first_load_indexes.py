"""Indexes are put aside while a first load fills its table: they are back whatever becomes of it."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from declared import ENTITIES
from sqlalchemy import Connection
from structlog.testing import capture_logs
from vendor import Vendor

from perfectcatch.errors import DatabaseUnavailable, VendorUnavailable
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.entity import Entity, big, number, text
from perfectcatch.model.source import Page
from perfectcatch.store import indexes
from perfectcatch.store.address import parse
from perfectcatch.store.locks import open_locks
from perfectcatch.store.pool import Pool, open_pool, transaction
from perfectcatch.store.schema import grow
from perfectcatch.store.schema.check import check
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.sync import unindexed
from perfectcatch.sync.engine import Engine

JOBS, UNITS, CONTACTS = ENTITIES["jobs"], ENTITIES["units"], ENTITIES["contacts"]
J, U, K = "t.jobs.export", "t.units.export", "t.contacts.export"
TABLES = ("t_jobs", "t_job_items", "t_contacts", "t_units")
NEEDED = {"t_contacts_customer_id_idx"}  # customers look their telephone up by it


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unindexed, "WORTH", 4)


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


async def rows(pool: Pool, query: str, *values: Any) -> list[Any]:
    async with pool.connection() as connection:
        found = await connection.execute(query.encode(), values)
        return await found.fetchall() if found.description else []


async def live(pool: Pool) -> dict[str, str]:
    found = await rows(
        pool, "select indexname, indexdef from pg_indexes where tablename = any(%s) order by 1", list(TABLES)
    )
    return dict(found)


async def noted(pool: Pool) -> set[str]:
    return {row[0] for row in await rows(pool, "select name from servicetitan.suspended_indexes")}


def engine(pool: Pool, vendor: Vendor) -> Engine:
    return Engine(pool=pool, source=vendor, entities=ENTITIES, clock=SystemClock(), zone="America/New_York")


class Watched(Vendor):
    """Looks at the database before each page but the first, and may stop there."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.seen: list[set[str]] = []
        self.stop = asyncio.Event()
        self.stays = False

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        if token is not None:
            self.seen.append(set(await live(self.pool)))
            self.stop.set()
            if self.stays:
                await asyncio.Event().wait()
        return await super().export_page(endpoint, token, query)


def a_company(pool: Pool) -> Watched:
    vendor = Watched(pool)
    vendor.put(U, 1, name="Service")
    for st_id in range(1, 9):
        vendor.put(J, st_id, status="Open", unitId=1, customerId=st_id, items=[{"id": 3, "quantity": 1}])
        vendor.put(K, st_id, customerId=st_id, type="Phone", value="3055550101")
    return vendor


async def test_they_are_gone_while_the_table_fills_and_the_same_afterwards(pool: Pool) -> None:
    vendor, before = a_company(pool), await live(pool)
    report = await engine(pool, vendor).run_entities([UNITS, JOBS, CONTACTS])
    assert report.status == "succeeded"
    own = {name for name in before if name.startswith("t_job") and name.endswith("_idx")}
    others = {name for name in before if name.startswith("t_contacts") and name.endswith("_idx")}
    assert any(not own & seen for seen in vendor.seen)
    assert any(others & seen == NEEDED for seen in vendor.seen)
    assert all(
        NEEDED | {"t_units_st_modified_on_idx"} <= seen for seen in vendor.seen
    )  # one unit: not worth it
    assert await live(pool) == before
    assert await noted(pool) == set()
    await rows(pool, "update servicetitan.sync_state set value = 'null' where key = 'jobs_first_load'")
    vendor.seen.clear()
    assert (await engine(pool, vendor).run_entities([JOBS])).status == "succeeded"
    assert all(set(before) == seen for seen in vendor.seen)  # the table is not empty


async def test_a_load_that_fails_builds_them(pool: Pool) -> None:
    vendor, before = a_company(pool), await live(pool)
    vendor.fail_after = 2
    report = await engine(pool, vendor).run_entities([JOBS])
    assert isinstance(report.failures[0].failure, VendorUnavailable)
    assert len(vendor.seen[0]) < len(before)
    assert await live(pool) == before
    assert await check(pool, ENTITIES.values()) == []


async def left_behind(pool: Pool) -> tuple[Watched, dict[str, str]]:
    """A load that was told to end at once in the middle of its first table."""
    vendor, before = a_company(pool), await live(pool)
    vendor.stays = True
    running = asyncio.create_task(engine(pool, vendor).run_entities([JOBS]))
    async with asyncio.timeout(30):
        await vendor.stop.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    vendor.stays = False
    assert await noted(pool) == set(before) - set(await live(pool))
    assert len(await noted(pool)) >= 4
    return vendor, before


async def test_what_a_load_left_is_told_and_built_by_the_next_run(pool: Pool) -> None:
    vendor, before = await left_behind(pool)
    told = [str(each) for each in await check(pool, ENTITIES.values())]
    assert len(told) == len(await noted(pool))
    assert all("was put aside by a first load that was cut short" in each for each in told)
    async with open_locks(pool, SystemClock()) as others, others.held(indexes.lock_of(JOBS)):
        assert await check(pool, ENTITIES.values()) == []  # somebody is at it
        await engine(pool, vendor).run_entities([UNITS])
        assert await live(pool) != before  # it is left to him
    await engine(pool, vendor).run_entities([UNITS])
    assert await live(pool) == before
    assert await noted(pool) == set()
    assert (await engine(pool, vendor).run_entities([JOBS])).status == "succeeded"
    assert await rows(pool, "select count(*) from servicetitan.t_jobs") == [(8,)]


async def test_a_migration_builds_what_was_left_and_nothing_that_is_at_work(pool: Pool) -> None:
    _, before = await left_behind(pool)
    async with open_locks(pool, SystemClock()) as others, others.held(indexes.lock_of(JOBS)):
        assert await migrate(pool, ENTITIES.values()) == []
        assert await live(pool) != before
    done = await migrate(pool, ENTITIES.values())
    assert "created index t_jobs_customer_id_idx on servicetitan.t_jobs" in done
    assert await live(pool) == before
    assert await noted(pool) == set()


async def test_a_person_s_index_a_table_in_use_and_another_loader_are_left_alone(pool: Pool) -> None:
    await rows(pool, "create index mine on servicetitan.t_jobs (total)")
    vendor, before = a_company(pool), await live(pool)
    async with transaction(pool) as reader:
        await reader.execute("select count(*) from servicetitan.t_jobs")
        await indexes.suspend(pool, JOBS, ENTITIES)
        assert await live(pool) == before
    async with open_locks(pool, SystemClock()) as others, others.held(indexes.lock_of(JOBS)):
        await engine(pool, vendor).run_entities([UNITS, CONTACTS])
    assert await live(pool) == before
    vendor.seen.clear()
    await engine(pool, vendor).run_entities([JOBS])
    assert any("mine" in seen and "t_jobs_total_idx" not in seen for seen in vendor.seen)
    assert await live(pool) == before


async def test_a_database_that_was_not_migrated_is_filled_as_before(pool: Pool) -> None:
    await rows(pool, "drop function servicetitan.suspend_indexes, servicetitan.restore_indexes")
    await rows(pool, "drop table servicetitan.suspended_indexes")
    vendor, before = a_company(pool), await live(pool)
    assert (await engine(pool, vendor).run_entities([JOBS])).status == "succeeded"
    assert all(seen == set(before) for seen in vendor.seen)


async def a_child_s_index(pool: Pool) -> None:
    """As a migration makes one."""
    made = "CREATE INDEX t_job_items_item_id_idx ON servicetitan.t_job_items (tenant_id, item_id)"
    await rows(pool, made)
    await rows(
        pool,
        "insert into servicetitan.mirror_migrations (relation, entity, statement) values (%s, 'jobs', %s)",
        "servicetitan.t_job_items",
        made,
    )


async def put_aside(pool: Pool) -> tuple[Vendor, dict[str, str]]:
    """What a load left that died after it had put everything aside; the table has rows now."""
    await a_child_s_index(pool)
    before = await live(pool)
    await indexes.suspend(pool, JOBS, ENTITIES)
    assert {"t_job_items_item_id_idx", "t_jobs_unit_id_idx"} <= await noted(pool)
    await rows(pool, "insert into servicetitan.t_jobs (tenant_id, st_id, customer_id) values (7, 99, 3)")
    return a_company(pool), before


async def test_one_that_cannot_be_built_keeps_no_other_back_and_is_tried_later(pool: Pool) -> None:
    vendor, before = await put_aside(pool)
    bad = {
        "t_jobs_customer_id_idx": "((1 / (customer_id - 3)))",
        "t_jobs_st_modified_on_idx": "(no_such_column)",
    }
    note = "update servicetitan.suspended_indexes set {} where name = %s".format
    for name, what in bad.items():
        definition = f"create index {name} on servicetitan.t_jobs {what}"
        await rows(pool, note("definition = %s"), definition, name)
    with capture_logs() as told:
        assert (await engine(pool, vendor).run_entities([UNITS])).status == "succeeded"
    assert await live(pool) == {name: what for name, what in before.items() if name not in bad}
    told = [each for each in told if each["log_level"] == "warning"]
    assert {(each["index"], each["reason"]) for each in told} == {
        ("t_jobs_customer_id_idx", "division by zero"),
        ("t_jobs_st_modified_on_idx", 'column "no_such_column" does not exist'),
    }
    said = [str(each) for each in await check(pool, ENTITIES.values())]
    assert any("t_jobs_customer_id_idx" in each and "division by zero" in each for each in said)
    for name in bad:
        await rows(pool, note("definition = %s"), before[name], name)
    await engine(pool, vendor).run_entities([UNITS])
    assert await noted(pool) == set(bad)  # not every minute
    for name in bad:
        await rows(pool, note("failed_at = failed_at - interval '2 hours'"), name)
    await engine(pool, vendor).run_entities([UNITS])
    assert await live(pool) == before
    assert await noted(pool) == set()


async def test_a_writer_who_stays_is_not_waited_for_without_end(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "LOCK_TIMEOUT", "100ms", raising=False)
    vendor, before = await put_aside(pool)
    async with asyncio.timeout(60):
        async with transaction(pool) as writer:
            await writer.execute("update servicetitan.t_jobs set status = 'Open'")
            assert (await engine(pool, vendor).run_entities([UNITS])).status == "succeeded"
            others = {name for name in before if name.startswith("t_job_items")}
            assert others <= set(await live(pool))
            assert "t_jobs_unit_id_idx" in await noted(pool)
        await engine(pool, vendor).run_entities([UNITS])
    assert await live(pool) == before
    assert await noted(pool) == set()


async def test_what_is_read_does_not_wait_for_what_is_built(pool: Pool) -> None:
    vendor, before = await put_aside(pool)
    async with asyncio.timeout(60):
        async with transaction(pool) as other:
            await other.execute("lock table servicetitan.suspended_indexes")
            running = asyncio.create_task(engine(pool, vendor).run_entities([UNITS]))
            while not await rows(pool, "select 1 from servicetitan.t_units"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert not running.done()
        assert (await running).status == "succeeded"
    assert await live(pool) == before


async def test_no_builder_goes_on_without_the_lock(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await put_aside(pool)
    last = asyncio.Event()
    under_way: list[object] = []

    async def build(*_: object) -> None:
        under_way.append(None)
        if len(under_way) == 1:
            raise DatabaseUnavailable("it is gone")
        try:
            await asyncio.Event().wait()
        finally:
            last.set()

    monkeypatch.setattr(indexes, "_build", build)
    with suppress(BaseException):
        await indexes.restore(pool, JOBS, asyncio.Semaphore(2))
    assert last.is_set()


async def test_a_migration_beside_a_load_that_begins_is_not_in_its_way(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration has read the table and will change it; the load begins between the two."""
    loop, has_rows = asyncio.get_running_loop(), grow._has_rows
    begun: list[Future[None]] = []
    waits = "select exists (select from pg_locks l join pg_stat_activity using (pid) "
    waits += "where not granted and datname = current_database())"

    def looked(connection: Connection, entity: Entity) -> bool:
        found = has_rows(connection, entity)
        if entity.name == "jobs" and not begun:
            begun.append(asyncio.run_coroutine_threadsafe(indexes.suspend(pool, JOBS, ENTITIES), loop))
            while not begun[0].done() and not connection.exec_driver_sql(waits).scalar():
                time.sleep(0.02)
        return found

    monkeypatch.setattr(grow, "_has_rows", looked)
    grown = replace(JOBS, columns=(*JOBS.columns, text("weather")))
    url = f"{pool.url}{'&' if '?' in pool.url else '?'}options=-c%20deadlock_timeout%3D10ms"
    done = await migrate(url, (ENTITIES | {"jobs": grown}).values())
    assert "added column servicetitan.t_jobs.weather" in done
    await asyncio.wrap_future(begun[0])


async def test_a_role_that_may_not_read_the_note_syncs_all_the_same(pool: Pool) -> None:
    role = f"app_{uuid4().hex[:8]}"
    await migrate(pool, ENTITIES.values(), role=role)
    try:
        await rows(pool, f"revoke all on servicetitan.suspended_indexes from {role}")
        async with open_pool(parse(pool.url).url(role=role)) as acting:
            report = await engine(acting, a_company(pool)).run_entities([UNITS])
        assert report.status == "succeeded"
    finally:
        await rows(pool, f"drop owned by {role}; drop role {role}")


async def test_each_table_is_looked_at_by_itself(pool: Pool) -> None:
    await a_child_s_index(pool)
    before = await live(pool)
    async with transaction(pool) as reader:
        await reader.execute("select count(*) from servicetitan.t_jobs")
        await indexes.suspend(pool, JOBS, ENTITIES)
    assert set(before) - set(await live(pool)) == {"t_job_items_item_id_idx"}
    (items,) = JOBS.children
    unbounded = replace(items, columns=(number("quantity", index=True), big("item_id", index=True)))
    assert "t_job_items_quantity_idx" in indexes.kept(replace(JOBS, children=(unbounded,)), ENTITIES)
    assert "t_job_items_item_id_idx" not in indexes.kept(replace(JOBS, children=(unbounded,)), ENTITIES)
