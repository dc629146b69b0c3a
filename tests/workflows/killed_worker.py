"""A worker process of ``test_killed_workers``: killed_worker.py URL TENANT LEDGER MINUTES.

Its carrier notes each text in the ledger in the middle of a send that takes a moment, so that a kill may hit
before and after the text is out. MINUTES is how late it is, counted from noon.
"""

import asyncio
import os
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from floor import open_floor

from messaging.counter import NOON, open_counter
from perfectcatch.kit import log
from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.messaging import Receipt, Received, Status, Text
from perfectcatch.store.jobs.queue import Pace, open_jobs
from perfectcatch.store.pool import open_pool
from perfectcatch.workflows.running import worker

URL, TENANT, LEDGER, MINUTES = sys.argv[1:]
PACE = Pace(heartbeat=0.3, stalled_after=1.5, reap=0.2, poll=0.2, give_up_after=100)


class LateClock(SystemClock):
    """Time runs as ever, from a moment of our choice."""

    def now(self) -> datetime:
        return NOON + timedelta(minutes=float(MINUTES), seconds=self.monotonic() % 1)


class Carrier:
    async def send(self, message: Text) -> Receipt:
        await asyncio.sleep(0.02)
        ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(ledger, f"{message.to} {message.body}\n".encode())
        os.close(ledger)
        await asyncio.sleep(0.02)
        return Receipt(vendor_id=f"V{message.reference}", status=Status.SENT, segments=1)

    async def find(self, message: Text, *, since: datetime) -> Receipt | None:
        return None

    async def received(self, *, since: datetime) -> list[Received]:
        return []


async def main() -> None:
    log.configure(level="error")
    async with open_pool(URL, max_size=12) as pool, open_jobs(URL) as jobs:
        counter = open_counter(pool, tenant=int(TENANT))
        counter.ruled(blast_limit=100000)
        counter.clock = LateClock()  # type: ignore[assignment]
        counter.desk = replace(counter.desk, clock=counter.clock, messenger=Carrier())
        workshop = open_floor(counter, jobs).workshop
        await worker.work(workshop, poll_seconds=0.5, heartbeat_file=Path(f"{LEDGER}.beat"), pace=PACE)


asyncio.run(main())
