"""Any history of the vendor, of our processes and of the database between them ends in an equal mirror."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, ClassVar, Final

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from convergence import oracle
from convergence.company import KEPT, Company
from convergence.wire import FAULTS, GARBLING, HastyClock, Wire, client
from databases import new_database
from perfectcatch.model.entity import Entity, Feed
from perfectcatch.store.holds import open_holds
from perfectcatch.store.merging import mirror
from perfectcatch.store.names import EVENT_CHANNEL
from perfectcatch.store.pool import Pool, open_pool, transaction
from perfectcatch.store.server.embedded import Server
from perfectcatch.sync import feeds, pull
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.redrive import redrive
from perfectcatch.sync.report import RunReport
from perfectcatch.sync.work import Work
from perfectcatch.vendors.servicetitan.entities import BY_NAME


def _small(entity: Entity) -> Entity:
    return replace(entity, feeds=tuple(replace(feed, page_size=3) for feed in entity.feeds))


def _collection(entity: Entity) -> str:
    return entity.feeds[0].endpoint.rpartition(".")[0]


def _asks(entity: Entity) -> bool:
    """Whether one full read of the entity proves a deletion."""
    return entity.reads_one is not None or not oracle.is_list(entity)


ENTITIES = {name: _small(each) for name, each in BY_NAME.items() if _collection(each) in KEPT}
MODES = ("full", "incremental", "incremental", "contacts", "contacts-full", "reference", "scheduling")
tenants = itertools.count(1)
_PAGES, _LAST_CHANGES = 6, 30


@dataclass
class Doom:
    """A run that dies before its page so many pages later is stored, when all but that is done."""

    pages: int
    kill: Callable[[], object] = bool


doom: ContextVar[Doom | None] = ContextVar("doom", default=None)
merge_a_page = mirror.merge


async def merge_or_die(*given: Any, **named: Any) -> mirror.Outcome:
    """The merge of a page, but for a run whose doom has come: it never gets there."""
    mine = doom.get()
    if mine is not None:
        if mine.pages <= 0:
            mine.kill()
            await asyncio.Event().wait()
        mine.pages -= 1
    return await merge_a_page(*given, **named)


@dataclass(frozen=True)
class Run:
    """A run of ``mode``. ``ends`` tells how it ends, so many ``requests`` and turns of the loop later.

    One that dies at a page gets as far as ``requests`` says by the pages that it stored, a handful at most.
    """

    mode: str
    ends: str
    requests: int
    turns: int


runs = st.lists(
    st.builds(
        Run,
        mode=st.sampled_from(MODES),
        ends=st.sampled_from(["well", "cancelled", "connections lost", "killed", "dead at a page"]),
        requests=st.integers(0, 20),
        turns=st.integers(0, 1500),
    ),
    min_size=2,
    max_size=3,
)
numbers = st.integers(0, 2**32)
changes = st.tuples(st.sampled_from(Company.kinds()), numbers)


class Histories(RuleBasedStateMachine):
    """One company, one mirror, two engines on it."""

    url: ClassVar[str]
    runner: ClassVar[asyncio.Runner]
    pools: ClassVar[list[Pool]]  # kept from one history to the next, with the plans of their statements
    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.company = Company(next(tenants))
        self.tenant_id = self.company.service.options.tenant_id
        self.stack = AsyncExitStack()
        self.announced: Counter[int] = Counter()
        self.ending = 0
        self.garbled = True  # records may come so broken that only a full read brings them again
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.clock = HastyClock()
        self.wire = Wire(self.company.service)
        self.source = await self.stack.enter_async_context(client(self.wire, self.clock))
        self.engines = [self._engine(pool) for pool in self.pools]
        self.listener = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
        await self.listener.execute(f"listen {EVENT_CHANNEL}")

    def _engine(self, pool: Pool) -> Engine:
        return Engine(
            pool=pool, source=self.source, entities=ENTITIES, clock=self.clock, zone="America/New_York"
        )

    # What happens -------------------------------------------------------------------------------

    @initialize(loaded=st.booleans(), garbled=st.booleans(), ending=numbers)
    def begin(self, loaded: bool, garbled: bool, ending: int) -> None:
        self.garbled, self.ending = garbled, ending
        if loaded:
            self.runner.run(self.engines[0].run("full"))

    @rule(changes=st.lists(changes, min_size=1, max_size=8))
    def vendor_changes(self, changes: list[tuple[str, int]]) -> None:
        self.steps["changes"] += len(changes)
        for kind, number in changes:
            self.company.change(kind, number)

    @rule(hours=st.integers(1, 20))
    def time_passes_at_the_vendor(self, hours: int) -> None:
        if self.company.clock.monotonic() < 70 * 3600:
            self.company.clock.advance(hours * 3600)

    @rule(hours=st.integers(-24, 24))
    def our_clock_is_set(self, hours: int) -> None:
        self.clock.wrong_by = timedelta(hours=hours)

    @rule(
        batch=runs,
        changes=st.lists(changes, min_size=4, max_size=12),
        faults=st.lists(st.tuples(st.sampled_from(FAULTS), numbers), min_size=2, max_size=8),
    )
    def somebody_reads(
        self, batch: list[Run], changes: list[tuple[str, int]], faults: list[tuple[str, int]]
    ) -> None:
        """Runs side by side; the vendor changes between pages and fails now and then."""
        self.steps["changes between pages"] += len(changes)
        faults = [fault for fault in faults if self.garbled or fault[0] not in GARBLING]
        self.steps["faults"] += len(faults)
        self.wire.meanwhile += [partial(self.company.change, *change) for change in changes]
        self.wire.faults += faults
        self.runner.run(self._read(batch))
        self.look()

    async def _read(self, batch: list[Run]) -> None:
        async with asyncio.TaskGroup() as group:
            for place, run in enumerate(batch):
                group.create_task(self._one(self.engines[place % 2], run))
        await self._hear()

    async def _one(self, engine: Engine, run: Run) -> None:
        self.steps[f"runs that end {run.ends}"] += 1
        reading = self._begun(engine, run)
        if run.ends not in ("well", "dead at a page"):
            after = self.wire.requests + run.requests
            while self.wire.requests < after and not reading.done():  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0)
            for _ in range(run.turns):
                await asyncio.sleep(0)
            if run.ends != "cancelled":
                with suppress(psycopg.OperationalError):  # another one was quicker
                    await self._cut_connections()
            if run.ends != "connections lost":
                reading.cancel()
        with suppress(asyncio.CancelledError, *oracle.PASSING):
            await reading

    def _begun(self, engine: Engine, run: Run) -> "asyncio.Task[RunReport]":
        context, dies = copy_context(), Doom(run.requests % _PAGES)
        if run.ends == "dead at a page":
            context.run(doom.set, dies)
        reading = asyncio.get_running_loop().create_task(engine.run(run.mode), context=context)
        dies.kill = reading.cancel
        return reading

    async def _cut_connections(self) -> None:
        """Every connection but the listener's, and those of others who are cutting."""
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, application_name="cutter"
        ) as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                "and application_name <> 'cutter' and pid <> %s",
                (self.listener.info.backend_pid,),
            )

    @rule()
    def quarantine_is_tried_again(self) -> None:
        self.runner.run(redrive(self.pools[0], self.tenant_id, ENTITIES))
        self.look()

    # What must be true --------------------------------------------------------------------------

    async def _settle_news(self) -> None:
        """No more faults; changes of which a read dies at one of its pages, and one incremental read."""
        self.wire.faults.clear()
        self.wire.meanwhile.clear()
        self.clock.wrong_by = timedelta()
        draw = Random(self.ending)
        for _ in range(_LAST_CHANGES):
            self.company.change(draw.choice(Company.kinds()), draw.randrange(2**32))
        await self._read([Run("incremental", "dead at a page", draw.randrange(_PAGES), 0)])
        while (await self._well(self.engines[0], "incremental")).failures:
            pass
        await self._hear()

    async def _settle(self) -> None:
        """One full read, and the second that lists without a by-id read ask for."""
        engine = self.engines[0]
        if self._is_cut_short():  # that one ends what began among the faults
            await self._well(engine, "full")
        while (await self._well(engine, "full")).failures:
            await self._release_what_is_held()
        await engine.run_entities([each for each in ENTITIES.values() if not _asks(each)], full=True)
        await self._release_what_is_held()
        await self._hear()

    def _is_cut_short(self) -> bool:
        """Whether a full read waits to be gone on with."""
        state = oracle.Mirror(self.url, self.tenant_id, {}).state
        return any(name.endswith("_checkpoint") for name in state)

    async def _well(self, engine: Engine, mode: str) -> RunReport:
        self.steps["clean runs"] += 1
        return await engine.run(mode)

    async def _release_what_is_held(self) -> None:
        """What a person does after a look at the vendor."""
        held = [ENTITIES[each.entity] for each in await open_holds(self.pools[0], self.tenant_id)]
        self.steps["held"] += len(held)
        if held:
            await self.engines[0].run_entities(held, full=True, allow_deletions=True)

    async def _hear(self) -> None:
        async for heard in self.listener.notifies(timeout=0):
            said = msgspec.json.decode(heard.payload)
            if said["tenant_id"] == self.tenant_id:
                self.announced.update(said["ids"])

    def look(self) -> oracle.Mirror:
        """At any time: history without gaps, every transition once, nothing deleted that never went."""
        self.steps["looks"] += 1
        mirror = oracle.Mirror(self.url, self.tenant_id, ENTITIES)
        problems = [*oracle.gaps(mirror), *oracle.wrong_events(mirror), *oracle.wrong_gatherings(mirror)]
        problems += self._wrongly_deleted(mirror)
        problems += self._wrongly_announced(mirror)
        assert not problems, oracle.shown(problems)
        return mirror

    def _wrongly_deleted(self, mirror: oracle.Mirror) -> Iterator[str]:
        for entity in ENTITIES.values():
            name = _collection(entity)
            for st_id, row in mirror.rows[entity.name].items():
                taken_for_gone = row["deleted_at"] is not None and row["active"]
                if taken_for_gone and (name, st_id) not in self.company.gone_once:
                    yield f"{entity.name} {st_id} was taken for deleted and never was"

    def _wrongly_announced(self, mirror: oracle.Mirror) -> Iterator[str]:
        news = Counter(row["id"] for row in mirror.events if not row["historical"])
        if news != self.announced:
            yield f"announced: {self.announced - news} without a reason, {news - self.announced} not"

    def compare_news(self) -> None:
        """After an incremental read: what feeds tell is here."""
        mirror = self.look()
        problems: list[str] = []
        for entity in ENTITIES.values():
            if not oracle.is_list(entity):
                untold = {st_id for name, st_id in self.company.untraced if name == _collection(entity)}
                problems += self._differences(mirror, entity, besides=untold)
        assert not problems, oracle.shown(problems)

    def _differences(
        self, mirror: oracle.Mirror, entity: Entity, *, besides: set[int] = frozenset()
    ) -> Iterator[str]:
        spoilt = self.company.spoilt if entity.name == "jobs" else set()
        truth = {
            record["id"]: record
            for row in self.company.rows(_collection(entity))
            for record in [row.record()]
            if not (oracle.is_list(entity) and row.hidden)
        }
        yield from oracle.differences(mirror, entity, truth, besides=spoilt | besides)

    def compare(self) -> None:
        """When all is well: the mirror is the vendor's, record by record."""
        mirror = self.look()
        problems: list[str] = []
        for entity in ENTITIES.values():
            problems += self._differences(mirror, entity)
        held = {row["st_id"] for row in mirror.waiting}
        problems += [f"job {st_id} is good and in quarantine" for st_id in held - self.company.spoilt]
        problems += [f"job {st_id} is unfit and not held" for st_id in self.company.spoilt - held]
        assert not problems, oracle.shown(problems)

    def teardown(self) -> None:
        try:
            self.runner.run(self._settle_news())
            if not self.garbled:
                self.compare_news()
            self.runner.run(self._settle())
            self.compare()
            if any(self.company.gone.values()):
                self.company.all_come_back()
                self.runner.run(self._settle())
                self.compare()
        finally:
            self.runner.run(self._close())

    async def _close(self) -> None:
        await self.listener.close()
        await self.stack.aclose()


