"""Deals from the mirror to a CRM in memory: moved once, never twice, and what people do there is kept."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from deals.dealer import Dealer
from deals.memory_crm import lost, refusing
from perfectcatch.deals.placing import place
from perfectcatch.model.crm import ContactChange, DealStatus, OpportunityChange
from perfectcatch.model.deals import Part

LEAD = ("SALES / New Lead", "open")
PLANNED = ("SALES / Appointment Scheduled", "open")
SENT = ("SALES / Appointment Completed / Proposal Sent", "open")
SOLD = ("SALES / Job Sold", "won")
GONE = ("SALES / Estimate Lost", "lost")


async def test_a_deal_from_lead_to_paid_is_one_opportunity(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.unit(2, "Install Phoenix")
    await dealer.shop.customer(7)
    await dealer.run()
    assert dealer.places() == [LEAD]
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now + timedelta(days=1))
    await dealer.run()
    assert dealer.places() == [PLANNED]
    await dealer.shop.estimate(72, 70, 7, dealer.now, name="Good", subtotal=900)
    await dealer.shop.estimate(73, 70, 7, dealer.now, name="Better", subtotal=1500)
    await dealer.shop.assigned(74, 70, 71, dealer.now)
    await dealer.run()
    assert dealer.places() == [SENT]
    [offered] = dealer.all()
    assert offered.value == Decimal(1500)
    assert offered.name == "Lee, Ann - Better - $1,500.00"
    names = {each.id: each.name for each in dealer.crm.fields}
    assert {names[key]: value for key, value in offered.custom.items()} == {
        "st_estimate_id": "73", "techs": "Bo Hill", "st_deal": "job-70",
    }  # fmt: skip
    await dealer.shop.estimate(
        72, 70, 7, dealer.now + timedelta(minutes=1), "Sold", name="Good", subtotal=900
    )
    await dealer.run()
    assert dealer.places() == [SOLD]
    assert dealer.all()[0].value == Decimal(900)
    later = dealer.now + timedelta(hours=1)
    await dealer.shop.job(75, 7, later, businessUnitId=2, createdFromEstimateId=72)
    await dealer.run()
    assert dealer.places() == [("INSTALL / Ready for Install", "won")]
    await dealer.visit(76, 75, 7, later)
    await dealer.run()
    assert dealer.places() == [("INSTALL / Scheduled", "won")]
    await dealer.shop.job(
        75, 7, later + timedelta(hours=5), "Completed", businessUnitId=2, createdFromEstimateId=72
    )
    await dealer.run()
    assert dealer.places() == [("INSTALL / Complete", "won")]
    [contact] = dealer.crm.contacts.values()
    assert contact.tags == ("perfect-catch",)
    assert await dealer.waiting() == []
    rows = await dealer.rows(
        "select st_id, ghl_opportunity_id, ghl_sync_status from servicetitan.st_jobs where tenant_id = %s"
        " order by 1"
    )
    assert rows == [(70, "o0006", "synced"), (75, "o0006", "synced")]


async def test_nothing_new_costs_no_request(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.run()
    before = dict(dealer.crm.calls)
    await place(dealer.deals, 7)
    assert dict(dealer.crm.calls) == before


async def test_a_lost_answer_makes_no_second_opportunity(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.crm.fault = lost(["create_contact", "create_opportunity", "add_tags", "update_opportunity"])
    await dealer.shop.customer(7)
    for _ in range(4):
        await dealer.run()
        dealer.pass_by(minutes=1)
    assert (len(dealer.crm.contacts), dealer.places()) == (1, [LEAD])
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=1)
    assert dealer.places() == [PLANNED]
    assert dealer.crm.calls["create_opportunity"] == 1
    assert await dealer.waiting() == []


async def test_a_search_that_is_behind_is_waited_for(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.crm.behind = 8
    dealer.crm.fault = lost(["create_opportunity"])
    await dealer.shop.customer(7)
    await dealer.run()
    dealer.pass_by(seconds=3)
    await dealer.run()
    assert len(dealer.all()) == 1
    dealer.pass_by(seconds=30)
    await dealer.run()
    assert len(dealer.all()) == 1
    assert await dealer.waiting() == []


async def test_a_persons_move_forward_stays_until_something_new_happens(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    [deal] = dealer.all()
    dealer.crm.edit(deal.id, stage_id="p1-4", assigned_to="mia")
    await place(dealer.deals, 7, looks=True)
    await place(dealer.deals, 7, looks=True)
    assert dealer.places() == [("SALES / Estimate Follow-up", "open")]
    open_ = "select field, kept from integrations.deal_conflicts where tenant_id = %s and resolved_at is null"
    assert await dealer.rows(open_) == [("stage", "theirs")]
    await dealer.shop.estimate(72, 70, 7, dealer.now, "Sold")
    await dealer.run()
    assert dealer.places() == [SOLD]
    assert dealer.all()[0].assigned_to == "mia"
    assert await dealer.rows(open_) == []


async def test_a_move_backward_is_set_again_and_listed(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    [deal] = dealer.all()
    dealer.crm.edit(deal.id, stage_id="p1-0", name="Mine", value=Decimal(5))
    await place(dealer.deals, 7, looks=True)
    assert dealer.places() == [PLANNED]
    rows = await dealer.rows(
        "select field, kept, theirs from integrations.deal_conflicts where tenant_id = %s order by 1"
    )
    assert rows == [("name", "ours", "Mine"), ("stage", "ours", "p1/p1-0"), ("value", "ours", "5.00")]


async def test_one_opportunity_a_contact(dealer: Dealer) -> None:
    await dealer.begin()
    dealer.crm.one_a_contact = True
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    await dealer.shop.job(80, 7, dealer.now + timedelta(hours=1))
    await dealer.shop.estimate(82, 80, 7, dealer.now + timedelta(hours=1))
    for _ in range(3):
        await dealer.run()
        dealer.pass_by(minutes=1)
    assert dealer.places() == [SENT]
    assert len(dealer.crm.notes) == 1
    await dealer.shop.estimate(82, 80, 7, dealer.now + timedelta(hours=2), "Dismissed")
    await dealer.run()
    assert dealer.places() == [PLANNED]
    assert await dealer.waiting() == []


async def test_a_refused_row_is_tried_again_and_stops_nobody(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.run()
    dealer.crm.fault = refusing(["update_opportunity"], "monetaryValue must be less than 1000")
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.shop.customer(8)
    await dealer.run()
    await dealer.run()
    assert len(dealer.all()) == 2
    [(customer, error, cause, attempts)] = await dealer.waiting()
    assert (customer, attempts) == (7, 2)
    assert "monetaryValue must be less than 1000" in error
    assert cause
    dealer.crm.fault = lambda *_: None
    await dealer.run()
    assert await dealer.waiting() == []
    assert dealer.places() == [PLANNED, LEAD]


async def test_contacts_are_found_and_the_reason_is_kept(dealer: Dealer) -> None:
    await dealer.begin()
    mail = await dealer.crm.create_contact(
        ContactChange(first_name="Ann", email="c7@example.com"), tags=["vip"]
    )
    call = await dealer.crm.create_contact(ContactChange(last_name="Lee", phone="+13035550108"))
    other = await dealer.crm.create_contact(ContactChange(last_name="Kim", phone="+13035550109"))
    for st_id in (7, 8, 9):
        await dealer.shop.customer(st_id)
    await dealer.run()
    links = await dealer.rows(
        "select st_customer_id, ghl_contact_id, reason from integrations.deal_links where tenant_id = %s"
        " and ghl_contact_id is not null order by 1"
    )
    assert links == [(7, mail.id, "email"), (8, call.id, "phone")]
    assert dealer.crm.contacts[mail.id].tags == ("vip", "perfect-catch")
    [(customer, candidates)] = await dealer.rows(
        "select st_customer_id, candidates from integrations.deal_matches where tenant_id = %s"
        " and resolved_at is null"
    )
    assert (customer, [each["ghl_contact_id"] for each in candidates]) == (9, [other.id])


async def test_what_a_person_deleted_stays_deleted_until_news(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.run()
    dealer.crm.opportunities.clear()
    for _ in range(2):
        await place(dealer.deals, 7, looks=True)
    assert dealer.places() == []
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [PLANNED]


async def test_an_opportunity_that_a_person_made_becomes_the_deals(dealer: Dealer) -> None:
    await dealer.begin()
    contact = await dealer.crm.create_contact(ContactChange(email="c7@example.com"))
    change = OpportunityChange(name="Pool?", pipeline_id="p1", stage_id="p1-1", status=DealStatus.OPEN)
    made = await dealer.crm.create_opportunity(contact.id, change)
    await dealer.shop.customer(7)
    await dealer.run()
    assert [each.id for each in dealer.all()] == [made.id]
    assert dealer.places() == [("SALES / Contacted", "open")]
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [PLANNED]


async def test_a_sale_taken_back_and_a_lost_deal_that_returns(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    for minute, (status, place_) in enumerate(
        [("Sold", SOLD), ("Open", SENT), ("Dismissed", GONE), ("Open", SENT)]
    ):
        await dealer.shop.estimate(
            72,
            70,
            7,
            dealer.now + timedelta(minutes=minute),
            status,
            created=dealer.now,
            subtotal=900 + minute,
        )
        await dealer.run()
        assert dealer.places() == [place_]


async def test_switched_off_parts_are_left_alone(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.shop.estimate(72, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [SENT]
    dealer.deals = replace(dealer.deals, parts=frozenset({Part.CUSTOMERS}))
    await place(dealer.deals, 7, looks=True)
    assert dealer.places() == [SENT]
