"""Whatever happens, each deal ends as one opportunity in the stage that our records imply.

A history is drawn by its seed: records change, people edit in the CRM, calls fail before or after they were
carried out, searches are behind, events come again. At the end nothing fails any more, and all is looked at.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from deals.dealer import Dealer
from perfectcatch.deals import deciding
from perfectcatch.deals.journey import one_of, wanted
from perfectcatch.errors import OutcomeUnknown, VendorRefused, VendorUnavailable
from perfectcatch.store.deals import facts, rows

CUSTOMERS = (7, 8, 9)


@dataclass
class History:
    dealer: Dealer
    chance: random.Random
    tags: dict[str, set[str]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    numbers: int = 100
    jobs: list[tuple[int, int]] = field(default_factory=list)
    estimates: dict[int, tuple[int, int]] = field(default_factory=dict)

    def fault(self, name: str, when: str) -> None:
        drawn = self.chance.random()
        if when == "after" and drawn < 0.35:
            raise OutcomeUnknown("no answer")
        if when == "before" and drawn < 0.05:
            raise VendorUnavailable("away")
        if when == "before" and drawn > 0.98 and name.startswith(("create", "update")):
            raise VendorRefused("no", status=422)

    # What happens ----------------------------------------------------------------------------

    async def book(self) -> None:
        self.numbers += 10
        customer, job = self.chance.choice(CUSTOMERS), self.numbers
        await self.dealer.shop.job(job, customer, self.dealer.now)
        self.jobs.append((job, customer))
        if self.chance.random() < 0.8:
            await self.dealer.visit(job + 1, job, customer, self.dealer.now)

    async def work(self) -> None:
        if self.jobs:
            job, customer = self.chance.choice(self.jobs)
            status = self.chance.choice(["InProgress", "Hold", "Completed", "Canceled"])
            await self.dealer.shop.job(job, customer, self.dealer.now, status)

    async def offer(self) -> None:
        if self.jobs:
            self.numbers += 10
            job, customer = self.chance.choice(self.jobs)
            self.estimates[self.numbers] = (job, customer)
            await self._estimate(self.numbers, "Open")

    async def decide(self) -> None:
        if self.estimates:
            status = self.chance.choice(["Open", "Sold", "Dismissed"])
            await self._estimate(self.chance.choice(list(self.estimates)), status)

    async def _estimate(self, st_id: int, status: str) -> None:
        job, customer = self.estimates[st_id]
        total = self.chance.randrange(100, 3000)
        await self.dealer.shop.estimate(st_id, job, customer, self.dealer.now, status, subtotal=total)

    async def person(self) -> None:
        """Somebody tags, assigns, or moves a deal anywhere."""
        if not self.dealer.crm.opportunities:
            return
        deal = self.chance.choice(self.dealer.all())
        match self.chance.randrange(3):
            case 0:
                tag = f"tag{self.chance.randrange(20)}"
                contact = self.dealer.crm.contacts[deal.contact_id]
                tagged = replace(contact, tags=tuple(dict.fromkeys((*contact.tags, tag))))
                self.dealer.crm.contacts[contact.id] = tagged
                self.tags.setdefault(contact.id, set()).add(tag)
            case 1:
                self.owners[deal.id] = f"user{self.chance.randrange(9)}"
                self.dealer.crm.edit(deal.id, assigned_to=self.owners[deal.id])
            case _:
                stage = f"p1-{self.chance.randrange(7)}"
                self.dealer.crm.edit(deal.id, pipeline_id="p1", stage_id=stage)
                self.moved[deal.id] = stage

    async def again(self) -> None:
        """The events of the whole past are told once more."""
        await self.dealer.rows(
            "update servicetitan.sync_state set value = '\"0@1:1:\"' where tenant_id = %s"
            " and key = 'deals_place' returning 1"
        )

    async def run(self) -> None:
        self.dealer.crm.fault = self.fault
        try:
            await self.dealer.run()
        finally:
            self.dealer.crm.fault = lambda *_: None

    async def play(self, steps: int) -> None:
        acts: list[Callable[[], object]] = [
            self.book, self.work, self.offer, self.decide, self.decide, self.person,
            self.person, self.run, self.run,
        ]  # fmt: skip
        for _ in range(steps):
            act = self.again if self.chance.random() < 0.02 else self.chance.choice(acts)
            await act()  # type: ignore[misc]
            self.dealer.pass_by(seconds=self.chance.randrange(1, 30))

    async def settle(self) -> None:
        for _ in range(4):
            self.dealer.pass_by(minutes=1)
            await self.dealer.run()
        await self.dealer.rows(
            "insert into integrations.deal_queue (tenant_id, st_customer_id, looks)"
            " select %s, unnest(%s::bigint[]), true on conflict do nothing returning 1",
            list(CUSTOMERS),
        )
        await self.dealer.run()

    # What must be true at the end ------------------------------------------------------------

    async def check(self) -> None:
        dealer = self.dealer
        assert await dealer.waiting() == []
        of_contacts = list(dealer.crm.contacts.values())
        assert len({each.email for each in of_contacts}) == len(of_contacts)
        seen: set[str] = set()
        for customer in CUSTOMERS:
            about = await facts.facts_of(
                dealer.deals.pool, dealer.deals.tenant_id, dealer.deals.entities, customer
            )
            assert about is not None
            asked = wanted(about, dealer.deals.rules, dealer.now)
            marks = await rows.of_customers(dealer.deals.pool, dealer.deals.tenant_id, [customer], [])
            if dealer.crm.one_a_contact and any(key.startswith("contact-") for key in marks):
                asked = (replace(one_of(asked), key=f"contact-{customer}"),)
            for each in asked:
                mark = marks[each.key]
                assert mark.opportunity_id not in seen
                seen.add(str(mark.opportunity_id))
                deal = dealer.crm.opportunities[str(mark.opportunity_id)]
                stages = (await dealer.deals.account()).stages
                spot = stages.spot(each.step)
                assert spot is not None
                if deciding.STAGE in mark.conceded:  # a person moved it on, and nothing new has happened
                    assert (stages.position(deal.stage_id) or 0) > spot.stage.position
                    assert deal.stage_id == self.moved.get(deal.id)
                else:
                    assert deal.stage_id == spot.stage.id, (each, mark)
                if deciding.STATUS not in mark.conceded:
                    assert deal.status is each.status
                assert deal.value == each.value or each.value is None
                assert deal.name == each.name
        assert {each.id for each in dealer.all()} == seen
        for contact_id, tags in self.tags.items():
            assert tags <= set(dealer.crm.contacts[contact_id].tags)
        for opportunity_id, owner in self.owners.items():
            assert dealer.crm.opportunities[opportunity_id].assigned_to == owner


async def converge(dealer: Dealer, seed: int, steps: int) -> None:
    dealer.crm.one_a_contact = seed % 3 == 0
    dealer.crm.unique_contacts = seed % 2 == 0
    dealer.crm.behind = 8.0  # within ``settle_seconds``
    await dealer.begin()
    for st_id in CUSTOMERS:
        await dealer.shop.customer(st_id)
    history = History(dealer, random.Random(seed))
    await history.play(steps)
    await history.settle()
    await history.check()


@pytest.mark.parametrize("seed", range(3))
async def test_a_history_ends_as_our_records_say(dealer: Dealer, seed: int) -> None:
    await converge(dealer, seed, 60)


@pytest.mark.reliability
@pytest.mark.parametrize("seed", range(100, 140))
async def test_long_histories_end_as_our_records_say(dealer: Dealer, seed: int) -> None:
    await converge(dealer, seed, 200)
