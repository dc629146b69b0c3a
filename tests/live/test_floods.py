"""Callers who send too much, too slowly, too deep, or too often; others are served meanwhile."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from live.conftest import Api, make_key, served, until_healthy

MEBIBYTE = 1024 * 1024
TAKES_A_BODY = ("/api/opt-outs", "/db/jobs/upsert", "/st/crm/customers", "/webhooks/servicetitan")
IDLE = 500


@contextmanager
def connected(api: Api) -> Iterator[socket.socket]:
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as opened:
        yield opened


def test_a_body_of_two_mebibytes_is_refused(api: Api) -> None:
    body = json.dumps({"jobs": "x" * 2 * MEBIBYTE}).encode()
    for path in ("/st/crm/customers", "/webhooks/servicetitan"):
        answer = api.ask("POST", path, body=body, Content_Type="application/json")
        assert answer.status == 413, (path, answer.body[:200])


@pytest.mark.parametrize("path", TAKES_A_BODY)
def test_json_ten_thousand_levels_deep_is_refused(api: Api, path: str) -> None:
    body = b"[" * 10_000 + b"]" * 10_000
    answer = api.ask("POST", path, body=body, Content_Type="application/json")
    assert 400 <= answer.status < 500, answer.body[:200]
    assert answer.headers["content-type"] == "application/problem+json"


def test_idle_connections_and_slow_bodies_keep_nobody_waiting(api: Api) -> None:
    head = (
        f"POST /db/jobs/upsert HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.keys['write']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with ExitStack() as stack:
        for number in range(IDLE):
            opened = stack.enter_context(connected(api))
            if number % 10 == 0:
                opened.sendall(head.encode())  # and no more of it
        for _ in range(20):
            assert api.ask("GET", "/db/technicians?limit=1", key="read").status == 200
            assert api.ask("GET", "/health", key=None).status == 200


def test_one_key_floods_and_another_is_served(api: Api) -> None:
    flooding = make_key(api.product, "--scope", "read", "--per-second", "20")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(api.ask, "GET", "/health/workers", key=flooding) for _ in range(200)]
        others = [api.ask("GET", "/db/technicians?limit=1", key="read") for _ in range(20)]
        answers = [each.result() for each in asked]
    assert {each.status for each in others} == {200}
    assert {each.status for each in answers} == {200, 429}
    refused = [each for each in answers if each.status == 429]
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)


def test_a_database_without_a_free_connection_is_said_at_once(api: Api) -> None:
    """Statements wait for a lock until every connection for reading is held."""
    with served(api.product, DATABASE_MAX_CONNECTIONS="8") as url:
        until_healthy(url)
        small = Api(url, api.product, api.sandbox, api.keys)
        assert small.ask("GET", "/db/technicians?limit=1", key="read").status == 200
        with psycopg.connect(api.product.url) as holder, ThreadPoolExecutor(20) as pool:
            holder.execute("lock table servicetitan.st_technicians in access exclusive mode")
            held = [pool.submit(small.ask, "GET", "/db/technicians?limit=1", key="read") for _ in range(12)]
            began = time.monotonic()
            answers = [each.result() for each in held]
            assert small.ask("GET", "/health", key=None).status == 200
            assert {each.status for each in answers} == {503}
            assert all(each.headers["content-type"] == "application/problem+json" for each in answers)
            assert all("retry-after" in each.headers for each in answers)
            assert time.monotonic() - began < 30  # a bound on hanging, not a measurement
            holder.rollback()
        assert small.ask("GET", "/db/technicians?limit=1", key="read").status == 200
