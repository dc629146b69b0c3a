"""One entity of a run: read its feeds, merge every page, keep the place, look for what is gone."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock
from perfectcatch.model.entity import Entity, Feed, Source
from perfectcatch.model.source import Page, RecordSource
from perfectcatch.store import locks, merged, mirror, runs, state, sweep
from perfectcatch.store.mirror import Batch, Outcome
from perfectcatch.store.pool import Connection, Pool, plain_errors, transaction
from perfectcatch.sync import feeds
from perfectcatch.sync.progress import Progress
from perfectcatch.sync.report import FAILED, HELD, SKIPPED, EntityReport

CHECKPOINT_LIFE = timedelta(hours=24)  # an unfinished full read that is older begins anew
CONFIRM_LIMIT = 500  # deletions that are confirmed one by one

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every pull of a run shares."""

    pool: Pool
    source: RecordSource
    entities: Mapping[str, Entity]
    clock: Clock
    progress: Progress
    run_id: UUID
    allow_deletions: bool = False  # a person has looked at a held sweep


@dataclass(slots=True)
class Place:
    """How far an entity has been read, as stored in ``sync_state``."""

    first_load: bool
    full: bool
    cursor: dict[str, Any]
    sweep_id: UUID
    started_at: datetime
    feed: int = 0
    position: str | None = None
    resumed: bool = False


