"""A visit's way: confirmed, moved or called off, dispatched, worked, held, done; and the job's with it.

Each step is drawn from the visit's id and start, so it does not matter when or how often somebody looks.
"""

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import sentences, trades
from perfectcatch.sandbox.servicetitan.life import booking, equipment, hours, money, quotes
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record, Row
from perfectcatch.sandbox.servicetitan.writes import appointments, jobs

MINUTE, HOUR = moments.MINUTE, hours.HOUR
_CONFIRMED, _MOVED, _CANCELED, _SWAPPED = 0.65, 0.09, 0.055, 0.04
_HELD, _AGAIN, _AGAIN_INSTALL, _SUMMARY = 0.02, 0.12, 0.4, 0.5
_RECALLED = 0.02
_MOST_VISITS = 4
STEPS = ("confirm", "move", "cancel", "swap", "visit")
_ASSIGNMENTS = "dispatch.appointment_assignments"


def plan(desk: Desk, row: Row, record: Record | None) -> None:
    """Note what comes next for an appointment that was written."""
    agenda = desk.agenda
    if record is None or not row.active or record["status"] in {"Done", "Canceled"}:
        for step in STEPS:
            agenda.drop(step, row.id)
        return
    dice = desk.dice("visit", row.id, record["start"])
    start, end = moments.read(record["start"]), moments.read(record["end"])
    late = dice.randrange(-8, 35) * MINUTE
    length = int((end - start) * dice.uniform(0.55, 1.35))
    match record["status"]:
        case "Scheduled":
            agenda.set("visit", row.id, start - dice.randrange(12, 70) * MINUTE)
            _prelude(desk, row, record, start)
        case "Dispatched":
            agenda.set("visit", row.id, start + late)
        case "Working":
            over = start + late + length
            agenda.set("visit", row.id, over if over > row.modified else row.modified + length)
        case "Hold":
            rest = row.modified + booking.random_day(dice, 1, 8)
            if rest < desk.now:  # it has been waiting for long
                rest = desk.now + booking.random_day(dice, 1, 20)
            agenda.set("visit", row.id, hours.office_moment(rest, dice))


def _prelude(desk: Desk, row: Row, record: Record, start: int) -> None:
    """What may happen to a visit before its time, in office hours between its booking and its start."""
    last = start - 90 * MINUTE
    if last <= row.modified:
        return
    for step, share in (("confirm", _CONFIRMED), ("move", _MOVED), ("cancel", _CANCELED), ("swap", _SWAPPED)):
        dice = desk.dice(step, row.id, record["start"])
        if dice.random() >= share or (step == "confirm" and record["isConfirmed"]):
            desk.agenda.drop(step, row.id)
            continue
        first = max(row.created, last - (hours.DAY if step == "confirm" else 9 * hours.DAY))
        moment = hours.office_moment(dice.randrange(first, last) if first < last else last, dice)
        if row.modified < moment < last:
            desk.agenda.set(step, row.id, moment)


def _visit(desk: Desk, key: object, *statuses: str) -> Record | None:
    record = desk.known("jpm.appointments", key)
    return record if record is not None and record["status"] in statuses else None


# Before ---------------------------------------------------------------------------------------------


def confirm(desk: Desk, key: object) -> Did | None:
    """The customer confirms."""
    visit = _visit(desk, key, "Scheduled")
    if visit is None or visit["isConfirmed"]:
        return None
    desk.tenant.edit("jpm.appointments", visit["id"], isConfirmed=True)
    return {"what": "visit_confirmed", "appointmentId": visit["id"]}


def move(desk: Desk, key: object) -> Did | None:
    """The visit moves to another time; mostly the same people go."""
    visit = _visit(desk, key, "Scheduled")
    if visit is None:
        return None
    job = desk.tenant.get("jpm.jobs", visit["jobId"])
    when = booking.slot(desk, job["businessUnitId"], desk.kind_of(job))
    crew = desk.busy.crew(visit["id"])
    appointments.reschedule(desk.call(when.body(), id=visit["id"]))
    if crew and when.crew and not any(desk.busy.free(each, when.start, when.end) for each in crew):
        _send(desk, visit, when.crew)
    return {"what": "visit_moved", "appointmentId": visit["id"], "jobId": visit["jobId"]}


