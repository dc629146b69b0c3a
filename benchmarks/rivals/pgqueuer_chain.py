"""Three chained jobs of PgQueuer, each of which writes a row and queues the next in one transaction.

pgqueuer_chain.py URL install|work|queue [FIRST LAST]: runs in an environment of its own.
"""

import asyncio
import json
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

LAST_STEP = 3


async def install(url: str) -> None:
    """Its tables, and ours for what the steps write."""
    connection = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.execute("create table pgqueuer_steps (thing bigint, number int)")


async def queue(url: str, first: int, last: int) -> None:
    """The first step of each thing."""
    connection = await asyncpg.connect(url)
    things = [json.dumps([thing, 1]).encode() for thing in range(first, last + 1)]
    await Queries(AsyncpgDriver(connection)).enqueue(["step"] * len(things), list(things), [0] * len(things))


async def work(url: str) -> None:
    """A worker, until it is stopped."""
    steps = await asyncpg.create_pool(url, min_size=2, max_size=10)
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(url)))

    @queuer.entrypoint("step")
    async def step(job: Job) -> None:
        thing, number = json.loads(job.payload or b"[]")
        async with steps.acquire() as connection, connection.transaction():
            await connection.execute("insert into pgqueuer_steps values ($1, $2)", thing, number)
            if number < LAST_STEP:
                following = Queries(AsyncpgDriver(connection))
                await following.enqueue("step", json.dumps([thing, number + 1]).encode())

    await queuer.run(batch_size=10)


if __name__ == "__main__":
    url, what, *span = sys.argv[1:]
    asyncio.run({"install": install, "work": work, "queue": queue}[what](url, *map(int, span)))
