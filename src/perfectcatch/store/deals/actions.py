"""What must not be done twice in the CRM, by the key of who asked."""

from collections.abc import Sequence
from datetime import datetime

from perfectcatch.store.names import DEAL_ACTIONS
from perfectcatch.store.pool import Pool


async def note_of(pool: Pool, tenant_id: int, key: str) -> str | None:
    """What came of it; "" where it was begun and nobody knows; None where nobody began."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select coalesce(result, '') from {DEAL_ACTIONS} where tenant_id = %s and key = %s",
            (tenant_id, key),
        )
        row = await found.fetchone()
    return str(row[0]) if row is not None else None


async def begun_at(pool: Pool, tenant_id: int, key: str) -> datetime | None:
    """Since when it is being done, by the database's clock."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select begun_at from {DEAL_ACTIONS} where tenant_id = %s and key = %s", (tenant_id, key)
        )
        row = await found.fetchone()
    return row[0] if row is not None else None


async def results(pool: Pool, tenant_id: int, among: Sequence[str]) -> set[str]:
    """Which of these are what came of something else."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select result from {DEAL_ACTIONS} where tenant_id = %s and result = any(%s)",
            (tenant_id, list(among)),
        )
        return {str(row[0]) for row in await found.fetchall()}


async def begin(pool: Pool, tenant_id: int, key: str) -> None:
    """It is being done."""
    async with pool.connection() as connection:
        await connection.execute(
            f"insert into {DEAL_ACTIONS} (tenant_id, key) values (%s, %s) on conflict do nothing",
            (tenant_id, key),
        )


async def end(pool: Pool, tenant_id: int, key: str, result: str) -> None:
    """It was done."""
    async with pool.connection() as connection:
        await connection.execute(
            f"update {DEAL_ACTIONS} set result = %s, done_at = now() where tenant_id = %s and key = %s",
            (result, tenant_id, key),
        )
