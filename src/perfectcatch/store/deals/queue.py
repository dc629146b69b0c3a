"""Customers whose deals are to be looked at: each once, until it was done, with what the CRM said if not.

A mark that is set again while the customer is being done is not lost: ``version`` tells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row

from perfectcatch.store.names import CRM_CHANNEL, DEAL_MATCHES, DEAL_QUEUE
from perfectcatch.store.pool import Connection, Pool

_MOST_REASONS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A customer that this process does now.

    ``looks``: the CRM is to be asked even where nothing of ours has changed. ``late``: journeys that ended
    long ago count too. ``event_id``: the newest event that led to it. ``claimed_until`` tells this claim
    from every other one of the customer.
    """

    st_customer_id: int
    version: int
    looks: bool
    late: bool
    event_id: int | None
    wanted_at: datetime
    attempts: int
    failing_since: datetime | None
    claimed_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Why a customer is to be looked at."""

    customer_id: int
    reason: str
    event_id: int | None = None
    looks: bool = False
    late: bool = False


async def want(connection: Connection, tenant_id: int, marks: Iterable[Mark]) -> int:
    """Have customers looked at, in the caller's transaction; how many."""
    by_customer: dict[int, list[Mark]] = {}
    for mark in marks:
        by_customer.setdefault(mark.customer_id, []).append(mark)
    rows = [
        (
            customer_id,
            sorted({each.reason for each in found})[:_MOST_REASONS],
            any(each.looks for each in found),
            any(each.late for each in found),
            max((each.event_id for each in found if each.event_id is not None), default=None),
        )
        for customer_id, found in sorted(by_customer.items())
    ]
    if not rows:
        return 0
    async with connection.cursor() as cursor:
        await cursor.executemany(
            f"""
            insert into {DEAL_QUEUE} as q (tenant_id, st_customer_id, reasons, looks, late, event_id)
            values (%s, %s, %s, %s, %s, %s)
            on conflict (tenant_id, st_customer_id) do update set
              reasons = (select array_agg(distinct each) from unnest(q.reasons || excluded.reasons) each),
              looks = q.looks or excluded.looks, late = q.late or excluded.late,
              event_id = greatest(q.event_id, excluded.event_id), version = q.version + 1,
              next_try_at = case when q.refused then q.next_try_at else least(q.next_try_at, now()) end
            """,
            [(tenant_id, *row) for row in rows],
        )
    await connection.execute("select pg_notify(%s, %s)", (CRM_CHANNEL, str(tenant_id)))
    return len(rows)


