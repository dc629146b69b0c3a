"""Pages: records as they came, broken ones set aside, and no endless paging."""

import json
from typing import Any

import pytest
from servicetitan_lab import Bench, Lab, page, raw_page, refused, says

from perfectcatch.errors import BadArgument, VendorLoop, VendorUnavailable
from perfectcatch.model.source import Page, RecordSource
from perfectcatch.vendors.servicetitan.client import Client, FileLink, open_client
from perfectcatch.vendors.servicetitan.paging import read_page, read_whole


def ids(found: Page) -> list[int]:
    return [json.loads(bytes(record))["id"] for record in found.records]


async def test_an_export_page_keeps_its_token_even_at_the_end(client: Client, lab: Lab) -> None:
    lab.say(raw_page(b'{"id": 1.50}', b'{"id":2}', token="next"))
    source: RecordSource = client
    found = await source.export_page("crm.customers.export", None, {"includeRecentChanges": "true"})
    assert [bytes(record) for record in found.records] == [b'{"id": 1.50}', b'{"id":2}']
    assert (found.token, found.has_more, found.requests) == ("next", False, 1)
    await source.export_page("crm.customers.export", "a b+c", {})
    assert [seen.target.partition("?")[2] for seen in lab.api] == [
        "includeRecentChanges=true",
        "from=a%20b%2Bc",
    ]


async def test_list_pages_count_from_zero_here_and_keep_to_the_size(client: Client, lab: Lab) -> None:
    lab.say(page({"id": 1}, totalCount=7, more=True))
    found = await client.list_page("crm.customers.list", 2, 9999, {"active": "Any", "sort": "+Id"})
    assert (found.total, found.has_more) == (7, True)
    await client.list_page("settings.intacct.list", 0, 5000, {})
    assert [seen.target.partition("?")[2] for seen in lab.api] == [
        "page=3&pageSize=5000&sort=%2BId&active=Any",
        "page=0&pageSize=500&includeTotal=true",
    ]


async def test_a_whole_list_comes_as_one_page(client: Client, lab: Lab) -> None:
    lab.say(says([{"id": 1}, {"id": 2}]))
    query = {"booking_provider": "x"}
    assert ids(await client.list_page("crm.providers.get", 0, 50, query)) == [1, 2]
    lab.say(says({"data": [{"id": 3}]}))
    assert ids(await client.list_page("crm.providers.get", 0, 50, query)) == [3]


GOOD = [b'{"id":%d,"name":"caf\xc3\xa9 \\"[{,"}' % number for number in range(5000)]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"id":1,"price":NaN}',
        b'{"id":1,"price":-Infinity}',
        rb'{"id":1,"name":"\ud800"}',
        b'{"id":1,"name":"\xff\xfe"}',
        b'{"id":1,"name":"a\x01b"}',
        b'{"id":1,"deep":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"id":01}',
        b'{"id":1,}',
        b"NaN",
        b"null",
        b"[1]",
        b'"text"',
    ],
)
@pytest.mark.parametrize("place", [0, 2500, 4999])
async def test_one_bad_record_costs_no_other(bad: bytes, place: int) -> None:
    records = [*GOOD[:place], bad, *GOOD[place + 1 :]]
    body = b'{"page":1,"hasMore":true,"continueFrom":"t","data":[' + b" ,\n".join(records) + b"]}"
    found = read_page("x", body)
    assert len(found.records) == 4999
    assert [bytes(record) for record in found.records] == [*GOOD[:place], *GOOD[place + 1 :]]
    assert [broken.raw for broken in found.broken] == [bad]
    assert found.broken[0].reason
    assert (found.has_more, found.token) == (True, "t")


def test_the_slow_way_knows_data_by_its_place() -> None:
    body = (
        b'{"a":{"data":[{"id":9}]},"b":"data","data":[{"data":[1,{"x":2}],"n":NaN},{"id":1}],"hasMore":false}'
    )
    found = read_page("x", body)
    assert ids(found) == [1]
    assert [broken.raw for broken in found.broken] == [b'{"data":[1,{"x":2}],"n":NaN}']


