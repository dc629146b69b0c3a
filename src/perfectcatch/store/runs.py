"""The record of what was synced: a run, and in it a line for each entity.

A line is written when its entity starts and brought up to date in the transaction of every page, so that a
killed run tells how far it came. Lines that a dead process left ``running`` are closed by the next run. No
run waits for the disk to keep them.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from psycopg.rows import class_row

from perfectcatch.errors import AlreadyRunning
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.store.names import PROGRESS_CHANNEL, SYNC_LOG, SYNC_RUNS
from perfectcatch.store.pool import Connection, Pool, unhurried

_TAKEN_OVER: Final = "Another process has taken up this reading; nothing is lost, it goes on from our place."


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest line of the sync log for an entity."""

    entity: str
    mode: str
    status: str
    fetched: int
    created: int
    updated: int
    unchanged: int
    deactivated: int
    quarantined: int
    requests: int
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    error: str | None
    age_seconds: float | None  # since the last successful read of this entity ended


async def begin(
    pool: Pool, tenant_id: int, run_id: UUID, *, mode: str, entities: list[str], trigger: str, owner: str
) -> None:
    """Open a run; close those whose process is gone: the lock that it held on their names is free.

    A run that has just begun may not have its lock yet.
    """
    async with unhurried(pool) as connection:
        await connection.execute(
            f"""
            with open as materialized (
              select id from {SYNC_RUNS} where tenant_id = %(tenant)s and status = 'running'
                and started_at < now() - interval '10 seconds'
            ), dead as materialized (
              select id from open where pg_try_advisory_xact_lock(hashtextextended(%(run)s || id, 0))
            )
            update {SYNC_RUNS} r set status = 'interrupted', completed_at = now(),
              error_message = 'The process ended before the run did.'
            from dead where r.tenant_id = %(tenant)s and r.id = dead.id and r.status = 'running'
            """,
            {"tenant": tenant_id, "run": lock_of("")},
        )
        await connection.execute(
            f"""
            insert into {SYNC_RUNS}
              (tenant_id, id, mode, entities, trigger, status, owner, started_at, heartbeat_at)
            values (%s, %s, %s, %s, %s, 'running', %s, now(), now())
            on conflict (tenant_id, id) do update set status = 'running', owner = excluded.owner,
              started_at = now(), heartbeat_at = now(), completed_at = null, error_message = null
            """,
            (tenant_id, run_id, mode, entities, trigger, owner),
        )


async def ask(
    connection: Connection, tenant_id: int, run_id: UUID, *, mode: str, entities: list[str], trigger: str
) -> None:
    """Note, in the caller's transaction, that a run is wanted; a worker begins it."""
    await connection.execute(
        f"""
        insert into {SYNC_RUNS}
          (tenant_id, id, mode, entities, trigger, status, started_at, heartbeat_at)
        values (%s, %s, %s, %s, %s, 'waiting', now(), now())
        """,
        (tenant_id, run_id, mode, entities, trigger),
    )


async def waiting(connection: Connection, tenant_id: int, mode: str) -> UUID | None:
    """The run of ``mode`` that was asked for and has not begun."""
    found = await connection.execute(
        f"select id from {SYNC_RUNS} where tenant_id = %s and mode = %s and status = 'waiting' "
        "order by started_at desc limit 1",
        (tenant_id, mode),
    )
    row = await found.fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Told:
    """A run. ``status``: waiting, running, succeeded, partial, failed, interrupted."""

    id: UUID
    mode: str
    entities: list[str]
    trigger: str
    status: str
    started_at: datetime
    heartbeat_at: datetime
    completed_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """An entity of a run."""

    entity: str
    mode: str
    status: str
    fetched: int
    created: int
    updated: int
    unchanged: int
    deactivated: int
    quarantined: int
    requests: int
    duration_ms: int | None
    error: str | None


_TOLD = """id, mode, entities, trigger, status, started_at, heartbeat_at, completed_at,
  error_message as error"""


