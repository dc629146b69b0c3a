"""What a sync costs, beside the same rows going COPY + upsert into the same tables, and beside other tools.

    .venv/bin/python -m benchmarks.sync [--customers 20000] [--rounds 3] [--others 2000] [--out FILE]

The sandbox runs in its own process, each load in a process of its own, so that CPU and memory are the
client's. Everybody writes to the same embedded PostgreSQL. The rows of the comparison are read and converted
before its clock starts. ``--others``: customers of the company that the other tools read, 0 for none of them;
they get their own virtual environments, which are gone afterwards unless ``--environments`` keeps them.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks import tasks
from benchmarks.common import (
    command,
    database_server,
    fresh_database,
    machine,
    median,
    sandbox_process,
    settings_for,
)
from benchmarks.rivals import measure as rivals

VENDOR_LIMIT = 60  # requests a second that the vendor allows
RUNNING, FRESH = 7, 5  # how often a process that runs already, and a fresh one, reads what has changed


async def one_round(
    server: str, settings: dict[str, str], sandbox: str, turns: Iterator[int]
) -> dict[str, Any]:
    """Every load once, into empty databases, and each incremental read several times."""

    def everything() -> dict[str, Any]:
        here = settings | {"DATABASE_URL": ours}
        for database in (ours, theirs, with_events):
            tasks.run("migrate", settings | {"DATABASE_URL": database})
        measured = {
            "full": tasks.run("load", here, full=True),
            "rows": tasks.run("rows", here, source=ours, target=theirs, events=False),
            "all_rows": tasks.run("rows", here, source=ours, target=with_events, events=True),
            "again": tasks.run("load", here, full=True),
        }
        running = {"sandbox": sandbox, "database_url": ours, "turns": [*islice(turns, RUNNING)]}
        measured["incremental"] = tasks.run("incremental", here, **running)
        command(here, "sync", "incremental", "--json")  # loads what the five entities left out
        for name, words in {"command": ("run", *tasks.ENTITIES), "command_of_all": ("incremental",)}.items():
            walls = []
            for turn in islice(turns, FRESH):
                tasks.change_one_in_a_hundred(sandbox, ours, turn)
                began = time.perf_counter()
                command(here, "sync", *words, "--json")
                walls.append(time.perf_counter() - began)
            measured |= {name: median(walls), f"{name}_walls": walls}
        return measured

    ours = await fresh_database(server, "bench_ours")
    theirs = await fresh_database(server, "bench_rows")
    with_events = await fresh_database(server, "bench_all_rows")
    return await asyncio.to_thread(everything)


def _database(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def beside_others(server: str, customers: int, rounds: int, place: Path) -> dict[str, Any]:
    """The same five lists by other tools, and by us, at a company of ``customers``: all in turns."""
    result: dict[str, Any] = {"customers": customers, "rounds": []}
    turns = count(1)
    with sandbox_process(customers) as known:
        for _ in range(rounds):
            result["rounds"].append(await _one_turn(server, known, place, turns))
            print(json.dumps(result["rounds"][-1]), file=sys.stderr, flush=True)
    return result


async def _one_turn(server: str, known: dict[str, Any], place: Path, turns: Iterator[int]) -> dict[str, Any]:
    mirrored = await fresh_database(server, "bench_ours")
    here = settings_for(known) | {"DATABASE_URL": mirrored}
    await asyncio.to_thread(tasks.run, "migrate", here)
    measured: dict[str, Any] = {"ours": await asyncio.to_thread(tasks.run, "load", here, full=True)}

    def beside_dlt(facts: dict[str, Any]) -> dict[str, Any] | None:
        command(here, "sync", "incremental", "--json")  # loads what the five entities left out

        def change() -> None:
            tasks.change_one_in_a_hundred(known["url"], mirrored, next(turns))

        return rivals.beside_dlt(place, facts, here, change, running=RUNNING, fresh=FRESH)

    others: dict[str, Callable[[dict[str, Any]], Any]] = {
        "dlt": beside_dlt,
        "row_by_row": lambda facts: rivals.row_by_row(place, facts),
        "singer": lambda facts: rivals.singer(place, facts),
    }
    for name, measure in others.items():
        facts = {"known": known, "database_url": await fresh_database(server, f"bench_{name}")}
        measured[name] = await asyncio.to_thread(measure, facts)
    for name, events in {"one_by_one": False, "all_one_by_one": True}.items():
        target = await fresh_database(server, f"bench_{name}")
        there = settings_for(known) | {"DATABASE_URL": target}
        await asyncio.to_thread(tasks.run, "migrate", there)
        facts = {"source": mirrored, "target": target, "known": known, "events": events}
        measured[name] = await asyncio.to_thread(tasks.run, "one_by_one", there, **facts)
    return measured


async def measure(customers: int, rounds: int, others: int, place: Path) -> dict[str, Any]:
    result: dict[str, Any] = {"customers": customers, "rounds": [], "machine": machine()}
    async with database_server() as server:
        with sandbox_process(customers) as known:
            settings, turns = settings_for(known), count(1)
            for _ in range(rounds):
                measured = await one_round(server, settings, known["url"], turns)
                print(json.dumps(measured), file=sys.stderr, flush=True)
                result["rounds"].append(measured)
            here = settings | {"DATABASE_URL": _database(server, "bench_ours")}
            result["listening"] = await asyncio.to_thread(tasks.run, "listening", here, rounds=200)
        if others:
            result["others"] = await beside_others(server, others, max(rounds, 1), place)
    return result


def _at(found: Any, path: tuple[str, ...]) -> Any:
    for step in path if found is not None else ():
        found = found[step]
        if found is None:
            return None
    return found


def report(result: dict[str, Any]) -> str:
    """The figures as tables."""

    def middle(*path: str) -> float:
        values = []
        for measured in result["rounds"]:
            found: Any = measured
            for step in path:
                found = found[step]
            values.append(float(found))
        return median(values)

    full, plain = middle("full", "wall"), middle("rows", "wall")
    records, requests = middle("full", "records"), middle("full", "requests")
    heard = result["listening"]
    told = [
        ("full load into empty tables, wall", f"{full:.2f} s"),
        ("records a second", f"{records / full:,.0f}"),
        ("client CPU", f"{middle('full', 'cpu'):.2f} s (limit 3)"),
        ("peak memory of the worker process", f"{middle('full', 'rss_mb'):.0f} MB (limit 256)"),
        (
            f"the same rows ({middle('rows', 'rows'):,.0f} with items), COPY + upsert over two connections",
            f"{plain:.2f} s",
        ),
        ("its client CPU", f"{middle('rows', 'cpu'):.2f} s"),
        (
            f"with the events that they tell ({middle('all_rows', 'rows'):,.0f} rows)",
            f"{middle('all_rows', 'wall'):.2f} s",
        ),
        ("**full load against COPY + upsert**", f"**{full / plain:.2f}** (limit 1.3)"),
        ("a second full read, nothing changed, wall", f"{middle('again', 'wall'):.2f} s"),
        (
            f"incremental, 1 % changed ({middle('incremental', 'updated'):,.0f} records), running worker",
            f"{middle('incremental', 'wall'):.2f} s",
        ),
        ("incremental as a fresh command, the same five lists", f"{middle('command'):.2f} s"),
        ("incremental as a fresh command, every entity", f"{middle('command_of_all'):.2f} s"),
        (
            "commit to event at a listener, median / p99",
            f"{heard['p50_ms']:.1f} / {heard['p99_ms']:.1f} ms (limit 10 for the median)",
        ),
        ("requests, records on each", f"{requests:.0f}, {records / requests:,.0f}"),
        ("what the vendor's 60 requests a second alone would take", f"{requests / VENDOR_LIMIT:.1f} s"),
    ]
    lines = [
        f"{result['customers']:,} customers, {records:,.0f} records, medians of {len(result['rounds'])}; "
        f"{result['machine']} at the start.",
        "",
        "| what | figure |",
        "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in told),
    ]
    if "others" in result:
        lines += _beside_others(result["others"])
    return "\n".join(lines) + "\n"


def _beside_others(others: dict[str, Any]) -> list[str]:
    def middle(*path: str) -> float | None:
        found = [_at(each, path) for each in others["rounds"]]
        return None if None in found else median(found)

    def row(what: str, theirs: float | None, ours: float | None, goal: str) -> str:
        if theirs is None or ours is None:
            return f"| {what} | | could not be had here | | {goal} |"
        return f"| {what} | {ours:.2f} s | {theirs:.2f} s | **{theirs / ours:.1f}** | {goal} |"

    full = middle("ours", "wall")
    return [
        "",
        f"Beside other tools, the same five lists of {others['customers']:,} customers "
        f"({middle('ours', 'records'):,.0f} records), all in turns, medians of {len(others['rounds'])}. "
        f"What has changed is read by dlt and by us one after the other: of each turn the median of "
        f"{RUNNING} reads in running processes, and of {FRESH} fresh ones.",
        "",
        "| what | ours | theirs | times ours | goal |",
        "|---|---|---|---|---|",
        row("dlt, REST source, merge: full load", middle("dlt", "wall"), full, "4.5"),
        row("dlt: 1 % changed, running process", middle("dlt", "theirs"), middle("dlt", "ours"), "5"),
        row(
            "dlt: 1 % changed, fresh process",
            middle("dlt", "their_commands"),
            middle("dlt", "our_commands"),
            "2.5",
        ),
        row("Singer SDK tap into target-postgres: full load", middle("singer", "wall"), full, "30"),
        row(
            "row by row into the same tables, history included", middle("all_one_by_one", "wall"), full, "14"
        ),
        row("row by row into the same tables, without history", middle("one_by_one", "wall"), full, ""),
        row("row by row, documents into bare tables, a page at once", middle("row_by_row", "wall"), full, ""),
    ]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--customers", type=int, default=20000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--others", type=int, default=2000)
    words.add_argument("--environments", type=Path, help="Where those of other tools are kept between runs")
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="pc-others-") as gone:
        place = chosen.environments or Path(gone)
        text = report(asyncio.run(measure(chosen.customers, chosen.rounds, chosen.others, place)))
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
