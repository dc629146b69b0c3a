"""The dispatch board: shifts, events that are no jobs, capacity, arrival windows."""

from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.appointments import check_span
from perfectcatch.sandbox.servicetitan.writes.crm import into_answer
from perfectcatch.sandbox.servicetitan.writes.generic import answer_with
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist

_ROOT = "/dispatch/v2/tenant/{tenant}"
_MOST_REPEATS = 60
_FLAGS = [
    "clearDispatchBoard",
    "clearTechnicianView",
    "showOnTechnicianSchedule",
    "removeTechnicianFromCapacityPlanning",
    "allDay",
]
_TIGHT = 0.2  # less than this share left is more than the ideal booking
_WORKDAY = (12, 21)  # hours of the day in UTC between which a technician can be booked


# Shifts ---------------------------------------------------------------------------------------------


def create_shifts(call: Call) -> Answer:
    """Write a shift for each technician, and again for each repetition."""
    body = call.body
    check_span(body)
    made = []
    for technician in body["technicianIds"]:
        must_exist(call, "technicianIds", "settings.technicians", technician)
        for days in _repetitions(body):
            shift = {
                **given(body, "shiftType", "title", "note", "timesheetCodeId"),
                "technicianId": technician,
            }
            for name in ("start", "end"):
                shift[name] = moments.write(moments.read(body[name]) + days * moments.DAY)
            made.append(call.tenant.add("dispatch.technician_shifts", shift))
    return document({"created": True, "technicianShifts": made}, call.route.status, len(made))


def _repetitions(body: dict[str, Any]) -> list[int]:
    kind, until = body["repeatType"], body.get("repeatEndDate")
    if kind == "Never" or not until:
        return [0]
    start = moments.read(body["start"])
    every = (7 if kind == "Weekly" else 1) * (body.get("repeatInterval") or 1)
    days = range(0, _MOST_REPEATS * every, every)
    return [each for each in days if start + each * moments.DAY <= moments.read(until)] or [0]


def update_shift(call: Call) -> Answer:
    """Change a shift."""
    changes = given(call.body, "shiftType", "title", "start", "end", "note", "timesheetCodeId")
    shift = call.tenant.get("dispatch.technician_shifts", call.path["id"])
    check_span({**shift, **changes})
    shift = call.tenant.edit("dispatch.technician_shifts", shift["id"], **changes)
    return document({"technicianShifts": [shift]}, call.route.status)


def delete_one(call: Call) -> Answer:
    """Delete a shift, an event or a skill for good; the answer says which."""
    record = call.tenant.get(call.route.collection, call.path["id"])
    call.tenant.delete(call.route.collection, record["id"])
    if call.route.answer is None:
        return nothing(call.route.status)
    shape = call.route.answer.fields["id"]
    known = {"message": "Deleted.", "id": str(record["id"]) if shape.word == "string" else record["id"]}
    return call.answer(known)


def delete_shifts(call: Call) -> Answer:
    """Delete every shift that starts in a span."""
    start, end = moments.read(call.body["start"]), moments.read(call.body["end"])
    table = call.tenant.table("dispatch.technician_shifts")
    starts = table.column("start").values
    gone = [number for number, text in list(starts.items()) if start <= moments.read(text) < end]
    for number in gone:
        call.tenant.remove(table.name, number)
    return document({"message": f"Deleted {len(gone)}.", "deletedIds": gone}, call.route.status)


# Events that are no jobs ------------------------------------------------------------------------------


def create_event(call: Call) -> Answer:
    """Write an event into a technician's day."""
    must_exist(call, "technicianId", "settings.technicians", call.body["technicianId"])
    record = call.tenant.add("dispatch.non_job_appointments", _event(call))
    return answer_with(call, [{**call.body, **record}])


def update_event(call: Call) -> Answer:
    """Replace an event's facts."""
    must_exist(call, "technicianId", "settings.technicians", call.body["technicianId"])
    record = call.tenant.edit("dispatch.non_job_appointments", call.path["id"], **_event(call))
    return document(into_answer(call, record), call.route.status)