async def one(pool: Pool, tenant_id: int, run_id: UUID) -> tuple[Told, list[Line]] | None:
    """A run with its entities, None when there is none by this id."""
    async with pool.connection() as connection:
        async with connection.cursor(row_factory=class_row(Told)) as cursor:
            await cursor.execute(
                f"select {_TOLD} from {SYNC_RUNS} where tenant_id = %s and id = %s", (tenant_id, run_id)
            )
            run = await cursor.fetchone()
        if run is None:
            return None
        async with connection.cursor(row_factory=class_row(Line)) as cursor:
            await cursor.execute(
                f"""
                select module as entity, sync_type as mode, status, records_fetched as fetched,
                  records_created as created, records_updated as updated, records_unchanged as unchanged,
                  records_deactivated as deactivated, records_quarantined as quarantined, requests,
                  duration_ms, error_message as error
                from {SYNC_LOG} where tenant_id = %s and run_id = %s order by id
                """,
                (tenant_id, run_id),
            )
            return run, await cursor.fetchall()


async def recent(pool: Pool, tenant_id: int, *, limit: int, before: datetime | None = None) -> list[Told]:
    """The newest runs, those that began before ``before``."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Told)) as cursor:
        await cursor.execute(
            f"""
            select {_TOLD} from {SYNC_RUNS}
            where tenant_id = %s and (%s::timestamptz is null or started_at < %s)
            order by started_at desc limit %s
            """,
            (tenant_id, before, before, limit),
        )
        return await cursor.fetchall()


def lock_of(run_id: UUID | str) -> str:
    """The name of the lock that the process of a run holds for as long as it lives."""
    return f"sync run {run_id}"


async def end(pool: Pool, tenant_id: int, run_id: UUID, *, status: str, error: str | None) -> None:
    """Close a run: ``succeeded``, ``partial`` (some entities failed), ``failed``, ``interrupted``."""
    async with unhurried(pool) as connection:
        await connection.execute(
            f"""
            update {SYNC_RUNS} set status = %s, error_message = %s, completed_at = now(), heartbeat_at = now()
            where tenant_id = %s and id = %s
            """,
            (status, error, tenant_id, run_id),
        )


async def close_lines(connection: Connection, tenant_id: int, entity: str) -> datetime:
    """Close the lines that others left open, before it is asked how far they came. Gives the time.

    The caller holds the entity's lock. Who had it before is dead, or has lost it with its connection and does
    not know it yet: without its line it can store nothing more.
    """
    found = await connection.execute(
        f"""
        with closed as (
          update {SYNC_LOG} set status = 'interrupted', completed_at = now(),
            error_message = 'The process ended before the run did; the next one went on from there.'
          where tenant_id = %s and module = %s and status = 'running'
        ) select clock_timestamp()
        """,
        (tenant_id, entity),
    )
    row = await found.fetchone()
    assert row is not None
    return cast("datetime", row[0])


async def begin_entity(
    connection: Connection, tenant_id: int, run_id: UUID, *, entity: str, mode: str
) -> int:
    """Open a line, in the caller's transaction. Returns its id."""
    found = await connection.execute(
        f"""
        insert into {SYNC_LOG} (tenant_id, run_id, module, sync_type, status, started_at)
        values (%s, %s, %s, %s, 'running', now()) returning id
        """,
        (tenant_id, run_id, entity, mode),
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def note_page(
    connection: Connection, tenant_id: int, log_id: int, total: Outcome, requests: int
) -> None:
    """Bring a line up to date, in the transaction of the page. Raises as ``still_ours`` does."""
    noted = await connection.execute(
        f"""
        update {SYNC_LOG} set records_fetched = %(fetched)s, records_created = %(created)s,
          records_updated = %(updated)s, records_unchanged = %(unchanged)s,
          records_deactivated = %(deactivated)s, records_quarantined = %(quarantined)s,
          requests = %(requests)s
        where tenant_id = %(tenant)s and id = %(id)s and status = 'running'
        """,
        {
            "tenant": tenant_id,
            "id": log_id,
            "fetched": total.fetched,
            "created": total.created,
            "updated": total.updated,
            "unchanged": total.unchanged + total.stale,
            "deactivated": total.deactivated,
            "quarantined": total.quarantined,
            "requests": requests,
        },
    )
    if not noted.rowcount:
        raise AlreadyRunning(_TAKEN_OVER)


async def still_ours(connection: Connection, tenant_id: int, log_id: int) -> None:
    """Make sure, until the caller's transaction ends, that nobody else has taken up the reading meanwhile.

    Raises AlreadyRunning: our lock was lost with its connection, and another process goes on from our place.
    """
    found = await connection.execute(
        f"select id from {SYNC_LOG} where tenant_id = %s and id = %s and status = 'running' for update",
        (tenant_id, log_id),
    )
    if await found.fetchone() is None:
        raise AlreadyRunning(_TAKEN_OVER)


async def end_entity(
    pool: Pool,
    tenant_id: int,
    log_id: int,
    *,
    status: str,
    total: Outcome,
    requests: int,
    duration_ms: int,
    error: str | None,
) -> None:
    """Close a line."""
    async with unhurried(pool) as connection:
        await connection.execute(
            f"""
            update {SYNC_LOG} set status = %(status)s, completed_at = now(), duration_ms = %(duration)s,
              error_message = %(error)s, requests = %(requests)s, records_fetched = %(fetched)s,
              records_created = %(created)s, records_updated = %(updated)s,
              records_unchanged = %(unchanged)s, records_deactivated = %(deactivated)s,
              records_quarantined = %(quarantined)s
            where tenant_id = %(tenant)s and id = %(id)s
            """,
            {
                "tenant": tenant_id,
                "id": log_id,
                "status": status,
                "duration": duration_ms,
                "error": error,
                "requests": requests,
                "fetched": total.fetched,
                "created": total.created,
                "updated": total.updated,
                "unchanged": total.unchanged + total.stale,
                "deactivated": total.deactivated,
                "quarantined": total.quarantined,
            },
        )


async def tell(connection: Connection, progress: dict[str, Any]) -> None:
    """Send a live progress note when the caller's transaction commits."""
    payload = json.dumps(progress, separators=(",", ":"), default=str)
    await connection.execute("select pg_notify(%s, %s)", (PROGRESS_CHANNEL, payload))


async def latest(pool: Pool, tenant_id: int) -> list[LastRun]:
    """The newest line of each entity: a few steps in an index, however long the log has grown."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(LastRun)) as cursor:
        await cursor.execute(
            f"""
            with recursive modules as (
              (select module from {SYNC_LOG} where tenant_id = %(tenant)s order by module limit 1)
              union all
              select (select l.module from {SYNC_LOG} l where l.tenant_id = %(tenant)s
                and l.module > m.module order by l.module limit 1)
              from modules m where m.module is not null
            )
            select l.module as entity, l.sync_type as mode, l.status,
              l.records_fetched as fetched, l.records_created as created, l.records_updated as updated,
              l.records_unchanged as unchanged, l.records_deactivated as deactivated,
              l.records_quarantined as quarantined, l.requests, l.started_at, l.completed_at,
              l.duration_ms, l.error_message as error,
              extract(epoch from now() - good.completed_at)::double precision as age_seconds
            from modules m
            cross join lateral (
              select * from {SYNC_LOG} l where l.tenant_id = %(tenant)s and l.module = m.module
              order by l.started_at desc, l.id desc limit 1
            ) l
            left join lateral (
              select g.completed_at from {SYNC_LOG} g where g.tenant_id = %(tenant)s and g.module = m.module
                and g.status in ('succeeded', 'held') order by g.started_at desc, g.id desc limit 1
            ) good on true
            order by l.module
            """,
            {"tenant": tenant_id},
        )
        return await cursor.fetchall()


async def companies(pool: Pool) -> list[int]:
    """The companies that were ever synced into this database."""
    async with pool.connection() as connection:
        found = await connection.execute(f"select distinct tenant_id from {SYNC_RUNS} order by 1 limit 2")
        return [row[0] for row in await found.fetchall()]


async def beat(pool: Pool, tenant_id: int, run_id: UUID) -> None:
    """Tell that the process of a run is alive."""
    async with pool.connection() as connection:
        await connection.execute(
            f"update {SYNC_RUNS} set heartbeat_at = now() where tenant_id = %s and id = %s",
            (tenant_id, run_id),
        )


async def database_clock(pool: Pool) -> datetime:
    """The time by which rows tell when they were stored."""
    async with pool.connection() as connection:
        return await time_of(connection)


async def time_of(connection: Connection) -> datetime:
    """The same, of a connection that the caller has."""
    row = await (await connection.execute("select clock_timestamp()")).fetchone()
    assert row is not None
    return cast("datetime", row[0])
