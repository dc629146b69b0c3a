"""Worker processes on one schedule: each tick once, never two at a time, nothing lost with a worker."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from perfectcatch.store.jobs.queue import install

Connection = psycopg.AsyncConnection[Any]
WORKER = Path(__file__).with_name("ticking_worker.py")


@pytest.fixture
async def connection(fresh_database: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as opened:
        await install(opened)
        await opened.execute(
            "create table notes"
            " (id serial primary key, pid int, text text, at timestamptz default clock_timestamp())"
        )
        yield opened


@asynccontextmanager
async def workers(
    url: str, heartbeat_file: Path, kind: str, count: int
) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Worker processes; those that still run at the end are told to end and must do so in order."""
    running = [
        await asyncio.create_subprocess_exec(sys.executable, str(WORKER), url, str(heartbeat_file), kind)
        for _ in range(count)
    ]
    try:
        yield running
        for process in running:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert {await process.wait() for process in running} <= {0, -signal.SIGKILL}
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def notes(connection: Connection) -> list[tuple[int, str]]:
    return await (await connection.execute("select pid, text from notes order by id")).fetchall()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(40):
        while not await holds():  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)


async def begun(connection: Connection) -> dict[datetime, datetime]:
    """When the run of each tick began; no tick has two."""
    found = await (await connection.execute("select text, at from notes order by id")).fetchall()
    begins = [(text.removeprefix("begin "), at) for text, at in found if text.startswith("begin")]
    runs = {datetime.fromisoformat(tick): at for tick, at in begins}
    assert len(runs) == len(begins)
    return runs


def none_is_missing(runs: dict[datetime, datetime]) -> bool:
    """Whether each tick has its run, or came when that of an earlier one still waited (on a busy machine)."""
    seconds = int((max(runs) - min(runs)).total_seconds())
    ticks = [min(runs) + timedelta(seconds=second) for second in range(seconds)]
    return all(
        tick in runs or any(earlier < tick < began for earlier, began in runs.items()) for tick in ticks
    )


async def test_four_workers_run_each_tick_once(
    fresh_database: str, connection: Connection, tmp_path: Path
) -> None:
    async def eight() -> bool:
        return len(await begun(connection)) >= 8

    async with workers(fresh_database, tmp_path / "beat", "ticks", 4):
        await until(eight)
    runs = await begun(connection)
    assert none_is_missing(runs)
    in_order = [f"{word} {tick}" for tick in runs for word in ("begin", "end")]
    assert [text for _, text in await notes(connection)] == in_order  # never two at a time
    assert list(runs) == sorted(runs)


async def test_ticks_that_nobody_was_there_for_are_made_good_once(
    fresh_database: str, connection: Connection, tmp_path: Path
) -> None:
    async def three() -> bool:
        return len(await begun(connection)) >= 3

    async with workers(fresh_database, tmp_path / "beat", "ticks", 1):
        await until(three)
    away = timedelta(minutes=30)
    found = await connection.execute(
        "update job_schedules set last_tick = last_tick - %s where name = 'tick' returning last_tick", (away,)
    )
    [(missed,)] = await found.fetchall()
    await connection.execute("truncate notes")
    async with workers(fresh_database, tmp_path / "beat", "ticks", 4):
        await until(three)
    runs = await begun(connection)
    assert min(runs) - missed >= away
    assert none_is_missing(runs)


async def test_a_killed_workers_run_is_done_by_another(
    fresh_database: str, connection: Connection, tmp_path: Path
) -> None:
    async with workers(fresh_database, tmp_path / "beat", "hang", 2) as running:

        async def one() -> bool:
            return len(await notes(connection)) == 1

        async def taken_over() -> bool:
            return len(await notes(connection)) == 2

        await until(one)
        [(first, text)] = await notes(connection)
        assert text == "begin incremental"
        for process in running:
            if process.pid == first:
                process.kill()
                await process.wait()
        await until(taken_over)
        assert (tmp_path / "beat").exists()
    _, (second, _) = await notes(connection)
    assert second != first

    # It was told to end in the middle of its run: the job is back in the queue, for whoever comes next.
    found = await connection.execute(
        "select status from procrastinate_jobs where task_name = 'sync.incremental'"
    )
    assert {status for (status,) in await found.fetchall()} <= {"todo", "failed"}
    found = await connection.execute("select count(*) from procrastinate_jobs where status = 'todo'")
    assert await found.fetchone() == (1,)
    found = await connection.execute("select count(*) from procrastinate_jobs where status = 'doing'")
    assert await found.fetchone() == (0,)
