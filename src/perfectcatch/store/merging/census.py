"""Our rows by the time of their creation: counted, divided, listed and drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import QUARANTINE, SYNC_LOG, qualified, quote
from perfectcatch.store.pool import Pool
from perfectcatch.store.schema.gathered import merged_to_column

# Undated rows count to the last window, which has no end.
_WITHIN = """
tenant_id = %(tenant)s and deleted_at is null
  and (%(start)s::timestamptz is null or st_created_on >= %(start)s
    or (st_created_on is null and %(end)s::timestamptz is null))
  and (%(end)s::timestamptz is null or st_created_on < %(end)s)"""


@dataclass(frozen=True, slots=True)
class Row:
    """What decides about one of our rows that the vendor does not show."""

    st_id: int
    active: bool
    merged_to: int | None
    deleted_at: datetime | None
    st_modified_on: datetime | None
    local_synced_at: datetime


async def count(
    pool: Pool, tenant_id: int, entity: Entity, start: datetime | None, end: datetime | None
) -> int:
    """How many live rows were created from ``start`` on and before ``end``; None: without limit."""
    values = {"tenant": tenant_id, "start": start, "end": end}
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select count(*) from {qualified(entity.table)} where {_WITHIN}", values
        )
        row = await found.fetchone()
        return int(row[0]) if row else 0


async def cuts(
    pool: Pool, tenant_id: int, entity: Entity, parts: int, start: datetime | None, end: datetime | None
) -> list[datetime]:
    """Moments, in order, that divide the live rows of a window into ``parts`` of about one size.

    They are whole milliseconds: the vendor's times are finer than ours, and a moment that is a record's own
    time, rounded, would put that record on one side there and on the other side here.
    """
    values = {
        "tenant": tenant_id,
        "start": start,
        "end": end,
        "shares": [number / parts for number in range(1, parts)],
    }
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select distinct date_trunc('milliseconds', cut) as cut from (
              select unnest(percentile_disc(%(shares)s::float8[])
                within group (order by st_created_on)) as cut
              from {qualified(entity.table)} where {_WITHIN} and st_created_on is not null
            ) divided
            where date_trunc('milliseconds', cut) > coalesce(%(start)s::timestamptz, (
                select min(st_created_on) from {qualified(entity.table)} where {_WITHIN}))
            order by cut
            """,
            values,
        )
        return [row[0] for row in await found.fetchall()]


async def ids(
    pool: Pool,
    tenant_id: int,
    entity: Entity,
    start: datetime | None,
    end: datetime | None,
    *,
    stored_before: datetime,
) -> list[int]:
    """The live rows of a window that were last written before a moment of the database's clock."""
    values = {"tenant": tenant_id, "start": start, "end": end, "before": stored_before}
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select st_id from {qualified(entity.table)} where {_WITHIN} and local_synced_at < %(before)s "
            "order by st_id",
            values,
        )
        return [row[0] for row in await found.fetchall()]


async def modified_cuts(pool: Pool, tenant_id: int, entity: Entity, parts: int) -> list[datetime]:
    """Moments that divide the rows by their last change at the vendor into ``parts`` of about one size."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select distinct unnest(percentile_disc(%s::float8[]) within group (order by st_modified_on))
            from {qualified(entity.table)} where tenant_id = %s and st_modified_on is not null
            """,
            ([number / parts for number in range(parts)], tenant_id),
        )
        return [row[0] for row in await found.fetchall()]


async def draw(pool: Pool, tenant_id: int, entity: Entity, number: int, seed: int) -> list[int]:
    """``number`` live rows, each set of them equally likely; the same for the same ``seed`` and rows."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select st_id from {qualified(entity.table)} where tenant_id = %s and deleted_at is null
            order by hashint8extended(st_id, %s), st_id limit %s
            """,
            (tenant_id, seed, number),
        )
        return [row[0] for row in await found.fetchall()]


async def rows(pool: Pool, tenant_id: int, entity: Entity, ids: Sequence[int]) -> list[Row]:
    """Our rows of ``ids``."""
    merged = merged_to_column(entity)
    merged_to = f"m.{quote(merged)}" if merged else "null::bigint"
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            f"""
            select m.st_id, m.active, {merged_to} as merged_to, m.deleted_at, m.st_modified_on,
              m.local_synced_at
            from {qualified(entity.table)} m where m.tenant_id = %s and m.st_id = any(%s) order by m.st_id
            """,
            (tenant_id, list(ids)),
        )
        return await cursor.fetchall()


async def in_quarantine(pool: Pool, tenant_id: int, entity: Entity, ids: Sequence[int]) -> set[int]:
    """Those of ``ids`` of which a version waits in quarantine."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select distinct st_id from {QUARANTINE} where tenant_id = %s and entity = %s "
            "and st_id = any(%s) and resolved_at is null",
            (tenant_id, entity.name, list(ids)),
        )
        return {row[0] for row in await found.fetchall()}


async def last_read(pool: Pool, tenant_id: int, entity: Entity) -> datetime | None:
    """When the last read of ``entity`` that ended well began, by the database's clock."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select max(started_at) from {SYNC_LOG} where tenant_id = %s and module = %s "
            "and status in ('succeeded', 'held') and sync_type in ('full', 'incremental')",
            (tenant_id, entity.name),
        )
        row = await found.fetchone()
        return row[0] if row else None
