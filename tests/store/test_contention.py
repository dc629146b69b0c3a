"""Others hold locks and connections, transactions are refused: a read waits, tries again, loses nothing."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from declared import CUSTOMERS, ENTITIES
from vendor import Vendor

from perfectcatch.kit.clock import SystemClock
from perfectcatch.store.pool import Pool
from perfectcatch.sync.engine import Engine

C = "t.customers.export"
RETRIES = 5


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


@pytest.fixture
def vendor() -> Vendor:
    made = Vendor()
    for st_id in range(1, 9):
        made.put(C, st_id, name=f"customer {st_id}")
    return made


def engine(pool: Pool, vendor: Vendor) -> Engine:
    return Engine(pool=pool, source=vendor, clock=SystemClock(), zone="America/New_York", entities=ENTITIES)


async def rows(pool: Pool, query: str) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query)).fetchall()


@pytest.mark.parametrize("table", ["t_customers", "sync_state", "st_sync_log", "record_history"])
@pytest.mark.parametrize("seconds", [0.3, pytest.param(10.0, marks=pytest.mark.reliability)])
async def test_a_hot_table_that_is_locked_is_waited_for(
    pool: Pool, vendor: Vendor, table: str, seconds: float
) -> None:
    await engine(pool, vendor).run_entities([CUSTOMERS])
    vendor.put(C, 1, name="other")
    conninfo = str(pool.conninfo)
    async with await psycopg.AsyncConnection.connect(conninfo) as other:
        await other.execute(f"lock table servicetitan.{table} in access exclusive mode")
        reading = asyncio.create_task(engine(pool, vendor).run_entities([CUSTOMERS]))
        done, _ = await asyncio.wait([reading], timeout=seconds)
        assert not done
        await other.rollback()
    report = await reading
    assert (report.status, report.totals()["updated"]) == ("succeeded", 1)


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_transaction_that_is_refused_is_done_again(pool: Pool, vendor: Vendor, code: str) -> None:
    """By a trigger whose count of refusals, a sequence, survives the rollback."""
    async with pool.connection() as connection:
        await connection.execute("create sequence refusals")
        await connection.execute(
            f"""
            create function refuse() returns trigger language plpgsql as $$
            begin
              if nextval('public.refusals') <= {RETRIES} then
                raise exception 'not now' using errcode = '{code}';
              end if;
              return new;
            end $$
            """
        )
        await connection.execute(
            "create trigger refusing before insert on servicetitan.t_customers "
            "for each statement execute function refuse()"
        )
    report = await engine(pool, vendor).run_entities([CUSTOMERS])
    assert (report.status, report.totals()["created"]) == ("succeeded", 8)
    [(tries,)] = await rows(pool, "select last_value from refusals")
    assert tries == RETRIES + 3  # one for each page beside those that were refused
    assert await rows(pool, "select event_type, count(*) from automation.events group by 1") == [
        ("customer_created", 8)
    ]


async def test_a_real_deadlock_is_survived(pool: Pool, vendor: Vendor) -> None:
    """Another session takes two rows in the order that is not ours; the server refuses who comes last: us."""
    await engine(pool, vendor).run_entities([CUSTOMERS])
    vendor.put(C, 1, name="other")
    async with pool.connection() as connection:
        await connection.execute(
            "create function pause() returns trigger language plpgsql as "
            "$$ begin perform pg_sleep(0.5); return null; end $$"
        )
        await connection.execute(
            "create trigger pausing after update on servicetitan.t_customers "
            "for each statement execute function pause()"
        )
    async with await psycopg.AsyncConnection.connect(str(pool.conninfo)) as other:
        await other.execute("set deadlock_timeout = '1min'")
        # A read changes its records first, its place after that.
        await other.execute("select from servicetitan.sync_state for update")
        reading = asyncio.create_task(engine(pool, vendor).run_entities([CUSTOMERS]))
        await _until_it_pauses(pool)
        await other.execute("update servicetitan.t_customers set note = 'theirs' where st_id = 1")
        await other.commit()
    assert (await reading).status == "succeeded"
    assert await rows(pool, "select name, note from servicetitan.t_customers where st_id = 1") == [
        ("other", "theirs")
    ]


async def _until_it_pauses(pool: Pool) -> None:
    async with asyncio.timeout(20):
        pausing = "select 1 from pg_stat_activity where wait_event = 'PgSleep'"
        while not await rows(pool, pausing):  # noqa: ASYNC110 - another session sets no event
            await asyncio.sleep(0.01)


async def test_connections_that_others_hold_are_waited_for(pool: Pool, vendor: Vendor) -> None:
    async with AsyncExitStack() as held:
        for _ in range(pool.max_size):
            await held.enter_async_context(pool.connection())
        reading = asyncio.create_task(engine(pool, vendor).run_entities([CUSTOMERS]))
        done, _ = await asyncio.wait([reading], timeout=0.3)
        assert not done
    assert (await reading).status == "succeeded"
    assert await rows(pool, "select count(*) from servicetitan.t_customers") == [(8,)]
