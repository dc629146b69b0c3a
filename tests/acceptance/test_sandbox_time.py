"""The simulated company's time, moved from the command line; the mirror follows what happens in it."""

import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest

from acceptance.conftest import Product, Sandbox, start_sandbox
from acceptance.test_sync_commands import assert_equal, assert_events_once, rows_of


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A company that begins ten days ago."""
    process, known = start_sandbox("--customers", "60", "--rate", "100000", "--ago", "10d")
    with process:
        yield known
        process.terminate()


def advanced(product: Product, sandbox: Sandbox, by: str) -> "subprocess.CompletedProcess[str]":
    return product.run("--json", "sandbox", "advance", by, "--url", sandbox.url)


def test_a_mirror_follows_a_company_that_lives(product: Product, sandbox: Sandbox) -> None:
    rows_of(product.run("sync", "full", "--json"))
    assert_equal(product, sandbox)

    for by in ("7d", "3d"):
        told = json.loads(advanced(product, sandbox, by).stdout)
        assert told["happened"] == sum(told["kinds"].values()) > 5
        rows_of(product.run("sync", "incremental", "--json"))
        assert_equal(product, sandbox)
    assert abs(sandbox.get("clock")["behind_seconds"]) < 60
    assert_events_once(product)
    changes = sandbox.get("changes?limit=10000")["changes"]
    for collection, event in (
        ("jpm.jobs", "job_created"),
        ("sales.estimates", "estimate_created"),
        ("accounting.payments", "payment_received"),
        ("crm.customers", "customer_created"),
    ):
        added = {
            each["id"] for each in changes if (each["collection"], each["kind"]) == (collection, "added")
        }
        rows = product.rows(
            "select st_id from automation.events where event_type = %s and not historical", event
        )
        assert {number for (number,) in rows} == added, event
    rows = rows_of(product.run("sync", "full", "--json"))
    assert sum(row["quarantined"] for row in rows.values()) == 0
    assert_equal(product, sandbox)


def test_time_is_moved_in_one_sentence(product: Product, sandbox: Sandbox) -> None:
    told = product.run("sandbox", "advance", "1d", "--url", sandbox.url)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("From 20")
    faster = product.run("sandbox", "speed", "60", "--url", sandbox.url)
    assert "60 seconds a second" in faster.stdout
    assert sandbox.get("clock")["lives"] is True

    for words, status, word in (
        (("advance", "soon"), 2, "3d"),
        (("speed", "100000"), 2, "speed"),
        (("--speed", "1e9"), 2, "speed"),
        (("--ago", "yesterday"), 2, "3d"),
        (("advance", "3d", "--url", "http://127.0.0.1:9"), 1, "perfectcatch sandbox"),
        (("advance", "3d", "--url", "nowhere"), 2, "--url"),
    ):
        refused = product.run("sandbox", *words)
        assert (words, refused.returncode) == (words, status), refused.stderr
        assert word in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


@contextmanager
def receiver() -> Iterator[tuple[str, "Queue[tuple[str | None, bytes]]", threading.Event]]:
    """A receiver of webhooks: its address, what came, and when it may answer."""
    came: Queue[tuple[str | None, bytes]] = Queue()
    may_answer = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.put((self.headers["x-servicetitan-signature"], body))
            may_answer.wait(60)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks", came, may_answer
    finally:
        may_answer.set()
        server.shutdown()
        server.server_close()


def test_webhooks_go_out_and_hold_nothing_up() -> None:
    with receiver() as (url, came, may_answer):
        words = ("--customers", "30", "--webhook-url", url, "--webhook-secret", "a secret")
        process, sandbox = start_sandbox(*words)
        with process:
            number = sandbox.get("records/crm.customers")[0]["id"]
            edit = {"collection": "crm.customers", "id": number, "changes": {"name": "Told"}}
            sandbox.post("edit", **edit)
            signature, body = came.get(timeout=60)
            assert signature == hmac.new(b"a secret", body, hashlib.sha256).hexdigest()
            assert json.loads(body)["eventType"] == "customer.updated"
            # The receiver has not answered yet; the sandbox does.
            assert sandbox.get("webhooks")["deliveries"][-1]["outcome"] == "waiting"
            assert sandbox.post("advance", by="5d")["happened"] > 0
            may_answer.set()
            while sandbox.get("webhooks?limit=0")["waiting"]:
                pass
            assert set(sandbox.get("webhooks")["outcomes"]) == {"acknowledged"}
            process.terminate()
