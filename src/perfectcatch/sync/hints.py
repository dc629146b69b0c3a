"""Following webhooks: what they tell of is read now instead of at the next tick, on the same way as always.

A hint names a record, but its whole entity is asked for news: that is one request where the vendor has an
export feed, it brings the record in the shape that we compare with, and a hundred hints cost as much as one.
A lost hint costs nothing but time.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store import inbox, notes, state
from perfectcatch.store.inbox import Claimed
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.report import FAILED, SKIPPED

POLL_SECONDS: Final = 15.0  # only the fallback: a note wakes us
_REST_SECONDS: Final = 0.5
_BUSY_SECONDS: Final = 0.25  # somebody reads the entity right now; the hint may be newer than his page
_FAILED: Final = Rules(first_wait=2.0, longest_wait=300.0)
_AWAY: Final = Rules(first_wait=0.5, longest_wait=15.0)

log = structlog.get_logger(__name__)


async def follow(engine: Engine, *, poll_seconds: float = POLL_SECONDS) -> None:
    """Look after webhooks until cancelled; any number of processes may do so."""
    failures = 0
    while True:
        woken = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_hear(engine, woken))
                group.create_task(_work(engine, woken, poll_seconds))
        except* PerfectCatchError as errors:
            failures = min(failures + 1, 6)
            log.warning("webhooks wait", error=str(errors.exceptions[0]))
        await engine.clock.sleep(backoff(failures, _AWAY))


async def _hear(engine: Engine, woken: asyncio.Event) -> None:
    async for _ in notes.listen(engine.pool, notes.WEBHOOKS):
        woken.set()


async def _work(engine: Engine, woken: asyncio.Event, poll_seconds: float) -> None:
    while True:
        woken.clear()
        began = engine.clock.monotonic()
        soon = await once(engine)
        took = engine.clock.monotonic() - began
        try:
            async with asyncio.timeout(_BUSY_SECONDS if soon else poll_seconds):
                await woken.wait()
        except TimeoutError:
            pass
        # Where webhooks never end, half of the time is others'; a hundred of them cost as much as one.
        await engine.clock.sleep(min(took, _REST_SECONDS))


async def once(engine: Engine) -> bool:
    """Look after what waits now; whether some of it has to be tried again soon."""
    tenant_id = engine.source.tenant_id
    claimed = await inbox.claim(engine.pool, tenant_id, engine.entities)
    if not claimed:
        return False
    names = {name for each in claimed for name in each.entities if name in engine.entities}
    keys = {name: f"{name}_first_load" for name in names}
    loaded = await state.get(engine.pool, tenant_id, *keys.values())
    # A first load is the schedule's matter: it would keep every other hint waiting.
    ready = [engine.entities[name] for name in sorted(names) if keys[name] in loaded]
    outcomes = {}
    if ready:
        report = await engine.run_entities(ready, trigger="webhook")
        outcomes = {each.entity: each for each in report.entities}
    busy, failed, done = _sorted(claimed, {name: each.status for name, each in outcomes.items()})
    await inbox.settle(engine.pool, tenant_id, [each.id for each in done])
    await inbox.give_back(
        engine.pool,
        tenant_id,
        [each.id for each in busy],
        after_seconds=_BUSY_SECONDS,
        error=None,
        tried=False,
    )
    for each in failed:
        errors = [outcomes[name].error for name in each.entities if name in outcomes]
        await inbox.give_back(
            engine.pool,
            tenant_id,
            [each.id],
            after_seconds=backoff(each.attempts, _FAILED),
            error=next(filter(None, errors), None),
        )
    return bool(busy)


def _sorted(
    claimed: Sequence[Claimed], statuses: dict[str, str]
) -> tuple[list[Claimed], list[Claimed], list[Claimed]]:
    """Those whose entity is being read by others, those whose read failed, and those that are done."""
    busy: list[Claimed] = []
    failed: list[Claimed] = []
    done: list[Claimed] = []
    for each in claimed:
        found = {statuses.get(name) for name in each.entities}
        (failed if FAILED in found else busy if SKIPPED in found else done).append(each)
    return busy, failed, done