def test_the_slow_way_leaves_a_text_in_one_piece() -> None:
    found = read_page("x", b'{"data":["a text, of \\"words\\"",{"n":NaN},{"id":1}],"hasMore":false}')
    assert [broken.raw for broken in found.broken] == [b'"a text, of \\"words\\""', b'{"n":NaN}']
    assert ids(found) == [1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b'{"data":[]}',
        b'{"hasMore":false}',
        b'{"data":null,"hasMore":false}',
        b'{"data":{},"hasMore":false}',
        b'{"data":[],"hasMore":"no"}',
        b'{"data":[{"id":1}',
        b'{"data":[{"id":1},NaN',
        b'{"data":[{"id":1]},"hasMore":false}',
        b'{"data":[{"id":"1}],"hasMore":false}',
        b'{"data":[{"id":NaN}],"hasMore":nope}',
        b'{"hasMore":false,"data":NaN}',
    ],
)
def test_what_is_no_page_is_never_an_empty_page(body: bytes) -> None:
    with pytest.raises(VendorUnavailable, match="x: the answer cannot be used"):
        read_page("x", body)


def test_a_bad_record_of_a_whole_list() -> None:
    found = read_whole("x", b'[{"id":1},{"id":NaN}]')
    assert ids(found) == [1]
    assert len(found.broken) == 1


async def test_all_records_of_a_list(client: Client, lab: Lab) -> None:
    lab.say(page({"id": 1}, more=True), page({"id": 2}, more=True), page({"id": 3}))
    assert [record["id"] async for record in client.records("crm.customers.list", active="Any")] == [1, 2, 3]
    assert [seen.query["page"] for seen in lab.api] == ["1", "2", "3"]
    assert {seen.query["pageSize"] for seen in lab.api} == {"5000"}


async def test_all_records_of_a_feed(client: Client, lab: Lab) -> None:
    lab.say(raw_page(b'{"id":1}', more=True, token="a"), raw_page(b'{"id":2}', token="b"))
    assert [record["id"] async for record in client.records("crm.customers.export")] == [1, 2]
    assert [seen.query.get("from") for seen in lab.api] == [None, "a"]


async def test_a_zero_based_list_begins_at_zero(client: Client, lab: Lab) -> None:
    lab.say(page({"id": 1}, more=True), page({"id": 2}))
    assert [record["id"] async for record in client.records("settings.intacct.list")] == [1, 2]
    assert [seen.query["page"] for seen in lab.api] == ["0", "1"]


async def test_bad_records_are_told_after_the_good_ones(client: Client, lab: Lab) -> None:
    lab.say(raw_page(b'{"id":1}', b'{"id":NaN}', b'{"id":2}'))
    found = []
    with pytest.raises(VendorUnavailable, match="1 records are not valid JSON"):  # noqa: PT012
        async for record in client.records("crm.customers.export"):
            found.append(record["id"])  # noqa: PERF401
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("crm.customers.list", page({"id": 1}, {"id": 2}, more=True)),
        ("crm.customers.list", page(more=True)),
        ("crm.customers.export", raw_page(b'{"id":1}', more=True, token="same")),
        ("crm.customers.export", raw_page(more=True, token="same")),
    ],
)
async def test_endless_paging_stops(client: Client, lab: Lab, name: str, answer: Any) -> None:
    lab.otherwise = answer
    with pytest.raises(VendorLoop, match=name):
        async for _ in client.records(name):
            pass
    assert len(lab.api) <= 10


async def test_a_continuation_that_comes_again_stops_though_records_differ(client: Client, lab: Lab) -> None:
    lab.say(*(raw_page(b'{"id":%d}' % turn, more=True, token="ab"[turn % 2]) for turn in range(10)))
    with pytest.raises(VendorLoop, match="the same continuation came twice"):
        async for _ in client.records("crm.customers.export"):
            pass
    assert len(lab.api) == 3


