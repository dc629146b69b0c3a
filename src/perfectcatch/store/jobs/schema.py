"""The tables of the job engine: procrastinate's own, kept up to date, and what we add to them.

We add two indexes, a table of schedules and three functions. Each function is one round trip, so that a
worker that is frozen in the middle of its work never holds a lock.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from perfectcatch.errors import Crash, SchemaDiffers

TABLES: Final = frozenset(
    {
        "procrastinate_jobs",
        "procrastinate_events",
        "procrastinate_workers",
        "procrastinate_periodic_defers",
        "job_schedules",
        "job_engine_versions",
    }
)
"""Tables in ``public`` that belong to the job engine: not declared elsewhere, not to be compared."""

_LOCK: Final = "perfectcatch job engine"

_VERSIONS: Final = """
create table if not exists public.job_engine_versions (
    name text primary key,
    applied_at timestamptz not null default now()
)
"""

# Without the first, each fetch scans every job that waits for a later moment; without the second, a backlog
# of jobs with locks costs 250 ms a fetch. The first one alone makes a burst of due jobs slower.
_OURS: Final[tuple[LiteralString, ...]] = (
    """
    create index if not exists job_engine_scheduled_at on procrastinate_jobs (scheduled_at)
        where status = 'todo'
    """,
    """
    create index if not exists job_engine_lock on procrastinate_jobs (lock, priority, id)
        where lock is not null and status in ('todo', 'doing')
    """,
    """
    create table if not exists public.job_schedules (
        name text primary key,
        cron text not null,
        timezone text not null,
        last_tick timestamptz not null,
        claimed_at timestamptz not null default now()
    )
    """,
    """
    comment on table public.job_schedules is
        'One row per schedule. Whoever moves last_tick on starts the run of that tick, nobody else does.'
    """,
    """
    create or replace function public.job_schedules_claim(
        _name text, _seen timestamptz, _tick timestamptz,
        _queue text, _lock text, _queueing_lock text, _args jsonb
    ) returns text language plpgsql as $$
    begin
        update job_schedules set last_tick = _tick, claimed_at = clock_timestamp()
            where name = _name and last_tick = _seen;
        if not found then
            return 'taken';
        end if;
        begin
            perform procrastinate_defer_jobs_v1(array[
                row(_queue, _name, 0, _lock, _queueing_lock, _args, null::timestamptz)
            ]::procrastinate_job_to_defer_v1[]);
        exception when unique_violation then
            return 'waiting';
        end;
        return 'deferred';
    end;
    $$
    """,
    # A job that waits under the same queueing lock does the work of the one that is lost.
    """
    create or replace function public.job_engine_reap(_silent_seconds double precision, _attempts integer)
    returns table (job_id bigint, task text, outcome text) language plpgsql as $$
    declare
        job record;
    begin
        if not pg_try_advisory_xact_lock(hashtextextended('perfectcatch job reaper', 0)) then
            return;
        end if;
        for job in
            select j.id, j.task_name, j.attempts from procrastinate_jobs j
            where j.status = 'doing' and (
                j.worker_id is null or j.worker_id in (
                    select w.id from procrastinate_workers w
                    where w.last_heartbeat < now() - make_interval(secs => _silent_seconds)
                )
            )
            for update of j skip locked
        loop
            job_id := job.id;
            task := job.task_name;
            if job.attempts + 1 >= _attempts then
                perform procrastinate_finish_job_v1(job.id, 'failed', false);
                outcome := 'given up';
            else
                begin
                    perform procrastinate_retry_job_v2(job.id, now(), null, null, null);
                    outcome := 'given back';
                exception when unique_violation then
                    perform procrastinate_finish_job_v1(job.id, 'failed', false);
                    outcome := 'replaced';
                end;
            end if;
            return next;
        end loop;
    end;
    $$
    """,
    """
    create or replace function public.job_engine_clean(_keep interval, _batch integer)
    returns integer language plpgsql as $$
    declare
        removed integer;
    begin
        delete from procrastinate_jobs where id = any(array(
            select j.id from procrastinate_jobs j
            where j.status in ('succeeded', 'failed', 'cancelled', 'aborted')
                and not exists (
                    select from procrastinate_events e where e.job_id = j.id and e.at > now() - _keep
                )
            limit _batch for update of j skip locked
        ));
        get diagnostics removed = row_count;
        return removed;
    end;
    $$
    """,
)


async def install(connection: AsyncConnection[TupleRow]) -> None:
    """Create or upgrade the job engine's tables; does nothing where they are as this version wants them.

    ``connection`` must be in autocommit mode: some of procrastinate's steps need a transaction of their own.
    Does not ANALYZE, on purpose: statistics of an empty queue make fetching four times slower.
    """
    if not connection.autocommit:
        raise Crash(
            "The job engine is installed on a connection in autocommit mode: call set_autocommit(True)."
        )
    async with _alone(connection):
        await connection.execute(_VERSIONS)
        done = await _names(connection, "select name from public.job_engine_versions")
        wanted = list(_migrations())
        if await _names(
            connection, "select 'procrastinate_jobs' where to_regclass('procrastinate_jobs') is not null"
        ):
            if not done:
                raise SchemaDiffers(
                    "This database holds tables of procrastinate that another program made; "
                    "give this product a database of its own."
                )
            for name, statements in wanted:
                if name not in done:
                    await _apply(connection, [statements], [name])
        else:
            schema = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
            await _apply(connection, [schema], [name for name, _ in wanted])
        async with connection.transaction():
            for statement in _OURS:
                await connection.execute(statement)


@asynccontextmanager
async def _alone(connection: AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    await connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (_LOCK,))
    try:
        yield
    finally:
        await connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (_LOCK,))


def _migrations() -> Iterable[tuple[str, str]]:
    """Name and text of each of procrastinate's migrations, in their order, which is that of their names."""
    folder = resources.files("procrastinate.sql") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".sql"):
            yield file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")


async def _apply(connection: AsyncConnection[TupleRow], texts: Iterable[str], names: Iterable[str]) -> None:
    async with connection.transaction():
        for text in texts:
            await connection.execute(text.encode())
        await connection.cursor().executemany(
            "insert into public.job_engine_versions (name) values (%s)", [(name,) for name in names]
        )


async def _names(connection: AsyncConnection[TupleRow], query: LiteralString) -> set[str]:
    return {row[0] for row in await (await connection.execute(query)).fetchall()}
