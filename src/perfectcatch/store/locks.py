"""One holder at a time for a piece of work, in whatever process; freed by the server if that one dies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perfectcatch.store.pool import Pool


@asynccontextmanager
async def held(pool: Pool, name: str) -> AsyncIterator[bool]:
    """Try to hold the lock ``name`` for the length of the block; yields whether we do."""
    async with pool.connection() as connection:
        found = await connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
        row = await found.fetchone()
        ours = bool(row and row[0])
        try:
            yield ours
        finally:
            if ours and not connection.closed:
                await connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
