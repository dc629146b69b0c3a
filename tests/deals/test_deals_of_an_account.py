"""What belongs to a whole account: very large customers, its own rule of opportunities, its location."""

from collections.abc import Sequence
from datetime import timedelta

from deals.dealer import Dealer
from perfectcatch.deals import journeys
from perfectcatch.deals.placing import place
from perfectcatch.store.deals import facts
from workflows.shop import iso

SENT = ("SALES / Appointment Completed / Proposal Sent", "open")
MANY = 620  # more than a page of facts


async def a_landlord(dealer: Dealer, customer: int, numbers: Sequence[int]) -> None:
    """Jobs of a customer that were done and paid a year ago, each with an estimate and an invoice."""
    then = dealer.now - timedelta(days=365)
    dated = {"customerId": customer, "createdOn": iso(then), "modifiedOn": iso(then), "active": True}
    jobs = [
        {"id": number, "jobNumber": str(number), "jobStatus": "Completed", "total": 400, **dated}
        for number in numbers
    ]
    estimates = [
        {"id": number, "jobId": number, "status": {"value": 1, "name": "Dismissed"}, "subtotal": 1, **dated}
        for number in numbers
    ]
    bills = [
        {"id": number, "job": {"id": number}, "customer": {"id": customer}, "total": "4", "balance": "0"}
        | dated
        for number in numbers
    ]
    await dealer.shop.merge("jobs", *jobs)
    await dealer.shop.merge("estimates", *estimates)
    await dealer.shop.merge("invoices", *bills)


async def test_of_a_customer_with_very_many_records_nothing_is_cut_off(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.shop.estimate(72, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [SENT]
    await a_landlord(dealer, 7, range(1000, 1000 + MANY))
    await place(dealer.deals, 7, looks=True)
    assert dealer.places() == [SENT]
    known = await facts.facts_of(dealer.deals.pool, dealer.deals.tenant_id, dealer.deals.entities, 7)
    assert known is not None
    assert (len(known.jobs), len(known.estimates), len(known.bills)) == (MANY + 1, MANY + 1, MANY)
    found = {each.key: each for each in journeys.journeys(known)}
    assert len(found) == MANY + 1
    assert [bill.st_id for bill in found["job-1000"].bills] == [1000]
