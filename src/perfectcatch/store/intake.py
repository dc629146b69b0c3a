"""Webhooks that come at the same time are stored together: one transaction, and one wait for the disk.

Alone each would cost a transaction, and their notes make PostgreSQL commit one after the other. On a slow
disk that was 140 a second, and of 300 half were refused; together 600 a second are answered within 70 ms.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import Sequence
from typing import Final

from perfectcatch.errors import DatabaseUnavailable, PerfectCatchError
from perfectcatch.store import inbox
from perfectcatch.store.inbox import Arrival
from perfectcatch.store.pool import Pool

MOST: Final = 500  # webhooks of one transaction
MOST_BYTES: Final = 8 * 1024 * 1024  # of their bodies
MOST_WAITING: Final = 10_000
WAIT_SECONDS: Final = 4.0  # vendors give up on an answer after five to fifteen

_Waiting = tuple[Arrival, "Future[bool]"]


class Intake:
    """Stores the webhooks of one process. Who waits hears of his own only when it is committed."""

    def __init__(self, pool: Pool, tenant_id: int) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._waiting: list[_Waiting] = []
        self._storing: Task[None] | None = None

    async def receive(self, arrival: Arrival) -> bool:
        """Store a webhook with those that wait; whether it is new. Raises what storing it raised.

        DatabaseUnavailable also where too many wait, or this one for too long; it may be stored all the same.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise DatabaseUnavailable(f"{MOST_WAITING} webhooks wait to be stored already: send it again.")
        stored: Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
            self._storing.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(WAIT_SECONDS) as waiting:
                return await stored
        except TimeoutError:
            if not waiting.expired():
                raise
            raise DatabaseUnavailable(
                f"The webhook could not be stored within {WAIT_SECONDS:g} s: send it again."
            ) from None

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
            _tell(stored, DatabaseUnavailable("The process ends: send it again."))
        self._waiting.clear()

    def _next(self) -> list[_Waiting]:
        """The first that wait; of the same webhook that came twice the second one waits on."""
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        known: set[tuple[str, str]] = set()
        size = 0
        for each in self._waiting:
            arrival, stored = each
            if stored.done():
                continue  # who sent it has gone, and was told nothing
            if len(batch) == MOST or (batch and size + len(arrival.body) > MOST_BYTES):
                left.append(each)
                continue
            name = (arrival.source, arrival.identity)
            if name in known:
                left.append(each)
                continue
            known.add(name)
            size += len(arrival.body)
            batch.append(each)
        self._waiting = left
        return batch

    async def _together(self, batch: Sequence[_Waiting]) -> PerfectCatchError | None:
        """Store a batch; where one of them cannot be stored, by halves. What nobody could mend is given."""
        batch = [each for each in batch if not each[1].done()]
        if not batch:
            return None
        try:
            news = await inbox.receive_all(self._pool, self._tenant_id, [arrival for arrival, _ in batch])
        except PerfectCatchError as error:
            for _, stored in batch:
                _tell(stored, error)
            return error
        except Exception as error:  # noqa: BLE001 - a value of one of them, and its sender is told
            if len(batch) == 1:
                _tell(batch[0][1], error)
                return None
            half = len(batch) // 2
            trouble = await self._together(batch[:half])
            if trouble is None:
                return await self._together(batch[half:])
            for _, stored in batch[half:]:
                _tell(stored, trouble)
            return trouble
        for (_, stored), new in zip(batch, news, strict=True):
            _tell(stored, new)
        return None


def _tell(stored: "Future[bool]", what: bool | Exception) -> None:
    if stored.done():
        return
    if isinstance(what, Exception):
        stored.set_exception(what)
    else:
        stored.set_result(what)
