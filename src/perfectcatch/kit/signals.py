"""How a process is told to end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def until_told(stop: asyncio.Event | None = None) -> AsyncIterator[asyncio.Event]:
    """Give an event that SIGTERM or SIGINT sets; ``stop``, without signals, where somebody else decides.

    A process has one handler for a signal: only one such context without ``stop`` may be open at a time.
    """
    if stop is not None:
        yield stop
        return
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    try:
        yield told
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
