"""Webhooks that come together are stored together; each sender hears of his own, once it is stored."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.model.webhook import Delivery, Hint
from perfectcatch.store import inbox
from perfectcatch.store import intake as rooms
from perfectcatch.store.inbox import Arrival
from perfectcatch.store.intake import Intake
from perfectcatch.store.pool import Pool

TENANT = 4077


def arrival(number: int, *, kind: str = "job.updated", size: int = 1, by_body: bool = False) -> Arrival:
    event_id = None if by_body else f"event-{number}"
    delivery = Delivery(event_type=kind, event_id=event_id, hints=(Hint("jobs", number),))
    return Arrival(
        source="vendor", delivery=delivery, headers={"user-agent": "v"}, body=b"%d" % number * size
    )


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many webhooks each transaction stored."""
    real, counted = inbox.receive_all, []

    async def receive_all(pool: Pool, tenant: int, arrivals: Sequence[Arrival]) -> list[bool]:
        counted.append(len(arrivals))
        return await real(pool, tenant, arrivals)

    monkeypatch.setattr(inbox, "receive_all", receive_all)
    return counted


async def times(pool: Pool, tenant: int) -> dict[str, int]:
    async with pool.connection() as connection:
        found = await connection.execute(
            "select identity, times from automation.webhooks where tenant_id = %s", (tenant,)
        )
        return dict(await found.fetchall())


async def test_what_comes_meanwhile_is_stored_together(pool: Pool, batches: list[int]) -> None:
    intake = Intake(pool, TENANT)
    news = await asyncio.gather(*(intake.receive(arrival(each)) for each in range(1200)))
    assert all(news)
    assert sum(batches) == 1200
    assert len(batches) <= 4
    assert max(batches) <= 500
    assert len(await times(pool, TENANT)) == 1200


async def test_large_ones_are_parted(pool: Pool, batches: list[int]) -> None:
    intake = Intake(pool, TENANT + 1)
    await asyncio.gather(*(intake.receive(arrival(1000 + each, size=250_000)) for each in range(40)))
    assert sum(batches) == 40
    assert max(batches) == 8


async def test_the_same_one_at_once_is_new_once(pool: Pool) -> None:
    intake = Intake(pool, TENANT + 2)
    news = await asyncio.gather(*(intake.receive(arrival(each % 3, by_body=True)) for each in range(30)))
    assert Counter(news) == {True: 3, False: 27}
    assert set((await times(pool, TENANT + 2)).values()) == {10}


async def test_one_that_cannot_be_stored_spoils_no_other(pool: Pool, batches: list[int]) -> None:
    intake = Intake(pool, TENANT + 3)
    coming = [intake.receive(arrival(each, kind="bad\x00" if each == 7 else "good")) for each in range(20)]
    told = await asyncio.gather(*coming, return_exceptions=True)
    assert [at for at, each in enumerate(told) if each is not True] == [7]
    assert len(batches) < 15, "by halves"
    assert isinstance(told[7], psycopg.DataError | ValueError)
    assert len(await times(pool, TENANT + 3)) == 19


async def test_a_database_that_is_away_is_told_to_all_and_those_after_are_stored(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake(pool, TENANT + 4)

    async def away(*_: Any) -> list[bool]:
        raise DatabaseUnavailable("It is away.")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "receive_all", away)
        told = await asyncio.gather(
            *(intake.receive(arrival(each)) for each in range(9)), return_exceptions=True
        )
    assert all(isinstance(each, DatabaseUnavailable) for each in told)
    assert await intake.receive(arrival(1)) is True


async def test_nobody_is_told_before_it_is_stored(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    intake, real, goes_on = Intake(pool, TENANT + 5), inbox.receive_all, asyncio.Event()

    async def receive_all(*given: Any) -> list[bool]:
        await goes_on.wait()
        return await real(*given)

    monkeypatch.setattr(inbox, "receive_all", receive_all)
    first = asyncio.create_task(intake.receive(arrival(1)))
    await asyncio.sleep(0)
    later = [asyncio.create_task(intake.receive(arrival(each))) for each in (2, 3)]
    await asyncio.sleep(0)
    later[0].cancel()  # who sent it has gone
    await asyncio.sleep(0)
    assert not first.done()
    goes_on.set()
    assert [await first, await later[1]] == [True, True]
    assert sorted(await times(pool, TENANT + 5)) == ["event-1", "event-3"]


async def test_where_the_process_ends_nobody_is_told_that_it_is_stored(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake(pool, TENANT + 6)

    async def receive_all(*_: Any) -> list[bool]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(inbox, "receive_all", receive_all)
    waiting = [asyncio.create_task(intake.receive(arrival(each))) for each in range(3)]
    await asyncio.sleep(0)
    assert intake._storing is not None
    intake._storing.cancel()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, DatabaseUnavailable) for each in told)
    assert await times(pool, TENANT + 6) == {}


async def test_what_a_person_said_last_is_done_last(pool: Pool) -> None:
    """Whatever numbers their vendor gave them."""
    intake = Intake(pool, TENANT + 7)
    words = [b"STOP", b"START", b"Hello", b"STOP again"]
    for number, body in enumerate(words):
        delivery = Delivery(event_type="sms", event_id=f"SM{9 - number}", hints=())
        said = Arrival(source="twilio", delivery=delivery, headers={}, body=body, of_messages=True)
        intake._waiting.append((said, asyncio.get_running_loop().create_future()))
    await intake._store()
    claimed = await inbox.claim_of_messages(pool, TENANT + 7)
    assert [each.body for each in claimed] == words


async def test_a_table_that_somebody_holds_keeps_nobody_waiting_for_ever(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_LIMITS", inbox._LIMITS.replace("2s", "50ms"))
    intake = Intake(pool, TENANT + 8)
    async with pool.connection() as other, other.transaction():
        await other.execute("lock table automation.webhooks in access exclusive mode")
        told = await asyncio.gather(
            *(intake.receive(arrival(each)) for each in range(5)), return_exceptions=True
        )
        assert all(isinstance(each, DatabaseUnavailable) for each in told)
    assert await times(pool, TENANT + 8) == {}
    assert await intake.receive(arrival(1)) is True


async def test_who_waits_for_too_long_is_told_and_so_is_who_comes_when_too_many_wait(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake(pool, TENANT + 9)

    async def receive_all(*_: Any) -> list[bool]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(inbox, "receive_all", receive_all)
    monkeypatch.setattr(rooms, "WAIT_SECONDS", 0.02)
    with pytest.raises(DatabaseUnavailable, match="could not be stored within"):
        await intake.receive(arrival(1))
    monkeypatch.setattr(rooms, "MOST_WAITING", 0)
    with pytest.raises(DatabaseUnavailable, match="wait to be stored already"):
        await intake.receive(arrival(2))
    assert intake._storing is not None
    intake._storing.cancel()