@dataclass(slots=True)
class Pull:
    """The work on one entity."""

    context: Context
    entity: Entity
    full: bool
    report: EntityReport
    log_id: int = 0
    requests: int = 0
    place: Place = field(init=False)

    @property
    def tenant_id(self) -> int:
        """Whose records these are."""
        return self.context.source.tenant_id

    async def run(self) -> None:
        """Read, merge, sweep; the place is kept with every page."""
        self.place = await _find_place(self.context, self.entity, full=self.full)
        if self.place.full and not self.place.resumed:
            await self._keep_place(None)
        tokens = list(self.place.cursor.get("tokens") or [None] * len(self.entity.feeds))
        for number in range(self.place.feed, len(self.entity.feeds)):
            feed = self.entity.feeds[number]
            self.place.feed = number
            tokens[number] = await self._read_feed(feed, tokens[number])
            self.place.position = None
        await self._finish(tokens)
        if self.place.full and not self.place.first_load and self.entity.sweep:
            await self._sweep()
        if self.report.outcome.updated and not self.place.first_load:
            await self._follow_merges()

    async def _read_feed(self, feed: Feed, token: str | None) -> str | None:
        place = self.place
        position = place.position if place.full else token
        since = None if place.full else _moment(place.cursor.get("modified"))
        steps = feeds.read(self.context.source, self.entity, feed, position=position, since=since)
        async with aclosing(steps) as opened:
            async for step in opened:
                await self._store(step)
                position = step.position or position
        return position

    async def _store(self, step: feeds.Step) -> None:
        """Merge a page and keep the place, in one transaction; then tell who watches."""
        self.requests += step.page.requests
        outcome = await self._merge(step)
        self.report.outcome += outcome
        events = self.report.past_events if self.place.first_load else self.report.events
        events.update(outcome.events)
        self.context.progress.page(self.entity.name, self.report.outcome)

    async def _merge(self, step: feeds.Step) -> Outcome:
        try:
            batch = self._batch(step.page, settle=True)
            return await mirror.merge(self.context.pool, batch, self._and_then(step))
        except mirror.Unsettled as unsettled:
            for name in unsettled.entities:
                log.info("reading what a record refers to", entity=self.entity.name, missing=name)
                await pull(self.context, self.context.entities[name], full=True)
            batch = self._batch(step.page, settle=False)
            return await mirror.merge(self.context.pool, batch, self._and_then(step))

    def _batch(self, page: Page, *, settle: bool) -> Batch:
        return Batch(
            tenant_id=self.tenant_id,
            entity=self.entity,
            entities=self.context.entities,
            records=page.records,
            broken=page.broken,
            run_id=self.context.run_id,
            historical=self.place.first_load,
            settle=settle,
        )

    def _and_then(self, step: feeds.Step) -> mirror.AndThen:
        async def keep(connection: Connection, outcome: Outcome) -> None:
            total = Outcome()
            total += self.report.outcome
            total += outcome
            await runs.note_page(
                connection, self.tenant_id, self.context.run_id, self.log_id, total, self.requests
            )
            if self.place.full and self.entity.sweep and not self.place.first_load and step.page.records:
                await sweep.note_page(connection, self.tenant_id, self.place.sweep_id, self.entity)
            if step.position is not None:
                await self._keep_position(connection, step.position)
            await runs.tell(
                connection,
                {
                    "run_id": self.context.run_id,
                    "entity": self.entity.name,
                    "mode": self.report.mode,
                    "fetched": total.fetched,
                    "created": total.created,
                    "updated": total.updated,
                },
            )

        return keep

    async def _keep_position(self, connection: Connection, position: str) -> None:
        if self.place.full:
            key = _key(self.entity, "checkpoint")
            await state.put(connection, self.tenant_id, key, self._as_state(position))
            return
        tokens = list(self.place.cursor.get("tokens") or [None] * len(self.entity.feeds))
        tokens[self.place.feed] = position
        self.place.cursor = {**self.place.cursor, "tokens": tokens}
        await state.put(connection, self.tenant_id, _key(self.entity, "cursor"), self.place.cursor)

    async def _keep_place(self, position: str | None) -> None:
        async with transaction(self.context.pool) as connection:
            key = _key(self.entity, "checkpoint")
            await state.put(connection, self.tenant_id, key, self._as_state(position))

    def _as_state(self, position: str | None) -> dict[str, Any]:
        return {
            "sweep_id": str(self.place.sweep_id),
            "started_at": self.place.started_at.isoformat(),
            "feed": self.place.feed,
            "position": position,
        }

    async def _finish(self, tokens: list[str | None]) -> None:
        """Keep where the next incremental read begins; a first load is complete from now on."""
        async with transaction(self.context.pool) as connection:
            latest = await mirror.newest(connection, self.tenant_id, self.entity)
            newest = latest.isoformat() if latest else self.place.cursor.get("modified")
            cursor = {"tokens": tokens, "modified": newest}
            await state.put(connection, self.tenant_id, _key(self.entity, "cursor"), cursor)
            await state.put(connection, self.tenant_id, _key(self.entity, "last_modified"), newest)
            if self.place.first_load:
                loaded = {"completed_at": self.context.clock.now().isoformat()}
                await state.put(connection, self.tenant_id, _key(self.entity, "first_load"), loaded)
            if self.place.full:
                await state.forget(connection, self.tenant_id, _key(self.entity, "checkpoint"))
        if self.place.first_load and self.report.outcome.created:
            await mirror.learn(self.context.pool, self.entity)

    async def _sweep(self) -> None:
        """Mark as deleted what the full read did not bring and the vendor does not know either."""
        context, place = self.context, self.place
        absent = await sweep.missing(
            context.pool, self.tenant_id, place.sweep_id, self.entity, started_at=place.started_at
        )
        if absent.too_many and not context.allow_deletions:
            await sweep.hold(context.pool, self.tenant_id, self.entity, context.run_id, absent)
            self.report.status = HELD
            self.report.error = (
                f"{len(absent.ids)} of {absent.total} {self.entity.name} were absent from a full read: "
                f"too many to delete without a person. Look at them, then run "
                f"`perfectcatch sync run {self.entity.name} --full --allow-deletions`."
            )
        elif absent.ids:
            gone = await self._confirmed(absent.ids)
            buried = await sweep.bury(
                context.pool, self.tenant_id, self.entity, context.entities, gone, context.run_id
            )
            self.report.outcome.deactivated += buried
        async with context.pool.connection() as connection:
            await sweep.forget(connection, self.tenant_id, place.sweep_id, self.entity)

    async def _follow_merges(self) -> None:
        """Read again what pointed to a merged record: the vendor moves it without touching its time."""
        context = self.context
        ids = await merged.newly_merged(context.pool, self.tenant_id, self.entity, context.run_id)
        for entity in context.entities.values() if ids else ():
            endpoint = entity.reads_one
            moved = await merged.pointing_at(context.pool, self.tenant_id, entity, self.entity, ids)
            if endpoint is None or len(moved) > CONFIRM_LIMIT:
                if moved:
                    log.warning("merged: left to the next full read", entity=entity.name, number=len(moved))
                continue
            read = [await context.source.one(endpoint, st_id) for st_id in moved]
            self.requests += len(read)
            records: list[bytes | memoryview] = [record for record in read if record is not None]
            if records:
                outcome = await mirror.merge(context.pool, self._batch_of(entity, records))
                self.report.events.update(outcome.events)

    def _batch_of(self, entity: Entity, records: list[bytes | memoryview]) -> Batch:
        return Batch(
            tenant_id=self.tenant_id,
            entity=entity,
            entities=self.context.entities,
            records=records,
            run_id=self.context.run_id,
        )

    async def _confirmed(self, ids: list[int]) -> list[int]:
        """Those of ``ids`` that the vendor does not know; the others were overlooked, and are merged."""
        endpoint = self.entity.reads_one
        if endpoint is None or len(ids) > CONFIRM_LIMIT:
            return ids
        gone: list[int] = []
        found: list[bytes | memoryview] = []
        for st_id in ids:
            record = await self.context.source.one(endpoint, st_id)
            self.requests += 1
            if record is None:
                gone.append(st_id)
            else:
                found.append(record)
        if found:
            log.warning("a full read overlooked records", entity=self.entity.name, number=len(found))
            page = Page(records=found, has_more=False)
            self.report.outcome += await mirror.merge(self.context.pool, self._batch(page, settle=False))
        return gone


