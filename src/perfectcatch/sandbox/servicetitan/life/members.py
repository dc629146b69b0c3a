"""Memberships: sold, renewed, expired, canceled; their visits fall due and become jobs."""

from datetime import date, timedelta

from perfectcatch.sandbox.servicetitan.company import ids, trades
from perfectcatch.sandbox.servicetitan.company.lists import custom
from perfectcatch.sandbox.servicetitan.life import booking, hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes import accounting, memberships

_RENEWED = 0.72
_YEAR = 365
_LONGEST_DUE = 30  # days after which a visit that nobody booked is dismissed
_AHEAD = 3  # visits that are on the list
_MEMBERSHIPS, _VISITS = "memberships.memberships", "memberships.recurring_service_events"


def _text(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _day(text: str | None) -> date:
    return date.fromisoformat((text or "2000-01-01")[:10])


def sell(desk: Desk, _key: object) -> Did | None:
    """A customer becomes a member; the first year is billed."""
    place = desk.some("crm.locations", lately=0.6)
    owner = desk.known("crm.customers", place["customerId"]) if place else None
    if place is None or owner is None or not owner["active"]:
        return None
    held = desk.tenant.find(_MEMBERSHIPS, "customerId", owner["id"])
    if any(each["status"] == "Active" for each in held):
        return None
    at = 0 if owner["type"] == "Commercial" else desk.random.randrange(len(trades.MEMBERSHIPS))
    plan, kind = desk.known("memberships.membership_types", ids.PLANS[at]), trades.MEMBERSHIPS[at]
    if plan is None:
        return None
    today = hours.local(desk.now).date()
    body = {"customerId": owner["id"], "locationId": place["id"], "businessUnitId": ids.UNITS[kind.unit]}
    crew = booking.crew_of(desk, ids.UNITS[kind.unit])
    membership, invoice = memberships.add(
        desk.call(),
        body,
        plan,
        **{
            "from": _text(today),
            "to": _text(today + timedelta(days=_YEAR)),
            "followUpOn": _text(today + timedelta(days=_YEAR - 30)),
            "nextScheduledBillDate": _text(today + timedelta(days=30)),
            "billingFrequency": kind.frequency,
            "renewalBillingFrequency": kind.frequency,
            "renewalDuration": 12,
            "soldById": desk.random.choice(crew) if crew else None,
            "activatedById": desk.tenant.office(),
            "memo": f"{kind.name}, {kind.price} {kind.frequency.lower()}",
            "customFields": [custom("Route Day", desk.random.choice(("Mon", "Tue", "Wed", "Thu", "Fri")))],
        },
    )
    accounting.bill(
        desk.call(), invoice, [{"skuId": desk.article(f"MB-0{at + 1}0"), "quantity": 1}], _text(today)
    )
    _service(desk, membership, at, owner)
    if desk.tags["Member"] not in owner["tagTypeIds"]:
        desk.tenant.edit("crm.customers", owner["id"], tagTypeIds=[*owner["tagTypeIds"], desk.tags["Member"]])
    return {"what": "membership_sold", "membershipId": membership["id"], "customerId": owner["id"]}


def _service(desk: Desk, membership: Record, at: int, owner: Record) -> None:
    """The membership's recurring service, and the visits that are due first."""
    kind = trades.MEMBERSHIPS[at]
    months = 1 if kind.unit == 0 else 6
    name = f"{kind.visit} ({owner['name'].split()[-1]})"
    service = desk.tenant.add(
        "memberships.recurring_services",
        {
            "name": name,
            "membershipId": membership["id"],
            "locationId": membership["locationId"],
            "recurringServiceTypeId": ids.VISIT_TYPES[at],
            "durationType": "Continuous",
            "durationLength": 0,
            "from": membership["from"],
            "to": membership["to"],
            "firstVisitComplete": False,
            "allocation": 0.0,
            "businessUnitId": membership["businessUnitId"],
            "jobTypeId": ids.KINDS[kind.kind],
            "campaignId": ids.CAMPAIGNS[0],
            "priority": "Normal",
            "jobSummary": f"{kind.visit}: routine visit under the membership.",
            "recurrenceType": "Monthly",
            "recurrenceInterval": months,
            "recurrenceMonths": [],
            "recurrenceDaysOfWeek": [],
            "recurrenceWeek": "None",
            "recurrenceDaysOfMonth": [desk.random.randrange(1, 28)],
            "jobStartTime": "09:00:00",
            "preferredTechnicianIds": [],
            "tagTypeIds": [],
        },
    )
    first = _day(membership["from"])
    for number in range(_AHEAD):
        _fall_due(desk, service, first + timedelta(days=(number + 1) * months * 30), kind.name)


def _fall_due(desk: Desk, service: Record, day: date, plan: str) -> None:
    desk.tenant.add(
        _VISITS,
        {
            "locationRecurringServiceId": service["id"],
            "locationRecurringServiceName": service["name"],
            "membershipId": service["membershipId"],
            "membershipName": plan,
            "status": "NotAttempted",
            "date": _text(day),
            "jobId": None,
        },
    )


# Every morning --------------------------------------------------------------------------------------


def renew(desk: Desk, _key: object) -> Did | None:
    """Memberships whose year is over are renewed or expire."""
    today = hours.local(desk.now).date()
    table, count = desk.tenant.table(_MEMBERSHIPS), 0
    ends = table.column("to").values
    for number in sorted(table.column("status").ids("Active"), key=str):
        record = desk.known(_MEMBERSHIPS, number) if _day(ends[number]) <= today else None
        if record is None:
            continue
        count += 1
        if desk.dice("renew", number, record["to"]).random() < _RENEWED:
            further = _day(record["to"]) + timedelta(days=_YEAR)
            dates = {"to": _text(further), "followUpOn": _text(further - timedelta(days=30))}
            desk.tenant.edit(_MEMBERSHIPS, number, **dates, followUpStatus="NotAttempted")
        else:
            memberships.log_status(desk.call(), record, "Expired")
            # The vendor leaves expired memberships active; only the status tells.
            desk.tenant.edit(_MEMBERSHIPS, number, status="Expired", nextScheduledBillDate=None)
            _end_services(desk, number)
    return {"what": "memberships_ended_or_renewed", "memberships": count} if count else None


def _end_services(desk: Desk, membership: object) -> None:
    for service in desk.tenant.find("memberships.recurring_services", "membershipId", membership):
        desk.tenant.edit("memberships.recurring_services", service["id"], active=False)
    for visit in desk.tenant.find(_VISITS, "membershipId", membership):
        if visit["status"] == "NotAttempted":
            desk.tenant.edit(_VISITS, visit["id"], status="Dismissed")


def cancel(desk: Desk, _key: object) -> Did | None:
    """A member has had enough."""
    record = desk.some(_MEMBERSHIPS, lambda each: each["status"] == "Active")
    if record is None:
        return None
    memberships.log_status(desk.call(), record, "Canceled")
    day = _text(hours.local(desk.now).date())
    changes = {"status": "Canceled", "cancellationDate": day, "to": day, "nextScheduledBillDate": None}
    desk.tenant.edit(_MEMBERSHIPS, record["id"], active=False, **changes)
    _end_services(desk, record["id"])
    return {"what": "membership_canceled", "membershipId": record["id"]}


def due(desk: Desk, _key: object) -> Did | None:
    """Visits that are due become jobs; what nobody booked for a month is dismissed."""
    today = hours.local(desk.now).date()
    table, count = desk.tenant.table(_VISITS), 0
    days = table.column("date").values
    for number in sorted(table.column("status").ids("NotAttempted"), key=str):
        day = _day(days[number])
        if day > today + timedelta(days=7):
            continue
        visit = desk.known(_VISITS, number)
        if visit is None or visit["jobId"] is not None:
            continue
        if day < today - timedelta(days=_LONGEST_DUE):
            desk.tenant.edit(_VISITS, number, status="Dismissed")
        elif desk.dice("due", number, today).random() < 1 / 3:
            count += _book(desk, visit)
    return {"what": "member_visits_booked", "jobs": count} if count else None


def _book(desk: Desk, visit: Record) -> int:
    membership = desk.known(_MEMBERSHIPS, visit["membershipId"])
    owner = desk.known("crm.customers", membership["customerId"]) if membership else None
    place = desk.known("crm.locations", membership["locationId"]) if membership else None
    if membership is None or owner is None or place is None or membership["status"] != "Active":
        return 0
    plan = next(
        (
            each
            for at, each in enumerate(trades.MEMBERSHIPS)
            if ids.PLANS[at] == membership["membershipTypeId"]
        ),
        None,
    )
    if plan is None:
        return 0
    job = booking.book(desk, owner, place, plan.kind, soon=False, membershipId=membership["id"])
    if job is None:
        return 0
    desk.tenant.edit(_VISITS, visit["id"], status="Contacted", jobId=job["id"])
    service = desk.known("memberships.recurring_services", visit["locationRecurringServiceId"])
    if service is not None:
        if not service["firstVisitComplete"]:
            desk.tenant.edit("memberships.recurring_services", service["id"], firstVisitComplete=True)
        months = service["recurrenceInterval"] or 1
        further = _day(visit["date"]) + timedelta(days=_AHEAD * months * 30)
        if further < _day(membership["to"]):
            _fall_due(desk, service, further, visit["membershipName"])
    return 1


def follow_up(desk: Desk, _key: object) -> Did | None:
    """The office calls a former member."""
    record = desk.some(
        _MEMBERSHIPS, lambda each: each["status"] == "Expired" and each["followUpStatus"] == "NotAttempted"
    )
    if record is None:
        return None
    reached = desk.random.choice(("Contacted", "Unreachable", "Dismissed"))
    desk.tenant.edit(_MEMBERSHIPS, record["id"], followUpStatus=reached)
    return {"what": "member_followed_up", "membershipId": record["id"]}
