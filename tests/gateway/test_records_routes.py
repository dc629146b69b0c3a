"""Records as they were, business events, and the timeline of a customer."""

from typing import Any

import pytest
from office import FOREIGN, Office, fixture

from perfectcatch.messaging import inbound
from perfectcatch.model.messaging import Received
from perfectcatch.people.happenings import BY_ENTITY, PHRASES, sentence
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES

CUSTOMER = fixture("customers")["id"]


async def _three_versions(office: Office) -> None:
    for number, day in enumerate((1, 3, 5), 1):
        record = fixture(
            "invoices",
            total=f"{number}.5",
            createdOn="2026-03-01T00:00:00Z",
            modifiedOn=f"2026-03-0{day}T00:00:00Z",
        )
        record["items"] = [
            {**record["items"][0], "id": item, "price": str(number)} for item in (7, 7 + number)
        ]
        await office.merge("invoices", record)


async def test_a_record_is_found_as_it_was(office: Office):
    await _three_versions(office)
    path = f"/api/records/invoices/{fixture('invoices')['id']}"
    for moment, total in (("2026-03-02", "1.5"), ("2026-03-03T00:00:00Z", "2.5"), ("2027-01-01", "3.5")):
        found = await office.get(f"{path}?as_of={moment}")
        assert found["record"]["total"] == total
    assert (await office.get(path))["record"]["total"] == "3.5"
    assert found["entity"] == "invoices"
    assert found["valid_to"] is None
    problem = await office.get(f"{path}?as_of=2026-02-01", 404)
    assert problem["detail"].endswith("that we know was true from 2026-03-01T00:00:00Z on.")
    assert "never held" in (await office.get("/api/records/invoices/1", 404))["detail"]
    assert "no moment" in (await office.get(f"{path}?as_of=soon", 422))["detail"]


async def test_two_moments_are_compared(office: Office):
    await _three_versions(office)
    path = f"/api/records/invoices/{fixture('invoices')['id']}"
    found = await office.get(f"{path}?as_of=2026-03-02&compare=2026-03-04")
    assert (found["before"]["revision"], found["after"]["revision"]) == (1, 2)
    changes = {
        change["path"]: (change["kind"], change["before"], change["after"]) for change in found["changes"]
    }
    assert changes["total"] == ("changed", "1.5", "2.5")
    assert changes["items[id=7].price"] == ("changed", "1", "2")
    assert changes["items[id=8]"][0] == "removed"
    assert changes["items[id=9]"][0] == "added"
    assert changes.keys() == {"total", "modifiedOn", "items[id=7].price", "items[id=8]", "items[id=9]"}
    back = await office.get(f"{path}?as_of=2026-03-04&compare=2026-03-02")
    assert back["changes"][0]["before"] != found["changes"][0]["before"]


async def test_versions_are_listed_page_by_page(office: Office):
    await _three_versions(office)
    path = f"/api/records/invoices/{fixture('invoices')['id']}/versions"
    first = await office.get(f"{path}?limit=2")
    assert [(each["revision"], each["ended_by"]) for each in first["data"]] == [
        (1, "changed"),
        (2, "changed"),
    ]
    rest = await office.get(f"{path}?after={first['next']}")
    assert [(each["revision"], each["valid_to"]) for each in rest["data"]] == [(3, None)]
    assert rest["next"] is None


# Events ----------------------------------------------------------------------------------------


async def test_events_are_filtered_and_paged(office: Office):
    for number in range(5):
        await office.merge("customers", fixture("customers", id=number + 1), historical=number < 2)
    await office.merge("jobs", fixture("jobs", id=9, businessUnitId=None))

    async def ids(query: str) -> list[tuple[str, int]]:
        found = (await office.get(f"/api/events?{query}"))["data"]
        return [(each["event_type"], each["st_id"]) for each in found]

    created = [("customer_created", number) for number in range(1, 6)]
    assert await ids("") == [*created, ("job_created", 9)]
    assert await ids("sort=-id&limit=2") == [("job_created", 9), created[4]]
    assert await ids("historical=true") == created[:2]
    assert await ids("type=job_created,job_completed") == [("job_created", 9)]
    assert await ids("entity=customers&st_id=3") == [created[2]]
    assert await ids("occurred_before=2000-01-01") == []
    page = await office.get("/api/events?limit=4")
    assert [each["st_id"] for each in (await office.get(f"/api/events?after={page['next']}"))["data"]] == [
        5,
        9,
    ]
    assert "did you mean job_created" in (await office.get("/api/events?type=job_create", 422))["detail"]
    assert "did you mean customers" in (await office.get("/api/events?entity=customer", 404))["detail"]


async def test_a_reader_of_events_passes_over_none(office: Office):
    """A transaction that is under way has a number already: later events wait until it has ended."""
    write = """insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at,
        historical, data) values (%s, 'job_created', 'jobs', %s, 'v', now(), false, '{}')"""

    async def seen() -> list[int]:
        return [each["st_id"] for each in (await office.get("/api/events"))["data"]]

    async with office.pool.connection() as slow:
        async with slow.transaction():
            await slow.execute(write, (office.tenant, 1))
            async with office.pool.connection() as quick:
                await quick.execute(write, (office.tenant, 2))
            assert await seen() == []
            newest = (await office.get("/api/events?sort=-id"))["data"]
            assert [each["st_id"] for each in newest] == [2]
        assert await seen() == [1, 2]


# The timeline ----------------------------------------------------------------------------------


def test_every_event_of_a_customer_has_words():
    for entity in ENTITIES:
        for rule in entity.events:
            if entity.name in BY_ENTITY:
                assert rule.event_type in PHRASES, rule.event_type


