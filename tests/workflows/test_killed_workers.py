"""kill -9 of workers while they start instances, wait and write: nothing twice, nothing lost in silence."""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from floor import Floor, open_floor
from test_instances import THANKS, job

from databases import new_database
from messaging.counter import Carrier, open_counter
from perfectcatch.kit.clock import FakeClock
from perfectcatch.messaging import reconcile
from perfectcatch.model.messaging import Receipt, Status, Text
from perfectcatch.store.jobs.queue import open_jobs
from perfectcatch.store.pool import open_pool
from perfectcatch.store.server.embedded import Server

# Between the texts, work of the office that is committed with the steps around it.
BUSY = THANKS.replace("  - {id: rest,", "  - {id: filed, kind: task, title: Filed}\n  - {id: rest,").replace(
    "steps:", "steps:\n  - {id: noted, kind: task, title: Noted}"
)
HERE = Path(__file__).parent
SEED = 20261126
WORKERS = 2
A_KILL = 4  # jobs that are completed between two kills
PATIENCE = 180.0  # seconds until everything is at rest: a busy machine starts a worker in half a minute


@pytest.fixture
async def alone(database: Server, migrated: str) -> AsyncIterator[tuple[Floor, str]]:
    """A floor in a database of its own: other tests take no jobs of it."""
    async with (
        new_database(database, migrated) as url,
        open_pool(url, max_size=6) as pool,
        open_jobs(url) as jobs,
    ):
        yield open_floor(open_counter(pool, tenant=1), jobs), url


def start(url: str, ledger: Path, minutes: int = 0) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(HERE / "killed_worker.py"), url, "1", str(ledger), str(minutes)],
        env=os.environ | {"PYTHONPATH": path},
    )


def number(customer: int) -> str:
    return f"+1303555{customer:04}"


async def complete(floor: Floor, customer: int) -> None:
    await floor.counter.customer(customer, {"type": "MobilePhone", "value": number(customer)})
    await job(floor, customer, "Scheduled", customerId=customer)
    await job(floor, customer, "Completed", 2, customerId=customer)


async def at_rest(floor: Floor, wanted: int, statuses: str, step: str = "%") -> None:
    """So many instances have these statuses, at this step."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        [(found,)] = await floor.counter.rows(
            f"select count(*) from automation.workflow_instances where status in ({statuses})"
            " and step like %s",
            step,
        )
        if found == wanted:
            return
        if asyncio.get_running_loop().time() > until:
            raise AssertionError(await floor.instances("id, status, step, sentence, next_action_at"))
        await asyncio.sleep(0.2)


class Reader(Carrier):
    """The vendor knows what stands in the ledger of the workers."""

    def __init__(self, clock: FakeClock, ledger: Path) -> None:
        super().__init__(clock)
        self.taken = ledger.read_text().splitlines()

    async def find(self, message: Text, *, since: datetime) -> Receipt | None:
        if f"{message.to} {message.body}" not in self.taken:
            return None
        return Receipt(vendor_id=f"V{message.reference}", status=Status.SENT, segments=1)


async def read_back(floor: Floor, ledger: Path) -> None:
    """The vendor is asked about every text of unknown outcome, later than it may still come there."""
    desk = floor.workshop.desk
    floor.counter.clock.advance(90)
    await reconcile.outcomes_unknown(replace(desk, messenger=Reader(floor.counter.clock, ledger)))


async def begun(floor: Floor, wanted: int) -> None:
    """So many instances have been started, or more."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while len(await floor.instances("id")) < wanted:
        assert asyncio.get_running_loop().time() < until, "no worker has started anything"
        await asyncio.sleep(0.05)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "kills", [3, pytest.param(60, marks=pytest.mark.reliability)], ids=["three", "sixty"]
)
async def test_kills_send_nothing_twice_and_lose_nothing(
    alone: tuple[Floor, str], tmp_path: Path, kills: int
) -> None:
    floor, url = alone
    draw, ledger, customer = random.Random(SEED), tmp_path / "ledger", 1000
    await floor.enable(BUSY)
    await floor.begin()
    running = [start(url, ledger) for _ in range(WORKERS)]
    try:
        for _ in range(kills):
            for _ in range(A_KILL):
                customer += 1
                await complete(floor, customer)
            # A worker that still starts up has nothing to lose: however slow the machine, one is at work.
            await begun(floor, customer - 1000 - A_KILL + 1)
            await asyncio.sleep(draw.random() * 1.5)
            at = draw.randrange(WORKERS)
            running[at].kill()
            assert running[at].wait() == -9
            running[at] = start(url, ledger)
        made = customer - 1000
        await at_rest(floor, made, "'sleeping'")
        for process in running:
            process.kill()
            process.wait()
        await read_back(floor, ledger)
        running = [start(url, ledger, minutes=2)]
        await at_rest(floor, made, "'sleeping'", "rest")
        for process in running:
            process.kill()
            process.wait()
        running = [start(url, ledger, minutes=25 * 60)]  # the wait of a day has passed meanwhile
        await at_rest(floor, made, "'ended'")
    finally:
        for process in running:
            process.kill()
            process.wait()
    sent = Counter(ledger.read_text().splitlines())
    kept = await floor.counter.rows("select recipient, body, status, reason from automation.messaging_log")
    assert Counter(f"{recipient} {body}" for recipient, body, *_ in kept) == sent
    assert set(sent.values()) == {1}
    assert len(kept) == 2 * made
    assert {(status, reason) for _, _, status, reason in kept} == {("sent", "sent")}
    assert len({recipient for recipient, *_ in kept}) == made
    chores = await floor.counter.rows(
        "select step, count(*), count(distinct workflow_instance_id) from automation.tasks "
        "group by 1 order by 1"
    )
    assert chores == [("filed", made, made), ("noted", made, made)]
