"""Where an export feed was some time ago, to find what became visible behind the place that was kept.

A vendor may show a change minutes after it was made, at the place in its feed where it belongs: behind a
continuation that was given meanwhile. Reading on from a continuation that is older than the longest delay
brings it. What was read already is recognised by its hash and costs nothing but the reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

LATE = timedelta(minutes=10)  # the longest delay that is looked for; the nightly proof finds the rest
APART = timedelta(minutes=1)  # between two looks back, however often a feed is read


@dataclass(frozen=True, slots=True)
class Mark:
    """All that was visible at ``at`` lies before ``token`` (None: the beginning of the feed)."""

    token: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Trail:
    """The marks of a feed, oldest first, and when it was last read from an older one than the newest."""

    marks: tuple[Mark, ...] = ()
    looked: datetime | None = None

    def start(self, now: datetime) -> Mark | None:
        """The mark to read on from at ``now``; None: from where the last read ended.

        What belongs before a mark is visible ``LATE`` after it at most: a look back at that time or later has
        brought it, and the mark is settled.
        """
        if self.looked is None or not self.marks:
            return None
        settled = [mark for mark in self.marks if mark.at <= self.looked - LATE]
        if settled[-1:] == [self.marks[-1]] or now - self.looked < APART:
            return None
        return settled[-1] if settled else self.marks[0]

    def began(self, now: datetime) -> Self:
        """The trail after a look back at ``now``."""
        return replace(self, looked=now)

    def ended(self, token: str | None, now: datetime, *, last_page: str | None) -> Self:
        """The trail after a read that ended at ``token``; ``last_page`` is where its last page began."""
        if not self.marks:
            return replace(self, marks=(Mark(last_page, now), Mark(token, now)), looked=now)
        if self.marks[-1].token == token:
            return self
        kept = self.marks
        if len(kept) > 1 and kept[-1].at - kept[-2].at < APART:
            kept = kept[:-1]
        settled = sum(self.looked is not None and mark.at <= self.looked - LATE for mark in kept)
        return replace(self, marks=(*kept[max(0, settled - 1) :], Mark(token, now)))

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "marks": [[mark.token, mark.at.isoformat()] for mark in self.marks],
            "looked": self.looked.isoformat() if self.looked else None,
        }

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """Read what ``written`` wrote."""
        looked = value.get("looked")
        return cls(
            tuple(Mark(token, datetime.fromisoformat(at)) for token, at in value.get("marks", ())),
            datetime.fromisoformat(looked) if looked else None,
        )