async def test_many_by_id_in_fifties(client: Client, lab: Lab) -> None:
    lab.say(page({"id": 1}, {"id": 2}), page({"id": 60}))
    found = await client.many("crm.customers.list", [*range(1, 61), 1])
    assert ids(found) == [1, 2, 60]
    assert found.requests == 2
    asked = [seen.query for seen in lab.api]
    assert asked[0]["ids"] == ",".join(map(str, range(1, 51)))
    assert asked[1] == {"ids": ",".join(map(str, range(51, 61))), "active": "Any", "pageSize": "10"}
    assert (await client.many("crm.customers.list", [])).records == []
    with pytest.raises(BadArgument, match="cannot be asked for ids"):
        await client.many("crm.customers.export", [1])


async def test_one(client: Client, lab: Lab) -> None:
    lab.say(says(b'{"id": 7}'))
    assert await client.one("crm.customers.get", 7) == b'{"id": 7}'
    assert lab.api[0].target == "/crm/v2/tenant/4711/customers/7"
    lab.say(refused(404))
    assert await client.one("crm.customers.get", 8) is None
    with pytest.raises(BadArgument, match="does not read one record"):
        await client.one("crm.customers.list", 1)


async def test_count_and_takes(client: Client, lab: Lab) -> None:
    lab.say(page({"id": 1}, more=True, totalCount=123))
    assert await client.count("crm.customers.list") == 123
    assert lab.api[0].query == {"active": "Any", "page": "1", "pageSize": "1", "includeTotal": "true"}
    assert await client.count("crm.customers.export") is None
    assert await client.count("crm.contacts.list") is None
    assert client.takes("crm.customers.list", "sort")
    assert not client.takes("crm.customers.export", "sort")


async def test_answers_of_call(client: Client, lab: Lab) -> None:
    lab.say(says(None, 204), says(None, 200), says({"id": 1}, 200))
    assert await client.call("sales.estimates.unsell", id=1) is None
    assert await client.call("sales.estimates.unsell", id=1) is None
    assert await client.call("sales.estimates.unsell", id=1) == {"id": 1}
    with pytest.raises(BadArgument, match="no operation nothing"):
        await client.call("nothing")


async def test_files(client: Client, lab: Lab) -> None:
    lab.say(says(b"\x89PNG", content_type="image/png"))
    assert await client.call("pricebook.images.get", path="a/b.png") == b"\x89PNG"
    lab.say(says(None, 302, Location="https://store.example/x?sig=canary"))
    link = await client.call("pricebook.images.get", path="a/b.png")
    assert link == FileLink("https://store.example/x?sig=canary")
    assert "canary" not in repr(link)
    lab.otherwise = says(None, 302, Location="file:///etc/passwd")
    with pytest.raises(VendorUnavailable, match="without a usable address"):
        await client.call("pricebook.images.get", path="x", interactive=True)


async def test_open_client_makes_what_is_not_given(lab: Lab) -> None:
    from servicetitan_lab import APP_KEY, SECRET, find

    from perfectcatch.vendors.servicetitan.auth import Credentials

    credentials = Credentials(client_id="a", client_secret=SECRET, app_key=APP_KEY, tenant_id=5)
    async with open_client(
        credentials=credentials, api_url=lab.url, auth_url=lab.auth_url, find=find
    ) as client:
        assert client.tenant_id == 5
        assert (await client.call("crm.customers.list"))["data"]
        await client.call("reporting.data.run", report_category="a", report_id=1, body={})
    assert lab.api[0].target == "/crm/v2/tenant/5/customers"


async def test_a_client_finds_the_catalogue_by_itself(bench: Bench, lab: Lab) -> None:
    async with bench.client(find=None) as client:
        assert (await client.call("crm.customers.list", active="Any"))["data"] == [{"id": 1}]
