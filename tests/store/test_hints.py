"""Webhooks: stored once, and followed by reading the entity that they are about."""

from dataclasses import replace
from typing import Any

import pytest
from declared import CUSTOMERS, ENTITIES, JOBS
from vendor import Vendor

from perfectcatch.kit.clock import SystemClock
from perfectcatch.model.webhook import Delivery, Hint
from perfectcatch.store import inbox
from perfectcatch.store.inbox import Arrival
from perfectcatch.store.locks import open_locks
from perfectcatch.store.pool import Pool
from perfectcatch.sync import hints
from perfectcatch.sync.engine import Engine

C = "t.customers.export"
BODY = b'{"id": 3}'


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


@pytest.fixture
async def work(pool: Pool) -> Engine:
    vendor = Vendor()
    for st_id in (1, 2, 3):
        vendor.put(C, st_id, name=f"customer {st_id}")
    engine = Engine(pool=pool, source=vendor, clock=SystemClock(), zone="UTC", entities=ENTITIES)
    await engine.run_entities([CUSTOMERS])
    return engine


def delivery(*names: str, event_id: str | None = None) -> Delivery:
    found = tuple(Hint(name, 3) for name in names)
    return Delivery(event_type="customer.updated", event_id=event_id, hints=found)


async def rows(pool: Pool, query: str) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def receive(pool: Pool, what: Delivery, body: bytes = BODY) -> bool:
    return await inbox.receive(pool, 7, Arrival(source="vendor", delivery=what, headers={}, body=body))


async def states(pool: Pool) -> list[Any]:
    return await rows(pool, "select state, times, attempts from automation.webhooks order by id")


def vendor_of(engine: Engine) -> Vendor:
    assert isinstance(engine.source, Vendor)
    return engine.source


async def test_a_change_is_read_because_of_its_hint(pool: Pool, work: Engine) -> None:
    vendor_of(work).put(C, 3, name="other")
    assert await receive(pool, delivery("customers", event_id="e1"))
    assert not await hints.once(work)
    assert await states(pool) == [("done", 1, 1)]
    assert await rows(pool, "select name from servicetitan.t_customers where st_id = 3") == [("other",)]
    assert await rows(
        pool, "select trigger from servicetitan.sync_runs order by started_at desc limit 1"
    ) == [("webhook",)]


async def test_the_same_happening_again_changes_nothing(pool: Pool, work: Engine) -> None:
    first = delivery("customers", event_id="e1")
    assert await receive(pool, first)
    await hints.once(work)
    assert not await receive(pool, first, b"another body")
    assert await states(pool) == [("done", 2, 1)]
    pages = len(vendor_of(work).pages)
    await hints.once(work)
    assert len(vendor_of(work).pages) == pages


async def test_a_body_without_a_number_may_tell_of_a_later_change(pool: Pool, work: Engine) -> None:
    assert await receive(pool, delivery("customers"))
    assert not await receive(pool, delivery("customers"))
    await hints.once(work)
    vendor_of(work).put(C, 3, name="later")
    assert not await receive(pool, delivery("customers"))
    await hints.once(work)
    assert await rows(pool, "select name from servicetitan.t_customers where st_id = 3") == [("later",)]


async def test_many_hints_cost_one_read(pool: Pool, work: Engine) -> None:
    for number in range(30):
        await receive(pool, delivery("customers", event_id=f"e{number}"))
    pages = len(vendor_of(work).pages)
    await hints.once(work)
    assert len(vendor_of(work).pages) == pages + 1
    assert {row[0] for row in await states(pool)} == {"done"}


async def test_what_nobody_understands_is_kept_and_left(pool: Pool, work: Engine) -> None:
    await receive(pool, delivery())
    assert not await hints.once(work)
    assert await states(pool) == [("ignored", 1, 0)]


async def test_a_first_load_is_left_to_the_schedule(pool: Pool, work: Engine) -> None:
    vendor_of(work).put("t.jobs.export", 1, status="Open")
    await receive(pool, delivery("jobs"))
    await hints.once(work)
    assert await states(pool) == [("done", 1, 1)]
    assert await rows(pool, f"select count(*) from {JOBS.table}") == [(0,)]


async def test_a_failed_read_is_tried_again_and_given_up_at_last(pool: Pool, work: Engine) -> None:
    vendor_of(work).down.add(C)
    await receive(pool, delivery("customers"))
    for _ in range(inbox.GIVE_UP_AFTER):
        await hints.once(work)
        async with pool.connection() as connection:
            await connection.execute("update automation.webhooks set next_try_at = now()")
    [(state, _, attempts)] = await states(pool)
    assert (state, attempts) == ("failed", inbox.GIVE_UP_AFTER)
    [(error,)] = await rows(pool, "select error from automation.webhooks")
    assert "does not answer" in error


async def test_an_entity_that_others_read_is_tried_again_soon_however_long_they_read(
    pool: Pool, work: Engine
) -> None:
    await receive(pool, delivery("customers"))
    async with open_locks(pool, work.clock) as locks, locks.held("sync 7 customers") as ours:
        assert ours
        for _ in range(inbox.GIVE_UP_AFTER + 1):
            assert await hints.once(work)
            async with pool.connection() as connection:
                await connection.execute("update automation.webhooks set next_try_at = now()")
    assert await states(pool) == [("waiting", 1, 0)]
    await hints.once(work)
    assert await states(pool) == [("done", 1, 1)]


async def test_a_claim_of_a_dead_process_is_taken_over(pool: Pool, work: Engine) -> None:
    await receive(pool, delivery("customers"))
    assert len(await inbox.claim(pool, 7, ENTITIES)) == 1
    assert await inbox.claim(pool, 7, ENTITIES) == []
    async with pool.connection() as connection:
        await connection.execute("update automation.webhooks set claimed_at = now() - interval '1 hour'")
    await hints.once(work)
    assert await states(pool) == [("done", 1, 2)]


async def test_unknown_entities_do_no_harm(pool: Pool, work: Engine) -> None:
    strange = replace(delivery("customers"), hints=(Hint("moons", 1), Hint("customers", 3)))
    await receive(pool, strange)
    assert not await hints.once(work)
    assert await states(pool) == [("done", 1, 1)]
