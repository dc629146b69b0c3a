"""The simulated company's time, moved from the command line; the mirror follows what happens in it."""

import json
import subprocess
from collections.abc import Iterator

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
    told = dict(
        product.rows("select event_type, count(*) from automation.events where not historical group by 1")
    )
    assert {"job_created", "job_completed", "invoice_created"} <= told.keys()
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
