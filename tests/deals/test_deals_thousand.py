"""Many deals through faults, processes that die, replays and people, counted at the end.

The oracle is what the CRM holds: of each deal that our records imply one opportunity, in the stage that they
imply, no other one, and every tag and owner that a person has set.
"""

import logging
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from deals.dealer import Collecting, Dealer
from perfectcatch.deals import working
from perfectcatch.deals.dispatch import settle
from perfectcatch.deals.journey import wanted
from perfectcatch.errors import OutcomeUnknown, VendorUnavailable
from perfectcatch.store.deals import facts, rows


class Killed(BaseException):
    """The process is gone: nothing that follows in it is done."""


@dataclass
class Month:
    """``customers`` deals, from lead to what becomes of them, with everything drawn from ``seed``."""

    dealer: Dealer
    seed: int
    customers: int

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.counts: Counter[str] = Counter()
        self.tags: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.shop = Collecting(self.dealer.shop.pool, self.dealer.shop.tenant)
        self.dealer.shop = self.shop

    def fault(self, name: str, when: str) -> None:
        """Of a hundred calls five fail, half of them after they were carried out; of 500 one is the last."""
        drawn = self.chance.random()
        self.counts["calls"] += when == "before"
        if drawn < 0.001:
            self.counts["kills"] += 1
            raise Killed
        if drawn < 0.026:
            self.counts["faults"] += 1
            raise OutcomeUnknown("no answer") if when == "after" else VendorUnavailable("away")

    async def play(self) -> None:
        dealer, ids = self.dealer, range(1, self.customers + 1)
        await dealer.begin()
        for st_id in ids:
            await self.shop.customer(st_id)
            number = f"303-{600 + st_id // 1000}-{st_id % 1000:04}"  # the shop's own numbers come again
            self.shop.kept["customer_contacts"][st_id * 10]["value"] = number
        await self.work()
        for st_id in ids:
            await self.shop.job(10_000 + st_id, st_id, dealer.now)
            await dealer.visit(20_000 + st_id, 10_000 + st_id, st_id, dealer.now)
        await self.work()
        self.people()
        for status, share in (("Open", 0.8), ("Sold", 0.5), ("Dismissed", 0.2)):
            for st_id in ids:
                if self.chance.random() < share:
                    total = self.chance.randrange(100, 9000)
                    job = 10_000 + st_id
                    await self.shop.estimate(
                        30_000 + st_id, job, st_id, dealer.now, status, created=dealer.now, subtotal=total
                    )
            await self.work()
            self.people()
            await self.again()
        await self.quiet()

    async def work(self) -> None:
        await self.shop.flush()
        self.dealer.crm.fault = self.fault
        for _ in range(2 + self.customers // 20):
            with suppress(BaseExceptionGroup):  # of ``Killed`` alone: errors are kept in the queue
                await self.run()
                break
            await self.next_process()
        self.dealer.pass_by(seconds=self.chance.randrange(1, 40))
        self.dealer.crm.fault = lambda *_: None

    async def run(self) -> None:
        """A few customers side by side, as in a worker; one after the other where there are few."""
        await settle(self.dealer.deals)
        await self.dealer.due()
        await working.drain(self.dealer.deals, side_by_side=6 if self.customers > 100 else 1)

    async def next_process(self) -> None:
        """Claims of the one that died have run out."""
        self.dealer.deals.forget()
        await self.dealer.rows(
            "update integrations.deal_queue set claimed_until = null where tenant_id = %s returning 1"
        )

    def people(self) -> None:
        crm = self.dealer.crm
        for deal in self.chance.sample(self.dealer.all(), len(crm.opportunities) // 5):
            contact = crm.contacts[deal.contact_id]
            self.tags[contact.id] = "vip"
            tags = tuple(dict.fromkeys((*contact.tags, "vip")))
            crm.contacts[contact.id] = replace(contact, tags=tags)
            self.owners[deal.id] = f"user{self.chance.randrange(9)}"
            crm.edit(deal.id, assigned_to=self.owners[deal.id])

    async def again(self) -> None:
        """The events of the whole past are told once more."""
        await self.dealer.rows(
            "update servicetitan.sync_state set value = '\"0@1:1:\"' where tenant_id = %s"
            " and key = 'deals_place' returning 1"
        )

    async def quiet(self) -> None:
        for _ in range(6):
            await self.next_process()
            await self.run()
            if not await self.dealer.waiting():
                return
            self.dealer.pass_by(minutes=1)

    async def check(self) -> None:
        dealer = self.dealer
        assert await dealer.waiting() == []
        found: Counter[str] = Counter(duplicates=len(dealer.all()) - self.customers)
        found["duplicate contacts"] = len(dealer.crm.contacts) - self.customers
        stages = (await dealer.deals.account()).stages
        pool, tenant = dealer.deals.pool, dealer.deals.tenant_id
        for st_id in range(1, self.customers + 1):
            about = await facts.facts_of(pool, tenant, dealer.deals.entities, st_id)
            assert about is not None
            [want] = wanted(about, dealer.deals.rules, dealer.now)
            mark = (await rows.of_customers(pool, tenant, [st_id], []))[want.key]
            deal = dealer.crm.opportunities[str(mark.opportunity_id)]
            spot = stages.spot(want.step)
            assert spot is not None
            found["wrong"] += (deal.stage_id, deal.status, deal.name, deal.value or 0) != (
                spot.stage.id, want.status, want.name, want.value or 0,
            )  # fmt: skip
        found["lost tags"] = sum(tag not in dealer.crm.contacts[each].tags for each, tag in self.tags.items())
        found["lost owners"] = sum(
            dealer.crm.opportunities[each].assigned_to != owner for each, owner in self.owners.items()
        )
        assert not any(found.values()), (found, self.counts)
        assert self.counts["faults"]
        assert self.counts["kills"] or self.customers < 100
        logging.getLogger(__name__).info(
            "%s deals, %s, %s edits of people", self.customers, dict(self.counts), len(self.tags)
        )


@pytest.mark.parametrize(
    "customers", [24, pytest.param(1000, marks=pytest.mark.reliability)], ids=["small", "full"]
)
async def test_many_deals_through_faults_kills_and_replays(dealer: Dealer, customers: int) -> None:
    dealer.crm.behind = 8
    dealer.crm.unique_contacts = False
    month = Month(dealer, seed=20261126, customers=customers)
    await month.play()
    await month.check()
