"""Reads that are cut short at an unlucky moment, or overtaken by another process."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from declared import CONTACTS, CUSTOMERS, ENTITIES, JOBS, UNITS, document, encoded
from vendor import Vendor

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.entity import Entity, Inactive
from perfectcatch.model.source import Listing, Page
from perfectcatch.store import locks, runs
from perfectcatch.store.merging import mirror, quarantine
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.place import Place
from perfectcatch.sync.progress import Silent
from perfectcatch.sync.pull import pull
from perfectcatch.sync.report import EntityReport
from perfectcatch.sync.work import Context, Stored

C, J, U, K = "t.customers.export", "t.jobs.export", "t.units.export", "t.contacts.export"


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


def engine(pool: Pool, vendor: Vendor, **more: Any) -> Engine:
    settings = {"clock": SystemClock(), "zone": "America/New_York", "entities": ENTITIES} | more
    return Engine(pool=pool, source=vendor, **settings)


async def rows(pool: Pool, query: str) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def test_a_full_read_that_dies_at_its_very_end_holds_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Vendor()
    for st_id in range(1, 31):
        vendor.put(C, st_id, name="x")
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    with monkeypatch.context() as patched:

        async def dies(*_: Any, **__: Any) -> None:
            raise DatabaseUnavailable("the connection to the database was lost")

        patched.setattr(Place, "keep_end", dies)
        assert (await work.run_entities([CUSTOMERS], full=True)).status == "failed"
    report = await work.run_entities([CUSTOMERS], full=True)
    assert (report.status, report.totals()["deactivated"]) == ("succeeded", 0)


async def test_a_broken_record_that_vanishes_is_deleted(pool: Pool) -> None:
    vendor = Vendor(lists={K: Listing(endpoint="t.contacts.list", by_ids=True)})
    for st_id in range(1, 6):
        vendor.put(K, st_id, customerId=1)
    work = engine(pool, vendor)
    await work.run_entities([CONTACTS])
    vendor.put(K, 3, customerId="nobody")
    await work.run_entities([CONTACTS], full=True)
    live = "select st_id from servicetitan.t_contacts where deleted_at is null order by 1"
    assert (3,) in await rows(pool, live)
    assert await quarantine.count_waiting(pool, 7) == 1
    vendor.remove(K, 3)
    await work.run_entities([CONTACTS], full=True)
    assert (3,) not in await rows(pool, live)
    assert await quarantine.count_waiting(pool, 7) == 0


async def test_a_full_read_that_goes_on_knows_what_came_broken_before(pool: Pool) -> None:
    """Otherwise the record behind the broken one would be taken for deleted."""
    vendor = Nameless()
    for st_id in range(1, 8):
        vendor.put(K, st_id, customerId=1)
    work = engine(pool, vendor)
    await work.run_entities([CONTACTS])
    vendor.nameless, vendor.fail_after = 2, len(vendor.pages) + 1
    assert (await work.run_entities([CONTACTS], full=True)).status == "failed"
    vendor.fail_after = None
    report = await work.run_entities([CONTACTS], full=True)
    assert [each.status for each in report.entities] == ["held"]


class Nameless(Vendor):
    """Gives one record without its id."""

    nameless: int | None = None

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        page = await super().export_page(endpoint, token, query)
        wrong = f'{{"id": {self.nameless},'.encode()
        shown = [bytes(record).replace(wrong, b'{"id": null,') for record in page.records]
        return replace(page, records=shown)


async def test_who_was_overtaken_stores_nothing_more(pool: Pool) -> None:
    """Its lock was lost between two looks at it, and another process has begun to read from its place."""
    vendor = Overtaken(pool)
    for st_id in range(1, 9):
        vendor.put(C, st_id, name="x")
    vendor.overtaken_at = 2
    [line] = (await engine(pool, vendor).run_entities([CUSTOMERS])).entities
    assert line.status == "failed"
    assert "taken up this reading" in str(line.error)
    [(stored,)] = await rows(pool, "select count(*) from servicetitan.t_customers")
    assert stored < 8
    vendor.overtaken_at = None
    assert (await engine(pool, vendor).run_entities([CUSTOMERS])).status == "succeeded"
    assert await rows(pool, "select count(*) from servicetitan.t_customers") == [(8,)]


async def test_who_was_overtaken_after_its_last_page_does_not_say_that_it_is_done(pool: Pool) -> None:
    vendor = Overtaken(pool)
    vendor.overtaken_at_one = True
    entity = replace(CUSTOMERS, reads_one="t.customers.get")
    work = engine(pool, vendor, entities=ENTITIES | {"customers": entity})
    for st_id in range(1, 4):
        vendor.put(C, st_id, name="x")
    await work.run_entities([entity])
    vendor.forgotten = {2}  # asked for by itself after all pages
    [line] = (await work.run_entities([entity], full=True)).entities
    assert (line.status, "taken up this reading" in str(line.error)) == ("failed", True)
    [(checkpoint,)] = await rows(
        pool, "select value->>'position' from servicetitan.sync_state where key = 'customers_checkpoint'"
    )
    assert checkpoint is not None  # still the place of whoever has taken it up


class Overtaken(Vendor):
    """While it answers, another process closes the lines of the log as one does that has the lock."""

    overtaken_at: int | None = None
    overtaken_at_one = False

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        page = await super().export_page(endpoint, token, query)
        if len(self.pages) == self.overtaken_at:
            await self._close_lines()
        return page

    async def one(self, endpoint: str, st_id: int) -> bytes | None:
        if self.overtaken_at_one:
            await self._close_lines()
        return await super().one(endpoint, st_id)

    async def _close_lines(self) -> None:
        async with transaction(self.pool) as connection:
            await runs.close_lines(connection, self.tenant_id, "customers")


async def test_what_a_merge_moves_before_its_first_load_is_complete_is_no_news(pool: Pool) -> None:
    vendor = Vendor()
    jobs = replace(JOBS, reads_one="t.jobs.get", settles=())
    customers = replace(CUSTOMERS, merged_into="mergedToId")
    work = engine(pool, vendor, entities=ENTITIES | {"jobs": jobs, "customers": customers})
    for st_id in range(1, 9):
        vendor.put(C, st_id, name="x")
        vendor.put(J, st_id, status="Open", customerId=3)
    await work.run_entities([customers])
    vendor.fail_after = len(vendor.pages) + 1
    assert (await work.run_entities([jobs])).status == "failed"  # some are there, the load is not complete
    vendor.fail_after = None
    vendor.put(C, 3, active=False, mergedToId=4)
    for record in vendor.records[J].values():
        record["customerId"] = 4
    report = await work.run_entities([customers])
    assert report.events == Counter({"customer_merged": 1})
    assert report.past_events == Counter({"job_moved": 3})


class Watched(Silent):
    """Tells when a page of an entity is stored."""

    def __init__(self, entity: str) -> None:
        self.entity, self.stored = entity, asyncio.Event()

    def page(self, entity: str, total: Outcome) -> None:
        if entity == self.entity:
            self.stored.set()


async def test_who_refers_to_an_entity_waits_for_its_pages_and_not_for_what_comes_after(pool: Pool) -> None:
    vendor, watched = Vendor(), Watched("jobs")
    work = engine(pool, vendor, progress=watched)
    vendor.put(C, 3, name="x")
    vendor.put(U, 1, name="Service")
    vendor.put(J, 1, status="Open", customerId=3, unitId=1)
    await work.run_entities([UNITS, CUSTOMERS, JOBS])
    watched.stored.clear()
    vendor.put(C, 3, name="y")
    vendor.put(J, 2, status="Open", customerId=3, unitId=1)
    async with transaction(pool) as holder:  # the customers cannot keep their end
        await holder.execute(
            "select from servicetitan.sync_state where key = 'customers_last_modified' for update"
        )
        running = asyncio.create_task(work.run_entities([CUSTOMERS, JOBS]))
        async with asyncio.timeout(30):
            await watched.stored.wait()
        assert not running.done()
    assert (await running).status == "succeeded"


async def test_who_refers_to_merged_records_waits_until_their_followers_are_read(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Vendor):
        async def one(self, endpoint: str, st_id: int) -> bytes | None:
            found.append("customers" in told)
            return await super().one(endpoint, st_id)

    async def noting(context: Context, entity: Entity, *, stored: Stored, **more: Any) -> EntityReport:
        def note() -> None:
            told.append(entity.name)
            stored()

        return await pull(context, entity, stored=note, **more)

    monkeypatch.setattr("perfectcatch.sync.engine.pull", noting)
    told: list[str] = []
    found: list[bool] = []
    vendor = Asked()
    jobs = replace(JOBS, reads_one="t.jobs.get", settles=())
    customers = replace(CUSTOMERS, merged_into="mergedToId")
    work = engine(pool, vendor, entities=ENTITIES | {"jobs": jobs, "customers": customers})
    vendor.put(C, 3, name="x")
    vendor.put(J, 1, status="Open", customerId=3)
    await work.run_entities([customers, jobs])
    vendor.put(C, 3, active=False, mergedToId=4)
    vendor.records[J][1]["customerId"] = 4  # without a trace in the feed
    report = await work.run_entities([customers, jobs])
    assert (report.status, report.events["job_moved"], found) == ("succeeded", 1, [False])
    await work.run_entities([customers, jobs])
    assert "customers" in told  # where nobody was merged


async def test_followers_wait_for_what_their_events_refer_to(pool: Pool) -> None:
    vendor = Vendor()
    jobs = replace(JOBS, reads_one="t.jobs.get")
    customers = replace(CUSTOMERS, merged_into="mergedToId")
    work = engine(pool, vendor, entities=ENTITIES | {"jobs": jobs, "customers": customers})
    vendor.put(C, 3, name="x")
    vendor.put(U, 1, name="Service")
    vendor.put(J, 1, status="Open", customerId=3, unitId=1)
    await work.run_entities([UNITS, customers, jobs])
    vendor.put(U, 2, name="Install")
    vendor.put(C, 3, active=False, mergedToId=4)
    vendor.records[J][1] |= {"customerId": 4, "unitId": 2}
    report = await work.run_entities([customers])
    assert report.events == Counter({"customer_merged": 1})
    await work.run_entities([UNITS])
    report = await work.run_entities([customers])
    assert report.events == Counter({"job_moved": 1, "install_job_created": 1})


async def test_what_changed_while_it_was_gone_is_told_when_it_comes_back(pool: Pool) -> None:
    jobs = replace(JOBS, inactive_means=Inactive.DELETED, settles=())

    async def merge(day: int, **values: Any) -> Counter[str]:
        record = document(1, **values, modifiedOn=f"2026-02-{day:02}T00:00:00Z")
        batch = Batch(tenant_id=7, entity=jobs, entities=ENTITIES, records=encoded(record))
        return (await mirror.merge(pool, batch)).events

    assert await merge(1, status="Open", customerId=1) == Counter({"job_created": 1})
    assert await merge(2, status="Completed", customerId=2, active=False) == Counter()
    assert await merge(3, status="Completed", customerId=2, active=False, total=5) == Counter()
    assert await merge(4, status="Completed", customerId=2) == Counter({"job_completed": 1, "job_moved": 1})
    assert await merge(5, status="Completed", customerId=2, active=False) == Counter()
    assert await merge(6, status="Completed", customerId=2) == Counter()


async def test_a_clock_that_is_wrong_does_not_make_news_of_a_first_load(pool: Pool) -> None:
    """When a first load was complete is told by the database, as the time of every row is."""
    vendor = Vendor()
    vendor.put(C, 1, name="x")
    before = await runs.database_clock(pool)
    await engine(pool, vendor, clock=ADayAhead()).run_entities([CUSTOMERS])
    [(completed,)] = await rows(
        pool,
        "select (value->>'completed_at')::timestamptz from servicetitan.sync_state "
        "where key = 'customers_first_load'",
    )
    assert before <= completed <= await runs.database_clock(pool)


class ADayAhead(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(days=1)


async def test_a_run_whose_process_is_gone_is_closed_by_the_next(pool: Pool) -> None:
    vendor, gone, alive = Vendor(), uuid4(), uuid4()
    vendor.put(C, 1, name="x")
    for run_id in (gone, alive):
        await runs.begin(pool, 7, run_id, mode="full", entities=[], trigger="test", owner="here")
    async with pool.connection() as connection:
        await connection.execute("update servicetitan.sync_runs set started_at = now() - interval '1 minute'")
    status = "select id, status from servicetitan.sync_runs where owner = 'here'"
    async with locks.open_locks(pool, SystemClock(), owner=runs.lock_of(alive)):
        await engine(pool, vendor).run_entities([CUSTOMERS])
        assert dict(await rows(pool, status)) == {gone: "interrupted", alive: "running"}
    await engine(pool, vendor).run_entities([CUSTOMERS])
    assert dict(await rows(pool, status)) == {gone: "interrupted", alive: "interrupted"}


async def test_what_went_while_a_first_load_was_broken_off_does_not_live_on(pool: Pool) -> None:
    """Its only page was stored and its end was not: the read that begins anew has something to look for."""
    vendor = Vendor(lists={C: Listing(endpoint="t.customers.list", by_ids=True)})
    for st_id in (1, 2, 3):
        vendor.put(C, st_id, name="x")
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    async with pool.connection() as connection:
        await connection.execute("delete from servicetitan.sync_state where key like 'customers_%'")
    vendor.remove(C, 2)
    for st_id in range(4, 9):  # more than a page, so that this one can be broken off, too
        vendor.put(C, st_id, name="y")
    vendor.fail_after = len(vendor.pages) + 1
    assert (await work.run_entities([CUSTOMERS])).failures
    vendor.fail_after = None
    assert (await work.run_entities([CUSTOMERS])).status == "succeeded"
    found = await rows(pool, "select st_id from servicetitan.t_customers where deleted_at is null order by 1")
    assert [st_id for (st_id,) in found] == [1, 3, 4, 5, 6, 7, 8]
    assert await rows(pool, "select count(*) from servicetitan.sweep_ids") == [(0,)]


async def test_a_first_load_that_goes_on_takes_nothing_for_gone(pool: Pool) -> None:
    """It began with an empty mirror and kept no ids, so that its own first pages must not be looked for."""
    vendor = Vendor()
    for st_id in range(1, 9):
        vendor.put(C, st_id, name="x")
    vendor.fail_after = 1
    work = engine(pool, vendor)
    assert (await work.run_entities([CUSTOMERS])).failures
    vendor.fail_after = None
    assert (await work.run_entities([CUSTOMERS])).status == "succeeded"
    assert await rows(pool, "select count(*), count(deleted_at) from servicetitan.t_customers") == [(8, 0)]
