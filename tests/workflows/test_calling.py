"""HTTP steps reach hosts of the list and nothing else, however an address is written (SSRF)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from perfectcatch.errors import BadArgument, PerfectCatchError, VendorUnavailable
from perfectcatch.kit.addresses import is_public
from perfectcatch.kit.general import PublicResolver
from perfectcatch.kit.http import Http
from perfectcatch.workflows import calling
from perfectcatch.workflows.calling import AllowedHosts

ALLOWED = "api.example.com"


@dataclass
class Trap:
    """Listens on loopback, on both families, and counts who connects."""

    port: int
    six: int | None
    seen: int = 0
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    heads: list[bytes] = field(default_factory=list)


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    opened: Trap

    async def caught(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.seen += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            opened.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(opened.answer)
            await writer.drain()
        writer.close()

    four = await asyncio.start_server(caught, "127.0.0.1", 0)
    port = four.sockets[0].getsockname()[1]
    servers = [four]
    with contextlib.suppress(OSError):
        servers.append(await asyncio.start_server(caught, "::1", 0))
    opened = Trap(port, servers[1].sockets[0].getsockname()[1] if len(servers) > 1 else None)
    yield opened
    for server in servers:
        server.close()


def hosts(trap: Trap) -> Iterator[str]:
    """Ways to write loopback, link-local, metadata, private and unusual addresses, and names of them."""
    yield from ("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0.0.0.0", "0", "localhost", "LOCALHOST")
    yield from ("2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.")
    yield from ("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1]")
    yield from ("[::1%25lo]", "[fd00::1]", "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]")
    yield from ("169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal", "100.100.100.200")
    yield from ("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1", "255.255.255.255")
    yield from ("localhost.localdomain", "ip6-localhost", "sub.localhost", "api.example.com.evil.test")
    yield from (
        "evilapi.example.com",
        "api.example.com.",
        "api-example.com",
        "example.com",
        "api.example.comx",
    )
    yield from (
        "①②⑦.⓪.⓪.①",
        "ⓛocalhost",
        "api。example。com",
        "api.exam\u00adple.com",
        "ap\u0456.example.com",
    )


def urls(trap: Trap) -> list[str]:
    found = []
    for host in hosts(trap):
        for scheme in ("http", "https"):
            found += [f"{scheme}://{host}:{trap.port}/", f"{scheme}://{host}/"]
    inner = f"127.0.0.1:{trap.port}"
    found += [
        f"https://{ALLOWED}@{inner}/",
        f"https://{ALLOWED}:443@{inner}/",
        f"https://user:secret@{ALLOWED}/",
        f"https://@{ALLOWED}/",
        f"https://{ALLOWED}\\@{inner}/",
        f"https://{inner}\\.{ALLOWED}/",
        f"https://{inner}#@{ALLOWED}/",
        f"https://{inner}?@{ALLOWED}/",
        f"https://{inner}/@{ALLOWED}",
        f"https://{ALLOWED}%2f@{inner}/",
        f"https://{ALLOWED}%00.{inner}/",
        f"https://{ALLOWED} .{inner}/",
        f"https://{ALLOWED}\t/",
        f"https://{ALLOWED}\r\nHost: {inner}/",
        f"https://\n{ALLOWED}/",
        f"https:///{ALLOWED}/",
        f"https:{ALLOWED}/",
        f"//{ALLOWED}/",
        f"http://{ALLOWED}/",
        f"https://{ALLOWED}:{trap.port}/",
        f"https://{ALLOWED}:80/",
        f"https://{ALLOWED}:99999/",
        f"https://{ALLOWED}:x/",
        f"ftp://{ALLOWED}/",
        f"file://{ALLOWED}/etc/passwd",
        "file:///etc/passwd",
        f"gopher://{inner}/_x",
        "unix:/var/run/docker.sock",
        "data:text/plain,x",
        "",
        "https://",
        "https://[",
    ]
    return found


async def test_two_hundred_addresses_reach_nobody(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """The allowed name itself leads nowhere here: no name is asked for outside of this machine."""

    async def loopback(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", loopback)
    tried = urls(trap)
    if trap.six is not None:
        tried += [f"http://[::1]:{trap.six}/", f"http://[::ffff:127.0.0.1]:{trap.port}/"]
    assert len(tried) >= 200
    async with Http(public_only=True) as http:
        caller = AllowedHosts(http, [ALLOWED])
        for url in tried:
            with pytest.raises(PerfectCatchError):
                await caller.call("GET", url, headers={}, body=None, key="k")
    assert trap.seen == 0


async def test_a_name_that_answers_differently_the_second_time_leads_nowhere(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Rebinding(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
            asked.append(host)
            return [
                {"hostname": host, "host": "127.0.0.1", "port": trap.port, "family": socket.AF_INET,
                 "proto": 0, "flags": 0}
            ]  # fmt: skip

        async def close(self) -> None:
            pass

    async def public(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", public)
    monkeypatch.setattr("perfectcatch.kit.general.PublicResolver", lambda: PublicResolver(Rebinding()))
    async with Http(public_only=True) as http:
        caller = AllowedHosts(http, [f"{ALLOWED}:{trap.port}"])
        with pytest.raises(VendorUnavailable, match="cannot be found"):
            await caller.call("GET", f"https://{ALLOWED}:{trap.port}/", headers={}, body=None, key="k")
    assert (asked, trap.seen) == ([ALLOWED], 0)


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:10.0.0.1"]])
async def test_a_name_into_the_own_network_is_refused(
    trap: Trap, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    async def inward(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, trap.port)) for each in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", inward)
    async with Http(public_only=True) as http:
        caller = AllowedHosts(http, [f"{ALLOWED}:{trap.port}"])
        with pytest.raises(BadArgument, match="private network"):
            await caller.call("GET", f"https://{ALLOWED}:{trap.port}/", headers={}, body=None, key="k")
    assert trap.seen == 0


async def test_a_redirect_is_an_answer_and_not_followed(trap: Trap) -> None:
    other = await asyncio.start_server(lambda *_: seen.append(1), "127.0.0.1", 0)
    seen: list[int] = []
    elsewhere = other.sockets[0].getsockname()[1]
    trap.answer = (
        f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    async with Http(public_only=True) as http:
        caller = AllowedHosts(http, [f"127.0.0.1:{trap.port}"])
        url = f"http://127.0.0.1:{trap.port}/"
        told = await caller.call("POST", url, headers={"X-A": "b"}, body={"a": 1}, key="once")
    other.close()
    assert (told["status"], seen, trap.seen) == (302, [], 1)
    assert b"Idempotency-Key: once" in trap.heads[0]


async def test_a_listed_address_means_its_port_alone(trap: Trap) -> None:
    async with Http(public_only=True) as http:
        for allowed in ("127.0.0.1", f"127.0.0.1:{trap.port + 1}", "127.0.0.2"):
            with pytest.raises(BadArgument, match="WORKFLOW_ALLOWED_HOSTS"):
                await AllowedHosts(http, [allowed]).call(
                    "GET", f"http://127.0.0.1:{trap.port}/", headers={}, body=None, key="k"
                )
        for header in ({"X-A": "b\r\nX-Evil: 1"}, {"X-A\r\nX-Evil": "1"}):
            with pytest.raises((PerfectCatchError, ValueError)):
                await AllowedHosts(http, [f"127.0.0.1:{trap.port}"]).call(
                    "GET", f"http://127.0.0.1:{trap.port}/", headers=header, body=None, key="k"
                )
        assert not any(b"X-Evil: 1\r\n" in head for head in trap.heads)
        if trap.six is not None:
            caller = AllowedHosts(http, [f"[::1]:{trap.six}"])
            told = await caller.call("GET", f"http://[::1]:{trap.six}/", headers={}, body=None, key="k")
            assert told["status"] == 200


def test_what_is_public() -> None:
    assert [each for each in ("93.184.215.14", "2606:4700::1111") if not is_public(each)] == []
    inside = (
        "127.0.0.1 10.1.2.3 172.31.0.1 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 240.0.0.1"
        " 255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fd00::1 fec0::1 feff::1 ff02::1"
        " ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::a00:1"
        " 2002:7f00:1:: 2002:a00:1:: ::10.0.0.1 2001:0:1:1:0:0:80ff:fffe nonsense"
    )
    assert [each for each in inside.split() if is_public(each)] == []
    assert calling.METHODS
