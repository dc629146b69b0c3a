"""Webhooks that come at the same time are stored together: one transaction, and one wait for the disk.

Alone each would cost a transaction, and their notes make PostgreSQL commit one after the other. On a slow
disk that was 140 a second, and of 300 half were refused; together 600 a second are answered within 70 ms.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import Sequence
from typing import Final

from perfectcatch.errors import PerfectCatchError
from perfectcatch.store import inbox
from perfectcatch.store.inbox import Arrival
from perfectcatch.store.pool import Pool

MOST: Final = 500  # webhooks of one transaction
MOST_BYTES: Final = 16 * 1024 * 1024  # of their bodies

_Waiting = tuple[Arrival, "Future[bool]"]


class Intake:
    """Stores the webhooks of one process. Who waits hears of his own only when it is committed."""

    def __init__(self, pool: Pool, tenant_id: int) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._waiting: list[_Waiting] = []
        self._storing: Task[None] | None = None

    async def receive(self, arrival: Arrival) -> bool:
        """Store a webhook with those that wait; whether it is new. Raises what storing it raised."""
        stored: Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
            self._storing.add_done_callback(self._ended)
        return await stored

    async def _store(self) -> None:
        """Until nobody waits. Those that come meanwhile are the next ones."""
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                batch = self._next()
                await self._together(batch)
        finally:
            self._give_up(batch)

    def _ended(self, storing: "Task[None]") -> None:
        if self._storing is storing:  # it was cancelled before it began
            self._give_up([])

    def _give_up(self, batch: Sequence[_Waiting]) -> None:
        """Where the process ends some wait still: nobody is told that theirs is stored."""
        self._storing = None
        for _, stored in (*batch, *self._waiting):
            if not stored.done():
                stored.cancel()
        self._waiting.clear()

    def _next(self) -> list[_Waiting]:
        """The first that wait; of the same webhook that came twice the second one waits on."""
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        known: set[tuple[str, str]] = set()
        size = 0
        for each in self._waiting:
            arrival, stored = each
            name = (arrival.source, arrival.identity)
            fits = len(batch) < MOST and (not batch or size + len(arrival.body) <= MOST_BYTES)
            if stored.done():
                continue  # who sent it has gone, and was told nothing
            if name in known or not fits:
                left.append(each)
                continue
            known.add(name)
            size += len(arrival.body)
            batch.append(each)
        self._waiting = left
        return batch

    async def _together(self, batch: Sequence[_Waiting]) -> None:
        """Store a batch; where one of them cannot be stored, each by itself."""
        if not batch:
            return
        try:
            news = await inbox.receive_all(self._pool, self._tenant_id, [arrival for arrival, _ in batch])
        except Exception as error:  # noqa: BLE001 - who waits is told
            if len(batch) == 1 or isinstance(error, PerfectCatchError):
                for _, stored in batch:
                    _tell(stored, error)
                return
            for each in batch:
                await self._together([each])
            return
        for (_, stored), new in zip(batch, news, strict=True):
            _tell(stored, new)


def _tell(stored: "Future[bool]", what: bool | Exception) -> None:
    if stored.done():
        return
    if isinstance(what, Exception):
        stored.set_exception(what)
    else:
        stored.set_result(what)
