"""What a dry run costs: 90 days of a company of 50,000 events, reading included.

    .venv/bin/python -m benchmarks.rehearsal [--customers 12000] [--recipes NAME ...] [--profile]
    .venv/bin/python -m benchmarks.rehearsal --harsh [--customers 9000] [--profile]

A dry run of each recipe over the made-up company, as the sync has read it. ``--harsh``: a company of which
every customer has two open estimates, so that two of three events become a message, and two runs over it: of
one recipe, and of five together.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.common import (
    command,
    database_server,
    fresh_database,
    machine,
    sandbox_process,
    settings_for,
)

TENANT = 1
NOW = datetime(2026, 6, 30, 18, tzinfo=UTC)
DAYS = 90
PAGE = 1000
ONE = ("estimate-follow-up",)
SEVERAL = ("estimate-follow-up", "review-request", "overdue-invoice", "unhappy-customer", "rehash-unsold")


def _at(number: int, days: float = 0.0) -> str:
    """A moment of the 80 days in which the ``number``-th customer's job falls, and ``days`` after."""
    moment = NOW - timedelta(days=DAYS - 1) + timedelta(days=number * 7919 % 80, hours=number % 9)
    return (moment + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def _customers(n: int) -> Iterator[tuple[str, dict[str, Any]]]:
    old = {"active": True, "createdOn": "2025-01-01T00:00:00Z", "modifiedOn": "2025-01-02T00:00:00Z"}
    address = {"street": f"{n} Main", "city": "Denver", "state": "CO", "zip": "80202"}
    yield "customers", {"id": n, "name": f"Lee, Ann {n}", "type": "Residential", "address": address, **old}
    yield "locations", {"id": n, "customerId": n, "address": address, **old}
    phone, mail = f"303-5{n % 90 + 10}-{n % 10_000:04}", f"c{n}@example.com"
    yield "customer_contacts", {"id": 2 * n, "customerId": n, "type": "MobilePhone", "value": phone, **old}
    yield "customer_contacts", {"id": 2 * n + 1, "customerId": n, "type": "Email", "value": mail, **old}


def _job(n: int, status: str, days: float) -> dict[str, Any]:
    done = {"completedOn": _at(n, days)} if status == "Completed" else {}
    return {
        "id": n,
        "jobNumber": str(n),
        "customerId": n,
        "locationId": n,
        "jobStatus": status,
        "total": 400,
        "active": True,
        "createdOn": _at(n),
        "modifiedOn": _at(n, days),
        **done,
    }


def _estimate(n: int, number: int, status: str, days: float) -> dict[str, Any]:
    return {
        "id": 10 * n + number,
        "jobId": n,
        "customerId": n,
        "locationId": n,
        "status": {"value": 0, "name": status},
        "subtotal": 900 + n % 4000,
        "tax": 0,
        "active": True,
        "createdOn": _at(n, 1.0),
        "modifiedOn": _at(n, days),
        "soldOn": _at(n, days) if status == "Sold" else None,
    }


def _invoice(n: int, balance: str, days: float) -> dict[str, Any]:
    return {
        "id": n,
        "customer": {"id": n},
        "location": {"id": n},
        "job": {"id": n},
        "invoiceDate": _at(n, 1.1),
        "dueDate": _at(n, 11.1),
        "total": "400",
        "balance": balance,
        "active": True,
        "createdOn": _at(n, 1.1),
        "modifiedOn": _at(n, days),
    }


def _first(n: int) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _customers(n)
    yield "jobs", _job(n, "Scheduled", 0.1)
    yield "estimates", _estimate(n, 1, "Open", 1.0)
    yield "estimates", _estimate(n, 2, "Open", 1.0)
    yield "invoices", _invoice(n, "400", 1.1)


def _second(n: int) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "jobs", _job(n, "Completed", 1.0)
    if n % 2 == 0:
        yield "estimates", _estimate(n, 1, "Sold", 4.0)
    if n % 3:
        yield "invoices", _invoice(n, "0", 6.0)


async def _fill(url: str, customers: int) -> None:
    from perfectcatch.store.merging import mirror
    from perfectcatch.store.merging.mirror import Batch
    from perfectcatch.store.pool import open_pool
    from perfectcatch.store.schema.migrate import migrate
    from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES

    await migrate(url, ENTITIES)
    async with open_pool(url, max_size=2) as pool:
        for versions in (_first, _second):
            pages: dict[str, list[bytes]] = {}
            for n in range(1, customers + 1):
                for entity, document in versions(n):
                    pages.setdefault(entity, []).append(json.dumps(document).encode())
            for entity, documents in pages.items():
                for first in range(0, len(documents), PAGE):
                    page = documents[first : first + PAGE]
                    await mirror.merge(
                        pool, Batch(tenant_id=TENANT, entity=BY_NAME[entity], entities=BY_NAME, records=page)
                    )
        async with pool.connection() as connection:
            await connection.execute("analyze")


async def _run(
    url: str, names: tuple[str, ...], tenant_id: int, now: datetime, *, profile: bool
) -> dict[str, Any]:
    from perfectcatch.store.pool import open_pool
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.workflows import definitions
    from perfectcatch.workflows.records import Company
    from perfectcatch.workflows.rehearsal.dry_run import dry_run

    company = Company(name="Company", phone="+13035550100", zone="America/Denver")
    chosen = [definitions.shipped()[name] for name in names]
    async with open_pool(url, max_size=4) as pool:
        began, cpu = time.perf_counter(), time.process_time()
        with cProfile.Profile(time.process_time) if profile else _Nothing() as profiled:
            report = await dry_run(
                pool, tenant_id, BY_NAME, chosen, now=now, days=DAYS, company=company, assume_consent=True
            )
        took, spent = time.perf_counter() - began, time.process_time() - cpu
    if profile:
        pstats.Stats(profiled).sort_stats("tottime").print_stats(35)
        pstats.Stats(profiled).sort_stats("cumtime").print_stats(45)
    return {
        "events": report.events,
        "courses": len(report.courses),
        "would": len(report.would),
        "messages": sum(each.is_message for each in report.would),
        "seconds": took,
        "cpu_seconds": spent,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


async def measure(customers: int, recipes: list[str], *, profile: bool) -> None:
    """Print the figures of each recipe over the made-up company."""
    import psycopg

    from perfectcatch.workflows import definitions

    async with database_server() as server_url:
        url = await fresh_database(server_url, "rehearsal")
        with sandbox_process(customers) as known:
            settings = settings_for(known) | {"DATABASE_URL": url}
            for words in (("db", "migrate"), ("sync", "full")):
                await asyncio.to_thread(command, settings, *words)
        now = datetime.now(UTC)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("analyze")
            found = await connection.execute(
                "select count(*) from automation.events where occurred_at between %s and %s",
                (now - timedelta(days=DAYS), now),
            )
            print(f"{customers:,} customers,", *(await found.fetchone() or ()), f"events in {DAYS} days")
        for name in recipes or definitions.shipped():
            figures = await _run(url, (name,), int(known["tenant_id"]), now, profile=profile)
            print(name, json.dumps(figures), flush=True)
    print(machine())


async def measure_harsh(customers: int, *, profile: bool) -> None:
    """Print the figures of one workflow and of several."""
    async with database_server() as server_url:
        url = await fresh_database(server_url, "rehearsal")
        await _fill(url, customers)
        for names in (ONE, SEVERAL):
            figures = await _run(url, names, TENANT, NOW, profile=profile)
            print(f"{len(names)} workflow(s)", json.dumps(figures), flush=True)
    print(machine())


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--customers", type=int)
    words.add_argument("--recipes", nargs="*", default=[])
    words.add_argument("--harsh", action="store_true")
    words.add_argument("--profile", action="store_true")
    chosen = words.parse_args()
    if chosen.harsh:
        asyncio.run(measure_harsh(chosen.customers or 9_000, profile=chosen.profile))
    else:
        asyncio.run(measure(chosen.customers or 12_000, chosen.recipes, profile=chosen.profile))


if __name__ == "__main__":
    main()
