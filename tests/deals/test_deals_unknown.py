"""What was sent and never answered, what people deleted, and what they had made before us."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from deals.dealer import Dealer
from deals.memory_crm import lost
from perfectcatch.deals import persons
from perfectcatch.deals.acting import Actions
from perfectcatch.deals.placing import place
from perfectcatch.errors import OutcomeUnknown, VendorRefused
from perfectcatch.model.crm import ContactChange, DealStatus, OpportunityChange
from workflows.shop import iso

PLANNED = ("SALES / Appointment Scheduled", "open")
SENT = ("SALES / Appointment Completed / Proposal Sent", "open")
OPEN_QUESTIONS = (
    "select id, st_customer_id, reason from integrations.deal_matches where tenant_id = %s"
    " and resolved_at is null"
)


class Killed(BaseException):
    """The process is gone: nothing that follows in it is done."""


async def planned(dealer: Dealer) -> None:
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)


async def until_quiet(dealer: Dealer) -> None:
    dealer.crm.fault = lambda *_: None
    for _ in range(30):
        await dealer.rows(
            "update integrations.deal_queue set claimed_until = null where tenant_id = %s returning 1"
        )
        await dealer.run()
        if not await dealer.waiting():
            return
        dealer.pass_by(seconds=5)
    raise AssertionError(await dealer.waiting())


@pytest.mark.parametrize("what", ["create_contact", "create_opportunity"])
async def test_a_creation_counts_from_its_end(dealer: Dealer, what: str) -> None:
    """It is carried out 40 seconds after it was sent, and shown 25 seconds after that."""
    await dealer.begin()
    dealer.crm.unique_contacts = False
    dealer.crm.behind = 25
    times = [2]

    def slow(name: str, when: str) -> None:
        if name == what and times[0]:
            if when == "before":
                dealer.pass_by(seconds=40)
            else:
                times[0] -= 2
                raise OutcomeUnknown("no answer")

    dealer.crm.fault = slow
    await dealer.shop.customer(7)
    await dealer.run()
    await until_quiet(dealer)
    assert (len(dealer.crm.contacts), len(dealer.all())) == (1, 1)


async def test_a_lead_that_becomes_a_job_keeps_that_it_waits(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.crm.behind = 8
    dealer.crm.fault = lost(["create_opportunity"])
    await dealer.shop.customer(7)
    await dealer.run()
    await planned(dealer)
    await dealer.run()
    await until_quiet(dealer)
    assert dealer.places() == [PLANNED]


async def test_what_was_created_is_known_under_another_name(dealer: Dealer) -> None:
    """Meanwhile the record has another value and a person has renamed the deal."""
    await dealer.begin()
    dealer.crm.behind = 8
    await dealer.shop.customer(7)
    await planned(dealer)
    dealer.crm.fault = lost(["create_opportunity"])
    await dealer.run()
    [made] = dealer.all()
    dealer.crm.edit(made.id, name="Mine", status=DealStatus.OPEN, stage_id="p1-4", pipeline_id="p2")
    dealer.crm.edit(made.id, pipeline_id="p1")
    await dealer.shop.estimate(72, 70, 7, dealer.now, name="Good", subtotal=900)
    await until_quiet(dealer)
    assert [each.id for each in dealer.all()] == [made.id]


async def test_a_contact_is_known_by_what_was_sent(dealer: Dealer) -> None:
    """A try that was refused for certain is followed by one without an answer, and the address changes."""
    await dealer.begin()
    dealer.crm.unique_contacts = False
    dealer.crm.behind = 8
    tries = [0]

    def fault(name: str, when: str) -> None:
        if name == "create_contact":
            tries[0] += when == "before"
            if tries[0] == 1 and when == "before":
                raise VendorRefused("no", status=422)
            if when == "after":
                raise OutcomeUnknown("no answer")

    dealer.crm.fault = fault
    await dealer.shop.customer(7)
    await dealer.run()
    dealer.pass_by(minutes=5)
    await dealer.run()
    assert len(dealer.crm.contacts) == 1
    said = {
        "customerId": 7,
        "active": True,
        "createdOn": "2026-01-01T00:00:00Z",
        "modifiedOn": iso(dealer.now),
    }
    await dealer.shop.merge(
        "customer_contacts",
        {"id": 70, "type": "MobilePhone", "value": "303-555-0999", **said},
        {"id": 71, "type": "Email", "value": "new@example.com", **said},
    )
    await until_quiet(dealer)
    assert [each.email for each in dealer.crm.contacts.values()] == ["new@example.com"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_around_any_call_makes_nothing_twice(dealer: Dealer, when: str) -> None:
    await dealer.begin()
    dealer.crm.unique_contacts = False
    dealer.crm.behind = 8
    killed = set()

    def kill(name: str, moment: str) -> None:
        if moment == when and name.startswith(("create", "update", "add")) and name not in killed:
            killed.add(name)
            raise Killed

    await dealer.shop.customer(7)
    for step in (None, planned):
        if step is not None:
            await step(dealer)
        for _ in range(9):
            dealer.crm.fault = kill
            with suppress(BaseExceptionGroup):  # of ``Killed`` alone: errors are kept in the queue
                await dealer.run()
            await dealer.rows(
                "update integrations.deal_queue set claimed_until = null where tenant_id = %s returning 1"
            )
            dealer.pass_by(seconds=61)
            dealer.deals.forget()
    await until_quiet(dealer)
    assert {"create_contact", "create_opportunity", "update_opportunity"} <= killed
    assert (len(dealer.crm.contacts), dealer.places()) == (1, [PLANNED])
    assert len({each.name for each in dealer.crm.fields}) == 4


async def test_a_write_without_an_answer_is_no_persons_move(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await planned(dealer)
    await dealer.run()
    [deal] = dealer.all()
    dealer.crm.edit(deal.id, stage_id="p1-4")
    await place(dealer.deals, 7, looks=True)
    dealer.crm.fault = lost(["update_opportunity"])
    await dealer.shop.estimate(72, 70, 7, dealer.now, "Sold")
    await dealer.run()
    assert dealer.places() == [("SALES / Job Sold", "won")]
    await dealer.shop.estimate(72, 70, 7, dealer.now + timedelta(minutes=1), "Open", created=dealer.now)
    await until_quiet(dealer)
    assert dealer.places() == [SENT]


async def test_a_deal_that_was_closed_without_an_answer_opens_again(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await planned(dealer)
    await dealer.shop.job(80, 7, dealer.now)
    await dealer.visit(81, 80, 7, dealer.now)
    await dealer.run()
    dealer.crm.fault = lost(["update_opportunity"])
    await dealer.shop.job(80, 7, dealer.now, active=False)
    await dealer.rows(
        "update servicetitan.st_jobs set deleted_at = now() where tenant_id = %s and st_id = 80 returning 1"
    )
    with suppress(OutcomeUnknown):
        await place(dealer.deals, 7, looks=True)
    assert sorted(each.status.value for each in dealer.all()) == ["abandoned", "open"]
    await dealer.rows(
        "update servicetitan.st_jobs set deleted_at = null where tenant_id = %s and st_id = 80 returning 1"
    )
    await place(dealer.deals, 7, looks=True)
    assert dealer.places() == [PLANNED, PLANNED]


async def test_a_contact_that_a_person_deleted_waits_for_a_person(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.run()
    dealer.crm.contacts.clear()
    dealer.crm.opportunities.clear()
    for _ in range(2):
        await place(dealer.deals, 7, looks=True)
    await planned(dealer)
    await dealer.run()
    assert (dealer.crm.contacts, dealer.all(), await dealer.waiting()) == ({}, [], [])
    [(match_id, customer, reason)] = await dealer.rows(OPEN_QUESTIONS)
    assert (customer, reason) == (7, "deleted")
    await persons.match(dealer.deals, match_id, None, by="mia")
    await dealer.run()
    assert (len(dealer.crm.contacts), dealer.places()) == (1, [PLANNED])
    assert await dealer.rows(OPEN_QUESTIONS) == []


async def test_a_company_may_have_it_made_again_by_news(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.deals.rules = replace(dealer.deals.rules, deleted_contacts="news")
    await dealer.shop.customer(7)
    await dealer.run()
    dealer.crm.contacts.clear()
    await place(dealer.deals, 7, looks=True)
    assert dealer.crm.contacts == {}
    await planned(dealer)
    await dealer.run()
    assert len(dealer.crm.contacts) == 1


async def test_what_becomes_ours_keeps_a_persons_name_and_value(dealer: Dealer) -> None:
    await dealer.begin()
    contact = await dealer.crm.create_contact(ContactChange(email="c7@example.com"))
    change = OpportunityChange(name="Pool?", pipeline_id="p1", stage_id="p1-1", value=Decimal(5000))
    made = await dealer.crm.create_opportunity(contact.id, change)
    await dealer.shop.customer(7)
    await planned(dealer)
    await dealer.shop.estimate(72, 70, 7, dealer.now, name="Good", subtotal=900)
    await dealer.run()
    await place(dealer.deals, 7, looks=True)
    kept = dealer.crm.opportunities[made.id]
    assert (kept.name, kept.value, dealer.places()) == ("Pool?", Decimal(5000), [SENT])
    query = (
        "select id, field, theirs, kept from integrations.deal_conflicts where tenant_id = %s"
        " and resolved_at is null order by field"
    )
    [(name_id, *name), (_, *value)] = await dealer.rows(query)
    assert (name, value) == (["name", "Pool?", "theirs"], ["value", "5000.00", "theirs"])
    await persons.decide(dealer.deals, name_id, "ours", by="mia")
    await dealer.run()
    kept = dealer.crm.opportunities[made.id]
    assert (kept.name, kept.value) == ("Lee, Ann - Good - $900.00", Decimal(5000))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_note_is_written_once(dealer: Dealer, when: str) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.run()
    crm = Actions(dealer.deals)
    note = {"customer": 7, "body": "Called."}
    await crm.act("add_note", note, key="a")

    def fault(name: str, moment: str) -> None:
        if (name, moment) == ("add_note", when):
            raise OutcomeUnknown("no answer")

    dealer.crm.fault = fault
    with pytest.raises(OutcomeUnknown):
        await crm.act("add_note", note, key="b")
    dealer.crm.fault = lambda *_: None
    for _ in range(2):
        await crm.act("add_note", note, key="b")
    assert [body for _, body in dealer.crm.notes] == ["Called.", "Called."]


async def test_a_note_about_a_shared_opportunity_is_written_once(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.crm.one_a_contact = True
    await dealer.shop.customer(7)
    await planned(dealer)
    await dealer.run()
    dealer.crm.fault = lost(["add_note"])
    await dealer.shop.job(80, 7, dealer.now + timedelta(hours=1))
    await dealer.run()
    await until_quiet(dealer)
    assert len(dealer.crm.notes) == 1
