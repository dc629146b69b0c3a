"""Ids of mirrored records, page after page."""

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified
from perfectcatch.store.pool import Connection


async def live(
    connection: Connection, tenant_id: int, entity: Entity, *, after: int, limit: int
) -> list[int]:
    """Ids of records that are there, above ``after``, in their order."""
    rows = await connection.execute(
        f"""
        select st_id from {qualified(entity.table)}
        where tenant_id = %s and st_id > %s and deleted_at is null order by st_id limit %s
        """,
        (tenant_id, after, limit),
    )
    return [row[0] for row in await rows.fetchall()]
