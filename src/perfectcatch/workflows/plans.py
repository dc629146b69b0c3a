"""What a membership still promises: its visits, and until when."""

from datetime import date
from typing import Any, Final

from perfectcatch.workflows import wording
from perfectcatch.workflows.bundle import Bundle, Names, Row

_MOST_NAMED: Final = 3
# What the vendor calls a visit that nobody has booked, done or given up yet.
_OPEN: Final = ("NotAttempted", "Unreachable", "Contacted")


def is_open(visit: Row) -> bool:
    """Whether a visit of a plan is still to be had: not done, not given up, and no job was booked for it."""
    return visit["status"] in _OPEN and visit["job_id"] is None


def plan_of(row: Row, bundle: Bundle, names: Names, today: date) -> dict[str, Any]:
    """A membership with the days that are left and the visits that nobody has used."""
    ends = row["to_date"]
    visits = bundle.of("recurring_service_events", "membership_id", row["st_id"])
    unused = [each for each in visits if is_open(each) and _before(each["due_on"], ends)]
    named = dict.fromkeys(each["recurring_service_name"] for each in unused if each["recurring_service_name"])
    return {
        "type": names.of("membership_types", row["membership_type_id"]),
        "ends": wording.date_of(ends),
        "days_left": None if ends is None else (ends - today).days,
        "renews_by_itself": row["payment_method_id"] is not None and row["billing_frequency"] is not None,
        "unused_visits": len(unused),
        "unused": ", ".join(list(named)[:_MOST_NAMED]),
    }


def _before(due: date | None, ends: date | None) -> bool:
    return due is None or ends is None or due <= ends
