"""One at a time for a customer, in whatever process; freed by the server if that process dies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import psycopg

from perfectcatch.errors import AlreadyRunning, DatabaseUnavailable
from perfectcatch.kit.clock import Clock
from perfectcatch.store.pool import Pool

_LOOK_SECONDS: Final = 0.05
_KEY: Final = "hashtextextended('deals ' || %s::text, %s)"


@asynccontextmanager
async def turn(
    pool: Pool, tenant_id: int, customer_id: int, clock: Clock, *, wait_seconds: float = 30.0
) -> AsyncIterator[None]:
    """Hold a customer for the length of the block. Raises AlreadyRunning where somebody else keeps them."""
    async with pool.connection() as connection:
        until = clock.monotonic() + wait_seconds
        while True:
            found = await connection.execute(f"select pg_try_advisory_lock({_KEY})", (customer_id, tenant_id))
            if await found.fetchone() == (True,):
                break
            if clock.monotonic() >= until:
                raise AlreadyRunning(
                    f"The deals of customer {customer_id} are being written by another process."
                )
            await clock.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            with suppress(psycopg.Error, DatabaseUnavailable):  # a lost connection has freed it
                await connection.execute(f"select pg_advisory_unlock({_KEY})", (customer_id, tenant_id))
