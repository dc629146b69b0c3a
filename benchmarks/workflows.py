"""What workflows cost: how soon they start, how many go through, what sleepers take.

    .venv/bin/python -m benchmarks.workflows [--only latency,steps,storm,sleepers] [--small] [--out FILE]

Workers are processes of their own on one embedded PostgreSQL. ``steps`` runs procrastinate's own jobs, each
of which writes a row and defers the next in one transaction, beside ours, in turns on the same database, and
the same with PgQueuer where it can be installed.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.common import database_server, fresh_database, machine, median, share
from benchmarks.rivals.measure import environment

if TYPE_CHECKING:
    from perfectcatch.store.pool import Pool

HERE = Path(__file__).parent
TENANT = 1
PATIENCE = 600.0
THREE = """
name: three
does: Three steps.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
steps:
  - {id: one, kind: task, title: "One"}
  - {id: two, kind: task, title: "Two"}
  - {id: three, kind: task, title: "Three"}
"""
SLEEPS = """
name: sleeps
does: Waits.
class: service
trigger: {on: [estimate_created]}
stop_rules: [gone]
steps:
  - {id: rest, kind: wait, for: 30d}
  - {id: then, kind: task, title: "Then"}
"""
PGQUEUER = HERE / "rivals" / "pgqueuer_chain.py"
# A worker of PgQueuer that is stopped leaves jobs that are done a second time.
QUEUED = "select count(distinct thing) from pgqueuer_steps where number = 3"
CHAINED = "select count(*) from chain_steps where number = 3"
EVENT = """
with added as (
  insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
  select 1, case when n % %(each)s = 0 then %(type)s else 'job_created' end, %(entity)s, n, 'v' || n, now(),
    false, '{}'
  from generate_series(%(first)s::bigint, %(last)s::bigint) n returning id
)
select pg_notify('%(channel)s', json_build_object('tenant_id', 1, 'ids', json_build_array(max(id)))::text)
from added
"""


async def _worker(url: str, kind: str) -> None:
    """A worker process: of workflows, or of procrastinate's own jobs."""
    from perfectcatch.kit import log

    log.configure(level="error")
    if kind == "chain":
        app = _chain(url)
        async with app.open_async():
            await app.run_worker_async(queues=["chain"], concurrency=10, wait=True)
        return
    async with _workshop(url) as workshop:
        from perfectcatch.workflows.running import worker

        await worker.work(workshop, poll_seconds=1.0, heartbeat_file=Path(f"/tmp/pc-bench-{kind}.beat"))


def _chain(url: str) -> Any:
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=12))

    @app.task(name="chain.step", queue="chain")
    async def step(thing: int, number: int) -> None:
        async with app.connector.pool.connection() as connection, connection.transaction():  # type: ignore[attr-defined]
            await connection.execute(
                "insert into chain_steps (thing, number) values (%s, %s)", (thing, number)
            )
            if number < 3:
                await step.configure(connection=connection).defer_async(thing=thing, number=number + 1)

    return app


@asynccontextmanager
async def _workshop(url: str) -> AsyncIterator[Any]:
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.messaging.desk import Desk
    from perfectcatch.store.jobs.queue import open_jobs
    from perfectcatch.store.pool import open_pool
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.workflows.records import Company
    from perfectcatch.workflows.running import worker
    from perfectcatch.workflows.running.catalogue import Catalogue
    from perfectcatch.workflows.running.workshop import Workshop

    clock = SystemClock()
    async with open_pool(url, max_size=16) as pool, open_jobs(url) as jobs:
        workshop = Workshop(
            pool=pool,
            tenant_id=TENANT,
            clock=clock,
            entities=BY_NAME,
            company=Company(name="Company", phone="+13035550100", zone="America/Denver"),
            desk=Desk(pool=pool, tenant_id=TENANT, clock=clock),
            jobs=jobs,
            catalogue=Catalogue(pool, TENANT, clock),
        )
        worker.declare(workshop)
        yield workshop