def _event(call: Call) -> Record:
    body = call.body
    return {
        **given(body, "technicianId", "start", "duration", "name"),
        "timesheetCodeId": body.get("timesheetCodeId") or 0,
        "summary": body.get("summary") or "",
        **{name: bool(body.get(name)) for name in _FLAGS},
    }


# Capacity -------------------------------------------------------------------------------------------


def capacity(call: Call) -> Answer:
    """Tell for each day and business unit how many hours are open, from shifts taken and visits booked."""
    start, end = moments.read(call.body["startsOnOrAfter"]), moments.read(call.body["endsOnOrBefore"])
    if end <= start or end - start > 14 * moments.DAY:
        raise AnswerError(400, endsOnOrBefore="The span must be longer than nothing and at most 14 days.")
    wanted = call.body.get("businessUnitIds")
    units = [row.id for row in call.tenant.table("settings.business_units").by_id() if row.active]
    free: list[Record] = []
    day = start - start % moments.DAY
    while day < end:
        free += [_slot(call, unit, day) for unit in units if not wanted or unit in wanted]
        day += moments.DAY
    return document({"timeStamp": call.tenant.stamp(), "availabilities": free}, call.route.status, len(free))


def _slot(call: Call, unit: Any, day: int) -> Record:
    tenant = call.tenant
    opens, closes = (day + hour * 60 * moments.MINUTE for hour in _WORKDAY)
    crew = tenant.find("settings.technicians", "businessUnitId", unit)
    total = float(len(crew) * (_WORKDAY[1] - _WORKDAY[0]))
    booked = 0.0
    starts = tenant.table("jpm.appointments").column("start").values
    ids = {number for number, text in starts.items() if opens <= moments.read(text) < closes}
    assigned = tenant.table("dispatch.appointment_assignments").column("appointmentId")
    members = {each["id"] for each in crew}
    technician_of = tenant.table("dispatch.appointment_assignments").column("technicianId").values
    for number in ids:
        if any(technician_of[each] in members for each in assigned.ids(number)):
            visit = tenant.get("jpm.appointments", number)
            booked += (moments.read(visit["end"]) - moments.read(visit["start"])) / (60 * moments.MINUTE)
    left = max(0.0, total - booked)
    times = {"start": opens, "startUtc": opens, "end": closes, "endUtc": closes}
    return {
        **{name: moments.write(moment) for name, moment in times.items()},
        "businessUnitIds": [unit],
        "totalAvailability": total,
        "openAvailability": left,
        "technicians": [
            {"id": each["id"], "name": each["name"], "status": "Available", "hasRequiredSkills": True}
            for each in crew
        ],
        "isAvailable": left > 0,
        "isExceedingIdealBookingPercentage": total > 0 and left / total < _TIGHT,
    }


def activate_window(call: Call) -> Answer:
    """Switch an arrival window on or off."""
    active = next((value for value in call.body.values() if isinstance(value, bool)), True)
    call.tenant.edit("dispatch.arrival_windows", call.path["id"], active=active)
    return nothing(call.route.status)


WRITES: Area = {
    ("POST", f"{_ROOT}/technician-shifts"): create_shifts,
    ("PATCH", f"{_ROOT}/technician-shifts/{{id}}"): update_shift,
    ("DELETE", f"{_ROOT}/technician-shifts/{{id}}"): delete_one,
    ("POST", f"{_ROOT}/technician-shifts/bulk-delete"): delete_shifts,
    ("POST", f"{_ROOT}/non-job-appointments"): create_event,
    ("PUT", f"{_ROOT}/non-job-appointments/{{id}}"): update_event,
    ("DELETE", f"{_ROOT}/non-job-appointments/{{id}}"): delete_one,
    ("DELETE", f"{_ROOT}/technician-skills/{{id}}"): delete_one,
    ("POST", f"{_ROOT}/capacity"): capacity,
    ("PUT", f"{_ROOT}/arrival-windows/{{id}}/activated"): activate_window,
}
