"""How a job ends: what procrastinate leaves open, decided.

* Its worker ends a job by its id alone, also one that another worker has taken over meanwhile.
* An ending that the database did not hear leaves the job running for ever, and its lock taken.
* A retry under a queueing lock fails when the next job already waits under it, with the same effect.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import psycopg
import structlog
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException, JobAborted, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from perfectcatch.errors import Retry
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.retry import Rules, backoff

PASSING: Final = (Retry, psycopg.OperationalError, OSError)
"""Errors that may pass by themselves. TimeoutError and ConnectionError are OSErrors."""

_HELD: Final[LiteralString] = """
    from (
        select id from procrastinate_jobs
        where id = %(job_id)s and worker_id = %(worker_id)s and status = 'doing' for update
    ) held
"""
_FINISH: Final[LiteralString] = (
    "select procrastinate_finish_job_v1(held.id, %(status)s, %(delete_job)s) " + _HELD
)
_RETRY: Final[LiteralString] = (
    "select procrastinate_retry_job_v2(held.id, %(retry_at)s, %(priority)s, %(queue)s, %(lock)s) " + _HELD
)
_ENDING: Final = Rules(attempts=20, first_wait=0.2, longest_wait=5.0)

log = structlog.get_logger(__name__)


class Again(BaseRetryStrategy):
    """Try again what may pass by itself, after growing waits; give back what a stopping worker cut short."""

    def __init__(self, rules: Rules, clock: Clock) -> None:
        self.rules = rules
        self.clock = clock

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Answer procrastinate; ``job.attempts`` is the number of earlier tries."""
        if isinstance(exception, asyncio.CancelledError | JobAborted):
            return RetryDecision(retry_at=self.clock.now())
        attempt = job.attempts + 1
        if not isinstance(exception, PASSING) or attempt >= self.rules.attempts:
            return None
        wait = exception.after_seconds if isinstance(exception, Retry) else None
        if wait is None:
            wait = backoff(attempt, self.rules)
        return RetryDecision(retry_at=self.clock.now() + timedelta(seconds=wait))


class OwnedJobs(JobManager):
    """procrastinate's manager, except that only the worker that holds a job ends it, and that it insists."""

    def __init__(self, connector: BaseConnector, clock: Clock) -> None:
        super().__init__(connector)
        self.clock = clock

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Set the final state of a job that we hold."""
        await self._end(job, _FINISH, status=status.value, delete_job=delete_job)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Put a job that we hold back into its queue, unless the next one under its lock already waits."""
        due = retry_at or self.clock.now()
        try:
            await self._end(job, _RETRY, retry_at=due, priority=priority, queue=queue, lock=lock)
        except UniqueViolation:
            await self.finish_job(job, Status.FAILED, delete_job=False)

    async def _end(self, job: Job, query: LiteralString, **arguments: Any) -> None:
        attempt = 0
        while True:
            attempt += 1
            try:
                found = await self.connector.execute_query_all_async(
                    query, job_id=job.id, worker_id=job.worker_id, **arguments
                )
            except UniqueViolation:
                raise
            except ConnectorException:
                if attempt == _ENDING.attempts:
                    raise
                await self.clock.sleep(backoff(attempt, _ENDING))
            else:
                if not found:
                    log.warning(
                        "run ended after it was given to another worker", job=job.id, task=job.task_name
                    )
                return
