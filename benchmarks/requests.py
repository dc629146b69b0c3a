"""How near a read comes to the rate that is allowed, where nothing but the rate holds it back.

    .venv/bin/python -m benchmarks.requests [--rate 50] [--page-size 10] [--out FILE]

A sandbox with small pages, so that requests are the bottleneck, and a full load of the five lists that the
other figures are of. The bound is the number of requests over the rate that is set.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from benchmarks import tasks
from benchmarks.common import database_server, fresh_database, machine, sandbox_process, settings_for


async def measure(rate: float, page_size: int, customers: int) -> dict[str, Any]:
    words = ("--rate", "1000", "--page-size", str(page_size))
    with sandbox_process(customers, *words) as known:
        async with database_server() as server:
            url = await fresh_database(server, "requests")
            here = settings_for(known, rate=rate) | {"DATABASE_URL": url}
            await asyncio.to_thread(tasks.run, "migrate", here)
            return await asyncio.to_thread(tasks.run, "load", here, full=True)


def report(measured: dict[str, Any], rate: float) -> str:
    """The figures as a table."""
    bound = measured["requests"] / rate
    rows = [
        ("requests", f"{measured['requests']:,}"),
        ("requests for a record", f"{measured['requests'] / measured['records']:.3f}"),
        (f"what the rate of {rate:g} a second alone would take", f"{bound:.1f} s"),
        ("taken", f"{measured['wall']:.1f} s"),
        ("**taken against that bound**", f"**{measured['wall'] / bound:.2f}** (limit 1.2)"),
    ]
    table = "\n".join(f"| {what} | {figure} |" for what, figure in rows)
    return f"# At the rate that is allowed\n\n{machine()}\n\n| what | figure |\n|---|---|\n{table}\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rate", type=float, default=50)
    words.add_argument("--page-size", type=int, default=10)
    words.add_argument("--customers", type=int, default=1000)
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    text = report(asyncio.run(measure(chosen.rate, chosen.page_size, chosen.customers)), chosen.rate)
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
