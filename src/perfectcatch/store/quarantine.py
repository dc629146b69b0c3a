"""Records that cannot be stored: kept with their reason, tried again when something has changed.

A record in quarantine does not stop a run, and it is never silently lost: the mirror goes on showing the last
good version of it, ``sync status`` counts it, and ``sync quarantine --redrive`` sends it through the merge
again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from perfectcatch.model.entity import Entity, derived_id
from perfectcatch.model.source import BrokenRecord
from perfectcatch.store.extract import fault_function
from perfectcatch.store.names import QUARANTINE
from perfectcatch.store.pool import Connection, Pool

Document = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Held:
    """A record in quarantine."""

    id: int
    entity: str
    st_id: int | None
    reason: str
    raw: bytes
    times: int
    first_seen_at: datetime
    last_seen_at: datetime


async def inspect(
    connection: Connection, entity: Entity, records: Sequence[Document]
) -> tuple[list[Document], list[BrokenRecord]]:
    """Divide ``records`` into those that can be stored and those that cannot, with the reason."""
    await connection.execute(fault_function(entity))
    await connection.execute(
        "create temp table if not exists suspects (ord integer, raw bytea) on commit delete rows"
    )
    async with connection.cursor() as cursor, cursor.copy("copy suspects from stdin (format binary)") as copy:
        copy.set_types(["int4", "bytea"])
        for ord_, record in enumerate(records):
            await copy.write_row((ord_, bytes(record)))
    found = await connection.execute(
        "select ord, reason from (select ord, pg_temp.fault_of(raw) as reason from suspects) judged "
        "where reason is not null"
    )
    reasons: dict[int, str] = dict(await found.fetchall())
    await connection.execute("truncate suspects")
    good = [record for ord_, record in enumerate(records) if ord_ not in reasons]
    bad = [BrokenRecord(bytes(records[ord_]), reason) for ord_, reason in sorted(reasons.items())]
    return good, bad


async def put(
    connection: Connection,
    tenant_id: int,
    entity: Entity,
    bad: Sequence[BrokenRecord],
    *,
    run_id: UUID | None,
) -> None:
    """Keep ``bad``; the same bytes seen again only count up."""
    rows = [
        {
            "tenant": tenant_id,
            "entity": entity.name,
            "st_id": _id_in(entity, record.raw),
            "fingerprint": blake2b(record.raw, digest_size=16).digest(),
            "reason": record.reason[:2000],
            "raw": record.raw,
            "run": run_id,
        }
        for record in bad
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(
            f"""
            insert into {QUARANTINE} as q (tenant_id, entity, st_id, fingerprint, reason, raw, run_id,
              first_seen_at, last_seen_at)
            values (%(tenant)s, %(entity)s, %(st_id)s, %(fingerprint)s, %(reason)s, %(raw)s, %(run)s,
              now(), now())
            on conflict (tenant_id, entity, fingerprint) do update set times = q.times + 1,
              last_seen_at = now(), reason = excluded.reason, run_id = excluded.run_id,
              resolved_at = null, resolution = null
            """,
            rows,
        )


def _id_in(entity: Entity, raw: bytes) -> int | None:
    """The id of a record that may be broken in any other way."""
    try:
        record: Any = msgspec.json.decode(raw, strict=False)
        parts = [_at(record, path) for path in entity.derived_key or (entity.key,)]
        number = derived_id(str(part) for part in parts) if entity.derived_key else int(parts[0])
    except (ValueError, TypeError, KeyError, OverflowError, msgspec.MsgspecError):
        return None
    return number if -(2**63) <= number < 2**63 else None


def _at(record: Any, path: str) -> Any:
    for step in path.split("."):
        record = record[step]
    return record


async def resolve_merged(connection: Connection, tenant_id: int, entity: Entity) -> None:
    """Close what a good version of the same record in this batch has overtaken."""
    await connection.execute(
        f"""
        update {QUARANTINE} q set resolved_at = now(), resolution = 'a later version was stored'
        from plan p where q.tenant_id = %s and q.entity = %s and q.resolved_at is null
          and q.st_id = p.st_id and p.kind in ('n', 'c', 'u', 's')
        """,
        (tenant_id, entity.name),
    )


async def waiting(pool: Pool, tenant_id: int, entity: str | None = None, limit: int = 1000) -> list[Held]:
    """Records in quarantine, oldest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Held)) as cursor:
        await cursor.execute(
            f"""
            select id, entity, st_id, reason, raw, times, first_seen_at, last_seen_at from {QUARANTINE}
            where tenant_id = %(tenant)s and resolved_at is null
              and (%(entity)s::text is null or entity = %(entity)s)
            order by id limit %(limit)s
            """,
            {"tenant": tenant_id, "entity": entity, "limit": limit},
        )
        return await cursor.fetchall()


async def resolve(connection: Connection, tenant_id: int, ids: Sequence[int], resolution: str) -> None:
    """Close rows by hand or after a redrive."""
    await connection.execute(
        f"update {QUARANTINE} set resolved_at = now(), resolution = %s where tenant_id = %s and id = any(%s)",
        (resolution, tenant_id, list(ids)),
    )
