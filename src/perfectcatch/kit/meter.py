"""How often something may happen, by the generic cell rate algorithm with one second's worth of burst.

A meter counts in this process, or in a file that processes of one machine share: each entry is the moment, on
the machine's monotonic clock, from which on its owner may go on. A process that dies leaves no lock behind.
"""

import fcntl
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

BURST_SECONDS: Final = 1.0

_ENTRY: Final = struct.Struct("<d")
_ENTRIES: Final = 65536  # numbers beyond share an entry with others


class Meter(Protocol):
    """Counts by number."""

    def take(self, number: int, per_second: float, now: float) -> float:
        """Count one; 0.0 if it may happen, else the seconds to wait, and nothing is counted."""


class LocalMeter:
    """A meter of this process."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}

    def take(self, number: int, per_second: float, now: float) -> float:
        """Count one; 0.0 if it may happen, else the seconds to wait, and nothing is counted."""
        due, wait = _counted(self._due.get(number, 0.0), per_second, now)
        self._due[number] = due
        return wait


class SharedMeter:
    """A meter in the file behind ``descriptor``, which ``shared_file`` has made."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _ENTRIES * _ENTRY.size)

    def take(self, number: int, per_second: float, now: float) -> float:
        """Count one; 0.0 if it may happen, else the seconds to wait, and nothing is counted."""
        at = number % _ENTRIES * _ENTRY.size
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, _ENTRY.size, at)
        try:
            due, wait = _counted(_ENTRY.unpack_from(self._memory, at)[0], per_second, now)
            _ENTRY.pack_into(self._memory, at, due)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _ENTRY.size, at)
        return wait


@contextmanager
def shared_file() -> Iterator[int]:
    """The descriptor of a file without a name for a ``SharedMeter``, to be handed to processes."""
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), _ENTRIES * _ENTRY.size)
        yield file.fileno()


def _counted(due: float, per_second: float, now: float) -> tuple[float, float]:
    due = max(due, now)
    if due - now > BURST_SECONDS:
        return due, due - now
    return due + 1 / per_second, 0.0
