"""What fails, how often it is tried again, and what a person reads."""

import asyncio
import socket
import traceback
from collections.abc import Iterable

import pytest
from servicetitan_lab import APP_KEY, HTML, SECRET, Bench, Lab, cut, hangs_up, page, refused, says

from perfectcatch.errors import (
    BadSetting,
    CircuitOpen,
    NotFound,
    PerfectCatchError,
    RateLimited,
    ScopeMissing,
    VendorRefused,
    VendorUnavailable,
)
from perfectcatch.kit.breaker import Breaker, Thresholds
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Http
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.vendors.servicetitan.client import Client
from perfectcatch.vendors.servicetitan.transport import BACKFILL, rates

GOOD = page({"id": 1})
MAINTENANCE = refused(409, "The service is suspended for maintenance")


@pytest.mark.parametrize(
    "bad",
    [
        says(None, 500),
        says(b"<h1>Bad gateway</h1>", 502, content_type="text/html"),
        HTML,
        says(b"<h1>blocked</h1>", 400, content_type="text/html"),
        says(b"Not found", 404),
        says(b"{"),
        says(b""),
        says({}),
        says({"data": None, "hasMore": False}),
        says({"data": {}, "hasMore": False}),
        says([]),
        cut(b'{"hasMore":false,"data":[', 1000),
        cut(b'{"hasMore":false,"data":[]}', 28),
        hangs_up,
        MAINTENANCE,
        says(None, 302, Location="https://elsewhere.example/"),
    ],
)
async def test_passing_trouble_is_tried_again(client: Client, lab: Lab, bad: object) -> None:
    lab.say(bad, bad)  # type: ignore[arg-type]
    answer = await client.call("crm.customers.list")
    assert answer["data"] == [{"id": 1}]
    lab.say(bad)  # type: ignore[arg-type]
    got = await client.list_page("crm.customers.list", 0, 50, {})
    assert len(got.records) == 1
    assert got.requests == 2


@pytest.mark.parametrize("status", [400, 409, 422, 405])
async def test_a_clear_no_is_final(client: Client, lab: Lab, status: int) -> None:
    lab.say(refused(status, "One or more errors", errors={"page": ["must be above 0"], "a": ["b"]}))
    with pytest.raises(VendorRefused) as caught:
        await client.call("crm.customers.list")
    assert len(lab.api) == 1
    assert caught.value.status == status
    assert caught.value.trace_id == "00-abc"
    assert str(caught.value) == (
        f"crm.customers.list: ServiceTitan answered {status}: One or more errors; "
        "page: must be above 0; a: b (trace 00-abc)"
    )


async def test_not_found(client: Client, lab: Lab) -> None:
    lab.otherwise = refused(404, "Not found")
    with pytest.raises(NotFound):
        await client.call("crm.customers.get", id=1)
    assert await client.one("crm.customers.get", 1) is None
    assert len(lab.api) == 2


async def test_a_404_of_a_proxy_is_not_a_missing_record(client: Client, lab: Lab) -> None:
    lab.otherwise = says(b"404 page not found", 404, content_type="text/plain")
    with pytest.raises((VendorUnavailable, CircuitOpen), match="404 page not found"):
        await client.one("crm.customers.get", 1)


async def test_a_missing_scope_is_named(client: Client, lab: Lab) -> None:
    lab.say(refused(403))
    with pytest.raises(ScopeMissing, match=r"grant tn\.crm\.customers:r to the app at developer"):
        await client.call("crm.customers.list")
    assert len(lab.api) == 1


async def test_attempts_are_bounded(bench: Bench, lab: Lab) -> None:
    lab.otherwise = says(None, 503)
    patient = Breaker(bench.clock, Thresholds(failures_in_a_row=100, window_calls=100))
    async with bench.client(breaker=patient) as client:
        with pytest.raises(VendorUnavailable, match=r"answered 503 without a word \(after 6 attempts\)"):
            await client.call("crm.customers.list")
        assert len(lab.api) == 6
        assert bench.clock.slept[-5:] == [0.25, 0.5, 1, 2, 4]
        with pytest.raises(VendorUnavailable, match="after 4 attempts"):
            await client.call("crm.customers.list", interactive=True)
    assert [seen.attempt for seen in bench.seen if seen.endpoint != "token"] == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]


async def test_the_breaker_opens_probes_and_closes(bench: Bench, client: Client, lab: Lab) -> None:
    lab.otherwise = says(None, 500)
    with pytest.raises(CircuitOpen, match=r"answered 500 .* calls to crm of 4711 pause"):
        await client.call("crm.customers.list")
    assert len(lab.api) == 5
    with pytest.raises(CircuitOpen) as caught:
        await client.call("crm.customers.list")
    assert caught.value.after_seconds == pytest.approx(30, abs=10)
    assert len(lab.api) == 5
    lab.otherwise = None
    await client.call("settings.intacct.list")  # another module goes on
    bench.clock.advance(30)
    await client.call("crm.customers.list")
    assert client.breaker.status()["crm of 4711"].state == "closed"


