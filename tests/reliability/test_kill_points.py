"""A process is killed at every named moment around a commit; after a clean run nothing is lost or twice."""

import asyncio
from collections.abc import Iterable
from typing import Final

import pytest

from acceptance.conftest import Product, Sandbox
from acceptance.test_sync_commands import rows_of
from databases import new_database
from perfectcatch.store.server.embedded import Server
from reliability.conftest import (
    SWITCHED_OFF,
    Forge,
    assert_converged,
    start_worker,
    succeeded,
    tapped,
    until,
)
from reliability.wiretap import Point, When, Wiretap

_STATEMENTS: Final = {
    "lock": r"pg_advisory_xact_lock",
    "classify": r"insert into plan \(ord",
    "history": r'insert into "servicetitan"."record_history"',
    "update": r'update "servicetitan"."st_(jobs|estimates|customers)" m set .*\sfrom plan',
    "insert": r'insert into "servicetitan"."st_\w+" as m\s+\(tenant_id, st_id, ',
    "children": r'insert into "servicetitan"."st_estimate_items"',
    "events of new rows": r'insert into "automation"."events" .*\sfrom \(select b\.',
    "events of changed rows": r'insert into "automation"."events" .*\sfrom plan',
    "log line": r'update "servicetitan"."st_sync_log" set records_fetched',
    "checkpoint": r'insert into "servicetitan"."sync_state"',
}
_COPY: Final = r"^copy incoming"
_COMMIT: Final = r"^commit"

POINTS: Final = (
    Point("before the COPY", _COPY, When.ASKED),
    Point("in the middle of the COPY", _COPY, When.COPYING),
    Point("after the COPY", _COPY, When.ANSWERED),
    *(Point(f"after the {name}", f"(?s){pattern}", When.ANSWERED) for name, pattern in _STATEMENTS.items()),
    Point("before the COMMIT", _COMMIT, When.ASKED),
    Point("after the COMMIT, unheard", _COMMIT, When.ANSWERED),
    Point("after the COMMIT", _COMMIT, When.TOLD),
    Point("when a run begins", r'insert into "servicetitan"."sync_runs"', When.ANSWERED),
    Point("when a run ends", r'update "servicetitan"."sync_runs" set status', When.ASKED),
    Point("when an entity's line is closed", r'update "servicetitan"."st_sync_log" set status', When.ASKED),
)
SOME: Final = (
    "in the middle of the COPY",
    "after the events of new rows",
    "after the events of changed rows",
    "before the COMMIT",
    "after the COMMIT, unheard",
)


def change(sandbox: Sandbox, number: int) -> None:
    """Let the company change so that every kind of statement has something to do."""
    sandbox.post("activity", changes=6)
    estimates = [each for each in sandbox.get("records/sales.estimates") if each["active"] and each["items"]]
    estimate = estimates[number % len(estimates)]
    items = [{**estimate["items"][0], "qty": number + 1}, *estimate["items"][1:]]
    changes = {"items": items, "subtotal": 100 + number}
    sandbox.post("edit", collection="sales.estimates", id=estimate["id"], changes=changes)


async def kill_at(
    points: Iterable[Point], product: Product, sandbox: Sandbox, forge: Forge, tap: Wiretap, database: Server
) -> None:
    """Kill a run at each of ``points``; one that is not reached is an error."""
    environment = tapped(product, database, tap)
    for number, point in enumerate(points):
        change(sandbox, number)
        pids: list[int] = []
        tap.arm(point, lambda _, pids=pids: forge.kill(pids[0]))  # type: ignore[misc]
        pids.append(forge.start("sync", "incremental", "--json", environment=environment))
        async with asyncio.timeout(120):
            status = await forge.end(pids[0])
        assert tap.reached[-1:] == [point], (point.name, status, forge.said[-2000:])
        assert status == -9


async def clean_run(product: Product, sandbox: Sandbox) -> None:
    """Nothing disturbs any more."""
    for mode in ("full", "incremental"):
        rows_of(await asyncio.to_thread(product.run, "sync", mode, "--json"))
    assert_converged(product, sandbox)
    assert product.rows("select count(*) from servicetitan.st_sync_log where status = 'running'") == [(0,)]


async def test_a_few_named_points(
    product: Product, sandbox: Sandbox, forge: Forge, tap: Wiretap, database: Server
) -> None:
    rows_of(await asyncio.to_thread(product.run, "sync", "full", "--json"))
    points = [point for point in POINTS if point.name in SOME]
    await kill_at(points, product, sandbox, forge, tap, database)
    await clean_run(product, sandbox)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
async def test_every_named_point_twice(
    product: Product, sandbox: Sandbox, forge: Forge, tap: Wiretap, database: Server
) -> None:
    assert (await asyncio.to_thread(product.run, "db", "migrate")).returncode == 0
    of_changes = ("after the history", "after the update", "after the events of changed rows")
    first_load = [point for point in POINTS if point.name not in of_changes]
    await kill_at(first_load, product, sandbox, forge, tap, database)
    rows_of(await asyncio.to_thread(product.run, "sync", "full", "--json"))
    for _ in range(2):
        await kill_at(POINTS, product, sandbox, forge, tap, database)
    await clean_run(product, sandbox)
    assert len(tap.reached) >= 2 * len(POINTS) >= 36


