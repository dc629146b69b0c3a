"""A sign that a process is alive, which the database takes away when the process has gone.

It is an advisory lock on a connection of its own. Work that a process has claimed under its sign is orphaned
as soon as somebody else could take the lock: no clock is compared, and no time-out guessed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg

from perfectcatch.store.pool import Connection, Pool, conninfo_of, plain_errors


class Presence:
    """The sign of this process. Made by ``open_presence``."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None
        self._asking = asyncio.Lock()
        self._name = ""

    async def name(self) -> str:
        """The name under which we are alive now; a new one after the connection was lost.

        Raises DatabaseUnavailable when the sign cannot be set.
        """
        async with self._asking:
            if self._connection is not None:
                try:
                    await self._connection.execute("select 1")
                except psycopg.Error:
                    await self.close()
                else:
                    return self._name
            with plain_errors():
                name = uuid4().hex
                self._connection = await psycopg.AsyncConnection.connect(
                    conninfo_of(self._pool), autocommit=True, application_name="perfectcatch presence"
                )
                await self._connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
            self._name = name
            return name

    async def close(self) -> None:
        """Take the sign down."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@asynccontextmanager
async def open_presence(pool: Pool) -> AsyncIterator[Presence]:
    """A sign that is set when it is first asked for, and gone when the block ends."""
    presence = Presence(pool)
    try:
        yield presence
    finally:
        await presence.close()


async def is_present(pool: Pool, name: str) -> bool:
    """Whether the process of that name is alive. The lock is shared among those who ask, never kept."""
    async with pool.connection() as connection, connection.transaction():
        found = await connection.execute(
            "select pg_try_advisory_xact_lock_shared(hashtextextended(%s, 0))", (name,)
        )
        row = await found.fetchone()
    return row != (True,)