async def pull(context: Context, entity: Entity, *, full: bool) -> EntityReport:
    """Bring one entity up to date. Errors that the product understands end up in the report."""
    report = EntityReport(entity=entity.name, mode="full" if full else "incremental")
    began = context.clock.monotonic()
    try:
        with plain_errors():
            async with locks.held(context.pool, f"sync {context.source.tenant_id} {entity.name}") as ours:
                if ours:
                    await _pull(context, entity, report, full=full)
                else:
                    report.status = SKIPPED
                    report.error = f"Another process is reading {entity.name} right now."
    except PerfectCatchError as error:  # the database went away, so that not even the log could be written
        report.status, report.error = FAILED, str(error)
    report.duration_ms = round((context.clock.monotonic() - began) * 1000)
    context.progress.ends(entity.name, report.status)
    return report


async def _pull(context: Context, entity: Entity, report: EntityReport, *, full: bool) -> None:
    """Do the work under a line of the sync log."""
    tenant_id = context.source.tenant_id
    began = context.clock.monotonic()
    log_id = await runs.begin_entity(
        context.pool, tenant_id, context.run_id, entity=entity.name, mode=report.mode
    )
    work = Pull(context, entity, full, report, log_id)
    try:
        with plain_errors():
            await work.run()
    except PerfectCatchError as error:
        report.status, report.error = FAILED, str(error)
    finally:
        report.requests = work.requests
    await runs.end_entity(
        context.pool,
        tenant_id,
        log_id,
        status=report.status,
        total=report.outcome,
        requests=report.requests,
        duration_ms=round((context.clock.monotonic() - began) * 1000),
        error=report.error,
    )


async def _find_place(context: Context, entity: Entity, *, full: bool) -> Place:
    """Where to begin: an unfinished full read goes on, a first load is always full."""
    keys = [_key(entity, what) for what in ("cursor", "checkpoint", "first_load")]
    found = await state.get(context.pool, context.source.tenant_id, *keys)
    cursor, checkpoint, loaded = (found.get(key) for key in keys)
    lists = any(feed.source is Source.WHOLE for feed in entity.feeds)
    now = context.clock.now()
    place = Place(
        first_load=loaded is None,
        full=full or loaded is None or lists,
        cursor=cursor or {},
        sweep_id=context.run_id,
        started_at=now,
    )
    started = _moment((checkpoint or {}).get("started_at"))
    if place.full and checkpoint and started and now - started < CHECKPOINT_LIFE:
        place.sweep_id = UUID(checkpoint["sweep_id"])
        place.started_at = started
        place.feed = int(checkpoint["feed"])
        place.position = checkpoint["position"]
        place.resumed = True
    return place


def _key(entity: Entity, what: str) -> str:
    return f"{entity.name}_{what}"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
