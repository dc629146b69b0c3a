"""Records that were merged into others: who they were, and which records still point to them."""

from collections.abc import Sequence
from uuid import UUID

from perfectcatch.model.entity import Entity
from perfectcatch.store.gathered import merged_to_column
from perfectcatch.store.names import HISTORY, qualified, quote
from perfectcatch.store.pool import Pool


async def newly_merged(pool: Pool, tenant_id: int, entity: Entity, run_id: UUID) -> list[int]:
    """Ids of ``entity`` that a run found merged and that were not before it."""
    merged_to = merged_to_column(entity)
    if merged_to is None or entity.merged_into is None:
        return []
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select distinct h.st_id from {HISTORY} h
            join {qualified(entity.table)} m on m.tenant_id = h.tenant_id and m.st_id = h.st_id
            where h.tenant_id = %s and h.entity = %s and h.run_id = %s
              and m.{quote(merged_to)} is not null and h.full_data #>> %s is null
            """,
            (tenant_id, entity.name, run_id, entity.merged_into.split(".")),
        )
        return [row[0] for row in await found.fetchall()]


async def pointing_at(
    pool: Pool, tenant_id: int, entity: Entity, referred: Entity, ids: Sequence[int]
) -> list[int]:
    """Live records of ``entity`` that refer to one of ``ids`` of ``referred``."""
    columns = [each.name for each in entity.vendor_columns if each.references == referred.name]
    if entity.name == referred.name or not columns:
        return []
    points = " or ".join(f"{quote(column)} = any(%(ids)s)" for column in columns)
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select st_id from {qualified(entity.table)}
            where tenant_id = %(tenant)s and deleted_at is null and ({points}) order by st_id
            """,
            {"tenant": tenant_id, "ids": list(ids)},
        )
        return [row[0] for row in await found.fetchall()]