def test_what_belongs_to_a_customer_is_told():
    """Every entity that points to a customer is in the timeline; the facts are columns of it."""
    pointing = {
        entity.name
        for entity in ENTITIES
        if any(column.references == "customers" for column in entity.vendor_columns)
    }
    assert pointing <= set(BY_ENTITY)
    for happening in BY_ENTITY.values():
        columns = {column.name for column in BY_NAME[happening.entity].columns}
        assert set(happening.facts) <= columns | {"st_id"}


@pytest.mark.parametrize("name", BY_ENTITY)
def test_a_sentence_stands_without_any_fact(name: str):
    """Every value may be missing at the vendor."""
    facts: dict[str, Any] = dict.fromkeys((*BY_ENTITY[name].facts, *BY_ENTITY[name].borrowed), None)
    told = sentence(name, None, {**facts, "st_id": 7})
    assert told.endswith(".")
    assert "None " not in told.replace("Technician None", "")


async def test_a_timeline_tells_every_record_and_event_once(library: Office):
    found = await library.get(f"/api/customers/{CUSTOMER}/timeline?limit=1000")
    lines = found["data"]
    assert found["customers"] == [CUSTOMER]
    assert {line["entity"] for line in lines} == set(BY_ENTITY)
    moments = [line["at"] for line in lines]
    assert moments == sorted(moments, reverse=True)
    told = [line["event_id"] for line in lines if line["event_id"] is not None]
    names = tuple(BY_ENTITY)
    events = await library.rows(
        "select id from automation.events where tenant_id = %s and entity = any(%s)",
        library.tenant,
        list(names),
    )
    assert sorted(told) == sorted(row[0] for row in events)
    assert FOREIGN not in str(lines)
    sentences = {line["sentence"] for line in lines}
    invoice = fixture("invoices")
    assert any(f"over ${float(invoice['total']):,.2f} was written." in each for each in sentences)


@pytest.mark.parametrize("sort", ["newest", "oldest"])
async def test_a_timeline_is_paged_both_ways(library: Office, sort: str):
    path = f"/api/customers/{CUSTOMER}/timeline?sort={sort}"
    whole = (await library.get(f"{path}&limit=1000"))["data"]
    forward: list[Any] = []
    page = await library.get(f"{path}&limit=4")
    assert page["previous"] is None
    while True:
        forward += page["data"]
        if page["next"] is None:
            break
        page = await library.get(f"{path}&limit=4&after={page['next']}")
    assert forward == whole
    backward: list[Any] = page["data"]
    while page["previous"] is not None:
        page = await library.get(f"{path}&limit=4&before={page['previous']}")
        backward = page["data"] + backward
    assert backward == whole
    for wrong in ("after=x", "after=2026-01-01T00:00:00Z~jobs~1~99999999999999999999", "after=a&before=b"):
        await library.get(f"{path}&{wrong}", 422)


async def test_a_merged_customer_is_followed(office: Office):
    for number, merged_to in ((1, 2), (2, 3), (3, None), (4, None)):
        await office.merge(
            "customers", fixture("customers", id=number, mergedToId=merged_to, name=f"C {number}")
        )
        await office.merge("estimates", fixture("estimates", id=number * 10, customerId=number))
    for asked in (1, 2, 3):
        found = await office.get(f"/api/customers/{asked}/timeline")
        assert found["customers"] == [3, 2, 1]
        assert {line["st_id"] for line in found["data"]} == {1, 2, 3, 10, 20, 30}
    assert "Customer 'C 1' was merged into customer 2." in {line["sentence"] for line in found["data"]}
    assert (await office.get("/api/customers/9/timeline", 404))["detail"] == "The mirror holds no customer 9."


async def test_a_timeline_tells_what_was_written_and_decided(office: Office):
    await office.merge("customers", fixture("customers", id=50, mergedToId=None))
    contact = {"customerId": 50, "type": "MobilePhone", "value": "303-555-0150", "id": 501}
    await office.merge("customer_contacts", fixture("customer_contacts", **contact))
    office.clock.advance(8 * 3600)  # into the day
    draft = {"channel": "sms", "purpose": "service", "recipient": "+13035550150", "customer_id": 50}
    draft["body"] = "Soon."
    await office.send("POST", "/api/messages", draft, 201)
    await office.send("POST", "/api/messages", {**draft, "body": "Never.", "shadow": True}, 201)
    said = {"sender": "+13035550150", "to": "+13035550100", "at": office.clock.now()}
    await inbound.take(office.gateway.desk, Received(vendor_id="SM1", body="stop texting me", **said))
    await office.send("POST", "/api/messages", {**draft, "body": "Later."}, 201)
    found = (await office.get("/api/customers/50/timeline?sort=oldest"))["data"]
    ours = [line["sentence"] for line in found if line["entity"] not in BY_ENTITY]
    assert "+13035550150 wrote 'stop texting me'." in ours
    assert "No more messages are wanted (phrase, text): 'stop texting me'." in ours
    assert len([each for each in ours if each.startswith("No more")]) == 1
    assert any(each.startswith("Text 'Soon.' to +13035550150 was ") for each in ours), ours
    late = "'Later.' to +13035550150 was not sent. Not sent: the recipient opted out"
    assert any(late in each for each in ours)
    assert not any("Never." in each for each in ours)
    pages = [line for line in found if line["entity"] == "opt_outs"]
    assert (pages[0]["kind"], pages[0]["event_id"], pages[0]["amount"]) == ("record", None, None)


async def test_merges_in_a_circle_end(office: Office):
    for number in (1, 2):
        await office.merge("customers", fixture("customers", id=number, mergedToId=3 - number))
    assert sorted((await office.get("/api/customers/1/timeline"))["customers"]) == [1, 2]
