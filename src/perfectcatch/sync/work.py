"""What every part of a read shares: its run, its entity, its place, and the way into the mirror."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import BrokenRecord, RecordSource
from perfectcatch.store.locks import Locks
from perfectcatch.store.merging import incoming, mirror
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Pool
from perfectcatch.sync.gate import Gate
from perfectcatch.sync.place import Place
from perfectcatch.sync.progress import Progress
from perfectcatch.sync.report import EntityReport

Turn = Callable[[], Awaitable[None]]
Stored = Callable[[], None]

NEWS = timedelta(days=7)  # what a later full read finds of older times is history, not news


async def at_once() -> None:
    """The turn of who waits for nobody."""


def to_nobody() -> None:
    """Nobody waits for what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every entity of a run shares."""

    pool: Pool
    source: RecordSource
    entities: Mapping[str, Entity]
    clock: Clock
    progress: Progress
    locks: Locks
    run_id: UUID
    builders: asyncio.Semaphore  # a connection each, for indexes that are built at the end of first loads
    gate: Gate  # before each large page of a first load
    allow_deletions: bool = False  # a person has looked at a held sweep
    on_demand: dict[str, EntityReport] = field(default_factory=dict)  # read because a record referred to them

    @property
    def tenant_id(self) -> int:
        """Whose records these are."""
        return self.source.tenant_id


@dataclass(slots=True)
class Work:
    """The work on one entity, under a line of the sync log; nothing is stored before its ``turn``.

    ``stored`` is told when every page is, if who refers to this entity need not wait for what comes after.
    ``expected``: how many records a first load will bring, where the vendor tells.
    """

    context: Context
    entity: Entity
    place: Place
    report: EntityReport
    log_id: int
    turn: Turn = at_once
    stored: Stored = to_nobody
    expected: int | None = None
    learned: int = 0  # how many of its new rows the planner has seen

    async def merge(
        self,
        records: Sequence[Document],
        broken: Sequence[BrokenRecord] = (),
        and_then: mirror.AndThen | None = None,
        *,
        settle: bool = False,
        known: int = 0,
    ) -> Outcome:
        """Merge records of this entity in one transaction; ``known`` more came that need no merging."""
        later = self.place.full and not self.place.first_load
        batch = Batch(
            tenant_id=self.context.tenant_id,
            entity=self.entity,
            entities=self.context.entities,
            records=records,
            broken=broken,
            run_id=self.context.run_id,
            historical=self.place.first_load,
            past_before=self.context.clock.now() - NEWS if later else None,
            settle=settle,
            known=known,
        )
        return await mirror.merge(self.context.pool, batch, and_then)

    async def unknown(self, records: Sequence[Document]) -> Sequence[Document]:
        """Those of a page that a merge could change something for; a full read takes nothing for known."""
        if self.place.full:
            return records
        try:
            return await incoming.unknown(self.context.pool, self.context.tenant_id, self.entity, records)
        except DatabaseUnavailable:
            return records  # the merge tries again for longer

    def note(self, outcome: Outcome) -> None:
        """Count what a merge did."""
        self.report.outcome += outcome
        self.report.events.update(outcome.events)
        self.report.past_events.update(outcome.past_events)
