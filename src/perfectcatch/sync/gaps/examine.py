"""One entity compared, as far as the allowance goes; what seems to differ is looked at again."""

import random
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from perfectcatch.model.entity import Entity, Source
from perfectcatch.model.source import IDS_PER_REQUEST
from perfectcatch.store import runs
from perfectcatch.store.merging import census, compare, quarantine
from perfectcatch.sync.form import Document, number_of
from perfectcatch.sync.gaps import judge
from perfectcatch.sync.gaps.judge import Differences, Kind
from perfectcatch.sync.gaps.look import Sight, Vendor, written
from perfectcatch.sync.gaps.search import Counted, Found, Window, search
from perfectcatch.sync.gaps.sure import Sure
from perfectcatch.sync.work import Context

LEAF = 1000  # records that are read rather than counted once more
PARTS = 8  # windows whose counts are compared even when the totals agree, as far as the allowance goes
LATE = timedelta(minutes=15)  # after which a change is visible in a feed; younger ones are "not read yet"

ALL: Window[datetime] = Window()


@dataclass(slots=True)
class Exam:
    """The comparison of one entity while it is under way.

    ``records``: vendor's records that did not equal ours, by id; ``absent``: our rows that the vendor did not
    show in the window where it should have. ``number_there`` is None where the vendor does not tell it.
    """

    context: Context
    entity: Entity
    vendor: Vendor
    as_of: datetime
    draw: random.Random
    records: dict[int, Document] = field(default_factory=dict)
    absent: dict[int, Window[datetime]] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    number_there: int | None = None
    number_here: int = 0
    compared: int = 0
    whole: bool = False
    windows: int = 0
    windows_equal: int = 0
    pages: int = 0
    all_pages: int = 0
    undecided: int = 0
    differences: Differences = field(default_factory=Differences)

    @property
    def sure(self) -> Sure:
        """What follows from what was compared."""
        return Sure(
            total=self.compared if self.whole else max(self.number_here, self.compared),
            compared=self.compared
            if not (self.all_pages and not self.whole)
            else min(self.compared, max(0, self.number_here - 1)),
            wrong=self.differences.unexplained,
            counted=self.number_there is not None,
            windows=self.windows,
            windows_equal=self.windows_equal,
            pages=self.pages,
            all_pages=0 if self.whole else self.all_pages,
        )


async def examine(exam: Exam) -> None:
    """Compare as much as the allowance gives, then look again at everything that seems to differ."""
    exam.number_here = await _count_here(exam, ALL)
    if not exam.vendor.lists:
        await _by_feed(exam)
    elif not await _read_all(exam) and exam.vendor.counts and exam.vendor.allowance.may():
        exam.number_there = await exam.vendor.count(ALL)
        if exam.vendor.divisible:
            await _by_windows(exam, Counted(ALL, exam.number_there, exam.number_here))
    await settle(exam)


async def _read_all(exam: Exam) -> bool:
    """Compare everything, if the allowance suffices for it by what we have."""
    if exam.vendor.allowance.may(exam.vendor.pages_for(exam.number_here)):
        exam.whole = await read_window(exam, ALL)
        exam.number_there = exam.vendor.told if exam.whole else None
    return exam.whole


async def _count_here(exam: Exam, window: Window[datetime]) -> int:
    context = exam.context
    return await census.count(context.pool, context.tenant_id, exam.entity, window.start, window.end)


async def read_window(exam: Exam, window: Window[datetime], *, looking: bool = False) -> bool:
    """Compare every record of a window both ways; whether the allowance sufficed."""
    context = exam.context
    began = await runs.database_clock(context.pool)
    shown, complete = await _compare_all(exam, exam.vendor.read(window, looking=looking))
    if complete:
        ours = await census.ids(
            context.pool, context.tenant_id, exam.entity, window.start, window.end, stored_before=began
        )
        exam.absent |= dict.fromkeys(set(ours) - shown, window)
    return complete


async def _compare_all(exam: Exam, sights: AsyncIterable[Sight]) -> tuple[set[int], bool]:
    shown: set[int] = set()
    complete = True
    async for sight in sights:
        shown |= await compare_some(exam, sight)
        complete = not sight.has_more or bool(sight.records or sight.broken)
    return shown, complete


