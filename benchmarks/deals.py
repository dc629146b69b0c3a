"""What deals cost: from a committed event to the opportunity that moved, requests, and a backfill's pace.

    .venv/bin/python -m benchmarks.deals [--moves 30] [--customers 120] [--out FILE]

The simulated location answers over HTTP in this process, with the vendor's limit of 100 requests in ten
seconds, which all our requests keep to; its own time and its requests are counted where they arrive.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import database_server, fresh_database, machine, median, share

if TYPE_CHECKING:
    from perfectcatch.deals.desk import Deals
    from perfectcatch.sandbox.gohighlevel.server import Vendor
    from perfectcatch.store.pool import Pool

TENANT = 1
LIMIT = 10.0  # requests a second that the vendor takes
NOW = datetime.now(UTC)
TEN = 10


async def merge(pool: "Pool", entity: str, *records: dict[str, Any]) -> None:
    from perfectcatch.store.merging import mirror
    from perfectcatch.store.merging.mirror import Batch
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    documents = [json.dumps({"active": True, **record}).encode() for record in records]
    batch = Batch(tenant_id=TENANT, entity=BY_NAME[entity], entities=BY_NAME, records=documents)
    await mirror.merge(pool, batch)


def dated(at: datetime) -> dict[str, str]:
    return {"createdOn": at.isoformat(), "modifiedOn": at.isoformat()}


async def book(pool: "Pool", first: int, number: int) -> None:
    """Customers, each with a telephone, a job and an open estimate."""
    ids = range(first, first + number)
    await merge(pool, "customers", *({"id": n, "name": f"Person {n}", **dated(NOW)} for n in ids))
    phones = [
        {"id": n, "customerId": n, "type": "MobilePhone", "value": f"303555{n % 10000:04}", **dated(NOW)}
        for n in ids
    ]
    await merge(pool, "customer_contacts", *phones)
    jobs = [
        {"id": n, "jobNumber": str(n), "customerId": n, "jobStatus": "Scheduled", **dated(NOW)} for n in ids
    ]
    await merge(pool, "jobs", *jobs)
    await merge(pool, "estimates", *(estimate(n, "Open", NOW) for n in ids))


def estimate(number: int, status: str, at: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "jobId": number,
        "customerId": number,
        "name": "Heater",
        "status": {"value": 0, "name": status},
        "subtotal": 900,
        "createdOn": NOW.isoformat(),
        "modifiedOn": at.isoformat(),
    }


@asynccontextmanager
async def dealing(pool: "Pool") -> "AsyncIterator[tuple[Deals, Vendor]]":
    from aiohttp import web

    from perfectcatch.connections import open_deals
    from perfectcatch.sandbox.gohighlevel.server import LOCATION, PRIVATE_TOKEN, VENDOR, make_app
    from perfectcatch.settings import Settings

    app = make_app()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        settings = Settings(
            service_titan_tenant_id=TENANT,
            ghl_api_key=PRIVATE_TOKEN,
            ghl_location_id=LOCATION,
            ghl_api_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
            ghl_sync_enabled=True,
        )
        async with open_deals(settings, pool) as deals:
            assert deals is not None
            yield deals, app[VENDOR]
    finally:
        await runner.cleanup()


async def backfill(deals: "Deals", vendor: "Vendor") -> dict[str, Any]:
    """Every estimate is new to the CRM: how near to the vendor's limit a push comes."""
    from perfectcatch.deals.sweeps import push

    began, before = time.perf_counter(), len(vendor.calls)
    counts = await push(deals, "estimates")
    seconds, requests = time.perf_counter() - began, len(vendor.calls) - before
    return {
        "opportunities": counts.created,
        "failed": counts.failed,
        "seconds": round(seconds, 1),
        "requests": requests,
        "requests_a_deal": round(requests / max(1, counts.created), 2),
        "share_of_the_limit": round(requests / seconds / LIMIT, 3),
        "refused_by_the_limit": vendor.meter.refused,
    }


async def moves(deals: "Deals", vendor: "Vendor", pool: "Pool", number: int) -> dict[str, Any]:
    """One estimate after the other is sold, a second apart: when its opportunity is in Job Sold."""
    from perfectcatch.deals.working import at_work

    waits: list[float] = []
    before = len(vendor.calls)
    async with at_work(deals, poll_seconds=60):
        await asyncio.sleep(1)
        for n in range(1, number + 1):
            await merge(pool, "estimates", estimate(n, "Sold", datetime.now(UTC) + timedelta(seconds=1)))
            began = time.perf_counter()
            while not _is_sold(vendor, n):  # noqa: ASYNC110 - the simulated vendor tells nobody
                await asyncio.sleep(0.002)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(1)
    requests = len(vendor.calls) - before
    return {
        "moves": number,
        "median_ms": round(median(waits) * 1000, 1),
        "p90_ms": round(share(waits, 0.9) * 1000, 1),
        "requests_a_move": round(requests / number, 2),
    }


def _is_sold(vendor: "Vendor", number: int) -> bool:
    name = f"Person {number} - "
    return any(
        each["name"].startswith(name) and each["status"] == "won"
        for each in vendor.account.opportunities.values()
    )


async def measure(customers: int, number: int) -> dict[str, Any]:
    from perfectcatch.deals.dispatch import settle
    from perfectcatch.store.jobs.queue import install
    from perfectcatch.store.pool import open_pool
    from perfectcatch.store.schema.migrate import migrate
    from perfectcatch.vendors.servicetitan.entities import ENTITIES

    async with database_server() as server:
        url = await fresh_database(server, "deals")
        await migrate(url, ENTITIES, install_jobs=install)
        async with open_pool(url) as pool, dealing(pool) as (deals, vendor):
            await book(pool, 1, customers)
            await settle(deals)
            result: dict[str, Any] = {"machine": machine(), "backfill": await backfill(deals, vendor)}
            await asyncio.sleep(TEN)  # until the vendor counts anew
            result["moves"] = await moves(deals, vendor, pool, min(number, customers))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--customers", type=int, default=120)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    result = asyncio.run(measure(asked.customers, asked.moves))
    text = json.dumps(result, indent=2)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
