"""Whether the mirror is fresh enough to write to somebody by it."""

from collections.abc import Sequence
from datetime import timedelta

from perfectcatch.store.names import SYNC_LOG
from perfectcatch.store.pool import Pool


async def is_fresh(pool: Pool, tenant_id: int, entities: Sequence[str], within: timedelta) -> bool:
    """Whether a good read of each of these began within that span, by the database's clock."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select count(distinct entity_type) from {SYNC_LOG}
            where tenant_id = %s and entity_type = any(%s) and status = 'succeeded'
              and started_at > now() - %s
            """,
            (tenant_id, list(entities), within),
        )
        row = await found.fetchone()
    return row is not None and row[0] == len(set(entities))
