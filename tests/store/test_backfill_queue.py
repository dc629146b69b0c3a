"""A backfill that was left to a worker: done by it, beside the schedule, one at a time."""

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from perfectcatch.kit.clock import SystemClock
from perfectcatch.store.jobs.queue import Order, Pace, install, open_jobs
from perfectcatch.sync.worker import BACKFILL, declare_backfill, work

QUICK = Pace(heartbeat=0.1, stalled_after=5.0, reap=0.1, poll=0.1)


async def test_a_worker_does_backfills_one_after_the_other(fresh_database: str, tmp_path: Path) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as opened:
        await install(opened)
    stop, done, under_way = asyncio.Event(), [], 0

    async def nothing(_: str) -> None:
        raise AssertionError

    async def backfill(backfill_id: str) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0)
        under_way -= 1
        done.append(backfill_id)
        if len(done) == 2:
            stop.set()

    async with open_jobs(fresh_database) as asking:
        declare_backfill(asking, nothing)
        for name, key in (("first", "a"), ("second", "b"), ("first", "a")):
            arguments = {"backfill_id": name}
            await asking.defer(Order(name=BACKFILL, arguments=arguments, queueing_lock=f"backfill {key}"))
    async with open_jobs(fresh_database) as jobs, asyncio.timeout(60):
        await work(
            jobs,
            [],
            nothing,
            backfill=backfill,
            zone=ZoneInfo("UTC"),
            clock=SystemClock(),
            heartbeat_file=tmp_path / "heartbeat",
            pace=QUICK,
            stop=stop,
        )
    assert done == ["first", "second"]
