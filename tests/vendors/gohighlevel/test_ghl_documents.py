"""Every request that leaves is one that the vendor's own documents describe, in both versions."""

import json
from decimal import Decimal

import pytest
from ghl_location import Opened, location, stage_ids
from ghl_spec import DOCUMENTS, violations

from perfectcatch.kit.http import Request
from perfectcatch.model.crm import ContactChange, DealStatus, Holder, OpportunityChange
from perfectcatch.vendors.gohighlevel.operations import OPERATIONS
from perfectcatch.vendors.gohighlevel.versions import FIRST, THIRD, Version

pytestmark = pytest.mark.skipif(not DOCUMENTS.exists(), reason="the vendor's documents are not here")


async def everything(opened: Opened) -> None:
    """Use every operation."""
    crm, (pipeline, stages) = opened.crm, stage_ids(opened.vendor)
    await crm.pipelines()
    field = await crm.create_custom_field(Holder.CONTACT, "st_customer_id")
    techs = await crm.create_custom_field(Holder.OPPORTUNITY, "techs")
    assert [each.id for each in await crm.custom_fields(Holder.OPPORTUNITY)] == [techs.id]
    change = ContactChange(
        first_name="Ann",
        last_name="Lee",
        name="Ann Lee",
        email="ann@example.com",
        phone="+13035550142",
        address="1 Main Street",
        city="Miami",
        state="FL",
        postal_code="33101",
        source="Perfect Catch",
        custom={field.id: "4711"},
    )
    ann = await crm.create_contact(change, tags=["customer"])
    assert ann.custom == {field.id: "4711"}
    assert (await crm.contacts_like(email="ANN@example.com", phone="(303) 555-0142"))[0].id == ann.id
    assert await crm.contacts_like(phone="+13035550199") == ()
    await crm.update_contact(ann.id, ContactChange(last_name="Li", custom={field.id: "4712"}))
    await crm.add_tags(ann.id, ["vip"])
    noted = await crm.add_note(ann.id, "Wants the attic done.")
    assert [each.id for each in await crm.notes_of(ann.id) if each.says("Wants the attic  done.")] == [noted]
    assert [each.id for each in await crm.contacts_with(field.id, "4712")] == [ann.id]
    assert (await crm.contact(ann.id)).tags == ("customer", "vip")
    deal = OpportunityChange(
        name="Ann Li, new air conditioner, $9,800.40",
        pipeline_id=pipeline,
        stage_id=stages[0],
        status=DealStatus.OPEN,
        value=Decimal("9800.40"),
        custom={techs.id: "Kim, Raj"},
    )
    made = await crm.create_opportunity(ann.id, deal)
    assert (made.value, made.custom) == (Decimal("9800.4"), {techs.id: "Kim, Raj"})
    won = OpportunityChange(stage_id=stages[5], status=DealStatus.WON, value=Decimal("0.1") + Decimal("0.2"))
    assert (await crm.update_opportunity(made.id, won)).value == Decimal("0.3")
    assert (await crm.opportunity(made.id)).stage_id == stages[5]
    assert [each.id for each in await crm.opportunities_of(ann.id)] == [made.id]
    assert [len(page.records) async for page in crm.contact_pages()] == [1]
    assert [len(page.records) async for page in crm.opportunity_pages()] == [1]


@pytest.mark.parametrize("version", [FIRST, THIRD], ids=lambda each: each.header)
async def test_every_request_is_as_the_vendors_documents_say(version: Version):
    async with location(version=version) as opened:
        await everything(opened)
        assert [said for request, _ in opened.http.sent for said in violations(request, version)] == []
        used = {(each["method"], each["what"].split(" ")[1]) for each in opened.vendor.calls}
    assert used == {(row.method, row.path.replace("{location}", "{id}")) for row in OPERATIONS}
    written = [request.body.decode() for request, _ in opened.http.sent if isinstance(request.body, bytes)]
    assert any('"monetaryValue":0.3}' in each or '"monetaryValue":0.3,' in each for each in written)
    updates = [request for request, _ in opened.http.sent if request.method == "PUT"]
    assert all(b"tags" not in (request.body or b"") for request in updates)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("version", "wrong"), [(FIRST, "fieldValue"), (THIRD, "bogus")], ids=["2021-07-28", "v3"]
)
def test_a_wrong_request_would_be_noticed(version: Version, wrong: str):
    headers = {"Version": version.header, "Authorization": "Bearer x"}
    body = json.dumps({"locationId": "x", wrong: 1}).encode()
    request = Request(method="POST", url="https://x.example/contacts/", headers=headers, body=body)
    assert violations(request, version)
    other = THIRD if version is FIRST else FIRST
    request = Request(
        method="GET", url="https://x.example/contacts/abc", headers={**headers, "Version": other.header}
    )
    assert violations(request, version)
