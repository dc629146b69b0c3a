"""``/db/{entity}``: every record, every kind of filter, page by page, and nothing of another company."""

import asyncio
from typing import Any

import httpx
import jsonschema
import pytest
from office import FOREIGN, Office, fixture

from perfectcatch.store.reading.fields import fields_of
from perfectcatch.store.reading.lists import CONTROLS, choices
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES

EVERY = pytest.mark.parametrize("name", BY_NAME)


def test_no_field_is_called_like_a_control():
    for entity in ENTITIES:
        assert not set(CONTROLS) & set(choices(entity)), entity.name


def resolved(document: Any, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


@EVERY
async def test_every_entity_is_listed_and_found_as_described(library: Office, name: str):
    document = (await library.http.get("/openapi.json")).json()
    path = f"/db/{name.replace('_', '-')}"
    answer = await library.http.get(path)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["x-data-age-seconds"]) >= 3599
    listed = answer.json()
    assert len(listed["data"]) == 1
    assert listed["next"] is None
    jsonschema.validate(listed, resolved(document, f"{name}_list"))
    st_id = listed["data"][0]["st_id"]
    found = await library.http.get(f"{path}/{st_id}")
    jsonschema.validate(found.json(), resolved(document, name))
    assert FOREIGN not in answer.text + found.text
    assert found.json().items() >= listed["data"][0].items()
    assert {path, f"{path}/{{st_id}}"} <= set(document["paths"])


@EVERY
async def test_every_filter_of_every_entity_can_be_asked(library: Office, name: str):
    """With the values of the record itself it is found by all of them at once, but by nothing before them."""
    entity = BY_NAME[name]
    [record] = (await library.get(f"/db/{name}?fields={','.join(fields_of(entity))}"))["data"]
    fitting: dict[str, str] = {"include_deleted": "true"}
    before: dict[str, str] = {}
    for choice in choices(entity).values():
        value = record[choice.field.name]
        if choice.operator == "null":
            fitting[choice.name] = str(value is None).lower()
        elif value is not None and value != []:
            text = str(value[0] if isinstance(value, list) else value)
            text = text.lower() if isinstance(value, bool) else text
            (before if choice.operator == "before" else fitting)[choice.name] = text
    answer = await library.http.get(f"/db/{name}", params=fitting)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 1
    answer = await library.http.get(f"/db/{name}", params=before)
    assert (answer.status_code, answer.json()["data"]) == (200, []), answer.text


async def _customers(office: Office, number: int) -> None:
    records = [
        fixture(
            "customers",
            id=100 + place,
            name=f"Ann {place}",
            balance=place,
            active=place % 2 == 0,
            # Two share each time, and the last one has none.
            modifiedOn=f"2026-03-0{place // 2 + 1}T10:00:00Z" if place < number - 1 else None,
        )
        for place in range(number)
    ]
    await office.merge("customers", *records)


@pytest.mark.parametrize("sort", ["st_id", "-st_id", "modified", "-modified"])
async def test_pages_bring_every_record_once_in_order(office: Office, sort: str):
    await _customers(office, 8)
    found: list[Any] = []
    after = None
    for _ in range(9):
        params = {"sort": sort, "limit": 3, **({"after": after} if after else {})}
        answer = (await office.http.get("/db/customers", params=params)).json()
        found += answer["data"]
        after = answer["next"]
        if after is None:
            break
    ids = [each["st_id"] for each in found]
    expected = list(range(100, 108))
    if sort.endswith("modified"):
        dated = [each for each in expected if each != 107]
        assert ids == (dated[::-1] if sort[0] == "-" else dated) + [107]
    else:
        assert ids == (expected[::-1] if sort[0] == "-" else expected)


async def test_filters_find_what_they_say(office: Office):
    await _customers(office, 6)

    async def ids(query: str) -> list[int]:
        return [each["st_id"] - 100 for each in (await office.get(f"/db/customers?{query}"))["data"]]

    assert await ids("active=true") == [0, 2, 4]
    assert await ids("name=Ann 1&name=Ann 3") == [1, 3]
    assert await ids("st_id=101,105") == [1, 5]
    assert await ids("balance_from=2&balance_before=4.5") == [2, 3, 4]
    assert await ids("modified_from=2026-03-02&modified_before=2026-03-03T05:00:00Z") == [2, 3]
    assert await ids("modified_null=true") == [5]
    assert await ids("name_contains=nN 4") == [4]
    assert await ids("modified_from=2026-03-02T10:00:00+00:00") == [2, 3, 4]  # a plus that arrives as a blank


