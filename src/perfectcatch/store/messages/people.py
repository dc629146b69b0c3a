"""What people said: consents, opt-outs, messages from them; and addresses that take no messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from perfectcatch.model.messaging import Received
from perfectcatch.store import events
from perfectcatch.store.names import (
    ADDRESSES,
    CONSENTS,
    MESSAGE_CHANNEL,
    OPT_OUTS,
    RECEIVED,
)
from perfectcatch.store.pool import Connection

EVENT: Final = "message_received"
ENTITY: Final = "messages"  # of events about messages from people; their st_id is ours
OPTED_OUT: Final = "opted_out"


async def add_consent(
    connection: Connection,
    tenant_id: int,
    *,
    customer_id: int | None,
    channel: str,
    address: str | None,
    purpose: str,
    given: bool,
    source: str,
    wording: str,
    evidence: Mapping[str, Any],
    at: datetime,
    by: str,
) -> int:
    """Note that consent was given or withdrawn; what was noted before stays. The row's id."""
    stored = await connection.execute(
        f"""
        insert into {CONSENTS} (tenant_id, customer_id, channel, address, purpose, given, source, wording,
          evidence, given_at, recorded_by)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
        """,
        (
            tenant_id,
            customer_id,
            channel,
            address,
            purpose,
            given,
            source,
            wording,
            Jsonb(dict(evidence)),
            at,
            by,
        ),
    )
    return await _id(stored)


async def add_opt_out(
    connection: Connection,
    tenant_id: int,
    *,
    channel: str,
    address: str | None,
    customer_ids: Sequence[int],
    covers: str | None,
    source: str,
    wording: str,
    since: datetime,
    by: str,
    received_id: int | None = None,
    message_id: int | None = None,
) -> int | None:
    """Note an opt-out, and tell it as an event; None if the same one is in force already.

    ``covers`` None: what the rules say. Of one message it follows once: where that is told again, its person
    may have asked for messages since.
    """
    stored = await connection.execute(
        f"""
        insert into {OPT_OUTS} (tenant_id, channel, address, customer_ids, covers, source, wording, since,
          recorded_by, received_id, message_id)
        select %(tenant)s, %(channel)s, %(address)s, %(customers)s, %(covers)s, %(source)s, %(wording)s,
          %(since)s, %(by)s, %(received)s, %(message)s
        where not exists (
          select 1 from {OPT_OUTS} o where o.tenant_id = %(tenant)s and o.ended_at is null
            and o.channel = %(channel)s and o.address is not distinct from %(address)s
            and o.covers is not distinct from %(covers)s and o.customer_ids @> %(customers)s::bigint[])
          and not exists (
          select 1 from {OPT_OUTS} o where o.tenant_id = %(tenant)s and o.message_id = %(message)s::bigint)
        returning id
        """,
        {
            "tenant": tenant_id,
            "channel": channel,
            "address": address,
            "customers": list(customer_ids),
            "covers": covers,
            "source": source,
            "wording": wording,
            "since": since,
            "by": by,
            "received": received_id,
            "message": message_id,
        },
    )
    row = await stored.fetchone()
    if row is None:
        return None
    told = {"opt_out_id": row[0], "channel": channel, "covers": covers, "source": source}
    for customer_id in customer_ids:
        await events.tell(
            connection, tenant_id, OPTED_OUT, "customers", customer_id,
            version=f"opt-out {row[0]}", at=since, data=told | {"customer_id": customer_id},
        )  # fmt: skip
    if not customer_ids:
        await events.tell(
            connection, tenant_id, OPTED_OUT, "opt_outs", row[0], version="1", at=since, data=told
        )
    return int(row[0])


