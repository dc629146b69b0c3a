"""Messages that wait: for a moment, or for a person who lets them go on or gives them up."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from perfectcatch.store.messages.log import Message, of, tell
from perfectcatch.store.names import INSTANCES, MESSAGES
from perfectcatch.store.pool import Connection, Pool

# Of an instance: it stands at the message's step and may go on. Nobody decides about the others, however long
# they wait, so that they must not keep later ones out of what is asked for.
_WANTED: Final = f"""(instance_id is null or exists (
    select from {INSTANCES} i where i.tenant_id = {MESSAGES}.tenant_id and i.id = {MESSAGES}.instance_id
      and i.step = {MESSAGES}.step and i.ended_at is null
      and i.status not in ('queued', 'paused', 'failed')))"""
_WHICH: Final = """
  and (%(id)s::bigint is null or id = %(id)s)
  and (%(workflow)s::text is null or workflow = %(workflow)s)
  and (%(channel)s::text is null or channel = %(channel)s)
  and (%(caller)s::text is null or (workflow is null and asked_by = %(caller)s))
"""


async def due(
    pool: Pool, tenant_id: int, *, now: datetime, limit: int = 100, of_instances: bool = False
) -> list[Message]:
    """Deferred messages whose time has come and that nobody holds: those of no workflow instance, or all.

    Of instances only those that can be woken for them.
    """
    only = _WANTED if of_instances else "instance_id is null"
    async with pool.connection() as connection:
        return await of(
            connection,
            f"status = 'deferred' and not held and until <= %(now)s and {only} "
            "order by until, id limit %(limit)s",
            {"tenant": tenant_id, "now": now, "limit": limit},
        )


async def release(
    connection: Connection,
    tenant_id: int,
    *,
    by: str,
    now: datetime,
    message_id: int | None = None,
    workflow: str | None = None,
    channel: str | None = None,
    caller: str | None = None,
) -> list[int]:
    """Let held messages go on: one, or those of a workflow, a channel or a caller. They are decided again."""
    return await _change(
        connection,
        """
        held = false, until = %(now)s, released_by = case when %(id)s::bigint is null then released_by
          else %(by)s end,
        sentence = 'Released by ' || %(by)s || ': it is decided again.', updated_at = %(now)s
        """,
        "held",
        {
            "tenant": tenant_id,
            "id": message_id,
            "workflow": workflow,
            "channel": channel,
            "caller": caller,
            "by": by,
            "now": now,
        },
    )


async def cancel(
    connection: Connection,
    tenant_id: int,
    *,
    by: str,
    now: datetime,
    message_id: int | None = None,
    workflow: str | None = None,
    channel: str | None = None,
    caller: str | None = None,
) -> list[int]:
    """Give up deferred messages for good: one, or the held ones of a workflow, channel or caller."""
    return await _change(
        connection,
        """
        status = 'suppressed', reason = 'cancelled', held = false, until = null,
        sentence = 'Not sent: cancelled by ' || %(by)s || '.', decided_at = %(now)s, updated_at = %(now)s
        """,
        "(held or %(id)s::bigint is not null)",
        {
            "tenant": tenant_id,
            "id": message_id,
            "workflow": workflow,
            "channel": channel,
            "caller": caller,
            "by": by,
            "now": now,
        },
    )


async def wake(
    connection: Connection,
    tenant_id: int,
    *,
    reason: str,
    address: str,
    customer_ids: Sequence[int],
    now: datetime,
) -> list[int]:
    """A person has decided what held messages to this address or these customers: they are due again."""
    return await _change(
        connection,
        "held = false, until = %(now)s, updated_at = %(now)s",
        "held and reason = %(reason)s and (address = %(to)s or customer_id = any(%(customers)s))",
        {
            "tenant": tenant_id,
            "id": None,
            "workflow": None,
            "channel": None,
            "caller": None,
            "reason": reason,
            "to": address,
            "customers": list(customer_ids),
            "now": now,
        },
    )


async def leave(
    connection: Connection, tenant_id: int, left: Iterable[tuple[int, str, str]], *, now: datetime
) -> None:
    """Give up what waits of steps that were left: instance, step, and why. Nobody would decide it again."""
    steps = list(left)
    if not steps:
        return
    changed = await connection.execute(
        f"""
        update {MESSAGES} set status = 'suppressed', reason = 'stopped', held = false, until = null,
          sentence = 'Not sent. ' || gone.because, decided_at = %(now)s, updated_at = %(now)s
        from unnest(%(instances)s::bigint[], %(steps)s::text[], %(because)s::text[])
          as gone (of_instance, at_step, because)
        where tenant_id = %(tenant)s and instance_id = gone.of_instance and step = gone.at_step
          and status = 'deferred'
        returning id
        """,
        {
            "tenant": tenant_id,
            "instances": [each[0] for each in steps],
            "steps": [each[1] for each in steps],
            "because": [each[2] for each in steps],
            "now": now,
        },
    )
    for (each,) in await changed.fetchall():
        await tell(connection, each)


async def _change(connection: Connection, what: str, where: str, values: dict[str, Any]) -> list[int]:
    changed = await connection.execute(
        f"""
        update {MESSAGES} set {what}
        where tenant_id = %(tenant)s and status = 'deferred' and {where} {_WHICH} returning id
        """,
        values,
    )
    ids = [int(row[0]) for row in await changed.fetchall()]
    for each in ids:
        await tell(connection, each)
    return ids
