"""Work that survives the process that does it: jobs, schedules, workers, on our PostgreSQL.

    async with open_jobs(url) as jobs:
        jobs.task("mail.send", send, queue="mail")
        jobs.every(parse("*/5 * * * *"), "mail.sweep", sweep, zone=zone)
        await jobs.defer(Order(name="mail.send", arguments={"to": 7}), connection=caller)
        await jobs.work(stop, queues=["mail"])

The queue is procrastinate's. What is promised on top of it:

* A job runs **at least once**. Jobs of a dead worker are given back after ``Pace.stalled_after``; a job that
  was taken from a worker that only slept can no longer be ended by it, and ``Run.fence`` stops its writes.
* Of a schedule, **each tick runs once**, however many workers there are. A tick that comes while the run
  before it still waits is part of that run. Runs of one schedule never overlap. Ticks that nobody was there
  for are made good by one run. procrastinate's own periodic tasks promise less: they know UTC only, a worker
  that is late by two ticks starts the older one again, and what is ten minutes late is dropped.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from perfectcatch.errors import BadArgument, DatabaseUnavailable, PerfectCatchError, Retry
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.cron import Cron, parse
from perfectcatch.kit.retry import Rules
from perfectcatch.store.jobs.engine import Again, OwnedJobs
from perfectcatch.store.jobs.schema import TABLES, install
from perfectcatch.store.jobs.ticker import Schedule
from perfectcatch.store.jobs.worker import Pace, clean, work_until
from perfectcatch.store.pool import AttentivePool

__all__ = ["ONCE", "TABLES", "Jobs", "Order", "Pace", "Run", "install", "open_jobs"]

ONCE: Final = Rules(attempts=1)
RETRIES: Final = Rules(attempts=5, first_wait=4.0, longest_wait=300.0)

_HOUSEKEEPING: Final = "housekeeping"
_CLEAN: Final = "jobs.clean"
_LONG_AGO: Final = 14 * 24  # hours that a failed job is kept for a person to look at

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One try at a job. ``attempt`` counts from 1; ``tick`` is the moment of the schedule it stands for."""

    name: str
    id: int
    attempt: int
    tick: datetime | None
    worker_id: int

    async def fence(self, connection: AsyncConnection[Any]) -> None:
        """Make sure, inside the caller's transaction and until its end, that this job is still ours.

        Raises Retry when it was given to another worker because we were silent for too long.
        """
        found = await connection.execute(
            "select from procrastinate_jobs where id = %s and worker_id = %s and status = 'doing' for share",
            (self.id, self.worker_id),
        )
        if not found.rowcount:
            raise Retry(f"The run of {self.name} was given to another worker, which does it anew.")


