"""``/ghl`` over deals that go to a CRM in memory."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from office import Office, open_office

from deals.dealer import Dealer
from deals.memory_crm import pipeline
from perfectcatch.kit.clock import FakeClock
from perfectcatch.model.crm import ContactChange
from perfectcatch.store.pool import Pool
from workflows.shop import Shop

COMPANIES = count(700)


@pytest.fixture
async def dealing(filled: str) -> AsyncIterator[tuple[Office, Dealer]]:
    """A server whose company has deals, and the deals."""
    made: list[Dealer] = []

    def deals(pool: Pool, tenant: int, clock: FakeClock) -> Any:
        dealer = Dealer.new(pool, tenant)
        dealer.clock = dealer.crm.clock = dealer.deals.clock = clock
        dealer.shop = Shop(pool, tenant)
        made.append(dealer)
        return dealer.deals

    async with open_office(filled, tenant=next(COMPANIES), deals=deals) as office:
        yield office, made[0]


async def test_without_a_crm(office: Office) -> None:
    await office.get("/ghl/pipelines", 409)
    await office.get("/ghl/sync/status", 409)
    await office.get("/ghl/business-units", 409)
    await office.send("PUT", "/ghl/business-units/2/pipeline", {"pipeline": "SALES"}, 409)
    await office.send("POST", "/ghl/sync/trigger", {}, 409)
    assert (await office.get("/ghl/opportunities"))["data"] == []
    assert (await office.get("/health/ghl"))["state"] == "not configured"


async def test_what_is_there_and_how_it_stands(dealing: tuple[Office, Dealer]) -> None:
    office, dealer = dealing
    await dealer.begin()
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now)
    await dealer.visit(71, 70, 7, dealer.now)
    moved = await office.send("POST", "/ghl/install-pipeline/move", {"st_job_id": 70})
    assert (moved["customer_id"], moved["created"]) == (7, 1)
    again = await office.send("POST", "/ghl/install-pipeline/move", {"st_customer_id": 7})
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)
    await office.send("POST", "/ghl/install-pipeline/move", {}, 422)
    await office.send("POST", "/ghl/install-pipeline/move", {"st_job_id": 99}, 404)
    [one] = (await office.get("/ghl/opportunities?stage=Appointment+Scheduled&job_id=70"))["data"]
    assert (one["pipeline_name"], one["st_customer_id"], one["synced_to_st"]) == ("SALES", 7, True)
    [contact] = (await office.get("/ghl/contacts?synced=true"))["data"]
    assert (contact["st_customer_id"], contact["tags"]) == (7, ["perfect-catch"])
    listed = await office.get("/ghl/pipelines")
    assert listed["data"][0]["stages"][2]["stands_for"] == "appointment_scheduled"
    status = await office.get("/ghl/sync/status")
    assert status["by_stage"] == [
        {"pipeline": "SALES", "stage": "Appointment Scheduled", "status": "open", "number": 1, "value": 400}
    ]
    assert status["coverage"] == {"customers": 1, "in_crm": 1}
    assert (await office.send("POST", "/ghl/sync/trigger", {"what": "pull"}, 202))["asked"] is True
    assert (await office.send("POST", "/ghl/sync/trigger", {"what": "pull"}, 202))["asked"] is False
    assert (await office.get("/health/ghl"))["state"] == "well"  # no round was done yet, and nothing waits
    timeline = await office.get("/api/customers/7/timeline")
    assert [line["sentence"] for line in timeline["data"] if line["entity"] == "deals"] == [
        "In the CRM: SALES, Appointment Scheduled, $400.00."
    ]


async def test_a_run_is_asked_for_without_a_body(dealing: tuple[Office, Dealer]) -> None:
    office, _ = dealing
    assert await office.send("POST", "/ghl/sync/trigger", None, 202) == {"what": "round", "asked": True}


async def test_people_say_which_contact_it_is_and_whose_value_stands(dealing: tuple[Office, Dealer]) -> None:
    office, dealer = dealing
    await dealer.begin()
    other = await dealer.crm.create_contact(ContactChange(last_name="Kim", phone="+13035550107"))
    await dealer.shop.customer(7, email=None)
    await dealer.run()
    [error] = (await office.get("/ghl/errors"))["data"]
    assert (error["st_customer_id"], error["refused"], error["attempts"]) == (7, True, 1)
    assert (await office.get("/health/ghl"))["state"] == "ailing"
    [asked] = (await office.get("/ghl/unmatched"))["data"]
    assert [each["ghl_contact_id"] for each in asked["candidates"]] == [other.id]
    await office.send("POST", f"/ghl/unmatched/{asked['id']}/resolve", {"ghl_contact_id": "nobody"}, 404)
    await office.send("POST", f"/ghl/unmatched/{asked['id']}/resolve", {"ghl_contact_id": other.id})
    await dealer.run()
    assert (await office.get("/ghl/unmatched"))["data"] == []
    [deal] = dealer.all()
    assert deal.contact_id == other.id
    dealer.crm.edit(deal.id, stage_id="p1-3")
    await office.send("POST", "/ghl/errors/7/retry", None, 202)
    await office.send("POST", "/ghl/errors/99/retry", None, 404)
    await dealer.run()
    [conflict] = (await office.get("/ghl/conflicts"))["data"]
    assert (conflict["field"], conflict["kept"]) == ("stage", "theirs")
    await office.send("POST", f"/ghl/conflicts/{conflict['id']}/resolve", {"decision": "ours"})
    await office.send("POST", f"/ghl/conflicts/{conflict['id']}/resolve", {"decision": "ours"}, 404)
    await dealer.run()
    assert dealer.places() == [("SALES / New Lead", "open")]
    assert len((await office.get("/ghl/conflicts?everything=true"))["data"]) == 1


async def test_a_business_unit_uses_the_pipeline_that_a_person_says(dealing: tuple[Office, Dealer]) -> None:
    office, dealer = dealing
    own = pipeline("p5", "Pools", ["New Lead", "Appointment Scheduled", "Job Sold"])
    dealer.crm.all_pipelines += [own, pipeline("p6", "Odd", ["One", "Two"])]
    await dealer.begin()
    for unit, name in ((2, "Pools Denver"), (3, "Plumbing")):
        await dealer.unit(unit, name)
    await dealer.shop.customer(7)
    await dealer.shop.job(70, 7, dealer.now, businessUnitId=2)
    await dealer.visit(71, 70, 7, dealer.now)
    await dealer.run()
    assert dealer.places() == [("SALES / Appointment Scheduled", "open")]
    unit = {"business_unit_id": 2, "name": "Pools Denver"}
    path = "/ghl/business-units/2/pipeline"
    for wrong, status in (("Nothing", 422), ("Odd", 422), ("", 422), (7, 422)):
        await office.send("PUT", path, {"pipeline": wrong}, status)
    await office.send("PUT", path, {}, 422)
    await office.send("PUT", "/ghl/business-units/99/pipeline", {"pipeline": "Pools"}, 404)
    told = await office.send("PUT", path, {"pipeline": "pools"})
    assert told == unit | {"ghl_pipeline_id": "p5", "pipeline_name": "Pools", "customers": 1}
    assert (await office.send("PUT", path, {"pipeline": "p5"}))["customers"] == 0
    await dealer.run()
    assert dealer.places() == [("Pools / Appointment Scheduled", "open")]
    listed = (await office.get("/ghl/business-units"))["data"]
    assert [(each["name"], each["pipeline_name"]) for each in listed] == [
        ("Plumbing", None), ("Pools Denver", "Pools"),
    ]  # fmt: skip
    told = await office.send("PUT", path, {"pipeline": None})
    assert told == unit | {"ghl_pipeline_id": None, "pipeline_name": None, "customers": 1}
    await dealer.run()
    assert dealer.places() == [("SALES / Appointment Scheduled", "open")]
