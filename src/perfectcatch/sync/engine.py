"""A run: the entities of a mode in the order of their references, side by side where nothing hinders."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog

from perfectcatch.errors import PerfectCatchError, Retry
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.finishing import last_words
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import RecordSource
from perfectcatch.store import indexes, runs
from perfectcatch.store.locks import Locks, open_locks
from perfectcatch.store.merging import clock_rules
from perfectcatch.store.pool import Pool, plain_errors
from perfectcatch.sync.gate import Gate
from perfectcatch.sync.modes import Mode, chosen, mode_of
from perfectcatch.sync.place import never_loaded
from perfectcatch.sync.progress import Progress, Silent
from perfectcatch.sync.pull import pull
from perfectcatch.sync.report import EntityReport, RunReport
from perfectcatch.sync.unindexed import building_what_was_left
from perfectcatch.sync.work import Context, Stored, Turn

SIDE_BY_SIDE = 4  # entities at once: more only wait for the rate budget and for the disk
PER_ENTITY = 5  # connections of the pool that must be there for each of them, full and incremental
BEAT_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Engine:
    """Everything that a run needs, composed once per process. ``zone`` is the company's time zone.

    Several runs may be under way in one process: they share the places, and full reads have their own, so
    that the nightly one does not keep the news waiting.
    """

    pool: Pool
    source: RecordSource
    entities: Mapping[str, Entity]
    clock: Clock
    zone: str
    progress: Progress = field(default_factory=Silent)
    side_by_side: int = SIDE_BY_SIDE
    _places: dict[bool, asyncio.Semaphore] = field(init=False)
    _builders: asyncio.Semaphore = field(init=False)
    _gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        """Make the places, as many as the pool has connections for."""
        number = max(1, min(self.side_by_side, self.pool.max_size // PER_ENTITY))
        self._places = {full: asyncio.Semaphore(number) for full in (True, False)}
        self._builders = asyncio.Semaphore(indexes.SIDE_BY_SIDE)
        self._gate = Gate()

    async def run(self, mode_name: str, *, trigger: str = "command", run_id: UUID | None = None) -> RunReport:
        """Run a mode of ``sync.modes`` now and evaluate the clock rules when all is stored.

        ``run_id``: that of a run which was asked for earlier.
        """
        mode = mode_of(mode_name)
        return await self._run(mode, chosen(mode, self.entities), trigger=trigger, run_id=run_id)

    async def run_entities(
        self,
        entities: Iterable[Entity],
        *,
        full: bool = False,
        trigger: str = "command",
        allow_deletions: bool = False,
    ) -> RunReport:
        """Run some entities now. ``allow_deletions`` releases what a sweep would hold."""
        mode = Mode("full" if full else "incremental", "", full=full)
        return await self._run(mode, list(entities), trigger=trigger, allow_deletions=allow_deletions)

    async def _run(
        self,
        mode: Mode,
        entities: list[Entity],
        *,
        trigger: str,
        allow_deletions: bool = False,
        run_id: UUID | None = None,
    ) -> RunReport:
        report = RunReport(run_id=run_id or uuid4(), mode=mode.name)
        tenant_id = self.source.tenant_id
        began = self.clock.monotonic()
        await runs.begin(
            self.pool,
            tenant_id,
            report.run_id,
            mode=mode.name,
            entities=[entity.name for entity in entities],
            trigger=trigger,
            owner=owner(),
        )
        try:
            held = runs.lock_of(report.run_id)
            async with (
                open_locks(self.pool, self.clock, owner=held) as locks,
                self.beating(report.run_id),
            ):
                context = self.context(report.run_id, locks, allow_deletions=allow_deletions)
                stored = {entity.name: asyncio.Event() for entity in entities}
                async with self._clock_rules_after(stored.values(), report), building_what_was_left(context):
                    await self._pull_all(context, entities, report, stored, full=mode.full)
                report.entities += context.on_demand.values()
        except BaseException as error:
            await last_words(self._end(report, "interrupted", told(error)))
            raise
        report.duration_ms = round((self.clock.monotonic() - began) * 1000)
        first = report.failures[0] if report.failures else None
        await self._end(report, report.status, f"{first.entity}: {first.error}" if first else None)
        log.info("sync run ended", mode=mode.name, status=report.status, **report.totals())
        return report

    async def _end(self, report: RunReport, status: str, error: str | None) -> None:
        await runs.end(self.pool, self.source.tenant_id, report.run_id, status=status, error=error)

    @asynccontextmanager
    async def beating(self, run_id: UUID) -> AsyncIterator[None]:
        """Tell that we are alive, also while the vendor lets us wait."""

        async def beat() -> None:
            while True:
                await self.clock.sleep(BEAT_SECONDS)
                with suppress(Retry), plain_errors():
                    await runs.beat(self.pool, self.source.tenant_id, run_id)

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def context(self, run_id: UUID, locks: Locks, *, allow_deletions: bool = False) -> Context:
        """What the entities of a run share."""
        return Context(
            pool=self.pool,
            source=self.source,
            entities=self.entities,
            clock=self.clock,
            progress=self.progress,
            locks=locks,
            run_id=run_id,
            builders=self._builders,
            gate=self._gate,
            allow_deletions=allow_deletions,
        )

    @asynccontextmanager
    async def _clock_rules_after(
        self, stored: Iterable[asyncio.Event], report: RunReport
    ) -> AsyncIterator[None]:
        """Evaluate the clock rules when all is stored, while what has been read is written down."""

        async def evaluated() -> clock_rules.Fired:
            for each in stored:
                await each.wait()
            return await self.clock_rules()

        evaluating = asyncio.create_task(evaluated(), name="clock rules")
        try:
            yield
            report.clock = await evaluating
        finally:
            evaluating.cancel()
            await asyncio.gather(evaluating, return_exceptions=True)

    async def _pull_all(
        self,
        context: Context,
        entities: list[Entity],
        report: RunReport,
        stored: Mapping[str, asyncio.Event],
        *,
        full: bool,
    ) -> None:
        """Store what each entity brings when those that it refers to are stored, or have failed.

        News is asked for meanwhile: it takes a place once those that it waits for have theirs, so that they
        can never wait for each other. A full read begins when they are done, because its pages are large. In
        a first load nobody is told anything, so an entity waits only for what its rules look at, and the
        largest go first: else the longest would be alone at the end.
        """
        new = await never_loaded(self.pool, self.source.tenant_id, entities)
        expected = await self._plan(entities, new, full=full)
        begun = {entity.name: asyncio.Event() for entity in entities}

        async def one(entity: Entity) -> None:
            needs = entity.settled_by if entity.name in new else entity.needs
            needs = tuple(name for name in needs if name in stored)

            async def needs_are_stored() -> None:
                for name in needs:
                    await stored[name].wait()

            try:
                if full or entity.name in new:
                    await needs_are_stored()
                for name in needs:
                    await begun[name].wait()
                async with self._places[full]:
                    begun[entity.name].set()
                    pulled = await self._one(
                        context,
                        entity,
                        report.rejection,
                        full=full,
                        turn=needs_are_stored,
                        stored=stored[entity.name].set,
                        expected=expected.get(entity.name),
                    )
                    report.entities.append(pulled)
            finally:
                begun[entity.name].set()
                stored[entity.name].set()

        async with asyncio.TaskGroup() as group:
            for entity in sorted(entities, key=lambda entity: -(expected.get(entity.name) or 0)):
                group.create_task(one(entity))

    async def _one(
        self,
        context: Context,
        entity: Entity,
        rejection: PerfectCatchError | None,
        *,
        full: bool,
        turn: Turn,
        stored: Stored,
        expected: int | None,
    ) -> EntityReport:
        """Read an entity, unless what has refused another one would refuse it, too."""
        if rejection is not None:
            report = EntityReport(entity=entity.name, mode="full" if full else "incremental")
            report.fails(rejection)
            return report
        self.progress.begins(entity.name)
        return await pull(context, entity, full=full, turn=turn, stored=stored, expected=expected)

    async def _plan(self, entities: list[Entity], new: set[str], *, full: bool) -> dict[str, int | None]:
        """How much will come: it costs a request for each feed, so only where it matters.

        That is in a first load, and where somebody watches.
        """
        silent = isinstance(self.progress, Silent)
        asked = [entity for entity in entities if not silent or entity.name in new]
        numbers = await asyncio.gather(
            *(self._expected(entity, full=full or entity.name in new) for entity in asked)
        )
        expected = {entity.name: number for entity, number in zip(asked, numbers, strict=True)}
        if not silent:
            self.progress.plans(expected)
        return {name: expected[name] for name in expected if name in new}

    async def _expected(self, entity: Entity, *, full: bool) -> int | None:
        """How many records a full read will bring; an incremental one cannot be foretold."""
        if not full:
            return None
        try:
            numbers = [await self.source.count(feed.endpoint) for feed in entity.feeds]
        except PerfectCatchError:
            return None  # the read itself will say what is wrong
        return None if None in numbers else sum(number or 0 for number in numbers)

    async def clock_rules(self) -> clock_rules.Fired:
        """Write the events that time has caused."""
        return await clock_rules.evaluate(
            self.pool, self.source.tenant_id, self.entities, now=self.clock.now(), zone=self.zone
        )


def owner() -> str:
    """Who runs: this process on this host."""
    return f"{socket.gethostname()}:{os.getpid()}"


def told(error: BaseException) -> str:
    """Why a run was broken off, in one sentence."""
    if isinstance(error, PerfectCatchError):
        return str(error)
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
        return "The run was stopped from outside; the next one goes on where it stood."
    return f"Something is wrong with the program: {error!r}."
