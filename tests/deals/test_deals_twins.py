"""Second opportunities of a deal: found by its name, listed once for a person, never closed by themselves."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deals.dealer import Dealer
from deals.memory_crm import refusing
from perfectcatch.deals import persons
from perfectcatch.deals.hints import read_again
from perfectcatch.deals.placing import place
from perfectcatch.deals.pulling import pull
from perfectcatch.errors import BadArgument, NotConnected, NothingKnown, OutcomeUnknown, VendorRefused
from perfectcatch.model.crm import DealStatus, Opportunity, OpportunityChange
from perfectcatch.store.deals import links
from perfectcatch.store.deals.links import Link
from perfectcatch.store.pool import transaction

OPEN, ABANDONED = DealStatus.OPEN, DealStatus.ABANDONED
LISTED = (
    "select id, deal, ours, theirs from integrations.deal_conflicts where tenant_id = %s and field = 'twin'"
    " and kept = 'theirs' and resolved_at is null order by id"
)
DECIDED = (
    "select theirs, decision, resolved_by from integrations.deal_conflicts where tenant_id = %s"
    " and field = 'twin' and resolved_at is not null order by id"
)
CLOSED = (
    "select ghl_opportunity_id, changed from integrations.deal_moves where tenant_id = %s"
    " and status = 'abandoned'"
)


async def planned(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()


async def a_deal(dealer: Dealer) -> Opportunity:
    await planned(dealer)
    [mine] = dealer.all()
    return mine


async def made(dealer: Dealer, contact_id: str, key: str, **edits: Any) -> str:
    """An opportunity that the CRM makes of what we sent for a deal."""
    field = next(each.id for each in dealer.crm.fields if each.name == "st_deal")
    change = OpportunityChange(name=key, pipeline_id="p1", stage_id="p1-1", custom={field: key})
    new = await dealer.crm.create_opportunity(contact_id, change)
    dealer.crm.edit(new.id, **edits)
    return new.id


async def look(dealer: Dealer, *customers: int) -> None:
    await pull(dealer.deals, "all", full=True)
    await dealer.run()
    for customer in customers or (7,):
        await place(dealer.deals, customer, looks=True)


async def listed(dealer: Dealer) -> list[tuple[str, str | None, str]]:
    return [line[1:] for line in await dealer.rows(LISTED)]


def status(dealer: Dealer) -> dict[str, DealStatus]:
    return {its_id: each.status for its_id, each in dealer.crm.opportunities.items()}


async def test_a_creation_that_was_carried_out_too_late_is_listed_once(dealer: Dealer) -> None:
    """Nothing is asked to be closed, which the CRM may refuse; who decides for theirs is asked no more."""
    sent: list[OpportunityChange] = []
    create = dealer.crm.create_opportunity

    async def late(contact_id: str, change: OpportunityChange) -> Any:
        sent.append(change)
        raise OutcomeUnknown("no answer")

    dealer.crm.create_opportunity = late  # type: ignore[method-assign]
    await planned(dealer)
    dealer.crm.create_opportunity = create  # type: ignore[method-assign]
    dealer.pass_by(minutes=2)
    await dealer.run()
    [mine] = dealer.all()
    second = await create(mine.contact_id, sent[0])
    persons_own = await create(mine.contact_id, OpportunityChange(name="Pool", pipeline_id="p1"))
    dealer.crm.fault = refusing(["update_opportunity"], "lostReasonId should not be empty")
    await look(dealer)
    assert await dealer.waiting() == []
    assert status(dealer) == {mine.id: OPEN, second.id: OPEN, persons_own.id: OPEN}
    assert await listed(dealer) == [("job-70", mine.id, second.id)]
    await look(dealer)
    [(conflict, *_)] = await dealer.rows(LISTED)
    await persons.decide(dealer.deals, conflict, "theirs", by="mia")
    await look(dealer)
    assert await listed(dealer) == []
    assert await dealer.rows(DECIDED) == [(second.id, "theirs", "mia")]


async def test_what_people_did_with_the_one_or_the_other_stands(dealer: Dealer) -> None:
    """The first was abandoned and the second goes on; of two more each is a question of its own."""
    mine = await a_deal(dealer)
    moved = await made(dealer, mine.contact_id, "job-70", stage_id="p1-5", name="Ann wants a heater")
    dealer.crm.edit(mine.id, status=ABANDONED)
    await look(dealer)
    assert status(dealer)[moved] is OPEN
    more = [await made(dealer, mine.contact_id, "job-70", assigned_to=each) for each in ("mia", None)]
    await look(dealer)
    assert await listed(dealer) == [("job-70", mine.id, each) for each in (moved, *more)]
    dealer.crm.edit(more[0], status=DealStatus.WON)
    await look(dealer)
    assert [line[2] for line in await listed(dealer)] == [moved, more[1]]
    assert [status(dealer)[each] for each in (moved, more[1])] == [OPEN, OPEN]


async def test_what_is_in_a_pipeline_of_a_persons_choice_stays_when_deals_are_made_anew(
    dealer: Dealer,
) -> None:
    mine = await a_deal(dealer)
    dealer.crm.edit(mine.id, pipeline_id="p2", stage_id="p2-1")
    for table in ("deals", "deal_links", "deal_queue", "ghl_opportunities", "ghl_contacts"):
        await dealer.rows(f"delete from integrations.{table} where tenant_id = %s returning 1")
    await look(dealer)
    await look(dealer)
    [new] = set(dealer.crm.opportunities) - {mine.id}
    assert status(dealer) == {mine.id: OPEN, new: OPEN}
    assert await listed(dealer) == [("job-70", new, mine.id)]


async def test_what_is_being_created_for_a_customer_with_the_same_contact_is_nobodys_second(
    dealer: Dealer,
) -> None:
    """Its webhook is faster than its answer, and another worker is at the other customer."""
    mine = await a_deal(dealer)
    await dealer.shop.customer(8)
    async with transaction(dealer.deals.pool) as connection:
        link = Link(st_customer_id=8, ghl_contact_id=mine.contact_id, reason="person")
        await links.put(connection, dealer.deals.tenant_id, link)
    create = dealer.crm.create_opportunity

    async def slow(contact_id: str, change: OpportunityChange) -> Opportunity:
        new = await create(contact_id, change)
        await read_again(dealer.deals, "opportunity", new.id)
        await place(dealer.deals, 7, looks=True)
        return new

    dealer.crm.create_opportunity = slow  # type: ignore[method-assign]
    await dealer.run()
    dealer.crm.create_opportunity = create  # type: ignore[method-assign]
    await look(dealer, 7, 8)
    assert list(status(dealer).values()) == [OPEN, OPEN]
    assert await listed(dealer) == []
    assert await dealer.rows("select deal from integrations.deals where tenant_id = %s order by deal") == [
        ("customer-8",), ("job-70",),
    ]  # fmt: skip


async def test_only_a_second_one_is_listed(dealer: Dealer) -> None:
    """A lead that became a job had another name; a deal that ended long ago is there, though unwritten."""
    mine = await a_deal(dealer)
    old = dealer.now - timedelta(days=200)
    await dealer.shop.estimate(62, 60, 7, old, "Dismissed")
    keys = ("customer-7", "job-60", "customer-9", "job-99")
    of_keys = {key: await made(dealer, mine.contact_id, key) for key in keys}
    await look(dealer)
    assert await listed(dealer) == [("customer-7", mine.id, of_keys["customer-7"])]
    assert set(status(dealer).values()) == {OPEN}


async def test_a_name_that_another_deal_has_or_awaits_is_left_alone(dealer: Dealer) -> None:
    mine = await a_deal(dealer)
    await dealer.shop.customer(8)
    await dealer.run()
    await dealer.rows(
        'update integrations.deals set pending = \'{"st_deal": "job-70"}\''
        " where tenant_id = %s and st_customer_id = 8 returning 1"
    )
    second = await made(dealer, mine.contact_id, "job-70")
    await pull(dealer.deals, "all")
    await place(dealer.deals, 7, looks=True)
    assert await listed(dealer) == []
    await dealer.rows("update integrations.deals set pending = null where tenant_id = %s returning 1")
    await place(dealer.deals, 7, looks=True)
    assert await listed(dealer) == [("job-70", mine.id, second)]


async def test_a_person_closes_a_second_one(dealer: Dealer) -> None:
    """Where nothing may be written it is said so; what was done there before, or is gone, is done."""
    mine = await a_deal(dealer)
    seconds = [await made(dealer, mine.contact_id, "job-70") for _ in range(4)]
    await look(dealer)
    conflicts = [line[0] for line in await dealer.rows(LISTED)]
    off = replace(dealer.deals, enabled=False)
    elsewhere = replace(dealer.deals, location_id="elsewhere")
    async with transaction(dealer.deals.pool) as connection:
        await connection.execute(
            "insert into servicetitan.sync_state (tenant_id, key, value)"
            " values (%s, 'deals_location', '\"here\"')",
            (dealer.deals.tenant_id,),
        )
    for deals in (off, elsewhere):
        deals.forget()
        with pytest.raises(NotConnected):
            await persons.decide(deals, conflicts[0], "ours", by="mia")
    dealer.crm.fault = refusing(["update_opportunity"], "lostReasonId should not be empty")
    with pytest.raises(VendorRefused):
        await persons.decide(dealer.deals, conflicts[0], "ours", by="mia")
    dealer.crm.fault = lambda *_: None
    assert len(await listed(dealer)) == 4
    assert set(status(dealer).values()) == {OPEN}
    dealer.crm.edit(seconds[1], status=DealStatus.WON)
    del dealer.crm.opportunities[seconds[2]]
    for conflict in conflicts[:3]:
        await persons.decide(dealer.deals, conflict, "ours", by="mia")
    with pytest.raises(NothingKnown):
        await persons.decide(dealer.deals, conflicts[0], "ours", by="mia")
    assert status(dealer) == {
        mine.id: OPEN, seconds[0]: ABANDONED, seconds[1]: DealStatus.WON, seconds[3]: OPEN,
    }  # fmt: skip
    assert await dealer.rows(DECIDED) == [(each, "ours", "mia") for each in seconds[:3]]
    assert await dealer.rows(CLOSED) == [(seconds[0], ["status"])]
    dealer.crm.edit(seconds[0], status=OPEN)  # a person wants it after all
    await look(dealer)
    assert status(dealer)[seconds[0]] is OPEN
    assert [line[2] for line in await listed(dealer)] == [seconds[3]]


async def test_a_second_one_that_became_the_only_one_stays(dealer: Dealer) -> None:
    """Whoever still has the question on the screen closes nothing with it."""
    mine = await a_deal(dealer)
    second = await made(dealer, mine.contact_id, "job-70", assigned_to="mia")
    await look(dealer)
    [(conflict, *_)] = await dealer.rows(LISTED)
    del dealer.crm.opportunities[mine.id]
    await place(dealer.deals, 7, looks=True)
    with pytest.raises(BadArgument, match="the only one of its deal by now"):
        await persons.decide(dealer.deals, conflict, "ours", by="mia")
    await dealer.shop.estimate(72, 70, 7, dealer.now)
    await dealer.run()
    assert await dealer.rows("select ghl_opportunity_id from integrations.deals where tenant_id = %s") == [
        (second,)
    ]
    assert await dealer.rows(DECIDED) == [(second, "overtaken", "perfectcatch")]
    await dealer.rows(
        "update integrations.deal_conflicts set resolved_at = null where tenant_id = %s"
        " and field = 'twin' returning 1"
    )
    with pytest.raises(NothingKnown, match="own by now"):
        await persons.decide(dealer.deals, conflict, "ours", by="mia")
    assert status(dealer) == {second: OPEN}
    assert await dealer.rows(DECIDED) == [(second, "overtaken", "perfectcatch")]
