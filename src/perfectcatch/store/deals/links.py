"""Which contact is which customer, and the customers for whom a person has to say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.store.names import CRM_CONTACTS, DEAL_LINKS, DEAL_MATCHES
from perfectcatch.store.pool import Connection, Pool

_COLUMNS: Final = "st_customer_id, ghl_contact_id, reason, written, tags, pending, creating_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A customer's contact. ``reason``: field, email, phone, created, crm, person; without one: deleted, new.

    ``creating_at``: a contact was being created then, and nobody knows yet how it ended.
    """

    st_customer_id: int
    ghl_contact_id: str | None = None
    reason: str | None = None
    written: Mapping[str, str | None] = field(default_factory=dict)
    tags: Sequence[str] = ()
    pending: Mapping[str, str | None] | None = None
    creating_at: datetime | None = None


async def of_customers(pool: Pool, tenant_id: int, customer_ids: Sequence[int]) -> list[Link]:
    """The links of some customers, in their order."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(
            f"select {_COLUMNS} from {DEAL_LINKS} where tenant_id = %s and st_customer_id = any(%s)",
            (tenant_id, list(customer_ids)),
        )
        found = {link.st_customer_id: link for link in await cursor.fetchall()}
    return [found[each] for each in customer_ids if each in found]


async def owners_of(pool: Pool, tenant_id: int, contact_ids: Sequence[str]) -> dict[str, list[int]]:
    """Customers whose contact each of these is."""
    async with pool.connection() as connection:
        return await owners(connection, tenant_id, contact_ids)


async def owners(connection: Connection, tenant_id: int, contact_ids: Sequence[str]) -> dict[str, list[int]]:
    """Customers whose contact each of these is, in the caller's transaction."""
    found = await connection.execute(
        f"select ghl_contact_id, array_agg(st_customer_id order by st_customer_id) from {DEAL_LINKS}"
        " where tenant_id = %s and ghl_contact_id = any(%s) group by 1",
        (tenant_id, list(contact_ids)),
    )
    return dict(await found.fetchall())


async def put(connection: Connection, tenant_id: int, link: Link) -> None:
    """Keep a link as it is now."""
    await connection.execute(
        f"""
        insert into {DEAL_LINKS} (tenant_id, st_customer_id, ghl_contact_id, reason, written, tags, pending,
          creating_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (tenant_id, st_customer_id) do update set ghl_contact_id = excluded.ghl_contact_id,
          reason = excluded.reason, written = excluded.written, tags = excluded.tags,
          pending = excluded.pending, creating_at = excluded.creating_at, updated_at = now()
        """,
        (
            tenant_id,
            link.st_customer_id,
            link.ghl_contact_id,
            link.reason,
            Jsonb(dict(link.written)),
            list(link.tags),
            Jsonb(dict(link.pending)) if link.pending is not None else None,
            link.creating_at,
        ),
    )


async def forget_contact(connection: Connection, tenant_id: int, contact_id: str) -> list[int]:
    """A contact was deleted in the CRM; the customers that it was. They keep that somebody did so."""
    found = await connection.execute(
        f"""
        update {DEAL_LINKS} set ghl_contact_id = null, reason = 'deleted', written = '{{}}', tags = '{{}}',
          pending = null, creating_at = null, updated_at = now()
        where tenant_id = %s and ghl_contact_id = %s returning st_customer_id
        """,
        (tenant_id, contact_id),
    )
    return [row[0] for row in await found.fetchall()]


# Matches that a person has to make -----------------------------------------------------------------


async def ask(
    connection: Connection,
    tenant_id: int,
    customer_id: int,
    *,
    candidates: Sequence[Mapping[str, Any]],
    reason: str,
    sentence: str,
) -> None:
    """Have a person say which contact a customer is; one question at a time."""
    await connection.execute(
        f"""
        insert into {DEAL_MATCHES} (tenant_id, st_customer_id, candidates, reason, sentence)
        values (%s, %s, %s, %s, %s)
        on conflict (tenant_id, st_customer_id) where resolved_at is null do update set
          candidates = excluded.candidates, reason = excluded.reason, sentence = excluded.sentence
        """,
        (tenant_id, customer_id, Jsonb([dict(each) for each in candidates]), reason, sentence),
    )


async def customer_of_match(pool: Pool, tenant_id: int, match_id: int) -> int | None:
    """Whom an open question is about; None: there is no such open one."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select st_customer_id from {DEAL_MATCHES}"
            " where tenant_id = %s and id = %s and resolved_at is null",
            (tenant_id, match_id),
        )
        row = await found.fetchone()
    return int(row[0]) if row is not None else None


async def answer_match(
    connection: Connection, tenant_id: int, match_id: int, *, decision: str, by: str
) -> tuple[int, list[Mapping[str, Any]]] | None:
    """Close a question; the customer and the candidates. None: there is no such open one."""
    found = await connection.execute(
        f"""
        update {DEAL_MATCHES} set resolved_at = now(), resolved_by = %s, decision = %s
        where tenant_id = %s and id = %s and resolved_at is null returning st_customer_id, candidates
        """,
        (by, decision, tenant_id, match_id),
    )
    row = await found.fetchone()
    return (row[0], row[1]) if row is not None else None


async def settle_match(connection: Connection, tenant_id: int, customer_id: int, contact_id: str) -> None:
    """The question about a customer has answered itself."""
    await connection.execute(
        f"""
        update {DEAL_MATCHES} set resolved_at = now(), resolved_by = 'perfectcatch', decision = %s
        where tenant_id = %s and st_customer_id = %s and resolved_at is null
        """,
        (contact_id, tenant_id, customer_id),
    )


async def with_customer_field(pool: Pool, tenant_id: int, customer_ids: Sequence[int]) -> list[str]:
    """Contacts that carried one of these customers' numbers when they were last read."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select ghl_id from {CRM_CONTACTS} where tenant_id = %s and st_customer_id = any(%s)"
            " and deleted_at is null order by id",
            (tenant_id, list(customer_ids)),
        )
        return [row[0] for row in await found.fetchall()]
