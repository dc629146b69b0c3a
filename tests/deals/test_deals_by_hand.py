"""Pulls, pushes, rounds, webhooks, checks, alarms, and what workflows ask for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deals.dealer import Dealer
from deals.memory_crm import pipeline, refusing
from perfectcatch.deals import pulling, schedule, sweeps, working
from perfectcatch.deals.acting import Actions
from perfectcatch.deals.checking import check
from perfectcatch.deals.hints import follow
from perfectcatch.deals.working import alarm
from perfectcatch.errors import NothingKnown, Refused, VendorUnavailable
from perfectcatch.model.crm import ContactChange
from perfectcatch.model.webhook import Delivery, Hint
from perfectcatch.store import inbox
from perfectcatch.store.deals import queue
from perfectcatch.store.inbox import Arrival
from perfectcatch.store.pool import transaction

PLANNED = ("SALES / Appointment Scheduled", "open")


async def planned(dealer: Dealer, *customers: int) -> None:
    for st_id in customers:
        await dealer.shop.customer(st_id)
        await dealer.shop.job(st_id * 10, st_id, dealer.now)
        await dealer.visit(st_id * 10 + 1, st_id * 10, st_id, dealer.now)


async def log(dealer: Dealer) -> list[tuple[object, ...]]:
    return await dealer.rows(
        "select sync_type, direction, subject, status, records_created, records_updated, records_failed"
        " from integrations.ghl_sync_log where tenant_id = %s order by id"
    )


async def test_a_pull_that_is_broken_off_goes_on_and_sees_what_is_gone(dealer: Dealer) -> None:
    made = [await dealer.crm.create_contact(ContactChange(email=f"{n}@example.com")) for n in range(8)]
    pages: list[int] = []

    def breaks(name: str, when: str) -> None:
        if name == "page" and when == "before":
            pages.append(1)
            if len(pages) == 3:
                raise VendorUnavailable("away")

    dealer.crm.fault = breaks
    with pytest.raises(VendorUnavailable):
        await pulling.pull(dealer.deals, "contacts")
    found = await pulling.pull(dealer.deals, "contacts")
    assert (found["contacts"].created, len(pages)) == (2, 4)
    del dealer.crm.contacts[made[0].id]
    dealer.crm.contacts[made[1].id] = dealer.crm._told(replace(made[1], first_name="Zoe"))
    found = await pulling.pull(dealer.deals, "contacts")
    assert (found["contacts"].updated, found["contacts"].unchanged) == (1, 6)
    rows = await dealer.rows(
        "select count(*), count(deleted_at) from integrations.ghl_contacts where tenant_id = %s"
    )
    assert rows == [(8, 1)]
    assert [row[:6] for row in await log(dealer)] == [
        ("full", "ghl_to_st", "contacts", "failed", 6, 0),
        ("full", "ghl_to_st", "contacts", "succeeded", 2, 0),
        ("full", "ghl_to_st", "contacts", "succeeded", 0, 1),
    ]


async def test_a_round_finds_what_no_event_told_of(dealer: Dealer) -> None:
    await planned(dealer, 7)
    await dealer.begin()  # all that was is past
    counts = await sweeps.round_(dealer.deals)
    assert (counts.created, dealer.places()) == (1, [PLANNED])
    await dealer.shop.assigned(74, 70, 71, dealer.now)
    await dealer.begin()
    await dealer.due()
    await sweeps.round_(dealer.deals)
    assert "Bo Hill" in dealer.all()[0].custom.values()
    assert [row[:6] for row in await log(dealer)] == [
        ("incremental", "st_to_ghl", "round", "succeeded", 1, 0),
        ("incremental", "st_to_ghl", "round", "succeeded", 0, 1),
    ]


async def test_an_offer_that_rests_is_followed_up(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    await dealer.shop.estimate(72, 70, 7, dealer.now)
    await dealer.run()
    await sweeps.round_(dealer.deals)
    dealer.pass_by(days=3, minutes=1)
    await sweeps.round_(dealer.deals)
    assert dealer.places() == [("SALES / Estimate Follow-up", "open")]


async def test_the_sweep_of_installations(dealer: Dealer) -> None:
    await dealer.unit(2, "Install Phoenix")
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now, businessUnitId=2)
    dealer.clock.skew((await dealer.rows("select now() where %s > 0"))[0][0] - dealer.now)
    assert await sweeps.installs(dealer.deals) == 1
    assert dealer.places() == [("INSTALL / Ready for Install", "won")]


async def test_a_push_takes_the_old_ones_too(dealer: Dealer) -> None:
    old = dealer.now - timedelta(days=200)
    await dealer.shop.customer(7)
    await dealer.shop.estimate(72, 70, 7, old, "Dismissed")
    await dealer.shop.customer(8)
    await dealer.begin()
    await sweeps.round_(dealer.deals)
    assert dealer.places() == [("SALES / New Lead", "open")]
    counts = await sweeps.push(dealer.deals, "estimates")
    assert (counts.created, dealer.places()[1:]) == (1, [("SALES / Estimate Lost", "lost")])
    assert (await sweeps.push(dealer.deals, "customers")).created == 0


async def hint(dealer: Dealer, kind: str, its_id: str) -> None:
    delivery = Delivery(event_type="x", event_id=None, hints=(Hint(kind, its_id),))  # type: ignore[arg-type]
    await inbox.receive(
        dealer.deals.pool,
        dealer.deals.tenant_id,
        Arrival(source="ghl", delivery=delivery, headers={}, body=its_id.encode()),
    )


async def test_webhooks_are_hints_and_our_own_echo_is_nothing(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    await dealer.run()
    [deal] = dealer.all()
    await hint(dealer, "opportunity", deal.id)
    assert await follow(dealer.deals) == 1
    assert await dealer.waiting() == []
    dealer.crm.edit(deal.id, stage_id="p1-0")
    await hint(dealer, "opportunity", deal.id)
    await follow(dealer.deals)
    await dealer.run()
    assert dealer.places() == [PLANNED]
    del dealer.crm.opportunities[deal.id]
    await hint(dealer, "opportunity", deal.id)
    await follow(dealer.deals)
    await dealer.run()
    assert dealer.places() == []
    [state] = await dealer.rows("select distinct state from automation.webhooks where tenant_id = %s")
    assert state == ("done",)


async def test_a_check_finds_and_repairs(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7, 8)
    await dealer.run()
    assert (await check(dealer.deals)).is_well
    first = dealer.all()[0]
    dealer.crm.edit(first.id, name="Wrong", value=None, status=first.status)
    await dealer.shop.customer(9)
    await dealer.begin()
    dealer.crm.all_pipelines[0] = pipeline(
        "p1", "SALES", ["Neuer Lead", *[stage.name for stage in dealer.crm.all_pipelines[0].stages[1:]]]
    )
    dealer.deals.forget()
    found = await check(dealer.deals)
    assert {(line["customer_id"], line["field"]) for line in found.drift} == {
        (7, "name"), (7, "value"), (9, "opportunity"),
    }  # fmt: skip
    assert any("Neuer Lead" in note for note in found.notes)
    found = await check(dealer.deals, repair=True)
    assert found.is_well
    assert found.repaired == len(found.drift) > 0
    assert (await check(dealer.deals)).drift == []
    dealer.crm.all_pipelines[0] = pipeline("p1", "SALES", ["Neuer Lead"])
    dealer.deals.forget()
    lacking = await check(dealer.deals)
    assert any("job_sold" in sentence for sentence in lacking.account)


async def test_a_check_with_few_requests_says_how_sure_it_is_and_goes_on(dealer: Dealer) -> None:
    """Three opportunities a page, eleven requests about the account itself."""
    await dealer.begin()
    await planned(dealer, *range(7, 28))
    await dealer.run()
    found = await check(dealer.deals)
    assert (found.sure, found.requests) == ("certain: all 21 opportunities were compared", 11 + 6)
    wrong = [dealer.all()[number] for number in (2, 16)]
    for each in wrong:
        dealer.crm.edit(each.id, name="Wrong")
    seen: list[str] = []
    for pages, singles in ((3, 1), (3, 1), (1, 3)):
        before = dealer.crm.calls.copy()
        found = await check(dealer.deals, requests=11 + 4)
        asked = dealer.crm.calls - before
        assert (asked["page"], asked["opportunity"]) == (2 + pages, singles)
        assert (found.compared, found.opportunities, found.requests) == (3 * pages + singles, 21, 15)
        assert "with 95 % certainty at most" in found.sure
        assert found.at_most is not None
        assert (found.at_most == 1) is (singles == 1)  # one that was drawn tells nothing of the others
        assert 0 < found.at_most <= 1
        seen += [line["opportunity_id"] for line in found.drift]
    assert set(seen) == {each.id for each in wrong}
    assert not (await check(dealer.deals, requests=3)).compared
    found = await check(dealer.deals, repair=True)
    assert (found.repaired, found.is_well, found.at_most) == (2, True, 0.0)


async def test_what_is_refused_for_long_raises_an_event(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    dealer.crm.fault = refusing(["create_opportunity"], "No.")
    await dealer.run()
    assert await alarm(dealer.deals) == 0
    await dealer.rows(
        "update integrations.deal_queue set failing_since = now() - interval '25 hours' where tenant_id = %s"
        " returning 1"
    )
    assert (await alarm(dealer.deals), await alarm(dealer.deals)) == (1, 0)
    rows = await dealer.rows(
        "select st_id, data->>'cause' from automation.events where tenant_id = %s"
        " and event_type = 'crm_refused'"
    )
    assert rows == [
        (7, "The CRM does not take what the record says: mend it there or here; it is tried again.")
    ]


async def test_steps_of_workflows_act_by_our_ids(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    crm = Actions(dealer.deals)
    told = await crm.act("create_opportunity", {"opportunity": "job-70", "stage": "Job created"}, key="a")
    assert told["opportunities"] == {"job-70": dealer.all()[0].id}
    move = {"job": 70, "pipeline": "Sales", "stage": "Proposal sent"}
    assert (await crm.act("move_opportunity", move, key="b"))["moved"] is True
    assert (await crm.act("move_opportunity", move, key="b"))["moved"] is False
    assert dealer.places() == [("SALES / Appointment Completed / Proposal Sent", "open")]
    await crm.act("add_tags", {"customer": 7, "tags": ["vip"]}, key="c")
    for _ in range(2):
        await crm.act("add_note", {"customer": 7, "body": "Called."}, key="d")
    [contact] = dealer.crm.contacts.values()
    assert contact.tags == ("perfect-catch", "vip")
    assert [body for _, body in dealer.crm.notes] == ["Called."]
    with pytest.raises(NothingKnown):
        await crm.act("move_opportunity", {"job": 99}, key="e")
    with pytest.raises(Refused):
        await crm.act("delete_contact", {"customer": 7}, key="f")


async def installing(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.unit(2, "Install Phoenix")
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now, businessUnitId=2)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()


async def test_a_step_moves_nothing_backwards_into_another_pipeline(dealer: Dealer) -> None:
    await installing(dealer)
    before = dealer.places()
    move = {"job": 70, "pipeline": "Sales", "stage": "Appointment Scheduled"}
    told = await Actions(dealer.deals).act("move_opportunity", move, key="a")
    assert (told["moved"], dealer.places()) == (False, before)


async def test_a_move_of_ours_is_no_persons(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    await dealer.run()
    move = {"job": 70, "pipeline": "Sales", "stage": "Estimate Follow-up"}
    assert (await Actions(dealer.deals).act("move_opportunity", move, key="a"))["moved"] is True
    await working.one(dealer.deals, 7, looks=True)
    assert dealer.places() == [("SALES / Estimate Follow-up", "open")]
    assert await dealer.rows("select 1 from integrations.deal_conflicts where tenant_id = %s") == []


async def test_what_comes_while_a_step_waits_for_a_customer_is_done_afterwards(
    dealer: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    await dealer.run()
    placing = working.place

    async def place(*args: Any, **more: Any) -> Any:
        placed = await placing(*args, **more)
        async with transaction(dealer.deals.pool) as connection:
            mark = queue.Mark(customer_id=7, reason="crm_changed", looks=True)
            await queue.want(connection, dealer.deals.tenant_id, [mark])
        return placed

    monkeypatch.setattr(working, "place", place)
    await working.one(dealer.deals, 7)
    assert [row[0] for row in await dealer.waiting()] == [7]


async def test_who_waits_for_a_person_is_not_asked_about_each_round(dealer: Dealer) -> None:
    await dealer.begin()
    await dealer.crm.create_contact(ContactChange(last_name="Kim", phone="+13035550107"))
    await dealer.shop.customer(7, email=None)
    await dealer.run()
    assert await queue.retry_refused(dealer.deals.pool, dealer.deals.tenant_id) == 0
    [(_, _, _, attempts)] = await dealer.waiting()
    assert attempts == 1


async def test_a_search_that_says_more_of_the_same_is_no_change(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    await dealer.run()
    await pulling.pull(dealer.deals, "opportunities", full=True)
    [deal] = dealer.all()
    dealer.crm.opportunities[deal.id] = replace(deal, document={**deal.document, "searchAfter": [1, "x"]})
    found = await pulling.pull(dealer.deals, "opportunities", full=True)
    assert (found["opportunities"].updated, found["opportunities"].unchanged) == (0, 1)
    assert await dealer.waiting() == []


async def test_a_round_goes_on_where_the_pull_fails(dealer: Dealer) -> None:
    await dealer.begin()
    await planned(dealer, 7)
    dealer.deals = replace(dealer.deals, enabled=True)

    def breaks(name: str, when: str) -> None:
        if name == "page":
            raise VendorUnavailable("away")

    dealer.crm.fault = breaks
    with pytest.raises(VendorUnavailable):
        await schedule.run(dealer.deals, "round")
    assert dealer.places() == [PLANNED]
