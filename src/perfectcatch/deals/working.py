"""Doing what waits: customers are taken from the queue, done side by side, and tried again until accepted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from perfectcatch.deals.contacts import Ambiguous
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.dispatch import settle
from perfectcatch.deals.hints import follow
from perfectcatch.deals.placing import place
from perfectcatch.deals.visit import Placed
from perfectcatch.errors import AskPerson, PerfectCatchError, Refused, Retry
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store import notes
from perfectcatch.store.deals import queue
from perfectcatch.store.deals.alarms import raise_alarms
from perfectcatch.store.deals.copies import Counts
from perfectcatch.store.deals.queue import Claim
from perfectcatch.store.names import CRM_CHANNEL, EVENT_CHANNEL, WEBHOOK_CHANNEL
from perfectcatch.store.pool import transaction

SIDE_BY_SIDE: Final = 6
_CLAIM_SECONDS: Final = 300.0  # a customer takes a few requests; more is a process that died
_GIVE_BACK_SECONDS: Final = 5.0
_AGAIN: Final = Rules(attempts=1_000_000, first_wait=2.0, longest_wait=120.0)
_REFUSED: Final = Rules(attempts=1_000_000, first_wait=60.0, longest_wait=300.0)
_ASKED_SECONDS: Final = 900.0  # a person decides; meanwhile it is looked at now and then
_AWAY: Final = Rules(first_wait=0.5, longest_wait=15.0)
_ALARM_SECONDS: Final = 60.0
_SOON_SECONDS: Final = 0.05

log = structlog.get_logger(__name__)


async def drain(deals: Deals, counts: Counts | None = None, *, side_by_side: int = SIDE_BY_SIDE) -> int:
    """Do everything that is due now; how many customers were done or tried."""
    done = 0
    while True:
        async with _taken(deals, side_by_side * 4) as claims:
            if not claims:
                return done
            await _batch(deals, claims, counts, side_by_side)
            done += len(claims)


async def _batch(deals: Deals, claims: Sequence[Claim], counts: Counts | None, side_by_side: int) -> None:
    gate = asyncio.Semaphore(side_by_side)
    lost: ExceptionGroup[PerfectCatchError] | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for claim in sorted(claims, key=lambda each: each.st_customer_id):
                group.create_task(_within(gate, deals, claim, counts))
    except* PerfectCatchError as errors:
        lost = errors
    if lost is not None:
        raise _first(lost)  # outside of a group, so that whoever waits can tell what it is


@asynccontextmanager
async def _taken(deals: Deals, limit: int, customer_id: int | None = None) -> AsyncIterator[list[Claim]]:
    """Customers that are due; whoever is stopped before they are done gives them back.

    A claim may have been committed when whoever asked for it is stopped: its answer is waited for.
    """
    asking = asyncio.create_task(
        queue.claim(deals.pool, deals.tenant_id, limit=limit, seconds=_CLAIM_SECONDS, customer_id=customer_id)
    )
    try:
        yield await asyncio.shield(asking)
    except BaseException:
        # The database may be away, or somebody may have the table for long: then the claims run out.
        with suppress(PerfectCatchError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_GIVE_BACK_SECONDS):
                await queue.release(deals.pool, deals.tenant_id, await asking)
        raise


def _first(errors: ExceptionGroup[PerfectCatchError]) -> PerfectCatchError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


async def one(deals: Deals, customer_id: int, *, looks: bool = False, late: bool = False) -> Placed:
    """Do one customer now, for a person or a workflow that waits for it.

    What waits for the customer is taken before anything is read: what comes meanwhile is done afterwards.
    """
    async with _taken(deals, 1, customer_id) as claims:
        placed = await place(
            deals,
            customer_id,
            looks=looks or any(claim.looks or claim.attempts > 0 for claim in claims),
            late=late or any(each.late for each in claims),
            event_id=max((each.event_id for each in claims if each.event_id is not None), default=None),
        )
        for claim in claims:
            await queue.done(deals.pool, deals.tenant_id, claim)
    return placed


async def _within(gate: asyncio.Semaphore, deals: Deals, claim: Claim, counts: Counts | None) -> None:
    async with gate:
        await _do(deals, claim, counts)


async def _do(deals: Deals, claim: Claim, counts: Counts | None) -> None:
    """One customer. Whatever is wrong with it, the others go on."""
    customer = claim.st_customer_id
    try:
        placed = await place(
            deals, customer, looks=claim.looks or claim.attempts > 0, late=claim.late, event_id=claim.event_id
        )
    except PerfectCatchError as error:
        wait, refused = _wait(error, claim.attempts + 1)
        if not isinstance(error, Retry):
            log.warning("a customer's deals were refused", customer=customer, error=str(error))
        await queue.failed(
            deals.pool,
            deals.tenant_id,
            claim,
            error=str(error),
            cause=_cause(error),
            refused=refused,
            after_seconds=wait,
        )
        _count(deals, counts, Placed(refusals=[str(error)] if refused else []))
    except Exception as error:
        log.exception("a customer's deals could not be written", customer=customer)
        await queue.failed(
            deals.pool,
            deals.tenant_id,
            claim,
            error=f"{type(error).__name__}: {error}",
            cause="Something is wrong with the program itself: the log has more.",
            refused=True,
            after_seconds=backoff(claim.attempts + 1, _REFUSED, lambda: 1.0),
        )
        _count(deals, counts, Placed(refusals=[str(error)]))
    else:
        await queue.done(deals.pool, deals.tenant_id, claim)
        _count(deals, counts, placed)


def _wait(error: PerfectCatchError, attempt: int) -> tuple[float, bool]:
    """Seconds until the next try, and whether the row itself was refused."""
    match error:
        case Retry():
            return error.after_seconds or backoff(attempt, _AGAIN), False
        case Ambiguous():
            return _ASKED_SECONDS, True
        case AskPerson():
            return backoff(attempt, _REFUSED, lambda: 1.0), False
    return backoff(attempt, _REFUSED, lambda: 1.0), True


def _cause(error: PerfectCatchError) -> str:
    """In plain words, what a person can do about it."""
    match error:
        case Ambiguous():
            return "A person has to say which contact the customer is: `GET /ghl/unmatched` lists them."
        case AskPerson():
            return str(error)
        case Refused():
            return "The CRM does not take what the record says: mend it there or here; it is tried again."
        case Retry():
            return "The CRM could not be asked just now; it is tried again by itself."
    return error.cause


def _count(deals: Deals, counts: Counts | None, placed: Placed) -> None:
    for each in filter(None, (deals.tally, counts)):
        each.created += placed.created
        each.updated += placed.updated
        each.unchanged += placed.unchanged
        each.failed += len(placed.refusals)


# Running -----------------------------------------------------------------------------------------


@asynccontextmanager
async def at_work(deals: Deals | None, *, poll_seconds: float) -> AsyncIterator[None]:
    """Let deals be written meanwhile, as events, webhooks and people ask for it."""
    if deals is None or not deals.enabled:
        yield
        return
    task = asyncio.create_task(run(deals, poll_seconds=poll_seconds), name="deals")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def run(deals: Deals, *, poll_seconds: float) -> None:
    """Write deals until cancelled; any number of processes may do so."""
    failures = 0
    while True:
        bells = _Bells()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_hear(deals, bells))
                group.create_task(_again(bells.new(EVENT_CHANNEL), poll_seconds, lambda: settle(deals)))
                group.create_task(_again(bells.new(WEBHOOK_CHANNEL), poll_seconds, lambda: follow(deals)))
                group.create_task(_again(asyncio.Event(), _ALARM_SECONDS, lambda: alarm(deals)))
                for _ in range(SIDE_BY_SIDE):
                    group.create_task(_doing(deals, bells.new(CRM_CHANNEL), poll_seconds))
        except* PerfectCatchError as errors:
            log.warning("deals wait", error=str(errors.exceptions[0]))
        except* Exception:
            log.exception("a part of the deals failed and begins again")
        failures = min(failures + 1, 6)
        await deals.clock.sleep(backoff(failures, _AWAY))


class _Bells:
    """Who is woken by which announcement."""

    def __init__(self) -> None:
        self._of: dict[str, list[asyncio.Event]] = {}

    def new(self, channel: str) -> asyncio.Event:
        """One more who is woken."""
        bell = asyncio.Event()
        self._of.setdefault(channel, []).append(bell)
        return bell

    def ring(self, channel: str) -> None:
        """Wake them."""
        for bell in self._of.get(channel, ()):
            bell.set()


async def _hear(deals: Deals, bells: _Bells) -> None:
    async for channel, _ in notes.listen(deals.pool, EVENT_CHANNEL, CRM_CHANNEL, WEBHOOK_CHANNEL):
        bells.ring(channel)


async def _again(bell: asyncio.Event, seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Do it now, at every ring, and every so many seconds."""
    while True:
        bell.clear()
        await act()
        await _rung(bell, seconds)


async def _doing(deals: Deals, bell: asyncio.Event, poll_seconds: float) -> None:
    """Do one customer after the other; a slow one keeps no other waiting."""
    while True:
        bell.clear()
        while await _next(deals):
            pass
        due = await queue.next_due(deals.pool, deals.tenant_id)
        await _rung(bell, poll_seconds if due is None else min(poll_seconds, due + _SOON_SECONDS))


async def _next(deals: Deals) -> bool:
    async with _taken(deals, 1) as claims:
        for claim in claims:
            await _do(deals, claim, None)
    return bool(claims)


async def _rung(bell: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()


async def alarm(deals: Deals) -> int:
    """Raise an event for each customer whose changes have been refused for too long; how many."""
    async with transaction(deals.pool) as connection:
        old = await queue.too_old(connection, deals.tenant_id, deals.rules.alarm_hours)
        return await raise_alarms(connection, deals.tenant_id, old, at=deals.clock.now())
