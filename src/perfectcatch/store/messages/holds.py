"""Workflows and channels that are stopped until a person decides."""

from datetime import datetime

from psycopg.rows import dict_row

from perfectcatch.store.messages import known, waiting
from perfectcatch.store.names import MESSAGE_HOLDS
from perfectcatch.store.pool import Connection


async def open_hold(
    connection: Connection,
    tenant_id: int,
    *,
    kind: str,
    name: str,
    reason: str,
    sentence: str,
    now: datetime,
) -> int | None:
    """Stop a ``workflow``, a ``caller`` or a ``channel``; None if it is stopped already."""
    stored = await connection.execute(
        f"""
        insert into {MESSAGE_HOLDS} (tenant_id, kind, name, reason, sentence, created_at)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (tenant_id, kind, name) where decided_at is null do nothing returning id
        """,
        (tenant_id, kind, name, reason, sentence, now),
    )
    row = await stored.fetchone()
    return int(row[0]) if row else None


async def decide(
    connection: Connection,
    tenant_id: int,
    hold_id: int,
    *,
    decision: str,
    by: str,
    now: datetime,
    allowed: int | None = None,
) -> list[int] | None:
    """``release`` or ``cancel`` what a hold stops; the messages concerned, None without such an open hold.

    ``allowed``: how many messages of the workflow may have gone out in all before the guard stops it again.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""
            update {MESSAGE_HOLDS} set decided_at = %s, decided_by = %s, decision = %s, allowed = %s
            where tenant_id = %s and id = %s and decided_at is null returning kind, name
            """,
            (now, by, decision, allowed, tenant_id, hold_id),
        )
        hold = await cursor.fetchone()
    if hold is None:
        return None
    which = {hold["kind"]: hold["name"]}
    act = waiting.release if decision == "release" else waiting.cancel
    return await act(connection, tenant_id, by=by, now=now, **which)


async def sent(connection: Connection, tenant_id: int, hold_id: int, *, since: datetime) -> int:
    """How many messages the workflow or caller of a hold has sent since then; 0 for a channel."""
    found = await connection.execute(
        f"select kind, name from {MESSAGE_HOLDS} where tenant_id = %s and id = %s and kind <> 'channel'",
        (tenant_id, hold_id),
    )
    row = await found.fetchone()
    if row is None:
        return 0
    return (await known.blast(connection, tenant_id, known.Sender(*row), since=since, shadow=False))[0]
