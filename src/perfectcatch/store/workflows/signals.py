"""What is announced while workflows run: events, released messages, changed definitions."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from perfectcatch.store.pool import Pool

_LOOK_SECONDS: Final = 1.0


async def announced(pool: Pool, channels: Sequence[str]) -> AsyncGenerator[str, None]:
    """The channel of each announcement from now on; the first is "" when listening has begun.

    Raises the pool's errors when the database goes away: whoever needs everything looks at the tables too.
    """
    async with pool.connection() as connection:
        for channel in channels:
            await connection.execute(f'listen "{channel}"')
        yield ""
        try:
            while True:
                async for note in connection.notifies(timeout=_LOOK_SECONDS):
                    yield note.channel
                await asyncio.sleep(0)
        finally:
            if not connection.closed:
                await connection.execute("unlisten *")
