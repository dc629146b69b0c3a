"""A record before the oldest version that we know: what its own moments tell about then.

A first load brings records as they are today. An estimate that was sold in May was open in April: its own
``sold_on`` says so. What no moment tells stays as it is in the oldest version, and whoever shows the result
says that it is approximate.
"""

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

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


@dataclass(slots=True)
class Versions:
    """Versions of one record, oldest first."""

    entity: str
    since: list[datetime] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    _turns: list[datetime] = field(default_factory=list)
    _last: tuple[int, tuple[Row | None, bool]] | None = None

    def turns(self) -> list[datetime]:
        """Moments between which ``at`` gives the same: those of versions, and what rewinding looks at.

        A day counts by its midnights, and by those of the two after.
        """
        if not self._turns:
            found = set(self.since)
            first, (_, columns) = self.rows[0], _REWINDS.get(self.entity, (None, ()))
            named = [first["st_created_on"], *(first[column] for column in columns)]
            for value in (*named, *(row["deleted_at"] for row in self.rows)):
                if isinstance(value, datetime):
                    found.add(value)
                elif value is not None:
                    midnight = datetime.combine(value, time(), UTC)
                    found |= {midnight + timedelta(days=days) for days in (0, 1, 2)}
            self._turns = sorted(found)
        return self._turns

    def at(self, moment: datetime) -> tuple[Row | None, bool]:
        """The row as it was, and whether it is made from a later version. ``moment`` is in UTC."""
        turn = bisect.bisect_right(self.turns(), moment)
        if self._last is None or self._last[0] != turn:
            self._last = turn, self._at(moment)
        return self._last[1]

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
