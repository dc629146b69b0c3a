"""The repair by schedule: the four steps of a round, the installations, and pushes of everything by hand.

A round finds what changed without an event, or while nobody listened, and marks its customers; the same
idempotent function does them. What was refused before is tried again in every round.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from perfectcatch.deals.desk import Deals
from perfectcatch.deals.working import drain
from perfectcatch.errors import BadArgument, PerfectCatchError
from perfectcatch.model.deals import Part
from perfectcatch.store import state
from perfectcatch.store.deals import copies, facts, queue
from perfectcatch.store.deals.copies import Counts
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.pool import transaction

# The four steps: what they look through, and the switch that they go by.
STEPS: Final[Sequence[tuple[str, tuple[str, ...], Part]]] = (
    ("customers", ("customers",), Part.CUSTOMERS),
    ("appointments", ("jobs", "appointments", "invoices"), Part.JOBS),
    ("estimates", ("estimates",), Part.ESTIMATES),
    ("technicians", ("appointment_assignments",), Part.JOBS),
)
PUSHES: Final = ("estimates", "customers")
_SINCE: Final = "deals_round"  # kept: until when the last round has looked
_OVERLAP: Final = timedelta(minutes=2)  # of rows that were being written while it looked
_INSTALLS_BACK: Final = timedelta(hours=1)
_CHUNK: Final = 1000


async def round_(deals: Deals) -> Counts:
    """Look through everything that changed since the last round, write it, and try again what was refused."""
    run = await copies.begin_run(
        deals.pool, deals.tenant_id, sync_type="incremental", direction="st_to_ghl", subject="round"
    )
    try:
        await deals.at_home()
        now = deals.clock.now()
        since = await _since(deals, now)
        for name, entities, part in STEPS:
            if part in deals.parts:
                for entity in entities:
                    await _mark(deals, entity, name, since=since - _OVERLAP)
        if Part.ESTIMATES in deals.parts and deals.rules.follow_up_days is not None:
            rest = timedelta(days=deals.rules.follow_up_days)
            between = (since - _OVERLAP - rest, now - rest)
            found = await facts.offers_that_rest(deals.pool, deals.tenant_id, deals.entities, between=between)
            await _want(deals, [Mark(customer_id=each, reason="follow_up") for each in found])
        await queue.retry_refused(deals.pool, deals.tenant_id)
        await drain(deals)
        async with transaction(deals.pool) as connection:
            await state.put(connection, deals.tenant_id, _SINCE, now.isoformat())
    except PerfectCatchError as error:
        await _end(deals, run, status="failed", error=str(error))
        raise
    return await _end(deals, run, status="succeeded")


async def _end(deals: Deals, run: int, *, status: str, error: str | None = None) -> Counts:
    counts, deals.tally = deals.tally, Counts()
    await copies.end_run(deals.pool, deals.tenant_id, run, counts, status=status, error=error)
    return counts


async def _since(deals: Deals, now: datetime) -> datetime:
    """Where the last round ended; the first begins a day ago."""
    kept = (await state.get(deals.pool, deals.tenant_id, _SINCE)).get(_SINCE)
    return datetime.fromisoformat(kept) if kept else now - timedelta(days=1)


async def installs(deals: Deals) -> int:
    """Look after installations that were booked or changed within the hour; how many customers."""
    since = deals.clock.now() - _INSTALLS_BACK
    found = await facts.jobs_that_install(deals.pool, deals.tenant_id, deals.entities, since)
    await _want(deals, [Mark(customer_id=each, reason="install_sweep") for each in found])
    return await drain(deals) if found else 0


async def push(deals: Deals, what: str, progress: Callable[[int], None] = lambda _: None) -> Counts:
    """Write the deals of every customer (``customers``), or of all with an estimate, however old."""
    if what not in PUSHES:
        raise BadArgument(f"Nothing is called {what!r} here: give {' or '.join(PUSHES)}.")
    run = await copies.begin_run(
        deals.pool, deals.tenant_id, sync_type="full", direction="st_to_ghl", subject=what
    )
    counts = Counts()
    done = 0
    try:
        async for customers in _all(deals, what):
            marks = [Mark(customer_id=each, reason=f"push {what}", late=True) for each in customers]
            await _want(deals, marks)
            done += await drain(deals, counts)
            progress(done)
    except PerfectCatchError as error:
        await copies.end_run(deals.pool, deals.tenant_id, run, counts, status="failed", error=str(error))
        raise
    await copies.end_run(deals.pool, deals.tenant_id, run, counts, status="succeeded")
    return counts


async def _all(deals: Deals, what: str) -> AsyncIterator[list[int]]:
    after = 0
    seen: set[int] = set()
    while found := await facts.touched(
        deals.pool, deals.tenant_id, deals.entities, what, since=None, after=after, limit=_CHUNK
    ):
        after = found[-1][0]
        new = sorted({customer for _, customer in found} - seen)
        seen.update(new)
        yield new


async def _mark(deals: Deals, entity: str, reason: str, *, since: datetime) -> None:
    after = 0
    while found := await facts.touched(
        deals.pool, deals.tenant_id, deals.entities, entity, since=since, after=after, limit=_CHUNK
    ):
        after = found[-1][0]
        await _want(deals, [Mark(customer_id=customer, reason=reason) for _, customer in found])


async def _want(deals: Deals, marks: Sequence[Mark]) -> None:
    async with transaction(deals.pool) as connection:
        await queue.want(connection, deals.tenant_id, marks)
