"""A record before the oldest version that we know: what its own moments tell about then.

A first load brings records as they are today. An estimate that was sold in May was open in April: its own
``sold_on`` says so. What no moment tells stays as it is in the oldest version, and whoever shows the result
says that it is approximate.
"""

import bisect
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

Row = Mapping[str, Any]


def rewound(entity: str, row: Row, moment: datetime) -> Row:
    """``row``, the oldest known version, as it was at the earlier ``moment`` as far as it tells."""
    if entity not in _REWINDS:
        return row
    change, _ = _REWINDS[entity]
    return {**row, **change(row, moment)}


def _estimate(row: Row, moment: datetime) -> Row:
    if row["status"] == "Open":
        return {}
    decided = row["sold_on"] if row["status"] == "Sold" else row["st_modified_on"]
    if decided is None or decided <= moment:
        return {}
    return {"status": "Open", "sold_on": None, "sold_by_id": None}


def _job(row: Row, moment: datetime) -> Row:
    done, changed = row["st_completed_on"], row["st_modified_on"]
    if row["job_status"] == "Completed" and done is not None and done > moment:
        return {"job_status": "Scheduled", "st_completed_on": None}
    if row["job_status"] == "Canceled" and changed is not None and changed > moment:
        return {"job_status": "Scheduled"}
    return {}


def _appointment(row: Row, moment: datetime) -> Row:
    over, changed = row["end_time"], row["st_modified_on"]
    if row["status"] in ("Done", "Working") and over is not None and over > moment:
        return {"status": "Scheduled"}
    if row["status"] == "Canceled" and changed is not None and changed > moment:
        return {"status": "Scheduled"}
    return {}


def _invoice(row: Row, moment: datetime) -> Row:
    paid = row["paid_on"]
    if paid is not None and paid > moment and (row["balance"] or Decimal()) <= 0:
        return {"paid_on": None, "balance": row["total"]}
    return {}


def _membership(row: Row, moment: datetime) -> Row:
    ends, cancelled = row["to_date"], row["cancellation_date"]
    changes: dict[str, Any] = {}
    if row["status"] == "Expired" and ends is not None and ends > moment.date() - timedelta(days=1):
        changes["status"] = "Active"
    if row["status"] == "Canceled" and cancelled is not None and cancelled > moment.date():
        changes |= {"status": "Active", "cancellation_date": None}
    if row["renewed_by_id"] is not None and ends is not None and ends > moment.date():
        changes["renewed_by_id"] = None
    return changes


def _open(row: Row, moment: datetime) -> Row:
    changed = row["st_modified_on"]
    if changed is None or changed <= moment or row["status"] in ("Open", "New"):
        return {}
    return {"status": "New" if "source" in row else "Open"}


def _merged(row: Row, moment: datetime) -> Row:
    changed = row["st_modified_on"]
    if row["merged_to_id"] is not None and changed is not None and changed > moment:
        return {"merged_to_id": None, "active": True}
    return {}


# How each is rewound, and the columns whose moments and days decide it.
_REWINDS: Final[Mapping[str, tuple[Callable[[Row, datetime], Row], tuple[str, ...]]]] = {
    "customers": (_merged, ("st_modified_on",)),
    "locations": (_merged, ("st_modified_on",)),
    "estimates": (_estimate, ("sold_on", "st_modified_on")),
    "jobs": (_job, ("st_completed_on", "st_modified_on")),
    "appointments": (_appointment, ("end_time", "st_modified_on")),
    "invoices": (_invoice, ("paid_on",)),
    "memberships": (_membership, ("to_date", "cancellation_date")),
    "leads": (_open, ("st_modified_on",)),
    "bookings": (_open, ("st_modified_on",)),
}


_LOOKED_AT: Final = {entity: ("st_created_on", *columns) for entity, (_, columns) in _REWINDS.items()}
# Before and after every moment of a record.
FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime.max.replace(tzinfo=UTC)


class Spell(NamedTuple):
    """A record for as long as it is the same. ``guessed``: the row is made from a later version."""

    row: Row | None
    guessed: bool
    since: datetime
    until: datetime


class Versions:
    """Versions of one record, oldest first. ``told`` as they were read, each with its moment in second place.

    Rows are made of them by ``make`` when somebody asks: most records of a replay are never looked at.
    """

    __slots__ = ("_last", "_make", "_rows", "_since", "_turns", "entity", "told")

    def __init__(self, entity: str, make: Callable[[Sequence[Any]], Row]) -> None:
        self.entity = entity
        self.told: list[Sequence[Any]] = []
        self._make = make
        self._rows: list[Row] | None = None
        self._since: list[datetime] | None = None
        self._turns: list[datetime] | None = None
        self._last: Spell | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """The versions as rows."""
        if self._rows is None:
            self._rows = [self._make(each) for each in self.told]
        return self._rows

    @property
    def since(self) -> Sequence[datetime]:
        """The moments from which on they hold."""
        if self._since is None:
            self._since = [each[1] for each in self.told]
        return self._since

    def turns(self) -> Sequence[datetime]:
        """Moments between which ``at`` gives the same: those of versions, and what rewinding looks at.

        A day counts by its midnights, and by those of the two after.
        """
        if self._turns is None:
            self._turns = sorted(self._moments())
        return self._turns

    def at(self, moment: datetime) -> Spell:
        """The record as it was. ``moment`` is in UTC."""
        last = self._last
        if last is None or not last.since <= moment < last.until:
            turns = self.turns()
            place = bisect.bisect_right(turns, moment)
            since = turns[place - 1] if place else FIRST
            until = turns[place] if place < len(turns) else LAST
            last = self._last = Spell(*self._at(moment), since, until)
        return last

    def guessed(self, moment: datetime) -> bool:
        """Whether the record was there at ``moment``, before every version that is known."""
        if self.told[0][1] <= moment:
            return False
        created = self.rows[0]["st_created_on"]
        return created is not None and created <= moment

    def _moments(self) -> set[datetime]:
        first, found = self.rows[0], set(self.since)
        named = [first[name] for name in _LOOKED_AT.get(self.entity, ("st_created_on",))]
        for value in (*named, *(row["deleted_at"] for row in self.rows)):
            if type(value) is datetime:
                found.add(value)
            elif value is not None:
                midnight = datetime.combine(value, time(), UTC)
                found |= {midnight + timedelta(days=days) for days in (0, 1, 2)}
        return found

    def _at(self, moment: datetime) -> tuple[Row | None, bool]:
        place = bisect.bisect_right(self.since, moment) - 1
        row = self.rows[max(place, 0)]
        created = row["st_created_on"]
        if place < 0 and (created is None or created > moment):
            return None, False
        if row["deleted_at"] is not None and row["deleted_at"] > moment:
            row = {**row, "deleted_at": None}
        if place >= 0:
            return row, False
        return rewound(self.entity, row, moment), True