async def claim(
    pool: Pool, tenant_id: int, *, limit: int, seconds: float, customer_id: int | None = None
) -> list[Claim]:
    """Take what is due, the oldest first, for so many seconds; then it is due again."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Claim)) as cursor:
        await cursor.execute(
            f"""
            update {DEAL_QUEUE} set claimed_until = now() + make_interval(secs => %(seconds)s)
            where tenant_id = %(tenant)s and st_customer_id = any(array(
              select st_customer_id from {DEAL_QUEUE} where tenant_id = %(tenant)s
                and (%(customer)s::bigint is not null or next_try_at <= now())
                and (%(customer)s::bigint is null or st_customer_id = %(customer)s)
                and (claimed_until is null or claimed_until < now())
              order by next_try_at limit %(limit)s for update skip locked))
            returning st_customer_id, version, looks, late, event_id, wanted_at, attempts, failing_since,
              claimed_until
            """,
            {"tenant": tenant_id, "limit": limit, "seconds": seconds, "customer": customer_id},
        )
        return await cursor.fetchall()


async def done(pool: Pool, tenant_id: int, claim: Claim) -> None:
    """It was done; where it was marked again meanwhile, it is due again."""
    values = {"tenant": tenant_id, "customer": claim.st_customer_id, "version": claim.version}
    async with pool.connection() as connection, connection.transaction():
        gone = await connection.execute(
            f"delete from {DEAL_QUEUE} where tenant_id = %(tenant)s and st_customer_id = %(customer)s"
            " and version = %(version)s",
            values,
        )
        if not gone.rowcount:
            await connection.execute(
                f"""
                update {DEAL_QUEUE} set claimed_until = null, attempts = 0, error = null, cause = null,
                  refused = false, failing_since = null, alarmed_at = null, next_try_at = now()
                where tenant_id = %(tenant)s and st_customer_id = %(customer)s
                """,
                values,
            )


async def failed(
    pool: Pool,
    tenant_id: int,
    claim: Claim,
    *,
    error: str,
    cause: str,
    refused: bool,
    after_seconds: float,
) -> None:
    """It was not done: ``error`` in the CRM's own words, ``cause`` in ours; again after so many seconds."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            update {DEAL_QUEUE} set claimed_until = null, attempts = attempts + 1, error = %(error)s,
              cause = %(cause)s, refused = %(refused)s, failing_since = coalesce(failing_since, now()),
              next_try_at = now() + make_interval(secs => %(wait)s)
            where tenant_id = %(tenant)s and st_customer_id = %(customer)s
            """,
            {
                "tenant": tenant_id,
                "customer": claim.st_customer_id,
                "error": error[:2000],
                "cause": cause[:500],
                "refused": refused,
                "wait": after_seconds,
            },
        )


async def release(pool: Pool, tenant_id: int, claims: Sequence[Claim]) -> None:
    """Give back what was claimed and not done; what is done, or claimed by another one since, stays."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            update {DEAL_QUEUE} q set claimed_until = null
            from unnest(%s::bigint[], %s::timestamptz[]) as ours (st_customer_id, claimed_until)
            where q.tenant_id = %s and q.st_customer_id = ours.st_customer_id
              and q.claimed_until = ours.claimed_until
            """,
            ([each.st_customer_id for each in claims], [each.claimed_until for each in claims], tenant_id),
        )


async def retry_refused(pool: Pool, tenant_id: int) -> int:
    """Let everything that was refused be due now, but for what a person is asked about; how much.

    What only waits (the CRM was away, or said how long) comes by itself.
    """
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            update {DEAL_QUEUE} q set next_try_at = now()
            where q.tenant_id = %s and q.refused and q.next_try_at > now()
              and not exists (select from {DEAL_MATCHES} m where m.tenant_id = q.tenant_id
                and m.st_customer_id = q.st_customer_id and m.resolved_at is null)
            """,
            (tenant_id,),
        )
        return found.rowcount


async def due_now(connection: Connection, tenant_id: int, customer_id: int) -> None:
    """Let a customer be due now, refused or not."""
    await connection.execute(
        f"update {DEAL_QUEUE} set next_try_at = now() where tenant_id = %s and st_customer_id = %s",
        (tenant_id, customer_id),
    )


async def too_old(connection: Connection, tenant_id: int, hours: float) -> list[dict[str, Any]]:
    """What has been refused for so many hours and nobody was told of; it counts as told from now on."""
    found = await connection.execute(
        f"""
        update {DEAL_QUEUE} set alarmed_at = now()
        where tenant_id = %s and alarmed_at is null and failing_since < now() - make_interval(secs => %s)
        returning st_customer_id, failing_since, attempts, error, cause
        """,
        (tenant_id, hours * 3600),
    )
    names = ("customer_id", "since", "attempts", "error", "cause")
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How much waits: ``due`` now, ``refused`` by the CRM, and since when the oldest does."""

    total: int
    due: int
    refused: int
    oldest: datetime | None
    failing_since: datetime | None


async def waiting(pool: Pool, tenant_id: int) -> Waiting:
    """Count what waits."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(
            f"""
            select count(*) as total, count(*) filter (where next_try_at <= now()) as due,
              count(*) filter (where attempts > 0) as refused, min(wanted_at) as oldest,
              min(failing_since) as failing_since
            from {DEAL_QUEUE} where tenant_id = %s
            """,
            (tenant_id,),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def next_due(pool: Pool, tenant_id: int) -> float | None:
    """In how many seconds the next is due; None: nothing waits."""
    async with pool.connection() as connection:
        found = await connection.execute(
            "select extract(epoch from min(greatest(next_try_at, coalesce(claimed_until, next_try_at)))"
            f" - now())::float8 from {DEAL_QUEUE} where tenant_id = %s",
            (tenant_id,),
        )
        row = await found.fetchone()
    return None if row is None or row[0] is None else max(0.0, float(row[0]))
