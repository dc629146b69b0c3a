"""How old news is when it arrives: from the vendor's change to the event at a listener.

    .venv/bin/python -m benchmarks.freshness [--per-second 50] [--seconds 30] [--interval 2] [--out FILE]

Sandbox and worker are processes of their own. Every change is made to another job and is one transition, so
each must arrive as exactly one event.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.common import (
    Vendor,
    command,
    database_server,
    fresh_database,
    machine,
    sandbox_process,
    settings_for,
    share,
)

QUIET = (
    "SYNC_FULL",
    "CONTACTS_INCREMENTAL",
    "CONTACTS_FULL",
    "SYNC_SCHEDULING",
    "SYNC_PRICEBOOK",
    "CLOCK_RULES",
)
NEXT = {"Hold": "InProgress"}  # any other status goes on hold
TOLD = ("job_on_hold", "job_started")
PATIENCE = 60.0  # seconds after the last change


@contextmanager
def worker_process(environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "perfectcatch", "worker", "sync"], env=os.environ | environment
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def make_changes(
    url: str, jobs: list[dict[str, Any]], per_second: float, changed: dict[int, datetime]
) -> None:
    """Change the status of one job after the other, at an even pace."""
    vendor = Vendor(url)
    began = time.monotonic()
    for number, job in enumerate(jobs):
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        status = NEXT.get(job["jobStatus"], "Hold")
        edited = vendor.post("edit", collection="jpm.jobs", id=job["id"], changes={"jobStatus": status})
        changed[job["id"]] = datetime.fromisoformat(edited["modifiedOn"])
    vendor.close()


async def measure(per_second: float, seconds: float, interval: int, customers: int) -> dict[str, Any]:
    from perfectcatch.store import events
    from perfectcatch.store.pool import open_pool

    with sandbox_process(customers, "--rate", "60") as known:
        async with database_server() as server_url:
            url = await fresh_database(server_url, "freshness")
            here = settings_for(known, rate=50) | {"DATABASE_URL": url}
            here |= {f"{name}_CRON": "off" for name in QUIET}
            here |= {"SYNC_INCREMENTAL_CRON": f"*/{interval} * * * * *"}
            await asyncio.to_thread(command, here, "sync", "full")
            vendor = Vendor(known["url"])
            jobs = [each for each in vendor.get("records/jpm.jobs") if each["active"]]
            jobs = jobs[: int(per_second * seconds)]
            before = vendor.get("stats")
            changed: dict[int, datetime] = {}
            arrived: Counter[tuple[int, str]] = Counter()
            ages: list[float] = []
            async with open_pool(url, max_size=4) as pool:

                async def listen() -> None:
                    async for event in events.listen(pool, known["tenant_id"]):
                        if event.event_type in TOLD and event.st_id in changed:
                            arrived[event.st_id, event.event_type] += 1
                            ages.append(time.time() - changed[event.st_id].timestamp())

                listener = asyncio.create_task(listen())
                with worker_process(here):
                    await asyncio.sleep(3 * interval)  # the worker has started and found nothing
                    began = time.monotonic()
                    await asyncio.to_thread(make_changes, known["url"], jobs, per_second, changed)
                    took = time.monotonic() - began
                    until = time.monotonic() + PATIENCE
                    while len(arrived) < len(changed) and time.monotonic() < until:  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
                    whole = time.monotonic() - began + 3 * interval
                async with pool.connection() as connection:
                    found = await connection.execute(
                        "select count(*), percentile_cont(0.5) within group (order by extract(epoch from "
                        "completed_at - started_at)), max(extract(epoch from completed_at - started_at)) "
                        "from servicetitan.sync_runs where mode = 'incremental' and trigger = 'schedule'"
                    )
                    runs = await found.fetchone()
                listener.cancel()
            after = vendor.get("stats")
            vendor.close()
    assert runs is not None
    return {
        "interval": interval,
        "changes": len(changed),
        "per_second": len(changed) / took,
        "arrived": len(arrived),
        "twice": sum(number > 1 for number in arrived.values()),
        "ages": [share(ages, part) for part in (0.5, 0.95, 0.99, 1.0)],
        "runs": runs[0],
        "run_seconds": [float(runs[1] or 0), float(runs[2] or 0)],
        "requests_a_second": (after["total"] - before["total"]) / whole if "total" in after else None,
        "requests_a_run": (after["total"] - before["total"]) / max(1, runs[0]) if "total" in after else None,
    }


def report(result: dict[str, Any]) -> str:
    """The figures as a table, in intervals too."""
    ages = result["ages"]
    told = " / ".join(f"{age:.2f} s" for age in ages)
    intervals = " / ".join(f"{age / result['interval']:.2f}" for age in ages)
    rows = [
        ("changes, a second", f"{result['changes']}, {result['per_second']:.0f}"),
        ("arrived, of these more than once", f"{result['arrived']}, {result['twice']}"),
        ("age at the listener, p50 / p95 / p99 / max", told),
        (f"the same in intervals of {result['interval']} s", f"**{intervals}** (limit for p99: 3)"),
        (
            "runs, median and longest",
            f"{result['runs']}, {result['run_seconds'][0]:.2f} s and {result['run_seconds'][1]:.2f} s",
        ),
    ]
    if result["requests_a_run"] is not None:
        told = f"{result['requests_a_run']:.0f}, {result['requests_a_second']:.0f}"
        rows.append(("requests a run, a second (50 are allowed)", told))
    table = "\n".join(f"| {what} | {figure} |" for what, figure in rows)
    return f"# How old news is\n\n{machine()}\n\n| what | figure |\n|---|---|\n{table}\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--per-second", type=float, default=50)
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--interval", type=int, default=2)
    words.add_argument("--customers", type=int, default=1696)
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    result = asyncio.run(measure(chosen.per_second, chosen.seconds, chosen.interval, chosen.customers))
    text = report(result)
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
