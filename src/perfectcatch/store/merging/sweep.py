"""Deletions that the vendor does not report: a full read shows which of our rows no longer exist.

The ids of a full read are collected page by page, in the transactions of the pages. What is missing at the
end is a candidate; the caller asks the vendor for it, where it can, before it is marked as deleted. A sweep
that would remove a large share is held for a person, because a wrong answer of the vendor is then likelier
than so many deletions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from perfectcatch.model.entity import Entity
from perfectcatch.store import holds, state
from perfectcatch.store.merging.mirror import prepare_session, statements_of
from perfectcatch.store.names import HOLDS, QUARANTINE, SWEEP_IDS, qualified, quote
from perfectcatch.store.pool import Connection, Pool, run_in_transaction, transaction
from perfectcatch.store.schema.gathered import merged_to_column

LARGEST_SHARE = 0.02
LARGEST_NUMBER = 500
ALWAYS_ALLOWED = 10  # two per cent of a short list is less than one record
LISTED = 1000  # ids that a hold names


@dataclass(frozen=True, slots=True)
class Missing:
    """What a full read did not bring: our ids that were absent, of ``total`` live rows."""

    ids: list[int]
    total: int

    @property
    def too_many(self) -> bool:
        """Whether a person has to look first."""
        limit = min(LARGEST_NUMBER, max(ALWAYS_ALLOWED, int(self.total * LARGEST_SHARE)))
        return len(self.ids) > limit

    @property
    def most(self) -> bool:
        """Whether more than half of what we have was absent."""
        return 2 * len(self.ids) > self.total


async def note_page(connection: Connection, tenant_id: int, sweep_id: UUID, entity: Entity) -> None:
    """Keep the ids of the page that was merged in this transaction."""
    await connection.execute(
        f"""
        insert into {SWEEP_IDS} (tenant_id, run_id, entity, st_id)
        select %s, %s, %s, st_id from plan on conflict do nothing
        """,
        (tenant_id, sweep_id, entity.name),
    )


async def has_rows(connection: Connection, tenant_id: int, entity: Entity) -> bool:
    """Whether the mirror holds live records of the entity."""
    found = await connection.execute(
        f"select exists (select from {qualified(entity.table)} where tenant_id = %s and deleted_at is null)",
        (tenant_id,),
    )
    row = await found.fetchone()
    return bool(row and row[0])


async def missing(
    pool: Pool, tenant_id: int, sweep_id: UUID, entity: Entity, *, started_at: datetime
) -> Missing:
    """Which live rows the full read that began at ``started_at`` did not bring, not even in a broken form."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select m.st_id from {qualified(entity.table)} m
            where m.tenant_id = %(tenant)s and m.deleted_at is null and m.local_synced_at < %(started)s
              and not exists (select 1 from {SWEEP_IDS} s where s.tenant_id = m.tenant_id
                and s.run_id = %(sweep)s and s.entity = %(entity)s and s.st_id = m.st_id)
              and not exists (select 1 from {QUARANTINE} q where q.tenant_id = m.tenant_id
                and q.entity = %(entity)s and q.st_id = m.st_id and q.resolved_at is null
                and q.last_seen_at >= %(started)s)
            order by m.st_id
            """,
            {"tenant": tenant_id, "sweep": sweep_id, "entity": entity.name, "started": started_at},
        )
        ids = [row[0] for row in await found.fetchall()]
        counted = await connection.execute(
            f"select count(*) from {qualified(entity.table)} where tenant_id = %s and deleted_at is null",
            (tenant_id,),
        )
        row = await counted.fetchone()
        return Missing(ids, int(row[0]) if row else 0)


async def owners(
    pool: Pool, tenant_id: int, entity: Entity, owner: Entity, ids: Sequence[int]
) -> dict[int, int]:
    """Which record of ``owner`` has each of ``ids``; of a merged one, that which stands in the end."""
    columns = [quote(each.name) for each in entity.vendor_columns if each.references == owner.name]
    if not columns:
        return {}
    merged_to = merged_to_column(owner)
    column = quote(merged_to) if merged_to else "null::bigint"
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            with recursive chain as (
              select st_id, {columns[0]} as owner, array[{columns[0]}] as path from {qualified(entity.table)}
              where tenant_id = %(tenant)s and st_id = any(%(ids)s) and {columns[0]} is not null
              union all
              select c.st_id, o.next, c.path || o.next from chain c
              cross join lateral (select {column} as next from {qualified(owner.table)} w
                where w.tenant_id = %(tenant)s and w.st_id = c.owner) o
              where o.next <> all (c.path)
            )
            select distinct on (st_id) st_id, owner from chain order by st_id, cardinality(path) desc
            """,
            {"tenant": tenant_id, "ids": list(ids)},
        )
        return dict(await found.fetchall())


