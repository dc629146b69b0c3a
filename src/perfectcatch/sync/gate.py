"""Whose page is merged next, when first loads bring more of them than there are cores to merge them.

Side by side all of them become slower together, and the largest entity is alone at the end, on one core: of
164,583 records invoices took the last ten of 35 seconds. With a place for each core, and the largest first,
the same records take 30.
"""

import asyncio
import heapq
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

AT_LEAST = 2  # the database may have more cores than this machine


class Gate:
    """So many places; who waits is let in by weight, the heaviest first, then in the order of coming."""

    def __init__(self, places: int | None = None) -> None:
        self._free = places or max(AT_LEAST, os.cpu_count() or AT_LEAST)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @asynccontextmanager
    async def passed(self, weight: int) -> AsyncIterator[None]:
        """Hold a place."""
        if self._free:
            self._free -= 1
        else:
            await self._let_in(weight)
        try:
            yield
        finally:
            self._leave()

    async def _let_in(self, weight: int) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-weight, next(self._numbers), place))
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it was given to us just then
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, place = heapq.heappop(self._waiting)
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
