"""What changed at the vendor, in order: the truth that tests compare a copy and its events with."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.table import Id


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one record. ``what`` names the fields that differ, where the write says so."""

    serial: int
    moment: int
    collection: str
    id: Id
    kind: str  # added, changed, deleted, merged
    what: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """As the control surface tells it."""
        return {
            "serial": self.serial,
            "time": moments.write(self.moment),
            "collection": self.collection,
            "id": self.id,
            "kind": self.kind,
            "what": list(self.what),
        }


class Journal:
    """The last ``keep`` changes; serial numbers go on from 1 and have no gaps."""

    def __init__(self, keep: int) -> None:
        self._changes: deque[Change] = deque(maxlen=keep)
        self.last = 0
        self.readers: list[Callable[[Change], None]] = []

    @property
    def first(self) -> int:
        """The serial number of the oldest change that is still known."""
        return self.last - len(self._changes) + 1

    def note(
        self, collection: str, record_id: Id, kind: str, moment: int, what: tuple[str, ...] = ()
    ) -> None:
        """Remember a change and tell whoever reads along."""
        self.last += 1
        change = Change(self.last, moment, collection, record_id, kind, what)
        self._changes.append(change)
        for reader in self.readers:
            reader(change)

    def after(self, serial: int, limit: int) -> list[Change]:
        """Up to ``limit`` changes behind a serial number, oldest first."""
        skip = max(0, serial - self.first + 1)
        return list(islice(self._changes, skip, skip + limit))