async def end_opt_outs(
    connection: Connection,
    tenant_id: int,
    *,
    now: datetime,
    by: str,
    channel: str | None = None,
    address: str | None = None,
    opt_out_id: int | None = None,
) -> list[int]:
    """End one opt-out, or those of an address on a channel; the ids."""
    ended = await connection.execute(
        f"""
        update {OPT_OUTS} set ended_at = %(now)s, ended_by = %(by)s
        where tenant_id = %(tenant)s and ended_at is null
          and (id = %(id)s or (%(id)s::bigint is null and channel = %(channel)s and address = %(address)s))
        returning id
        """,
        {
            "tenant": tenant_id,
            "now": now,
            "by": by,
            "channel": channel,
            "address": address,
            "id": opt_out_id,
        },
    )
    return [int(row[0]) for row in await ended.fetchall()]


async def note_address(
    connection: Connection,
    tenant_id: int,
    *,
    channel: str,
    address: str,
    trouble: str,
    code: str | None,
    now: datetime,
) -> None:
    """Note that an address takes no messages."""
    await connection.execute(
        f"""
        insert into {ADDRESSES} (tenant_id, channel, address, trouble, code, since)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (tenant_id, channel, address) do update set
          trouble = excluded.trouble, code = excluded.code, since = excluded.since
        """,
        (tenant_id, channel, address, trouble, code, now),
    )


async def forget_address(connection: Connection, tenant_id: int, *, channel: str, address: str) -> bool:
    """An address takes messages after all; whether anything was noted against it."""
    gone = await connection.execute(
        f"delete from {ADDRESSES} where tenant_id = %s and channel = %s and address = %s",
        (tenant_id, channel, address),
    )
    return gone.rowcount > 0


# Messages from people ----------------------------------------------------------------------------


async def add_received(
    connection: Connection,
    tenant_id: int,
    received: Received,
    *,
    channel: str,
    customer_ids: Sequence[int],
    meaning: str,
    needs_person: bool,
) -> int | None:
    """Store a message from a person; None if the vendor's id is known already."""
    stored = await connection.execute(
        f"""
        insert into {RECEIVED} (tenant_id, channel, vendor_id, sender, recipient, body, customer_ids, meaning,
          received_at, needs_person)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (tenant_id, channel, vendor_id) do nothing returning id
        """,
        (
            tenant_id,
            channel,
            received.vendor_id,
            received.sender,
            received.to,
            received.body,
            list(customer_ids),
            meaning,
            received.at,
            needs_person,
        ),
    )
    row = await stored.fetchone()
    return int(row[0]) if row else None


async def last_received(connection: Connection, tenant_id: int, channel: str) -> datetime | None:
    """When the newest message from a person on this channel was sent."""
    found = await connection.execute(
        f"select max(received_at) from {RECEIVED} where tenant_id = %s and channel = %s", (tenant_id, channel)
    )
    row = await found.fetchone()
    return row[0] if row else None


async def tell_received(
    connection: Connection,
    tenant_id: int,
    received_id: int,
    *,
    at: datetime,
    data: Mapping[str, Any],
) -> int:
    """Write the business event of a message from a person, and wake who listens. The event's id."""
    event_id = await events.tell(
        connection, tenant_id, EVENT, ENTITY, received_id, version="1", at=at, data=data
    )
    assert event_id is not None, "a message from a person is stored once"
    await connection.execute("select pg_notify(%s, %s)", (MESSAGE_CHANNEL, f"received {received_id}"))
    return event_id


async def decide_received(
    connection: Connection, tenant_id: int, received_id: int, *, decision: str, by: str, now: datetime
) -> dict[str, Any] | None:
    """Note what a person decided about a message; what it was about, None if nothing waited."""
    decided = await connection.execute(
        f"""
        update {RECEIVED} set decided_at = %s, decided_by = %s, decision = %s
        where tenant_id = %s and id = %s and needs_person and decided_at is null
        returning channel, sender, body, customer_ids, received_at
        """,
        (now, by, decision, tenant_id, received_id),
    )
    row = await decided.fetchone()
    names = ("channel", "sender", "body", "customer_ids", "received_at")
    return dict(zip(names, row, strict=True)) if row else None


async def _id(stored: Any) -> int:
    row = await stored.fetchone()
    assert row is not None
    return int(row[0])
