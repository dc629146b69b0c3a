"""Which workers live, and what they do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from perfectcatch.store.pool import Pool

STALLED_SECONDS: Final = 15.0  # three heartbeats, as ``worker.Pace`` has it


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker of the job engine. ``doing``: names of its tasks that are under way."""

    id: int
    last_heartbeat: datetime
    age_seconds: float
    doing: list[str]

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return self.age_seconds <= STALLED_SECONDS


async def heartbeats(pool: Pool) -> tuple[list[Heartbeat], int]:
    """Every worker that has been heard of, and how many jobs could begin and have not."""
    async with pool.connection() as connection:
        async with connection.cursor(row_factory=class_row(Heartbeat)) as cursor:
            await cursor.execute(
                """
                select w.id, w.last_heartbeat,
                  extract(epoch from now() - w.last_heartbeat)::float8 as age_seconds,
                  array(select j.task_name from procrastinate_jobs j
                    where j.worker_id = w.id and j.status = 'doing' order by j.id) as doing
                from procrastinate_workers w order by w.id
                """
            )
            found = await cursor.fetchall()
        counted = await connection.execute(
            "select count(*) from procrastinate_jobs "
            "where status = 'todo' and (scheduled_at is null or scheduled_at <= now())"
        )
        row = await counted.fetchone()
        return found, int(row[0]) if row else 0
