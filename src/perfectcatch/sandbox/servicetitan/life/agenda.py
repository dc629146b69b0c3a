"""What is going to happen, in order of its moment: at most one entry for each kind and key."""

import heapq
import itertools
from dataclasses import dataclass

Key = int | str


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Something at a moment (microseconds); ``serial`` decides between two of the same moment."""

    moment: int
    serial: int
    kind: str
    key: Key


class Agenda:
    """Entries by moment, and by (kind, key)."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._known: dict[tuple[str, Key], Entry] = {}
        self._serials = itertools.count()

    def __len__(self) -> int:
        return len(self._known)

    def set(self, kind: str, key: Key, moment: int) -> None:
        """Put an entry, in place of the one that this kind and key had."""
        old = self._known.get((kind, key))
        if old is not None and old.moment == moment:
            return
        entry = Entry(moment, next(self._serials), kind, key)
        self._known[kind, key] = entry
        heapq.heappush(self._heap, entry)

    def has(self, kind: str, key: Key) -> bool:
        """Whether this is going to happen."""
        return (kind, key) in self._known

    def drop(self, kind: str, key: Key) -> None:
        """Take an entry away, if it is there."""
        self._known.pop((kind, key), None)

    def first(self) -> int | None:
        """The moment of the next entry."""
        while self._heap and self._known.get((self._heap[0].kind, self._heap[0].key)) is not self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0].moment if self._heap else None

    def take(self) -> Entry:
        """Take the next entry out. There must be one."""
        self.first()
        entry = heapq.heappop(self._heap)
        del self._known[entry.kind, entry.key]
        return entry
