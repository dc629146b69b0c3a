"""A1, A4, A5, A7, A9: a vendor that fails, cuts off, asks to slow down, loops, and sends far too much."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perfectcatch.sync.engine import SIDE_BY_SIDE
from reliability.faults_lab import (
    PLENTY,
    SEED,
    USUAL_RATE,
    Lab,
    Labs,
    assert_events_once,
    assert_exact,
)
from reliability.faults_lab import labs as labs  # noqa: PLC0414 - a fixture
from reliability.faults_lab import sandboxes as sandboxes  # noqa: PLC0414

RELIABILITY = (pytest.mark.reliability, pytest.mark.timeout(1800))
pytestmark = pytest.mark.timeout(900)
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Company:
    """How large the vendor's company is, and how small its pages."""

    customers: int
    page_size: int
    rows: int  # of the eight entities, at least

    def words(self, *more: str) -> tuple[str, ...]:
        size = ("--customers", str(self.customers), "--page-size", str(self.page_size))
        return (*size, "--seed", str(SEED), *more)


SMALL = Company(customers=60, page_size=20, rows=750)
LARGE = Company(customers=3900, page_size=100, rows=50_000)


def sizes(*pairs: tuple[Any, ...]) -> list[Any]:
    """The small version for every test run, the scorecard's for ``make reliability``."""
    small, scorecard = pairs
    return [pytest.param(*small, id="small"), pytest.param(*scorecard, id="scorecard", marks=RELIABILITY)]


@pytest.mark.parametrize(("company", "stall"), sizes((SMALL, 0.3), (LARGE, 5.0)))
def test_a1_a_bad_day_of_the_vendor(labs: Labs, company: Company, stall: float) -> None:
    lab = labs(*company.words())  # it answers 429 above 60 requests a second
    lab.fault("5xx", share=0.05, status=500)
    lab.fault("cut", share=0.05)
    lab.fault("slow", share=0.02, seconds=stall)
    before = lab.mark()
    lab.product.run("sync", "full", "--json", **USUAL_RATE)
    assert set(lab.summary(before)["faults"]) == {"5xx", "cut", "slow"}
    lab.clear()
    lab.sync("full", **USUAL_RATE)
    assert max(lab.summary(before)["peak_per_second"].values()) <= 60
    assert assert_exact(lab.product, lab.sandbox) >= company.rows
    assert_events_once(lab.product)


def test_a_failed_read_tells_what_it_cost(labs: Labs) -> None:
    lab = labs(*SMALL.words(*PLENTY))
    lab.sync("run", "customers")
    lab.fault("5xx", on="crm.customers", share=1.0, status=503)
    before = lab.mark()
    [row] = lab.sync("run", "customers", fails=True).values()
    assert row["requests"] == _pages(lab, before, "customers") > 1


