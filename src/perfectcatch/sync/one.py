"""Everything that belongs to one record, read now: what it is, and what points to it.

Each part goes through the merge as an incremental read would send it: what is new is news. Nothing is marked
as deleted, because a list that leaves something out proves nothing about a single record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from perfectcatch.errors import NothingKnown, PerfectCatchError
from perfectcatch.kit.finishing import last_words
from perfectcatch.model.entity import Entity, Source
from perfectcatch.model.source import IDS_PER_REQUEST, Related
from perfectcatch.store import runs
from perfectcatch.store.locks import open_locks
from perfectcatch.store.pool import plain_errors
from perfectcatch.sync.backfill import told_living
from perfectcatch.sync.engine import Engine, owner, told
from perfectcatch.sync.form import Document, form_of, formed, number_of
from perfectcatch.sync.gaps.mend import merge_records
from perfectcatch.sync.place import find_place
from perfectcatch.sync.report import EntityReport
from perfectcatch.sync.work import Context, Work

MODE = "one"


@dataclass(frozen=True, slots=True)
class Part:
    """One entity around the record.

    ``age_seconds``: how old what we have of it is: nothing if it was read now, else since the last read of
    all of it, None when there was none.
    """

    report: EntityReport
    read_at: datetime | None
    age_seconds: float | None

    @property
    def error(self) -> str | None:
        """Why this part could not be read."""
        return self.report.error

    def as_row(self) -> dict[str, Any]:
        """The public shape of ``sync customer --json``."""
        row = self.report.as_row()
        kept = ("entity", "fetched", "created", "updated", "unchanged", "quarantined", "requests", "error")
        return {name: row[name] for name in kept} | {
            "events": dict(self.report.events),
            "read_at": self.read_at,
            "age_seconds": self.age_seconds,
        }


@dataclass(slots=True)
class Whole:
    """What reading a record with everything around it brought."""

    run_id: UUID
    parts: list[Part] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether every part was read."""
        return all(part.error is None for part in self.parts)


async def read_whole(engine: Engine, entity: Entity, st_id: int, related: Sequence[Related]) -> Whole:
    """Read a record of ``entity`` and all that ``related`` says of it.

    A part that cannot be read does not stop the others. Raises NothingKnown when the vendor has no such
    record, and what the vendor and the database raise for the record itself.
    """
    whole = Whole(uuid4())
    tenant_id = engine.source.tenant_id
    names = [entity.name, *(each.entity for each in related)]
    await runs.begin(
        engine.pool,
        tenant_id,
        whole.run_id,
        mode=MODE,
        entities=names,
        trigger="command",
        owner=owner(),
    )
    try:
        held = runs.lock_of(whole.run_id)
        async with open_locks(engine.pool, engine.clock, owner=held) as locks:
            context = engine.context(whole.run_id, locks)
            found = {entity.name: [st_id]}
            whole.parts.append(await _record(context, entity, st_id))
            for each in related:
                part, found[each.entity] = await _related(context, each, found.get(each.of, []))
                whole.parts.append(part)
    except BaseException as error:
        closing = runs.end(engine.pool, tenant_id, whole.run_id, status="interrupted", error=told(error))
        await last_words(closing)
        raise
    bad = next((part for part in whole.parts if part.error), None)
    await runs.end(
        engine.pool,
        tenant_id,
        whole.run_id,
        status="partial" if bad else "succeeded",
        error=f"{bad.report.entity}: {bad.error}" if bad else None,
    )
    return whole


async def _record(context: Context, entity: Entity, st_id: int) -> Part:
    assert entity.reads_one is not None
    work = await _work(context, entity)
    work.report.requests += 1
    record = await context.source.one(entity.reads_one, st_id)
    if record is None:
        raise NothingKnown(f"The vendor has no record {st_id} of {entity.name}.")
    await merge_records(work, [formed(record, context.source.form(entity.reads_one))])
    return await _part(work)


async def _related(context: Context, related: Related, of: Sequence[int]) -> tuple[Part, list[int]]:
    """Read what points to ``of``; gives the part and the ids that came."""
    work = await _work(context, context.entities[related.entity])
    ids: list[int] = []
    try:
        with plain_errors():
            records = await _listed(work, related, of)
            ids = [number for record in records if (number := number_of(record)) is not None]
            await merge_records(work, await told_living(work, records))
    except PerfectCatchError as error:
        work.report.error = str(error)
    return await _part(work), ids


async def _listed(work: Work, related: Related, of: Sequence[int]) -> list[Document]:
    source, [feed] = work.context.source, work.entity.feeds
    listing = source.listing(feed.endpoint)
    assert listing is not None
    fixed = dict(feed.query) if feed.source is not Source.EXPORT else {}
    size = IDS_PER_REQUEST if related.many else 1
    records: list[Document] = []
    for start in range(0, len(of), size):
        ids = ",".join(map(str, of[start : start + size]))
        query = {**fixed, **dict(listing.everything), related.parameter: ids}
        number, more = 0, True
        while more:
            page = await source.list_page(listing.endpoint, number, listing.page_size, query)
            work.report.requests += page.requests
            records += [formed(record, form_of(feed, listing)) for record in page.records]
            number, more = number + 1, page.has_more and bool(page.records)
    return records


async def _work(context: Context, entity: Entity) -> Work:
    async with context.pool.connection() as connection:
        now = await runs.time_of(connection)
        place = await find_place(
            connection, context.tenant_id, entity, full=False, run_id=context.run_id, now=now
        )
    return Work(context, entity, place, EntityReport(entity=entity.name, mode=MODE), log_id=0)


async def _part(work: Work) -> Part:
    now = await runs.database_clock(work.context.pool)
    if work.report.error is None:
        return Part(work.report, now, 0.0)
    ages = {
        line.entity: line.age_seconds for line in await runs.latest(work.context.pool, work.context.tenant_id)
    }
    return Part(work.report, None, ages.get(work.entity.name))
