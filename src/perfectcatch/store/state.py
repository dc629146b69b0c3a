"""Where the sync stands: cursors and checkpoints, one JSON value a key, per company.

Keys of an entity: ``<entity>_cursor`` (where the next incremental read begins), ``<entity>_checkpoint``
(how far an unfinished full read has come), ``<entity>_first_load`` (when it was first complete),
``<entity>_last_modified`` (the newest vendor time stored).
"""

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from perfectcatch.store.names import SYNC_STATE
from perfectcatch.store.pool import Connection, Pool


async def get(pool: Pool, tenant_id: int, *keys: str) -> dict[str, Any]:
    """The values of those ``keys`` that are set."""
    async with pool.connection() as connection:
        return await seen(connection, tenant_id, *keys)


async def seen(connection: Connection, tenant_id: int, *keys: str) -> dict[str, Any]:
    """The values of those ``keys`` that are set, as the caller's transaction sees them."""
    found = await connection.execute(
        f"select key, value from {SYNC_STATE} where tenant_id = %s and key = any(%s)",
        (tenant_id, list(keys)),
    )
    return dict(await found.fetchall())


async def put(connection: Connection, tenant_id: int, key: str, value: Any) -> None:
    """Set ``key``, in the caller's transaction."""
    await put_all(connection, tenant_id, {key: value})


async def put_all(connection: Connection, tenant_id: int, values: Mapping[str, Any]) -> None:
    """Set keys, in the caller's transaction."""
    await connection.execute(
        f"""
        insert into {SYNC_STATE} (tenant_id, key, value, updated_at)
        select %s, given.key, given.value, now() from unnest(%s::text[], %s::jsonb[]) given(key, value)
        on conflict (tenant_id, key) do update set value = excluded.value, updated_at = now()
        """,
        (tenant_id, list(values), [Jsonb(value) for value in values.values()]),
    )


async def forget(connection: Connection, tenant_id: int, *keys: str) -> None:
    """Remove ``keys``, in the caller's transaction."""
    await connection.execute(
        f"delete from {SYNC_STATE} where tenant_id = %s and key = any(%s)", (tenant_id, list(keys))
    )
