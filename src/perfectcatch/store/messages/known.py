"""What is known about a recipient: the customer, opt-outs, consent, what went out, what is held.

The mirror's tables are read as they are; every question is asked in the transaction that decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row

from perfectcatch.store.names import (
    ADDRESSES,
    CONSENTS,
    MESSAGE_HOLDS,
    MESSAGE_RULES,
    MESSAGES,
    MIRROR,
    OPT_OUTS,
    RECEIVED,
    qualified,
)
from perfectcatch.store.pool import Connection

_CUSTOMERS: Final = qualified(f"{MIRROR}.st_customers")
_CONTACTS: Final = qualified(f"{MIRROR}.st_customer_contacts")
_LOCATIONS: Final = qualified(f"{MIRROR}.st_locations")
_PLACE_CONTACTS: Final = qualified(f"{MIRROR}.st_location_contacts")
PREFERENCES: Final = (
    "job_reminders_enabled",
    "marketing_updates_enabled",
    "invoice_notification",
    "statement_notification",
    "invoice_statement_notification",
)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer with whom was merged into it, and the addresses of all of them."""

    row: Row | None
    family: list[int]
    addresses: list[str]
    do_not_text: bool = False
    wants: dict[str, bool | None] = field(default_factory=dict)


# Who was merged into the customer belongs to it: their opt-outs are the survivor's.
_WANTS: Final = ", ".join(
    f"(select bool_and({each}) from contacts where phone = %(to)s or email = %(to)s) as {each}"
    for each in PREFERENCES
)
_FAMILY: Final = f"""
with recursive family(st_id) as (
  select %(customer)s::bigint
  union select c.st_id from {_CUSTOMERS} c join family f on c.merged_to_id = f.st_id
  where c.tenant_id = %(tenant)s
), contacts as (
  select phone, email, do_not_text, {", ".join(PREFERENCES)} from {_CONTACTS}
  where tenant_id = %(tenant)s and customer_id in (select st_id from family) and deleted_at is null
  union all
  select c.phone, c.email, c.do_not_text, {", ".join(f"c.{each}" for each in PREFERENCES)}
  from {_LOCATIONS} l join {_PLACE_CONTACTS} c on c.tenant_id = l.tenant_id and c.location_id = l.st_id
  where l.tenant_id = %(tenant)s and l.customer_id in (select st_id from family)
    and l.deleted_at is null and c.deleted_at is null
)
select (select array_agg(st_id) from family) as family,
  (select array_agg(distinct each) from contacts, unnest(array[phone, email]) each
    where each is not null) as addresses,
  (select bool_or(do_not_text) from contacts where phone = %(to)s) as do_not_text,
  {_WANTS}
"""


async def customer(connection: Connection, tenant_id: int, customer_id: int, to: str | None) -> Customer:
    """The customer as the mirror has it. ``row`` is None when there is none."""
    row = await _row(
        connection,
        f"""
        select active, deleted_at is not null as deleted, merged_to_id, do_not_service, do_not_mail
        from {_CUSTOMERS} where tenant_id = %(tenant)s and st_id = %(customer)s
        """,
        {"tenant": tenant_id, "customer": customer_id},
    )
    found = await _row(connection, _FAMILY, {"tenant": tenant_id, "customer": customer_id, "to": to})
    assert found is not None
    return Customer(
        row=row,
        family=found["family"],
        addresses=found["addresses"] or [],
        do_not_text=bool(found["do_not_text"]),
        wants={each: found[each] for each in PREFERENCES},
    )


async def owners(connection: Connection, tenant_id: int, address: str) -> list[int]:
    """Customers that have this number or email address among their contacts or those of their places."""
    rows = await _rows(
        connection,
        f"""
        select customer_id as id from {_CONTACTS}
        where tenant_id = %(tenant)s and deleted_at is null and (phone = %(to)s or email = %(to)s)
        union
        select l.customer_id from {_PLACE_CONTACTS} c
        join {_LOCATIONS} l on l.tenant_id = c.tenant_id and l.st_id = c.location_id
        where c.tenant_id = %(tenant)s and c.deleted_at is null and (c.phone = %(to)s or c.email = %(to)s)
        order by id
        """,
        {"tenant": tenant_id, "to": address},
    )
    return [row["id"] for row in rows if row["id"] is not None]


async def places(
    connection: Connection, tenant_id: int, customer_id: int | None, location_id: int | None
) -> list[tuple[str | None, str | None]]:
    """State and postal code of the place that the message is about, else of all of the customer's places."""
    if location_id is not None:
        rows = await _rows(
            connection,
            f"select state, zip from {_LOCATIONS} where tenant_id = %(tenant)s and st_id = %(id)s",
            {"tenant": tenant_id, "id": location_id},
        )
        if rows:
            return [(row["state"], row["zip"]) for row in rows]
    if customer_id is None:
        return []
    rows = await _rows(
        connection,
        f"""
        select state, zip from {_CUSTOMERS} where tenant_id = %(tenant)s and st_id = %(id)s
        union
        select state, zip from {_LOCATIONS}
        where tenant_id = %(tenant)s and customer_id = %(id)s and deleted_at is null and active is not false
        """,
        {"tenant": tenant_id, "id": customer_id},
    )
    return [(row["state"], row["zip"]) for row in rows]


