"""What belongs to a whole account: very large customers, its own rule of opportunities, its location."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deals.dealer import Dealer
from deals.memory_crm import Memory
from perfectcatch.deals import journey, journeys, visit
from perfectcatch.deals.checking import check
from perfectcatch.deals.desk import ONE_A_CONTACT
from perfectcatch.deals.dispatch import settle
from perfectcatch.deals.placing import place
from perfectcatch.deals.pulling import pull
from perfectcatch.deals.sweeps import round_
from perfectcatch.errors import DatabaseUnavailable, NotConnected
from perfectcatch.store import state
from perfectcatch.store.deals import facts, queue
from perfectcatch.store.pool import transaction
from workflows.shop import iso

SENT = ("SALES / Appointment Completed / Proposal Sent", "open")
PLANNED = ("SALES / Appointment Scheduled", "open")
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


async def test_of_a_customer_with_very_many_records_nothing_is_cut_off(
    dealer: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they come to is found beside everything else that goes on."""
    beside: set[bool] = set()

    def wanted(*asked: Any) -> Any:
        beside.add(threading.current_thread() is not threading.main_thread())
        return journey.wanted(*asked)

    monkeypatch.setattr(visit, "wanted", wanted)
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.shop.estimate(72, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [SENT]
    await a_landlord(dealer, 7, range(1000, 1000 + MANY))
    assert beside == {False}
    beside.clear()
    await place(dealer.deals, 7, looks=True)
    assert beside == {True}
    assert dealer.places() == [SENT]
    known = await facts.facts_of(dealer.deals.pool, dealer.deals.tenant_id, dealer.deals.entities, 7)
    assert known is not None
    assert (len(known.jobs), len(known.estimates), len(known.bills)) == (MANY + 1, MANY + 1, MANY)
    found = {each.key: each for each in journeys.journeys(known)}
    assert len(found) == MANY + 1
    assert [bill.st_id for bill in found["job-1000"].bills] == [1000]


async def test_another_location_on_the_same_database_is_refused_and_nothing_is_touched(
    dealer: Dealer,
) -> None:
    await dealer.begin()
    dealer.deals = replace(dealer.deals, location_id="here")
    await dealer.shop.customer(7)
    await dealer.run()
    other = replace(dealer.deals, location_id="elsewhere", crm=Memory(dealer.clock))
    other.forget()
    with pytest.raises(NotConnected, match="deals of the location here, and GHL_LOCATION_ID is elsewhere"):
        await pull(other, "all")
    with pytest.raises(NotConnected):
        await check(other)
    with pytest.raises(NotConnected):
        await place(other, 7, looks=True)
    there = await dealer.rows(
        "select count(*) from integrations.ghl_opportunities where tenant_id = %s and deleted_at is null"
    )
    assert there == [(1,)]
    assert await dealer.rows("select deal from integrations.deal_conflicts where tenant_id = %s") == []
    await pull(replace(dealer.deals), "all")


async def test_a_location_that_was_set_by_mistake_is_forgotten_while_there_is_nothing_of_it(
    dealer: Dealer,
) -> None:
    wrong = replace(dealer.deals, location_id="mistyped")
    await wrong.at_home()
    right = replace(dealer.deals, location_id="here")
    right.forget()
    await right.at_home()
    await dealer.begin()
    dealer.deals = right
    await dealer.shop.customer(7)
    await dealer.run()
    wrong.forget()
    with pytest.raises(NotConnected):
        await wrong.at_home()


async def test_what_an_earlier_version_learnt_of_an_account_goes_on(dealer: Dealer) -> None:
    async with transaction(dealer.deals.pool) as connection:
        await state.put(connection, dealer.deals.tenant_id, ONE_A_CONTACT, value=True)
    account = await dealer.deals.account()
    assert account.one_a_contact
    assert "An earlier version learnt it" in (account.because or "")


async def test_what_another_deal_has_made_is_not_taken_for_a_persons(dealer: Dealer) -> None:
    """Its worker may have died before it could keep what it had created."""
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    [made] = dealer.all()
    await dealer.rows("delete from integrations.deals where tenant_id = %s returning deal")
    await dealer.shop.job(60, 7, dealer.now - timedelta(hours=1))
    await dealer.visit(61, 60, 7, dealer.now - timedelta(hours=1))
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=1)
    assert await dealer.rows(
        "select deal from integrations.deals where tenant_id = %s and ghl_opportunity_id = '" + made.id + "'"
    ) == [("job-70",)]
    assert len(dealer.all()) == 2


async def test_a_round_that_loses_the_database_does_not_run_for_ever(
    dealer: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await settle(dealer.deals)

    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("The database is away.")

    monkeypatch.setattr(queue, "done", away)
    with pytest.raises(DatabaseUnavailable):
        await round_(dealer.deals)
    found = await dealer.rows(
        "select status, error_message from integrations.ghl_sync_log where tenant_id = %s"
    )
    assert found == [("failed", "The database is away.")]


async def test_that_an_account_takes_one_is_learnt_with_evidence_and_tried_again(dealer: Dealer) -> None:
    """What has an opportunity of its own keeps it; only what has none shares one."""
    await dealer.begin()
    await dealer.shop.customer(7)
    for job in (70, 80):
        await dealer.shop.job(job, 7, dealer.now)
        await dealer.visit(job + 1, job, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [PLANNED, PLANNED]
    dealer.crm.one_a_contact = True
    await dealer.shop.job(90, 7, dealer.now + timedelta(hours=1))
    await dealer.shop.estimate(92, 90, 7, dealer.now + timedelta(hours=1))
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=1)
    assert dealer.places() == [SENT, PLANNED]
    account = await dealer.deals.account()
    assert account.one_a_contact
    assert "Can not create duplicate opportunity" in (account.because or "")
    found = await check(dealer.deals)
    assert account.because in found.notes
    assert found.drift == []
    dealer.crm.one_a_contact = False
    dealer.pass_by(days=31)
    await place(dealer.deals, 7, looks=True)
    assert len(dealer.all()) == 3
    assert "abandoned" not in [status for _, status in dealer.places()]
    assert not (await dealer.deals.account()).one_a_contact


async def test_what_is_abandoned_has_a_row_that_says_why(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.shop.job(80, 7, dealer.now)
    await dealer.run()
    await dealer.rows(
        "update servicetitan.st_jobs set deleted_at = now() where tenant_id = %s and st_id = 80 returning 1"
    )
    await place(dealer.deals, 7, looks=True)
    found = await dealer.rows(
        "select deal, field, ours, sentence from integrations.deal_conflicts where tenant_id = %s"
    )
    assert [(deal, field, ours) for deal, field, ours, _ in found] == [("job-80", "status", "abandoned")]
    assert "gone" in found[0][3]
    moves = await dealer.rows(
        "select deal, status from integrations.deal_moves where tenant_id = %s and kind = 'changed'"
    )
    assert moves == [("job-80", "abandoned")]
