"""How many requests a piece of work has cost: counted where they are sent, read where the work is done.

Tasks that the work starts count with it; work beside it has its own count.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """What was counted so far."""

    requests: int = 0


_current: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def counted() -> Iterator[Tally]:
    """Count the requests of the block."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)


def count() -> None:
    """One request is being sent."""
    if (tally := _current.get()) is not None:
        tally.requests += 1
