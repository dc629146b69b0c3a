"""What each answer of the CRM means, and that nothing is written twice or lost."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ghl_location import LOCATION, Opened, Recorded, location, served, stage_ids, transport_to

from perfectcatch.errors import (
    AccountInactive,
    CredentialsRejected,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ScopeMissing,
    VendorRefused,
    VendorUnavailable,
)
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Response
from perfectcatch.model.crm import AlreadyThere, Contact, ContactChange, DealStatus, OpportunityChange
from perfectcatch.sandbox.gohighlevel.shapes import RefusedError
from perfectcatch.vendors.gohighlevel.client import GoHighLevel
from perfectcatch.vendors.gohighlevel.operations import CREATE_CONTACT, UPDATE_CONTACT, WRITE_CONTACTS
from perfectcatch.vendors.gohighlevel.reading import contact_of, money_of, opportunity_of
from perfectcatch.vendors.gohighlevel.refusals import by_field, refused
from perfectcatch.vendors.gohighlevel.versions import FIRST, THIRD

ANN = ContactChange(first_name="Ann", last_name="Lee", email="ann@example.com", phone="+13035550142")
Act = Callable[[Opened], Coroutine[Any, Any, Any]]


def answer(status: int, body: bytes) -> Response:
    return Response(status=status, headers={}, body=body, seconds=0.0)


async def create_deal(opened: Opened, contact: Contact, name: str = "A deal") -> str:
    pipeline, stages = stage_ids(opened.vendor)
    change = OpportunityChange(name=name, pipeline_id=pipeline, stage_id=stages[0], value=Decimal(10))
    return (await opened.crm.create_opportunity(contact.id, change)).id


# Duplicates ------------------------------------------------------------------------------------


async def test_a_contact_that_is_there_is_named():
    async with location() as opened:
        ann = await opened.crm.create_contact(ANN)
        for second in (
            ContactChange(first_name="A.", email="ANN@example.com"),
            ContactChange(first_name="A.", email="other@example.com", phone="303-555-0142"),
        ):
            with pytest.raises(AlreadyThere) as raised:
                await opened.crm.create_contact(second)
            assert raised.value.existing_id == ann.id
        bob = await opened.crm.create_contact(ContactChange(first_name="Bob", email="bob@example.com"))
        with pytest.raises(AlreadyThere) as raised:
            await opened.crm.update_contact(bob.id, ContactChange(email="ann@example.com"))
        assert raised.value.existing_id == ann.id
        assert len(opened.vendor.account.contacts) == 2
        opened.vendor.account.rules.allow_duplicate_contact = True
        await opened.crm.create_contact(ANN)
        assert len(opened.vendor.account.contacts) == 3


@pytest.mark.parametrize(("rule", "refused_in"), [("contact", 2), ("pipeline", 1), ("none", 0)])
async def test_a_second_opportunity_names_the_first(rule: str, refused_in: int):
    async with location() as opened:
        opened.vendor.account.rules.one_opportunity = rule
        ann = await opened.crm.create_contact(ANN)
        first = await create_deal(opened, ann)
        existing = []
        for name in ("SALES", "INSTALL"):
            change = OpportunityChange(name="Second", pipeline_id=stage_ids(opened.vendor, name)[0])
            try:
                await opened.crm.create_opportunity(ann.id, change)
            except AlreadyThere as already:
                existing.append(already.existing_id)
        assert existing == [first] * refused_in
        assert len(await opened.crm.opportunities_of(ann.id)) == 3 - refused_in


async def test_a_refusal_that_created_the_contact_all_the_same_is_found_out():
    async with location(behind=30.0) as opened:
        opened.fault("422_after", on="POST /contacts/")
        ann = await opened.crm.create_contact(ANN, tags=["customer"])
        assert list(opened.vendor.account.contacts) == [ann.id]
        assert opened.calls("POST /contacts/") - opened.calls("POST /contacts/search") == 1


async def test_a_refusal_that_created_nothing_is_passed_on_with_the_vendors_words():
    async with location() as opened:
        wrong = ContactChange(first_name="Bob", email="bob@example.com", custom={"x": "y"}, state=7)  # type: ignore[arg-type]
        with pytest.raises(VendorRefused) as raised:
            await opened.crm.create_contact(wrong)
        assert raised.value.status == 422
        assert raised.value.errors == {"state": ["state must be a string"]}
        ann = await opened.crm.create_contact(ANN)
        with pytest.raises(AlreadyThere) as already:
            await opened.crm.create_contact(
                ContactChange(first_name="Mia", email="ann@example.com", state=7)  # type: ignore[arg-type]
            )
        assert already.value.existing_id == ann.id


# What an answer leaves open --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500_before", "500_after", "503", "hang_before", "hang_after", "cut"])
async def test_a_contact_is_created_at_most_once(kind: str):
    async with location(seconds=0.4 if "hang" in kind else 15.0) as opened:
        opened.fault(kind, on="POST /contacts/", times=None)
        with pytest.raises(OutcomeUnknown):
            await opened.crm.create_contact(ANN)
        assert len(opened.vendor.calls) == 1
        opened.vendor.faults.clear()
        found = await opened.crm.contacts_like(email=ANN.email)
        assert len(found) == len(opened.vendor.account.contacts) == (kind.endswith("after") or kind == "cut")


@pytest.mark.parametrize("kind", ["500_after", "503", "hang_before", "cut", "429"])
async def test_what_may_be_repeated_is(kind: str):
    """Reading, changing to a value and adding a tag; a call that is refused by rate was not carried out."""
    async with location(seconds=0.4 if "hang" in kind else 15.0) as opened:
        ann = await opened.crm.create_contact(ANN)
        steps: dict[str, Act] = {
            "GET /contacts/{id}": lambda it: it.crm.contact(ann.id),
            "PUT /contacts/{id}": lambda it: it.crm.update_contact(ann.id, ContactChange(last_name="Li")),
            "POST /contacts/{id}/tags": lambda it: it.crm.add_tags(ann.id, ["vip"]),
        }
        if kind == "429":
            steps["POST /contacts/{id}/notes"] = lambda it: it.crm.add_note(ann.id, "Once.")
        for what, act in steps.items():
            opened.fault(kind, on=what, times=2)
            await act(opened)
            assert opened.calls(what) == 3
        account = opened.vendor.account
        assert (account.contacts[ann.id]["tags"], account.contacts[ann.id]["lastName"]) == (["vip"], "Li")
        assert len(account.notes) == (kind == "429")


async def test_a_change_without_any_answer_is_unknown_in_the_end():
    async with location() as opened:
        ann = await opened.crm.create_contact(ANN)
        opened.fault("500_after", on="PUT", times=None)
        with pytest.raises(OutcomeUnknown):
            await opened.crm.update_contact(ann.id, ContactChange(last_name="Li"))
        opened.fault("500_before", on="GET", times=None)
        with pytest.raises(VendorUnavailable) as raised:
            await opened.crm.contact(ann.id)
        assert not isinstance(raised.value, OutcomeUnknown)


# Refusals --------------------------------------------------------------------------------------


async def test_credentials_scopes_and_a_suspended_location_are_for_a_person():
    async with location(token="pit-of-somebody-else") as opened:
        with pytest.raises(CredentialsRejected, match="GHL_API_KEY"):
            await opened.crm.pipelines()
        assert len(opened.vendor.calls) == 1  # a private token is not asked for again
    async with location() as opened:
        opened.vendor.tokens.scopes = frozenset({"contacts.readonly", "opportunities.readonly"})
        with pytest.raises(ScopeMissing, match=WRITE_CONTACTS):
            await opened.crm.create_contact(ANN)
        opened.vendor.tokens.scopes = None
        opened.fault("inactive")
        with pytest.raises(AccountInactive, match="not active"):
            await opened.crm.pipelines()
        opened.vendor.account.location_id = "another"
        with pytest.raises(CredentialsRejected, match="GHL_LOCATION_ID"):
            await opened.crm.pipelines()


async def test_what_is_not_there_is_not_found():
    async with location() as opened:
        for act in (opened.crm.contact, opened.crm.opportunity):
            with pytest.raises(NotFound):
                await act("gone")
        with pytest.raises(NotFound):
            await opened.crm.update_contact("gone", ContactChange(last_name="Li"))
        ann = await opened.crm.create_contact(ANN)
        # The record of the path is there; something that the body names is not.
        with pytest.raises(VendorRefused) as raised:
            await opened.crm.create_opportunity(ann.id, OpportunityChange(name="x", pipeline_id="none"))
        assert not isinstance(raised.value, NotFound)
        assert "pipeline id none is invalid" in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"<html>", VendorRefused),
        (400, b'{"message": {"odd": 1}}', VendorRefused),
        (401, b'{"message": "The token is not authorized for this scope."}', ScopeMissing),
        (400, b'{"error": "x", "error_description": "Location is not active"}', AccountInactive),
        (403, b'{"message": "Forbidden resource"}', ScopeMissing),
        (404, b"", VendorUnavailable),
        (403, b"<html>Access denied</html>", VendorUnavailable),
        (404, b"<html>Not Found</html>", VendorUnavailable),
        (404, b'{"message": "Cannot PUT /contactz/x", "error": "Not Found"}', VendorRefused),
        (404, b'{"message": "Contact not found"}', NotFound),
        (400, b'{"message": "Contact with id x not found"}', NotFound),
        (400, b'{"message": "Custom field with id x not found"}', VendorRefused),
        (404, b'{"message": "The pipeline stage does not exist"}', VendorRefused),
        (429, b"", RateLimited),
        (408, b"", VendorUnavailable),
        (502, b"<html>", VendorUnavailable),
        (400, b'{"code": "OPPORTUNITY_NO_DUPLICATE", "message": "no", "meta": null}', AlreadyThere),
        (400, b'{"message": ["This location does not allow duplicated contacts."]}', AlreadyThere),
    ],
)
def test_refusals(status: int, body: bytes, kind: type[Exception]):
    problem = refused(UPDATE_CONTACT, answer(status, body))
    assert type(problem) is kind
    if isinstance(problem, AlreadyThere):
        assert problem.existing_id is None
    assert str(refused(CREATE_CONTACT, answer(status, body)))


def test_the_vendors_sentences_are_kept_by_field():
    assert by_field(["property additionalEmails should not exist", "email must be an email", "Odd one"]) == {
        "additionalEmails": ["property additionalEmails should not exist"],
        "email": ["email must be an email"],
        "Odd": ["Odd one"],
    }
    assert by_field(["Something went wrong."]) == {"": ["Something went wrong."]}


# Rates -----------------------------------------------------------------------------------------


async def test_the_vendors_rate_is_kept_and_nearly_used():
    async with location() as opened:
        ann = await opened.crm.create_contact(ANN)
        began = opened.clock.monotonic()
        await asyncio.gather(*(opened.crm.contact(ann.id) for _ in range(300)))
        seconds = opened.clock.monotonic() - began
        assert opened.vendor.meter.refused == 0
        assert 0.9 <= 300 / seconds / 10 <= 1.0


async def test_the_day_is_kept_for_people_when_it_ends():
    async with location() as opened:
        ann = await opened.crm.create_contact(ANN)
        opened.vendor.meter.daily, opened.vendor.meter.today = 1000, 990
        await opened.crm.contact(ann.id)
        assert opened.crm.day is not None
        assert (opened.crm.day.limit, opened.crm.day.remaining) == (1000, 9)
        with pytest.raises(RateLimited, match="1,000 requests a day, and 9 are left") as raised:
            await opened.crm.contact(ann.id)
        assert raised.value.after_seconds is not None
        opened.clock.advance(raised.value.after_seconds + 1)
        await opened.crm.contact(ann.id)
        opened.clock.advance(700)
        opened.vendor.meter.today = 1000
        with pytest.raises(RateLimited) as raised:
            await opened.crm.contact(ann.id)
        assert (raised.value.after_seconds or 0) >= 300


# Searches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 499, 500, 501])
async def test_pages_bring_everything_once_and_go_on_from_a_place(count: int):
    async with location() as opened:
        make(opened, count)
        pages = [page async for page in opened.crm.contact_pages()]
        seen = [each.id for page in pages for each in page.records]
        assert sorted(seen) == sorted(opened.vendor.account.contacts)
        assert pages[-1].after is None
        assert all(page.total == count for page in pages)
        if len(pages) > 1:
            rest = [
                each.id async for page in opened.crm.contact_pages(pages[0].after) for each in page.records
            ]
            assert rest == seen[500:]


async def test_pages_reach_beyond_ten_thousand():
    async with location() as opened:
        make(opened, 10_501)
        seen = [each.id async for page in opened.crm.opportunity_pages() for each in page.records]
        assert len(set(seen)) == len(seen) == 10_501
        assert opened.calls("/search") == 22


async def test_a_server_that_knows_no_order_and_gives_small_pages_is_read_whole():
    kept = [
        {"id": f"o{n}", "name": "A deal", "contactId": "c", "pipelineId": "p", "status": "open"}
        for n in range(250)
    ]

    async def search(request: web.Request) -> web.Response:
        body = await request.json()
        if "sort" in body:
            words = {"statusCode": 422, "message": ["property sort should not exist"]}
            return web.json_response(words, status=422)
        start = (body["page"] - 1) * 100
        return web.json_response({"opportunities": kept[start : start + 100], "total": len(kept)})

    app = web.Application()
    app.router.add_post("/opportunities/search", search)
    async with served(app) as url, Recorded() as http:
        crm = GoHighLevel(transport_to(url, http, FakeClock()), location_id=LOCATION, version=FIRST)
        seen = [each.id async for page in crm.opportunity_pages() for each in page.records]
    assert seen == [each["id"] for each in kept]


async def test_a_search_that_is_behind_is_made_up_for():
    async with location(behind=5.0) as opened:
        ann = await opened.crm.create_contact(ANN)
        assert [each.id for each in await opened.crm.contacts_like(phone="3035550142")] == [ann.id]
        await create_deal(opened, ann)
        assert await opened.crm.opportunities_of(ann.id) == ()
        opened.clock.advance(6)
        assert len(await opened.crm.opportunities_of(ann.id)) == 1
        assert [each.id for each in await opened.crm.contacts_like(email="ann@example.com")] == [ann.id]


async def test_of_a_contact_with_very_many_opportunities_all_are_seen():
    """Many of them of the same moment, on a page's edge too; where no cursor is given, pages have numbers."""
    for version in (FIRST, THIRD):
        async with location(version=version) as opened:
            account, ann = opened.vendor.account, await opened.crm.create_contact(ANN)
            account.rules.one_opportunity = "none"
            pipeline, [stage, *_] = stage_ids(opened.vendor)
            for number in range(250):
                opened.clock.advance(0.01 if number % 9 == 0 else 0)
                body = {"locationId": LOCATION, "contactId": ann.id, "pipelineId": pipeline}
                account.create_opportunity({**body, "pipelineStageId": stage, "name": "x", "status": "open"})
            found = await opened.crm.opportunities_of(ann.id)
            assert {each.id for each in found} == set(account.opportunities)
            assert opened.calls("GET /opportunities/search") == 3