async def compare_some(exam: Exam, sight: Sight) -> set[int]:
    """Compare records, keep those that differ, and give the ids of all."""
    context, entity = exam.context, exam.entity
    rows, unread = await compare.beside(context.pool, context.tenant_id, entity, sight.records)
    exam.compared += len(rows)
    exam.records |= {row.st_id: sight.records[row.ord] for row in rows if not row.equal}
    raws = [bytes(sight.records[place]) for place in unread] + [each.raw for each in sight.broken]
    broken = {st_id for raw in raws if (st_id := quarantine.id_in(entity, raw)) is not None}
    exam.broken |= broken
    return {row.st_id for row in rows} | broken


# Where not everything can be read ---------------------------------------------------------------


async def _by_windows(exam: Exam, whole: Counted[datetime]) -> None:
    """Compare counts, read where they differ, and draw a sample of the rest."""
    context, entity, allowance = exam.context, exam.entity, exam.vendor.allowance

    async def cuts(window: Window[datetime], parts: int) -> list[datetime]:
        return await census.cuts(context.pool, context.tenant_id, entity, parts, window.start, window.end)

    async def middle(window: Window[datetime]) -> datetime | None:
        found = await cuts(window, 2)
        return found[0] if found else None

    kept = allowance.left // 4  # for the sample: counts alone say nothing of content
    parts = max(1, min(PARTS, allowance.left // 4, whole.here // LEAF))
    found: Found[datetime] = await search(
        whole,
        await cuts(ALL, parts) if parts > 1 else (),
        count_there=exam.vendor.count,
        count_here=lambda window: _count_here(exam, window),
        middle=middle,
        leaf=LEAF,
        may_ask=lambda: allowance.may(1 + kept),
    )
    exam.windows = len(found.equal) + len(found.differing) + len(found.left)
    exam.windows_equal = len(found.equal)
    for counted in found.differing:
        if not await read_window(exam, counted.window):
            exam.undecided += abs(counted.there - counted.here)
    exam.undecided += sum(abs(each.there - each.here) for each in found.left)
    if exam.vendor.by_ids:
        await _sample(exam)
    else:
        await _sample_windows(exam)


async def _sample(exam: Exam) -> None:
    """Ask for some of our rows by id, drawn at random."""
    context, allowance = exam.context, exam.vendor.allowance
    requests = max(0, allowance.left - allowance.reserve)
    ids = await census.draw(
        context.pool,
        context.tenant_id,
        exam.entity,
        min(exam.number_here, requests * IDS_PER_REQUEST),
        exam.draw.getrandbits(62),
    )
    if not ids:
        return
    exam.compared = 0  # what was read because it differs is no random draw
    seen = await exam.vendor.ask(ids)
    shown = await compare_some(exam, Sight([*seen.listed, *seen.single], seen.broken))
    exam.absent |= dict.fromkeys(set(ids) - set(seen.unasked) - shown, ALL)
    exam.compared = len(ids) - len(seen.unasked)


async def _sample_windows(exam: Exam) -> None:
    """Read some windows whole, drawn at random: the vendor cannot be asked for single records."""
    context = exam.context
    parts = -(-exam.number_here // LEAF)
    cuts = await census.cuts(context.pool, context.tenant_id, exam.entity, parts, None, None)
    edges = [None, *cuts, None]
    windows = [Window(start, end) for start, end in pairwise(edges)]
    exam.all_pages = len(windows)
    exam.draw.shuffle(windows)
    for window in windows:
        if not exam.vendor.allowance.may(2) or not await read_window(exam, window):
            break
        exam.pages += 1


async def _by_feed(exam: Exam) -> None:
    """Compare a feed that has no list: whole if the allowance suffices, else pages drawn at random."""
    if any(feed.source is not Source.EXPORT for feed in exam.entity.feeds) or not exam.vendor.allowance.may():
        return
    context, vendor = exam.context, exam.vendor
    began = await runs.database_clock(context.pool)
    sight = await vendor.feed_page(None)
    shown = await compare_some(exam, sight)
    exam.all_pages = -(-max(exam.number_here, len(shown)) // max(1, len(sight.records)))
    exam.pages = 1
    if not sight.has_more or vendor.allowance.may(exam.all_pages):
        while sight.has_more and vendor.allowance.may(looking=True):
            sight = await vendor.feed_page(sight.token)
            shown |= await compare_some(exam, sight)
        exam.whole = not sight.has_more
    if exam.whole:
        ours = await census.ids(context.pool, context.tenant_id, exam.entity, None, None, stored_before=began)
        exam.absent |= dict.fromkeys(set(ours) - shown, ALL)
    else:
        await _feed_sample(exam)


async def _feed_sample(exam: Exam) -> None:
    context, vendor = exam.context, exam.vendor
    moments = await census.modified_cuts(context.pool, context.tenant_id, exam.entity, exam.all_pages)
    exam.draw.shuffle(moments)
    for moment in moments:
        if not vendor.allowance.may():
            break
        await compare_some(exam, await vendor.feed_page(written(moment)))
        exam.pages += 1


# The second look --------------------------------------------------------------------------------


async def settle(exam: Exam) -> None:
    """Judge what seems to differ by what is true now: our rows are read again, absent ones are asked for."""
    exam.differences = Differences()
    await _settle_absent(exam)
    await _settle_records(exam)
    if exam.broken:
        context = exam.context
        held = await census.in_quarantine(context.pool, context.tenant_id, exam.entity, sorted(exam.broken))
        for st_id in exam.broken - set(exam.records):
            exam.differences.add(Kind.QUARANTINED if st_id in held else Kind.LOST, st_id)


async def _settle_records(exam: Exam) -> None:
    context, entity = exam.context, exam.entity
    documents = list(exam.records.values())
    rows, _ = await compare.beside(context.pool, context.tenant_id, entity, documents)
    for row in rows:
        kind = judge.of_record(row, exam.as_of)
        if kind is None:
            exam.records.pop(row.st_id, None)
        else:
            exam.differences.add(kind, row.st_id)


async def _settle_absent(exam: Exam) -> None:
    """What the vendor did not show: it may have moved between pages, changed, or really be gone."""
    context, entity = exam.context, exam.entity
    ids = sorted(exam.absent)
    if not ids:
        return
    ours = {
        row.st_id: row
        for row in await census.rows(context.pool, context.tenant_id, entity, ids)
        if row.deleted_at is None
    }
    seen = await exam.vendor.ask(sorted(ours))
    for records, listed in ((seen.listed, True), (seen.single, False)):
        rows, unread = await compare.beside(context.pool, context.tenant_id, entity, records)
        for row in rows:
            if not row.equal:
                exam.records[row.st_id] = records[row.ord]
            elif (kind := judge.of_equal(ours[row.st_id], listed=listed)) is not None:
                exam.differences.add(kind, row.st_id)
        exam.broken |= {each for place in unread if (each := number_of(records[place])) is not None}
    for st_id in seen.absent:
        merged = ours[st_id].merged_to is not None
        exam.differences.add(Kind.MERGED if merged else Kind.DELETED, st_id)
    await _settle_unasked(exam, seen.unasked)


async def _settle_unasked(exam: Exam, ids: Sequence[int]) -> None:
    """Where nobody can be asked for a record, its window read once more confirms that it is gone."""
    for window in {exam.absent[st_id] for st_id in ids}:
        shown, complete = (set(), False) if exam.vendor.singly else await _read_again(exam, window)
        for st_id in ids:
            if exam.absent[st_id] != window:
                continue
            if not complete:
                exam.differences.add(Kind.UNCHECKED, st_id)
            elif st_id not in shown:
                exam.differences.add(Kind.DELETED, st_id)


async def _read_again(exam: Exam, window: Window[datetime]) -> tuple[set[int], bool]:
    before = exam.compared
    sights = exam.vendor.read(window, looking=True) if exam.vendor.lists else _feed_again(exam)
    try:
        return await _compare_all(exam, sights)
    finally:
        exam.compared = before


async def _feed_again(exam: Exam) -> AsyncGenerator[Sight, None]:
    token: str | None = None
    more = True
    while more:
        if not exam.vendor.allowance.may(looking=True):
            yield Sight([], [], has_more=True)
            return
        sight = await exam.vendor.feed_page(token)
        token, more = sight.token, sight.has_more
        yield sight
