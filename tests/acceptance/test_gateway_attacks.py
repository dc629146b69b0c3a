"""Five hundred hostile requests on raw sockets, against the real server with the sandbox behind it.

The sandbox's ledger is the judge: nothing outside the route table reaches it, and no header but ours.
"""

import asyncio
import itertools
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from acceptance.conftest import Product, Sandbox
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

OURS = {
    "accept",
    "accept-encoding",
    "authorization",
    "host",
    "st-app-key",
    "user-agent",
    "content-type",
    "content-length",
}
CANARY = "canary-4711"
DOTS = ("..", ".", "%2e%2e", "%2E%2e", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "..;", "..%00", "..\\")
SLASHES = ("/", "%2f", "%2F", "%5c", "\\", "%252f", "//", "/./", ";/", "/%00/")
TARGETS = (
    "connect/token",
    "crm/v2/tenant/1/customers",
    "_sandbox/stats",
    "health",
    "settings/v2/tenant/9/employees",
)


def paths() -> list[str]:
    """Every way up with every way on, below every prefix that is passed through."""
    made = [
        f"{prefix}{dots}{slash}{target}"
        for prefix, dots, slash, target in itertools.product(
            ("/st/", "/st/crm/", "/customers/7/", "/pricebook/"), DOTS, SLASHES[:5], TARGETS[:2]
        )
    ]
    made += [f"/st/crm{slash}{dots}{slash}customers" for slash, dots in itertools.product(SLASHES, DOTS)]
    made += [f"/st/crm/v2/tenant/{tenant}/customers" for tenant in ("1", "{tenant}", "%31", "-1", "0")]
    return made


def heads(target: str) -> list[bytes]:
    """Heads that two readers could understand differently, or that smuggle something in."""
    path = "/st/crm/customers?pageSize=1"
    host = f"Host: {target}\r\n"
    post = f"POST /customers HTTP/1.1\r\n{host}KEY"
    return [
        text.encode("latin-1")
        for text in (
            f"GET http://{target}/st/crm/customers HTTP/1.1\r\n{host}\r\n",
            f"GET http://169.254.169.254/ HTTP/1.1\r\n{host}\r\n",
            f"GET st/crm/customers HTTP/1.1\r\n{host}\r\n",
            f"CONNECT {target} HTTP/1.1\r\n{host}\r\n",
            f"{post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            f"{post}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            f"{post}Content-Length: 2\r\nContent-Length: 7\r\n\r\n{{}}",
            f"{post}Transfer-Encoding: xchunked\r\n\r\n{{}}",
            f"{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}KEYX: a\nY: b\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}KEYAuthorization: Bearer other\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}KEY" + "X: " + "a" * 100_000 + "\r\n\r\n",
            f"GET /st/crm/customers HTTP/1.1 HTTP/1.1\r\n{host}KEY\r\n",
            f"GET /st/crm/cust\x00omers HTTP/1.1\r\n{host}KEY\r\n",
            f"GET /st/crm/cust\xe4mers HTTP/1.1\r\n{host}KEY\r\n",
            f"TRACE {path} HTTP/1.1\r\n{host}KEY\r\n",
            f"GET {path}&tenant=9 HTTP/1.1\r\n{host}KEY\r\n",
            f"GET {path}%00 HTTP/1.1\r\n{host}KEY\r\n",
            f"GET {path}&name=%0d%0aX:1 HTTP/1.1\r\n{host}KEY\r\n",
        )
    ]


def smuggled(name: str) -> str:
    """An honest request with a header that must not go on."""
    return f"GET /st/crm/customers?pageSize=1 HTTP/1.1\r\nHost: HOST\r\nKEY{name}\r\n\r\n"


HEADERS = (
    f"Cookie: {CANARY}", f"ST-App-Key: {CANARY}", f"X-Forwarded-For: {CANARY}", f"X-Forwarded-Host: {CANARY}",
    f"X-Forwarded-Proto: {CANARY}", f"Forwarded: for={CANARY}", f"X-Real-IP: {CANARY}", f"Via: {CANARY}",
    f"Proxy-Authorization: {CANARY}", f"Proxy-Connection: {CANARY}", "TE: trailers", "Trailer: X",
    "Upgrade: h2c", f"Keep-Alive: {CANARY}", f"Connection: Authorization\r\nX-Secret: {CANARY}",
    "Connection: ST-App-Key",
    f"X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /{CANARY}", f"X-Rewrite-URL: /{CANARY}",
    f"Range: {CANARY}",
    f"Accept: {CANARY}", f"Accept-Encoding: {CANARY}", f"User-Agent: {CANARY}", f"If-None-Match: {CANARY}",
    f"Referer: {CANARY}", f"Origin: https://{CANARY}.example", f"Traceparent: {CANARY}", f"Expect: {CANARY}",
)  # fmt: skip


async def ask(url: str, head: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(head)
    try:
        async with asyncio.timeout(20):
            await writer.drain()
            return await reader.readline()
    except (ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()


@pytest.mark.timeout(240)
async def test_attacks_reach_nothing(product: Product, sandbox: Sandbox):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url, host = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    made = await asyncio.to_thread(product.run, "--json", "key", "create", "--scope", "read,write")
    key = json.loads(made.stdout)["key"]
    authorization = f"Authorization: Bearer {key}\r\n"
    server = product.start("serve", "--port", str(port))
    try:
        while (await _health(url)) != b"HTTP/1.1 200 OK\r\n":
            assert server.poll() is None
            await asyncio.sleep(0.2)
        before = sandbox.get("ledger?limit=100000")["total"]
        attacks = [
            f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}\r\n".encode("latin-1")
            for path in paths()
            for method in ("GET",)
        ]
        attacks += [head.replace(b"KEY", authorization.encode()) for head in heads(host)]
        attacks += [
            smuggled(each).replace("HOST", host).replace("KEY", authorization).encode() for each in HEADERS
        ]
        assert len(attacks) >= 500
        slots = asyncio.Semaphore(16)

        async def attack(head: bytes) -> bytes:
            async with slots:
                return await ask(url, head)

        answers = await asyncio.gather(*map(attack, attacks))
        faults = [head for head, answer in zip(attacks, answers, strict=True) if answer[9:10] == b"5"]
        assert faults == []
        entries = sandbox.get("ledger?limit=100000")["entries"]
        _judge(entries, sandbox)
        passed = sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        assert passed <= len(HEADERS) + 2
        assert before <= len(entries) <= before + len(HEADERS) + 5
        assert (await _health(url)) == b"HTTP/1.1 200 OK\r\n"
    finally:
        server.terminate()
        out, err = await asyncio.to_thread(server.communicate)
    assert CANARY.encode() not in out + err


def _judge(entries: list[dict[str, Any]], sandbox: Sandbox) -> None:
    known = {f"{row.method} {row.path}" for row in CATALOGUE.values()}
    for entry in entries:
        if entry["path"] == "/connect/token":
            continue
        assert entry["operation"] in known, entry
        assert f"/tenant/{sandbox.settings['SERVICE_TITAN_TENANT_ID']}/" in entry["path"]
        assert set(entry["headers"]) <= OURS, entry
        assert CANARY not in json.dumps(entry)


async def _health(url: str) -> bytes:
    try:
        return await ask(url, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    except OSError:
        return b""
