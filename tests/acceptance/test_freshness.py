"""A worker that reads every two seconds: each of many changes arrives as one event.

How old they are on arrival is measured by ``python -m benchmarks.freshness``.
"""

import time
from collections import Counter

from acceptance.conftest import Product, Sandbox

EVERY_TWO_SECONDS = {
    "SYNC_INCREMENTAL_CRON": "*/2 * * * * *",
    "SYNC_FULL_CRON": "off",
    "CONTACTS_INCREMENTAL_CRON": "off",
    "CONTACTS_FULL_CRON": "off",
    "SYNC_SCHEDULING_CRON": "off",
    "SYNC_PRICEBOOK_CRON": "off",
    "SYNC_GAPS_CRON": "off",
    "CLOCK_RULES_CRON": "off",
}
PATIENCE = 240.0  # a guard against waiting for ever, no measure


def test_every_change_arrives_once_at_a_two_second_interval(product: Product, sandbox: Sandbox) -> None:
    assert product.run("sync", "full").returncode == 0
    jobs = [each for each in sandbox.get("records/jpm.jobs") if each["active"]][:60]
    wanted = Counter[tuple[str, int]]()
    worker = product.start("worker", "sync", **EVERY_TWO_SECONDS)
    try:
        for job in jobs:
            status = "InProgress" if job["jobStatus"] == "Hold" else "Hold"
            sandbox.post("edit", collection="jpm.jobs", id=job["id"], changes={"jobStatus": status})
            wanted["job_started" if status == "InProgress" else "job_on_hold", job["id"]] += 1
        until = time.monotonic() + PATIENCE
        while (told := _told(product)) != wanted and time.monotonic() < until:
            time.sleep(0.2)
        assert told == wanted
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    assert _told(product) == wanted
    overlapping = product.rows(
        "select count(*) from servicetitan.sync_runs a join servicetitan.sync_runs b on a.id < b.id "
        "and a.trigger = 'schedule' and b.trigger = 'schedule' "
        "and a.started_at < b.completed_at and b.started_at < a.completed_at"
    )
    assert overlapping == [(0,)]


def _told(product: Product) -> Counter[tuple[str, int]]:
    return Counter(
        product.rows(
            "select event_type, st_id from automation.events "
            "where not historical and event_type in ('job_on_hold', 'job_started')"
        )
    )