def cancel(desk: Desk, key: object) -> Did | None:
    """The customer calls the job off, unless somebody has been there already."""
    visit = _visit(desk, key, "Scheduled")
    if visit is None:
        return None
    job = desk.tenant.get("jpm.jobs", visit["jobId"])
    reason = desk.some("jpm.job_cancel_reasons", lately=1)
    others = desk.tenant.find("jpm.appointments", "jobId", job["id"])
    if reason is None or any(each["status"] in {"Done", "Working"} for each in others):
        return None
    jobs.cancel(desk.call(), job, reason["id"], sentences.note(desk.random))
    return {"what": "job_canceled", "jobId": job["id"], "reason": reason["name"]}


def swap(desk: Desk, key: object) -> Did | None:
    """Another technician goes."""
    visit = _visit(desk, key, "Scheduled")
    if visit is None:
        return None
    job = desk.tenant.get("jpm.jobs", visit["jobId"])
    start, end = moments.read(visit["start"]), moments.read(visit["end"])
    others = [
        each for each in booking.crew_of(desk, job["businessUnitId"]) if desk.busy.free(each, start, end)
    ]
    if not others:
        return None
    chosen = desk.random.choice(others)
    _send(desk, visit, [chosen])
    return {"what": "technician_swapped", "appointmentId": visit["id"], "technicianId": chosen}


def _send(desk: Desk, visit: Record, crew: list[int]) -> None:
    for each in desk.tenant.find(_ASSIGNMENTS, "appointmentId", visit["id"]):
        if each["active"] and each["technicianId"] not in crew:
            desk.tenant.edit(_ASSIGNMENTS, each["id"], active=False)
    for technician in crew:
        appointments.assign(desk.call(), visit, technician)


# On the day -----------------------------------------------------------------------------------------


def step(desk: Desk, key: object) -> Did | None:
    """The next step of a visit, whatever it is."""
    visit = _visit(desk, key, "Scheduled", "Dispatched", "Working", "Hold")
    if visit is None:
        return None
    return {"Scheduled": _dispatch, "Dispatched": _arrive, "Working": _finish, "Hold": _resume}[
        visit["status"]
    ](desk, visit)


def _crew(desk: Desk, visit: Record) -> list[Record]:
    found = desk.tenant.find(_ASSIGNMENTS, "appointmentId", visit["id"])
    return [each for each in found if each["active"]]


def _status(desk: Desk, visit: Record, status: str, on_assignment: str, **more: object) -> list[Record]:
    """Write a visit's status, its assignments' with it, and the job's, which follows."""
    crew = _crew(desk, visit)
    for each in crew:
        desk.tenant.edit(_ASSIGNMENTS, each["id"], status=on_assignment, isPaused=status == "Hold")
    appointments.set_status(desk.call(), visit, status, **more)
    return crew


def _dispatch(desk: Desk, visit: Record) -> Did | None:
    if not _crew(desk, visit):
        booking.assign(desk, visit)
    crew = _status(desk, visit, "Dispatched", "Dispatched")
    return {"what": "visit_dispatched", "appointmentId": visit["id"], "technicians": len(crew)}


def _arrive(desk: Desk, visit: Record) -> Did | None:
    crew = _status(desk, visit, "Working", "Working")
    for each in crew:
        _employ(desk, each["technicianId"], visit)
    return {"what": "work_started", "appointmentId": visit["id"], "jobId": visit["jobId"]}


def _employ(desk: Desk, technician: int, visit: Record | None) -> None:
    """Show on a technician's record what he does now. ``appoitmentId`` is the vendor's own spelling."""
    if technician in desk.tenant.table("settings.technicians").rows:
        desk.tenant.edit(
            "settings.technicians",
            technician,
            status="Working" if visit else "Idle",
            jobId=visit["jobId"] if visit else None,
            appoitmentId=visit["id"] if visit else None,
        )


def _resume(desk: Desk, visit: Record) -> Did | None:
    """What was waited for has come: the visit gets a new time."""
    job = desk.tenant.get("jpm.jobs", visit["jobId"])
    when = booking.slot(desk, job["businessUnitId"], desk.kind_of(job))
    appointments.set_status(desk.call(), visit, "Scheduled", **when.body(), isConfirmed=False)
    for each in _crew(desk, visit):
        desk.tenant.edit(_ASSIGNMENTS, each["id"], status="Scheduled", isPaused=False)
    reasons = desk.tenant.table("jpm.jobs_hold_reasons")
    for number in list(reasons.column("jobId").ids(job["id"])):
        desk.tenant.remove("jpm.jobs_hold_reasons", number)
    return {"what": "hold_ended", "appointmentId": visit["id"], "jobId": job["id"]}