@contextmanager
def _running(words: list[str | Path], number: int) -> Iterator[None]:
    running = [subprocess.Popen(words) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _workers(url: str, number: int, kind: str = "workflows") -> AbstractContextManager[None]:
    return _running([sys.executable, "-m", "benchmarks.workflows", "--worker", url, kind], number)


@asynccontextmanager
async def _company(server_url: str, name: str, *definitions: str) -> AsyncIterator[tuple[str, "Pool"]]:
    """A migrated database whose events count from now on."""
    from perfectcatch.model.workflow import Mode
    from perfectcatch.store.jobs.queue import install
    from perfectcatch.store.pool import transaction
    from perfectcatch.store.schema.migrate import migrate
    from perfectcatch.store.workflows.definitions import put
    from perfectcatch.vendors.servicetitan.entities import ENTITIES
    from perfectcatch.workflows.definitions import parse
    from perfectcatch.workflows.running import worker

    url = await fresh_database(server_url, name)
    await migrate(url, ENTITIES, install_jobs=install)
    async with _workshop(url) as workshop:
        async with transaction(workshop.pool) as connection:
            for text in definitions:
                await put(connection, TENANT, parse(text), mode=Mode.LIVE, source="imported", by="benchmark")
        await worker.settle(workshop)
        yield url, workshop.pool


async def _add(pool: "Pool", first: int, last: int, kind: str, each: int = 1, entity: str = "jobs") -> float:
    """Events with the ids ``first`` to ``last``, every ``each``-th of ``kind``; when they were committed."""
    from perfectcatch.store.names import EVENT_CHANNEL

    values = {"first": first, "last": last, "type": kind, "each": each, "entity": entity}
    text = EVENT.replace("%(channel)s", EVENT_CHANNEL)
    for name in ("first", "last", "each"):
        text = text.replace(f"%({name})s", str(values[name]))
    text = text.replace("%(type)s", f"'{kind}'").replace("%(entity)s", f"'{entity}'")
    async with pool.connection() as connection:
        await connection.execute(text.encode())
    return time.time()


async def _one(pool: "Pool", query: str) -> Any:
    async with pool.connection() as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    return row[0] if row else None


async def _until(pool: "Pool", query: str, wanted: int) -> float:
    """Seconds until the query gives ``wanted``."""
    began = time.monotonic()
    while (found := await _one(pool, query)) != wanted:
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"{found} instead of {wanted} after {PATIENCE:.0f} s: {query}")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def _warm(pool: "Pool", thing: int) -> None:
    await _add(pool, thing, thing, "job_completed")
    await _until(pool, _ENDED.format(least=thing, most=thing), 1)


_ENDED = (
    "select count(*) from automation.workflow_instances where status = 'ended' "
    "and workflow = 'three' and (trigger ->> 'st_id')::bigint between {least} and {most}"
)


async def latency(server_url: str, small: bool) -> dict[str, Any]:
    """A committed event to the start of the first step, 20 events a second, one worker."""
    number = 100 if small else 600
    async with _company(server_url, "latency", THREE) as (url, pool):
        with _workers(url, 1):
            await _warm(pool, 1)
            return await _starts(pool, 1000, number)


async def _starts(pool: "Pool", first: int, number: int) -> dict[str, Any]:
    committed: dict[int, float] = {}
    began = time.monotonic()
    for n in range(number):
        await asyncio.sleep(max(0.0, began + n / 20 - time.monotonic()))
        committed[first + n] = await _add(pool, first + n, first + n, "job_completed")
    await _until(pool, _ENDED.format(least=first, most=first + number - 1), number)
    async with pool.connection() as connection:
        rows = await connection.execute(
            "select (i.trigger ->> 'st_id')::bigint, extract(epoch from s.started_at)::float8 "
            "from automation.workflow_instances i join automation.workflow_step_executions s "
            "on s.tenant_id = i.tenant_id and s.workflow_instance_id = i.id and s.step = 'one'"
        )
        ages = [(at - committed[n]) * 1000 for n, at in await rows.fetchall() if n in committed]
    return {"n": len(ages), "p50_ms": median(ages), "p99_ms": share(ages, 0.99), "max_ms": max(ages)}


async def steps(server_url: str, small: bool) -> dict[str, Any]:
    """Three-step workflows a second on two workers, and three chained jobs of procrastinate, in turns."""
    number, turns = (200, 1) if small else (2000, 3)
    ours: list[float] = []
    theirs: list[float] = []
    others: list[float] = []
    with TemporaryDirectory() as place:
        python = environment(Path(place), "pgqueuer", "pgqueuer[asyncpg]")
        async with _company(server_url, "steps", THREE) as (url, pool):
            async with pool.connection() as connection:
                await connection.execute("create table chain_steps (thing bigint, number int)")
            if python is not None:
                _pgqueuer(python, url, "install")
            first = 1000
            for _ in range(turns):
                with _workers(url, 2):
                    await _warm(pool, first)
                    await _add(pool, first + 1, first + number, "job_completed")
                    took = await _until(pool, _ENDED.format(least=first + 1, most=first + number), number)
                    ours.append(number / took)
                with _workers(url, 2, "chain"):
                    app = _chain(url)
                    async with app.open_async():
                        step = app.tasks["chain.step"]
                        await step.defer_async(thing=0, number=1)
                        done = len(theirs) * (number + 1) + 1
                        await _until(pool, CHAINED, done)
                        await step.batch_defer_async(*({"thing": n, "number": 1} for n in range(number)))
                        took = await _until(pool, CHAINED, done + number)
                    theirs.append(number / took)
                if python is not None:
                    done = len(others) * (number + 1)
                    others.append(await _queued(python, url, pool, done, number))
                first += number + 10
    return {
        "workflows_per_second": median(ours),
        "chains_per_second": median(theirs),
        "times": median(ours) / median(theirs),
        **(
            {"pgqueuer_per_second": median(others), "times_pgqueuer": median(ours) / median(others)}
            if others
            else {}
        ),
        "n": number,
        "turns": turns,
    }


