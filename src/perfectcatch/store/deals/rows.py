"""Deals with what we wrote of them, conflicts with people, and every move that we made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.model.crm import DealStatus
from perfectcatch.model.deals import TWIN, Marks
from perfectcatch.store.names import CRM_OPPORTUNITIES, DEAL_CONFLICTS, DEAL_MOVES, DEALS
from perfectcatch.store.pool import Connection, Pool

_COLUMNS: Final = (
    "deal, st_customer_id as customer_id, st_job_id as job_id, st_estimate_id as estimate_id,"
    " ghl_opportunity_id as opportunity_id, ghl_contact_id as contact_id, written, conceded, pending,"
    " creating_at, note"
)


async def of_customers(
    pool: Pool, tenant_id: int, customer_ids: Sequence[int], keys: Sequence[str]
) -> dict[str, Marks]:
    """What is known of the deals of some customers, and of those with these names; by name."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Marks)) as cursor:
        await cursor.execute(
            f"select {_COLUMNS} from {DEALS} where tenant_id = %(tenant)s"
            " and (st_customer_id = any(%(customers)s) or deal = any(%(keys)s)) order by first_at, deal",
            {"tenant": tenant_id, "customers": list(customer_ids), "keys": list(keys)},
        )
        return {marks.deal: marks for marks in await cursor.fetchall()}


async def opportunities(pool: Pool, tenant_id: int) -> list[str]:
    """The ids of all opportunities that are a deal's."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select ghl_opportunity_id from {DEALS} where tenant_id = %s and ghl_opportunity_id is not null",
            (tenant_id,),
        )
        return [row[0] for row in await found.fetchall()]


async def with_opportunities(pool: Pool, tenant_id: int, ids: Sequence[str]) -> dict[str, Marks]:
    """Deals by the id of their opportunity."""
    async with pool.connection() as connection:
        return await owners(connection, tenant_id, ids)


async def owners(connection: Connection, tenant_id: int, ids: Sequence[str]) -> dict[str, Marks]:
    """Deals by the id of their opportunity, in the caller's transaction."""
    async with connection.cursor(row_factory=class_row(Marks)) as cursor:
        await cursor.execute(
            f"select {_COLUMNS} from {DEALS} where tenant_id = %s and ghl_opportunity_id = any(%s)",
            (tenant_id, list(ids)),
        )
        return {str(marks.opportunity_id): marks for marks in await cursor.fetchall()}


async def is_named(pool: Pool, tenant_id: int, key: str, *, field: str, but: str | None) -> bool:
    """Whether any deal but one has this name, or sent it in a field of what it waits for."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select exists (select from {DEALS} where tenant_id = %(tenant)s"
            " and deal is distinct from %(but)s and %(key)s in (deal, pending->>%(field)s))",
            {"tenant": tenant_id, "key": key, "field": field, "but": but},
        )
        return await found.fetchone() == (True,)


async def put(connection: Connection, tenant_id: int, marks: Marks) -> None:
    """Keep what is known of a deal as it is now."""
    await connection.execute(
        f"""
        insert into {DEALS} (tenant_id, deal, st_customer_id, st_job_id, st_estimate_id, ghl_opportunity_id,
          ghl_contact_id, written, conceded, pending, creating_at, note)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (tenant_id, deal) do update set st_customer_id = excluded.st_customer_id,
          st_job_id = excluded.st_job_id, st_estimate_id = excluded.st_estimate_id,
          ghl_opportunity_id = excluded.ghl_opportunity_id, ghl_contact_id = excluded.ghl_contact_id,
          written = excluded.written, conceded = excluded.conceded, pending = excluded.pending,
          creating_at = excluded.creating_at, note = excluded.note, updated_at = now()
        """,
        (
            tenant_id,
            marks.deal,
            marks.customer_id,
            marks.job_id,
            marks.estimate_id,
            marks.opportunity_id,
            marks.contact_id,
            Jsonb(dict(marks.written)),
            Jsonb(dict(marks.conceded)),
            Jsonb(dict(marks.pending)) if marks.pending is not None else None,
            marks.creating_at,
            marks.note,
        ),
    )


async def rename(
    connection: Connection, tenant_id: int, deal: str, new: str, *, instead: bool = False
) -> None:
    """Let the opportunity of a deal go on as that of another; ``instead`` of what is kept of that one."""
    if instead:
        await connection.execute(f"delete from {DEALS} where tenant_id = %s and deal = %s", (tenant_id, new))
    await connection.execute(
        f"update {DEALS} set deal = %s, updated_at = now() where tenant_id = %s and deal = %s",
        (new, tenant_id, deal),
    )


async def forget(connection: Connection, tenant_id: int, opportunity_id: str) -> Marks | None:
    """An opportunity is gone from the CRM; the deal that it was."""
    async with connection.cursor(row_factory=class_row(Marks)) as cursor:
        await cursor.execute(
            f"delete from {DEALS} where tenant_id = %s and ghl_opportunity_id = %s returning {_COLUMNS}",
            (tenant_id, opportunity_id),
        )
        return await cursor.fetchone()


# Conflicts ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One that nobody has decided: whose, about what, and what the CRM says there."""

    id: int
    customer_id: int
    deal: str
    field: str
    theirs: str | None


