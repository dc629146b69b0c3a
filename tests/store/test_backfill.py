"""A span of the past is read piece by piece: what is stored stays, and nothing else of the sync moves."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from declared import CUSTOMERS, ENTITIES
from vendor import Vendor

from perfectcatch.errors import AlreadyRunning, BadArgument, VendorUnavailable
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.entity import whole
from perfectcatch.model.source import Listing, Page
from perfectcatch.store import backfills, locks, runs
from perfectcatch.store.pool import Pool
from perfectcatch.sync import backfill as reading
from perfectcatch.sync.backfill import backfill, go_on
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.progress import Silent

C = "t.customers.export"
NUMBER, PAGE = 300, 40
START = datetime(2026, 5, 1, tzinfo=UTC)
FIRST, AFTER = START + timedelta(seconds=101), START + timedelta(seconds=251)  # records 101 to 250


@pytest.fixture
def pool(declared_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(reading, "PAGE", PAGE)
    monkeypatch.setattr(reading, "FIRST_PIECE", timedelta(seconds=30))
    monkeypatch.setattr(reading, "SHORTEST_PIECE", timedelta(seconds=5))
    return declared_pool


@pytest.fixture
def vendor() -> Vendor:
    made = Vendor(now=START)
    for st_id in range(1, NUMBER + 1):
        made.put(C, st_id, name=f"customer {st_id}")
    made.lists[C] = Listing(endpoint="t.customers.list", page_size=PAGE)
    return made


def engine(pool: Pool, vendor: Vendor, **more: Any) -> Engine:
    return Engine(pool=pool, source=vendor, entities=ENTITIES, clock=SystemClock(), zone="UTC", **more)


async def rows(pool: Pool, query: str) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def stored(pool: Pool) -> list[int]:
    return [row[0] for row in await rows(pool, "select st_id from servicetitan.t_customers order by 1")]


async def test_exactly_the_span_as_history_and_nothing_else(pool: Pool, vendor: Vendor) -> None:
    done = await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
    assert (done.status, done.expected, done.fetched, done.created) == ("done", 150, 150, 150)
    assert await stored(pool) == list(range(101, 251))
    assert await rows(pool, "select count(*), bool_and(historical) from automation.events") == [(150, True)]
    assert await rows(pool, "select * from servicetitan.sync_state") == []
    assert await rows(pool, "select mode, status from servicetitan.sync_runs") == [("backfill", "succeeded")]


async def test_a_broken_one_goes_on_with_the_piece_where_it_stood(pool: Pool, vendor: Vendor) -> None:
    vendor.fail_after = 4  # the count, and three pieces
    with pytest.raises(VendorUnavailable):
        await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
    [state] = await backfills.listed(pool, 7)
    assert (state.status, state.completed_at) == ("failed", None)
    assert 0 < state.fetched < 150
    before = await stored(pool)
    vendor.fail_after = None
    done = await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
    assert (done.id, done.status) == (state.id, "done")
    assert done.fetched == 150  # no piece came twice
    assert set(before) < set(await stored(pool))
    assert await stored(pool) == list(range(101, 251))


async def test_it_begins_anew_when_told_to(pool: Pool, vendor: Vendor) -> None:
    vendor.fail_after = 4
    with pytest.raises(VendorUnavailable):
        await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
    vendor.fail_after = None
    done = await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER, restart=True)
    assert (done.status, done.fetched) == ("done", 150)
    assert len(await backfills.listed(pool, 7)) == 2


async def test_it_is_paused_and_goes_on(pool: Pool, vendor: Vendor) -> None:
    class Watching(Silent):
        def plans(self, expected: Mapping[str, int | None]) -> None:
            self.told = asyncio.ensure_future(backfills.pause(pool, 7, "customers"))

    paused = await backfill(engine(pool, vendor, progress=Watching()), CUSTOMERS, FIRST, AFTER)
    assert paused.status == "paused"
    assert paused.fetched < 150
    done = await go_on(engine(pool, vendor), paused.id)
    assert (done.status, done.fetched) == ("done", 150)


async def test_more_in_a_moment_than_a_page_holds(pool: Pool, vendor: Vendor) -> None:
    for record in vendor.records[C].values():
        record["createdOn"] = (START + timedelta(seconds=200)).isoformat()
    done = await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
    assert (done.status, done.fetched) == ("done", NUMBER)


async def test_the_sync_of_the_same_entity_is_not_hindered(pool: Pool, vendor: Vendor) -> None:
    name = "backfill 7 customers"
    async with locks.open_locks(pool, SystemClock()) as others, others.held(name):
        with pytest.raises(AlreadyRunning):
            await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
        report = await engine(pool, vendor).run_entities([CUSTOMERS])
        assert report.status == "succeeded"
    vendor.put(C, 150, name="newer")
    await engine(pool, vendor).run_entities([CUSTOMERS])
    cursor = "select value from servicetitan.sync_state where key = 'customers_cursor'"
    before = await rows(pool, cursor)
    vendor.remove(C, 120)
    done = await backfill(engine(pool, vendor), CUSTOMERS, FIRST, AFTER)
    assert (done.created, done.updated) == (0, 0)
    assert await rows(pool, cursor) == before
    gone = "select count(*) from servicetitan.t_customers where deleted_at is not null"
    assert await rows(pool, gone) == [(0,)]  # it does not sweep


async def test_a_feed_without_a_list_is_read_from_its_date(pool: Pool, vendor: Vendor) -> None:
    vendor.lists = {}
    vendor.page_size = 50
    vendor.fail_after = 2
    with pytest.raises(VendorUnavailable):
        await backfill(engine(pool, vendor), CUSTOMERS, START, AFTER)
    vendor.fail_after = None
    vendor.pages.clear()
    done = await backfill(engine(pool, vendor), CUSTOMERS, START, AFTER)
    assert (done.status, done.fetched) == ("done", NUMBER)
    assert vendor.pages[0] == (C, "100")


async def test_what_makes_no_sense_writes_nothing(pool: Pool, vendor: Vendor) -> None:
    undated = replace(CUSTOMERS, created=None, feeds=whole(C))
    for entity, start, end in ((CUSTOMERS, AFTER, FIRST), (CUSTOMERS, FIRST, FIRST), (undated, FIRST, AFTER)):
        with pytest.raises(BadArgument):
            await backfill(engine(pool, vendor), entity, start, end)
    assert await backfills.listed(pool, 7) == []


async def test_another_run_does_not_take_it_for_dead(pool: Pool, vendor: Vendor) -> None:
    seen: list[Any] = []

    class Watched(Vendor):
        async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
            if not seen:
                await rows(
                    pool,
                    "update servicetitan.sync_runs set started_at = now() - interval '1 minute' returning 1",
                )
                await runs.begin(
                    pool, 7, uuid4(), mode="full", entities=[], trigger="command", owner="another"
                )
                seen.extend(await rows(pool, "select mode, status from servicetitan.sync_runs order by 1"))
            return await super().list_page(endpoint, page, size, query)

    watched = Watched(records=vendor.records, changes=vendor.changes, lists=vendor.lists)
    await backfill(engine(pool, watched), CUSTOMERS, FIRST, AFTER)
    assert seen == [("backfill", "running"), ("full", "running")]
