"""Runs that somebody asks for over HTTP: noted with a number at once, done by a worker."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from uuid import UUID, uuid4

from perfectcatch.kit.retry import Rules
from perfectcatch.model.entity import Entity
from perfectcatch.store import runs
from perfectcatch.store.jobs.queue import ONCE, Jobs, Order, Run
from perfectcatch.store.pool import Pool, transaction

TASK: Final = "sync.requested"
QUEUE: Final = "sync"
TRIGGER: Final = "api"
_TRIES: Final[Rules] = ONCE  # a run that failed has told why; whoever asked may ask again

Work = Callable[[str, UUID], Awaitable[object]]


def declare(jobs: Jobs, work: Work | None = None) -> None:
    """Make the task known; ``work`` (mode, run id) does it, None in a process that only asks."""

    async def requested(_: Run, mode: str, run_id: str) -> None:
        assert work is not None
        await work(mode, UUID(run_id))

    jobs.task(TASK, requested, queue=QUEUE, retry=_TRIES)


async def ask(
    pool: Pool, jobs: Jobs, tenant_id: int, mode: str, entities: Iterable[Entity]
) -> tuple[UUID, bool]:
    """Ask for a run of ``mode``: its id, and whether it is a new one or the one that waits already."""
    lock = f"{TASK} {tenant_id} {mode}"
    async with transaction(pool) as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (lock,))
        known = await runs.waiting(connection, tenant_id, mode)
        if known is not None:
            return known, False
        run_id = uuid4()
        names = [entity.name for entity in entities]
        await runs.ask(connection, tenant_id, run_id, mode=mode, entities=names, trigger=TRIGGER)
        order = Order(name=TASK, arguments={"mode": mode, "run_id": str(run_id)})
        await jobs.defer(order, connection=connection)
        return run_id, True
