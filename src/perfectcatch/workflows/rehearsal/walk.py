"""A clock's way through the records of one kind: those that certainly start nothing are left asleep.

Without that two thirds of a replay were spent on records that were too young, too old or decided already.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from perfectcatch.workflows.bundle import Row
from perfectcatch.workflows.past import LAST
from perfectcatch.workflows.pasts import Past
from perfectcatch.workflows.sieve import Sieve


class Walk:
    """What may start something at moments that come in the order of time."""

    def __init__(self, past: Past, sieve: Sieve, entity: str, ids: Sequence[int]) -> None:
        self._sieve = sieve
        found = ((st_id, past.versions(entity, st_id)) for st_id in ids)
        self._known = [(st_id, versions) for st_id, versions in found if versions is not None]
        self._awake = set(range(len(self._known)))
        self._asleep: list[tuple[datetime, int]] = []

    def at(self, now: datetime) -> Iterator[tuple[int, Row]]:
        """Ids and records whose condition can hold, in their order."""
        now = now.astimezone(UTC)
        while self._asleep and self._asleep[0][0] <= now:
            self._awake.add(heapq.heappop(self._asleep)[1])
        for place in sorted(self._awake):
            row = self._look(place, now)
            if row is not None:
                yield self._known[place][0], row

    def _look(self, place: int, now: datetime) -> Row | None:
        """The record, if its condition can hold; else it is asleep for as long as it cannot."""
        spell = self._known[place][1].at(now)
        until = spell.until
        if spell.row is not None:
            asleep = self._sieve.asleep_until(spell.row, now)
            if asleep is None:
                return spell.row
            until = min(until, asleep)
        if until > now:
            self._awake.discard(place)
            if until < LAST:
                heapq.heappush(self._asleep, (until, place))
        return None
