"""Events read from a place on: each exactly once, also those that were committed behind a higher id."""

from collections.abc import AsyncIterator
from contextlib import nullcontext

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfectcatch.errors import BadArgument
from perfectcatch.store import events
from perfectcatch.store.events import Place
from perfectcatch.store.pool import Pool, conninfo_of

INSERT = """
insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
values (%s, 'job_created', 'jobs', %s, 'v', now(), %s, '{}') returning id
"""

MANY = """
insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
select 7, 'job_created', 'jobs', n, 'past', now(), true, '{}' from generate_series(1, 60000) n
"""


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


@pytest.fixture
async def writers(pool: Pool) -> AsyncIterator[list[psycopg.AsyncConnection]]:
    """Three connections, each with a transaction of its own."""
    made = [await psycopg.AsyncConnection.connect(conninfo_of(pool)) for _ in range(3)]
    yield made
    for each in made:
        await each.close()


async def write(
    connection: psycopg.AsyncConnection, st_id: int, *, past: bool = False, tenant: int = 7
) -> None:
    await connection.execute(INSERT, (tenant, st_id, past))


async def read(pool: Pool, place: Place, limit: int = 500) -> tuple[list[int], Place]:
    found, reached = await events.after(pool, 7, place, limit=limit)
    return [event.st_id for event in found], reached


async def test_what_commits_late_is_read_once(pool: Pool, writers: list[psycopg.AsyncConnection]) -> None:
    slow, quick, _ = writers
    place = await events.here(pool, 7)
    await write(slow, 1)
    await write(quick, 2)
    await quick.commit()
    found, place = await read(pool, place)
    assert found == [2]
    assert (await read(pool, place))[0] == []
    await slow.commit()
    found, place = await read(pool, place)
    assert found == [1]
    assert (await read(pool, place))[0] == []


async def test_an_open_transaction_above_the_snapshot_is_waited_for(
    pool: Pool, writers: list[psycopg.AsyncConnection]
) -> None:
    """A snapshot ends behind the newest transaction that is done: a younger one may be open all the same."""
    older, younger, _ = writers
    place = await events.here(pool, 7)
    await write(older, 1)
    await write(younger, 2)
    await write(older, 3)
    await older.commit()
    found, place = await read(pool, place)
    assert found == [1, 3]
    await younger.commit()
    assert (await read(pool, place))[0] == [2]


async def test_what_a_savepoint_wrote_is_not_passed_over(
    pool: Pool, writers: list[psycopg.AsyncConnection]
) -> None:
    """A row of a sub-transaction carries another number than the transaction that commits it."""
    careful, other, third = writers
    place = await events.here(pool, 7)
    await write(careful, 1)
    async with careful.transaction():
        await write(careful, 2)
    await write(third, 3)
    await write(other, 4)
    await other.commit()
    found, place = await read(pool, place)
    assert found == [4]
    await careful.commit()
    found, place = await read(pool, place)
    assert found == [1, 2]
    await third.commit()
    assert (await read(pool, place))[0] == [3]


async def test_it_is_waited_however_much_is_written_meanwhile(
    pool: Pool, writers: list[psycopg.AsyncConnection]
) -> None:
    slow, quick, _ = writers
    place = await events.here(pool, 7)
    await write(slow, 1)
    await quick.execute(MANY)
    await quick.commit()
    _, place = await read(pool, place)
    await slow.commit()
    assert (await read(pool, place))[0] == [1]


async def test_what_a_dump_brought_is_not_read_again(
    pool: Pool, writers: list[psycopg.AsyncConnection]
) -> None:
    """In the database that a dump is restored into, transactions are counted from the beginning."""
    [writer, *_] = writers
    elsewhere = 10**15
    await write(writer, 1)
    await writer.execute("update automation.events set written = %s where tenant_id = 7", (elsewhere,))
    await writer.commit()
    place = Place((await events.here(pool, 7)).id, f"{elsewhere + 5}:{elsewhere + 5}:")
    await write(writer, 2)
    await writer.commit()
    found, place = await read(pool, place)
    assert found == [2]
    assert (await read(pool, place))[0] == []
    unread = Place(place.id, f"{elsewhere}:{elsewhere}:")  # as it was when the dump was made
    assert (await read(pool, unread))[0] == [1]


async def test_a_place_survives_the_wire(pool: Pool, writers: list[psycopg.AsyncConnection]) -> None:
    slow, quick, _ = writers
    await write(slow, 1)
    await write(quick, 2)
    await quick.commit()
    place = Place.parse(str(await events.here(pool, 7)))
    await slow.commit()
    assert (await read(pool, place))[0] == [1]


async def test_the_past_and_other_companies_are_passed_over(
    pool: Pool, writers: list[psycopg.AsyncConnection]
) -> None:
    place = await events.here(pool, 7)
    for number in range(20):
        await write(writers[0], number, past=number % 2 == 0)
        await write(writers[0], 100 + number, tenant=8)
    await writers[0].commit()
    found, place = await read(pool, place, limit=4)
    assert found == [1, 3, 5, 7]
    found, place = await read(pool, place, limit=100)
    assert found == [9, 11, 13, 15, 17, 19]
    await write(writers[0], 50, past=True)
    await writers[0].commit()
    before = place
    assert (await read(pool, place))[0] == []
    _, place = await read(pool, place)
    assert place.id > before.id  # what was passed over is not looked at again


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["write", "write", "saved", "commit", "abort", "read"]), st.integers(0, 2)),
        max_size=40,
    ),
    limit=st.integers(1, 5),
)
async def test_any_interleaving_brings_each_event_once(
    pool: Pool, writers: list[psycopg.AsyncConnection], steps: list[tuple[str, int]], limit: int
) -> None:
    for each in writers:
        await each.rollback()
    place = await events.here(pool, 7)
    pending: dict[int, list[int]] = {0: [], 1: [], 2: []}
    committed: list[int] = []
    told: list[int] = []
    number = 0

    async def read_all(place: Place) -> Place:
        while True:
            found, place = await read(pool, place, limit)
            told.extend(found)
            if not found:
                return place

    for step, who in steps:
        if step in ("write", "saved"):
            number += 1
            async with writers[who].transaction() if step == "saved" and pending[who] else nullcontext():
                await write(writers[who], 1000 * place.id + number)
            pending[who].append(1000 * place.id + number)
        elif step == "commit":
            await writers[who].commit()
            committed += pending[who]
            pending[who] = []
        elif step == "abort":
            await writers[who].rollback()
            pending[who] = []
        else:
            place = await read_all(place)
    for who, each in enumerate(writers):
        await each.commit()
        committed += pending[who]
    await read_all(place)
    assert sorted(told) == sorted(committed)
    async with pool.connection() as connection:
        await connection.execute("delete from automation.events")


@pytest.mark.parametrize("text", ["", "7", "7@", "7@1:2", "a@1:2:", "7@1:2:;drop table", "9" * 30 + "@1:2:"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="no place"):
        Place.parse(text)