def histories(url: str, *, part: int | None = None, **more: Any) -> None:
    """Live through histories, the same ones every time; each ``part`` is others."""
    Histories.url = url
    company = Histories if part is None else seed(part)(type(f"Histories{part}", (Histories,), {}))
    rules = settings(_RULES, derandomize=part is None, **more)
    with asyncio.Runner() as runner:
        opened = [open_pool(url, max_size=10) for _ in range(2)]
        Histories.runner = runner
        Histories.pools = [runner.run(each.__aenter__()) for each in opened]
        try:
            with pytest.MonkeyPatch.context() as patches:
                patches.setattr(mirror, "merge", merge_or_die)
                run_state_machine_as_test(company, settings=rules)
        finally:
            for each in opened:
                runner.run(each.__aexit__(None, None, None))


_RULES: Final = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    print_blob=False,
)


@pytest.fixture
async def empty_mirror(database: Server, migrated: str) -> Any:
    async with new_database(database, migrated) as url:
        yield url


def test_any_history_converges(empty_mirror: str) -> None:
    histories(empty_mirror, max_examples=6, stateful_step_count=8)


def test_a_place_that_is_kept_before_its_page_is_found_out(
    empty_mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The histories themselves are tried: a mistake is planted, and they have to see it."""
    store = pull._store

    async def keeps_first(work: Work, feed: Feed, step: feeds.Step) -> None:
        if step.position is not None:
            async with transaction(work.context.pool) as connection:
                await work.place.keep_page(connection, work.context.tenant_id, feed, step.position)
        await store(work, feed, step)

    monkeypatch.setattr(pull, "_store", keeps_first)
    with pytest.raises(AssertionError, match=r"is lost|differs in"):
        histories(empty_mirror, max_examples=6, stateful_step_count=8)


@pytest.mark.reliability
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(10))
def test_many_histories_converge(empty_mirror: str, part: int) -> None:
    histories(empty_mirror, part=part, max_examples=10, stateful_step_count=30)
