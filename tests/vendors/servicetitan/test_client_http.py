"""The one way out, against a server that misbehaves: a whole body or an error, within bounds."""

import asyncio
import gzip
import socket
import sys
import tracemalloc
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from servicetitan_lab import Answer, cut, says

from perfectcatch.errors import BadSetting, Crash, VendorUnavailable
from perfectcatch.kit.addresses import is_loopback
from perfectcatch.kit.http import Deadlines, Http, NotSent, Request

CANARY = "canary-4711"


@pytest.fixture(
    params=[{"alone": True}, {}, {"whole_bytes": 1_000_000_000}],
    ids=["general", "our own", "our own, with a rest"],
    autouse=True,
)
def _both_clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most calls go over connections of our own, the others by the general client: promises are alike."""
    monkeypatch.setattr(sys.modules[__name__], "Request", partial(Request, **request.param))


class Site:
    """A server that gives one answer to everything."""

    def __init__(self) -> None:
        self.answer: Answer = says({"ok": True})
        self.url = ""
        self.seen: list[dict[str, str]] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(dict(request.headers))
        return await self.answer(request)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", site.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/x"
    yield site
    await runner.cleanup()


async def get(site: Site, *, max_bytes: int = 1000, **deadlines: float) -> bytes:
    async with Http(max_bytes=max_bytes, deadlines=Deadlines(**{"total": 5.0, **deadlines})) as http:
        return (await http.send(Request(method="GET", url=site.url))).body


def gzipped(body: bytes, **more: Any) -> Answer:
    return says(body, Content_Encoding="gzip", **more)


def drips(seconds: float, times: int) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(times):
            await response.write(b"x")
            await asyncio.sleep(seconds)
        return response

    return answer


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
async def test_bodies_up_to_the_limit_come_whole(site: Site, size: int) -> None:
    site.answer = says(b"x" * size)
    assert await get(site) == b"x" * size
    site.answer = gzipped(gzip.compress(b"x" * size))
    assert await get(site) == b"x" * size


@pytest.mark.parametrize("size", [1001, 5_000_000])
async def test_bodies_above_the_limit_are_refused(site: Site, size: int) -> None:
    for answer in (says(b"x" * size), gzipped(gzip.compress(b"x" * size)), chunked(b"x" * size)):
        site.answer = answer
        with pytest.raises(VendorUnavailable, match=r"(above|more than) the limit of 1000"):
            await get(site)


def chunked(body: bytes) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body)
        return response

    return answer


async def test_several_gzip_members_are_one_body(site: Site) -> None:
    site.answer = gzipped(gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two"))
    assert await get(site) == b"onetwo"


async def test_large_compressed_bodies(site: Site) -> None:
    body = b"".join(b"%d," % number for number in range(1_000_000))
    site.answer = gzipped(gzip.compress(body, 1))
    assert await get(site, max_bytes=len(body)) == body


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (gzipped(gzip.compress(b"x" * 500)[:-9]), "broke off its compressed answer"),
        (gzipped(b"\x1f\x8b"), "broke off its compressed answer"),
        (gzipped(b"no gzip at all"), "sent a compressed answer that cannot be read"),
        (gzipped(gzip.compress(b"x") + b"garbage"), "sent a compressed answer that cannot be read"),
        (says(b"x", Content_Encoding="br"), "encoded its answer as 'br'"),
        (cut(b"half", 100), "broke off its answer before the end"),
        (cut(b"", 100), "broke off its answer before the end"),
    ],
)
async def test_a_broken_body_is_an_error(site: Site, answer: Answer, sentence: str) -> None:
    site.answer = answer
    with pytest.raises(VendorUnavailable, match=rf"127\.0\.0\.1:\d+ {sentence}"):
        await get(site)


async def test_a_bomb_costs_bounded_memory(site: Site) -> None:
    site.answer = gzipped(gzip.compress(bytes(200_000_000), 1))
    tracemalloc.start()
    try:
        with pytest.raises(VendorUnavailable, match="limit"):
            await get(site, max_bytes=4_000_000)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("answer", "deadlines", "sentence"),
    [
        (hangs, {"total": 0.2}, "did not finish its answer within"),
        (drips(0.05, 100), {"total": 0.3}, "did not finish its answer within"),
        (drips(30, 1), {"between_bytes": 0.2}, r"fell silent for 0\.2 s"),
    ],
)
async def test_deadlines(site: Site, answer: Answer, deadlines: dict[str, float], sentence: str) -> None:
    site.answer = answer
    with pytest.raises(VendorUnavailable, match=sentence) as caught:
        await get(site, **deadlines)
    assert not isinstance(caught.value, NotSent)


async def test_headers_without_a_body_are_silence(site: Site) -> None:
    async def only_headers(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(30)
        return response

    site.answer = only_headers
    with pytest.raises(VendorUnavailable, match="fell silent"):
        await get(site, between_bytes=0.2, total=1.0)


async def test_every_byte_begins_the_silence_anew(site: Site) -> None:
    site.answer = drips(0.1, 6)
    assert await get(site, between_bytes=0.35) == b"x" * 6


async def test_a_slow_first_byte_is_not_silence(site: Site) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.Response(body=b"late")

    site.answer = slow
    assert await get(site, between_bytes=0.1) == b"late"


async def test_no_connection_is_told_from_a_broken_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with Http() as http:
        with pytest.raises(NotSent, match=rf"cannot connect to 127.0.0.1:{port} \(.*\); check SOME_URL"):
            await http.send(Request(method="GET", url=f"http://127.0.0.1:{port}/", setting="SOME_URL"))
        with pytest.raises(NotSent, match=r"the name of nowhere\.invalid cannot be found; check the network"):
            await http.send(Request(method="GET", url="http://nowhere.invalid/"))


@pytest.mark.parametrize("public_only", [False, True], ids=["usual", "public only"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_nothing_is_sent_twice_behind_our_back(site: Site, method: str, *, public_only: bool) -> None:
    """On a kept connection the general client would, and it keeps those to public addresses alone."""
    async with Http(public_only=public_only) as http:
        await http.send(Request(method=method, url=site.url))

        async def hangs_up(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        site.answer = hangs_up
        with pytest.raises(VendorUnavailable, match="broke"):
            await http.send(Request(method=method, url=site.url))
    assert len(site.seen) == 2


async def test_redirects_and_cookies_are_left_alone(site: Site) -> None:
    site.answer = says(b"", 302, Location="http://elsewhere.invalid/", Set_Cookie="a=b")
    async with Http() as http:
        for _ in range(2):
            response = await http.send(Request(method="GET", url=site.url))
    assert (response.status, response.headers["location"]) == (302, "http://elsewhere.invalid/")
    assert "Cookie" not in site.seen[1]


async def test_gzip_is_asked_for_only_where_it_pays(site: Site) -> None:
    await get(site)
    assert site.seen[0]["Accept-Encoding"] == "identity"
    far = Request(method="GET", url="https://api.example.com/x")
    assert Http()._headers(far, "api.example.com")["Accept-Encoding"] == "gzip"
    assert Http(compressed=False)._headers(far, "api.example.com")["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("example.com", False)],
)
def test_is_loopback(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


async def test_an_address_that_is_none() -> None:
    async with Http() as http:
        with pytest.raises(BadSetting, match="SOME_URL is not a usable address"):
            await http.send(Request(method="GET", url="http://", setting="SOME_URL"))


async def test_it_must_be_opened() -> None:
    with pytest.raises(Crash, match="async with"):
        await Http().send(Request(method="GET", url="http://127.0.0.1/"))


async def test_nothing_secret_in_what_is_printed(site: Site) -> None:
    request = Request(
        method="POST",
        url=f"{site.url}?sig={CANARY}",
        headers={"Authorization": f"Bearer {CANARY}", "ST-App-Key": CANARY},
        body=CANARY.encode(),
    )
    assert CANARY not in repr(request)
    site.answer = says(CANARY.encode(), Set_Cookie=CANARY)
    async with Http() as http:
        assert CANARY not in repr(await http.send(request))
