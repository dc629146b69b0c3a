"""The dispatch board: zones, teams, skills, shifts, and what technicians do when they are on no job."""

from collections.abc import Iterator
from datetime import date

from perfectcatch.sandbox.servicetitan.company import ids, trades
from perfectcatch.sandbox.servicetitan.company.lists import zone_record
from perfectcatch.sandbox.servicetitan.company.moments import DAY, HOUR, chance, plain, stamp
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.plan import AHEAD_DAYS
from perfectcatch.sandbox.servicetitan.company.words import ZONES
from perfectcatch.sandbox.servicetitan.company.world import World

_SHIFTS_BACK = 30
_SATURDAY, _SUNDAY = 5, 6
_ON_CALL, _OFF, _MEETING = 0.06, 0.03, 0.08
_TEAMS = ("Pool Team", "HVAC Team", "Plumbing Team")
_BREAKS = ("Team meeting", "Manufacturer training", "Doctor", "Shop time")

BUSINESS_HOURS: Record = {
    "weekdays": [{"fromHour": 7, "toHour": 18}],
    "saturday": [{"fromHour": 8, "toHour": 13}],
    "sunday": [],
}


def records(world: World) -> Iterator[tuple[str, Record]]:
    """Yield the dispatch board's records."""
    office, random = world.office, world.board
    yield "dispatch.business_hours", BUSINESS_HOURS
    for index in range(len(ZONES)):
        yield "dispatch.zones", zone_record(office, index)
    for index, name in enumerate(_TEAMS):
        created, modified = office.life()
        yield (
            "dispatch.teams",
            {
                "id": ids.TEAMS[index],
                "active": True,
                "name": name,
                "createdBy": office.manager.id,
                "createdOn": created,
                "modifiedOn": modified,
            },
        )
    units = {each["id"]: unit for each, unit in zip(office.business_units, trades.UNITS, strict=True)}
    for technician in office.technicians:
        unit = units[technician["businessUnitId"]]
        skill = f"{unit.trade} {unit.division}"
        kinds = [
            ids.KINDS[index]
            for index, kind in enumerate(trades.KINDS)
            if f"{kind.trade} {kind.division}" == skill
        ]
        created, modified = office.life()
        number = world.next(ids.SKILLS)
        technician["skills"] = [{"id": number, "name": skill}]
        yield (
            "dispatch.technician_skills",
            {
                "id": str(number),
                "name": skill,
                "active": True,
                "technicianId": technician["id"],
                "jobTypeIds": kinds,
                "createdOn": created,
                "modifiedOn": modified,
            },
        )
    for day in range(world.calendar.today - _SHIFTS_BACK, world.calendar.today + AHEAD_DAYS + 1):
        for technician in office.technicians:
            if date.fromordinal(day).weekday() == _SUNDAY:
                continue
            yield "dispatch.technician_shifts", _shift(world, technician["id"], day)
            if chance(random, _MEETING):
                yield "dispatch.non_job_appointments", _break(world, technician["id"], day)


def _shift(world: World, technician: int, day: int) -> Record:
    random, calendar = world.board, world.calendar
    roll = random.random()
    kind = "TimeOff" if roll < _OFF else "OnCall" if roll < _OFF + _ON_CALL else "Normal"
    start = calendar.at(day, 8)
    length = 5 if date.fromordinal(day).weekday() == _SATURDAY else 9
    created = stamp(min(start - 20 * DAY, calendar.now), random)
    return {
        "id": world.next(ids.SHIFTS),
        "shiftType": kind,
        "title": {"TimeOff": "Off", "OnCall": "On call", "Normal": "Regular shift"}[kind],
        "note": None,
        "active": True,
        "technicianId": technician,
        "start": plain(start),
        "end": plain(start + length * HOUR),
        "timesheetCodeId": ids.TIMESHEET_CODES[2] if kind == "TimeOff" else None,
        "createdOn": created,
        "modifiedOn": created,
    }


def _break(world: World, technician: int, day: int) -> Record:
    random, calendar = world.board, world.calendar
    start = calendar.at(day, random.choice((8, 12, 16)))
    created = stamp(min(start - random.randrange(1, 15) * DAY, calendar.now), random)
    index = random.randrange(len(_BREAKS))
    return {
        "id": world.next(ids.BREAKS),
        "technicianId": technician,
        "start": plain(start),
        "name": _BREAKS[index],
        "duration": random.choice(("00:30:00", "01:00:00", "02:00:00")),
        "timesheetCodeId": ids.TIMESHEET_CODES[index],
        "summary": f"{_BREAKS[index]}, not on a job.",
        "clearDispatchBoard": False,
        "clearTechnicianView": False,
        "removeTechnicianFromCapacityPlanning": True,
        "allDay": False,
        "showOnTechnicianSchedule": True,
        "active": True,
        "createdOn": created,
        "modifiedOn": created,
        "createdById": world.office.clerks[0].id,
    }