async def _queued(python: Path, url: str, pool: "Pool", done: int, number: int) -> float:
    """Chains a second of PgQueuer with two workers; ``done``: how many there are by now."""
    with _running([python, PGQUEUER, url, "work"], 2):
        _pgqueuer(python, url, "queue", str(done), str(done))
        await _until(pool, QUEUED, done + 1)
        _pgqueuer(python, url, "queue", str(done + 1), str(done + number))
        began, before = time.monotonic(), await _one(pool, QUEUED)
        await _until(pool, QUEUED, done + 1 + number)
        return (done + 1 + number - before) / (time.monotonic() - began)


def _pgqueuer(python: Path, url: str, *words: str) -> None:
    subprocess.run([python, PGQUEUER, url, *words], check=True)


async def storm(server_url: str, small: bool) -> dict[str, Any]:
    """Many events of which one in twenty starts something: seconds until all have ended, two workers."""
    number = 5_000 if small else 100_000
    async with _company(server_url, "storm", THREE) as (url, pool):
        with _workers(url, 2):
            await _warm(pool, 1)
            first = 100_000
            began = time.monotonic()
            await _add(pool, first + 1, first + number, "job_completed", each=20)
            await _until(pool, _ENDED.format(least=first + 1, most=first + number), number // 20)
            took = time.monotonic() - began
    return {"events": number, "started": number // 20, "seconds": took, "per_second": number / took}


async def sleepers(server_url: str, small: bool) -> dict[str, Any]:
    """Instances that sleep: their size, new work beside them, and many that are due at once."""
    number, due = (2_000, 200) if small else (100_000, 5_000)
    size = (
        "select sum(pg_total_relation_size(c))::bigint from unnest(array['automation.workflow_timers', "
        "'automation.workflow_step_executions', 'automation.workflow_starts', "
        "'public.procrastinate_jobs', 'public.procrastinate_events']::regclass[]) c"
    )
    slept = "select count(*) from automation.workflow_instances where status = 'sleeping'"
    async with _company(server_url, "sleepers", THREE, SLEEPS) as (url, pool):
        with _workers(url, 2):
            await _warm(pool, 1)
            alone = await _starts(pool, 1_000_000, 100 if small else 300)
            timers = await _one(pool, "select pg_total_relation_size('automation.workflow_timers')")
            before = await _one(pool, size)
            took = 0.0
            for first in range(0, number, 5000):
                last = min(first + 5000, number)
                await _add(pool, first + 1, last, "estimate_created", entity="estimates")
                took += await _until(pool, slept, last)
            timers = await _one(pool, "select pg_total_relation_size('automation.workflow_timers')") - timers
            beside = await _one(pool, size) - before
            among = await _starts(pool, 2_000_000, 100 if small else 300)
            # In one transaction: a worker that saw the first alone would put the timers off again.
            async with pool.connection() as connection, connection.transaction():
                await connection.execute(
                    "update automation.workflow_timers set due_at = now() where workflow_instance_id in "
                    f"(select workflow_instance_id from automation.workflow_timers order by 1 limit {due})"
                )
                await connection.execute(
                    "update automation.workflow_instances i set next_action_at = now(), "
                    "entered_at = now() - interval '31 days' from automation.workflow_timers t "
                    "where t.workflow_instance_id = i.id and t.due_at <= now()"
                )
            fired = await _until(
                pool, "select count(*) from automation.workflow_step_executions where step = 'then'", due
            )
    return {
        "sleeping": number,
        "fell_asleep_per_second": number / took,
        "timer_bytes_each": timers / number,
        "bytes_beside_the_instance_each": beside / number,
        "start_p50_ms_alone": alone["p50_ms"],
        "start_p50_ms_among_them": among["p50_ms"],
        "slower_times": among["p50_ms"] / alone["p50_ms"],
        "due_at_once": due,
        "all_done_after_seconds": fired,
    }


PARTS = {each.__name__: each for each in (latency, steps, storm, sleepers)}


async def measure(names: list[str], small: bool) -> dict[str, Any]:
    """The figures of each part."""
    found = {}
    async with database_server() as server_url:
        for name in names:
            found[name] = await PARTS[name](server_url, small)
            print(name, json.dumps(found[name]), flush=True)
    return found


def report(found: dict[str, Any]) -> str:
    """The figures as tables."""
    parts = [f"# Workflows\n\n{machine()}\n"]
    for name, figures in found.items():
        rows = "\n".join(f"| {what.replace('_', ' ')} | {figure:,.1f} |" for what, figure in figures.items())
        parts.append(f"## {(PARTS[name].__doc__ or name).strip()}\n\n| what | figure |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        asyncio.run(_worker(*sys.argv[2:4]))
        return
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--only", default=",".join(PARTS))
    words.add_argument("--small", action="store_true", help="a look that takes a minute")
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    text = report(asyncio.run(measure(chosen.only.split(","), chosen.small)))
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
