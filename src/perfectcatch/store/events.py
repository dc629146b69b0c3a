"""Business events for readers: live as they are committed, and counted."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from perfectcatch.store.names import EVENT_CHANNEL, EVENTS
from perfectcatch.store.pool import Pool


@dataclass(frozen=True, slots=True)
class Event:
    """A row of ``automation.events``."""

    id: int
    event_type: str
    entity: str
    st_id: int
    version: str
    occurred_at: datetime
    recorded_at: datetime
    historical: bool
    data: dict[str, Any]


async def listen(pool: Pool, tenant_id: int) -> AsyncGenerator[Event, None]:
    """Events of the company from now on, in the order of their commits; historical ones are not announced.

    One connection listens for as long as the generator is open. Raises the pool's errors when the database
    goes away: a caller that needs every event reads the table by id as well.
    """
    async with pool.connection() as connection:
        await connection.execute(f"listen {EVENT_CHANNEL}")
        try:
            async for note in connection.notifies():
                said = json.loads(note.payload)
                if said["tenant_id"] == tenant_id:
                    for event in await by_ids(pool, tenant_id, said["ids"]):
                        yield event
        finally:
            if not connection.closed:
                await connection.execute(f"unlisten {EVENT_CHANNEL}")


async def by_ids(pool: Pool, tenant_id: int, ids: list[int]) -> list[Event]:
    """The events with these ids."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(
            f"""
            select id, event_type, entity, st_id, version, occurred_at, recorded_at, historical, data
            from {EVENTS} where tenant_id = %s and id = any(%s) order by id
            """,
            (tenant_id, ids),
        )
        return await cursor.fetchall()
