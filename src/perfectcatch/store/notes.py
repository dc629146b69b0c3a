"""What PostgreSQL tells whoever listens: the channels, and a connection that hears them."""

from collections.abc import AsyncGenerator
from typing import Final

import psycopg

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.store.names import EVENT_CHANNEL, PROGRESS_CHANNEL, WEBHOOK_CHANNEL, WRITE_CHANNEL, quote
from perfectcatch.store.pool import Pool, conninfo_of, plain_errors

EVENTS: Final = EVENT_CHANNEL
PROGRESS: Final = PROGRESS_CHANNEL
WEBHOOKS: Final = WEBHOOK_CHANNEL
WRITES: Final = WRITE_CHANNEL


async def listen(pool: Pool, *channels: str) -> AsyncGenerator[tuple[str, str], None]:
    """Notes on ``channels`` as (channel, payload), from now on, each after its transaction has committed.

    The connection is one of its own, outside the pool, because it is kept for good. The first item is an
    empty note on the first channel: from then on nothing is missed. Raises the pool's errors.
    """
    with plain_errors():
        connection = await psycopg.AsyncConnection.connect(
            conninfo_of(pool), autocommit=True, application_name="perfectcatch listens"
        )
        async with connection:
            for channel in channels:
                await connection.execute(f"listen {quote(channel)}")
            yield channels[0], ""
            async for note in connection.notifies():
                yield note.channel, note.payload
            raise DatabaseUnavailable("the connection that listens has ended")
