"""What a sync costs, beside the same rows going COPY + upsert into the same tables, in one run.

    .venv/bin/python benchmarks/sync.py [--customers 20000] [--rounds 3] [--out docs/benchmarks/sync.md]

The sandbox runs in its own process, each load in a worker process of its own, so that CPU and memory are
the client's. Both sides write to an embedded PostgreSQL on this machine. The rows of the comparison are read
and converted before its clock starts.
"""

import argparse
import asyncio
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENTITIES = ("customers", "jobs", "estimates", "invoices", "appointments")
BATCH = 5000


# The worker process: one measured load ---------------------------------------------------------


async def load(mode: str) -> dict[str, Any]:
    from perfectcatch.app import open_engine
    from perfectcatch.settings import load_settings

    async with open_engine(load_settings(env_file=None)) as engine:
        chosen = [engine.entities[name] for name in ENTITIES]
        cpu, wall = time.process_time(), time.perf_counter()
        report = await engine.run_entities(chosen, full=mode == "full")
        measured = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "records": report.totals()["fetched"],
            "updated": report.totals()["updated"],
            "requests": report.totals()["requests"],
            "status": report.status,
            "seconds": {each.entity: each.duration_ms / 1000 for each in report.entities},
        }
        if report.status != "succeeded":
            measured["errors"] = [each.error for each in report.failures]
        return measured


async def incremental_in_running_worker(sandbox: str, database_url: str) -> dict[str, Any]:
    """A worker that is already running reads 1 % changed records; then single changes, commit to listener."""
    from perfectcatch.app import open_engine
    from perfectcatch.settings import load_settings

    async with open_engine(load_settings(env_file=None)) as engine:
        chosen = [engine.entities[name] for name in ENTITIES]
        await engine.run_entities(chosen)
        changed = await asyncio.to_thread(change_one_in_a_hundred, sandbox, database_url, 1)
        cpu, wall = time.process_time(), time.perf_counter()
        report = await engine.run_entities(chosen)
        return {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "changed": changed,
            "updated": report.totals()["updated"],
            "requests": report.totals()["requests"],
        }


async def listening(rounds: int) -> dict[str, float]:
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


async def comparison(source_url: str, target_url: str) -> dict[str, Any]:
    """The rows of a loaded mirror, COPY into a staging table and upsert, two connections side by side."""
    import psycopg

    from perfectcatch.store.names import beside, qualified
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    tables = []
    for name in ENTITIES:
        entity = BY_NAME[name]
        tables.append((qualified(entity.table), ("tenant_id", "st_id")))
        tables += [
            (beside(child.table, entity.table), ("tenant_id", child.parent_column, "position"))
            for child in entity.children
        ]
    rows: dict[str, list[tuple[Any, ...]]] = {}
    columns: dict[str, list[str]] = {}
    async with await psycopg.AsyncConnection.connect(source_url) as connection:
        from psycopg.types.json import set_json_loads

        set_json_loads(lambda text: bytes(text).decode(), connection)  # JSON stays the text that it is
        for table, _ in tables:
            stored = await connection.execute(
                "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute "
                "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped and attgenerated = ''",
                (table,),
            )
            [(listed,)] = await stored.fetchall()
            cursor = await connection.execute(f"select {listed} from {table}")
            columns[table] = [column.name for column in cursor.description or ()]
            rows[table] = await cursor.fetchall()
    shares: list[list[tuple[str, tuple[str, ...]]]] = [[], []]
    for place in sorted(tables, key=lambda each: -len(rows[each[0]])):
        shares[0 if size(shares[0], rows) <= size(shares[1], rows) else 1].append(place)

    async def write(share: list[tuple[str, tuple[str, ...]]]) -> None:
        async with await psycopg.AsyncConnection.connect(target_url, autocommit=True) as connection:
            for number, (table, key) in enumerate(share):
                staging = f"staging_{number}"
                names = ", ".join(f'"{name}"' for name in columns[table])
                await connection.execute(f"create temp table {staging} (like {table})")
                updates = ", ".join(f'"{n}" = excluded."{n}"' for n in columns[table] if n not in key)
                for start in range(0, len(rows[table]), BATCH):
                    async with connection.transaction():
                        copying = f"copy {staging} ({names}) from stdin"
                        async with connection.cursor() as cursor, cursor.copy(copying) as copy:
                            for row in rows[table][start : start + BATCH]:
                                await copy.write_row(row)
                        await connection.execute(
                            f"insert into {table} ({names}) select {names} from {staging} "
                            f"on conflict ({', '.join(key)}) do update set {updates}"
                        )
                        await connection.execute(f"truncate {staging}")

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(write(share) for share in shares))
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "rows": sum(len(each) for each in rows.values()),
    }


