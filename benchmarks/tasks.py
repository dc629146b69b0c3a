"""One measured task in a process of its own: ``python -m benchmarks.tasks NAME JSON`` prints the figures."""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.common import Vendor

ENTITIES = ("customers", "jobs", "estimates", "invoices", "appointments")
EDITED = {
    "customers": ("crm.customers", "name"),
    "jobs": ("jpm.jobs", "customerPo"),
    "estimates": ("sales.estimates", "name"),
    "invoices": ("accounting.invoices", "summary"),
    "appointments": ("jpm.appointments", "specialInstructions"),
}


def run(name: str, environment: dict[str, str], **facts: Any) -> Any:
    """Run a task in a process of its own and give what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tasks", name, json.dumps(facts)],
        env=os.environ | environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


async def migrate() -> Any:
    """Make the tables."""
    from perfectcatch.app import migrated
    from perfectcatch.settings import load_settings

    return await migrated(load_settings(env_file=None))


async def load(*, full: bool) -> dict[str, Any]:
    """Read the five entities."""
    from perfectcatch.app import open_engine
    from perfectcatch.settings import load_settings

    async with open_engine(load_settings(env_file=None)) as engine:
        chosen = [engine.entities[name] for name in ENTITIES]
        cpu, wall = time.process_time(), time.perf_counter()
        report = await engine.run_entities(chosen, full=full)
        measured = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "records": report.totals()["fetched"],
            "updated": report.totals()["updated"],
            "requests": report.totals()["requests"],
            "seconds": {each.entity: each.duration_ms / 1000 for each in report.entities},
        }
        assert report.status == "succeeded", [each.error for each in report.failures]
        return measured


async def incremental(*, sandbox: str, database_url: str, turns: list[int]) -> dict[str, Any]:
    """A worker that is already running reads 1 % changed records, once for each of ``turns``."""
    from perfectcatch.app import open_engine
    from perfectcatch.settings import load_settings

    async with open_engine(load_settings(env_file=None)) as engine:
        chosen = [engine.entities[name] for name in ENTITIES]
        await engine.run_entities(chosen)
        walls, cpus, updated = [], [], []
        for turn in turns:
            await asyncio.to_thread(change_one_in_a_hundred, sandbox, database_url, turn)
            cpu, wall = time.process_time(), time.perf_counter()
            report = await engine.run_entities(chosen)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
            updated.append(report.totals()["updated"])
        return {
            "wall": statistics.median(walls),
            "walls": walls,
            "cpu": statistics.median(cpus),
            "updated": statistics.median(updated),
        }


async def reads() -> None:
    """A worker that is already running reads what has changed whenever a line comes, and prints how long."""
    from perfectcatch.app import open_engine
    from perfectcatch.settings import load_settings

    async with open_engine(load_settings(env_file=None)) as engine:
        chosen = [engine.entities[name] for name in ENTITIES]
        while await asyncio.to_thread(sys.stdin.readline):
            wall = time.perf_counter()
            await engine.run_entities(chosen)
            print(json.dumps({"wall": time.perf_counter() - wall}), flush=True)


async def listening(*, rounds: int) -> dict[str, float]:
    """Milliseconds from the commit of a changed row to its event at a listener."""
    from perfectcatch.app import open_store
    from perfectcatch.settings import load_settings
    from perfectcatch.store import events
    from perfectcatch.store.merging import mirror
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    settings = load_settings(env_file=None)
    tenant_id = settings.service_titan_tenant_id or 0
    async with open_store(settings, application="benchmark") as pool:
        async with pool.connection() as connection:
            found = await connection.execute(
                "select full_data from servicetitan.st_invoices "
                "where balance > 0 and deleted_at is null limit %s",
                (rounds,),
            )
            documents = [row[0] for row in await found.fetchall()]
        heard: asyncio.Queue[float] = asyncio.Queue()

        async def listen() -> None:
            async for _ in events.listen(pool, tenant_id):
                heard.put_nowait(time.perf_counter())

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        latencies = []
        for document in documents:
            document |= {"balance": "0.00", "modifiedOn": "2036-01-01T00:00:00Z"}
            batch = mirror.Batch(
                tenant_id=tenant_id,
                entity=BY_NAME["invoices"],
                entities=BY_NAME,
                records=[json.dumps(document).encode()],
            )
            await mirror.merge(pool, batch)
            committed = time.perf_counter()
            latencies.append((await heard.get() - committed) * 1000)
        listener.cancel()
    latencies.sort()
    return {
        "p50_ms": statistics.median(latencies),
        "p99_ms": latencies[int(len(latencies) * 0.99) - 1],
        "n": len(latencies),
    }


async def rows(*, source: str, target: str, events: bool) -> dict[str, Any]:
    """The same rows by COPY and upsert, with the events that they tell or without."""
    from benchmarks.rows import comparison

    return await comparison(ENTITIES, source, target, events=events)


async def one_by_one(*, source: str, target: str, known: dict[str, Any], events: bool) -> dict[str, Any]:
    """The same rows one upsert after the other, with the events that they tell or without."""
    from benchmarks import rows

    return await rows.one_by_one(ENTITIES, source, target, known, events=events)


def change_one_in_a_hundred(sandbox: str, database_url: str, turn: int) -> int:
    """Edit every hundredth record at the vendor; ``turn`` makes it another hundredth and another text."""
    import psycopg

    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    vendor = Vendor(sandbox)
    changed = 0
    with psycopg.connect(database_url) as connection:
        for name, (collection, field) in EDITED.items():
            found = connection.execute(
                f"select st_id from (select st_id, row_number() over (order by st_id) as place from "
                f"{BY_NAME[name].table} where deleted_at is null) counted where place %% 100 = %s",
                (turn % 100,),
            )
            for (st_id,) in found.fetchall():
                vendor.post("edit", collection=collection, id=st_id, changes={field: f"edited {turn}"})
                changed += 1
    vendor.close()
    return changed


TASKS = {each.__name__: each for each in (migrate, load, incremental, reads, listening, rows, one_by_one)}


def main() -> None:
    from perfectcatch.cli.running import run_command
    from perfectcatch.kit import log

    log.configure(level="warning")
    print(json.dumps(run_command(TASKS[sys.argv[1]](**json.loads(sys.argv[2])))))


if __name__ == "__main__":
    main()
