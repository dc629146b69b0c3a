"""Nothing is taken for deleted because an answer of the vendor lagged behind, or left something out."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from declared import CONTACTS, CUSTOMERS, ENTITIES
from vendor import Vendor

from perfectcatch.errors import CredentialsRejected, DatabaseUnavailable, ScopeMissing, VendorUnavailable
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import BrokenRecord, Form, Listing, Page
from perfectcatch.store import state
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.place import Place

K, C = "t.contacts.export", "t.customers.export"
KEPT = replace(CONTACTS, inactive_means=CUSTOMERS.inactive_means)  # who is switched off is not gone
OWNERS = replace(CUSTOMERS, merged_into="mergedToId")
BY_OWNER = Listing(
    endpoint="t.contacts.list", owner=("customerIds", "customers"), form=Form(adds=(("active", True),))
)
BY_IDS = Listing(endpoint="t.contacts.list", by_ids=True)


class Lagging(Vendor):
    """Some of its answers are those of a copy that lags behind."""

    lags: int = 0  # so many of the answers to come that end the feed
    copy: Vendor | None = None

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        page = await super().export_page(endpoint, token, query)
        if self.lags and self.copy is not None:
            earlier = await self.copy.export_page(endpoint, token, query)
            if not earlier.has_more and token is not None:
                self.lags -= 1
                return earlier
        return page


async def read(pool: Pool, vendor: Vendor, entity: Entity = CONTACTS, *, full: bool = True) -> Any:
    engine = Engine(
        pool=pool,
        source=vendor,
        clock=SystemClock(),
        zone="America/New_York",
        entities=ENTITIES | {"customers": OWNERS, entity.name: entity},
    )
    return await engine.run_entities([entity], full=full)


async def known(pool: Pool, vendor: Vendor) -> None:
    """Eight contacts of two customers, all of them read."""
    for st_id in (1, 2):
        vendor.put(C, st_id, name="x")
    await read(pool, vendor, OWNERS)
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=st_id % 2 + 1)
    await read(pool, vendor)


async def is_gone_at_the_second_read(pool: Pool, vendor: Vendor) -> None:
    for deleted in (0, 1):
        report = await read(pool, vendor)
        assert (report.status, report.totals()["deactivated"]) == ("succeeded", deleted)


async def living(pool: Pool) -> list[int]:
    async with pool.connection() as connection:
        found = await connection.execute(
            "select st_id from servicetitan.t_contacts where deleted_at is null order by 1"
        )
        return [row[0] for row in await found.fetchall()]


@pytest.mark.parametrize("lists", [{}, {K: BY_OWNER}])
async def test_the_end_of_a_feed_that_is_shown_as_it_was_deletes_nothing(
    declared_pool: Pool, lists: dict[str, Listing]
) -> None:
    """Not even what is with another owner by now, in whose list nobody would look for it."""
    vendor = Lagging(lists=lists)
    for st_id in range(1, 6):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)
    vendor.copy = Vendor(records=deepcopy(vendor.records), changes=dict(vendor.changes))
    vendor.put(K, 2, customerId=2)  # it moves to the end of the feed
    for st_id in range(6, 9):
        vendor.put(K, st_id, customerId=1)
    for _ in range(2):
        vendor.lags = 1
        report = await read(declared_pool, vendor)
        assert (vendor.lags, report.status, report.totals()["deactivated"]) == (0, "succeeded", 0)
        assert await living(declared_pool) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_what_two_readings_leave_out_and_its_owner_has_is_there(declared_pool: Pool) -> None:
    vendor = Vendor(lists={K: BY_OWNER})
    await known(declared_pool, vendor)
    vendor.put(K, 4, customerId=1, value="555-0142")  # seen by nobody yet
    vendor.forgotten = {4, 5, 6}
    vendor.remove(K, 6)
    report = await read(declared_pool, vendor)
    assert (report.status, report.totals()["deactivated"]) == ("succeeded", 1)
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]
    async with declared_pool.connection() as connection:
        found = await connection.execute("select value from servicetitan.t_contacts where st_id = 4")
        assert await found.fetchone() == ("555-0142",)


@pytest.mark.parametrize("listing", [BY_IDS, BY_OWNER])
async def test_an_answer_of_several_pages_is_heard_out(declared_pool: Pool, listing: Listing) -> None:
    vendor = Vendor(lists={K: replace(listing, page_size=2)})
    await known(declared_pool, vendor)
    vendor.forgotten = {2, 4, 6, 8}
    vendor.remove(K, 6)
    assert (await read(declared_pool, vendor)).totals()["deactivated"] == 1
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]


@pytest.mark.parametrize("switched_off", [False, True])
async def test_of_what_no_list_can_show_two_full_reads_in_a_row_tell(
    declared_pool: Pool, switched_off: bool
) -> None:
    vendor, contacts = Vendor(lists={K: BY_OWNER}), KEPT if switched_off else CONTACTS
    await known(declared_pool, vendor)
    whose: dict[str, Any] = {"active": False} if switched_off else {"customerId": None}
    vendor.put(K, 4, **whose)
    await read(declared_pool, vendor, contacts)
    vendor.forgotten = {4}
    for deleted in (0, 1):
        assert (await read(declared_pool, vendor, contacts)).totals()["deactivated"] == deleted


async def test_what_has_gone_to_another_owner_is_looked_for_there(declared_pool: Pool) -> None:
    """Two customers were merged, one after the other, and their contacts moved without a trace."""
    vendor = Vendor(lists={K: BY_OWNER})
    await known(declared_pool, vendor)
    vendor.put(C, 9, name="z")
    vendor.put(C, 1, active=False, mergedToId=2)
    vendor.put(C, 2, active=False, mergedToId=9)
    await read(declared_pool, vendor, OWNERS)
    vendor.remove(K, 6)
    for record in vendor.records[K].values():
        record["customerId"] = 9
    vendor.forgotten = {4, 5, 6}
    assert (await read(declared_pool, vendor)).totals()["deactivated"] == 1
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]


async def test_what_the_list_has_by_its_id_is_there(declared_pool: Pool) -> None:
    vendor = Vendor(lists={K: BY_IDS})
    await known(declared_pool, vendor)
    vendor.forgotten = {4, 5, 6}
    vendor.remove(K, 6)
    report = await read(declared_pool, vendor)
    assert (report.status, report.totals()["deactivated"]) == ("succeeded", 1)
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]


@pytest.mark.parametrize("listing", [BY_IDS, BY_OWNER])
async def test_a_vendor_that_has_nothing_any_more_is_not_believed(
    declared_pool: Pool, listing: Listing
) -> None:
    vendor = Vendor(lists={K: listing})
    await known(declared_pool, vendor)
    vendor.forgotten = vendor.unlisted = set(range(1, 9))
    assert [each.status for each in (await read(declared_pool, vendor)).entities] == ["held"]
    assert len(await living(declared_pool)) == 8


class Garbled(Vendor):
    """Its lists show one record in a way of its own."""

    garbled: bytes | None = None  # it is no JSON; else it is, without an id

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        shown = await super().list_page(endpoint, page, size, query)
        whole, spoilt = [], []
        for record in map(bytes, shown.records):
            if b'"id": 4,' not in record:
                whole.append(record)
            elif self.garbled is None:
                whole.append(record.replace(b'"id": 4,', b'"id": null,'))
            else:
                spoilt.append(BrokenRecord(self.garbled, "not JSON"))
        return replace(shown, records=whole, broken=spoilt)


@pytest.mark.parametrize("listing", [BY_IDS, BY_OWNER])
@pytest.mark.parametrize("garbled", [None, b"{NaN"])
async def test_nothing_is_gone_while_an_answer_cannot_be_understood(
    declared_pool: Pool, listing: Listing, garbled: bytes | None
) -> None:
    vendor = Garbled(lists={K: listing})
    vendor.garbled = garbled
    await known(declared_pool, vendor)
    vendor.forgotten = {4}
    report = await read(declared_pool, vendor)
    assert report.totals()["deactivated"] == 0
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 6, 7, 8]


class Useless(Vendor):
    """What its lists say is of no use."""

    fault: str = ""
    asked: int = 0

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        self.asked += 1
        if self.fault == "about others":
            others = [f'{{"id": {1000 + 3 * page + each}}}'.encode() for each in range(3)]
            return Page(records=others, has_more=page < 5000)
        shown = await super().list_page(endpoint, page, size, query)
        match self.fault:
            case "refused":
                raise ScopeMissing("the app may not read this list")
            case "unauthorized":
                raise CredentialsRejected("the vendor refused the credentials")
            case "down":
                raise VendorUnavailable("the vendor does not answer")
            case "endless":
                return replace(shown, has_more=True)
            case "empty, with more":
                return replace(shown, records=[], has_more=True)
        return shown


@pytest.mark.parametrize("listing", [BY_IDS, BY_OWNER])
@pytest.mark.parametrize(
    "fault", ["refused", "unauthorized", "down", "endless", "empty, with more", "about others"]
)
async def test_where_the_list_is_of_no_use_two_full_reads_in_a_row_have_to_agree(
    declared_pool: Pool, listing: Listing, fault: str
) -> None:
    vendor = Useless(lists={K: listing})
    await known(declared_pool, vendor)
    vendor.fault = fault
    vendor.remove(K, 4)
    await is_gone_at_the_second_read(declared_pool, vendor)
    assert vendor.asked < 30


@pytest.mark.parametrize("between", ["clear", "changed", "held", "broken off", "given up"])
async def test_only_the_full_read_before_counts(declared_pool: Pool, between: str) -> None:
    vendor = Useless(lists={K: BY_IDS})
    for st_id in range(1, 9):
        vendor.put(K, st_id, customerId=1)
    await read(declared_pool, vendor)

    async def overlooked(*ids: int) -> str:
        vendor.forgotten = set(ids)
        return (await read(declared_pool, vendor)).status

    vendor.fault = "refused"
    assert await overlooked(4) == "succeeded"
    match between:
        case "clear":
            await overlooked()
        case "changed":
            vendor.forgotten = set()
            vendor.put(K, 4, customerId=2)
            await read(declared_pool, vendor, full=False)
        case "held":
            assert await overlooked(1, 2, 3, 5, 6, 7, 8) != "succeeded"
        case "broken off" | "given up":
            vendor.fail_after = len(vendor.pages) + 2
            assert await overlooked() == "failed"
            vendor.fail_after = None
            if between == "given up":
                async with transaction(declared_pool) as connection:
                    await state.forget(connection, vendor.tenant_id, "contacts_checkpoint")
    assert await overlooked(4) == "succeeded"
    assert 4 in await living(declared_pool)


async def test_a_read_that_is_taken_up_again_at_its_end_is_not_two(
    declared_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Vendor()
    await known(declared_pool, vendor)
    vendor.forgotten = {4}
    with monkeypatch.context() as patched:

        async def dies(*_: Any, **__: Any) -> None:
            raise DatabaseUnavailable("the connection to the database was lost")

        patched.setattr(Place, "keep_end", dies)
        assert (await read(declared_pool, vendor)).status == "failed"
    assert (await read(declared_pool, vendor)).totals()["deactivated"] == 0
    assert (await read(declared_pool, vendor)).totals()["deactivated"] == 1


async def test_a_record_that_is_broken_for_ever_keeps_no_other_alive(declared_pool: Pool) -> None:
    vendor = Garbled(lists={K: BY_OWNER})
    vendor.garbled = b'{"id": 4, "odd": NaN}'
    await known(declared_pool, vendor)
    vendor.forgotten = {4}
    vendor.remove(K, 6)
    report = await read(declared_pool, vendor)
    assert (report.status, report.totals()["deactivated"]) == ("succeeded", 1)
    assert await living(declared_pool) == [1, 2, 3, 4, 5, 7, 8]


async def test_what_an_earlier_version_has_kept_is_no_full_read_before(declared_pool: Pool) -> None:
    vendor = Vendor()
    await known(declared_pool, vendor)
    async with transaction(declared_pool) as connection:
        await state.put(connection, vendor.tenant_id, "contacts_absent", [4])
    vendor.remove(K, 4)
    await is_gone_at_the_second_read(declared_pool, vendor)


class Going(Vendor):
    """It promises more at the end of its feed, for ever."""

    goes_on: bool = False

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        page = await super().export_page(endpoint, token, query)
        return replace(page, has_more=True) if self.goes_on and not page.records else page


async def test_where_a_feed_does_not_end_its_lists_are_not_asked(declared_pool: Pool) -> None:
    vendor = Going(lists={K: BY_IDS})
    await known(declared_pool, vendor)
    vendor.goes_on = True
    vendor.remove(K, 4)
    await is_gone_at_the_second_read(declared_pool, vendor)
