"""What people wrote to us, and which instances it concerns: by their customer, or by the address alone.

Somebody who asked for a visit and is no customer yet has no record that names them: an instance knows them by
the address that it wrote to, or that it began with.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from perfectcatch.store.messages.people import ENTITY
from perfectcatch.store.names import INSTANCES, MESSAGES, RECEIVED
from perfectcatch.store.pool import Connection

_OPEN: Final = "i.ended_at is null and i.status <> 'queued'"


async def heard(
    connection: Connection,
    tenant_id: int,
    *,
    customers: Collection[int],
    instances: Collection[int],
    since: datetime,
) -> list[tuple[tuple[str, int], list[int], int | None]]:
    """Entity and id of the events of messages since then, with the customers or the instance they concern."""
    rows = await connection.execute(
        f"""
        select id, customer_ids, null::bigint from {RECEIVED}
        where tenant_id = %(tenant)s and customer_ids && %(customers)s::bigint[] and stored_at >= %(since)s
        union all
        select r.id, '{{}}', m.instance_id from {MESSAGES} m
        join {RECEIVED} r on r.tenant_id = m.tenant_id and r.sender = m.address
        where m.tenant_id = %(tenant)s and m.instance_id = any(%(instances)s) and m.sent_at is not null
          and r.stored_at >= %(since)s
        union all
        select r.id, '{{}}', i.id from {INSTANCES} i
        join {RECEIVED} r on r.tenant_id = i.tenant_id and r.sender = i.key
        where i.tenant_id = %(tenant)s and i.id = any(%(instances)s) and i.customer_id is null
          and r.stored_at >= %(since)s
        """,
        {
            "tenant": tenant_id,
            "customers": list(customers),
            "instances": list(instances),
            "since": since,
        },
    )
    return [((ENTITY, row[0]), row[1], row[2]) for row in await rows.fetchall()]


async def waiting_for(
    connection: Connection, tenant_id: int, senders: Sequence[str]
) -> list[tuple[int, str, int, int]]:
    """Open instances that wrote to one of these addresses, or began with it: id, address, priority, event."""
    if not senders:
        return []
    rows = await connection.execute(
        f"""
        select i.id, m.address, i.priority, (i.trigger ->> 'id')::bigint from {MESSAGES} m
        join {INSTANCES} i on i.tenant_id = m.tenant_id and i.id = m.instance_id
        where m.tenant_id = %(tenant)s and m.address = any(%(senders)s) and m.sent_at is not null and {_OPEN}
        union
        select i.id, i.key, i.priority, (i.trigger ->> 'id')::bigint from {INSTANCES} i
        where i.tenant_id = %(tenant)s and i.customer_id is null and i.key = any(%(senders)s) and {_OPEN}
        """,
        {"tenant": tenant_id, "senders": list(senders)},
    )
    return await rows.fetchall()