_PUT_ASIDE, _BUILT = r"suspend_indexes\(", r"restore_indexes\("
INDEX_POINTS: Final = (
    Point("indexes are put aside, unheard", _PUT_ASIDE, When.ANSWERED, nth=2),
    Point("indexes are put aside for good", r'insert into "servicetitan"."st_jobs"', When.ASKED),
    Point("in the middle of a load without them", r'insert into "servicetitan"."st_jobs"', When.ANSWERED),
    Point("before those that were left are built", _BUILT, When.ASKED),
    Point("some are built, not committed", _BUILT, When.ANSWERED, nth=6),
    Point("some are built, others not", _BUILT, When.ASKED, nth=6),
)
SMALL_LOADS_TOO: Final = {"perfectcatch.sync.unindexed:WORTH": 5}


async def kill_first_loads(
    points: Iterable[Point], product: Product, forge: Forge, tap: Wiretap, environment: dict[str, str]
) -> list[int]:
    """Kill first loads that put indexes aside; how many each has left."""
    left = []
    for point in points:
        pids: list[int] = []
        tap.arm(point, lambda _, pids=pids: forge.kill(pids[0]))  # type: ignore[misc]
        words = ("sync", "incremental", "--json")
        pids.append(forge.start(*words, environment=environment, constants=SMALL_LOADS_TOO))
        async with asyncio.timeout(120):
            assert await forge.end(pids[0]) == -9, (point.name, forge.said[-2000:])
        assert tap.reached[-1:] == [point]
        [(number,)] = product.rows("select count(*) from servicetitan.suspended_indexes")
        left.append(number)
    return left


def indexes_of(product: Product) -> list[str]:
    """The definition of every index there is."""
    return [row[0] for row in product.rows("select indexdef from pg_indexes order by 1")]


async def test_first_loads_without_indexes(
    product: Product, sandbox: Sandbox, forge: Forge, tap: Wiretap, database: Server
) -> None:
    before = indexes_of(product)
    left = await kill_first_loads(INDEX_POINTS, product, forge, tap, tapped(product, database, tap))
    # The first may die before any load has committed that, or when the first of them has built its own again.
    assert all(left[1:4])
    await clean_run(product, sandbox)
    assert indexes_of(product) == before
    checked = await asyncio.to_thread(product.run, "db", "check", "--json")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.reliability
@pytest.mark.timeout(1800)
async def test_first_loads_without_indexes_at_every_moment(
    product: Product, sandbox: Sandbox, forge: Forge, tap: Wiretap, database: Server, migrated: str
) -> None:
    """Each database is killed twice: in a first load, and while what that one left is built."""
    whens = (When.ASKED, When.ANSWERED, When.TOLD)
    behind: list[int] = []
    for nth in range(1, 11):
        async with new_database(database, migrated) as url:
            other = Product(url, sandbox.settings)
            before = indexes_of(other)
            points = [
                Point(f"put aside {nth}", _PUT_ASIDE, whens[nth % 2 + 1], nth=nth),
                Point(f"built {nth}", _BUILT, whens[nth % 3], nth=nth),
            ]
            left = await kill_first_loads(points, other, forge, tap, tapped(other, database, tap))
            behind += left
            await clean_run(other, sandbox)
            assert indexes_of(other) == before
    assert sum(map(bool, behind)) >= 5, "most of them left indexes behind"


JOB_POINTS: Final = (
    Point("before a job is fetched", "procrastinate_fetch_job", When.ASKED),
    Point("a job is fetched, unheard", "procrastinate_fetch_job", When.ANSWERED, brings=True),
    Point("a job is fetched", "procrastinate_fetch_job", When.TOLD, brings=True),
    Point("a job has started", r'insert into "servicetitan"."sync_runs"', When.TOLD),
    Point("before a job is finished", "procrastinate_finish_job", When.ASKED),
    Point("a job is finished, unheard", "procrastinate_finish_job", When.ANSWERED),
)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
async def test_a_worker_at_every_point_of_a_job_twice(
    product: Product, sandbox: Sandbox, forge: Forge, tap: Wiretap, database: Server
) -> None:
    """The job is done anew when its worker has been silent for long enough; nobody has to do anything."""
    rows_of(await asyncio.to_thread(product.run, "sync", "full", "--json"))
    crons = SWITCHED_OFF | {"SYNC_INCREMENTAL_CRON": "* * * * * *"}
    environment = tapped(product, database, tap) | crons
    for number, point in enumerate(JOB_POINTS * 2):
        change(sandbox, number)
        pids: list[int] = []
        tap.arm(point, lambda _, pids=pids: forge.kill(pids[0]))  # type: ignore[misc]
        pids.append(start_worker(forge, environment))
        async with asyncio.timeout(60):
            assert await forge.end(pids[0]) == -9, forge.said[-2000:]
        assert tap.reached[-1] is point
        before = succeeded(product)
        next_one = start_worker(forge, environment)
        await until(lambda before=before: succeeded(product) > before, 60)
        forge.kill(next_one)
        await forge.end(next_one)
    await clean_run(product, sandbox)
