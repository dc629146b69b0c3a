"""Whoever is stopped while customers wait for it leaves them to the next one, at once."""

import asyncio
from contextlib import suppress

import pytest

from deals.dealer import Dealer
from perfectcatch.deals import working
from perfectcatch.store.deals import queue
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.pool import transaction

CUSTOMERS = range(1, 13)


async def ask_for(dealer: Dealer) -> None:
    async with transaction(dealer.deals.pool) as connection:
        marks = [Mark(customer_id=st_id, reason="a test") for st_id in CUSTOMERS]
        await queue.want(connection, dealer.deals.tenant_id, marks)


async def claimed(dealer: Dealer) -> list[int]:
    found = await dealer.rows(
        "select st_customer_id from integrations.deal_queue where tenant_id = %s"
        " and claimed_until is not null"
    )
    return [st_id for (st_id,) in found]


@pytest.mark.parametrize("many", [True, False], ids=["a batch", "one after the other"])
async def test_whoever_is_stopped_at_any_moment_has_nothing_claimed(dealer: Dealer, many: bool) -> None:
    for st_id in CUSTOMERS:
        await dealer.shop.customer(st_id)

    async def work() -> None:
        if many:
            await working.drain(dealer.deals, side_by_side=2)
        else:
            await working.run(dealer.deals, poll_seconds=60)

    for moment in range(60):
        await ask_for(dealer)
        worker = asyncio.create_task(work())
        await asyncio.sleep(moment / 2000)
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        assert await claimed(dealer) == []


async def test_a_claim_that_another_one_has_since_is_not_given_back(dealer: Dealer) -> None:
    await ask_for(dealer)
    pool, tenant = dealer.deals.pool, dealer.deals.tenant_id
    mine = await queue.claim(pool, tenant, limit=2, seconds=0.001, customer_id=1)
    await dealer.rows(
        "update integrations.deal_queue set claimed_until = now() - interval '1 second'"
        " where tenant_id = %s and claimed_until is not null returning 1"
    )
    theirs = await queue.claim(pool, tenant, limit=2, seconds=300, customer_id=1)
    await queue.release(pool, tenant, mine)
    assert await claimed(dealer) == [1]
    await queue.release(pool, tenant, theirs)
    assert await claimed(dealer) == []


async def test_whoever_is_stopped_waits_for_nobody_who_has_the_table(
    dealer: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "_GIVE_BACK_SECONDS", 0.1)
    waits = "select from pg_locks where relation = 'integrations.deal_queue'::regclass and not granted"
    async with dealer.deals.pool.connection() as other, other.transaction():
        await other.execute("lock table integrations.deal_queue in access exclusive mode")
        worker = asyncio.create_task(working.drain(dealer.deals))
        async with asyncio.timeout(20):
            while await (await other.execute(waits)).fetchone() is None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        worker.cancel()
        assert await asyncio.wait([worker], timeout=20) == ({worker}, set())