def make(opened: Opened, count: int) -> None:
    """So many contacts with a deal each, in the index at once; many of them of the same moment."""
    account, (pipeline, stages) = opened.vendor.account, stage_ids(opened.vendor)
    for number in range(count):
        opened.clock.advance(0.01 if number % 7 == 0 else 0)
        at = account.at()
        contact = {"id": f"c{number:05}", "name": f"N {number}", "dateAdded": at, "dateUpdated": at}
        account.contacts[contact["id"]] = contact
        account.contact_index.seen[contact["id"]] = contact
        deal = {
            "id": f"o{number:05}",
            "name": f"D {number}",
            "contactId": contact["id"],
            "pipelineId": pipeline,
            "pipelineStageId": stages[0],
            "status": "open",
            "monetaryValue": number,
            "createdAt": at,
            "updatedAt": at,
        }
        account.opportunities[deal["id"]] = account.opportunity_index.seen[deal["id"]] = deal


# Reading ---------------------------------------------------------------------------------------


def test_documents_of_both_versions_are_understood():
    deal = {
        "id": "o",
        "contact": {"id": "c"},
        "pipelineId": "p",
        "status": "Won",
        "monetaryValue": 1234.56,
        "dateAdded": 1764000000000,
        "custom_fields": [{"id": "f", "fieldValueString": "x"}, {"id": "g", "field_value": ["a"]}, 7],
    }
    read = opportunity_of(deal)
    assert (read.contact_id, read.status, read.value) == ("c", DealStatus.WON, Decimal("1234.56"))
    assert read.custom == {"f": "x", "g": ["a"]}
    assert read.added_at is not None
    assert [str(money_of(each)) for each in (0.1, 1e9, "7.50", True, float("nan"))] == [
        "0.1",
        "1000000000.0",
        "7.50",
        "None",
        "None",
    ]
    assert contact_of({"id": "c", "firstName": "Ann", "tags": None, "dateUpdated": "soon"}).name == "Ann"
    orphan = opportunity_of({"id": "o", "status": "odd"})
    assert (orphan.contact_id, orphan.status, orphan.value) == ("", DealStatus.OPEN, None)
    for odd in (None, {}, {"contactId": "c"}):
        with pytest.raises(VendorUnavailable):
            opportunity_of(odd)


async def test_people_leave_an_account_that_can_be_read():
    async with location() as opened:
        ann = await opened.crm.create_contact(ANN, tags=["customer"])
        await create_deal(opened, ann)
        assert len(opened.vendor.people.act(40)) == 40
        assert "customer" in (await opened.crm.contact(ann.id)).tags
        assert len(await opened.crm.opportunities_of(ann.id)) == 1
        with pytest.raises(RefusedError):
            opened.vendor.account.update_opportunity("none", {})
