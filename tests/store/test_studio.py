"""The studio over real HTTP on a real database: what it shows, and whom and what it refuses."""

import asyncio
import html
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import declared
import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from databases import new_database
from perfectcatch.errors import BadArgument, Refused
from perfectcatch.store import browse, browse_catalog
from perfectcatch.store.browse import Filter, Operator, Page, Place
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.server.embedded import Server, opened
from perfectcatch.studio.server import application, serve

KEY = "k" * 43
ODD = 'we"ird <b>%s/x?'
SETUP = """
create schema shop;
create table shop.people (
  tenant bigint not null, id bigint not null, name text, born date, balance numeric(18,4), note jsonb,
  tags bigint[], token uuid, primary key (tenant, id)
);
comment on table shop.people is 'People & <i>others</i>.';
insert into shop.people
select 1, i, 'Person ' || i % 7, case when i % 3 = 0 then null else date '2026-01-01' + i % 5 end,
  i % 11, case when i % 4 = 0 then null else jsonb_build_object('n', i % 6) end, array[i, 7],
  gen_random_uuid()
from generate_series(1, 173) i;
insert into shop.people (tenant, id, name, note) values
  (2, 1, '<script>alert(1)</script>', jsonb_build_object('long', repeat('abc ', 200000))),
  (2, 2, '50% off', '{"b": [1, 2], "a": {"x": null}}'), (2, 3, '', null);
create view shop.names as select name, born from shop.people;
create table shop.bag (v json);
insert into shop.bag select '{"a": 1}' from generate_series(1, 120);
create table shop."we""ird <b>%s/x?" ("sel ""ect%s" text primary key, "r" int);
insert into shop."we""ird <b>%s/x?" select 'k%s ''"/' || i, i from generate_series(1, 60) i;
create table shop.nothing ();
create table shop.parts (id int primary key, at date) partition by range (id);
create table shop.parts_a partition of shop.parts for values from (0) to (100);
insert into shop.parts select i from generate_series(1, 30) i;
analyze;
"""


@pytest.fixture(scope="module")
async def shop_template(database: Server) -> AsyncIterator[str]:
    """The name of a database with the tables above."""
    template = new_database(database)
    url = await template.__aenter__()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(SETUP)
    yield template.name
    await template.__aexit__()


@pytest.fixture(scope="module")
async def shop(database: Server, shop_template: str) -> AsyncIterator[Pool]:
    """That database; nothing is changed in it."""
    async with new_database(database, shop_template) as url, open_pool(url) as pool:
        yield pool


@pytest.fixture
async def own_shop(database: Server, shop_template: str) -> AsyncIterator[Pool]:
    """A copy of it that the test may change."""
    async with new_database(database, shop_template) as url, open_pool(url) as pool:
        yield pool


@pytest.fixture
async def visitor(shop: Pool) -> AsyncIterator[TestClient]:
    """A browser that was never here."""
    async with TestClient(TestServer(application(shop, key=KEY, port=5555))) as client:
        yield client


@pytest.fixture
async def browser(visitor: TestClient) -> TestClient:
    """A browser that opened the address with the key."""
    await visitor.get("/", params={"key": KEY})
    return visitor


def address(table: str, **query: str) -> str:
    return f"/table/shop/{table}?{urlencode(query)}"


async def read(browser: TestClient, path: str, status: int = 200) -> str:
    async with browser.get(URL(path, encoded=True)) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return text


