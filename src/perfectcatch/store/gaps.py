"""What comparisons of the mirror with the vendor found: one row for each entity and run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.store.names import SYNC_GAPS
from perfectcatch.store.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The result for one entity. ``details`` holds the differences by kind, with the first of their ids."""

    entity: str
    verdict: str
    vendor_count: int | None
    mirror_count: int
    missing: int
    gone: int
    differing: int
    unexplained: int
    repaired: int
    compared: int
    requests: int
    sure: str
    at_most: float | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LastProof:
    """The newest comparison of an entity."""

    entity: str
    verdict: str
    sure: str
    finished_at: datetime


async def put(pool: Pool, tenant_id: int, run_id: UUID, gap: Gap) -> None:
    """Keep a result."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            insert into {SYNC_GAPS} (tenant_id, run_id, entity, verdict, vendor_count, mirror_count, missing,
              gone, differing, unexplained, repaired, compared, requests, sure, at_most, details)
            values (%(tenant)s, %(run)s, %(entity)s, %(verdict)s, %(vendor_count)s, %(mirror_count)s,
              %(missing)s, %(gone)s, %(differing)s, %(unexplained)s, %(repaired)s, %(compared)s,
              %(requests)s, %(sure)s, %(at_most)s, %(details)s)
            """,
            {
                "tenant": tenant_id,
                "run": run_id,
                **{name: getattr(gap, name) for name in gap.__dataclass_fields__},
                "details": Jsonb(gap.details),
            },
        )


async def latest(pool: Pool, tenant_id: int) -> dict[str, LastProof]:
    """The newest comparison of each entity."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(LastProof)) as cursor:
        await cursor.execute(
            f"""
            select distinct on (entity) entity, verdict, sure, finished_at from {SYNC_GAPS}
            where tenant_id = %s order by entity, finished_at desc, run_id
            """,
            (tenant_id,),
        )
        return {each.entity: each for each in await cursor.fetchall()}
