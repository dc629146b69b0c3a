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
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    for each in before:
        loop.add_signal_handler(each, told.set)
    try:
        yield told
    finally:
        for each, former in before.items():
            loop.remove_signal_handler(each)
            if former is not None:
                signal.signal(each, former)  # the loop would leave the system's own behind