def cells(page: str) -> list[list[str]]:
    """The text of the rows of a page, without the link to the row."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [
            html.unescape(re.sub(r"<[^>]+>", "", cell))
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ][1:]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def link(page: str, pattern: str) -> str | None:
    found = re.search(f'<a href="([^"]+)"{pattern}', page)
    return html.unescape(found[1]) if found else None


# Who may come in -------------------------------------------------------------------------------


async def test_without_the_key_nothing_is_shown(visitor: TestClient):
    for path in ("/", address("people"), "/row/shop/people?id=1&id=1", "/nowhere", "/?key=", "/?key=%00%FF"):
        assert "key is missing" in await read(visitor, path, 403)
    visitor.session.cookie_jar.update_cookies({"perfectcatch-studio-5555": "x" * 43})
    assert "shop" not in await read(visitor, "/", 403)


async def test_the_key_becomes_a_cookie_that_no_other_site_can_use(visitor: TestClient):
    answer = await visitor.get("/", params={"key": KEY}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"perfectcatch-studio-5555={KEY};")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "people" in await read(visitor, "/")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "evil@", "[", "", "localhost."]
)
async def test_a_foreign_name_that_resolves_here_reads_nothing(browser: TestClient, host: str):
    answer = await browser.get("/", headers={"Host": host})
    assert answer.status == 403
    assert "people" not in await answer.text()
    answer = await browser.get("/", params={"key": KEY}, headers={"Host": host}, allow_redirects=False)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:5555"])
async def test_this_machine_may_be_called_by_its_names(browser: TestClient, host: str):
    assert (await browser.get("/", headers={"Host": host})).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_only_reading_is_allowed(browser: TestClient, method: str):
    answer = await browser.request(method, "/table/shop/people", data=b"x" if method == "POST" else None)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert method == "HEAD" or "The studio only reads." in await answer.text()


@pytest.mark.parametrize("path", ["/", "/studio.css", "/nowhere", "/table/shop/people", "/table/shop/none"])
async def test_every_answer_forbids_scripts_frames_and_keeping(browser: TestClient, path: str):
    answer = await browser.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'")
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in answer.headers
    text = await answer.text()
    assert not re.search(r"<script|style=|\son\w+=|https?:", text)


async def test_the_style_is_there_before_the_key(visitor: TestClient):
    answer = await visitor.get("/studio.css")
    assert (answer.status, answer.content_type) == (200, "text/css")


# What it shows ---------------------------------------------------------------------------------


async def test_tables_are_listed_with_rows_size_and_comment(browser: TestClient):
    page = await read(browser, "/")
    assert "People &amp; &lt;i&gt;others&lt;/i&gt;." in page
    assert re.search(r">people</a>.*?>176</td>\s*<td[^>]*>\d+ kB</td>", page, re.DOTALL)
    assert re.search(r">names</a> <span[^>]*>view</span>", page)
    assert re.search(r">parts</a>.*?>30</td>", page, re.DOTALL)
    assert "parts_a" not in page
    assert "pg_class" not in page


async def test_every_listed_table_opens(browser: TestClient):
    paths = re.findall(r'href="(/table/[^"]+)"', await read(browser, "/"))
    assert len(paths) == 6
    for path in paths:
        await read(browser, html.unescape(path))


async def test_values_are_text_never_markup(browser: TestClient):
    page = await read(browser, address("people", column="id", **{"is": "=", "to": "1"}, sort="tenant"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    row = await read(browser, "/row/shop/people?id=2&id=1")
    assert "<script" not in page + row
    assert "&lt;script&gt;" in row
    echoed = await read(browser, address("people", column="name", **{"is": "=", "to": '"><b>'}))
    assert '"><b>' not in echoed


async def test_a_huge_document_is_cut(browser: TestClient, shop: Pool):
    page = await read(browser, address("people", column="tenant", **{"is": "=", "to": "2"}))
    assert len(page) < 50_000
    assert "…" in page
    (cut,) = (await ask(shop, "people", ["note"], after=Place(key=("1", "173")))).rows[0].values
    assert len(cut) == browse.CELL + 1
    row = await read(browser, "/row/shop/people?id=2&id=1")
    assert len(row) < browse.WHOLE + 20_000
    assert "The first 200,000 of 800,0" in row


async def test_documents_are_indented_and_null_is_not_empty_text(browser: TestClient):
    row = await read(browser, "/row/shop/people?id=2&id=2")
    assert (
        html.escape('{\n    "a": {\n        "x": null\n    },\n    "b": [\n', quote=False).replace(
            '"', "&#34;"
        )
        in row
    )
    assert '<span class="quiet">null</span>' in row
    assert "empty text" in await read(browser, "/row/shop/people?id=2&id=3")


async def test_names_with_quotes_and_percents_work_everywhere(browser: TestClient):
    front = await read(browser, "/")
    assert "we&#34;ird &lt;b&gt;%s/x?" in front
    path = html.unescape(re.search(r'href="(/table/shop/we[^"]+)"', front)[1])
    page = await read(browser, path)
    rows = cells(page)
    page = await read(browser, link(page, ' rel="next"'))
    assert len(rows + cells(page)) == 60
    row = await read(browser, link(page, ' title="The whole row"'))
    assert html.escape(cells(page)[0][0]).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in row
    query = urlencode({"column": 'sel "ect%s', "is": "contains", "to": "%s '\"/6", "sort": 'sel "ect%s'})
    assert [cell for cell, _ in cells(await read(browser, f"{path}?{query}"))] == ["k%s '\"/6", "k%s '\"/60"]


async def test_rows_without_a_key_open_too(browser: TestClient):
    page = await read(browser, address("names", column="name", **{"is": "contains", "to": "<script>"}))
    assert "&lt;script&gt;" in await read(browser, link(page, ' title="The whole row"'))
    page = await read(browser, address("bag"))
    assert "{&#34;a&#34;: 1}" in await read(browser, link(page, ' title="The whole row"'))


async def test_what_is_not_there_is_404(browser: TestClient):
    assert "no table or view shop.none" in await read(browser, "/table/shop/none", 404)
    assert "no table" in await read(browser, "/table/pg_catalog/pg_authid", 404)
    assert "has no row 1, 9999" in await read(browser, "/row/shop/people?id=1&id=9999", 404)
    assert "no such page" in await read(browser, "/nowhere", 404)


# Bad questions ---------------------------------------------------------------------------------

INJECTIONS = [
    "1; drop table shop.people",
    "' or '1'='1",
    '" or true --',
    "x') or true --",
    "\\' or 1=1 --",
    "%s",
]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_what_is_typed_is_never_a_statement(browser: TestClient, shop: Pool, text: str):
    await read(browser, address("people", column=text), 400)
    await read(browser, address("people", sort=text), 400)
    await read(browser, address("people", column="id", **{"is": text}), 400)
    await read(browser, address("people", column="id", to=text), 400)
    await read(browser, address("people", sort="id", order=text), 400)
    await read(browser, address("people", after=text), 400)
    await read(browser, address("bag", skip=text), 400)
    await read(browser, "/row/shop/people?" + urlencode({"id": text}), 400)
    await read(browser, "/row/shop/people?" + urlencode([("id", "1"), ("id", text)]), 400)
    await read(browser, "/table/shop/" + urlencode({"": text})[1:].replace("+", "%20"), 404)
    for operator in ("=", "contains", ">", "<"):
        rows = cells(await read(browser, address("people", column="note", **{"is": operator, "to": text})))
        assert len(rows) in (0, 50)
    assert (
        cells(await read(browser, address("people", column="name", **{"is": "contains", "to": text}))) == []
    )
    async with shop.connection() as connection:
        count = await (await connection.execute("select count(*) from shop.people")).fetchone()
    assert count == (176,)


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "%FF"])
async def test_text_that_no_database_holds_is_refused(browser: TestClient, text: str):
    for path in (
        f"/table/shop/people?column=name&to={text}",
        f"/table/shop/people?column={text}",
        f"/table/shop/people?after=1&after={text}",
        f"/row/shop/people?id={text}&id=1",
        f"/table/shop/{text}",
    ):
        async with browser.get(URL(path, encoded=True)) as answer:
            assert answer.status in (200, 400, 404), path


async def test_the_refusal_says_what_is_wrong(browser: TestClient):
    said = await read(browser, address("people", column="born", **{"is": ">", "to": "yesterdayish"}), 400)
    assert "&#39;yesterdayish&#39; is no date: write it as one." in said
    assert "found by 2 values, not by 1" in await read(browser, "/row/shop/people?id=1", 400)
    assert "has no column &#39;nme&#39;." in await read(browser, address("people", sort="nme"), 400)
    assert "compared by one of =, contains" in await read(browser, address("people", **{"is": "like"}), 400)


# Filters and pages -----------------------------------------------------------------------------


async def ask(pool: Pool, table: str, columns: Sequence[str] = ("id",), **how: object) -> Page:
    shape = await browse_catalog.shape(pool, "shop", table)
    assert shape is not None
    return await browse.page(pool, shape, columns, **how)


@pytest.mark.parametrize(
    ("column", "operator", "value", "count"),
    [
        ("id", "=", "5", 1),
        ("id", ">", "170", 3),
        ("id", "<", "3", 4),
        ("name", "contains", "PERSON 3", 25),
        ("name", "contains", "0%", 1),
        ("name", "=", "", 1),
        ("name", ">", "Person 5", 24),
        ("born", "is null", "", 60),
        ("born", "is not null", "ignored", 116),
        ("born", "<", "2026-01-02", 23),
        ("balance", "=", "10", 15),
        ("balance", ">", "9.5", 15),
        ("note", "contains", '"n": 5', 29),
        ("tags", "=", "{5,7}", 1),
    ],
)
async def test_filters(shop: Pool, column: str, operator: str, value: str, count: int):
    where = Filter(column=column, operator=Operator(operator), value=value)
    page = await ask(shop, "people", where=where)
    assert (page.count, page.exact) == (count, True)
    assert len(page.rows) == min(count, browse.PAGE)


async def pages(
    pool: Pool, table: str, columns: Sequence[str], **how: object
) -> list[tuple[str | None, ...]]:
    found: list[tuple[str | None, ...]] = []
    after: Place | None = None
    while True:
        page = await ask(pool, table, columns, after=after, **how)
        found += [row.values for row in page.rows]
        after = page.next
        if after is None:
            return found


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", [None, "tenant", "id", "name", "born", "balance", "note", "tags", "token"])
async def test_paging_to_the_end_loses_and_repeats_no_row(shop: Pool, sort: str | None, descending: bool):
    columns = ("tenant", "id", "born", "balance")
    found = await pages(shop, "people", columns, sort=sort, descending=descending)
    keys = [(int(tenant), int(ident)) for tenant, ident, *_ in found]
    assert sorted(keys) == [(1, each) for each in range(1, 174)] + [(2, 1), (2, 2), (2, 3)]
    if sort is None:
        assert keys == sorted(keys, reverse=descending)
    if sort in ("born", "balance"):
        values = [row[columns.index(sort)] for row in found]
        known = [float(value.replace("-", "")) for value in values if value is not None]
        assert known == sorted(known, reverse=descending)
        assert values[len(known) :] == [None] * (len(values) - len(known))


async def test_paging_keeps_its_place_while_rows_come_and_go(own_shop: Pool):
    first = await ask(own_shop, "people")
    async with own_shop.connection() as connection:
        await connection.execute("delete from shop.people where tenant = 1 and id in (3, 50)")
        await connection.execute("insert into shop.people (tenant, id) values (1, -1)")
    second = await ask(own_shop, "people", after=first.next)
    assert second.rows[0].values == ("51",)


@pytest.mark.parametrize("sort", [None, "born"])
async def test_a_view_is_paged_without_loss(shop: Pool, sort: str | None):
    found = await pages(shop, "names", ("name", "born"), sort=sort)
    async with shop.connection() as connection:
        expected = await (await connection.execute("select name, born::text from shop.people")).fetchall()
    assert sorted(found, key=repr) == sorted(expected, key=repr)


async def test_equal_rows_without_a_key_are_all_shown(shop: Pool):
    assert len(await pages(shop, "bag", ("v",))) == 120


async def test_a_page_leads_to_the_next_in_the_browser(browser: TestClient):
    path: str | None = address("people", column="name", **{"is": "contains", "to": "person"}, sort="note")
    seen = []
    while path:
        page = await read(browser, path)
        seen += [row[1] for row in cells(page)]
        path = link(page, ' rel="next"')
    assert sorted(map(int, seen)) == list(range(1, 174))


async def test_many_rows_are_estimated(own_shop: Pool):
    async with own_shop.connection() as connection:
        await connection.execute(
            "create table shop.many as select i id, i % 2 even from generate_series(1, 30000) i"
        )
        await connection.execute("analyze shop.many")
    page = await ask(own_shop, "many")
    assert not page.exact
    assert 29_000 < page.count < 31_000
    filtered = await ask(own_shop, "many", where=Filter(column="even", operator=Operator.EQUALS, value="1"))
    assert 13_000 < filtered.count < 17_000
    assert (
        await ask(own_shop, "many", where=Filter(column="id", operator=Operator.BELOW, value="70"))
    ).count == 69


# What it cannot do -----------------------------------------------------------------------------


async def test_a_view_that_writes_is_stopped(own_shop: Pool):
    async with own_shop.connection() as connection:
        await connection.execute(
            "create function shop.sneak() returns int language sql as"
            " 'delete from shop.people where tenant = 2 returning 1';"
            "create view shop.trap as select shop.sneak() as id"
        )
    with pytest.raises(Refused, match="read-only transaction"):
        await ask(own_shop, "trap")


async def test_a_slow_view_is_ended_with_a_sentence(own_shop: Pool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(browse_catalog, "_BEGIN", browse_catalog._BEGIN.replace("'5s'", "'50ms'"))
    async with own_shop.connection() as connection:
        await connection.execute("create view shop.slow as select pg_sleep(60)::text as id")
    with pytest.raises(Refused, match=r"Reading shop\.slow took longer than 5 seconds"):
        await ask(own_shop, "slow")


async def test_a_slow_count_is_estimated(own_shop: Pool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(browse, "_COUNT_SECONDS", 0.001)
    async with own_shop.connection() as connection:
        await connection.execute("create table shop.wide (id int primary key, name text)")
        await connection.execute(
            "insert into shop.wide select i, repeat('x', 9999) from generate_series(1, 3000) i"
        )
    where = Filter(column="name", operator=Operator.CONTAINS, value="x")
    page = await ask(own_shop, "wide", where=where)
    assert not page.exact
    assert len(page.rows) == browse.PAGE


async def test_a_table_without_permission_is_not_there(own_shop: Pool):
    async with own_shop.connection() as connection:
        await connection.execute("create role visitor_of_tests nologin")
        try:
            await connection.execute("grant usage on schema shop to visitor_of_tests")
            await connection.execute("grant select on shop.bag to visitor_of_tests")
            async with connection.transaction():
                await connection.execute("set local role visitor_of_tests")
                found = await connection.execute(browse_catalog._RELATIONS, ())
                assert [row[1] for row in await found.fetchall() if row[0] == "shop"] == ["bag"]
        finally:
            await connection.execute("drop owned by visitor_of_tests; drop role visitor_of_tests")


# Links -----------------------------------------------------------------------------------------


async def test_ids_lead_to_the_records_that_they_name(declared_pool: Pool):
    async with declared_pool.connection() as connection:
        await connection.execute(
            "insert into servicetitan.t_customers (tenant_id, st_id, name) values (1, 7, 'Ann');"
            "insert into servicetitan.t_jobs (tenant_id, st_id, customer_id) values (1, 70, 7), (1, 71, null)"
        )
    app = application(declared_pool, key=KEY, port=1, entities=declared.ENTITIES.values())
    async with TestClient(TestServer(app)) as browser:
        await browser.get("/", params={"key": KEY})
        jobs = await read(browser, "/table/servicetitan/t_jobs")
        to_customer = link(jobs, ">7<")
        assert to_customer == "/row/servicetitan/t_customers?id=1&id=7"
        assert to_customer in html.unescape(await read(browser, "/row/servicetitan/t_jobs?id=1&id=70"))
        customer = await read(browser, to_customer)
        back = await read(browser, link(customer, ">t_jobs.customer_id<"))
        assert [row[1] for row in cells(back)] == ["70"]


# The server ------------------------------------------------------------------------------------


async def test_it_listens_to_this_machine_only_and_ends_when_told(shop: Pool):
    addresses: list[str] = []
    ready, stop = asyncio.Event(), asyncio.Event()

    def told(address: str) -> None:
        addresses.append(address)
        ready.set()

    running = asyncio.create_task(serve(shop, port=0, ready=told, stop=stop))
    await ready.wait()
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?key=([\w-]{43})", addresses[0])
    port = int(found[1])
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        session.get(addresses[0]) as answer,
    ):
        assert (answer.status, answer.url.query_string) == (200, "")
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))
    with pytest.raises(BadArgument, match="cannot be used"):
        await serve(shop, port=port, ready=told, stop=stop)
    stop.set()
    await asyncio.wait_for(running, 10)


@pytest.mark.parametrize("port", [-1, 65536])
async def test_a_port_that_is_none_is_named(pool: Pool, port: int):
    with pytest.raises(BadArgument, match=f"Port {port} "):
        await serve(pool, port=port, ready=print)


async def test_the_command_opens_the_embedded_database(reachable: Path):
    (reachable / "data").mkdir()
    environment = {"PATH": os.environ["PATH"], "PERFECTCATCH_DATA_DIR": str(reachable / "data")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfectcatch", "db", "studio", "--port", "0",
        env=environment, cwd=reachable, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 120)).decode()
        url = re.search(r"http://\S+", line)[0]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.get(url) as answer:
                assert "st_customers" in await answer.text()
            base = answer.url.origin()
            async with session.get(base / "table/servicetitan/st_customers") as answer:
                assert "No rows yet." in await answer.text()
            async with (
                opened(reachable / "data") as server,
                await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection,
            ):
                await connection.execute(
                    "insert into servicetitan.st_jobs (tenant_id, st_id, customer_id) values (1, 70, 7)"
                )
            async with session.get(base / "row/servicetitan/st_jobs" % {"id": ["1", "70"]}) as answer:
                assert link(await answer.text(), ">7<") == "/row/servicetitan/st_customers?id=1&id=7"
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
