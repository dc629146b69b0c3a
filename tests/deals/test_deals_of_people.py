"""What people do while a worker is at it, and what they take away for good."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

from deals.dealer import Dealer
from deals.memory_crm import refusing
from perfectcatch.deals import persons
from perfectcatch.deals.placing import place
from perfectcatch.errors import OutcomeUnknown
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.crm import ContactChange, OpportunityChange

PLANNED = ("SALES / Appointment Scheduled", "open")
SENT = ("SALES / Appointment Completed / Proposal Sent", "open")
CONFLICTS = (
    "select id, field, theirs, kept from integrations.deal_conflicts where tenant_id = %s"
    " and resolved_at is null order by id"
)


async def planned(dealer: Dealer, *jobs: int) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    for job in jobs:
        await dealer.shop.job(job, 7, dealer.now)
        await dealer.visit(job + 1, job, 7, dealer.now)
    await dealer.run()


async def test_what_was_moved_to_another_contact_and_deleted_stays_deleted(dealer: Dealer) -> None:
    await planned(dealer, 70)
    other = await dealer.crm.create_contact(ContactChange(email="other@example.com"))
    [deal] = dealer.all()
    dealer.crm.edit(deal.id, contact_id=other.id)
    await place(dealer.deals, 7, looks=True)
    del dealer.crm.opportunities[deal.id]
    await place(dealer.deals, 7, looks=True)
    assert dealer.all() == []
    assert [line[1] for line in await dealer.rows(CONFLICTS)] == ["opportunity"]
    await dealer.shop.estimate(72, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [SENT]


async def test_what_a_person_decides_while_a_worker_is_at_the_customer_stands(dealer: Dealer) -> None:
    await dealer.begin()
    contact = await dealer.crm.create_contact(ContactChange(email="c7@example.com"))
    change = OpportunityChange(name="Pool?", pipeline_id="p1", stage_id="p1-1", value=Decimal(5000))
    await dealer.crm.create_opportunity(contact.id, change)
    await planned(dealer, 70)
    [(conflict, field, *_)] = [line for line in await dealer.rows(CONFLICTS) if line[1] == "name"]
    assert field == "name"
    update, deciding = dealer.crm.update_opportunity, []

    async def meanwhile(opportunity_id: str, change: OpportunityChange) -> Any:
        deals = replace(dealer.deals, clock=SystemClock())
        deciding.append(asyncio.create_task(persons.decide(deals, conflict, "ours", by="mia")))
        await asyncio.wait(deciding, timeout=0.3)
        return await update(opportunity_id, change)

    await dealer.shop.assigned(74, 70, 71, dealer.now)
    dealer.crm.update_opportunity = meanwhile  # type: ignore[method-assign]
    await place(dealer.deals, 7)
    dealer.crm.update_opportunity = update  # type: ignore[method-assign]
    await deciding[0]
    await dealer.run()
    assert [each.name for each in dealer.all()] == ["Lee, Ann - Job 70 - $400.00"]


async def test_a_shared_opportunity_that_was_deleted_ends_with_the_one_that_is_left(dealer: Dealer) -> None:
    """The account took several once: a deal has its own beside the one that the others share."""
    await planned(dealer, 70, 80)
    dealer.crm.one_a_contact = True
    await dealer.shop.job(90, 7, dealer.now)
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=1)
    shared = await dealer.rows(
        "select ghl_opportunity_id from integrations.deals where tenant_id = %s and deal = 'contact-7'"
    )
    del dealer.crm.opportunities[shared[0][0]]
    await place(dealer.deals, 7, looks=True)
    await place(dealer.deals, 7, looks=True)
    assert dealer.places() == [PLANNED]  # nothing new has happened: nobody wants it back
    await dealer.shop.estimate(92, 90, 7, dealer.now)
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=3)
    await place(dealer.deals, 7, looks=True)
    assert (dealer.places(), await dealer.waiting()) == ([SENT], [])


async def test_an_opportunity_whose_records_are_gone_serves_the_next_deal(dealer: Dealer) -> None:
    dealer.crm.one_a_contact = True
    await planned(dealer, 70)
    await dealer.rows("update servicetitan.st_jobs set deleted_at = now() where tenant_id = %s returning 1")
    await place(dealer.deals, 7, looks=True)
    await dealer.rows("update servicetitan.st_customers set active = false where tenant_id = %s returning 1")
    await place(dealer.deals, 7, looks=True)
    assert [status for _, status in dealer.places()] == ["abandoned"]
    await dealer.shop.job(80, 7, dealer.now)
    await dealer.visit(81, 80, 7, dealer.now)
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=3)
    assert (dealer.places(), await dealer.waiting()) == ([PLANNED], [])


async def test_contacts_that_cannot_be_searched_by_our_number_are_read_once(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.crm.unique_contacts = False
    for number in range(7):
        await dealer.crm.create_contact(ContactChange(email=f"{number}@example.com"))
    refuses = refusing(["contacts_with"], "No such field.")
    unanswered = {"create_contact"}

    def fault(name: str, when: str) -> None:
        refuses(name, when)
        if name in unanswered and when == "before":
            raise OutcomeUnknown("no answer")

    dealer.crm.fault = fault
    for st_id in (7, 8):
        await dealer.shop.customer(st_id)
    await dealer.run()
    unanswered.clear()
    for _ in range(12):
        await dealer.run()
        dealer.pass_by(seconds=5)
    assert await dealer.waiting() == []
    assert (len(dealer.crm.contacts), len(dealer.all())) == (9, 2)
    assert dealer.crm.calls["contacts_with"] == 1
    assert dealer.crm.calls["page"] == 3