def size(share: list[tuple[str, tuple[str, ...]]], rows: dict[str, list[tuple[Any, ...]]]) -> int:
    return sum(len(rows[table]) for table, _ in share)


EDITED = {
    "customers": ("crm.customers", "name"),
    "jobs": ("jpm.jobs", "customerPo"),
    "estimates": ("sales.estimates", "name"),
    "invoices": ("accounting.invoices", "summary"),
    "appointments": ("jpm.appointments", "specialInstructions"),
}


def change_one_in_a_hundred(sandbox: str, database_url: str, turn: int) -> int:
    """Edit every hundredth record at the vendor; ``turn`` makes it another hundredth and another text."""
    import psycopg

    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    parts = urllib.parse.urlsplit(sandbox)
    vendor = http.client.HTTPConnection(parts.hostname or "", parts.port)
    changed = 0
    with psycopg.connect(database_url) as connection:
        for name, (collection, field) in EDITED.items():
            found = connection.execute(
                f"select st_id from (select st_id, row_number() over (order by st_id) as place from "
                f"{BY_NAME[name].table} where deleted_at is null) counted where place %% 100 = %s",
                (turn,),
            )
            for (st_id,) in found.fetchall():
                body = {"collection": collection, "id": st_id, "changes": {field: f"edited {turn}"}}
                vendor.request("POST", "/_sandbox/edit", json.dumps(body))
                answer = vendor.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()
                changed += 1
    vendor.close()
    return changed


# The parent: sandbox, databases, rounds, report ------------------------------------------------


def worker(task: str, environment: dict[str, str], *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, *words],
        env=os.environ | environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


def incremental_command(environment: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "perfectcatch", "sync", "incremental", "--json"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )


@contextmanager
def sandbox_process(customers: int) -> Iterator[dict[str, Any]]:
    words = ["sandbox", "--port", "0", "--customers", str(customers), "--rate", "100000"]
    process = subprocess.Popen([sys.executable, "-m", "perfectcatch", *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


async def fresh_database(server_url: str, name: str) -> str:
    """An empty database on the server; its URL."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(server_url, autocommit=True) as connection:
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name}")
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(server_url)._replace(path=f"/{name}"))


async def measure(customers: int, rounds: int) -> dict[str, Any]:
    from perfectcatch.store.server.embedded import embedded

    result: dict[str, Any] = {"customers": customers, "rounds": []}
    with (
        sandbox_process(customers) as known,
        tempfile.TemporaryDirectory(prefix="pc-bench-", dir="/tmp") as place,
    ):
        os.chmod(place, 0o755)  # noqa: PTH101 - PostgreSQL runs as another user
        async with embedded(Path(place)) as server:
            settings = {
                "SERVICE_TITAN_API_URL": known["url"],
                "SERVICE_TITAN_AUTH_URL": known["url"] + "/connect/token",
                "SERVICE_TITAN_CLIENT_ID": known["client_id"],
                "SERVICE_TITAN_CLIENT_SECRET": known["client_secret"],
                "SERVICE_TITAN_APP_KEY": known["app_key"],
                "SERVICE_TITAN_TENANT_ID": str(known["tenant_id"]),
                "SERVICE_TITAN_RATE_LIMIT": "10000",
                "LOG_LEVEL": "warning",
            }
            for _ in range(rounds):
                ours = await fresh_database(server.url, "bench_ours")
                theirs = await fresh_database(server.url, "bench_rows")
                here = settings | {"DATABASE_URL": ours}
                for database in (ours, theirs):
                    await asyncio.to_thread(worker, "migrate", settings | {"DATABASE_URL": database})
                full = await asyncio.to_thread(worker, "full", here)
                again = await asyncio.to_thread(worker, "full", here)
                plain = await asyncio.to_thread(worker, "comparison", here, "--from", ours, "--to", theirs)
                running = await asyncio.to_thread(
                    worker, "incremental", here, "--sandbox", known["url"], "--from", ours
                )
                await asyncio.to_thread(incremental_command, here)  # loads what the five entities left out
                await asyncio.to_thread(change_one_in_a_hundred, known["url"], ours, 2)
                began = time.perf_counter()
                await asyncio.to_thread(incremental_command, here)
                command = time.perf_counter() - began
                round_ = {
                    "full": full,
                    "again": again,
                    "comparison": plain,
                    "incremental": running,
                    "incremental_command_wall": command,
                }
                print(json.dumps(round_), file=sys.stderr, flush=True)
                result["rounds"].append(round_)
            result["commit_to_listener"] = await asyncio.to_thread(worker, "listening", here)
    return result


def median(result: dict[str, Any], *path: str) -> float:
    values = []
    for round_ in result["rounds"]:
        value: Any = round_
        for step in path:
            value = value[step]
        values.append(float(value))
    return statistics.median(values)


def report(result: dict[str, Any]) -> str:
    full = {name: median(result, "full", name) for name in ("wall", "cpu", "rss_mb", "records", "requests")}
    plain = {name: median(result, "comparison", name) for name in ("wall", "cpu", "rows")}
    latency = result["commit_to_listener"]
    lines = [
        f"{result['customers']:,} customers, {full['records']:,.0f} records, "
        f"medians of {len(result['rounds'])}",
        "",
        "| what | figure |",
        "|---|---|",
        f"| full load into empty tables, wall | {full['wall']:.2f} s |",
        f"| records a second | {full['records'] / full['wall']:,.0f} |",
        f"| client CPU | {full['cpu']:.2f} s |",
        f"| peak memory of the worker process | {full['rss_mb']:.0f} MB |",
        f"| requests | {full['requests']:.0f} |",
        f"| the same rows ({plain['rows']:,.0f} with items), COPY + upsert over two connections, wall "
        f"| {plain['wall']:.2f} s |",
        f"| its client CPU | {plain['cpu']:.2f} s |",
        f"| **full load against COPY + upsert** | **{full['wall'] / plain['wall']:.2f}** (limit 1.3) |",
        f"| a second full read, nothing changed, wall | {median(result, 'again', 'wall'):.2f} s |",
        "| incremental after 1 % changed, running worker, wall "
        f"| {median(result, 'incremental', 'wall'):.2f} s |",
        "| incremental as a fresh command, every entity, wall "
        f"| {median(result, 'incremental_command_wall'):.2f} s |",
        "| commit to event at a listener, median / p99 "
        f"| {latency['p50_ms']:.1f} / {latency['p99_ms']:.1f} ms |",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--customers", type=int, default=20000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--out", type=Path)
    words.add_argument("--task")
    words.add_argument("--sandbox", default="")
    words.add_argument("--from", dest="source", default="")
    words.add_argument("--to", dest="target", default="")
    chosen = words.parse_args()
    if chosen.task:
        print(json.dumps(asyncio.run(_task(chosen))))
        return
    text = report(asyncio.run(measure(chosen.customers, chosen.rounds)))
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


async def _task(chosen: argparse.Namespace) -> Any:
    from perfectcatch.kit import log

    log.configure(level="warning")
    if chosen.task == "migrate":
        from perfectcatch.app import migrated
        from perfectcatch.settings import load_settings

        return await migrated(load_settings(env_file=None))
    if chosen.task == "comparison":
        return await comparison(chosen.source, chosen.target)
    if chosen.task == "incremental":
        return await incremental_in_running_worker(chosen.sandbox, chosen.source)
    if chosen.task == "listening":
        return await listening(200)
    return await load(chosen.task)


if __name__ == "__main__":
    main()
