"""One entity of a run: read its feeds, merge every page, keep the place, look for what is gone."""

from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from perfectcatch.errors import PerfectCatchError, VendorLoop, VendorUnavailable
from perfectcatch.kit.fingerprint import Document
from perfectcatch.kit.finishing import finish, last_words
from perfectcatch.kit.tally import counted
from perfectcatch.model.entity import Entity, Feed, Source
from perfectcatch.model.source import Page
from perfectcatch.store import runs
from perfectcatch.store.merging import merged, mirror, quarantine, sweep
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.store.pool import Connection, plain_errors, transaction, unhurried
from perfectcatch.sync import feeds
from perfectcatch.sync.aftermath import find_deleted, follow_merges
from perfectcatch.sync.place import feed_key, find_place
from perfectcatch.sync.report import FAILED, SKIPPED, EntityReport
from perfectcatch.sync.unindexed import unindexed
from perfectcatch.sync.work import Context, Stored, Turn, Work, at_once, to_nobody

CLOCKS_APART = timedelta(minutes=1)  # the vendor's machines need not agree to the second
STILL_KNOWN = 1.0  # seconds that what the mirror had is taken for what it has
WORTH_WAITING = 500  # records of a page below which it is merged at once: others may wait for its list
FULL_WAITS = 1800.0  # seconds that a full read waits for somebody who reads the same

log = structlog.get_logger(__name__)


async def read_entity(work: Work) -> None:
    """Read and merge every feed; then what a full read proves, and what merged records leave behind."""
    context, place = work.context, work.place
    if place.full and not place.resumed:
        async with transaction(context.pool) as connection:
            await sweep.forget_others(connection, context.tenant_id, place.sweep_id, work.entity)
            await place.begin_anew(connection, context.tenant_id)
            # A first load has nothing that could be gone, but for what one that was broken off has stored.
            if place.first_load and work.entity.sweep:
                place.sweeps = await sweep.has_rows(connection, context.tenant_id, work.entity)
    before, began = await _newest(work), context.clock.monotonic()
    async with unindexed(work):
        for feed in work.entity.feeds:
            if feed_key(feed) not in place.done:
                await _read(work, feed)
    await _tell_who_waits(work)
    swept = place.sweeps and await find_deleted(work, partial(_read_on, work))
    before = _not_ahead(work, before, of=context.clock.monotonic() - began)
    await _finish(work, before, swept=swept)
    await follow_merges(work)


async def _tell_who_waits(work: Work) -> None:
    """Let them begin before all is done, where nothing that is still to come could touch their records."""
    context, entity = work.context, work.entity
    if work.place.full:
        return
    if entity.merged_into is None or not await merged.pending(context.pool, context.tenant_id, entity):
        work.stored()


async def _read(work: Work, feed: Feed) -> None:
    start = position = last_page = work.place.begins_at(feed)
    since = None if work.place.full else work.place.modified
    steps = feeds.read(work.context.source, work.entity, feed, position=position, since=since)
    try:
        async with aclosing(steps) as opened:
            async for step in opened:
                work.report.requests += step.page.requests
                await _store(work, feed, step)
                last_page, position = position, step.position or position
    except VendorLoop:
        if position != start:
            async with transaction(work.context.pool) as connection:
                await runs.still_ours(connection, work.context.tenant_id, work.log_id)
                await work.place.go_back(connection, work.context.tenant_id)
        raise
    now = await runs.database_clock(work.context.pool)
    work.place.finished(feed, position, last_page=last_page, now=now)


async def _read_on(work: Work) -> None:
    """Ask each feed that was read to its end whether it goes on; the place that is kept stays where it is."""
    for feed in work.entity.feeds:
        if feed.source is not Source.EXPORT:
            continue
        end = work.place.done[feed_key(feed)]
        steps = feeds.read(work.context.source, work.entity, feed, position=end, since=None)
        async with aclosing(steps) as opened:
            async for step in opened:
                work.report.requests += step.page.requests
                await _store(work, feed, replace(step, position=None))