async def note_conflict(
    connection: Connection,
    tenant_id: int,
    marks: Marks,
    *,
    field: str,
    ours: str | None,
    theirs: str | None,
    kept: str,
    sentence: str,
) -> None:
    """List a conflict; the one before about the same field is over. What we set again needs nobody.

    Every second opportunity of a deal is a question of its own.
    """
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "customer": marks.customer_id,
        "deal": marks.deal,
        "opportunity": marks.opportunity_id,
        "field": field,
        "ours": ours,
        "theirs": theirs,
        "kept": kept,
        "sentence": sentence,
    }
    if field != TWIN:
        await agree(connection, tenant_id, marks.deal, [field], decision="overtaken")
    await connection.execute(
        f"""
        insert into {DEAL_CONFLICTS} (tenant_id, st_customer_id, deal, ghl_opportunity_id, field, ours,
          theirs, kept, sentence, resolved_at, resolved_by, decision)
        values (%(tenant)s, %(customer)s, %(deal)s, %(opportunity)s, %(field)s, %(ours)s, %(theirs)s,
          %(kept)s, %(sentence)s, case when %(kept)s = 'ours' then now() end,
          case when %(kept)s = 'ours' then 'perfectcatch' end, case when %(kept)s = 'ours' then 'ours' end)
        """,
        values,
    )


async def agree(
    connection: Connection, tenant_id: int, deal: str, fields: Sequence[str], *, decision: str = "agreed"
) -> None:
    """Both sides say the same now."""
    await connection.execute(
        f"""
        update {DEAL_CONFLICTS} set resolved_at = now(), resolved_by = 'perfectcatch', decision = %s
        where tenant_id = %s and deal = %s and field = any(%s) and resolved_at is null
        """,
        (decision, tenant_id, deal, list(fields)),
    )


async def settle_twins(connection: Connection, tenant_id: int, deals: Sequence[str]) -> None:
    """Close questions about second opportunities that are a deal's own by now, or open no longer."""
    await connection.execute(
        f"""
        update {DEAL_CONFLICTS} c set resolved_at = now(), resolved_by = 'perfectcatch',
          decision = 'overtaken'
        where c.tenant_id = %(tenant)s and c.deal = any(%(deals)s) and c.field = %(twin)s
          and c.resolved_at is null and (
            exists (select from {DEALS} d where d.tenant_id = c.tenant_id and d.ghl_opportunity_id = c.theirs)
            or exists (select from {CRM_OPPORTUNITIES} o where o.tenant_id = c.tenant_id
              and o.ghl_id = c.theirs and (o.status <> 'open' or o.deleted_at is not null)))
        """,
        {"tenant": tenant_id, "deals": list(deals), "twin": TWIN},
    )


async def open_conflict(pool: Pool, tenant_id: int, conflict_id: int) -> Conflict | None:
    """The conflict; None: there is no such open one."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Conflict)) as cursor:
        await cursor.execute(
            f"select id, st_customer_id as customer_id, deal, field, theirs from {DEAL_CONFLICTS}"
            " where tenant_id = %s and id = %s and resolved_at is null",
            (tenant_id, conflict_id),
        )
        return await cursor.fetchone()


async def decide_conflict(
    connection: Connection, tenant_id: int, conflict_id: int, *, decision: str, by: str
) -> tuple[int, str, str] | None:
    """Close a conflict; customer, deal and field. None: there is no such open one."""
    found = await connection.execute(
        f"""
        update {DEAL_CONFLICTS} set resolved_at = now(), resolved_by = %s, decision = %s
        where tenant_id = %s and id = %s and resolved_at is null returning st_customer_id, deal, field
        """,
        (by, decision, tenant_id, conflict_id),
    )
    row = await found.fetchone()
    return (row[0], row[1], row[2]) if row is not None else None


# Moves -------------------------------------------------------------------------------------------


async def note_move(
    connection: Connection,
    tenant_id: int,
    marks: Marks,
    *,
    kind: str,
    pipeline: str | None,
    stage: str | None,
    changes: Mapping[str, str | None],
    event_id: int | None,
) -> None:
    """Keep that we created or changed an opportunity."""
    value = changes.get("value")
    await connection.execute(
        f"""
        insert into {DEAL_MOVES} (tenant_id, st_customer_id, deal, ghl_opportunity_id, kind, pipeline, stage,
          status, value, changed, event_id)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            tenant_id,
            marks.customer_id,
            marks.deal,
            marks.opportunity_id,
            kind,
            pipeline,
            stage,
            changes.get("status"),
            Decimal(value) if value is not None else None,
            sorted(changes),
            event_id,
        ),
    )


async def note_closed(connection: Connection, tenant_id: int, marks: Marks, *, event_id: int | None) -> None:
    """Keep that we closed an opportunity as abandoned, in the stage where it was."""
    await note_move(
        connection,
        tenant_id,
        marks,
        kind="changed",
        pipeline=None,
        stage=None,
        changes={"status": DealStatus.ABANDONED.value},
        event_id=event_id,
    )
