"""Does cost follow the changes, or the table? The same changes in 10,000 and in 1,000,000 invoices.

    .venv/bin/python -m benchmarks.growth [--small 10000] [--large 1000000] [--changes 500] [--out FILE]

The tables are filled by PostgreSQL itself. Measured is what an incremental run does with a page of changes,
and what it does beside: where lists begin, events that time causes, the log.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import command, database_server, fresh_database, machine, median

TENANT = 7
ROUNDS = 7
RECENT = 9_000  # a company works on what is recent
SPREAD = "for comparison: as many, spread over all years"

# Invoices of four years; the last 400 are open. Each has a customer, a job and a day when it is due.
FILL = """
insert into servicetitan.st_invoices (tenant_id, st_id, reference_number, customer_id, location_id, job_id,
  business_unit_id, status, invoice_date, due_date, total, balance, st_created_on, st_modified_on,
  content_hash, full_data)
select %(tenant)s, n, n::text, n / 4, n / 3, n, 1, 'Posted', day, day + 30, 100, owed, day, day, '\\x00',
  jsonb_build_object('id', n, 'active', true, 'total', '100.00', 'balance', owed::text,
    'job', jsonb_build_object('id', n), 'customer', jsonb_build_object('id', n / 4),
    'modifiedOn', day::text || 'T00:00:00Z')
from generate_series(1, %(rows)s) n, lateral (
  select date '2026-10-31' - ((%(rows)s - n) * 1400 / %(rows)s)::int as day,
    case when n > %(rows)s - 400 then 100 else 0 end as owed) given
"""
SECONDARY = """
select indexrelid::regclass::text from pg_index
where indrelid = 'servicetitan.st_invoices'::regclass and not indisprimary
"""
LOADED = """
insert into servicetitan.sync_state (tenant_id, key, value)
values (%s, 'invoices_first_load', '{"completed_at": "2026-01-01T00:00:00+00:00"}')
"""
LOG = """
insert into servicetitan.st_sync_log (tenant_id, module, sync_type, status, started_at, completed_at)
select %(tenant)s, 'invoices', 'incremental', 'succeeded', at, at from generate_series(1, %(rows)s) n,
  lateral (select now() - make_interval(secs => n) as at) given
"""


def changed(number: int, first: int, last: int, turn: int) -> list[bytes]:
    """``number`` invoices spread over those from ``first`` to ``last``, each with another total and time."""
    step = max(1, (last - first) // number)
    documents = []
    for place in range(number):
        st_id = first + 1 + place * step
        document = {
            "id": st_id,
            "active": True,
            "total": f"{200 + turn}.00",
            "balance": "0.00",
            "job": {"id": st_id},
            "customer": {"id": st_id // 4},
            "modifiedOn": f"2026-11-{turn + 1:02d}T00:00:00Z",
        }
        documents.append(json.dumps(document).encode())
    return documents


async def measure(url: str, rows: int, changes: int) -> dict[str, float]:
    """Milliseconds of each part, medians, in an invoice table of ``rows``."""
    import psycopg

    from perfectcatch.store import runs
    from perfectcatch.store.merging import clock_rules, mirror
    from perfectcatch.store.pool import open_pool
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    here = {"DATABASE_URL": url}
    await asyncio.to_thread(command, here, "db", "migrate")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute(SECONDARY)
        for (index,) in await found.fetchall():
            await connection.execute(f"drop index {index}")
        await connection.execute(FILL, {"tenant": TENANT, "rows": rows})
        await connection.execute(LOADED, (TENANT,))
        await connection.execute(LOG, {"tenant": TENANT, "rows": rows // 10})
    await asyncio.to_thread(command, here, "db", "migrate")  # makes the indexes again
    invoices = BY_NAME["invoices"]
    async with open_pool(url, max_size=4) as pool:
        async with pool.connection() as connection:
            await connection.execute("vacuum (analyze) servicetitan.st_invoices")
            await connection.execute("vacuum (analyze) servicetitan.st_sync_log")
        now = datetime(2026, 11, 25, tzinfo=UTC)
        await clock_rules.evaluate(pool, TENANT, BY_NAME, now=now, zone="UTC")  # tells what is long due

        async def merge(turn: int, first: int) -> object:
            records = changed(changes, first, rows - 400, turn)
            batch = mirror.Batch(tenant_id=TENANT, entity=invoices, entities=BY_NAME, records=records)
            outcome = await mirror.merge(pool, batch)
            assert outcome.updated == len(records), outcome
            return outcome

        async def time_rules(_: int) -> object:
            return await clock_rules.evaluate(pool, TENANT, BY_NAME, now=now, zone="UTC")

        async def where_lists_begin(_: int) -> object:
            return await mirror.newest(pool, TENANT, invoices)

        async def log_lines(_: int) -> object:
            return await runs.latest(pool, TENANT)

        parts: dict[str, Callable[[int], Awaitable[object]]] = {
            f"a page of {changes} changes, among the latest {RECENT:,} records": lambda turn: merge(
                turn, rows - RECENT
            ),
            "events that time causes": time_rules,
            "where lists begin": where_lists_begin,
            "the log, by entity": log_lines,
        }
        result = {what: await _median_ms(part) for what, part in parts.items()}
        spread = await _median_ms(lambda turn: merge(turn + ROUNDS + 1, 0))
        return result | {SPREAD: spread}


async def _median_ms(part: Callable[[int], Awaitable[object]]) -> float:
    taken = []
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        await part(turn)
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken[1:])  # the first one plans


async def both(small: int, large: int, changes: int) -> dict[int, dict[str, float]]:
    async with database_server() as server:
        return {
            rows: await measure(await fresh_database(server, f"growth_{rows}"), rows, changes)
            for rows in (small, large)
        }


def report(result: dict[int, dict[str, float]]) -> str:
    """The figures side by side, and their ratio."""
    small, large = sorted(result)
    whole: dict[int, float] = {
        rows: sum(taken for what, taken in result[rows].items() if what != SPREAD) for rows in result
    }
    lines = [
        "# Does cost follow the changes, or the table?",
        "",
        machine(),
        "",
        f"| milliseconds, median of {ROUNDS} | {small:,} rows | {large:,} rows | ratio |",
        "|---|---|---|---|",
    ]
    for what in result[small]:
        one, other = result[small][what], result[large][what]
        lines.append(f"| {what} | {one:.1f} | {other:.1f} | {other / one:.2f} |")
    ratio = whole[large] / whole[small]
    lines.insert(
        -1,
        f"| **together** | {whole[small]:.1f} | {whole[large]:.1f} | **{ratio:.2f}** (limit 1.5) |",
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--small", type=int, default=10_000)
    words.add_argument("--large", type=int, default=1_000_000)
    words.add_argument("--changes", type=int, default=500)
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    text = report(asyncio.run(both(chosen.small, chosen.large, chosen.changes)))
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
