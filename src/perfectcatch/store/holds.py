"""What waits for a person: deletions that a sweep holds back, and records in quarantine."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from perfectcatch.store.names import HOLDS, QUARANTINE
from perfectcatch.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Hold:
    """A step that looked too large to be right: ``found`` of ``total`` live rows, and the first of them."""

    entity: str
    kind: str
    found: int
    total: int
    created_at: datetime
    first_ids: list[int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of an entity waits for a person."""

    entity: str
    quarantined: int
    holds: int


async def open_holds(pool: Pool, tenant_id: int) -> list[Hold]:
    """What nobody has decided yet, newest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Hold)) as cursor:
        await cursor.execute(
            f"""
            select entity, kind, found, total, created_at,
              array(select each::bigint from jsonb_array_elements_text(detail -> 'first_ids') each)
                as first_ids
            from {HOLDS} where tenant_id = %s and decided_at is null order by created_at desc, id desc
            """,
            (tenant_id,),
        )
        return await cursor.fetchall()


async def release(connection: Connection, tenant_id: int, entity: str, decision: str) -> int:
    """Close what is held of ``entity``, in the caller's transaction; how many holds there were."""
    closed = await connection.execute(
        f"""
        update {HOLDS} set decided_at = now(), decision = %s
        where tenant_id = %s and entity = %s and decided_at is null
        """,
        (decision, tenant_id, entity),
    )
    return closed.rowcount


async def waiting(pool: Pool, tenant_id: int) -> dict[str, Waiting]:
    """How much waits, by entity; entities of which nothing waits are absent."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(
            f"""
            select entity, sum(quarantined)::integer as quarantined, sum(holds)::integer as holds
            from (
              select entity, count(*) as quarantined, 0 as holds from {QUARANTINE}
              where tenant_id = %(tenant)s and resolved_at is null group by entity
              union all
              select entity, 0, count(*) from {HOLDS}
              where tenant_id = %(tenant)s and decided_at is null group by entity
            ) counted group by entity order by entity
            """,
            {"tenant": tenant_id},
        )
        return {each.entity: each for each in await cursor.fetchall()}
