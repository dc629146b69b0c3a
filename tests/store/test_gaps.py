"""The mirror beside a vendor in memory: what a comparison finds, explains, mends, and how sure it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from declared import CONTACTS, CUSTOMERS, ENTITIES
from vendor import Vendor

from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import Listing
from perfectcatch.store.gaps import Gap
from perfectcatch.store.pool import Pool
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.gaps import examine
from perfectcatch.sync.gaps.prove import prove

C, K = "t.customers.export", "t.contacts.export"
NUMBER = 600
LISTED = replace(CUSTOMERS, reads_one="t.customers.get")
SINGLY = Listing(endpoint="t.customers.list", by_ids=True, page_size=50)
WINDOWS = Listing(endpoint="t.contacts.list", page_size=50)


@pytest.fixture
def pool(declared_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(examine, "LEAF", 20)
    return declared_pool


@pytest.fixture
def vendor() -> Vendor:
    made = Vendor(page_size=1000)
    for st_id in range(1, NUMBER + 1):
        made.put(C, st_id, name=f"customer {st_id}")
    made.lists[C] = SINGLY
    return made


def engine(pool: Pool, vendor: Vendor, **entities: Entity) -> Engine:
    known = ENTITIES | {"customers": LISTED} | entities
    return Engine(pool=pool, source=vendor, entities=known, clock=SystemClock(), zone="UTC")


async def load(work: Engine, *entities: Entity) -> None:
    """Read everything, an hour ago."""
    await work.run_entities(list(entities or [LISTED]))


async def execute(pool: Pool, statement: str) -> list[Any]:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


async def gap(work: Engine, *, entity: Entity = LISTED, requests: int = 14, repair: bool = False) -> Gap:
    proof = await prove(work, [entity], requests=requests, repair=repair)
    [one] = proof.gaps
    assert one.requests <= requests
    return one


def ids(found: Gap) -> dict[str, list[int]]:
    return {kind: each["ids"] for kind, each in found.details.items()}


async def test_equal_with_so_few_requests_is_as_sure_as_the_sample(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)
    found = await gap(work)
    assert (found.verdict, found.vendor_count, found.mirror_count) == ("equal", NUMBER, NUMBER)
    assert found.compared == 400
    assert found.sure == (
        "counts agree in all 3 windows; 400 of 600 records compared, all equal; "
        "with 95 % certainty at most 0.4 % more differ"
    )
    assert found.at_most is not None
    certain = await gap(work, requests=40)
    assert certain.sure == "certain: all 600 records were compared"


async def test_counts_lead_to_what_is_missing_with_few_requests(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)
    await execute(pool, "delete from servicetitan.t_customers where st_id in (100, 471)")
    found = await gap(work, requests=15)
    assert found.verdict == "lost"
    assert ids(found) == {"lost": [100, 471]}
    assert vendor.counted <= 1 + 2 + 2 * 6  # the whole, two cuts, and two windows halved to less than 20
    found = await gap(work, requests=15, repair=True)
    assert (found.verdict, found.repaired, found.mirror_count) == ("repaired", 2, NUMBER)


async def test_a_record_gone_there_is_explained_and_marked_only_after_a_404(
    pool: Pool, vendor: Vendor
) -> None:
    work = engine(pool, vendor)
    await load(work)
    vendor.remove(C, 5)
    vendor.unlisted = {7}  # the list hides it, a read by its id does not
    found = await gap(work, requests=40)
    assert ids(found) == {"deleted": [5], "out_of_scope": [7]}
    assert (found.verdict, found.gone) == ("explained", 2)
    found = await gap(work, requests=40, repair=True)
    assert found.verdict == "repaired"
    assert await execute(pool, "select st_id from servicetitan.t_customers where deleted_at is not null") == [
        (5,)
    ]


async def test_what_is_younger_than_the_last_read_is_not_lost(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)
    await execute(pool, "update servicetitan.st_sync_log set started_at = '2026-05-01 00:05Z'")
    vendor.now += timedelta(hours=1)
    vendor.put(C, 3, name="changed")
    vendor.put(C, NUMBER + 1, name="new")
    found = await gap(work, requests=40)
    assert ids(found) == {"not_read_yet": [3, NUMBER + 1]}
    assert found.verdict == "explained"
    await work.run_entities([LISTED])
    assert (await gap(work, requests=40)).verdict == "equal"


async def test_a_change_that_a_read_missed_is_outdated_and_mended_as_history(
    pool: Pool, vendor: Vendor
) -> None:
    work = engine(pool, vendor)
    await load(work)
    vendor.put(C, 3, name="changed", mergedToId=4)
    vendor.forgotten = {3}
    await work.run_entities([LISTED])
    found = await gap(work, requests=40)
    assert ids(found) == {"outdated": [3]}
    found = await gap(work, requests=40, repair=True)
    assert (found.verdict, found.details) == ("repaired", {})
    assert await execute(
        pool, "select historical from automation.events where event_type = 'customer_merged'"
    )
    assert await execute(pool, "select full_data->>'name' from servicetitan.record_history") == [
        ("customer 3",)
    ]


async def test_damage_is_seen_in_document_columns_hash_and_time(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)
    for change in (
        'full_data = full_data || \'{"name": "x"}\' where st_id = 1',
        "name = 'x' where st_id = 2",
        "full_data = full_data || '{\"name\": \"x\"}', st_modified_on = '2030-01-01' where st_id = 3",
        "content_hash = '\\x00' where st_id = 4",
        "st_modified_on = '2030-01-01' where st_id = 5",
    ):
        await execute(pool, f"update servicetitan.t_customers set {change}")
    found = await gap(work, requests=40)
    assert ids(found) == {"differs": [1, 2, 3, 5]}
    found = await gap(work, requests=40, repair=True)
    assert (found.verdict, found.repaired) == ("repaired", 4)
    assert await execute(pool, "select count(*) from servicetitan.t_customers where name = 'x'") == [(0,)]
    vendor.put(C, 3, name="later")
    await work.run_entities([LISTED])
    assert await execute(pool, "select name from servicetitan.t_customers where st_id = 3") == [("later",)]


async def test_a_record_in_quarantine_is_explained(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    vendor.put(C, 2, name="a", balance="much")
    await load(work)
    found = await gap(work, requests=40)
    assert (ids(found), found.verdict) == ({"quarantined": [2]}, "explained")


async def test_what_moves_between_two_pages_is_no_gap(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)

    def vanish() -> None:
        vendor.between_pages = None
        vendor.remove(C, 1)

    vendor.between_pages = vanish  # each record behind it moves forward, one of them past the page
    found = await gap(work, requests=40)
    assert set(ids(found)) <= {"deleted"}
    assert ids(found).get("deleted", [1]) == [1]


async def test_too_much_gone_waits_for_a_person(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)
    for st_id in range(1, 61):
        vendor.remove(C, st_id)
    found = await gap(work, requests=200, repair=True)
    assert (found.verdict, found.gone, found.mirror_count) == ("held", 60, NUMBER)
    assert await execute(pool, "select entity, found, total from servicetitan.sync_holds") == [
        ("customers", 60, NUMBER)
    ]


async def test_without_single_reads_windows_are_drawn_and_read_again(pool: Pool, vendor: Vendor) -> None:
    for st_id in range(1, 201):
        vendor.put(K, st_id, customerId=st_id, type="Phone", value="x")
    vendor.lists[K] = WINDOWS
    work = engine(pool, vendor)
    await load(work, CONTACTS)
    vendor.remove(K, 150)
    found = await gap(work, entity=CONTACTS, requests=20)
    assert (ids(found), found.verdict) == ({"deleted": [150]}, "explained")
    found = await gap(work, entity=CONTACTS, requests=6)
    assert "of the windows hold a difference" in found.sure or found.verdict == "unsure"
    found = await gap(work, entity=CONTACTS, requests=20, repair=True)
    assert await execute(pool, "select count(*) from servicetitan.t_contacts where deleted_at is null") == [
        (200,)
    ]


async def test_a_feed_without_a_list_is_read_by_pages(pool: Pool, vendor: Vendor) -> None:
    vendor.lists = {}
    work = engine(pool, vendor)
    await load(work)
    await execute(pool, "delete from servicetitan.t_customers where st_id = 9")
    vendor.remove(C, 10)
    found = await gap(work, requests=10)
    assert (ids(found), found.vendor_count) == ({"lost": [9], "deleted": [10]}, None)
    found = await gap(work, requests=10, repair=True)
    assert found.details.keys() == {"deleted"} or found.verdict == "repaired"


async def test_no_request_left_is_said(pool: Pool, vendor: Vendor) -> None:
    work = engine(pool, vendor)
    await load(work)
    await execute(pool, "delete from servicetitan.t_customers where st_id > 400")
    found = await gap(work, requests=2)
    assert found.verdict == "unsure"


async def test_a_vendor_that_is_down_stops_only_its_own_entity(pool: Pool, vendor: Vendor) -> None:
    vendor.put(K, 1, customerId=1, type="Phone", value="x")
    vendor.lists[K] = WINDOWS
    work = engine(pool, vendor)
    await load(work, LISTED, CONTACTS)
    vendor.down = {"t.customers.list"}
    proof = await prove(work, [LISTED, CONTACTS, ENTITIES["jobs"]])
    assert [each.verdict for each in proof.gaps] == ["failed", "equal", "unread"]
    assert not proof.well
    assert await execute(pool, "select mode, status from servicetitan.sync_runs where mode = 'gaps'") == [
        ("gaps", "partial")
    ]
    kept = await execute(pool, "select entity, verdict from servicetitan.sync_gaps order by 1")
    assert kept == [("contacts", "equal"), ("customers", "failed"), ("jobs", "unread")]
