"""Repairs: the vendor's record goes through the merge of the sync, what is gone is marked under its rules."""

from collections.abc import Sequence

from perfectcatch.model.entity import Entity
from perfectcatch.store import runs
from perfectcatch.store.merging import census, compare, mirror, sweep
from perfectcatch.store.merging.compare import Beside
from perfectcatch.store.merging.sweep import Missing
from perfectcatch.sync.aftermath import follow_merges
from perfectcatch.sync.form import Document, number_of
from perfectcatch.sync.gaps import judge
from perfectcatch.sync.gaps.examine import ALL, Exam, settle
from perfectcatch.sync.gaps.judge import Kind
from perfectcatch.sync.gone import ASKED_AT_MOST, noting_merges
from perfectcatch.sync.place import Place
from perfectcatch.sync.pull import settle as settle_references
from perfectcatch.sync.report import EntityReport
from perfectcatch.sync.work import Context, Work

PAGE = 500  # records merged in one transaction


async def mend(exam: Exam) -> tuple[int, bool]:
    """Repair what was found and look again. Returns how many records were mended, and whether some are held.

    A record is stored as a later full read would store it: what it tells of older times is history. Deleted
    here is only what the vendor says it does not have when asked for it, within the limits of a sweep; what
    cannot be asked for is left to the next full read.
    """
    work = await work_of(exam.context, exam.entity)
    wrong = [st_id for kind in judge.UNEXPLAINED for st_id in exam.differences.ids.get(kind, ())]
    gone = list(exam.differences.ids.get(Kind.DELETED, ()))
    await _merge(exam, work, [exam.records[st_id] for st_id in wrong if st_id in exam.records])
    held = await _bury(exam, gone)
    await follow_merges(work)
    await _look_again(exam, [*wrong, *gone])
    left = {st_id for ids in exam.differences.ids.values() for st_id in ids}
    return len({*wrong, *gone} - left), held


async def work_of(context: Context, entity: Entity) -> Work:
    """Work on single records, by the rules of a full read after the first load."""
    place = Place(
        entity=entity,
        first_load=False,
        full=True,
        sweep_id=context.run_id,
        started_at=await runs.database_clock(context.pool),
    )
    return Work(context, entity, place, EntityReport(entity=entity.name, mode="gaps"), log_id=0)


async def merge_records(work: Work, records: Sequence[Document]) -> None:
    """Send records through the merge; what they refer to is read first where an event needs it."""
    keep = noting_merges(work.context.tenant_id, work.entity)
    for start in range(0, len(records), PAGE):
        page = records[start : start + PAGE]
        try:
            outcome = await work.merge(page, (), keep, settle=True)
        except mirror.Unsettled as unsettled:
            await settle_references(work, unsettled.entities)
            outcome = await work.merge(page, (), keep)
        work.note(outcome)


async def _merge(exam: Exam, work: Work, records: Sequence[Document]) -> None:
    """Let the vendor's word win over what our row claims of itself, then merge."""
    context, entity = exam.context, exam.entity
    rows, _ = await compare.beside(context.pool, context.tenant_id, entity, records)
    damaged = [row.st_id for row in rows if row.same and not row.fits]
    if damaged:
        await compare.refit(context.pool, context.tenant_id, entity, damaged)
    wrong = [row for row in rows if row.known and not row.same and not _newer(row)]
    await compare.unsettle(context.pool, context.tenant_id, entity, wrong)
    await merge_records(work, records)


def _newer(row: Beside) -> bool:
    ours = row.st_modified_on
    return row.modified is not None and (ours is None or row.modified > ours)


async def _bury(exam: Exam, ids: Sequence[int]) -> bool:
    """Mark as deleted what the vendor answers 404 for; whether so many are gone that a person must look."""
    context, entity = exam.context, exam.entity
    if not ids or entity.reads_one is None or not exam.vendor.singly:
        return False
    absent = Missing(list(ids), exam.number_here)
    if absent.too_many:
        await sweep.hold(context.pool, context.tenant_id, entity, context.run_id, absent)
        return True
    gone: list[int] = []
    for st_id in ids[:ASKED_AT_MOST]:
        if not exam.vendor.allowance.may(looking=True):
            break
        exam.vendor.allowance.spend(1)
        if await context.source.one(entity.reads_one, st_id) is None:
            gone.append(st_id)
    if gone:
        await sweep.bury(context.pool, context.tenant_id, entity, context.entities, gone, context.run_id)
    return False


async def _look_again(exam: Exam, ids: Sequence[int]) -> None:
    """Read what was repaired from the vendor once more, and count again."""
    if not ids:
        return
    before, touched = exam.differences, set(ids)
    seen = await exam.vendor.ask(ids)
    fresh = {number_of(record): record for record in (*seen.listed, *seen.single)}
    fresh |= {st_id: exam.records[st_id] for st_id in seen.unasked if st_id in exam.records}
    exam.records = {st_id: record for st_id, record in fresh.items() if st_id is not None}
    exam.broken &= touched
    exam.absent = {}
    await settle(exam)
    for kind, others in before.ids.items():
        for st_id in set(others) - touched:
            exam.differences.add(kind, st_id)
    context, entity = exam.context, exam.entity
    absent = [st_id for st_id in ids if st_id not in fresh and st_id not in exam.broken]
    for row in await census.rows(context.pool, context.tenant_id, entity, absent):
        if row.deleted_at is None:
            exam.differences.add(Kind.DELETED, row.st_id)
    exam.number_here = await census.count(context.pool, context.tenant_id, entity, None, None)
    if exam.number_there is not None and exam.vendor.allowance.may(looking=True):
        exam.number_there = await exam.vendor.count(ALL)