@pytest.mark.parametrize(("header", "seconds"), [("20", 20), ("Thu, 01 Jan 2026 12:00:30 GMT", 30), ("0", 0)])
async def test_a_429_is_obeyed_by_everybody(
    bench: Bench, client: Client, lab: Lab, header: str, seconds: float
) -> None:
    lab.say(says(None, 429, Retry_After=header, Date="Thu, 01 Jan 2026 12:00:00 GMT"))
    await client.call("crm.customers.list")
    assert seconds <= bench.clock.monotonic() <= seconds + 1.5
    lab.say(says(None, 429, Retry_After="50"))
    first = asyncio.create_task(client.call("crm.customers.list"))
    while len(lab.api) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    before = bench.clock.monotonic()
    await asyncio.gather(
        first, *(client.call("crm.contacts.list", modified_before="2026-01-01") for _ in "ab")
    )
    assert bench.clock.monotonic() - before >= 49


async def test_a_429_never_opens_the_breaker_and_ends_as_what_it_is(
    bench: Bench, client: Client, lab: Lab
) -> None:
    lab.otherwise = says(None, 429)
    with pytest.raises(RateLimited, match=r"\(429\) \(after 6 attempts\)"):
        await client.call("crm.customers.list")
    assert client.breaker.status()["crm of 4711"].state == "closed"
    lab.otherwise = says(None, 429, Retry_After="120")
    asked = bench.clock.monotonic()
    with pytest.raises(RateLimited) as caught:
        await client.call("crm.customers.list", interactive=True)
    assert caught.value.after_seconds == 120
    assert bench.clock.monotonic() - asked < 40  # a person is told at once instead of waiting


class Spy(LocalBudget):
    """A budget that remembers who was slowed down, and who asked."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(rates(50), clock)
        self.slowed: list[tuple[str, float]] = []
        self.asked: list[tuple[str, bool]] = []

    async def acquire(self, key: str, *, interactive: bool = False) -> None:
        self.asked.append((key, interactive))
        await super().acquire(key, interactive=interactive)

    async def slow_down(self, key: str, seconds: float) -> None:
        self.slowed.append((key, seconds))
        await super().slow_down(key, seconds)


async def test_a_429_slows_the_company_or_the_report_alone(bench: Bench, lab: Lab) -> None:
    spy = Spy(bench.clock)
    async with bench.client(budget=spy) as client:
        lab.say(says(None, 429, Retry_After="20"), says(None, 503))
        await client.call("crm.customers.list", interactive=True)
        assert spy.slowed == [("servicetitan:4711", 20.5)]
        assert spy.asked == [("servicetitan:4711", True)] * 3
        spy.asked.clear()
        lab.say(says(None, 429, Retry_After="200"), says({"fields": [], "data": []}))
        await client.call("reporting.data.run", report_category="a", report_id=1, body={})
        assert spy.slowed[1:] == [("report:4711:a:1", 200.5)]
        assert spy.asked == [("report:4711:a:1", False), ("servicetitan:4711", False)] * 2


async def test_a_backfill_keeps_within_half_of_the_background(bench: Bench, lab: Lab) -> None:
    spy = Spy(bench.clock)
    lab.otherwise = says({"hasMore": False, "data": []})
    async with bench.client(budget=spy, lane=BACKFILL) as client:
        began = bench.clock.monotonic()
        for _ in range(41):
            await client.list_page("crm.customers.list", 0, 1, {})
        assert spy.asked[:2] == [("backfill:4711", False), ("servicetitan:4711", False)]
        assert bench.clock.monotonic() - began == pytest.approx(40 / (50 * 0.9 * 0.5), abs=0.11)
        lab.say(says(None, 429, Retry_After="20"))
        await client.list_page("crm.customers.list", 0, 1, {})
        assert spy.slowed == [("servicetitan:4711", 20.5)]


async def test_the_same_report_runs_once_a_minute(bench: Bench, client: Client, lab: Lab) -> None:
    lab.otherwise = says({"fields": [], "data": []})
    for _ in range(3):
        await client.call("reporting.data.run", report_category="a", report_id=1, body={}, interactive=True)
    assert bench.clock.monotonic() >= 120


@pytest.mark.parametrize("bad", [says(None, 500), HTML, hangs_up, cut(b"{", 99)])
@pytest.mark.parametrize("name", ["crm.customers.update", "sales.estimates.unsell"])
async def test_a_write_of_unknown_outcome_is_not_repeated(
    client: Client, lab: Lab, bad: object, name: str
) -> None:
    lab.say(bad)  # type: ignore[arg-type]
    body = {"name": "x"} if name == "crm.customers.update" else None
    with pytest.raises(VendorUnavailable, match="it is unknown whether ServiceTitan carried this out"):
        await client.call(name, id=1, body=body)
    assert len(lab.api) == 1


@pytest.mark.parametrize("bad", [says(None, 429), MAINTENANCE])
async def test_a_write_that_was_certainly_not_done_is_repeated(client: Client, lab: Lab, bad: object) -> None:
    lab.say(bad, says(None, 204))  # type: ignore[arg-type]
    assert await client.call("sales.estimates.unsell", id=1) is None
    assert len(lab.api) == 2


async def test_a_write_without_a_connection_is_repeated(bench: Bench, lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with bench.client(api_url=f"http://127.0.0.1:{port}") as client:
        with pytest.raises(CircuitOpen, match=rf"cannot connect to 127.0.0.1:{port} .*SERVICE_TITAN_API_URL"):
            await client.call("sales.estimates.unsell", id=1)
    assert sum(seen.endpoint == "sales.estimates.unsell" for seen in bench.seen) == 5


async def test_an_unknown_host_names_the_setting(bench: Bench) -> None:
    async with bench.client(api_url="https://no-such-host.invalid") as client:
        with pytest.raises(
            (CircuitOpen, VendorUnavailable), match=r"no-such-host\.invalid.*SERVICE_TITAN_API_URL"
        ):
            await client.call("crm.customers.list")


@pytest.mark.parametrize(
    "url", ["api.servicetitan.io", "ftp://host", "", "http://", "https://a:x/", "file:///etc"]
)
def test_an_address_that_is_none_is_refused(bench: Bench, url: str) -> None:
    with pytest.raises(BadSetting, match="SERVICE_TITAN_API_URL must be an address such as"):
        bench.client(api_url=url)
    with pytest.raises(BadSetting, match="SERVICE_TITAN_AUTH_URL"):
        bench.client(auth_url=url)


async def test_a_slash_at_the_end_of_the_address_changes_nothing(bench: Bench, lab: Lab) -> None:
    async with bench.client(api_url=f"{lab.url}/", auth_url=f"{lab.auth_url}/") as client:
        await client.call("crm.customers.list")
    assert lab.api[0].target == "/crm/v2/tenant/4711/customers"


def everything(error: BaseException) -> str:
    """All that a log could show: text, repr, notes, causes, and the locals of the product's own frames."""
    captured = traceback.TracebackException.from_exception(error, capture_locals=False)
    return "\n".join([repr(error), str(error), *captured.format(chain=True), *_chain(error)])