@pytest.mark.parametrize(("company", "pages"), sizes((SMALL, 15), (LARGE, 200)))
def test_a4_a_killed_read_asks_for_little_again(labs: Labs, company: Company, pages: int) -> None:
    size = max(1, len(labs(*company.words()).ids("jpm.appointments")) // pages)
    lab = labs(*Company(company.customers, size, 0).words(*PLENTY))
    before = lab.mark()
    process = lab.product.start("sync", "run", "appointments", SERVICE_TITAN_RATE_LIMIT="200")
    while _pages(lab, before, "appointments") < 0.9 * pages:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    lab.sync("run", "appointments")
    assert _pages(lab, before, "appointments") >= pages
    assert lab.summary(before)["requests_again"] <= 3
    assert_exact(lab.product, lab.sandbox, "jpm.appointments")


def _pages(lab: Lab, after: int, entity: str) -> int:
    entries = lab.sandbox.get(f"ledger?after={after}")["entries"]
    return sum(entry["path"].endswith(f"/export/{entity}") for entry in entries)


@pytest.mark.parametrize(("company", "every", "times"), sizes((SMALL, 12, 6), (LARGE, 60, 10)))
def test_a5_tokens_end_and_are_renewed_once(labs: Labs, company: Company, every: int, times: int) -> None:
    lab = labs(*company.words("--rate", "100000"))
    number = lab.fault("expired-token", every=every, times=times)
    before = lab.mark()
    lab.sync("full")  # four entities side by side share the token
    ended = lab.struck(number)["struck"]
    assert ended == times
    assert lab.summary(before)["token_calls"] <= 1 + ended
    assert_exact(lab.product, lab.sandbox)

    lab.clear()
    lab.fault("revoked")
    before = lab.mark()
    failed = lab.sync("incremental", fails=True)
    assert all("SERVICE_TITAN_CLIENT_ID" in row["error"] for row in failed.values())
    assert lab.summary(before)["token_calls"] <= 5
    # Each entity under way learns that the shared token is worth nothing; those that follow ask for nothing.
    assert lab.summary(before)["requests"] <= SIDE_BY_SIDE < len(failed)


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_a5_four_workers_and_a_minute_without_credentials(labs: Labs) -> None:
    lab = labs(*LARGE.words("--rate", "100000"))
    lab.sync("run", "business_units")
    number = lab.fault("expired-token", every=20, times=10)
    before = lab.mark()
    entities = ("customers", "jobs", "invoices", "appointments")
    readers = [lab.product.start("sync", "run", entity, SERVICE_TITAN_RATE_LIMIT="60") for entity in entities]
    outcomes = [reader.communicate() for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * 4, [text[-600:] for text in sum(outcomes, ())]
    fault = lab.struck(number)
    assert fault["struck"] == 10
    told = [line for text in sum(outcomes, ()) for line in text.splitlines() if b"token" in line]
    assert lab.summary(before)["token_calls"] <= 1 + 10, told  # the four share one
    lab.clear()
    lab.fault("revoked")
    before = lab.mark()
    every_two_seconds = {"SYNC_INCREMENTAL_CRON": "*/2 * * * * *", "SYNC_FULL_CRON": "off"}
    worker = lab.product.start("worker", "sync", **every_two_seconds)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=70)
    worker.terminate()
    worker.communicate()
    assert 1 <= lab.summary(before)["peak_token_calls_per_minute"] <= 5
    lab.clear()
    lab.sync("incremental")
    assert_exact(lab.product, lab.sandbox, "crm.customers", "jpm.jobs", "accounting.invoices")


# A7 ------------------------------------------------------------------------------------------------

LOOPS: dict[str, tuple[dict[str, Any], str]] = {
    "html": ({}, "cannot be used"),
    "no-data": ({}, "cannot be used"),
    "endless": ({}, "promises more"),
    "endless same": ({"rows": "same"}, "promises more"),
    "same-token": ({}, "promises more"),
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("endless same", ("customers",), id="small-endless-same"),
        pytest.param("html", ("job_types", "--full"), id="small-html"),
        *(
            pytest.param(name, (entity, *full), id=f"{name}-{entity}{''.join(full)}", marks=RELIABILITY)
            for name in LOOPS
            for entity in ("customers", "job_types")
            for full in ((), ("--full",))
        ),
    ],
)
def test_a7_an_answer_that_makes_no_sense_changes_nothing(
    labs: Labs, name: str, words: tuple[str, ...]
) -> None:
    lab = labs(*SMALL.words(*PLENTY))
    entity = words[0]
    lab.sync("run", entity)
    state = _state(lab, entity)
    facts, said = LOOPS[name]
    collection = {"customers": "crm.customers", "job_types": "jpm.job_types"}[entity]
    lab.fault(name.split(maxsplit=1)[0], on=collection, **facts)
    before = lab.mark()
    row = lab.sync("run", *words, fails=True)[entity]
    assert row["status"] == "failed"
    assert said in row["error"]
    assert lab.summary(before)["requests"] <= 20
    assert _state(lab, entity) == state
    lab.clear()
    lab.sync("run", *words)
    assert _state(lab, entity)[0] == state[0]


def _state(lab: Lab, entity: str) -> Any:
    table = f"servicetitan.st_{entity}"
    rows = lab.product.rows(f"select st_id, deleted_at, full_data from {table} order by st_id")
    return rows, lab.cursor(entity)


# A9 ------------------------------------------------------------------------------------------------


@contextmanager
def _watched(lab: Lab, *words: str) -> Iterator[dict[str, Any]]:
    """Run a command; the block gets its peak memory in bytes, its exit status and its lines."""
    process = lab.product.start("sync", *words, "--json")
    status = Path(f"/proc/{process.pid}/status")
    found: dict[str, Any] = {"peak": 0}
    while process.poll() is None:
        try:
            text = status.read_text()
        except OSError:
            break
        if "VmHWM" in text:
            found["peak"] = int(text.split("VmHWM:")[1].split()[0]) * 1024
    out, errors = process.communicate()
    found |= {"status": process.returncode, "rows": json.loads(out or b"[]"), "errors": errors}
    yield found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("company", "page", "bomb"),
    sizes((SMALL, 40_000_000, 300_000_000), (LARGE, 100_000_000, 10_000_000_000)),
)
def test_a9_far_too_much_at_once(labs: Labs, company: Company, page: int, bomb: int) -> None:
    company = Company(company.customers, 5000, 0)
    lab = labs(*company.words(*PLENTY))
    with _watched(lab, "run", "customers") as usual:
        assert usual["status"] == 0
    lab.fault("large-page", on="crm.customers", bytes=page)
    with _watched(lab, "run", "customers", "--full") as large:
        assert large["status"] == 0, large
    assert large["rows"][0]["updated"] == len(lab.ids("crm.customers"))
    assert_exact(lab.product, lab.sandbox, "crm.customers", ignore="padding")
    lab.clear()
    lab.fault("gzip-bomb", on="crm.customers", bytes=bomb)
    with _watched(lab, "run", "customers", "--full") as bombed:
        assert bombed["status"] != 0
    [row] = bombed["rows"]
    assert "gave more than the limit" in row["error"]
    growth = {
        name: (each["peak"] - usual["peak"]) / MEBIBYTE for name, each in (("page", large), ("bomb", bombed))
    }
    assert max(growth.values()) <= 300, growth
    lab.clear()
    lab.sync("run", "customers", "--full")
    assert_exact(lab.product, lab.sandbox, "crm.customers")