async def _store(work: Work, feed: Feed, step: feeds.Step) -> None:
    """Merge a page and keep the place, in one transaction; then tell who watches."""
    if not work.place.full and _says_nothing(work, feed, step):
        return
    page, keep = step.page, _keeping(work, feed, step)
    asked_at = work.context.clock.monotonic()
    records = await work.unknown(page.records)
    await work.turn()
    if work.context.clock.monotonic() - asked_at > STILL_KNOWN:
        records = await work.unknown(page.records)
    await work.context.locks.check()
    try:
        outcome = await _merge(work, page, records, keep, settle=True)
    except mirror.Unsettled as unsettled:
        await settle(work, unsettled.entities)
        outcome = await _merge(work, page, records, keep)
    work.note(outcome)
    if work.place.first_load and 0 < outcome.created == work.report.outcome.created:
        # Without statistics all indexes look alike, and the next pages look links up through a wrong one.
        await _learn(work)
    work.context.progress.page(work.entity.name, work.report.outcome)


async def _merge(
    work: Work, page: Page, records: Sequence[Document], keep: mirror.AndThen, *, settle: bool = False
) -> Outcome:
    waits = work.place.first_load and len(page.records) >= WORTH_WAITING
    async with work.context.gate.passed(work.expected or 0) if waits else nullcontext():
        known = len(page.records) - len(records)
        return await work.merge(records, page.broken, keep, settle=settle, known=known)


def _says_nothing(work: Work, feed: Feed, step: feeds.Step) -> bool:
    """Whether there is nothing to store: so it is with most entities when news is read every few seconds."""
    still_there = step.position is None or step.position == work.place.tokens.get(feed_key(feed))
    return still_there and not step.page.records and not step.page.broken


async def settle(work: Work, names: Sequence[str]) -> None:
    """Read what a record refers to, once a run: without it an event would be lost for ever."""
    context = work.context
    for name in names:
        if name in context.on_demand:
            continue
        log.info("reading what a record refers to", entity=work.entity.name, missing=name)
        report = await pull(context, context.entities[name], full=True)
        if report.status == FAILED:
            raise VendorUnavailable(
                f"A record refers to {name} that could not be read: {report.error} "
                "The page was not stored; the next run reads it again."
            )
        context.on_demand[name] = report


def _keeping(work: Work, feed: Feed, step: feeds.Step) -> mirror.AndThen:
    """What is written in the transaction of a page beside its records."""
    context, tenant_id = work.context, work.context.tenant_id

    async def keep(connection: Connection, outcome: Outcome) -> None:
        total = Outcome()
        total += work.report.outcome
        total += outcome
        await runs.note_page(connection, tenant_id, work.log_id, total, work.report.requests)
        if work.place.sweeps and step.page.records:
            await sweep.note_page(connection, tenant_id, work.place.sweep_id, work.entity)
        if outcome.updated:
            await merged.note_page(connection, tenant_id, work.entity)
        if step.position is not None:
            await work.place.keep_page(connection, tenant_id, feed, step.position)
        progress = {
            "tenant_id": tenant_id,
            "run_id": context.run_id,
            "entity": work.entity.name,
            "mode": work.report.mode,
        }
        numbers = {name: getattr(total, name) for name in ("fetched", "created", "updated")}
        await runs.tell(connection, progress | numbers)

    return keep


async def _finish(work: Work, before: datetime | None, *, swept: bool) -> None:
    """Keep the end of the read, all of it at once.

    Lists are asked next for what changed since *before* this read: a record that changed on a page which
    was already read would otherwise be passed over.
    """
    context, place = work.context, work.place
    place.modified = before or place.modified
    if not place.full and not work.report.outcome.fetched and place.is_kept:
        return
    newest = _not_ahead(work, await _newest(work))
    # Without its end a read of news is read again from its last page.
    ending = transaction if place.full else unhurried
    async with ending(context.pool) as connection:
        await runs.still_ours(connection, context.tenant_id, work.log_id)
        if swept:
            await sweep.end(connection, context.tenant_id, work.entity)
        if place.full:
            await quarantine.resolve_absent(
                connection, context.tenant_id, work.entity, since=place.started_at
            )
        await place.keep_end(connection, context.tenant_id, newest=newest)
    if place.first_load and work.report.outcome.created > work.learned:
        await _learn(work)


