"""Dead letters: events and instances that could not be dealt with, until somebody tries them again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from perfectcatch.store.names import DEAD_LETTERS
from perfectcatch.store.pool import Connection, Pool

EVENT: Final = "event"
UNTOLD: Final = "It could not be told to what is under way"  # how the letter of such an event begins
INSTANCE: Final = "instance"


@dataclass(frozen=True, slots=True)
class Letter:
    """What failed, and why."""

    id: int
    kind: str
    event_id: int | None
    workflow_instance_id: int | None
    workflow: str | None
    step: str | None
    error: str
    attempts: int
    failed_at: datetime
    resolved_at: datetime | None
    occasion: str | None  # of a clock's tick: which record, and when


_COLUMNS: Final = (
    "id, kind, event_id, workflow_instance_id, workflow, step, error, attempts, failed_at, resolved_at, "
    "occasion"
)


async def write(
    connection: Connection,
    tenant_id: int,
    *,
    kind: str,
    error: str,
    attempts: int,
    event_id: int | None = None,
    instance_id: int | None = None,
    workflow: str | None = None,
    step: str | None = None,
    occasion: str | None = None,
) -> None:
    """Put something aside."""
    await connection.execute(
        f"""
        insert into {DEAD_LETTERS} (tenant_id, kind, event_id, workflow_instance_id, workflow, step, error,
          attempts, occasion)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (tenant_id, kind, event_id, instance_id, workflow, step, storable(error[:2000]), attempts, occasion),
    )


def storable(text: str) -> str:
    """``text`` without what PostgreSQL stores in no text: an error quotes whatever it stumbled over."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


async def unresolved(pool: Pool, tenant_id: int, *, limit: int = 100) -> list[Letter]:
    """What still waits for somebody, the newest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Letter)) as cursor:
        await cursor.execute(
            f"""
            select {_COLUMNS} from {DEAD_LETTERS} where tenant_id = %s and resolved_at is null
            order by id desc limit %s
            """,
            (tenant_id, limit),
        )
        return await cursor.fetchall()


async def tells_of_ticks(connection: Connection, tenant_id: int, workflow: str) -> bool:
    """Whether an open letter says already that whole ticks of a workflow cannot be gone through."""
    found = await connection.execute(
        f"""
        select exists (select 1 from {DEAD_LETTERS} where tenant_id = %s and workflow = %s
          and resolved_at is null and event_id is null
          and occasion like '%%/%%' and occasion not like '%%/%%/%%')
        """,
        (tenant_id, workflow),
    )
    return await found.fetchone() == (True,)


async def take(connection: Connection, tenant_id: int, letter_id: int, *, by: str) -> Letter | None:
    """Close a letter because it is tried again; None: there is no such open one."""
    async with connection.cursor(row_factory=class_row(Letter)) as cursor:
        await cursor.execute(
            f"""
            update {DEAD_LETTERS} set resolved_at = now(), resolved_by = %s
            where tenant_id = %s and id = %s and resolved_at is null returning {_COLUMNS}
            """,
            (by, tenant_id, letter_id),
        )
        return await cursor.fetchone()
