"""The heavy proof (``make reliability``): kill -9 at random moments while the vendor goes on changing."""

import asyncio
import random
import signal

import pytest

from acceptance.conftest import Product, Sandbox
from acceptance.test_sync_commands import assert_equal, assert_events_once, rows_of, wait_for_requests
from reliability.conftest import SWITCHED_OFF, Forge, start_worker, until
from reliability.test_kill_points import clean_run

KILLS = 60
SEED = 20261121
BUSY = dict.fromkeys(SWITCHED_OFF, "* * * * * *") | {"SYNC_FULL_CRON": "*/15 * * * * *"}


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_sixty_random_kills(product: Product, sandbox: Sandbox) -> None:
    draw = random.Random(SEED)
    assert product.run("db", "migrate").returncode == 0
    for _ in range(KILLS):
        mode = draw.choice(["full", "incremental", "incremental"])
        killed = product.start("sync", mode, "--json", SERVICE_TITAN_RATE_LIMIT="60")
        wait_for_requests(sandbox, draw.randint(1, 45), killed)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        sandbox.post("activity", changes=draw.randint(0, 6))
    rows_of(product.run("sync", "full", "--json"))
    rows_of(product.run("sync", "incremental", "--json"))
    assert_equal(product, sandbox)
    assert_events_once(product)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
async def test_sixty_random_kills_of_workers(product: Product, sandbox: Sandbox, forge: Forge) -> None:
    """Three workers at once with every schedule at each second, while the company goes on."""
    draw = random.Random(SEED)
    rows_of(await asyncio.to_thread(product.run, "sync", "full", "--json"))
    environment = product.environment | BUSY
    running = [start_worker(forge, environment) for _ in range(3)]
    await until(lambda: product.rows("select 1 from servicetitan.sync_runs where trigger = 'schedule'"), 60)
    for _ in range(KILLS):
        await asyncio.to_thread(sandbox.post, "activity", changes=draw.randint(0, 6))
        await asyncio.sleep(draw.random() * 2)
        killed = _who_is_reading(product, running) if draw.random() < 0.7 else None
        killed = killed if killed is not None else draw.choice(running)
        forge.kill(killed)
        assert await forge.end(killed) == -signal.SIGKILL
        running[running.index(killed)] = start_worker(forge, environment)
    await until(lambda: not _stuck(product, running), 30)
    for pid in running:
        forge.kill(pid)
        await forge.end(pid)
    await clean_run(product, sandbox)


def _who_is_reading(product: Product, running: list[int]) -> int | None:
    """One of the workers that are in the middle of a run."""
    owners = product.rows("select owner from servicetitan.sync_runs where status = 'running'")
    busy = {int(owner.rpartition(":")[2]) for (owner,) in owners}
    return next((pid for pid in running if pid in busy), None)


def _stuck(product: Product, running: list[int]) -> list[str]:
    """Runs that are called running and are nobody's, in the sync's books or in those of the queue."""
    owners = product.rows("select owner from servicetitan.sync_runs where status = 'running'")
    dead = [owner for (owner,) in owners if int(owner.rpartition(":")[2]) not in running]
    jobs = product.rows(
        """
        select j.task_name from procrastinate_jobs j
        left join procrastinate_workers w on w.id = j.worker_id
        where j.status = 'doing'
          and (w.last_heartbeat is null or w.last_heartbeat < now() - interval '15 seconds')
        """
    )
    return dead + [name for (name,) in jobs]
