"""How old the mirror is: the moment at which the last read of each entity that succeeded began."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from perfectcatch.kit.clock import Clock
from perfectcatch.store.names import SYNC_LOG
from perfectcatch.store.reading.reads import Reads

REMEMBERED_SECONDS: Final = 1.0

# Lines that other programs wrote have no run: they say nothing about our reads.
_STATEMENT: Final = f"""
select wanted.entity, read.started_at, clock_timestamp() as now
from unnest(%s::text[]) wanted(entity)
left join lateral (
  select l.started_at from {SYNC_LOG} l
  where l.tenant_id = %s and l.module = wanted.entity and l.status in ('succeeded', 'held')
    and l.run_id is not null
  order by l.started_at desc limit 1
) read on true"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Age:
    """``as_of``: what the vendor had by then is here. Both None for what was never read."""

    as_of: datetime | None
    seconds: float | None


class Freshness:
    """Remembers the ages for a second, so that an answer costs no question of its own."""

    def __init__(self, reads: Reads, tenant_id: int, entities: Iterable[str], clock: Clock) -> None:
        self._reads = reads
        self._tenant_id = tenant_id
        self._entities = list(entities)
        self._clock = clock
        self._known: dict[str, datetime | None] = {}
        self._now: datetime | None = None  # by the clock of the database
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def of(self, *entities: str) -> Age:
        """The age of the oldest of ``entities``."""
        if self._clock.monotonic() - self._read_at > REMEMBERED_SECONDS and self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._ended)
        if self._now is None:
            await self.settled()
        return self._oldest(entities)

    async def settled(self) -> None:
        """Wait for a reading that is under way."""
        if self._reading is not None:
            await asyncio.shield(self._reading)

    def _oldest(self, entities: Iterable[str]) -> Age:
        moments = [self._known.get(entity) for entity in entities]
        known = [moment for moment in moments if moment is not None]
        if not known or len(known) < len(moments) or self._now is None:
            return Age(None, None)
        now = self._now + timedelta(seconds=self._clock.monotonic() - self._read_at)
        return Age(min(known), max(0.0, (now - min(known)).total_seconds()))

    async def _read(self) -> None:
        rows = await self._reads.rows(_STATEMENT, (self._entities, self._tenant_id))
        self._known = {row["entity"]: row["started_at"] for row in rows}
        self._now = rows[0]["now"] if rows else None
        self._read_at = self._clock.monotonic()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # The ages that we know go on growing, which is the truth; a first caller gets the error itself.
            log.warning("the age of the mirror cannot be read", error=repr(error))
