"""Workflows through the door: the list, one of them, and a dry run that sends nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from office import Office, open_office

TENANTS = count(760)
NOON = datetime(2026, 6, 10, 18, tzinfo=UTC)


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@pytest.fixture
async def desk(filled: str) -> AsyncIterator[Office]:
    async with open_office(filled, tenant=next(TENANTS), start=NOON) as opened:
        yield opened


async def test_every_recipe_is_listed_with_its_mode(desk: Office):
    rows = {each["name"]: each for each in (await desk.get("/api/workflows"))["data"]}
    assert len(rows) >= 27
    assert rows["estimate-follow-up"]["class"] == "marketing"
    assert rows["estimate-follow-up"]["starts_on"] == ["estimate_created"]
    assert rows["sold-to-install"]["needs"] == ["crm", "chat"]
    assert {each["mode"] for each in rows.values()} <= {"disabled", "shadow", "live"}


async def test_one_comes_with_its_definition_and_findings(desk: Office):
    found = await desk.get("/api/workflows/review-request")
    assert found["definition"]["name"] == "review-request"
    assert [each["place"] for each in found["findings"]] == ["setting review_link"]
    assert (await desk.http.get("/api/workflows/nothing")).status_code == 404


async def test_a_dry_run_lists_what_would_have_been_sent(desk: Office):
    made = NOON - timedelta(days=9)
    address = {"street": "1 Main", "city": "Denver", "state": "CO", "zip": "80202"}
    dated: dict[str, Any] = {"active": True, "createdOn": iso(made), "modifiedOn": iso(made)}
    person = {"id": 1, "name": "Lee, Ann", "type": "Residential", "address": address}
    await desk.merge("customers", {**person, **dated})
    await desk.merge("locations", {"id": 1, "customerId": 1, "address": address, **dated})
    phone = {"id": 10, "customerId": 1, "type": "MobilePhone", "value": "303-555-0142"}
    await desk.merge("customer_contacts", {**phone, **dated})
    estimate = {"id": 21, "customerId": 1, "locationId": 1, "status": {"name": "Open"}, "subtotal": 900}
    await desk.merge("estimates", {**estimate, **dated})
    path = "/api/workflows/estimate-follow-up/dry-run"
    found = await desk.send("POST", path, {"days": 30, "assume_consent": True}, 200)
    assert found["started"] == 1
    assert [each["step"] for each in found["would"]][:2] == ["text-first", "text-second"]
    assert found["would"][0]["to"] == "+13035550142"
    assert found["cost"] > 0
    kept = await desk.send("POST", path, {"days": 30}, 200)
    assert set(kept["not_sent"]) == {"no_consent", "invalid"}
    assert desk.carrier.taken == []


@pytest.mark.parametrize("body", [{"days": 0}, {"days": 401}, {"colour": "red"}, {"beside": ["nothing"]}])
async def test_what_cannot_be_asked(desk: Office, body: dict[str, Any]):
    answer = await desk.http.post("/api/workflows/estimate-follow-up/dry-run", json=body)
    assert answer.status_code == (404 if "beside" in body else 422)