async def _learn(work: Work) -> None:
    await mirror.learn(work.context.pool, work.entity)
    work.learned = work.report.outcome.created


async def _newest(work: Work) -> datetime | None:
    told = work.context.source.vendor_time()
    until = told and told + CLOCKS_APART
    return await mirror.newest(work.context.pool, work.context.tenant_id, work.entity, until=until)


def _not_ahead(work: Work, moment: datetime | None, *, of: float = 0.0) -> datetime | None:
    """``moment``, or what time it was at the vendor ``of`` seconds ago if that is earlier.

    A stored time may lie ahead by a mistake of the vendor's; a list that is asked for changes since then
    would bring nothing until then.
    """
    told = work.context.source.vendor_time()
    if moment is None or told is None:
        return moment
    return min(moment, told - timedelta(seconds=of))


async def pull(
    context: Context,
    entity: Entity,
    *,
    full: bool,
    turn: Turn = at_once,
    stored: Stored = to_nobody,
    expected: int | None = None,
) -> EntityReport:
    """Bring one entity up to date; whatever goes wrong with it ends up in the report.

    A full read waits for somebody who reads the same entity, an incremental one leaves it to them. Nothing is
    stored before its ``turn``; ``stored`` may be told before the end. ``expected``: how many records a first
    load will bring, if that is known.
    """
    report = EntityReport(entity=entity.name, mode="full" if full else "incremental")
    began = context.clock.monotonic()
    name = f"sync {context.tenant_id} {entity.name}"
    try:
        with plain_errors():
            async with context.locks.held(name, wait_seconds=FULL_WAITS if full else 0.0) as ours:
                if ours:
                    await _under_a_line(context, entity, report, turn, stored, full=full, expected=expected)
                else:
                    report.status = FAILED if full else SKIPPED
                    report.error = f"Another process is reading {entity.name} right now."
    except PerfectCatchError as error:  # the database went away, so that not even the log could be written
        report.fails(error)
    except Exception as error:
        log.exception("an entity failed unexpectedly", entity=entity.name)
        report.status, report.error = FAILED, f"Something is wrong with the program: {error!r}."
    report.duration_ms = round((context.clock.monotonic() - began) * 1000)
    context.progress.ends(entity.name, report.status)
    return report


async def _under_a_line(
    context: Context,
    entity: Entity,
    report: EntityReport,
    turn: Turn,
    stored: Stored,
    *,
    full: bool,
    expected: int | None,
) -> None:
    """Do the work; the line of the sync log is closed whatever happens."""
    began = context.clock.monotonic()
    tenant_id, run_id = context.tenant_id, context.run_id
    async with unhurried(context.pool) as connection:
        now = await runs.close_lines(connection, tenant_id, entity.name)
        place = await find_place(connection, tenant_id, entity, full=full, run_id=run_id, now=now)
        report.mode = "full" if place.full else "incremental"
        log_id = await runs.begin_entity(connection, tenant_id, run_id, entity=entity.name, mode=report.mode)
    status: str | None = "interrupted"
    try:
        with plain_errors(), counted() as cost:
            await read_entity(Work(context, entity, place, report, log_id, turn, stored, expected))
        status = None
    except PerfectCatchError as error:
        status = None
        report.requests = max(report.requests, cost.requests)  # those that brought no page as well
        report.fails(error)
    except Exception as error:
        status, report.error = FAILED, f"Something is wrong with the program: {error!r}."
        raise
    finally:
        closing = runs.end_entity(
            context.pool,
            context.tenant_id,
            log_id,
            status=status or report.status,
            total=report.outcome,
            requests=report.requests,
            duration_ms=round((context.clock.monotonic() - began) * 1000),
            error=report.error,
        )
        await (last_words(closing) if status == "interrupted" else finish(closing))
