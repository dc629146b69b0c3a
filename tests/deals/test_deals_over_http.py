"""Deals over HTTP to the simulated location, with its rate, its late searches and its faults."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from dealer import Dealer

from perfectcatch.connections import open_deals
from perfectcatch.deals import working
from perfectcatch.deals.hints import follow
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.webhook import Delivery, Hint
from perfectcatch.sandbox.gohighlevel.server import LOCATION, PRIVATE_TOKEN, VENDOR, Fault, Vendor, make_app
from perfectcatch.settings import Settings
from perfectcatch.store import inbox
from perfectcatch.store.inbox import Arrival
from perfectcatch.store.pool import Pool
from vendors.gohighlevel.ghl_location import served
from workflows.shop import Shop

TENANT = 2900
FAULTS = (None, "500_after", "429", "422_after")


@asynccontextmanager
async def dealing(pool: Pool, tenant: int) -> AsyncIterator[tuple[Dealer, Vendor]]:
    app = make_app()
    app[VENDOR].account.index_seconds = 0.2
    async with served(app) as url:
        settings = Settings(
            service_titan_tenant_id=tenant,
            ghl_api_key=PRIVATE_TOKEN,
            ghl_location_id=LOCATION,
            ghl_api_url=url,
            ghl_sync_enabled=True,
        )
        async with open_deals(settings, pool, SystemClock()) as deals:
            assert deals is not None
            dealer = Dealer.new(pool, tenant)
            dealer.deals = deals
            dealer.shop = Shop(pool, tenant)
            yield dealer, app[VENDOR]


def stage(vendor: Vendor) -> list[tuple[str, str]]:
    names = {
        each["id"]: (line["name"], each["name"])
        for line in vendor.account.pipelines
        for each in line["stages"]
    }
    return [
        (" / ".join(names[each["pipelineStageId"]]), each["status"])
        for each in vendor.account.opportunities.values()
    ]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_deal_goes_its_way_over_http(deals_pool: Pool, fault: str | None) -> None:
    tenant = TENANT + FAULTS.index(fault)
    async with dealing(deals_pool, tenant) as (dealer, vendor):
        now = dealer.deals.clock.now()
        await dealer.begin()
        if fault is not None:
            vendor.faults.append(Fault(fault, times=2, on="POST /"))
        await dealer.shop.customer(7, createdOn=now.isoformat())
        await dealer.run()
        for _ in range(6):
            if not await dealer.waiting():
                break
            await dealer.deals.clock.sleep(dealer.deals.rules.settle_seconds / 4)
            await dealer.run()
        assert stage(vendor) == [("SALES / New Lead", "open")]
        await dealer.shop.job(70, 7, now)
        await dealer.visit(71, 70, 7, now)
        await dealer.run()
        assert stage(vendor) == [("SALES / Appointment Scheduled", "open")]
        await dealer.shop.estimate(72, 70, 7, now, "Sold", name="Heater", subtotal=5200)
        await dealer.run()
        assert stage(vendor) == [("SALES / Job Sold", "won")]
        [deal] = vendor.account.opportunities.values()
        assert (deal["monetaryValue"], deal["name"]) == (5200, "Lee, Ann - Heater - $5,200.00")
        [contact] = vendor.account.contacts.values()
        assert contact["tags"] == ["perfect-catch"]
        assert await dealer.waiting() == []
        calls = [each["what"] for each in vendor.calls]
        if fault is None:
            per_move = calls[-2:]
            assert [each.split()[0] for each in per_move] == ["GET", "PUT"]


async def test_a_creation_that_the_vendor_carries_out_too_late_is_listed(deals_pool: Pool) -> None:
    async with dealing(deals_pool, TENANT + 40) as (dealer, vendor):
        dealer.deals.rules = replace(dealer.deals.rules, settle_seconds=0.2)
        vendor.account.rules.one_opportunity = "none"
        await dealer.begin()
        vendor.late.seconds = 1_000.0
        vendor.faults.append(Fault("late", times=1, on="POST /opportunities/"))
        await dealer.shop.customer(7, createdOn=dealer.deals.clock.now().isoformat())
        async with asyncio.timeout(60):
            while True:
                await dealer.run()
                if not await dealer.waiting():
                    break
        [mine] = vendor.account.opportunities.values()
        vendor.late.waiting = [(0.0, act) for _, act in vendor.late.waiting]
        await until(lambda: len(vendor.account.opportunities) == 2)
        [second] = set(vendor.account.opportunities) - {mine["id"]}
        hint = Delivery(event_type="OpportunityCreate", event_id=None, hints=(Hint("opportunity", second),))
        await inbox.receive(
            deals_pool, dealer.deals.tenant_id, Arrival(source="ghl", delivery=hint, headers={}, body=b"{}")
        )
        await follow(dealer.deals)
        await dealer.run()
        assert stage(vendor) == [("SALES / New Lead", "open"), ("SALES / New Lead", "open")]
        listed = await dealer.rows(
            "select field, ours, theirs, kept from integrations.deal_conflicts where tenant_id = %s"
        )
        assert listed == [("twin", mine["id"], second, "theirs")]


async def test_events_and_people_are_heard_while_it_runs(deals_pool: Pool) -> None:
    """Nobody asks: a committed event moves the deal, and a webhook brings what a person did."""
    async with dealing(deals_pool, TENANT + 50) as (dealer, vendor):
        now = dealer.deals.clock.now()
        await dealer.begin()
        async with working.at_work(dealer.deals, poll_seconds=60), asyncio.timeout(60):
            await dealer.shop.customer(7, createdOn=now.isoformat())
            await until(lambda: stage(vendor) == [("SALES / New Lead", "open")])
            await dealer.shop.job(70, 7, now)
            await dealer.visit(71, 70, 7, now)
            await until(lambda: stage(vendor) == [("SALES / Appointment Scheduled", "open")])
            [deal] = vendor.account.opportunities.values()
            vendor.account.update_opportunity(deal["id"], {"name": "Mine"})
            hint = Delivery(
                event_type="OpportunityUpdate", event_id=None, hints=(Hint("opportunity", deal["id"]),)
            )
            await inbox.receive(
                deals_pool,
                dealer.deals.tenant_id,
                Arrival(source="ghl", delivery=hint, headers={}, body=b"{}"),
            )
            await until(lambda: "Mine" not in str(vendor.account.opportunities))
            while await dealer.waiting():  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.02)
        rows = await dealer.rows("select field, kept from integrations.deal_conflicts where tenant_id = %s")
        assert rows == [("name", "ours")]


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the simulated vendor tells nobody
        await asyncio.sleep(0.02)
