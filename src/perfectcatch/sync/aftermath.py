"""What a read leaves to do: deletions that it proves, and records that pointed to merged ones."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity
from perfectcatch.store import state
from perfectcatch.store.merging import merged, mirror, quarantine, sweep
from perfectcatch.store.merging.mirror import Batch, Unsettled
from perfectcatch.store.merging.sweep import Missing
from perfectcatch.sync.gone import ASKED_AT_MOST, NO_ANSWER, certainly_gone, noting_merges, one
from perfectcatch.sync.place import key
from perfectcatch.sync.report import HELD
from perfectcatch.sync.work import Work

log = structlog.get_logger(__name__)


async def find_deleted(work: Work, read_on: Callable[[], Awaitable[None]]) -> bool:
    """Mark as deleted what a full read did not bring, when that is certain; False: a person has to look.

    A copy of the vendor's that lags behind may show the end of a feed as it was: ``read_on`` asks for what
    comes after it. Where it does not tell, nothing else is asked. Too much at once waits for a person.
    """
    context, entity = work.context, work.entity
    absent, goes_on = await _absent(work), False
    if absent.ids and entity.reads_one is None:
        try:
            await read_on()
        except NO_ANSWER as error:
            log.warning("it is not certain that a feed ends", entity=entity.name, reason=str(error))
            goes_on = True
        absent = await _absent(work)
    if absent.ids and not context.allow_deletions and await _doubtful(work, absent):
        await sweep.hold(context.pool, context.tenant_id, entity, context.run_id, absent)
        work.report.status = HELD
        work.report.error = (
            f"{len(absent.ids)} of {absent.total} {entity.name} were absent from a full read: too many to "
            f"delete without a person. Look at them with `perfectcatch sync holds`, then run "
            f"`perfectcatch sync run {entity.name} --full --allow-deletions`."
        )
        return False
    gone = await certainly_gone(work, absent, asks=not goes_on)
    if gone:
        await context.locks.check()
        work.report.outcome.deactivated += await sweep.bury(
            context.pool, context.tenant_id, entity, context.entities, gone, context.run_id
        )
    return True


async def _absent(work: Work) -> Missing:
    context, place = work.context, work.place
    return await sweep.missing(
        context.pool, context.tenant_id, place.sweep_id, work.entity, started_at=place.started_at
    )


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


async def follow_merges(work: Work) -> None:
    """Read again what pointed to a merged record: the vendor moves it without touching its time.

    The merged ids were kept in the transactions of their pages and are kept until this is done.
    """
    context, all_stored = work.context, True
    ids = await merged.pending(context.pool, context.tenant_id, work.entity)
    for entity in context.entities.values() if ids else ():
        moved = await merged.pointing_at(context.pool, context.tenant_id, entity, work.entity, ids)
        if entity.reads_one is None or len(moved) > ASKED_AT_MOST:
            if moved:
                log.warning("merged: left to the next full read", entity=entity.name, number=len(moved))
            continue
        read = [await one(work, entity, st_id) for st_id in moved]
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
    outcome = await mirror.merge(context.pool, batch, noting_merges(context.tenant_id, entity))
    work.report.events.update(outcome.events)
    work.report.past_events.update(outcome.past_events)