Function = Callable[..., Awaitable[object]]
"""``async def fn(run: Run, **arguments)``; arguments are JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job to be done. ``lock`` and ``queueing_lock`` default to those of the task, ``at`` to at once.

    ``lock``: no two jobs with it run at the same time, and they run in the order in which they were given.
    ``queueing_lock``: no two jobs with it wait at the same time.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    lock: str | None = None
    queueing_lock: str | None = None
    at: datetime | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    queue: str
    lock: str | None
    queueing_lock: str | None


class Jobs:
    """The tasks that this process knows, and the queue. Made by ``open_jobs``."""

    def __init__(self, pool: AsyncConnectionPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._app = App(connector=PsycopgConnector())
        self._app.job_manager = OwnedJobs(self._app.connector, clock)
        self._tasks: dict[str, _Task] = {}
        self._schedules: dict[str, Schedule] = {}
        logging.getLogger("procrastinate.worker").addFilter(_is_news)

    def task(
        self,
        name: str,
        fn: Function,
        *,
        queue: str = "default",
        lock: str | None = None,
        queueing_lock: str | None = None,
        retry: Rules = RETRIES,
    ) -> None:
        """Declare what a job called ``name`` does. Only errors that may pass are tried again."""
        if name in self._tasks:
            raise BadArgument(f"There are two tasks called {name!r}; give each its own name.")
        self._tasks[name] = _Task(queue=queue, lock=lock, queueing_lock=queueing_lock)
        register = self._app.task(name=name, queue=queue, pass_context=True, retry=Again(retry, self._clock))
        register(self._logged(name, fn))

    def every(
        self,
        cron: Cron,
        name: str,
        fn: Function,
        *,
        zone: ZoneInfo,
        queue: str = "default",
        retry: Rules = RETRIES,
    ) -> None:
        """Run ``fn(run)`` once at each tick of ``cron`` on the wall clock of ``zone``, never two at a time.

        The first tick is the one after the schedule was first seen by a worker, or seen with another cron.
        """
        self.task(name, fn, queue=queue, lock=name, queueing_lock=name, retry=retry)
        self._schedules[name] = Schedule(name=name, cron=cron, zone=zone, queue=queue)

    async def defer(self, order: Order, *, connection: AsyncConnection[Any] | None = None) -> int | None:
        """Put a job in its queue and return its id, None when one with its queueing lock waits already.

        With ``connection`` the job becomes visible when the caller's transaction commits, and not before.
        """
        job = self._job(order)
        guarded = connection.transaction() if connection is not None and job.queueing_lock else nullcontext()
        try:
            async with guarded:  # a job that is refused must not spoil the caller's transaction
                deferred = await self._app.job_manager.defer_job_async(job, connection=connection)
        except AlreadyEnqueued:
            return None
        return deferred.id

    async def defer_many(
        self, orders: Sequence[Order], *, connection: AsyncConnection[Any] | None = None
    ) -> None:
        """Put jobs in their queues, all or none: 10,000 a second. Not for those with a queueing lock."""
        jobs = [self._job(order) for order in orders]
        if any(job.queueing_lock for job in jobs):
            raise BadArgument(
                "A job with a queueing lock is deferred by itself; call defer for each of them."
            )
        if jobs:
            await self._app.job_manager.batch_defer_jobs_async(jobs, connection=connection)

    async def waiting_under(self, lock: str, *, connection: AsyncConnection[Any]) -> list[Mapping[str, Any]]:
        """The arguments of the jobs that wait under ``lock``, in the order in which they will be done."""
        found = await connection.execute(
            "select args from procrastinate_jobs where lock = %s and status = 'todo'"
            " order by priority desc, id",
            (lock,),
        )
        return [row[0] for row in await found.fetchall()]

    async def work(
        self,
        stop: asyncio.Event,
        *,
        queues: Sequence[str],
        concurrency: int = 10,
        grace_seconds: float = 20.0,
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> None:
        """Do jobs of ``queues`` and start runs of the known schedules until ``stop`` is set.

        What runs then has ``grace_seconds`` to end and is given back otherwise. A database that is away for
        a while is waited for. A task must not block the event loop: a worker that cannot send a heartbeat
        for ``pace.stalled_after`` seconds is taken for dead.
        """
        if _CLEAN not in self._tasks:
            self.every(
                parse("17 * * * *"),
                _CLEAN,
                self._clean,
                zone=ZoneInfo("UTC"),
                queue=_HOUSEKEEPING,
                retry=ONCE,
            )
        await work_until(
            stop,
            self._app,
            self._pool,
            list(self._schedules.values()),
            queues=[*queues, _HOUSEKEEPING],
            concurrency=concurrency,
            grace_seconds=grace_seconds,
            pace=pace,
            clock=self._clock,
        )

    async def _clean(self, _run: Run) -> None:
        await clean(self._pool, _LONG_AGO)

    def _job(self, order: Order) -> Job:
        task = self._tasks.get(order.name)
        if task is None:
            raise BadArgument(f"There is no task called {order.name!r}; declare it before a job is deferred.")
        return Job(
            queue=task.queue,
            task_name=order.name,
            task_kwargs=dict(order.arguments),
            lock=order.lock or task.lock,
            queueing_lock=order.queueing_lock or task.queueing_lock,
            scheduled_at=order.at,
            priority=order.priority,
        )

    def _logged(self, name: str, fn: Function) -> Callable[..., Awaitable[None]]:
        """``fn`` with one line in the log per run."""

        async def execute(context: JobContext, **arguments: Any) -> None:
            run = _run_of(context.job, arguments)
            lines = log.bind(job=run.id, attempt=run.attempt, task=name)
            began = self._clock.monotonic()
            try:
                await fn(run, **arguments)
            except asyncio.CancelledError:
                lines.warning("run given back", seconds=self._since(began))
                raise
            except PerfectCatchError as error:
                lines.warning("run failed", seconds=self._since(began), error=str(error))
                raise
            except Exception:
                lines.exception("run failed", seconds=self._since(began))
                raise
            lines.info("run done", seconds=self._since(began))

        return execute

    def _since(self, began: float) -> float:
        return round(self._clock.monotonic() - began, 3)


@asynccontextmanager
async def open_jobs(
    url: str, *, clock: Clock | None = None, connections: int = 6, patience: float = 30.0
) -> AsyncIterator[Jobs]:
    """Connect to the queue in the database at ``url``, whose tables ``install`` has made.

    A worker uses one connection more, to be woken. Raises DatabaseUnavailable after ``patience`` seconds.
    """
    pool: AttentivePool[AsyncConnection[Any]] = AttentivePool(
        url,
        min_size=1,
        max_size=connections,
        open=False,
        name="jobs",
        timeout=10,
        configure=_autocommit,  # the pool's own checks and BEGIN/COMMIT cost a worker 30 % of its CPU
    )
    jobs = Jobs(pool, clock or SystemClock())
    try:
        await pool.open(wait=True, timeout=patience)
    except PoolTimeout as error:
        await pool.close()
        raise DatabaseUnavailable("The database of the job queue does not answer: is it running?") from error
    try:
        await jobs._app.open_async(pool)  # noqa: SLF001 - made here
        yield jobs
    finally:
        await pool.close()


async def _autocommit(connection: AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)


def _run_of(job: Job, arguments: dict[str, Any]) -> Run:
    assert job.id is not None
    assert job.worker_id is not None
    tick = arguments.pop("tick", None)
    return Run(
        name=job.task_name,
        id=job.id,
        attempt=job.attempts + 1,
        tick=datetime.fromisoformat(tick) if tick else None,
        worker_id=job.worker_id,
    )


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of procrastinate's worker says more than our own line about the same run."""
    return not str(getattr(record, "action", "")).startswith(("job_", "start_job"))