async def bury(
    pool: Pool,
    tenant_id: int,
    entity: Entity,
    entities: Mapping[str, Entity],
    ids: Sequence[int],
    run_id: UUID | None,
) -> int:
    """Mark ``ids`` as deleted, with history and all that depends on them. Returns how many were live."""
    statements = statements_of(entity, entities)
    values = {"tenant": tenant_id, "run": run_id}

    async def work(connection: Connection) -> int:
        await prepare_session(connection)
        await connection.execute(statements.lock, values)
        await connection.execute(
            f"""
            insert into plan (st_id, gone, kind) select m.st_id, true, 'c'
            from {qualified(entity.table)} m
            where m.tenant_id = %s and m.st_id = any(%s) and m.deleted_at is null
            """,
            (tenant_id, list(ids)),
        )
        await connection.execute(statements.remember, values)
        await connection.execute(statements.keep_history, values)
        buried = await connection.execute(
            f"""
            update {qualified(entity.table)} m set deleted_at = now(), revision = m.revision + 1,
              local_synced_at = now()
            from plan p where m.tenant_id = %(tenant)s and m.st_id = p.st_id
            """,
            values,
        )
        for statement in (*statements.owners_look_ups, *statements.links):
            await connection.execute(statement, values)
        return buried.rowcount

    return await run_in_transaction(pool, work)


async def hold(pool: Pool, tenant_id: int, entity: Entity, run_id: UUID, absent: Missing) -> None:
    """Ask a person: write down what the sweep would have removed, once for each entity.

    What such a read did not bring says nothing about the next one.
    """
    async with transaction(pool) as connection:
        await state.forget(connection, tenant_id, _absent_key(entity))
        await connection.execute(
            f"delete from {HOLDS} where tenant_id = %s and entity = %s and decided_at is null",
            (tenant_id, entity.name),
        )
        await connection.execute(
            f"""
            insert into {HOLDS} (tenant_id, entity, run_id, kind, found, total, detail)
            values (%s, %s, %s, 'deletions', %s, %s, %s)
            """,
            (
                tenant_id,
                entity.name,
                run_id,
                len(absent.ids),
                absent.total,
                Jsonb({"first_ids": absent.ids[:LISTED]}),
            ),
        )


async def forget_others(connection: Connection, tenant_id: int, sweep_id: UUID, entity: Entity) -> None:
    """Remove what full reads that were given up have left.

    Such a one may have brought what was absent before it.
    """
    removed = await connection.execute(
        f"delete from {SWEEP_IDS} where tenant_id = %s and entity = %s and run_id <> %s",
        (tenant_id, entity.name, sweep_id),
    )
    if removed.rowcount:
        await state.forget(connection, tenant_id, _absent_key(entity))


async def end(connection: Connection, tenant_id: int, entity: Entity) -> None:
    """The sweep is over: its ids go, and a hold that waited for it is released.

    In the transaction that ends the read: a checkpoint without its ids would take everything for gone.
    """
    await connection.execute(
        f"delete from {SWEEP_IDS} where tenant_id = %s and entity = %s", (tenant_id, entity.name)
    )
    await holds.release(connection, tenant_id, entity.name, "settled by a later full read")


async def absent_again(
    pool: Pool, tenant_id: int, sweep_id: UUID, entity: Entity, ids: Sequence[int], *, started_at: datetime
) -> set[int]:
    """Those of ``ids`` that the full read before this one did not bring either, nor anybody since it began.

    All are kept for the next one. A read that is taken up again at its end is no other than it was.
    """
    key = _absent_key(entity)
    found = (await state.get(pool, tenant_id, key)).get(key)
    kept = found if isinstance(found, dict) else {}  # an earlier version kept no more than a list
    before = kept.get("before" if kept.get("sweep") == str(sweep_id) else "now") or {"at": None, "ids": []}
    if not ids and not kept:
        return set()
    now = {"at": started_at.isoformat(), "ids": list(ids)}
    again = set(ids) & set(before["ids"])
    async with transaction(pool) as connection:
        if ids:
            kept = {"sweep": str(sweep_id), "now": now, "before": before}
            await state.put(connection, tenant_id, key, kept)
        else:
            await state.forget(connection, tenant_id, key)
        rows = await connection.execute(
            f"select st_id from {qualified(entity.table)} where tenant_id = %s and st_id = any(%s)"
            " and local_synced_at < %s",
            (tenant_id, list(again), before["at"]),
        )
        return {row[0] for row in await rows.fetchall()}


def _absent_key(entity: Entity) -> str:
    return f"{entity.name}_absent"
