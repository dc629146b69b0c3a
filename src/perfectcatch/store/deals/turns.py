"""One at a time for a customer, in whatever process; freed by the server if that process dies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psycopg

from perfectcatch.errors import AlreadyRunning
from perfectcatch.kit.clock import Clock
from perfectcatch.store.pool import Connection, Pool

_LOOK_SECONDS: Final = 0.05
_TAKE: Final = "select pg_try_advisory_lock(hashtextextended('deals ' || %s::text, %s))"


@asynccontextmanager
async def turn(
    pool: Pool, tenant_id: int, customer_id: int, clock: Clock, *, wait_seconds: float = 30.0
) -> AsyncIterator[None]:
    """Hold a customer for the length of the block. Raises AlreadyRunning where somebody else keeps them.

    Whoever is cancelled at whatever moment leaves nothing held: the connection would keep the customer from
    everybody else for as long as it lives.
    """
    async with pool.connection() as connection:
        try:
            await _taken(connection, tenant_id, customer_id, clock, wait_seconds)
            yield
        finally:
            await _free(connection)


async def _taken(
    connection: Connection, tenant_id: int, customer_id: int, clock: Clock, wait_seconds: float
) -> None:
    until = clock.monotonic() + wait_seconds
    while True:
        found = await connection.execute(_TAKE, (customer_id, tenant_id))
        if await found.fetchone() == (True,):
            return
        if clock.monotonic() >= until:
            raise AlreadyRunning(f"The deals of customer {customer_id} are being written by another process.")
        await clock.sleep(_LOOK_SECONDS)


async def _free(connection: Connection) -> None:
    """Give up what this connection holds; where that cannot be done it is closed, and the server does it."""
    try:
        await connection.execute("select pg_advisory_unlock_all()")
    except psycopg.Error:
        await connection.close()
    except BaseException:
        await connection.close()
        raise
