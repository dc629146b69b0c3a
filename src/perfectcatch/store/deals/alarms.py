"""The business event of a change that the CRM has refused for too long."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from perfectcatch.store.names import EVENT_CHANNEL, EVENTS
from perfectcatch.store.pool import Connection

EVENT: Final = "crm_refused"


async def raise_alarms(
    connection: Connection, tenant_id: int, refused: Sequence[Mapping[str, Any]], *, at: datetime
) -> int:
    """Write one event for each customer and beginning of the trouble; how many are new."""
    new = 0
    for each in refused:
        since: datetime = each["since"]
        data = {**each, "since": since.isoformat()}
        found = await connection.execute(
            f"""
            insert into {EVENTS} (tenant_id, event_type, entity, st_id, version, occurred_at, historical,
              data)
            values (%s, %s, 'customers', %s, %s, %s, false, %s)
            on conflict (tenant_id, entity, st_id, event_type, version) do nothing returning id
            """,
            (tenant_id, EVENT, each["customer_id"], since.isoformat(), at, Jsonb(data)),
        )
        row = await found.fetchone()
        if row is not None:
            new += 1
            payload = f'{{"tenant_id": {tenant_id}, "ids": [{row[0]}]}}'
            await connection.execute("select pg_notify(%s, %s)", (EVENT_CHANNEL, payload))
    return new
