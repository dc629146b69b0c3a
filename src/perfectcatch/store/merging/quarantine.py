"""Records that cannot be stored: kept with their reason, tried again when something has changed.

A record in quarantine does not stop a run, and it is never silently lost: the mirror goes on showing the last
good version of it, ``sync status`` counts it, and ``sync quarantine --redrive`` sends it through the merge
again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from perfectcatch.model.entity import Entity, derived_id
from perfectcatch.model.source import BrokenRecord
from perfectcatch.store.merging.extract import fault_function
from perfectcatch.store.names import QUARANTINE
from perfectcatch.store.pool import Connection, Pool

Document = bytes | memoryview

_LONGEST_REASON: Final = 500
_DIGITS: Final = 20  # those of an id; 1e999999999 would fill the memory when written out
_WHOLE: Final = re.compile(r"^(-?\d+)\.0*$")
_WAITING: Final = """
tenant_id = %(tenant)s and resolved_at is null and (%(entity)s::text is null or entity = %(entity)s)"""

_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_NUMBER: Final = re.compile(rb'\s*:\s*"?(-?\d{1,19})(?=["\s]*[,}])')


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
            "st_id": id_in(entity, record.raw),
            "fingerprint": blake2b(record.raw, digest_size=16).digest(),
            "reason": one_line(record.reason),
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


def one_line(reason: str) -> str:
    """``reason`` for a terminal and a log: it may quote the vendor's value, whatever that holds."""
    plain = "".join(char if char.isprintable() else " " for char in reason)
    return " ".join(plain.split())[:_LONGEST_REASON]


def id_in(entity: Entity, raw: bytes) -> int | None:
    """The id of a record that may be broken in any other way, NaN or a lone surrogate included."""
    try:
        record: Any = json.loads(raw.decode(errors="replace"), parse_float=Decimal)
        parts = [_text(_at(record, path)) for path in entity.derived_key or (entity.key,)]
    except (ValueError, TypeError, LookupError, RecursionError):
        if entity.derived_key or "." in entity.key:
            return None
        parts = [_number_under(entity.key.encode(), raw)]
    try:
        number = derived_id(parts) if entity.derived_key else int(_WHOLE.sub(r"\1", parts[0]))
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _at(record: Any, path: str) -> Any:
    for step in path.split("."):
        record = record[step]
    return record


def _text(value: Any) -> str:
    """What PostgreSQL's ``->>`` gives for a JSON value that can be part of a key."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal() if value.adjusted() < _DIGITS:
            return format(value, "f")
    message = f"{type(value).__name__} identifies nothing"
    raise TypeError(message)


def _number_under(key: bytes, raw: bytes) -> str:
    """The number at the top level of what need not be JSON at all, such as a record that was cut off."""
    depth = 0
    for token in _TOKENS.finditer(raw):
        found = token[0]
        if found in b"{[":
            depth += 1
        elif found in b"}]":
            depth -= 1
        elif depth == 1 and found == b'"' + key + b'"' and (number := _NUMBER.match(raw, token.end())):
            return number[1].decode()
    return ""


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


async def waiting(
    pool: Pool, tenant_id: int, entity: str | None = None, *, after: int = 0, limit: int = 1000
) -> list[Held]:
    """At most ``limit`` records in quarantine, oldest first; the next page begins ``after`` the last id."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Held)) as cursor:
        await cursor.execute(
            f"""
            select id, entity, st_id, reason, raw, times, first_seen_at, last_seen_at from {QUARANTINE}
            where {_WAITING} and id > %(after)s order by id limit %(limit)s
            """,
            {"tenant": tenant_id, "entity": entity, "after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def reasons(pool: Pool, tenant_id: int, entity: str, ids: Sequence[int]) -> dict[int, str]:
    """Why those of ``ids`` that are in quarantine are there."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select st_id, reason from {QUARANTINE} where {_WAITING} and st_id = any(%(ids)s) order by id",
            {"tenant": tenant_id, "entity": entity, "ids": list(ids)},
        )
        return dict(await found.fetchall())


async def count_waiting(pool: Pool, tenant_id: int, entity: str | None = None) -> int:
    """How many records are in quarantine."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select count(*) from {QUARANTINE} where {_WAITING}", {"tenant": tenant_id, "entity": entity}
        )
        row = await found.fetchone()
        return int(row[0]) if row else 0


async def unidentified(pool: Pool, tenant_id: int, entity: Entity, *, since: datetime) -> bool:
    """Whether records of ``entity`` came ``since`` then so broken that nobody can tell whose they are."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select exists (select from {QUARANTINE}
              where {_WAITING} and st_id is null and last_seen_at >= %(since)s)
            """,
            {"tenant": tenant_id, "entity": entity.name, "since": since},
        )
        return await found.fetchone() == (True,)


async def resolve_absent(connection: Connection, tenant_id: int, entity: Entity, *, since: datetime) -> None:
    """Close what the full read that began at ``since`` did not bring again: it is mended, or gone."""
    await connection.execute(
        f"""
        update {QUARANTINE} set resolved_at = now(), resolution = 'a full read did not bring it any more'
        where {_WAITING} and last_seen_at < %(since)s
        """,
        {"tenant": tenant_id, "entity": entity.name, "since": since},
    )


async def resolve(connection: Connection, tenant_id: int, ids: Sequence[int], resolution: str) -> None:
    """Close rows by hand or after a redrive."""
    await connection.execute(
        f"update {QUARANTINE} set resolved_at = now(), resolution = %s where tenant_id = %s and id = any(%s)",
        (resolution, tenant_id, list(ids)),
    )