async def test_a_day_begins_where_the_company_is(office: Office):
    """2026-03-01 05:00 UTC is midnight in New York."""
    await office.merge(
        "customers",
        fixture("customers", id=1, modifiedOn="2026-03-01T04:59:59Z"),
        fixture("customers", id=2, modifiedOn="2026-03-01T05:00:00Z"),
    )
    found = await office.get("/db/customers?st_id=1,2&modified_from=2026-03-01")
    assert [each["st_id"] for each in found["data"]] == [2]


async def test_deleted_records_are_given_only_when_asked_for(office: Office):
    st_id = fixture("invoices")["id"]
    await office.merge("invoices", fixture("invoices"))
    await office.merge("invoices", fixture("invoices", active=False, modifiedOn="2027-01-01T00:00:00Z"))
    assert (await office.get("/db/invoices"))["data"] == []
    problem = await office.get(f"/db/invoices/{st_id}", 404)
    assert problem["detail"] == (
        f"The mirror holds no invoice {st_id}. Deleted ones are given with include_deleted=true."
    )
    [listed] = (await office.get("/db/invoices?include_deleted=true"))["data"]
    found = await office.get(f"/db/invoices/{st_id}?include_deleted=true")
    assert listed["deleted_at"] == found["deleted_at"] is not None


async def test_a_record_comes_with_what_lies_inside(library: Office):
    expected = fixture("invoices")
    found = await library.get(f"/db/invoices/{expected['id']}")
    assert [item["item_id"] for item in found["items"]] == [item["id"] for item in expected["items"]]
    assert found["items"][0]["position"] == 1
    assert "applied_to" in await library.get(f"/db/payments/{fixture('payments')['id']}")


async def test_fields_are_chosen(library: Office):
    st_id = fixture("customers")["id"]
    found = await library.get(f"/db/customers/{st_id}?fields=name,full_data")
    assert list(found) == ["st_id", "name", "full_data"]
    assert found["full_data"] == fixture("customers")
    listed = await library.get("/db/customers?fields=name")
    assert [list(each) for each in listed["data"]] == [["st_id", "name"]]


async def test_amounts_are_numbers_with_all_their_digits(office: Office):
    await office.merge("customers", fixture("customers", id=9, balance="12345678901234.5678"))
    assert '"balance":12345678901234.5678' in (await office.http.get("/db/customers/9")).text


async def test_a_record_that_has_not_changed_is_not_sent_again(office: Office):
    st_id = fixture("customers")["id"]
    path = f"/db/customers/{st_id}"
    await office.merge("customers", fixture("customers"))
    first = await office.http.get(path)
    tag = first.headers["etag"]
    again = await office.http.get(path, headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    # A contact changes the telephone number that is looked up, and no revision of the customer.
    await office.merge(
        "customer_contacts",
        fixture("customer_contacts", id=1, customerId=st_id, type="MobilePhone", value="813-555-0199"),
    )
    changed = await office.http.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["phone"] == "+18135550199"
    assert changed.headers["etag"] != tag
    assert (await office.http.get(f"{path}?fields=name", headers={"If-None-Match": tag})).status_code == 200


async def test_many_callers_share_a_statement(office: Office):
    await _customers(office, 8)
    answers = await asyncio.gather(
        *(office.http.get(f"/db/customers/{100 + place % 9}") for place in range(90))
    )
    for place, answer in enumerate(answers):
        if place % 9 == 8:
            assert answer.status_code == 404
        else:
            assert answer.json()["name"] == f"Ann {place % 9}"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/db/customer", 404, "did you mean customers"),
        ("/db/zzz", 404, "there are business_units"),
        ("/db/customers/abc", 404, "is no id of one of customers"),
        ("/db/customers/99999999999999999999", 404, "is no id"),
        ("/db/customers/9223372036854775808", 404, "holds no customer"),
        ("/db/pricebook-categories/1", 404, "no pricebook category 1"),
        ("/db/customers?nmae=x", 422, "did you mean name"),
        ("/db/customers?fields=nmae", 422, "have no field 'nmae': did you mean name"),
        ("/db/customers/1?field=name", 422, "did you mean fields?"),
        ("/db/customers?limit=0", 422, "from 1 to 1000"),
        ("/db/customers?limit=1001", 422, "from 1 to 1000"),
        ("/db/customers?limit=1&limit=2", 422, "given twice"),
        ("/db/customers?sort=name", 422, "choose one of st_id"),
        ("/db/customers?after=x", 422, "give the `next`"),
        ("/db/customers?after=2026-01-01~5", 422, "with the same sort"),
        ("/db/customers?sort=modified&after=never~5", 422, "give the `next`"),
        ("/db/customers?after=9999999999999999999", 422, "no id"),
        ("/db/customers?balance=nan", 422, "no amount"),
        ("/db/customers?balance_from=1e9999", 422, "no amount"),
        ("/db/customers?active=maybe", 422, "true or false"),
        ("/db/customers?st_id=1;drop", 422, "no whole number"),
        ("/db/customers?st_id=99999999999999999999", 422, "no whole number"),
        ("/db/customers?name=%00", 422, "no usable text"),
        ("/db/customers?created_from=yesterday", 422, "no moment"),
        ("/db/customers?created_from=0001-01-01T00:00:00-23:00", 422, "no moment"),
        ("/db/customers?created_to=2026-01-01", 422, "created_from"),
        ("/db/customers?include_deleted=x", 422, "true or false"),
    ],
)
async def test_what_is_wrong_is_named(library: Office, path: str, status: int, said: str):
    assert said in (await library.get(path, status))["detail"]


