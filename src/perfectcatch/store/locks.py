"""One reader at a time for an entity, in whatever process; freed by the server if that process dies.

A run holds all its locks on one connection of its own, outside the pool: locks are held for as long as a feed
takes, and must not use up what pages are stored with. (The short locks of a merge are another thing: they are
taken inside its transaction, see ``statements``.)
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

import psycopg

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.kit.clock import Clock
from perfectcatch.store.pool import Connection, Pool, conninfo_of, plain_errors

_POLL_SECONDS = 0.5


class Locks:
    """The locks of one run. Made by ``open_locks``."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._here: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asking = asyncio.Lock()  # a connection does one thing at a time

    @asynccontextmanager
    async def held(self, name: str, *, wait_seconds: float = 0.0) -> AsyncIterator[bool]:
        """Hold the lock ``name`` for the length of the block; yields whether we do after ``wait_seconds``."""
        async with self._here[name]:  # to the server we are one, however many tasks ask
            ours = await self._take(name, wait_seconds)
            try:
                yield ours
            finally:
                if ours:
                    with suppress(psycopg.Error, DatabaseUnavailable):  # a lost connection has freed it
                        await self._ask("select pg_advisory_unlock(hashtextextended(%s, 0))", name)

    async def check(self) -> None:
        """Raise DatabaseUnavailable if the locks are gone with their connection."""
        await self._ask("select %s::text is not null", "")

    async def _take(self, name: str, wait_seconds: float) -> bool:
        until = self._clock.monotonic() + wait_seconds
        while not await self._ask("select pg_try_advisory_lock(hashtextextended(%s, 0))", name):
            if self._clock.monotonic() >= until:
                return False
            await self._clock.sleep(_POLL_SECONDS)
        return True

    async def _ask(self, question: str, name: str) -> bool:
        with plain_errors():
            async with self._asking:
                found = await self._connection.execute(question, (name,))
                row = await found.fetchone()
        return bool(row and row[0])


@asynccontextmanager
async def open_locks(pool: Pool, clock: Clock, *, owner: str = "") -> AsyncIterator[Locks]:
    """Locks on the database of ``pool``; they are all free when the block ends.

    ``owner`` is held from the beginning: whoever finds that lock free knows that its holder is gone.
    """
    with plain_errors():
        connection = await psycopg.AsyncConnection.connect(
            conninfo_of(pool), autocommit=True, application_name="perfectcatch locks"
        )
    try:
        locks = Locks(connection, clock)
        async with locks.held(owner) if owner else nullcontext():
            yield locks
    finally:
        await connection.close()
