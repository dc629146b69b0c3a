"""Reading a span of the past again, piece by piece, beside the sync and never in its way.

A piece is a window of ``createdOn`` that fits on one page, the newest first. It is merged and kept in one
transaction, so that a read which was killed goes on with the piece where it stood. A feed that has no list
is read from its date on by ``modifiedOn``, oldest first, a page a piece. Cursors are not moved, nothing is
swept, and events are historical. Another lock than that of the sync lets both go on side by side: each merge
is one transaction, and the newer version wins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from perfectcatch.errors import (
    AlreadyRunning,
    BadArgument,
    NothingKnown,
    PerfectCatchError,
    VendorUnavailable,
)
from perfectcatch.kit.finishing import last_words
from perfectcatch.model.entity import Entity, Source
from perfectcatch.model.source import Listing, Page
from perfectcatch.store import backfills, runs
from perfectcatch.store.backfills import Backfill
from perfectcatch.store.locks import open_locks
from perfectcatch.store.merging import compare, merged, mirror
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.store.pool import Connection, plain_errors
from perfectcatch.sync.engine import Engine, owner, told
from perfectcatch.sync.form import Document, form_of, formed
from perfectcatch.sync.gaps.look import Allowance, Vendor, within
from perfectcatch.sync.gaps.search import Window
from perfectcatch.sync.place import Place
from perfectcatch.sync.pull import settle
from perfectcatch.sync.report import EntityReport
from perfectcatch.sync.work import Work

MODE = "backfill"
PAGE = 1000  # records in a transaction: the sync, which merges into the same table, waits for one at most
FIRST_PIECE = timedelta(days=1)
SHORTEST_PIECE = timedelta(minutes=1)
LONGEST_PIECE = timedelta(days=92)
UNLIMITED = 2**62

log = structlog.get_logger(__name__)


def refuse_unless_dated(entity: Entity, listing: Callable[[str], Listing | None]) -> None:
    """Raise BadArgument for an entity that cannot be read by dates."""
    for feed in entity.feeds:
        found = listing(feed.endpoint)
        by_list = found is not None and found.dated and entity.created is not None
        if not by_list and feed.source is not Source.EXPORT:
            raise BadArgument(
                f"{entity.name} cannot be read by dates: read all of it with "
                f"`perfectcatch sync run {entity.name} --full`."
            )


async def backfill(
    engine: Engine, entity: Entity, starts_at: datetime, ends_at: datetime, *, restart: bool = False
) -> Backfill:
    """Read what was created from ``starts_at`` on and before ``ends_at``, or go on with it.

    Returns its state: ``done``, or ``paused`` when a person said so meanwhile. Errors: BadArgument for a span
    or an entity that makes no sense, AlreadyRunning, and what the vendor and the database raise.
    """
    if starts_at >= ends_at:
        raise BadArgument("The span is empty: --from must lie before --to.")
    refuse_unless_dated(entity, engine.source.listing)
    found = await backfills.begin(
        engine.pool, engine.source.tenant_id, entity.name, starts_at, ends_at, restart=restart
    )
    return await go_on(engine, found.id)


async def go_on(engine: Engine, backfill_id: UUID, *, trigger: str = "command") -> Backfill:
    """Go on with a backfill until it is done or paused."""
    tenant_id = engine.source.tenant_id
    state = await backfills.by_id(engine.pool, tenant_id, backfill_id)
    if state is None or state.entity not in engine.entities:
        raise NothingKnown("There is no such backfill: see `perfectcatch sync backfills`.")
    entity, run_id = engine.entities[state.entity], uuid4()
    async with (
        open_locks(engine.pool, engine.clock, owner=runs.lock_of(run_id)) as locks,
        locks.held(f"backfill {tenant_id} {entity.name}") as ours,
    ):
        if not ours:
            raise AlreadyRunning(f"A backfill of {entity.name} is under way already.")
        await runs.begin(
            engine.pool, tenant_id, run_id, mode=MODE, entities=[entity.name], trigger=trigger, owner=owner()
        )
        place = Place(
            entity=entity, first_load=True, full=True, sweep_id=run_id, started_at=engine.clock.now()
        )
        report = EntityReport(entity=entity.name, mode=MODE)
        work = Work(engine.context(run_id, locks), entity, place, report, log_id=0)
        async with engine.beating(run_id):
            status = await _ended(_Reading(work, state))
        ended = "succeeded" if status == backfills.DONE else "interrupted"
        await runs.end(engine.pool, tenant_id, run_id, status=ended, error=None)
    after = await backfills.by_id(engine.pool, tenant_id, backfill_id)
    assert after is not None
    return after


async def _ended(reading: "_Reading") -> str:
    """Read, and write down how it ended, whatever happens."""
    context, state = reading.work.context, reading.state
    await backfills.note(context.pool, context.tenant_id, state.id, backfills.RUNNING)
    try:
        with plain_errors():
            finished = await reading.read()
    except BaseException as error:
        failed = isinstance(error, PerfectCatchError)
        status = backfills.FAILED if failed else backfills.INTERRUPTED
        closing = _close(reading, status, told(error))
        await last_words(closing)
        raise
    status = backfills.DONE if finished else backfills.PAUSED
    await backfills.note(context.pool, context.tenant_id, state.id, status)
    context.progress.ends(state.entity, status)
    return status


async def _close(reading: "_Reading", status: str, error: str) -> None:
    context = reading.work.context
    await backfills.note(context.pool, context.tenant_id, reading.state.id, status, error=error)
    await runs.end(context.pool, context.tenant_id, context.run_id, status="interrupted", error=error)


@dataclass(slots=True)
class _Reading:
    """A backfill under way."""

    work: Work
    state: Backfill
    vendor: Vendor = field(init=False)
    total: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.vendor = Vendor(self.work.context.source, self.work.entity, Allowance(UNLIMITED))
        self.total.fetched = self.state.fetched

    async def read(self) -> bool:
        """Read to the end; false when a person has paused it."""
        if not self.vendor.divisible:
            return await self._by_feed()
        await self._tell_how_many()
        end, length = self.state.position, FIRST_PIECE
        while end > self.state.starts_at:
            if await self._paused():
                return False
            start = max(self.state.starts_at, end - length)
            pages = await self._fetch(Window(start, end))
            brought = sum(len(page.records) for page in pages)
            if any(page.has_more for page in pages) and length > SHORTEST_PIECE:
                length = max(SHORTEST_PIECE, min(length, end - start) / 4)
                continue
            if any(page.has_more for page in pages):
                pages = await self._fetch_all(Window(start, end))
            await self._store(pages, position=start, token=None)
            end = start
            length = _next_length(length, brought)
        return True

    async def _tell_how_many(self) -> None:
        """Count once, so that the time left can be told."""
        context, state = self.work.context, self.state
        if state.expected is None and self.vendor.counts:
            expected = await self.vendor.count(Window(state.starts_at, state.ends_at))
            await backfills.note(
                context.pool, context.tenant_id, state.id, backfills.RUNNING, expected=expected
            )
            context.progress.plans({state.entity: expected})
        else:
            context.progress.plans({state.entity: state.expected})
        context.progress.begins(state.entity)

    async def _paused(self) -> bool:
        await self.work.context.locks.check()
        return await backfills.is_paused(self.work.context.pool, self.work.context.tenant_id, self.state.id)

    async def _fetch(self, window: Window[datetime], number: int = 0) -> list[Page]:
        """One page of each list; what the window does not hold on it follows."""
        source, pages = self.work.context.source, []
        for feed, listing in self.vendor.lists:
            fixed = dict(feed.query) if feed.source is not Source.EXPORT else {}
            query = {**fixed, **dict(listing.everything), **within(window)}
            if source.takes(listing.endpoint, "sort"):
                query["sort"] = "+Id"
            page = await source.list_page(listing.endpoint, number, min(PAGE, listing.page_size), query)
            form = form_of(feed, listing)
            page.records[:] = [formed(record, form) for record in page.records]
            self.work.report.requests += page.requests
            pages.append(page)
        return pages

    async def _fetch_all(self, window: Window[datetime]) -> list[Page]:
        """Every page of a moment in which more was created than a page holds."""
        pages = await self._fetch(window)
        number = 0
        while any(page.has_more and page.records for page in pages[-len(self.vendor.lists) :]):
            number += 1
            pages += await self._fetch(window, number)
        return pages

    async def _by_feed(self) -> bool:
        """Read the feed from the first day on; it gives later changes too, which are merged as well."""
        state, token = self.state, self.state.token
        context = self.work.context
        context.progress.plans({state.entity: None})
        context.progress.begins(state.entity)
        [feed] = self.work.entity.feeds
        query = {"includeRecentChanges": "true", **dict(feed.query)}
        while True:
            if await self._paused():
                return False
            at = token or within(Window(state.starts_at, None))["createdOnOrAfter"]
            page = await context.source.export_page(feed.endpoint, at, query)
            self.work.report.requests += page.requests
            if page.has_more and page.token in {None, token}:
                raise VendorUnavailable(f"The feed {feed.endpoint} does not go on; try again later.")
            token = page.token
            await self._store([page], position=state.position, token=token)
            if not page.has_more or await self._beyond(page.records):
                return True

    async def _beyond(self, records: Sequence[Document]) -> bool:
        """Whether everything on a page was changed after the span."""
        context = self.work.context
        rows, _ = await compare.beside(context.pool, context.tenant_id, self.work.entity, records)
        return bool(rows) and all(row.modified and row.modified >= self.state.ends_at for row in rows)

    async def _store(self, pages: Sequence[Page], *, position: datetime, token: str | None) -> None:
        """Merge a piece and keep the place, in one transaction."""
        work, context, requests = self.work, self.work.context, self.work.report.requests
        records = await told_living(work, [record for page in pages for record in page.records])
        broken = [each for page in pages for each in page.broken]

        async def keep(connection: Connection, outcome: Outcome) -> None:
            if outcome.updated:
                await merged.note_page(connection, context.tenant_id, work.entity)
            await backfills.keep(
                connection,
                context.tenant_id,
                self.state.id,
                position=position,
                token=token,
                outcome=outcome,
                requests=requests,
            )

        try:
            outcome = await work.merge(records, broken, keep, settle=True)
        except mirror.Unsettled as unsettled:
            await settle(work, unsettled.entities)
            outcome = await work.merge(records, broken, keep)
        work.report.requests = 0
        work.note(outcome)
        self.total += outcome
        context.progress.page(self.state.entity, self.total)


def _next_length(length: timedelta, brought: int) -> timedelta:
    """Longer pieces where little was created, so that a quiet year costs a few requests."""
    if brought < PAGE // 8:
        length *= 4
    elif brought < PAGE // 3:
        length *= 2
    return min(length, LONGEST_PIECE)


async def told_living(work: Work, records: list[Document]) -> list[Document]:
    """``records`` of a list without those that the feed calls deleted, where the list cannot say so."""
    context, entity = work.context, work.entity
    listings = [context.source.listing(feed.endpoint) for feed in entity.feeds]
    if not any(
        listing and any(name == entity.active for name, _ in listing.form.adds) for listing in listings
    ):
        return records
    rows, unread = await compare.beside(context.pool, context.tenant_id, entity, records)
    kept = {row.ord for row in rows if not row.told_gone} | set(unread)
    return [record for place, record in enumerate(records) if place in kept]
