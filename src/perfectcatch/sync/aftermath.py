"""What a read leaves to do: deletions that it proves, and records that pointed to merged ones."""

from collections.abc import Sequence

import structlog

from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity, Source
from perfectcatch.store import state
from perfectcatch.store.merging import merged, mirror, quarantine, sweep
from perfectcatch.store.merging.mirror import Batch, Outcome, Unsettled
from perfectcatch.store.merging.sweep import Missing
from perfectcatch.store.pool import Connection
from perfectcatch.sync.form import formed
from perfectcatch.sync.place import key
from perfectcatch.sync.report import HELD
from perfectcatch.sync.work import Work

CONFIRMED_AT_MOST = 500  # records that are read one by one

log = structlog.get_logger(__name__)


async def find_deleted(work: Work) -> bool:
    """Mark as deleted what a full read did not bring, when that is certain; False: a person has to look.

    Certain is what the vendor does not know when asked for it. Where it cannot be asked for one record, a
    feed read from its beginning is believed, because its tokens do not shift, and a numbered list when the
    record was absent from two full reads in a row. Too much at once waits for a person.
    """
    context, entity, place = work.context, work.entity, work.place
    absent = await sweep.missing(
        context.pool, context.tenant_id, place.sweep_id, entity, started_at=place.started_at
    )
    if absent.ids and not context.allow_deletions and await _doubtful(work, absent):
        await sweep.hold(context.pool, context.tenant_id, entity, context.run_id, absent)
        work.report.status = HELD
        work.report.error = (
            f"{len(absent.ids)} of {absent.total} {entity.name} were absent from a full read: too many to "
            f"delete without a person. Look at them with `perfectcatch sync holds`, then run "
            f"`perfectcatch sync run {entity.name} --full --allow-deletions`."
        )
        return False
    gone = await _certainly_gone(work, absent)
    if gone:
        work.report.outcome.deactivated += await sweep.bury(
            context.pool, context.tenant_id, entity, context.entities, gone, context.run_id
        )
    return True


async def _doubtful(work: Work, absent: Missing) -> bool:
    """Whether a wrong answer of the vendor is likelier than so many deletions."""
    if absent.too_many:
        return True
    if work.entity.reads_one is not None:
        return False  # each of them will be asked for
    context = work.context
    return absent.most or await quarantine.unidentified(
        context.pool, context.tenant_id, work.entity, since=work.place.started_at
    )


async def _certainly_gone(work: Work, absent: Missing) -> list[int]:
    context, entity = work.context, work.entity
    if entity.reads_one is not None and len(absent.ids) <= CONFIRMED_AT_MOST:
        return await _unknown_to_vendor(work, absent.ids)
    if context.allow_deletions:
        return absent.ids
    if all(feed.source is Source.EXPORT for feed in entity.feeds):
        return absent.ids
    return await sweep.absent_again(context.pool, context.tenant_id, entity, absent.ids)


async def _unknown_to_vendor(work: Work, ids: Sequence[int]) -> list[int]:
    """Those of ``ids`` that the vendor does not know; the others were overlooked, and are merged."""
    gone: list[int] = []
    found: list[Document] = []
    for st_id in ids:
        record = await _one(work, work.entity, st_id)
        if record is None:
            gone.append(st_id)
        else:
            found.append(record)
    if found:
        log.warning("a full read overlooked records", entity=work.entity.name, number=len(found))
        work.note(await work.merge(found, and_then=_noting_merges(work.context.tenant_id, work.entity)))
    return gone


async def _one(work: Work, entity: Entity, st_id: int) -> Document | None:
    endpoint, source = entity.reads_one or "", work.context.source
    work.report.requests += 1
    record = await source.one(endpoint, st_id)
    return record if record is None else formed(record, source.form(endpoint))


async def follow_merges(work: Work) -> None:
    """Read again what pointed to a merged record: the vendor moves it without touching its time.

    The merged ids were kept in the transactions of their pages and are kept until this is done.
    """
    context, all_stored = work.context, True
    ids = await merged.pending(context.pool, context.tenant_id, work.entity)
    for entity in context.entities.values() if ids else ():
        moved = await merged.pointing_at(context.pool, context.tenant_id, entity, work.entity, ids)
        if entity.reads_one is None or len(moved) > CONFIRMED_AT_MOST:
            if moved:
                log.warning("merged: left to the next full read", entity=entity.name, number=len(moved))
            continue
        read = [await _one(work, entity, st_id) for st_id in moved]
        try:
            await _merge_moved(work, entity, [record for record in read if record is not None])
        except Unsettled:  # one of them refers to what a later read has to bring first
            all_stored = False
    if ids and all_stored:
        await merged.done(context.pool, context.tenant_id, work.entity, ids)


async def _merge_moved(work: Work, entity: Entity, records: Sequence[Document]) -> None:
    if not records:
        return
    context = work.context
    first_load = key(entity, "first_load")
    batch = Batch(
        tenant_id=context.tenant_id,
        entity=entity,
        entities=context.entities,
        records=records,
        run_id=context.run_id,
        historical=not await state.get(context.pool, context.tenant_id, first_load),
        settle=True,
    )
    outcome = await mirror.merge(context.pool, batch, _noting_merges(context.tenant_id, entity))
    work.report.events.update(outcome.events)
    work.report.past_events.update(outcome.past_events)


def _noting_merges(tenant_id: int, entity: Entity) -> mirror.AndThen:
    """A record that is read by its id may have been merged as well, and its feed need not bring it again."""

    async def note(connection: Connection, outcome: Outcome) -> None:
        if outcome.updated:
            await merged.note_page(connection, tenant_id, entity)

    return note