async def test_a_value_is_never_part_of_a_statement(library: Office):
    for text in ("'; drop table servicetitan.st_customers; --", "%s", "%(tenant)s", '" or 1=1', "\\"):
        answer = await library.http.get("/db/customers", params={"name": text, "name_contains": text})
        assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_reading_needs_a_key_with_the_scope(office: Office):
    for scope, status in (("read", 200), ("write", 403)):
        headers = {"Authorization": f"Bearer {await office.key(scope)}"}
        assert (await office.http.get("/db/customers", headers=headers)).status_code == status
    assert (await office.http.get("/db/customers?x=1", headers={"Authorization": ""})).status_code == 401


async def test_reading_connections_cannot_write(library: Office):
    with pytest.raises(Exception, match="read-only transaction"):
        await library.gateway.reads.raw("create table x ()")


async def test_the_age_follows_the_last_good_read_of_ours(office: Office):
    async def age() -> str | None:
        office.clock.advance(2)
        await office.http.get("/db/customers")  # begins to look anew, and answers with what is known
        await office.gateway.freshness.settled()
        return (await office.http.get("/db/customers")).headers.get("x-data-age-seconds")

    assert await age() is None
    assert (await office.get("/db/customers"))["data_as_of"] is None
    await office.was_read("customers", seconds_ago=3600)
    assert 3600 <= int(await age() or 0) < 3700
    await office.was_read("customers", status="failed", seconds_ago=60)
    await office.rows(
        """insert into servicetitan.st_sync_log (tenant_id, module, sync_type, status, started_at)
        values (%s, 'customers', 'full', 'succeeded', now()) returning id""",
        office.tenant,
    )  # a line that another program wrote
    assert int(await age() or 0) >= 3600
    await office.was_read("customers", seconds_ago=60)
    assert 60 <= int(await age() or 0) < 200
    office.clock.advance(0.5)
    assert (await office.get("/db/customers"))["data_as_of"] is not None


async def test_a_record_is_answered_alike_with_and_without_the_framework(library: Office):
    """What goes straight past the framework, and the framework's own answer to the same question."""
    [record] = (await library.get("/db/customers"))["data"]
    one = f"/db/customers/{record['st_id']}"
    tag = (await library.http.get(one)).headers["etag"]
    asked: list[tuple[str, dict[str, str]]] = [
        (one, {}),
        (one, {"If-None-Match": f'"x", W/{tag}'}),
        (one, {"Authorization": "Bearer no-key"}),
        (f"{one}?fields=st_id,name&include_deleted=true", {}),
        (f"{one}?fields=nonsense", {}),
        (f"{one}?nonsense=1", {}),
        (f"{one}?include_deleted=perhaps", {}),
        ("/db/customers/-1", {}),
        ("/db/customers/9999999999999999999", {}),
        ("/db/pricebook-categories/1", {}),
        ("/db/custommers/1", {}),
        ("/db/%63ustomers/1", {}),
        ("/db/customers/12345678901234567890", {}),
        ("/db/customers/1%0A", {}),
        ("/db/customers/\u0661", {}),
        ("/db/customers/1/", {}),
    ]
    behind = httpx.ASGITransport(library.app.behind)
    framework = httpx.AsyncClient(transport=behind, base_url="http://office", headers=library.http.headers)
    async with framework:
        statuses = []
        for path, headers in asked:
            straight = await library.http.get(path, headers=headers)
            usual = await framework.get(path, headers=headers)
            assert (straight.status_code, straight.content) == (usual.status_code, usual.content), path
            assert {**straight.headers, "x-data-age-seconds": ""} == {
                **usual.headers,
                "x-data-age-seconds": "",
            }
            statuses.append(straight.status_code)
        assert statuses == [200, 304, 401, 200, 422, 422, 422, *[404] * 8, 307]
        assert (await library.http.head(one)).status_code == (await framework.head(one)).status_code == 200
