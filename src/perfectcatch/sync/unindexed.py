"""First loads fill their tables without the indexes that only readers need, and build them at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from perfectcatch.store import indexes
from perfectcatch.sync.work import Context, Work

WORTH: Final = 2_000  # records below which building costs more than it saves

log = structlog.get_logger(__name__)


@asynccontextmanager
async def unindexed(work: Work) -> AsyncIterator[None]:
    """Put indexes aside while a large first load fills its tables; they are back when the block ends.

    Also when it fails. Only who is told to end at once leaves them to the next run, as one that is killed
    does (``build_what_was_left``): building could take longer than he has.
    """
    context, entity = work.context, work.entity
    if not work.place.first_load or (work.expected or 0) < WORTH:
        yield
        return
    async with context.locks.held(indexes.lock_of(entity)) as ours:
        if not ours:
            yield
            return
        await indexes.suspend(context.pool, entity, context.entities)
        try:
            yield
        except Exception:
            await indexes.restore(context.pool, entity, context.builders)
            raise
        await indexes.restore(context.pool, entity, context.builders)


async def build_what_was_left(context: Context) -> None:
    """Build the indexes that a process which died had put aside; what one that lives has is left to it."""
    left = await indexes.suspended(context.pool)
    for entity in context.entities.values() if left else ():
        if left.intersection(indexes.relations(entity)):
            async with context.locks.held(indexes.lock_of(entity)) as ours:
                if ours:
                    await indexes.restore(context.pool, entity, context.builders)


@asynccontextmanager
async def building_what_was_left(context: Context) -> AsyncIterator[None]:
    """Do so beside the block, and to its end unless the block fails; only their own entity waits for it."""
    building = asyncio.create_task(build_what_was_left(context))
    try:
        yield
        await asyncio.wait([building])
    finally:
        building.cancel()
        (failed,) = await asyncio.gather(building, return_exceptions=True)
        if isinstance(failed, Exception):
            log.warning("indexes that were left could not be built", reason=str(failed))
