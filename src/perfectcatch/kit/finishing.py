"""Last words: what has to be written down even while everything around it is being given up."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from perfectcatch.errors import PerfectCatchError

LAST_SECONDS = 5.0


async def finish(work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` to its end, whoever cancels us meanwhile; its error is raised here, or heard by nobody."""
    task = asyncio.create_task(work)
    task.add_done_callback(_heard)
    await asyncio.shield(task)


async def last_words(work: Coroutine[Any, Any, None], *, seconds: float = LAST_SECONDS) -> None:
    """Do ``work`` on the way out, for so many seconds; no error of ours hides the one that leads there."""
    task = asyncio.create_task(work)
    task.add_done_callback(_heard)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        task.cancel()
        return
    with suppress(PerfectCatchError):
        task.result()


def _heard(task: "asyncio.Task[None]") -> None:
    """Look at the error, so that it is not reported as one that nobody has looked at."""
    if not task.cancelled():
        task.exception()
