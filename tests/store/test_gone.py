"""Nothing is taken for deleted because an answer of the vendor lagged behind, or left something out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from declared import CONTACTS, CUSTOMERS, ENTITIES
from vendor import Vendor

from perfectcatch.errors import ScopeMissing
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import BrokenRecord, Form, Listing, Page
from perfectcatch.store.pool import Pool
from perfectcatch.sync.engine import Engine

K, C = "t.contacts.export", "t.customers.export"
KEPT = replace(CONTACTS, inactive_means=CUSTOMERS.inactive_means)  # those that are switched off are living
BY_OWNER = Listing(
    endpoint="t.contacts.list", owner=("customerIds", "customers"), form=Form(adds=(("active", True),))
)
BY_IDS = Listing(endpoint="t.contacts.list", by_ids=True)


class Lagging(Vendor):
    """Some of its answers are those of a copy that lags behind."""

    lags: int = 0  # so many of the answers to come that end the feed

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str | None, Page] = {}

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        page = await super().export_page(endpoint, token, query)
        earlier = self.said.setdefault(token, page)
        if self.lags and not earlier.has_more and page != earlier:
            self.lags -= 1
            return earlier
        return page


async def read(pool: Pool, vendor: Vendor, entity: Entity = KEPT, **more: Any) -> Any:
    engine = Engine(
        pool=pool,
        source=vendor,
        clock=SystemClock(),
        zone="America/New_York",
        entities=ENTITIES | {"contacts": entity},
    )
    return await engine.run_entities([entity], full=True, **more)


async def living(pool: Pool) -> list[int]:
    async with pool.connection() as connection:
        found = await connection.execute(
            "select st_id from servicetitan.t_contacts where deleted_at is null order by 1"
        )
        return [row[0] for row in await found.fetchall()]


async def test_the_end_of_a_feed_that_is_shown_as_it_was_deletes_nothing(declared_pool: Pool) -> None:
    vendor = Lagging()
    for st_id in range(1, 6):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)
    vendor.put(K, 5, customerId=2)  # it moves to the end of the feed
    for st_id in range(6, 9):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)
    vendor.lags = 1
    report = await read(declared_pool, vendor)
    assert (vendor.lags, report.status, report.totals()["deactivated"]) == (0, "succeeded", 0)
    vendor.remove(K, 2)
    assert (await read(declared_pool, vendor)).totals()["deactivated"] == 1
    assert await living(declared_pool) == [1, 3, 4, 5, 6, 7, 8]


async def test_what_two_readings_leave_out_and_its_owner_has_is_there(declared_pool: Pool) -> None:
    vendor = Vendor(lists={K: BY_OWNER})
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=st_id % 2 + 1)
    await read(declared_pool, vendor)
    vendor.put(K, 4, customerId=1, value="555-0142")  # seen by nobody yet
    vendor.forgotten = {4, 5, 6}
    vendor.remove(K, 6)
    report = await read(declared_pool, vendor)
    assert (report.status, report.totals()["deactivated"]) == ("succeeded", 1)
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]
    async with declared_pool.connection() as connection:
        found = await connection.execute("select value from servicetitan.t_contacts where st_id = 4")
        assert await found.fetchone() == ("555-0142",)


@pytest.mark.parametrize("switched_off", [False, True])
async def test_of_what_its_owner_s_list_cannot_show_the_feed_alone_tells(
    declared_pool: Pool, switched_off: bool
) -> None:
    vendor = Vendor(lists={K: BY_OWNER})
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=1)
    whose = {"active": False} if switched_off else {"customerId": None}
    vendor.put(K, 4, **whose)
    await read(declared_pool, vendor)
    vendor.remove(K, 4)
    assert (await read(declared_pool, vendor)).totals()["deactivated"] == 1


async def test_what_the_list_has_by_its_id_is_there(declared_pool: Pool) -> None:
    vendor = Vendor(lists={K: BY_IDS})
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)
    vendor.forgotten = set(range(1, 8))  # most of them: each is asked for all the same
    vendor.remove(K, 6)
    report = await read(declared_pool, vendor)
    assert (report.status, report.totals()["deactivated"]) == ("succeeded", 1)
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]


class Garbled(Vendor):
    """Its lists show one record so that nobody can tell what it is."""

    as_json: bool = True

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        shown = await super().list_page(endpoint, page, size, query)
        whole, spoilt = [], []
        for record in map(bytes, shown.records):
            if b'"id": 4,' not in record:
                whole.append(record)
            elif self.as_json:
                whole.append(record.replace(b'"id": 4,', b'"id": null,'))
            else:
                spoilt.append(BrokenRecord(b"{NaN", "not JSON"))
        return replace(shown, records=whole, broken=spoilt)


@pytest.mark.parametrize("listing", [BY_IDS, BY_OWNER])
@pytest.mark.parametrize("as_json", [True, False])
async def test_nothing_is_gone_while_an_answer_cannot_be_understood(
    declared_pool: Pool, listing: Listing, as_json: bool
) -> None:
    vendor = Garbled(lists={K: listing})
    vendor.as_json = as_json
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)
    vendor.forgotten = {4}
    report = await read(declared_pool, vendor)
    assert report.totals()["deactivated"] == 0
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 6, 7, 8]


class Closed(Vendor):
    """Its lists are not for us."""

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        raise ScopeMissing("the app may not read this list")


@pytest.mark.parametrize("listing", [BY_IDS, BY_OWNER])
async def test_where_the_list_is_refused_two_full_reads_in_a_row_have_to_agree(
    declared_pool: Pool, listing: Listing
) -> None:
    vendor = Closed(lists={K: listing})
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)
    vendor.remove(K, 4)
    for deleted in (0, 1):
        report = await read(declared_pool, vendor)
        assert (report.status, report.totals()["deactivated"]) == ("succeeded", deleted)
