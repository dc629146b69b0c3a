"""Reads of a span of the past, and how far each has come. The newest part is read first.

``status`` is one of ``running``, ``paused`` (a person said so), ``interrupted`` (it goes on when it is asked
for again), ``failed`` and ``done``.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from psycopg.rows import class_row

from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.store.names import BACKFILLS
from perfectcatch.store.pool import Connection, Pool

RUNNING, PAUSED, INTERRUPTED, FAILED, DONE = "running", "paused", "interrupted", "failed", "done"

# A process that was killed leaves its row as it was; it writes with each piece, at the latest after a minute.
_COLUMNS = f"""
id, entity, starts_at, ends_at, position, token, expected, records_fetched as fetched,
records_created as created, records_updated as updated, records_quarantined as quarantined, requests,
started_at, updated_at, completed_at, error_message as error,
case when status = '{RUNNING}' and updated_at < now() - interval '10 minutes' then '{INTERRUPTED}'
  else status end as status"""


@dataclass(frozen=True, slots=True)
class Backfill:
    """What was created (of a feed: changed) from ``starts_at`` on and before ``ends_at``.

    Still to be read is what lies before ``position``; a feed goes on from ``token`` instead.
    """

    id: UUID
    entity: str
    starts_at: datetime
    ends_at: datetime
    position: datetime
    token: str | None
    expected: int | None
    fetched: int
    created: int
    updated: int
    quarantined: int
    requests: int
    started_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    error: str | None
    status: str


async def begin(
    pool: Pool, tenant_id: int, entity: str, starts_at: datetime, ends_at: datetime, *, restart: bool
) -> Backfill:
    """The open backfill of this span, or a new one; ``restart`` gives an open one up."""
    async with pool.connection() as connection:
        if restart:
            await connection.execute(
                f"""
                update {BACKFILLS} set completed_at = now(), status = '{INTERRUPTED}',
                  error_message = 'It was begun anew.'
                where tenant_id = %s and entity = %s and starts_at = %s and ends_at = %s
                  and completed_at is null
                """,
                (tenant_id, entity, starts_at, ends_at),
            )
        await connection.execute(
            f"""
            insert into {BACKFILLS} (tenant_id, id, entity, starts_at, ends_at, status, position)
            values (%s, %s, %s, %s, %s, '{INTERRUPTED}', %s) on conflict do nothing
            """,
            (tenant_id, uuid4(), entity, starts_at, ends_at, ends_at),
        )
    found = [
        each
        for each in await listed(pool, tenant_id, entity)
        if each.completed_at is None and (each.starts_at, each.ends_at) == (starts_at, ends_at)
    ]
    return found[0]


async def listed(pool: Pool, tenant_id: int, entity: str | None = None) -> list[Backfill]:
    """All backfills, newest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Backfill)) as cursor:
        await cursor.execute(
            f"""
            select {_COLUMNS} from {BACKFILLS}
            where tenant_id = %(tenant)s and (%(entity)s::text is null or entity = %(entity)s)
            order by started_at desc, id
            """,
            {"tenant": tenant_id, "entity": entity},
        )
        return await cursor.fetchall()


async def by_id(pool: Pool, tenant_id: int, backfill_id: UUID) -> Backfill | None:
    """The backfill with this id."""
    return next((each for each in await listed(pool, tenant_id) if each.id == backfill_id), None)


async def keep(
    connection: Connection,
    tenant_id: int,
    backfill_id: UUID,
    *,
    position: datetime,
    token: str | None,
    outcome: Outcome,
    requests: int,
) -> None:
    """Keep that a piece is stored, in its transaction."""
    await connection.execute(
        f"""
        update {BACKFILLS} set position = %(position)s, token = %(token)s, updated_at = now(),
          records_fetched = records_fetched + %(fetched)s, records_created = records_created + %(created)s,
          records_updated = records_updated + %(updated)s,
          records_quarantined = records_quarantined + %(quarantined)s, requests = requests + %(requests)s
        where tenant_id = %(tenant)s and id = %(id)s
        """,
        {
            "tenant": tenant_id,
            "id": backfill_id,
            "position": position,
            "token": token,
            "fetched": outcome.fetched,
            "created": outcome.created,
            "updated": outcome.updated,
            "quarantined": outcome.quarantined,
            "requests": requests,
        },
    )


async def note(
    pool: Pool,
    tenant_id: int,
    backfill_id: UUID,
    status: str,
    *,
    error: str | None = None,
    expected: int | None = None,
) -> None:
    """Change the status; ``done`` closes the row."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            update {BACKFILLS} set status = %(status)s, error_message = %(error)s, updated_at = now(),
              expected = coalesce(%(expected)s, expected),
              completed_at = case when %(status)s = '{DONE}' then now() end
            where tenant_id = %(tenant)s and id = %(id)s and completed_at is null
            """,
            {
                "tenant": tenant_id,
                "id": backfill_id,
                "status": status,
                "error": error,
                "expected": expected,
            },
        )


async def pause(pool: Pool, tenant_id: int, entity: str) -> int:
    """Let the open backfills of ``entity`` stop after the piece that they are reading; how many there are."""
    async with pool.connection() as connection:
        paused = await connection.execute(
            f"update {BACKFILLS} set status = '{PAUSED}' where tenant_id = %s and entity = %s "
            "and completed_at is null",
            (tenant_id, entity),
        )
        return paused.rowcount


async def is_paused(pool: Pool, tenant_id: int, backfill_id: UUID) -> bool:
    """Whether a person has said so meanwhile; also tells that we are alive."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"update {BACKFILLS} set updated_at = now() where tenant_id = %s and id = %s "
            f"returning status = '{PAUSED}'",
            (tenant_id, backfill_id),
        )
        return await found.fetchone() == (True,)
