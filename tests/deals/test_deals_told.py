"""What a process knows late, and what a check knows: pipelines, merged customers, deals without records."""

from dataclasses import replace

import pytest

from deals.dealer import Dealer
from deals.memory_crm import pipeline
from perfectcatch.deals import units
from perfectcatch.deals.checking import check
from perfectcatch.deals.comparing import Read
from perfectcatch.deals.placing import place
from perfectcatch.deals.pulling import pull
from perfectcatch.kit.certainty import most_wrong
from perfectcatch.model.crm import DealStatus
from perfectcatch.store.pool import open_pool

POOLS = ("Pools / Appointment Scheduled", "open")
PLANNED = ("SALES / Appointment Scheduled", "open")
OF_POOLS = ["New Lead", "Appointment Scheduled", "Job Sold"]


async def planned(dealer: Dealer, customer: int = 7, **values: object) -> None:
    job = customer * 10
    await dealer.shop.job(job, customer, dealer.now, **values)
    await dealer.visit(job + 1, job, customer, dealer.now)


async def test_a_pipeline_that_was_just_added_is_known_to_every_process(dealer: Dealer) -> None:
    """And one that is gone again is asked for once, not at every deal. Customers who were merged move too."""
    await dealer.begin()
    await dealer.unit(2, "Pools Denver")
    for customer in (7, 9):
        await dealer.shop.customer(customer)
    await dealer.shop.customer(8, mergedToId=7)
    await planned(dealer, 8, businessUnitId=2)
    await dealer.run()
    assert PLANNED in dealer.places()
    gateway = replace(dealer.deals)  # a process of its own, which has asked for the account as well
    dealer.crm.all_pipelines.append(pipeline("p5", "Pools", OF_POOLS))
    assert (await units.choose(gateway, "2", "Pools")).customers == 1
    await dealer.run()
    assert POOLS in dealer.places()
    assert PLANNED not in dealer.places()
    dealer.crm.all_pipelines.pop()
    dealer.deals.forget()
    before = dealer.crm.calls["pipelines"]
    for _ in range(3):
        await place(dealer.deals, 7)
    assert dealer.crm.calls["pipelines"] == before + 2


async def test_a_page_is_kept_on_one_connection(dealer: Dealer, deals_database: str) -> None:
    """Several workers that each wait for a second one would wait for each other."""
    await dealer.begin()
    for customer in (7, 8):
        await dealer.shop.customer(customer)
    await dealer.run()
    for each in dealer.all():
        dealer.crm.edit(each.id, name="Wrong")
    async with open_pool(deals_database, max_size=1) as pool:
        await pull(replace(dealer.deals, pool=pool), "opportunities")
    assert sorted(line[0] for line in await dealer.waiting()) == [7, 8]


async def test_an_opportunity_without_a_contact_that_was_deleted_is_no_error(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await planned(dealer)
    await dealer.run()
    [mine] = dealer.all()
    await dealer.rows("update integrations.deals set ghl_contact_id = '' where tenant_id = %s returning 1")
    del dealer.crm.opportunities[mine.id]
    before = dealer.crm.calls["contact"]
    await place(dealer.deals, 7, looks=True)
    assert dealer.crm.calls["contact"] - before <= 1  # the customer's own
    listed = await dealer.rows("select field from integrations.deal_conflicts where tenant_id = %s")
    assert listed == [("opportunity",)]


async def test_a_check_tells_what_it_compared(dealer: Dealer) -> None:
    """A deal whose records are gone should be closed; of a customer who is gone nothing is known."""
    await dealer.begin()
    for customer in (7, 8, 9):
        await dealer.shop.customer(customer)
        await planned(dealer, customer)
    await dealer.run()
    [gone, opened, _] = dealer.all()
    for table, st_id in (("jobs", 70), ("jobs", 80)):
        await dealer.rows(
            f"update servicetitan.st_{table} set deleted_at = now() where tenant_id = %s and st_id = {st_id}"
            " returning 1"
        )
    await dealer.rows(
        "update servicetitan.st_customers set active = false where tenant_id = %s and st_id < 9 returning 1"
    )
    found = await check(dealer.deals)
    assert [(line["deal"], line["is"], line["should_be"]) for line in found.drift] == [
        ("job-70", "open", "abandoned"), ("job-80", "open", "abandoned"),
    ]  # fmt: skip
    assert (await check(dealer.deals, repair=True)).is_well
    dealer.crm.edit(opened.id, status=DealStatus.OPEN, name="Whatever")
    await dealer.rows("delete from servicetitan.st_customers where tenant_id = %s and st_id = 7 returning 1")
    found = await check(dealer.deals)
    assert dealer.crm.opportunities[gone.id].status is DealStatus.ABANDONED
    assert found.is_well
    assert [note for note in found.notes if f"opportunity {opened.id} is open: somebody opened it" in note]
    assert (found.opportunities, found.compared) == (3, 2)
    assert found.sure.startswith("certain of 2 of 3 opportunities; 1 that no record asks for")


@pytest.mark.parametrize("drawn", [40, 60])
def test_what_was_not_read_is_what_may_differ(drawn: int) -> None:
    """Wrong ones that may be left are among what was neither on a page nor drawn."""
    read = Read(total=100, ids={f"a{n}" for n in range(20)}, drawn={f"b{n}" for n in range(drawn)})
    most = most_wrong(80, drawn, 2) - 2
    assert read.at_most({"a1", "b1", "b2"}) == most / (80 - drawn)