def _chain(error: BaseException) -> Iterable[str]:
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            yield repr(linked)
            yield from _chain(linked)


@pytest.mark.parametrize(
    "bad",
    [
        says(None, 500),
        HTML,
        hangs_up,
        cut(b"{", 99),
        refused(400, f"client_secret={SECRET} Authorization: Bearer canary-token-1"),
        refused(403),
        says(b'{"name": "canary-person", "access_token": "canary-token-1"', 200),
    ],
)
async def test_no_secret_is_ever_shown(bench: Bench, lab: Lab, bad: object) -> None:
    lab.otherwise = bad  # type: ignore[assignment]
    async with bench.client() as client:
        with pytest.raises(PerfectCatchError) as caught:
            await client.call("crm.customers.list")
        shown = everything(caught.value) + repr(bench.seen) + repr(client)
    for canary in (SECRET, APP_KEY, "canary-token", "canary-person", "jane@example.com"):
        assert canary not in shown


async def test_a_bomb_is_refused(bench: Bench, lab: Lab) -> None:
    import gzip

    bomb = gzip.compress(b"0" * 20_000_000)
    lab.otherwise = says(bomb, Content_Encoding="gzip")
    async with Http(max_bytes=1_000_000) as http, bench.client(http=http) as client:
        with pytest.raises((VendorUnavailable, CircuitOpen), match="more than the limit of 1000000 bytes"):
            await client.call("crm.customers.list")


async def test_observations_tell_every_request(bench: Bench, client: Client, lab: Lab) -> None:
    lab.say(says(None, 503), hangs_up, GOOD)
    await client.call("crm.customers.list")
    told = [(seen.endpoint, seen.attempt, seen.status) for seen in bench.seen]
    assert told == [
        ("token", 1, 200),
        ("crm.customers.list", 1, 503),
        ("crm.customers.list", 2, None),
        ("crm.customers.list", 3, 200),
    ]
    assert bench.seen[-1].size > 0
    assert client.requests == len(told)
