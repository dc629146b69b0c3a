"""The dispatch board and the price book: shifts of the coming weeks, days off, events, prices."""

from datetime import date, timedelta

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import ids
from perfectcatch.sandbox.servicetitan.life import booking, hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record

_SHIFTS, _EVENTS = "dispatch.technician_shifts", "dispatch.non_job_appointments"
_AHEAD = 14
_OFF, _ON_CALL = 0.03, 0.09
_SATURDAY, _SUNDAY = 5, 6
_EVENT_NAMES = ("Team meeting", "Manufacturer training", "Doctor", "Shop time")
_VACATION = 2  # the place of its timesheet code
_DEARER = (1.02, 1.03, 1.04, 1.05, 1.06)
_BOOKS = ("pricebook.services", "pricebook.materials", "pricebook.equipment")


def plan_shifts(desk: Desk, _key: object) -> Did | None:
    """In the afternoon the shifts of the days until two weeks ahead are written, where there are none yet."""
    tenant, count = desk.tenant, 0
    last = hours.local(desk.now).date() + timedelta(days=_AHEAD)
    starts = tenant.table(_SHIFTS).column("start").values.values()
    known = max((str(each) for each in starts), default="")
    day = hours.local(moments.read(known)).date() if known else hours.local(desk.now).date()
    technicians = [row.id for row in tenant.table("settings.technicians").by_id() if row.active]
    while (day := day + timedelta(days=1)) <= last:
        if day.weekday() == _SUNDAY:
            continue
        for technician in technicians:
            tenant.add(_SHIFTS, _shift(desk, technician, day))
            count += 1
    return {"what": "shifts_planned", "shifts": count} if count else None


def _shift(desk: Desk, technician: object, day: date) -> Record:
    roll = desk.random.random()
    kind = "TimeOff" if roll < _OFF else "OnCall" if roll < _ON_CALL else "Normal"
    length = 5 if day.weekday() == _SATURDAY else 9
    return {
        "shiftType": kind,
        "title": {"TimeOff": "Off", "OnCall": "On call", "Normal": "Regular shift"}[kind],
        "note": None,
        "technicianId": technician,
        "start": moments.write(hours.at(day, 8)),
        "end": moments.write(hours.at(day, 8 + length)),
        "timesheetCodeId": ids.TIMESHEET_CODES[_VACATION] if kind == "TimeOff" else None,
    }


def _coming(desk: Desk) -> Record | None:
    now = moments.write(desk.now)
    return desk.some(_SHIFTS, lambda each: each["start"] > now and each["shiftType"] == "Normal", lately=0.1)


def day_off(desk: Desk, _key: object) -> Did | None:
    """A technician is ill or takes a day off."""
    shift = _coming(desk)
    if shift is None:
        return None
    code = ids.TIMESHEET_CODES[_VACATION]
    desk.tenant.edit(
        _SHIFTS, shift["id"], shiftType="TimeOff", title="Off", note="Called in", timesheetCodeId=code
    )
    return {"what": "day_off", "shiftId": shift["id"], "technicianId": shift["technicianId"]}


def drop_shift(desk: Desk, _key: object) -> Did | None:
    """A shift is deleted, as the vendor deletes shifts: without a trace."""
    shift = _coming(desk)
    if shift is None:
        return None
    desk.tenant.delete(_SHIFTS, shift["id"])
    return {"what": "shift_deleted", "shiftId": shift["id"]}


def event(desk: Desk, _key: object) -> Did | None:
    """Something that is no job is put into a technician's day."""
    crew = desk.some("settings.technicians", lately=1)
    if crew is None:
        return None
    day = hours.local(desk.now).date() + timedelta(days=desk.random.randrange(1, 12))
    at = desk.random.randrange(len(_EVENT_NAMES))
    record = desk.tenant.add(
        _EVENTS,
        {
            "technicianId": crew["id"],
            "start": moments.write(hours.at(day, desk.random.choice((8, 12, 16)))),
            "duration": desk.random.choice(("00:30:00", "01:00:00", "02:00:00")),
            "name": _EVENT_NAMES[at],
            "timesheetCodeId": ids.TIMESHEET_CODES[at % 4],
            "summary": "",
            "clearDispatchBoard": False,
            "clearTechnicianView": False,
            "showOnTechnicianSchedule": True,
            "removeTechnicianFromCapacityPlanning": False,
            "allDay": False,
        },
    )
    return {"what": "event_planned", "eventId": record["id"], "technicianId": crew["id"]}


def drop_event(desk: Desk, _key: object) -> Did | None:
    """An event is called off."""
    now = moments.write(desk.now)
    record = desk.some(_EVENTS, lambda each: each["start"] > now, lately=0.2)
    if record is None:
        return None
    desk.tenant.delete(_EVENTS, record["id"])
    return {"what": "event_deleted", "eventId": record["id"]}


def staff(desk: Desk, _key: object) -> Did | None:
    """In the afternoon everybody who is needed tomorrow is told; visits without anybody get somebody."""
    table, count = desk.tenant.table("jpm.appointments"), 0
    begin, end = desk.now, desk.now + 2 * hours.DAY
    starts = table.column("start").values
    for number in sorted(table.column("status").ids("Scheduled"), key=str):
        if not begin <= moments.read(starts[number]) < end or desk.busy.crew(number):
            continue
        visit = desk.known("jpm.appointments", number)
        if visit is not None and booking.assign(desk, visit):
            count += 1
    return {"what": "visits_staffed", "visits": count} if count else None


# Prices ---------------------------------------------------------------------------------------------


def raise_prices(desk: Desk, _key: object) -> Did | None:
    """A few articles become dearer, a part of them because the supplier's did."""
    random, count = desk.random, 0
    for _ in range(random.randrange(2, 9)):
        collection = random.choice(_BOOKS)
        record = desk.some(collection, lately=1)
        if record is None:
            continue
        factor = random.choice(_DEARER)
        names = [
            name for name in ("price", "memberPrice", "addOnPrice", "addOnMemberPrice") if record.get(name)
        ]
        if desk.chance(0.5) and record.get("cost"):
            names.append("cost")
        desk.tenant.edit(
            collection, record["id"], **{name: round(record[name] * factor, 2) for name in names}
        )
        count += 1
    return {"what": "prices_raised", "articles": count} if count else None


def retire_article(desk: Desk, _key: object) -> Did | None:
    """An article is not sold any more, or is again."""
    collection = desk.random.choice(_BOOKS[1:])
    record = desk.some(collection, lately=1, active=not desk.chance(0.4))
    if record is None:
        return None
    desk.tenant.edit(collection, record["id"], active=not record["active"])
    return {"what": "article_retired" if record["active"] else "article_revived", "articleId": record["id"]}
