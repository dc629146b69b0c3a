"""A10: the clock of this machine is a day off. In process: ``store/test_sync.py`` (``..._blind_a_list``)."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reliability.faults_lab import PLENTY, Labs, assert_exact
from reliability.faults_lab import labs as labs  # noqa: PLC0414 - a fixture
from reliability.faults_lab import sandboxes as sandboxes  # noqa: PLC0414
from reliability.test_faults_records import assert_lists
from reliability.test_faults_transport import SMALL


def _library() -> str | None:
    """Where libfaketime lies: by FAKETIME_LIBRARY, or where Debian and Fedora put it."""
    usual = [
        *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
        Path("/usr/lib64/faketime/libfaketime.so.1"),
    ]
    named = os.environ.get("FAKETIME_LIBRARY")
    return named or next((str(path) for path in usual if path.exists()), None)


@pytest.mark.reliability
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    _library() is None, reason="libfaketime is not installed (Debian: apt-get install libfaketime)"
)
@pytest.mark.parametrize("wrong_by", ["+24h", "-24h"])
def test_a10_a_clock_that_is_a_day_off(labs: Labs, wrong_by: str) -> None:
    lab = labs(*SMALL.words(*PLENTY))
    clock = {"LD_PRELOAD": _library() or "", "FAKETIME": wrong_by, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    number = lab.fault("429", every=15, retry_after="date", seconds=2)
    lab.sync("full", **clock)
    assert lab.struck(number)["struck"] > 0
    lab.clear()
    lab.fault("expired-token", every=10)
    for name in ("once", "twice"):
        for each in lab.ids("crm.customers")[:20]:
            lab.edit("crm.customers", each, name=f"Changed {name}")
        for each in lab.ids("dispatch.technician_shifts")[:20]:
            lab.edit("dispatch.technician_shifts", each, note=f"Changed {name}")
        lab.sync("incremental", **clock)
    assert_exact(lab.product, lab.sandbox)
    assert_lists(lab, "dispatch.technician_shifts", "jpm.job_types")
    expected = max(
        datetime.fromisoformat(_six(record["modifiedOn"]))
        for record in lab.sandbox.get("records/crm.customers")
    )
    [(told,)] = lab.product.rows(
        "select value from servicetitan.sync_state where key = 'customers_last_modified'"
    )
    assert abs(datetime.fromisoformat(told) - expected) <= timedelta(seconds=1)


def _six(text: str) -> str:
    """Seven digits of a second are more than Python reads."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    return f"{head}.{fraction[:6]:0<6}+00:00"
