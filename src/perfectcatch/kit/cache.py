"""Values that are remembered for a while, made once however many ask at the same time."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from perfectcatch.kit.clock import Clock

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Remembered(Generic[Value]):
    """A value and its age in seconds."""

    value: Value
    age: float


class Cache(Generic[Value]):
    """Remembers at most ``size`` values, each for ``seconds``; errors are not remembered."""

    def __init__(self, clock: Clock, *, seconds: float, size: int = 256) -> None:
        self._clock = clock
        self._seconds = seconds
        self._size = size
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Task[Value]]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Value]]) -> Remembered[Value]:
        """The value under ``key``, made by ``make`` if it is not known or too old."""
        now = self._clock.monotonic()
        made, task = self._known.get(key, (float("-inf"), None))
        if task is None or now - made >= self._seconds or _failed(task):
            made, task = now, asyncio.ensure_future(_run(make))
            self._known[key] = (made, task)
            self._known.move_to_end(key)
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        value = await asyncio.shield(task)
        return Remembered(value, max(0.0, self._clock.monotonic() - made))

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()


async def _run(make: Callable[[], Awaitable[Value]]) -> Value:
    return await make()


def _failed(task: "asyncio.Task[Value]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