def _finish(desk: Desk, visit: Record) -> Did | None:
    tenant, job = desk.tenant, desk.tenant.get("jpm.jobs", visit["jobId"])
    kind = desk.kind_of(job)
    reason = desk.some("jpm.job_hold_reasons", lately=1)
    if reason is not None and desk.chance(_HELD):
        _hold(desk, visit, reason)
        return {"what": "job_held", "jobId": job["id"], "reason": reason["name"]}
    said = [_summary(desk, visit, kind)] if desk.chance(_SUMMARY) else []
    crew = _status(desk, visit, "Done", "Done", appointmentSummaries=[each for each in said if each])
    for each in crew:
        _employ(desk, each["technicianId"], None)
    others = [each["status"] for each in tenant.find("jpm.appointments", "jobId", job["id"])]
    if any(each not in {"Done", "Canceled"} for each in others):
        return {"what": "visit_done", "appointmentId": visit["id"], "jobId": job["id"]}
    again = _AGAIN_INSTALL if kind.division == trades.INSTALL else _AGAIN
    if len(others) < _MOST_VISITS and desk.chance(again):
        booking.another_visit(desk, job)
        tenant.edit("jpm.jobs", job["id"], jobStatus="Scheduled")
        return {"what": "another_visit_booked", "jobId": job["id"]}
    _complete(desk, job, kind, crew)
    return {"what": "job_completed", "jobId": job["id"]}


def _hold(desk: Desk, visit: Record, reason: Record) -> None:
    crew = _crew(desk, visit)
    for each in crew:
        desk.tenant.edit(_ASSIGNMENTS, each["id"], isPaused=True)
        _employ(desk, each["technicianId"], None)
    appointments.put_on_hold(desk.call(), visit, reason, sentences.note(desk.random))


def _summary(desk: Desk, visit: Record, kind: trades.Kind) -> Record | None:
    crew = _crew(desk, visit)
    if not crew:
        return None
    moment = desk.tenant.stamp()
    return {
        "createdOn": moment,
        "jobAppointmentId": visit["id"],
        "jobId": visit["jobId"],
        "modifiedOn": moment,
        "notes": sentences.work_done(desk.random, kind.trade),
        "technicianId": crew[0]["technicianId"],
    }


def _complete(desk: Desk, job: Record, kind: trades.Kind, crew: list[Record]) -> None:
    """The job is done: it is billed, something is quoted, equipment stays, the customer may call back."""
    tenant = desk.tenant
    lead = crew[0]["technicianId"] if crew else None
    jobs.finish(desk.call(), job, tenant.stamp())
    sold_by = lead if desk.chance(0.5) else None
    tenant.edit(
        "jpm.jobs", job["id"], summaryOfWork=sentences.work_done(desk.random, kind.trade), soldById=sold_by
    )
    invoice = money.bill_job(desk, tenant.get("jpm.jobs", job["id"]), kind, lead)
    if invoice is not None:
        equipment.leave_behind(desk, tenant.get("jpm.jobs", job["id"]), invoice)
    quotes.quote_on_site(desk, tenant.get("jpm.jobs", job["id"]), kind, lead)
    equipment.settle_project(desk, job["projectId"])
    if desk.chance(_RECALLED) and not kind.no_charge:
        desk.agenda.set(
            "recall",
            job["id"],
            hours.office_moment(desk.now + booking.random_day(desk.random, 2, 20), desk.random),
        )
    due = tenant.table("memberships.recurring_service_events").column("jobId").ids(job["id"])
    for number in list(due):
        tenant.edit("memberships.recurring_service_events", number, status="Won")


def recall(desk: Desk, key: object) -> Did | None:
    """The customer is not happy: somebody comes again without charge."""
    job = desk.known("jpm.jobs", key)
    at = next((at for at, kind in desk.kinds if kind.no_charge), None)
    if job is None or at is None or job["jobStatus"] != "Completed":
        return None
    owner = desk.known("crm.customers", job["customerId"])
    place = desk.known("crm.locations", job["locationId"])
    if owner is None or place is None:
        return None
    record = booking.book(
        desk, owner, place, at, soon=True, recallForId=job["id"], campaignId=job["campaignId"]
    )
    return {"what": "job_recalled", "jobId": record["id"], "recallForId": job["id"]} if record else None
