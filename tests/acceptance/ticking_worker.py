"""A worker process of ``test_worker_ticks``: ticking_worker.py URL HEARTBEAT_FILE ticks|hang.

``ticks`` notes each tick of a schedule of one second; ``hang`` is the sync worker, whose run notes that it
has begun and then never ends.
"""

import asyncio
import os
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from perfectcatch.kit import log
from perfectcatch.kit.clock import SystemClock
from perfectcatch.kit.cron import parse
from perfectcatch.kit.signals import until_told
from perfectcatch.store.jobs.queue import Pace, Run, open_jobs
from perfectcatch.sync.schedule import Scheduled
from perfectcatch.sync.worker import work

URL, HEARTBEAT_FILE, KIND = sys.argv[1:]
ZONE = ZoneInfo("America/New_York")
PACE = Pace(heartbeat=0.3, stalled_after=1.5, reap=0.2, poll=0.2)
EACH_SECOND = parse("* * * * * *")


async def note(text: str) -> None:
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as connection:
        await connection.execute("insert into notes (pid, text) values (%s, %s)", (os.getpid(), text))


async def tick(run: Run) -> None:
    await note(f"begin {run.tick}")
    await asyncio.sleep(0.1)
    await note(f"end {run.tick}")


async def hang(mode: str) -> None:
    await note(f"begin {mode}")
    await asyncio.Event().wait()


async def main() -> None:
    log.configure()
    async with open_jobs(URL) as jobs:
        if KIND == "ticks":
            jobs.every(EACH_SECOND, "tick", tick, zone=ZONE)
            async with until_told() as stop:
                await jobs.work(stop, queues=["default"], pace=PACE)
        else:
            await work(
                jobs,
                [Scheduled("sync.incremental", EACH_SECOND, "incremental")],
                hang,
                zone=ZONE,
                clock=SystemClock(),
                heartbeat_file=Path(HEARTBEAT_FILE),
                grace_seconds=0.3,
                pace=PACE,
            )


asyncio.run(main())
