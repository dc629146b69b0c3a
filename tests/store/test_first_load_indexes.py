"""Indexes are put aside while a first load fills its table: they are back whatever becomes of it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from declared import ENTITIES
from vendor import Vendor

from perfectcatch.errors import VendorUnavailable
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.source import Page
from perfectcatch.store import indexes
from perfectcatch.store.locks import open_locks
from perfectcatch.store.pool import Pool, transaction
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
