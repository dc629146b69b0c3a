"""Questions to the vendor: some answers are kept for a while, and one flight serves all who ask alike.

The cache is of this process. A write through any server of ours makes everything of its module be asked
again: here at once, in other processes as soon as PostgreSQL has told them. What somebody changes elsewhere
shows after ``fresh_seconds`` at most, which is why only lists that change rarely have them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from cachetools import TLRUCache

from perfectcatch.gateway.passing.replies import Reply
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import MEBIBYTE
from perfectcatch.model.call import Call
from perfectcatch.model.endpoint import Kind

CACHE_BYTES: Final = 64 * MEBIBYTE
_LARGEST: Final = MEBIBYTE
_GOOD: Final = 200
_ROW_BYTES: Final = 1024  # what an entry costs beside its body, about


@dataclass(frozen=True, slots=True)
class _Kept:
    reply: Reply
    at: float
    seconds: float


class Reads:
    """Asks through ``ask``, unless it is known already or being asked. Times are seconds of ``clock``."""

    def __init__(self, clock: Clock, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._clock = clock
        self._kept: TLRUCache[str, _Kept] = TLRUCache(
            cache_bytes,
            ttu=lambda _, kept, now: now + kept.seconds,
            timer=clock.monotonic,
            getsizeof=lambda kept: len(kept.reply.body) + _ROW_BYTES,
        )
        self._flights: dict[str, asyncio.Future[Reply]] = {}
        self._written: dict[str, int] = {}

    async def answer(self, call: Call, ask: Callable[[], Awaitable[Reply]], *, anew: bool) -> Reply:
        """The reply to a question. ``anew``: neither a kept one nor one that somebody asked earlier."""
        endpoint = call.endpoint
        if endpoint.method != "GET" or endpoint.kind is Kind.FILE:
            return await ask()
        key = f"{endpoint.name} {call.target}"
        seconds = endpoint.fresh_seconds
        if seconds and not anew and (kept := self._kept.get(key)) is not None:
            age = self._clock.monotonic() - kept.at
            return _dated(kept.reply, age, seconds, "hit")
        if not anew and (flight := self._flights.get(key)) is not None:
            reply = await self._join(flight)
            if reply is not None:
                return _dated(reply, 0.0, seconds, "fwd=miss; collapsed") if seconds else reply
        generation = self._written.get(endpoint.module, 0)
        reply = await self._fly(key, ask)
        if not seconds or reply.status != _GOOD or reply.rest is not None:
            return reply
        if len(reply.body) <= _LARGEST and generation == self._written.get(endpoint.module, 0):
            self._kept[key] = _Kept(reply, self._clock.monotonic(), seconds)
        return _dated(reply, 0.0, seconds, "fwd=miss; stored")

    def written(self, module: str) -> None:
        """Something of this module has changed or may have: what was asked before says nothing any more."""
        self._written[module] = self._written.get(module, 0) + 1
        beginning = f"{module}."
        for key in [each for each in self._kept if each.startswith(beginning)]:
            self._kept.pop(key, None)
        for key in [each for each in self._flights if each.startswith(beginning)]:
            self._flights.pop(key, None)

    async def _fly(self, key: str, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        flight: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            reply = await ask()
        except BaseException as error:
            if isinstance(error, Exception):
                flight.set_exception(error)
                flight.exception()  # seen, even if nobody joined
            else:
                flight.cancel()
            raise
        else:
            flight.set_result(reply)
            return reply
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]

    @staticmethod
    async def _join(flight: "asyncio.Future[Reply]") -> Reply | None:
        """What the others get; None where it cannot be shared, because it is a stream or its asker left."""
        try:
            reply = await asyncio.shield(flight)
        except asyncio.CancelledError:
            if flight.cancelled():
                return None
            raise
        return reply if reply.rest is None else None


def _dated(reply: Reply, age: float, seconds: float, how: str) -> Reply:
    left = max(0, int(seconds - age))
    return reply.having(
        age=str(int(age)),
        cache_control=f"private, max-age={left}",
        cache_status=f"perfectcatch; {how}; ttl={left}",
    )
