"""Where a job came from, and who calls."""

from collections.abc import Sequence
from typing import Any

from perfectcatch.workflows.bundle import Bundle, Names, Row


def source_of(job: Row, bundle: Bundle, names: Names) -> dict[str, Any]:
    """The booking or call that led to the job, and the campaign that it came by."""
    sources = (
        ("booking", bundle.get("bookings", job["booking_id"])),
        ("call", bundle.get("calls", job["lead_call_id"])),
    )
    kind, found = next(
        ((kind, each) for kind, each in sources if each is not None and each["campaign_id"] is not None),
        (None, None),
    )
    campaign_id = found["campaign_id"] if found is not None else None
    return {
        "source_kind": kind,
        "source_campaign_id": campaign_id,
        "source_campaign": names.of("campaigns", campaign_id),
    }


def recall_days(job: Row, bundle: Bundle) -> int:
    """How many days after the first visit the second was booked; 0 where that is not known, or it is none."""
    first = bundle.get("jobs", job["recall_for_id"])
    done = first["st_completed_on"] if first is not None else None
    booked = job["st_created_on"]
    return (booked - done).days if done is not None and booked is not None else 0


def calls_with(number: str | None, bundle: Bundle) -> Sequence[Row]:
    """Our own calls to a number, the newest first, whoever it belongs to."""
    if not number:
        return ()
    return [each for each in bundle.of("calls", "to_number", number) if each["direction"] == "Outbound"]


def is_employee(number: str | None, names: Names) -> bool:
    """Whether the number is that of one of the company's own people."""
    if not number:
        return False
    listed = names.rows.get("technicians", {}).values()
    return any(_digits(str(each["phone"])) == _digits(number) for each in listed if each.get("phone"))


def _digits(number: str) -> str:
    return "".join(each for each in number if each.isdigit())[-10:]
