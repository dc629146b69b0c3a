"""Definitions of workflows: every version that ever was, and the one of each name that counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.names import DEFINITIONS, WORKFLOW_CHANNEL
from perfectcatch.store.pool import Connection, Pool

SHIPPED: Final = "shipped"


@dataclass(frozen=True, slots=True)
class Kept:
    """A version of a definition. ``document`` is what ``workflows.definitions.read`` reads."""

    id: int
    name: str
    version: str
    current: bool
    mode: str
    document: Mapping[str, Any]
    source: str
    changed_by: str


_COLUMNS: Final = "id, name, version, current, mode, document, source, changed_by"


async def current(pool: Pool, tenant_id: int) -> list[Kept]:
    """The version of each workflow that counts, by name."""
    return await _of(pool, "current and deleted_at is null order by name", {"tenant": tenant_id})


async def by_id(pool: Pool, tenant_id: int, definition_id: int) -> Kept | None:
    """A version, current or not."""
    found = await _of(pool, "id = %(id)s", {"tenant": tenant_id, "id": definition_id})
    return found[0] if found else None


async def _of(pool: Pool, where: str, values: Mapping[str, Any]) -> list[Kept]:
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(
            f"select {_COLUMNS} from {DEFINITIONS} where tenant_id = %(tenant)s and {where}", values
        )
        return await cursor.fetchall()


async def put(
    connection: Connection,
    tenant_id: int,
    definition: Definition,
    *,
    mode: Mode | None,
    source: str,
    by: str,
) -> int:
    """Make ``definition`` the version that counts, and give its id.

    Instances that are under way stay with the version that they began with. ``mode`` None: that of the
    version before, disabled where there was none.
    """
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "name": definition.name,
        "version": definition.version,
        "events": list(definition.trigger.events),
        "conditions": definition.trigger.where,
        "most": definition.max_concurrent_per_customer,
        "priority": definition.priority,
        "document": Jsonb(dict(definition.document)),
        "source": source,
        "by": by,
        "channel": WORKFLOW_CHANNEL,
    }
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('workflow ' || %(name)s, %(tenant)s))", values
    )
    found = await connection.execute(
        f"""
        update {DEFINITIONS} set current = false, updated_at = now()
        where tenant_id = %(tenant)s and name = %(name)s and current returning mode
        """,
        values,
    )
    before = await found.fetchone()
    values["mode"] = mode or Mode(before[0] if before else Mode.DISABLED)
    found = await connection.execute(
        f"""
        insert into {DEFINITIONS} (tenant_id, name, version, current, mode, enabled, trigger_event,
          trigger_conditions, max_concurrent_per_customer, priority, document, source, changed_by)
        values (%(tenant)s, %(name)s, %(version)s, true, %(mode)s, %(mode)s <> 'disabled', %(events)s,
          %(conditions)s, %(most)s, %(priority)s, %(document)s, %(source)s, %(by)s)
        on conflict (tenant_id, name, version) do update set current = true, mode = excluded.mode,
          enabled = excluded.enabled, document = excluded.document, source = excluded.source,
          changed_by = excluded.changed_by, deleted_at = null, updated_at = now()
        returning id
        """,
        values,
    )
    row = await found.fetchone()
    assert row is not None
    await connection.execute("select pg_notify(%(channel)s, %(tenant)s::text)", values)
    return int(row[0])


async def switch(connection: Connection, tenant_id: int, name: str, mode: Mode, *, by: str) -> bool:
    """Enable, shadow or disable a workflow; False: there is none of that name.

    Instances that are under way go on either way.
    """
    found = await connection.execute(
        f"""
        update {DEFINITIONS} set mode = %(mode)s, enabled = %(mode)s <> 'disabled', changed_by = %(by)s,
          updated_at = now()
        where tenant_id = %(tenant)s and name = %(name)s and current and deleted_at is null
        """,
        {"tenant": tenant_id, "name": name, "mode": mode.value, "by": by},
    )
    await connection.execute("select pg_notify(%s, %s)", (WORKFLOW_CHANNEL, str(tenant_id)))
    return found.rowcount > 0


async def delete(connection: Connection, tenant_id: int, name: str, *, by: str) -> bool:
    """Let a workflow be gone: nothing starts any more. Its versions stay for what they did."""
    found = await connection.execute(
        f"""
        update {DEFINITIONS} set current = false, enabled = false, mode = 'disabled', deleted_at = now(),
          changed_by = %(by)s, updated_at = now()
        where tenant_id = %(tenant)s and name = %(name)s and current
        """,
        {"tenant": tenant_id, "name": name, "by": by},
    )
    await connection.execute("select pg_notify(%s, %s)", (WORKFLOW_CHANNEL, str(tenant_id)))
    return found.rowcount > 0
