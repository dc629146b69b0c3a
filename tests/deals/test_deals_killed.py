"""Workers that are processes of their own speak HTTP to the simulated location, and are killed at any moment.

What counts is what the location holds at the end: of each deal one opportunity in the stage that our records
imply, every tag and owner that a person has set, no contact twice, and nothing of ours beside it that is not
listed for a person as a second one.
"""

import asyncio
import logging
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deals.dealer import Collecting, Dealer
from deals.dealing_worker import NAME, SETTLE_SECONDS, settings_for
from perfectcatch.connections import open_deals
from perfectcatch.deals import working
from perfectcatch.deals.dispatch import settle
from perfectcatch.deals.journey import wanted
from perfectcatch.deals.pulling import pull
from perfectcatch.kit.clock import SystemClock
from perfectcatch.sandbox.gohighlevel.server import VENDOR, Fault, Vendor, make_app
from perfectcatch.store.deals import facts, rows
from perfectcatch.store.pool import Pool
from vendors.gohighlevel.ghl_location import served

WORKER = Path(__file__).with_name("dealing_worker.py")
TENANT = 2960
# Of a hundred calls five go wrong, half of them after they were carried out.
FAULTS = ("500_before", "503", "429", "500_after", "cut", "422_after")
SHARE = 0.05 / len(FAULTS)
A_MINUTE_LATER = (
    "update integrations.{} set creating_at = creating_at - interval '1 minute'"
    " where tenant_id = %s returning 1"
)


