"""The one who reads for all listeners of a process."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from databases import new_database
from perfectcatch.gateway.monitor.frames import Frame
from perfectcatch.gateway.monitor.hub import Hub, open_hub
from perfectcatch.kit.clock import SystemClock
from perfectcatch.store import events
from perfectcatch.store.events import Event, Place
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.server.embedded import Server

TENANT = 5
INSERT = """
insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
values (%s, 'job_created', 'jobs', %s, '1', now(), false, '{}')
"""


@pytest.fixture
async def migrated_pool(database: Server, migrated: str) -> AsyncIterator[Pool]:
    async with new_database(database, migrated) as url, open_pool(url) as pool:
        yield pool


async def happens(pool: Pool, st_id: int) -> None:
    async with pool.connection() as connection:
        await connection.execute(INSERT, (TENANT, st_id))


async def until_behind(hub: Hub, pool: Pool) -> None:
    """The hub has reached what there is."""
    now = await events.here(pool, TENANT)
    async with asyncio.timeout(20):
        while hub.place is None or hub.place.id < now.id:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_while_nobody_listens_no_event_is_read(
    migrated_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(*_: object) -> tuple[list[Event], Place]:
        raise AssertionError("events were read for nobody")

    async with open_hub(migrated_pool, TENANT, SystemClock(), poll_seconds=0.05) as hub:
        with monkeypatch.context() as patch:
            patch.setattr(events, "after", read)
            for st_id in range(3):
                await happens(migrated_pool, st_id)
            await until_behind(hub, migrated_pool)
        with hub.listening(lambda _: True) as listener:
            await happens(migrated_pool, 7)
            async with asyncio.timeout(20):
                frame = await listener.next()
    assert b'"st_id":7' in frame.body


async def test_whoever_comes_while_the_place_is_taken_misses_nothing(
    migrated_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He was told the place before: what happened since is his."""
    asked, answers = asyncio.Event(), asyncio.Event()
    here = events.here

    async def slow(pool: Pool, tenant_id: int) -> Place:
        asked.set()
        await answers.wait()
        return await here(pool, tenant_id)

    got: list[Frame] = []
    async with open_hub(migrated_pool, TENANT, SystemClock(), poll_seconds=0.05) as hub:
        await until_behind(hub, migrated_pool)
        monkeypatch.setattr(events, "here", slow)
        async with asyncio.timeout(20):
            await asked.wait()
            with hub.listening(lambda frame: frame.event_id is not None) as listener:
                await happens(migrated_pool, 8)
                answers.set()
                got.append(await listener.next())
    assert b'"st_id":8' in got[0].body
