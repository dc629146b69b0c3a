"""Records that were merged into others: who they were, and which records still point to them."""

from collections.abc import Sequence

from perfectcatch.model.entity import Entity
from perfectcatch.store import state
from perfectcatch.store.names import SYNC_STATE, qualified, quote
from perfectcatch.store.pool import Connection, Pool, transaction
from perfectcatch.store.schema.gathered import merged_to_column


async def note_page(connection: Connection, tenant_id: int, entity: Entity) -> None:
    """Keep, in the transaction of a page, which of its records have been merged since we last saw them."""
    merged_to = merged_to_column(entity)
    if merged_to is None:
        return
    found = await connection.execute(
        f"""
        select p.st_id from plan p
        join {qualified(entity.table)} m on m.tenant_id = %s and m.st_id = p.st_id
        where p.kind = 'c' and m.{quote(merged_to)} is not null
          and p.old->>%s is distinct from m.{quote(merged_to)}::text
        """,
        (tenant_id, merged_to),
    )
    ids = [row[0] for row in await found.fetchall()]
    if ids:
        known = await _pending(connection, tenant_id, entity)
        await state.put(connection, tenant_id, _key(entity), sorted({*known, *ids}))


async def pending(pool: Pool, tenant_id: int, entity: Entity) -> list[int]:
    """Merged records whose followers have not been read again yet."""
    async with pool.connection() as connection:
        return await _pending(connection, tenant_id, entity)


async def done(pool: Pool, tenant_id: int, entity: Entity, ids: Sequence[int]) -> None:
    """The followers of ``ids`` have been read again."""
    async with transaction(pool) as connection:
        left = set(await _pending(connection, tenant_id, entity)) - set(ids)
        if left:
            await state.put(connection, tenant_id, _key(entity), sorted(left))
        else:
            await state.forget(connection, tenant_id, _key(entity))


async def _pending(connection: Connection, tenant_id: int, entity: Entity) -> list[int]:
    found = await connection.execute(
        f"select value from {SYNC_STATE} where tenant_id = %s and key = %s", (tenant_id, _key(entity))
    )
    row = await found.fetchone()
    return list(row[0]) if row else []


def _key(entity: Entity) -> str:
    return f"{entity.name}_merged"


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