@dataclass
class Fleet:
    """``customers`` deals of a location, and the workers that come one after the other."""

    dealer: Dealer
    vendor: Vendor
    shop: Collecting
    arguments: tuple[str, ...]
    chance: random.Random
    customers: int
    kills: int  # for each of the two times that work is there
    counts: Counter[str] = field(default_factory=Counter)
    tags: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    worker: asyncio.subprocess.Process | None = None

    async def work(self) -> None:
        """Until everything is done: so many workers are killed before that, each after so many calls."""
        await self.shop.flush()
        for left in range(self.kills, -1, -1):
            if self.worker is None:
                self.worker = await asyncio.create_subprocess_exec(
                    sys.executable, str(WORKER), *self.arguments
                )
            most = max(2, self.customers * 2 // (self.kills + 1))
            calls = len(self.vendor.calls) + self.chance.randrange(1, most + 1)
            while (not left or len(self.vendor.calls) < calls) and not await self.is_done():
                assert self.worker.returncode is None
                await asyncio.sleep(0.05)
            if left:
                await self.kill()

    async def kill(self) -> None:
        """The worker dies on the spot."""
        if self.worker is not None:
            self.worker.kill()
            await self.worker.wait()
            self.worker = None
            self.counts["kills"] += 1
            await self.is_over()
            await self.time_passes()

    async def is_over(self) -> None:
        """The database has noticed: what it was still carrying out may be a claim, for five minutes."""
        sessions = "select 1 from pg_stat_activity where application_name = %s"
        async with asyncio.timeout(60), self.dealer.deals.pool.connection() as connection:
            while await (await connection.execute(sessions, (NAME,))).fetchone():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def time_passes(self) -> None:
        """Claims of the one that was killed run out, and so does the minute that its creations may take."""
        await self.dealer.rows(
            "update integrations.deal_queue set claimed_until = null where tenant_id = %s returning 1"
        )
        for table in ("deals", "deal_links"):
            await self.dealer.rows(A_MINUTE_LATER.format(table))

    async def is_done(self) -> bool:
        await settle(self.dealer.deals)
        await self.dealer.rows(
            "update integrations.deal_queue set next_try_at = now() + interval '1 second'"
            " where tenant_id = %s and next_try_at > now() + interval '1 second' returning 1"
        )
        return not await self.dealer.waiting()

    def people(self) -> None:
        account = self.vendor.account
        for deal in self.chance.sample(list(account.opportunities.values()), self.customers // 3):
            self.tags[deal["contactId"]] = "vip"
            account.tag(deal["contactId"], ["vip"])
            self.owners[deal["id"]] = f"user{self.chance.randrange(9)}"
            account.update_opportunity(deal["id"], {"assignedTo": self.owners[deal["id"]]})

    async def play(self) -> None:
        ids, now = range(1, self.customers + 1), self.dealer.deals.clock.now()
        await self.dealer.begin()
        for st_id in ids:
            await self.shop.customer(st_id, createdOn=now.isoformat())
            number = f"303-{600 + st_id // 1000}-{st_id % 1000:04}"  # the shop's own numbers come again
            self.shop.kept["customer_contacts"][st_id * 10]["value"] = number
            await self.shop.job(10_000 + st_id, st_id, now)
        await self.work()
        self.people()
        for st_id in ids:
            status = self.chance.choice(["Open", "Sold", "Dismissed"])
            total = self.chance.randrange(100, 9000)
            await self.shop.estimate(
                30_000 + st_id, 10_000 + st_id, st_id, now, status, created=now, subtotal=total
            )
        await self.dealer.rows(  # the events of the whole past are told once more
            "update servicetitan.sync_state set value = '\"0@1:1:\"' where tenant_id = %s"
            " and key = 'deals_place' returning 1"
        )
        await self.work()
        await self.kill()
        self.vendor.faults.clear()
        await pull(self.dealer.deals, "opportunities")
        await self.dealer.due()
        await working.drain(self.dealer.deals)

    async def check(self) -> None:
        deals, account = self.dealer.deals, self.vendor.account
        stages = (await deals.account()).stages
        found: Counter[str] = Counter()
        ours: set[str] = set()
        for st_id in range(1, self.customers + 1):
            about = await facts.facts_of(deals.pool, deals.tenant_id, deals.entities, st_id)
            assert about is not None
            [want] = wanted(about, deals.rules, deals.clock.now())
            mark = (await rows.of_customers(deals.pool, deals.tenant_id, [st_id], []))[want.key]
            deal = account.opportunities[str(mark.opportunity_id)]
            spot = stages.spot(want.step)
            assert spot is not None
            ours.add(deal["id"])
            found["wrong"] += (deal["pipelineStageId"], deal["status"], deal["name"]) != (
                spot.stage.id, want.status.value, want.name,
            )  # fmt: skip
        others = set(account.opportunities) - ours
        listed = await self.dealer.rows(
            "select theirs from integrations.deal_conflicts where tenant_id = %s and field = 'twin'"
        )
        self.counts["second ones that were listed"] = len(others)
        found["duplicates"] = len(others - {its_id for (its_id,) in listed})
        found["duplicate contacts"] = len(account.contacts) - self.customers
        found["lost tags"] = sum(tag not in account.contacts[each]["tags"] for each, tag in self.tags.items())
        found["lost owners"] = sum(
            account.opportunities[each].get("assignedTo") != owner for each, owner in self.owners.items()
        )
        self.counts["calls"] = len(self.vendor.calls)
        self.counts["faults"] = sum(each["fault"] is not None for each in self.vendor.calls)
        assert not any(found.values()), (found, self.counts)
        assert self.counts["faults"] or self.customers < 100
        logging.getLogger(__name__).info("%s deals, %s", self.customers, dict(self.counts))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("customers", "kills"),
    [(6, 1), pytest.param(1000, 12, marks=pytest.mark.reliability)],
    ids=["small", "full"],
)
async def test_workers_that_are_killed_leave_each_deal_once(
    deals_pool: Pool, deals_database: str, customers: int, kills: int
) -> None:
    app, tenant = make_app(), TENANT + customers
    vendor = app[VENDOR]
    vendor.account.contact_index.seconds = vendor.account.opportunity_index.seconds = 0.2
    vendor.account.rules.one_opportunity = "none"
    vendor.faults += [Fault(kind, share=SHARE) for kind in FAULTS]
    async with served(app) as url, open_deals(settings_for(url, tenant), deals_pool, SystemClock()) as deals:
        assert deals is not None
        deals.rules = replace(deals.rules, settle_seconds=SETTLE_SECONDS)
        dealer = Dealer.new(deals_pool, tenant)
        dealer.deals = deals
        fleet = Fleet(
            dealer=dealer,
            vendor=vendor,
            shop=Collecting(deals_pool, tenant),
            arguments=(deals_database, url, str(tenant)),
            chance=random.Random(20261126),
            customers=customers,
            kills=kills,
        )
        try:
            await fleet.play()
        finally:
            await fleet.kill()
        await fleet.check()