async def opt_outs(
    connection: Connection, tenant_id: int, addresses: Sequence[str], customers: Sequence[int]
) -> list[Row]:
    """Opt-outs in force of these addresses or of these customers, the newest first."""
    return await _rows(
        connection,
        f"""
        select channel, covers, source, wording, since from {OPT_OUTS}
        where tenant_id = %(tenant)s and ended_at is null
          and (address = any(%(addresses)s) or customer_ids && %(customers)s::bigint[])
        order by since desc, id desc
        """,
        {"tenant": tenant_id, "addresses": list(addresses), "customers": list(customers)},
    )


async def consent(
    connection: Connection, tenant_id: int, channel: str, to: str | None, customers: Sequence[int]
) -> Row | None:
    """The last word about marketing on this channel: for the address, or for the customer with no address."""
    return await _row(
        connection,
        f"""
        select given, given_at as at, source from {CONSENTS}
        where tenant_id = %(tenant)s and channel = %(channel)s and purpose = 'marketing'
          and (address = %(to)s or (address is null and customer_id = any(%(customers)s)))
        order by given_at desc, id desc limit 1
        """,
        {"tenant": tenant_id, "channel": channel, "to": to, "customers": list(customers)},
    )


async def sends(
    connection: Connection,
    tenant_id: int,
    to: str,
    customers: Sequence[int],
    *,
    since: datetime,
    shadow: bool,
    key: str,
) -> list[Row]:
    """What went, or may have gone, to this address or customer; in shadow mode also what would have gone."""
    went = "(not shadow and status in ('sent', 'delivered', 'unknown'))"
    if shadow:
        went = f"({went} or (shadow and reason = 'shadow'))"
    return await _rows(
        connection,
        f"""
        select sent_at as at, channel, purpose, address as to, fingerprint as text, customer_id,
          workflow || '/' || coalesce(step, '') as what, coalesce((data->>'reply')::boolean, false) as reply
        from {MESSAGES}
        where tenant_id = %(tenant)s and sent_at > %(since)s and {went} and intent_key <> %(key)s
          and (address = %(to)s or customer_id = any(%(customers)s))
        order by sent_at desc
        """,
        {"tenant": tenant_id, "to": to, "customers": list(customers), "since": since, "key": key},
    )


async def trouble(connection: Connection, tenant_id: int, channel: str, to: str) -> str | None:
    """What is known against the address."""
    row = await _row(
        connection,
        f"select trouble from {ADDRESSES} where tenant_id = %(t)s and channel = %(c)s and address = %(to)s",
        {"t": tenant_id, "c": channel, "to": to},
    )
    return row["trouble"] if row else None


async def doubtful(
    connection: Connection, tenant_id: int, to: str, customers: Sequence[int]
) -> datetime | None:
    """Since when words of this person wait for somebody who decides whether they are an opt-out."""
    row = await _row(
        connection,
        f"""
        select min(received_at) as since from {RECEIVED}
        where tenant_id = %(tenant)s and needs_person and decided_at is null and meaning = 'doubtful'
          and (sender = %(to)s or customer_ids && %(customers)s::bigint[])
        """,
        {"tenant": tenant_id, "to": to, "customers": list(customers)},
    )
    return row["since"] if row else None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as the guard counts: a ``workflow``, or a ``caller`` that asks without one."""

    kind: str
    name: str

    @property
    def condition(self) -> str:
        """The messages of this sender; takes the parameter ``sender``."""
        if self.kind == "workflow":
            return "workflow = %(sender)s"
        return "workflow is null and asked_by = %(sender)s"


async def hold(connection: Connection, tenant_id: int, channel: str, sender: Sender) -> Row | None:
    """What holds this channel or this sender, the channel first."""
    return await _row(
        connection,
        f"""
        select kind, reason, sentence, created_at as since from {MESSAGE_HOLDS}
        where tenant_id = %(tenant)s and decided_at is null
          and ((kind = 'channel' and name = %(channel)s) or (kind = %(kind)s and name = %(name)s))
        order by kind = 'channel' desc limit 1
        """,
        {"tenant": tenant_id, "channel": channel, "kind": sender.kind, "name": sender.name},
    )


async def blast(
    connection: Connection, tenant_id: int, sender: Sender, *, since: datetime, shadow: bool
) -> tuple[int, int]:
    """How many messages of a sender went out since then, and how many a person has allowed."""
    row = await _row(
        connection,
        f"""
        select
          (select count(*) from {MESSAGES} where tenant_id = %(tenant)s and {sender.condition}
            and not coalesce((data->>'reply')::boolean, false) and sent_at > %(since)s and shadow = %(shadow)s
            and (status in ('sent', 'delivered', 'unknown', 'failed') or reason = 'shadow')) as sent,
          (select coalesce(max(allowed), 0) from {MESSAGE_HOLDS} where tenant_id = %(tenant)s
            and kind = %(kind)s and name = %(sender)s and decided_at > %(since)s
            and decision = 'release') as allowed
        """,
        {
            "tenant": tenant_id,
            "kind": sender.kind,
            "sender": sender.name,
            "since": since,
            "shadow": shadow,
        },
    )
    assert row is not None
    return row["sent"], row["allowed"]


async def rules(connection: Connection, tenant_id: int) -> dict[str, Any]:
    """Rules that the company has changed."""
    rows = await _rows(
        connection, f"select name, value from {MESSAGE_RULES} where tenant_id = %(t)s", {"t": tenant_id}
    )
    return {row["name"]: row["value"] for row in rows}


async def _rows(connection: Connection, statement: str, values: Row) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()


async def _row(connection: Connection, statement: str, values: Row) -> Row | None:
    rows = await _rows(connection, statement, values)
    return rows[0] if rows else None
