"""The live stream, webhooks and runs over HTTP, against a real server and a real worker."""

import base64
import hmac
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from live.conftest import WEBHOOK_SECRET, Api, make_key

PATIENCE = 60.0
CRONS = (
    "SYNC_INCREMENTAL_CRON",
    "SYNC_FULL_CRON",
    "CONTACTS_INCREMENTAL_CRON",
    "CONTACTS_FULL_CRON",
    "SYNC_SCHEDULING_CRON",
    "SYNC_PRICEBOOK_CRON",
    "CLOCK_RULES_CRON",
)


class Stream:
    """A listener that understands server-sent events."""

    def __init__(self, api: Api, *, key: str = "read", last: str | None = None, query: str = "") -> None:
        parts = urlsplit(api.url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(
            f"GET /api/monitor/events{query} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {api.keys.get(key, key)}\r\n{resume}\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        self.last = last
        status = self.file.readline()
        assert b" 200 " in status, status
        while self.file.readline().strip():
            pass

    def __iter__(self) -> Iterator[dict[str, Any]]:
        found: dict[str, Any] = {}
        for raw in self.file:
            line = raw.decode().rstrip("\r\n")
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            if name in {"event", "data"}:
                found[name] = json.loads(value) if name == "data" else value
            elif not line and found:
                yield found
                found = {}

    def until(self, event_type: str, st_id: int) -> dict[str, Any]:
        for each in self:
            data = each.get("data", {})
            if data.get("event_type") == event_type and data.get("st_id") == st_id:
                return dict(data)
        raise AssertionError("the stream ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()


@contextmanager
def worker(api: Api, tmp: Path) -> Iterator[None]:
    """A worker without a schedule: it does what it is asked for."""
    off = dict.fromkeys(CRONS, "off")
    process = api.product.start("worker", "sync", HEARTBEAT_FILE=str(tmp / "beat"), **off)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def hook(api: Api, said: dict[str, Any], *, secret: str = WEBHOOK_SECRET, encoding: str = "hex") -> int:
    body = json.dumps(said).encode()
    digest = hmac.new(secret.encode(), body, sha256).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    return api.ask(
        "POST", "/webhooks/servicetitan", key=None, body=body, x_servicetitan_signature=text
    ).status


def unpaid(api: Api) -> Iterator[int]:
    for record in api.sandbox.get("records/accounting.invoices"):
        if float(record["balance"]) > 0 and record["active"]:
            yield record["id"]


def pay(api: Api, invoice: int) -> None:
    api.sandbox.post("edit", collection="accounting.invoices", id=invoice, changes={"balance": "0.00"})


def test_a_webhook_becomes_an_event_on_the_stream(api: Api, tmp_path: Path) -> None:
    first, second, *_ = unpaid(api)
    with worker(api, tmp_path):
        with Stream(api, query="?kinds=event&types=invoice_paid") as stream:
            pay(api, first)
            said = {"eventId": str(uuid4()), "eventType": "invoice.updated", "data": {"id": first}}
            assert hook(api, said) == 200
            paid = stream.until("invoice_paid", first)
            assert paid["data"]["balance"] == 0
            place = stream.last
        pay(api, second)
        assert hook(api, {"eventType": "invoice.updated", "id": second, "at": 2}, encoding="base64") == 200
        wait_until(api, "select count(*) from automation.webhooks where state not in ('done', 'ignored')", 0)
    with Stream(api, last=place) as resumed:
        assert resumed.until("invoice_paid", second)["historical"] is False
    assert api.product.rows(
        "select count(*) from automation.events where event_type = 'invoice_paid' and not historical "
        "and st_id = any(%s)",
        [first, second],
    ) == [(2,)]


def wait_until(api: Api, query: str, wanted: Any) -> None:
    ends = time.monotonic() + PATIENCE
    while (found := api.product.rows(query)[0][0]) != wanted:
        assert time.monotonic() < ends, found
        time.sleep(0.05)


def test_forged_webhooks_leave_no_row(api: Api) -> None:
    [(before,)] = api.product.rows("select count(*) from automation.webhooks")
    good = json.dumps({"eventType": "job.updated", "id": 1}).encode()
    digest = hmac.new(WEBHOOK_SECRET.encode(), good, sha256).hexdigest()
    for body, text in (
        (good, ""),
        (good, digest[:-1]),
        (good, "0" * 64),
        (good, hmac.new(b"x" * 32, good, sha256).hexdigest()),
        (good + b" ", digest),
    ):
        answer = api.ask("POST", "/webhooks/servicetitan", key=None, body=body, x_servicetitan_signature=text)
        assert answer.status == 401
    assert api.ask("POST", "/webhooks/servicetitan", key=None, body=good).status == 401
    assert api.ask("POST", "/webhooks/nobody", key=None, body=good).status == 404
    large = b"x" * (1024 * 1024 + 1)
    assert api.ask("POST", "/webhooks/servicetitan", key=None, body=large).status == 413
    assert api.product.rows("select count(*) from automation.webhooks") == [(before,)]


@pytest.mark.parametrize("size", [20, pytest.param(1000, marks=pytest.mark.reliability)])
def test_a_webhook_that_comes_five_times_at_once_is_one(api: Api, size: int) -> None:
    name = f"five-of-{size}-"
    said = [{"eventId": f"{name}{each}", "eventType": "moon.full", "id": each} for each in range(size)]
    with ThreadPoolExecutor(10) as many:
        statuses = list(many.map(lambda each: hook(api, each), said * 5))
    assert set(statuses) == {200}
    assert api.product.rows(
        "select count(*), sum(times), min(state) from automation.webhooks where identity like %s", f"{name}%"
    ) == [(size, 5 * size, "ignored")]


def test_webhooks_out_of_order_leave_the_newest(api: Api, tmp_path: Path) -> None:
    """Old after new, twice, and between changes: a webhook says where to look, never what is there."""
    invoices = list(unpaid(api))[-12:]
    drawn, waiting = random.Random(11), []
    with worker(api, tmp_path):
        for step in range(36):
            invoice = invoices[step % len(invoices)]
            changes = {"balance": f"{drawn.randrange(1, 900)}.00"}
            api.sandbox.post("edit", collection="accounting.invoices", id=invoice, changes=changes)
            said = {"eventId": f"order-{step}", "eventType": "invoice.updated", "data": {"id": invoice}}
            waiting += [said, said]
            drawn.shuffle(waiting)
            while len(waiting) > 20:
                assert hook(api, waiting.pop()) == 200
        while waiting:
            assert hook(api, waiting.pop()) == 200
        wait_until(api, "select count(*) from automation.webhooks where state not in ('done', 'ignored')", 0)
    truth = {each["id"]: each["balance"] for each in api.sandbox.get("records/accounting.invoices")}
    query = "select st_id, full_data ->> 'balance' from servicetitan.st_invoices where st_id = any(%s)"
    assert dict(api.product.rows(query, invoices)) == {each: truth[each] for each in invoices}


def test_a_run_is_asked_for_and_done_by_a_worker(api: Api, tmp_path: Path) -> None:
    asked = api.ask("POST", "/api/sync/reference", key="write")
    assert asked.status == 202
    run_id = asked.json["run_id"]
    assert asked.headers["location"] == f"/api/sync/runs/{run_id}"
    assert api.get(f"/api/sync/runs/{run_id}")["status"] == "waiting"
    again = api.ask("POST", "/api/sync/reference", key="write").json
    assert (again["run_id"], again["new"]) == (run_id, False)
    with worker(api, tmp_path):
        wait_until(api, f"select status from servicetitan.sync_runs where id = '{run_id}'", "succeeded")
        workers = api.get("/health/workers")
        assert workers["status"] == "well"
    told = api.get(f"/api/sync/runs/{run_id}")
    assert told["trigger"] == "api"
    assert {line["status"] for line in told["lines"]} == {"succeeded"}
    assert api.get("/api/sync/runs?limit=1")["runs"][0]["mode"] in {"reference", "incremental", "full"}
    assert api.ask("GET", f"/api/sync/runs/{uuid4()}").status == 404


def test_a_revoked_key_stops_listening(api: Api) -> None:
    key = make_key(api.product, "--scope", "read", "--name", "short-lived")
    with Stream(api, key=key) as stream:
        assert api.product.run("key", "revoke", "_".join(key.split("_")[:2])).returncode == 0
        assert [each for each in stream if each["event"] == "nothing"] == []  # ends by itself
    assert api.ask("GET", "/health/detailed", key=key).status == 401


FLOOD = """
insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
select tenant_id, event_type, 'jobs', -n, 'flood', now(), false, jsonb_build_object('text', repeat('x', 3000))
from generate_series(%s::integer, %s::integer) n, (values (%s)) type (event_type),
  (select min(tenant_id) as tenant_id from automation.events) t
returning pg_notify('perfectcatch_events', json_build_object('tenant_id', 0, 'ids', '[]'::json)::text)
"""


def test_who_does_not_read_is_cut_off_and_others_are_served(api: Api) -> None:
    with Stream(api) as slow, Stream(api) as good:
        heard = threading.Thread(target=good.until, args=("job_created", -1), daemon=True)
        heard.start()
        api.product.rows(FLOOD, 2, 6001, "job_note_added")
        api.product.rows(FLOOD, 1, 1, "job_created")
        heard.join(PATIENCE)
        assert not heard.is_alive()
        assert taken_until_cut_off(slow) < 6000 * 3000
    api.product.rows("delete from automation.events where st_id < 0 returning 1")


def taken_until_cut_off(stream: Stream) -> int:
    """How many bytes still come before the connection is broken."""
    received = 0
    while True:
        try:
            piece = stream.socket.recv(1 << 20)
        except ConnectionResetError:
            return received
        received += len(piece)
        if not piece:
            return received


@pytest.mark.parametrize("place", ["x", "1@2", "1@5:4:x"])
def test_a_place_that_is_none_is_refused(api: Api, place: str) -> None:
    answer = api.ask("GET", "/api/monitor/events", Last_Event_ID=place)
    assert answer.status == 422


def test_metrics_are_for_prometheus(api: Api) -> None:
    answer = api.ask("GET", "/metrics")
    assert b"perfectcatch_database_up 1.0" in answer.body
    assert b'perfectcatch_sync_age_seconds{entity="customers"}' in answer.body
    assert b"perfectcatch_http_requests_total" in answer.body


def test_a_server_that_cannot_start_says_why(api: Api) -> None:
    parts = urlsplit(api.url)
    taken = api.product.run("serve", "--port", str(parts.port))
    assert taken.returncode == 2
    assert "cannot be used" in taken.stderr
    unsafe = api.product.run("serve", "--port", "0", ENVIRONMENT="production")
    assert unsafe.returncode == 2
    assert "SECRET_KEY" in unsafe.stderr
    away = api.product.run("serve", "--port", "0", DATABASE_URL="postgresql://x:y@127.0.0.1:1/z")
    assert away.returncode == 1
    assert "Traceback" not in away.stderr
