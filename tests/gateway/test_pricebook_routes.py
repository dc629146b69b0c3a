"""``/pricebook``: the tree, and what is found by codes, words and misspelled words."""

from typing import Any

import jsonschema
import pytest
from office import FOREIGN, Office, fixture

KINDS = {
    "service": "pricebook_services",
    "material": "pricebook_materials",
    "equipment": "pricebook_equipment",
}


async def _book(office: Office) -> None:
    categories = [
        fixture("pricebook_categories", id=1, name="Pool", parentId=None, position=2),
        fixture("pricebook_categories", id=2, name="Pumps", parentId=1),
        fixture("pricebook_categories", id=3, name="Air", parentId=None, position=1),
        fixture("pricebook_categories", id=4, name="Old", parentId=None, active=False),
    ]
    await office.merge("pricebook_categories", *categories)
    services = [
        ("PMP-100", "Pump seal replacement", "<p>We <b>replace</b> the seal.</p>", 285, [2]),
        ("PMP-1000", "Pump installation", "", 695, [2]),
        ("AC-1", "Air filter change", "Fits the pump room too.", 99, [3]),
        ("OLD", "Obsolete pump", "", 1, [4]),
    ]
    await office.merge(
        "pricebook_services",
        *(
            fixture(
                "pricebook_services",
                id=number,
                code=code,
                displayName=name,
                description=text,
                price=price,
                active=code != "OLD",
                categories=[{"id": each, "name": "x", "active": True} for each in named],
            )
            for number, (code, name, text, price, named) in enumerate(services, 11)
        ),
    )
    await office.merge(
        "pricebook_materials",
        fixture("pricebook_materials", id=21, code="FLT", displayName="Filters", categories=[3]),
    )


async def _codes(office: Office, query: str, path: str = "search") -> list[tuple[str, str | None]]:
    found = await office.get(f"/pricebook/{path}?{query}")
    return [(each["code"], each["match"]) for each in found["data"]]


async def test_the_best_match_comes_first(office: Office):
    await _book(office)
    assert await _codes(office, "q=pmp-100") == [("PMP-100", "code"), ("PMP-1000", "beginning of the code")]
    assert await _codes(office, "q=PMP 1000") == [("PMP-1000", "code")]
    assert await _codes(office, "q=pump") == [("PMP-100", "words"), ("PMP-1000", "words"), ("AC-1", "words")]
    assert await _codes(office, "q=replacing seals") == [("PMP-100", "words")]
    assert {code for code, _ in await _codes(office, "q=filter")} == {"FLT", "AC-1"}
    assert await _codes(office, "q=filter&kind=material") == [("FLT", "words")]
    assert await _codes(office, "q=filter", "materials") == [("FLT", "words")]
    assert await _codes(office, "q=nothing like it") == []


async def test_a_misspelled_word_finds_what_is_near(office: Office):
    await _book(office)
    found = await office.get("/pricebook/search?q=pmup instalation")
    assert found["corrected"] == "pump installation"
    assert [each["code"] for each in found["data"]] == ["PMP-1000"]
    page = await office.get("/pricebook/search?q=fitler&limit=1")
    rest = await office.get(f"/pricebook/search?q=fitler&limit=1&after={page['next']}")
    assert {each["code"] for each in page["data"] + rest["data"]} == {"FLT", "AC-1"}


async def test_entries_are_filtered(office: Office):
    await _book(office)
    assert [code for code, _ in await _codes(office, "category_id=1", "services")] == ["PMP-100", "PMP-1000"]
    assert [code for code, _ in await _codes(office, "price_from=99&price_before=285", "services")] == [
        "AC-1"
    ]
    assert [code for code, _ in await _codes(office, "active=false", "services")] == ["OLD"]
    assert len(await _codes(office, "active=any", "services")) == 4
    assert await _codes(office, "category_id=99") == []


@pytest.mark.parametrize("query", ["", "q=pump", "q=p"])
async def test_pages_bring_every_entry_once(office: Office, query: str):
    await _book(office)
    whole = await office.get(f"/pricebook/search?{query}")
    found: list[Any] = []
    after = ""
    while True:
        page = await office.get(f"/pricebook/search?{query}&limit=1{after}")
        found += page["data"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == whole["data"]
    assert len(found) > 1


async def test_categories_are_a_tree(office: Office):
    await _book(office)
    roots = (await office.get("/pricebook/categories"))["data"]
    assert [(root["name"], root["items"], root["all_items"]) for root in roots] == [
        ("Air", 2, 2),
        ("Pool", 0, 2),
    ]
    assert [child["name"] for child in roots[1]["children"]] == ["Pumps"]
    assert len((await office.get("/pricebook/categories?active=false"))["data"]) == 3


@pytest.mark.parametrize("path", ["categories", "services", "materials", "equipment", "search"])
async def test_answers_are_as_described(library: Office, path: str):
    answer = await library.http.get(f"/pricebook/{path}")
    document = (await library.http.get("/openapi.json")).json()
    entry = document["paths"][f"/pricebook/{path}"]["get"]
    schema = entry["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    assert answer.json()["data"]
    assert FOREIGN not in answer.text
    assert int(answer.headers["x-data-age-seconds"]) >= 3599


@pytest.mark.parametrize("q", ["'", "a & b | !c:*", "\\", "%(q)s", "<->", "(", "a" * 200, "😀", "''''"])
async def test_any_text_can_be_looked_for(library: Office, q: str):
    answer = await library.http.get("/pricebook/search", params={"q": q})
    assert (answer.status_code, answer.json()["data"]) == (200, []), answer.text


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=2~nan~service~1",
        "after=2~1~nothing~1",
        "price_from=x",
        "active=2",
        "limit=0",
        "q=%00",
        "z=1",
    ],
)
async def test_what_is_wrong_is_refused(library: Office, query: str):
    assert (await library.get(f"/pricebook/search?{query}", 422))["detail"]


async def test_a_search_column_is_no_part_of_a_record(office: Office):
    """Neither in answers nor in events, and a long description is no reason to refuse a record."""
    await office.merge("pricebook_services", fixture("pricebook_services", id=1, price=1))
    long = " ".join(f"word{number}" for number in range(200_000))
    changed = fixture(
        "pricebook_services", id=1, price=2, description=long, modifiedOn="2027-01-01T00:00:00Z"
    )
    outcome = await office.merge("pricebook_services", changed)
    assert (outcome.updated, outcome.quarantined) == (1, 0)
    assert "words" not in await office.get("/db/pricebook-services/1")
    [[data]] = await office.rows(
        "select data from automation.events where tenant_id = %s and event_type = 'service_price_changed'",
        office.tenant,
    )
    assert "words" not in data
    assert data["changed"]["price"] == 1
