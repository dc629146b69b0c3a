"""Who holds a customer, and that nobody does who is gone."""

import asyncio

import psycopg
import pytest

from perfectcatch.errors import AlreadyRunning
from perfectcatch.kit.clock import SystemClock
from perfectcatch.store.deals.turns import turn
from perfectcatch.store.pool import Pool

HELD = """
select count(*) from pg_locks where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database())
"""


async def test_one_at_a_time(deals_pool: Pool) -> None:
    async with turn(deals_pool, 1, 7, SystemClock()), turn(deals_pool, 1, 8, SystemClock()):
        with pytest.raises(AlreadyRunning, match="customer 7"):
            async with turn(deals_pool, 1, 7, SystemClock(), wait_seconds=0):
                pass
    async with turn(deals_pool, 1, 7, SystemClock(), wait_seconds=0):
        pass


async def test_whoever_is_cancelled_at_any_moment_holds_nothing(
    deals_pool: Pool, deals_database: str
) -> None:
    async def hold() -> None:
        async with turn(deals_pool, 1, 9, SystemClock()):
            await asyncio.sleep(0.002)

    async with await psycopg.AsyncConnection.connect(deals_database, autocommit=True) as other:
        for moment in range(60):
            holder = asyncio.create_task(hold())
            for _ in range(moment % 20):
                await asyncio.sleep(0)
            await asyncio.sleep(moment / 10_000)
            holder.cancel()
            await asyncio.wait([holder])
            async with asyncio.timeout(20):  # of a connection that was closed the server frees it soon
                while await (await other.execute(HELD)).fetchone() != (0,):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
