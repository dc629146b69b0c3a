"""Runs against a vendor in memory: places are kept, broken runs go on, deletions are found, not imagined."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from declared import CONTACTS, CUSTOMERS, ENTITIES, JOBS, UNITS
from vendor import Vendor

from perfectcatch.errors import BadArgument, CredentialsRejected, DatabaseUnavailable
from perfectcatch.kit.clock import FakeClock, SystemClock
from perfectcatch.model.entity import Feed, changed, export, whole
from perfectcatch.model.source import Page
from perfectcatch.store import locks, runs
from perfectcatch.store.pool import Pool
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.redrive import redrive
from perfectcatch.sync.report import RunReport

C, J, U = "t.customers.export", "t.jobs.export", "t.units.export"


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


@pytest.fixture
def vendor() -> Vendor:
    made = Vendor()
    for st_id in range(1, 9):
        made.put(C, st_id, name=f"customer {st_id}")
    return made


def engine(pool: Pool, vendor: Vendor, **more: Any) -> Engine:
    settings = {"clock": SystemClock(), "zone": "America/New_York", "entities": ENTITIES} | more
    return Engine(pool=pool, source=vendor, **settings)


async def rows(pool: Pool, query: str) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def live(pool: Pool) -> list[int]:
    found = await rows(pool, "select st_id from servicetitan.t_customers where deleted_at is null order by 1")
    return [row[0] for row in found]


def line(report: RunReport) -> tuple[str, int, int, int, int, int]:
    [one] = report.entities
    outcome = one.outcome
    return one.status, outcome.fetched, outcome.created, outcome.updated, outcome.deactivated, one.requests


async def test_a_first_load_then_only_what_changed(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    assert line(await work.run_entities([CUSTOMERS])) == ("succeeded", 8, 8, 0, 0, 3)
    assert (await rows(pool, "select bool_and(historical) from automation.events")) == [(True,)]
    assert line(await work.run_entities([CUSTOMERS])) == ("succeeded", 0, 0, 0, 0, 1)
    vendor.put(C, 2, name="other")
    vendor.put(C, 9, name="new")
    report = await work.run_entities([CUSTOMERS])
    assert line(report) == ("succeeded", 2, 1, 1, 0, 1)
    assert report.events == Counter({"customer_created": 1})


async def test_every_run_leaves_a_line_in_the_log(pool: Pool, vendor: Vendor) -> None:
    await engine(pool, vendor).run_entities([CUSTOMERS])
    [last] = await runs.latest(pool, 7)
    assert (last.entity, last.status, last.fetched, last.created, last.requests) == (
        "customers",
        "succeeded",
        8,
        8,
        3,
    )
    assert await rows(pool, "select entity_type, records_processed from servicetitan.st_sync_log") == [
        ("customers", 8)
    ]
    assert await rows(pool, "select mode, status from servicetitan.sync_runs") == [
        ("incremental", "succeeded")
    ]


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_broken_first_load_goes_on_where_it_stood(pool: Pool, vendor: Vendor, pages: int) -> None:
    vendor.fail_after = pages
    report = await engine(pool, vendor).run_entities([CUSTOMERS])
    assert report.status == "failed"
    assert report.entities[0].error == "the vendor does not answer"
    stored = await live(pool)
    vendor.fail_after = None
    vendor.pages.clear()
    report = await engine(pool, vendor).run_entities([CUSTOMERS])
    assert report.status == "succeeded"
    assert vendor.pages[0] == (C, str(stored[-1]) if stored else None)
    assert await live(pool) == list(range(1, 9))
    assert (await rows(pool, "select bool_and(historical) from automation.events")) == [(True,)]


async def test_a_full_read_finds_what_was_deleted(pool: Pool, vendor: Vendor) -> None:
    work = engine(
        pool, vendor, entities=ENTITIES | {"customers": replace(CUSTOMERS, reads_one="t.customers.get")}
    )
    customers = work.entities["customers"]
    await work.run_entities([customers])
    vendor.remove(C, 3)
    assert line(await work.run_entities([customers]))[4] == 0
    assert line(await work.run_entities([customers], full=True)) == ("succeeded", 7, 0, 0, 1, 4)
    assert await live(pool) == [1, 2, 4, 5, 6, 7, 8]
    vendor.put(C, 3, name="back")
    await work.run_entities([customers])
    assert 3 in await live(pool)


async def test_what_a_full_read_overlooked_is_not_deleted(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, reads_one="t.customers.get")
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.forgotten = {2, 5}
    report = await work.run_entities([customers], full=True)
    assert report.entities[0].outcome.deactivated == 0
    assert await live(pool) == list(range(1, 9))


async def test_too_many_deletions_wait_for_a_person(pool: Pool, vendor: Vendor) -> None:
    for st_id in range(9, 40):
        vendor.put(C, st_id, name="more")
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    for st_id in range(1, 21):
        vendor.remove(C, st_id)
    report = await work.run_entities([CUSTOMERS], full=True)
    [one] = report.entities
    assert one.status == "held"
    assert one.error is not None
    assert "20 of 39 customers" in one.error
    assert "--allow-deletions" in one.error
    assert len(await live(pool)) == 39
    assert await rows(pool, "select entity, found, total from servicetitan.sync_holds") == [
        ("customers", 20, 39)
    ]
    report = await work.run_entities([CUSTOMERS], full=True, allow_deletions=True)
    assert report.entities[0].outcome.deactivated == 20
    assert await live(pool) == list(range(21, 40))


async def test_a_broken_full_read_deletes_nothing_and_goes_on(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, reads_one="t.customers.get")
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.remove(C, 8)
    vendor.pages.clear()
    vendor.fail_after = 2
    await work.run_entities([customers], full=True)
    assert await live(pool) == list(range(1, 9))
    vendor.fail_after = None
    vendor.pages.clear()
    report = await work.run_entities([customers], full=True)
    assert vendor.pages[0][1] is not None  # it did not begin anew
    assert report.entities[0].outcome.deactivated == 1
    assert await live(pool) == list(range(1, 8))


@pytest.mark.parametrize(("feeds", "pages"), [(CUSTOMERS.feeds, 0), (changed(C), 1)])
async def test_a_full_read_that_kept_no_place_hides_no_deletion_from_the_next(
    pool: Pool, vendor: Vendor, feeds: tuple[Feed, ...], pages: int
) -> None:
    customers = replace(CUSTOMERS, feeds=feeds, reads_one="t.customers.get")
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.pages.clear()
    vendor.fail_after = pages
    assert (await work.run_entities([customers], full=True)).status == "failed"
    vendor.fail_after = None
    vendor.put(C, 30, name="came and went")
    await work.run_entities([customers])
    vendor.remove(C, 30)
    report = await work.run_entities([customers], full=True)
    assert report.entities[0].outcome.deactivated == 1
    assert await live(pool) == list(range(1, 9))


async def test_what_a_resumed_read_cannot_tell_is_found_by_the_next(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, reads_one="t.customers.get")
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.pages.clear()
    vendor.fail_after = 2
    await work.run_entities([customers], full=True)
    vendor.fail_after = None
    vendor.put(C, 30, name="came and went")
    await work.run_entities([customers])
    vendor.remove(C, 30)
    vendor.remove(C, 8)
    await work.run_entities([customers], full=True)
    assert await live(pool) == [*range(1, 8), 30]
    await work.run_entities([customers], full=True)
    assert await live(pool) == list(range(1, 8))


async def test_a_place_that_was_given_up_is_never_taken_up_again(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, reads_one=None)
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.pages.clear()
    vendor.fail_after = 2
    await work.run_entities([customers], full=True)
    vendor.pages.clear()
    other = replace(customers, feeds=whole("t.other.list"))
    vendor.fail_after = 0
    await work.run_entities([other], full=True)  # a declaration that the place does not fit
    vendor.fail_after = None
    vendor.pages.clear()
    await work.run_entities([customers], full=True)
    assert vendor.pages[0] == (C, None)
    assert await live(pool) == list(range(1, 9))


async def test_a_feed_that_does_not_go_on_is_left(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    vendor.stuck = True
    vendor.pages.clear()
    report = await work.run_entities([CUSTOMERS])
    assert report.status == "failed"
    assert "does not go on" in (report.entities[0].error or "")
    assert len(vendor.pages) <= 3
    vendor.stuck = False
    vendor.put(C, 1, name="later")
    assert line(await work.run_entities([CUSTOMERS]))[:4] == ("succeeded", 1, 0, 1)


async def test_what_cannot_be_asked_for_is_deleted_after_two_full_reads(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, feeds=whole(C))
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.remove(C, 1)
    await work.run_entities([customers], full=True)
    assert await live(pool) == list(range(1, 9))
    await work.run_entities([customers], full=True)
    assert await live(pool) == list(range(2, 9))


async def test_a_list_is_asked_for_what_changed_with_an_overlap(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, feeds=changed(C))
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    vendor.put(C, 4, name="changed")
    report = await work.run_entities([customers])
    assert report.entities[0].outcome.updated == 1
    assert report.events == {}


async def test_lists_that_share_a_table_are_told_apart(pool: Pool, vendor: Vendor) -> None:
    vendor.put("t.other.list", 100, name="other")
    feeds = (*whole(C, tag=("kind", "one")), *whole("t.other.list", tag=("kind", "two")))
    customers = replace(CUSTOMERS, feeds=feeds, also="address kind")
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    found = await rows(
        pool, "select full_data->>'kind', count(*) from servicetitan.t_customers group by 1 order by 1"
    )
    assert found == [("one", 8), ("two", 1)]


async def test_a_missing_reference_is_read_on_demand(pool: Pool, vendor: Vendor) -> None:
    vendor.put(J, 1, status="Open", unitId=5)
    vendor.put(U, 4, name="Service")
    work = engine(pool, vendor)
    await work.run_entities([UNITS, JOBS])
    vendor.put(U, 5, name="Pool Install")
    vendor.put(J, 2, status="Open", unitId=5)
    report = await work.run_entities([JOBS])
    assert report.events == Counter({"job_created": 1, "install_job_created": 1})


async def test_references_come_first(pool: Pool, vendor: Vendor) -> None:
    vendor.put(J, 1, status="Open", unitId=5, customerId=1)
    vendor.put(U, 5, name="Install")
    work, chosen = engine(pool, vendor), [JOBS, CONTACTS, CUSTOMERS, UNITS]
    await work.run_entities(chosen)
    order = [endpoint for endpoint, _ in vendor.pages]
    assert order.index(J) > order.index(U)  # the unit decides about an event, also about one of the past


async def test_news_is_asked_for_side_by_side_and_stored_in_the_order_of_references(
    pool: Pool, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.put(J, 1, status="Open", unitId=5, customerId=1)
    vendor.put(U, 5, name="Install")
    work, chosen = engine(pool, vendor), [JOBS, CONTACTS, CUSTOMERS, UNITS]
    await work.run_entities(chosen)
    vendor.put(C, 9, name="customer 9")
    vendor.put(J, 2, status="Open", unitId=5, customerId=9)
    jobs_are_asked_for, export_page = asyncio.Event(), vendor.export_page

    async def customers_come_late(endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        if endpoint == J:
            jobs_are_asked_for.set()
        if endpoint == C:
            await jobs_are_asked_for.wait()
        return await export_page(endpoint, token, query)

    monkeypatch.setattr(vendor, "export_page", customers_come_late)
    async with asyncio.timeout(30):
        await work.run_entities(chosen)
    assert await rows(
        pool,
        "select c.local_synced_at < j.local_synced_at from servicetitan.t_customers c, servicetitan.t_jobs j "
        "where c.st_id = 9 and j.st_id = 2",
    ) == [(True,)]


async def test_entities_never_wait_for_each_other_in_one_place(pool: Pool, vendor: Vendor) -> None:
    vendor.put(J, 1, status="Open", unitId=5, customerId=1)
    vendor.put(U, 5, name="Install")
    work, chosen = engine(pool, vendor, side_by_side=1), [JOBS, CONTACTS, CUSTOMERS, UNITS]
    for _ in range(2):
        async with asyncio.timeout(30):
            report = await work.run_entities(chosen)
        assert report.status == "succeeded"


async def test_a_first_load_waits_for_nothing_that_decides_nothing(pool: Pool, vendor: Vendor) -> None:
    vendor.put(U, 5, name="Install")
    for st_id in range(1, 20):
        vendor.put(J, st_id, status="Open", unitId=5, customerId=1)
    report = await engine(pool, vendor, side_by_side=1).run_entities([CUSTOMERS, UNITS, JOBS])
    order = [endpoint for endpoint, _ in vendor.pages]
    assert order.index(U) < order.index(J)
    assert {each.status for each in report.entities} == {"succeeded"}
    [(events,)] = await rows(
        pool, "select count(*) from automation.events where historical and event_type = 'install_job_created'"
    )
    assert events == 19


async def test_an_entity_without_news_writes_nothing_but_its_line(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    await work.run_entities([CUSTOMERS])
    query = (
        "select key, value, xmin::text from servicetitan.sync_state where key like 'customers%' order by 1"
    )
    before = await rows(pool, query)
    assert line(await work.run_entities([CUSTOMERS])) == ("succeeded", 0, 0, 0, 0, 1)
    assert await rows(pool, query) == before


async def test_two_runs_at_once_do_not_read_twice(pool: Pool, vendor: Vendor) -> None:
    async with locks.open_locks(pool, SystemClock()) as others, others.held("sync 7 customers"):
        report = await engine(pool, vendor).run_entities([CUSTOMERS])
        assert report.entities[0].status == "skipped"
        waiting = asyncio.create_task(engine(pool, vendor).run_entities([CUSTOMERS], full=True))
        await asyncio.sleep(0.1)
        assert vendor.pages == []
    assert (await waiting).status == "succeeded"


async def test_locks_that_are_gone_end_the_read(pool: Pool, vendor: Vendor) -> None:
    async with locks.open_locks(pool, SystemClock()) as held:
        await held.check()
        await rows(
            pool,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'perfectcatch locks' and datname = current_database()",
        )
        with pytest.raises(DatabaseUnavailable):
            await held.check()


async def test_a_record_that_changes_while_a_list_is_read_is_not_passed_over(
    pool: Pool, vendor: Vendor
) -> None:
    customers = replace(CUSTOMERS, feeds=changed(C))
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])
    await work.run_entities([customers])

    def later() -> None:
        vendor.between_pages = None
        vendor.put(C, 1, name="changed on a page already read")
        vendor.now += timedelta(minutes=20)
        vendor.put(C, 8, name="changed on the last page")

    vendor.between_pages = later
    await work.run_entities([customers], full=True)
    await work.run_entities([customers])
    found = await rows(pool, "select name from servicetitan.t_customers where st_id in (1, 8) order by st_id")
    assert found == [("changed on a page already read",), ("changed on the last page",)]


async def test_a_time_that_lies_ahead_does_not_hide_what_follows(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, feeds=changed(C))
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    vendor.records[C][2]["modifiedOn"] = "2099-01-01T00:00:00Z"
    await work.run_entities([customers])
    await work.run_entities([customers])
    vendor.put(C, 3, name="later")
    report = await work.run_entities([customers])
    assert report.entities[0].outcome.updated == 1


async def test_a_swap_between_two_pages_loses_nobody(pool: Pool, vendor: Vendor) -> None:
    customers = replace(CUSTOMERS, feeds=whole(C))
    work = engine(pool, vendor, entities=ENTITIES | {"customers": customers})
    await work.run_entities([customers])

    def swap() -> None:
        vendor.between_pages = None
        vendor.remove(C, 1)
        vendor.put(C, 99, name="new")

    for _ in range(3):  # seen before it went, absent, absent again
        vendor.between_pages = swap if 1 in vendor.records[C] else None
        await work.run_entities([customers], full=True)
    assert await live(pool) == [2, 3, 4, 5, 6, 7, 8, 99]


async def test_an_empty_answer_deletes_nothing(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    vendor.forgotten = set(range(1, 9))
    report = await work.run_entities([CUSTOMERS], full=True)
    assert report.entities[0].status == "held"
    assert report.status == "partial"
    assert await live(pool) == list(range(1, 9))
    vendor.forgotten = set()
    await work.run_entities([CUSTOMERS], full=True)
    assert await rows(pool, "select decision from servicetitan.sync_holds") == [
        ("settled by a later full read",)
    ]


async def test_a_reference_that_cannot_be_read_keeps_the_page_back(pool: Pool, vendor: Vendor) -> None:
    vendor.put(U, 4, name="Service")
    vendor.put(J, 1, status="Open", unitId=4)
    work = engine(pool, vendor)
    await work.run_entities([UNITS, JOBS])
    vendor.put(U, 5, name="Pool Install")
    vendor.put(J, 2, status="Open", unitId=5)
    vendor.down = {U}
    report = await work.run_entities([JOBS])
    assert report.status == "failed"
    assert "units" in (report.entities[0].error or "")
    vendor.down = set()
    report = await work.run_entities([JOBS])
    assert report.events == Counter({"job_created": 1, "install_job_created": 1})


async def test_followers_of_a_merged_record_are_read_even_after_a_failure(pool: Pool, vendor: Vendor) -> None:
    jobs = replace(JOBS, reads_one="t.jobs.get")
    customers = replace(CUSTOMERS, merged_into="mergedToId")
    work = engine(pool, vendor, entities=ENTITIES | {"jobs": jobs, "customers": customers})
    vendor.put(J, 1, status="Open", customerId=3)
    await work.run_entities([customers, jobs])
    vendor.put(C, 3, active=False, mergedToId=4)
    vendor.records[J][1]["customerId"] = 4
    vendor.down = {"t.jobs.get"}
    assert (await work.run_entities([customers])).status == "failed"
    vendor.down = set()
    await work.run_entities([customers])
    assert await rows(pool, "select customer_id from servicetitan.t_jobs") == [(4,)]


async def test_tokens_that_go_round_are_noticed(pool: Pool, vendor: Vendor) -> None:
    await engine(pool, vendor).run_entities([CUSTOMERS])
    vendor.pages.clear()
    vendor.round = iter(["101", "102"] * 6)
    report = await engine(pool, vendor).run_entities([CUSTOMERS])
    assert "does not go on" in (report.entities[0].error or "")
    assert len(vendor.pages) <= 4


async def test_a_feed_that_was_added_is_read_from_its_beginning(pool: Pool, vendor: Vendor) -> None:
    await engine(pool, vendor).run_entities([CUSTOMERS])
    vendor.put("t.more.export", 50, name="from another feed")
    grown = replace(CUSTOMERS, feeds=(*CUSTOMERS.feeds, *export("t.more.export")))
    work = engine(pool, vendor, entities=ENTITIES | {"customers": grown})
    assert (await work.run_entities([grown])).status == "succeeded"
    assert 50 in await live(pool)


async def test_a_program_error_in_one_entity_leaves_the_others_alone(pool: Pool, vendor: Vendor) -> None:
    vendor.put(U, 4, name="Service")
    vendor.broken = {U}
    report = await engine(pool, vendor).run_entities([UNITS, CUSTOMERS])
    assert report.status == "partial"
    assert len(await live(pool)) == 8


async def test_quarantine_is_tried_again(pool: Pool, vendor: Vendor) -> None:
    vendor.put(C, 3, balance="abc")
    await engine(pool, vendor).run_entities([CUSTOMERS])
    assert await redrive(pool, 7, ENTITIES) == {"stored": 0, "still_held": 1}
    mended = replace(CUSTOMERS, columns=tuple(each for each in CUSTOMERS.columns if each.name != "balance"))
    assert await redrive(pool, 7, ENTITIES | {"customers": mended}) == {"stored": 1, "still_held": 0}
    assert 3 in await live(pool)


async def test_credentials_that_are_refused_end_the_run(pool: Pool, vendor: Vendor) -> None:
    vendor.refusal = CredentialsRejected("crm: the key is wrong", cause="the key is wrong")
    work = engine(pool, vendor, side_by_side=1)
    report = await work.run_entities([UNITS, CUSTOMERS, JOBS])
    assert [(each.entity, each.status) for each in report.entities] == [
        ("customers", "failed"),  # in a first load the largest begins
        ("units", "failed"),
        ("jobs", "failed"),
    ]
    assert (report.status, report.exit_status, report.single_cause) == ("failed", 2, "the key is wrong")
    assert await rows(pool, "select module from servicetitan.st_sync_log") == [
        ("customers",)
    ]  # nobody else asked
    vendor.refusal = None
    assert (await work.run_entities([UNITS, CUSTOMERS, JOBS])).exit_status == 0


async def test_only_a_wrong_configuration_ends_with_2(pool: Pool, vendor: Vendor) -> None:
    vendor.put(U, 4, name="Service")
    vendor.down = {C}
    report = await engine(pool, vendor).run_entities([UNITS, CUSTOMERS])
    assert (report.status, report.exit_status, report.single_cause) == ("partial", 1, None)


async def test_an_unknown_kind_of_run_is_refused(pool: Pool, vendor: Vendor) -> None:
    with pytest.raises(BadArgument, match="choose one of full, incremental"):
        await engine(pool, vendor).run("everything")


async def test_a_whole_run_ends_with_the_clock_rules(pool: Pool, vendor: Vendor) -> None:
    vendor.put(J, 1, status="Open", dueDate="2020-01-01T00:00:00Z", balance=4)
    report = await engine(pool, vendor).run("full")
    assert report.status == "succeeded"
    assert report.past_events == Counter({"customer_created": 8, "job_created": 1, "job_overdue": 3})
    assert report.events == {}


async def test_what_pointed_to_a_merged_record_is_read_again(pool: Pool, vendor: Vendor) -> None:
    jobs = replace(JOBS, reads_one="t.jobs.get")
    customers = replace(CUSTOMERS, merged_into="mergedToId")
    work = engine(pool, vendor, entities=ENTITIES | {"jobs": jobs, "customers": customers})
    vendor.put(J, 1, status="Open", customerId=3)
    await work.run_entities([customers, jobs])
    vendor.put(C, 3, active=False, mergedToId=4)
    vendor.records[J][1]["customerId"] = 4  # its modification time stays as it was
    report = await work.run_entities([customers])
    assert await rows(pool, "select customer_id from servicetitan.t_jobs") == [(4,)]
    assert report.events == Counter({"customer_merged": 1, "job_moved": 1})


async def test_a_feed_that_goes_in_circles_is_left_where_it_was_taken_up(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await work.run_entities([CUSTOMERS])
    before = await rows(pool, "select value from servicetitan.sync_state where key = 'customers_cursor'")
    vendor.put(C, 1, name="changed")
    vendor.circle = (vendor.records[C][1], count(1000))
    for full in (False, True):
        start = len(vendor.pages)
        report = await work.run_entities([CUSTOMERS], full=full)
        assert "does not go on: it answers with nothing new" in (report.entities[0].error or "")
        assert len(vendor.pages) - start <= 3
        place = await rows(pool, "select value from servicetitan.sync_state where key = 'customers_cursor'")
        assert place == before
    vendor.circle = None
    vendor.put(C, 2, name="later")
    report = await work.run_entities([CUSTOMERS])
    assert report.entities[0].outcome.updated == 1
    assert await live(pool) == list(range(1, 9))


@pytest.mark.parametrize("ours_is_wrong_by", [timedelta(), timedelta(hours=24), timedelta(hours=-24)])
async def test_a_time_that_lies_ahead_does_not_blind_a_list(
    pool: Pool, vendor: Vendor, ours_is_wrong_by: timedelta
) -> None:
    """The vendor dates one record most of a day ahead; what changes afterwards is seen all the same."""
    clock = FakeClock(datetime.now(UTC))
    clock.skew(ours_is_wrong_by)
    customers = replace(CUSTOMERS, feeds=changed(C))
    work = engine(pool, vendor, clock=clock, entities=ENTITIES | {"customers": customers})
    vendor.now = vendor.time_told = datetime.now(UTC) - timedelta(hours=2)
    vendor.put(C, 1, name="before")
    vendor.now += timedelta(hours=20)
    vendor.put(C, 2, name="from the future")
    vendor.now -= timedelta(hours=20)
    await work.run_entities([customers])
    vendor.time_told += timedelta(hours=1)
    vendor.now = vendor.time_told
    for name in ("once", "twice"):
        vendor.put(C, 3, name=name)
        vendor.time_told = vendor.now
        report = await work.run_entities([customers])
        assert report.entities[0].outcome.updated == 1
    [(newest,)] = await rows(
        pool, "select value from servicetitan.sync_state where key = 'customers_last_modified'"
    )
    assert abs(datetime.fromisoformat(newest) - vendor.now) <= timedelta(seconds=1)
