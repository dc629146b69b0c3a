"""Jobs: their visits, who was sent, what came of them, and the records of all that."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from perfectcatch.sandbox.servicetitan.company import ids, sentences, trades
from perfectcatch.sandbox.servicetitan.company.lists import PROJECT_STATUSES, PROJECT_TYPES, custom
from perfectcatch.sandbox.servicetitan.company.moments import (
    DAY,
    HOUR,
    MINUTE,
    chance,
    midnight,
    plain,
    stamp,
)
from perfectcatch.sandbox.servicetitan.company.office import Person, Record
from perfectcatch.sandbox.servicetitan.company.people import Household, Place
from perfectcatch.sandbox.servicetitan.company.plan import CANCELED, HELD
from perfectcatch.sandbox.servicetitan.company.pricebook import VENDOR_OF
from perfectcatch.sandbox.servicetitan.company.world import World

_TWO_SENT, _UNASSIGNED = 0.12, 0.25
_PURCHASE_ORDER = 0.5
_DEFAULT_CAMPAIGN_SHARE = 0.35
_OLD_CAMPAIGNS = {index for index, row in enumerate(trades.CAMPAIGNS) if not row[4]}
_LIVE_CAMPAIGNS = [index for index in range(len(trades.CAMPAIGNS)) if index not in _OLD_CAMPAIGNS]
_ASSIGNED_AS = {"Hold": "Working", "Canceled": "Scheduled"}
_TAGGED = ("Warranty", "Financing", "Permit Needed", "Second Opinion", "After Hours", "Parts Ordered")


@dataclass(slots=True)
class Visit:
    """One appointment, as far as other records need it."""

    id: int
    start: int
    end: int
    status: str
    crew: list[Person]


@dataclass(slots=True)
class Work:
    """A job, as far as other records need it."""

    index: int
    id: int
    number: str
    kind_index: int
    kind: trades.Kind
    place: Place
    booked: int
    status: str
    visits: list[Visit]
    done: int | None  # when it was completed
    invoice_id: int = 0
    total: int = 0  # in cents
    estimate_ids: list[int] = field(default_factory=list)
    equipment_ids: list[int] = field(default_factory=list)
    project_id: int | None = None
    membership_id: int | None = None
    recall_for_id: int | None = None
    sold_from_id: int | None = None
    call_id: int | None = None
    booking_id: int | None = None
    campaign_id: int = 0

    @property
    def lead(self) -> Person:
        """The technician in charge."""
        return self.visits[0].crew[0]

    @property
    def unit_id(self) -> int:
        """The business unit's id."""
        return ids.UNITS[self.kind.unit]

    @property
    def over(self) -> bool:
        """Whether it was completed."""
        return self.done is not None


def undertake(world: World, home: Household, job: int) -> Work:
    """Return job number ``job`` of the plan with its visits and state."""
    plan, random, calendar = world.plan, world.work, world.calendar
    kind_index = plan.kinds[job]
    kind = trades.KINDS[kind_index]
    crew = world.office.crews[kind.unit]
    length = int(kind.hours * HOUR)
    visits: list[Visit] = []
    start = plan.starts[job]
    for number in range(plan.visits[job]):
        if number:
            start += DAY * (1 if kind.division == trades.INSTALL else random.randrange(1, 6))
        lead = visits[0].crew[0] if visits and chance(random, 0.8) else random.choice(crew)
        sent = [lead]
        if (kind.division == trades.INSTALL or chance(random, _TWO_SENT)) and len(crew) > 1:
            sent.append(random.choice([each for each in crew if each is not lead]))
        number_of_visit = ids.APPOINTMENTS[plan.first_visit[job] + number]
        visits.append(Visit(number_of_visit, start, start + length, "Scheduled", sent))
    status = _settle(visits, plan.fates[job], calendar.now)
    done = None
    if status == "Completed":
        done = calendar.past(visits[-1].end + random.randrange(40 * MINUTE))
    place = home.places[0] if len(home.places) == 1 else random.choice(home.places)
    return Work(
        index=job,
        id=ids.JOBS[job],
        number=str(ids.JOB_NUMBERS[job]),
        kind_index=kind_index,
        kind=kind,
        place=place,
        booked=plan.booked[job],
        status=status,
        visits=visits,
        done=done,
        campaign_id=ids.CAMPAIGNS[_campaign(world, home, job)],
    )


def _campaign(world: World, home: Household, job: int) -> int:
    random = world.work
    if home.job_ids or chance(random, _DEFAULT_CAMPAIGN_SHARE):
        return 0
    if world.plan.booked[job] < world.calendar.opening + 180 * DAY and chance(random, 0.1):
        return min(_OLD_CAMPAIGNS)
    return random.choice(_LIVE_CAMPAIGNS)


def _settle(visits: list[Visit], fate: int, now: int) -> str:
    """Write each visit's status and return the job's, which follows from them."""
    if fate == CANCELED:
        for visit in visits:
            visit.status = "Canceled"
        return "Canceled"
    for visit in visits:
        if visit.end < now:
            visit.status = "Done"
        elif visit.start <= now:
            visit.status = "Working"
        elif visit.start - HOUR <= now:
            visit.status = "Dispatched"
    last = visits[-1]
    if fate == HELD:
        last.status = "Hold"
        return "Hold"
    if last.status == "Done":
        return "Completed"
    statuses = {visit.status for visit in visits}
    if "Working" in statuses:
        return "InProgress"
    return "Dispatched" if "Dispatched" in statuses else "Scheduled"


def _changed(world: World, work: Work) -> int:
    random, calendar = world.work, world.calendar
    if work.done is not None:
        return calendar.past(work.done + random.randrange(60, 5 * DAY))
    latest = max([work.booked, *(visit.end for visit in work.visits if visit.end < calendar.now)])
    return calendar.past(latest + random.randrange(60, 2 * DAY))


def job_record(world: World, home: Household, work: Work) -> Record:
    """Return the job itself, after everything that refers to it is settled."""
    random, kind = world.work, work.kind
    created = stamp(work.booked, random)
    fields = [custom("Reason for Call", random.choice(sentences.SYMPTOMS[kind.trade]))]
    if chance(random, 0.7):
        fields.append(custom("Arrival Confirmed By", random.choice(("Call", "Text", "Email"))))
    if kind.division == trades.INSTALL:
        fields.append(custom("Permit Number", f"BLD-{random.randrange(10_000, 99_999)}"))
    tags = [world.office.tag_ids[tag] for tag in _TAGGED if chance(random, 0.06)]
    if work.membership_id:
        tags.append(world.office.tag_ids["Member"])
    order = (
        f"PO-{random.randrange(1_000, 99_999)}" if home.commercial and chance(random, _PURCHASE_ORDER) else ""
    )
    return {
        "summary": sentences.job_summary(random, kind.trade, kind.division),
        "customFields": fields,
        "externalData": [],
        "summaryOfWork": sentences.work_done(random, kind.trade) if work.over else None,
        "id": work.id,
        "jobNumber": work.number,
        "projectId": work.project_id,
        "customerId": home.id,
        "locationId": work.place.id,
        "jobStatus": work.status,
        "completedOn": None if work.done is None else stamp(work.done, random),
        "businessUnitId": work.unit_id,
        "jobTypeId": ids.KINDS[work.kind_index],
        "priority": kind.priority,
        "campaignId": work.campaign_id,
        "appointmentCount": len(work.visits),
        "firstAppointmentId": work.visits[0].id,
        "lastAppointmentId": work.visits[-1].id,
        "recallForId": work.recall_for_id,
        "warrantyId": None,
        "jobGeneratedLeadSource": {"jobId": None, "employeeId": work.lead.id}
        if chance(random, 0.04)
        else None,
        "noCharge": kind.no_charge,
        "notificationsEnabled": not chance(random, 0.05),
        "createdOn": created,
        "createdById": random.choice(world.office.clerks).id,
        "modifiedOn": stamp(max(_changed(world, work), work.booked + 1), random),
        "tagTypeIds": tags,
        "leadCallId": work.call_id,
        "partnerLeadCallId": None,
        "bookingId": work.booking_id,
        "soldById": work.lead.id if work.over and chance(random, 0.5) else None,
        "customerPo": order,
        "invoiceId": work.invoice_id,
        "membershipId": work.membership_id,
        "total": work.total / 100,
        "createdFromEstimateId": work.sold_from_id,
        "estimateIds": work.estimate_ids,
        "equipmentIds": work.equipment_ids,
        "isAutoDispatched": False,
        "active": True,
    }


def visit_records(world: World, home: Household, work: Work) -> Iterator[tuple[str, Record]]:
    """Yield appointments and who was sent to them."""
    random, now = world.work, world.calendar.now
    clerks = world.office.clerks
    for position, visit in enumerate(work.visits, start=1):
        made = work.booked if position == 1 else min(work.visits[position - 2].end, now - MINUTE)
        made = max(made, work.booked)
        changed = min(
            max(made + 1, visit.end if visit.status == "Done" else made + random.randrange(1, DAY)), now
        )
        opens = visit.start - visit.start % HOUR
        created = stamp(made, random)
        yield (
            "jpm.appointments",
            {
                "appointmentSummaries": _summaries(world, work, visit),
                "id": visit.id,
                "jobId": work.id,
                "appointmentNumber": f"{work.number}-{position}",
                "start": plain(visit.start),
                "end": plain(visit.end),
                "arrivalWindowStart": plain(opens),
                "arrivalWindowEnd": plain(opens + 2 * HOUR),
                "status": visit.status,
                "specialInstructions": sentences.instructions(random),
                "createdOn": created,
                "modifiedOn": stamp(changed, random) if changed > made else created,
                "customerId": home.id,
                "unused": visit.status == "Canceled" and chance(random, 0.5),
                "createdById": random.choice(clerks).id,
                "isConfirmed": visit.status != "Canceled" and chance(random, 0.7),
                "active": True,
            },
        )
        if visit.status == "Scheduled" and chance(random, _UNASSIGNED):
            continue
        for person in visit.crew:
            yield "dispatch.appointment_assignments", _assignment(world, work, visit, person, (made, changed))


def _summaries(world: World, work: Work, visit: Visit) -> list[Record]:
    random = world.work
    if visit.status != "Done" or visit.end > world.calendar.now or not chance(random, 0.5):
        return []
    written = stamp(visit.end, random)
    return [
        {
            "createdOn": written,
            "jobAppointmentId": visit.id,
            "jobId": work.id,
            "modifiedOn": written,
            "notes": sentences.work_done(random, work.kind.trade),
            "technicianId": visit.crew[0].id,
        }
    ]


def _assignment(world: World, work: Work, visit: Visit, person: Person, moments: tuple[int, int]) -> Record:
    random = world.work
    made, changed = moments
    created = stamp(made, random)
    status = _ASSIGNED_AS.get(visit.status, visit.status)
    return {
        "id": world.next(ids.ASSIGNMENTS),
        "technicianId": person.id,
        "technicianName": person.name,
        "assignedById": random.choice(world.office.clerks).id,
        "assignedOn": created,
        "status": status,
        "isPaused": visit.status == "Hold",
        "jobId": work.id,
        "appointmentId": visit.id,
        "createdOn": created,
        "modifiedOn": stamp(changed, random) if changed > made else created,
        "active": visit.status != "Canceled",
    }


# What was written down about it ----------------------------------------------------------------


def paper_records(world: World, work: Work) -> Iterator[tuple[str, Record]]:
    """Yield notes, and the reasons for which a job was canceled or put on hold."""
    random, calendar = world.work, world.calendar
    clerk = random.choice(world.office.clerks).id
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        moment = calendar.past(work.booked + random.randrange(60, 3 * DAY))
        written = stamp(moment, random)
        yield (
            "jpm.job_notes",
            {
                "id": world.next(ids.NOTES),
                "active": not chance(random, 0.02),
                "text": sentences.note(random),
                "isPinned": chance(random, 0.08),
                "createdById": clerk,
                "createdOn": written,
                "modifiedOn": written,
                "jobId": work.id,
            },
        )
    if work.status == "Canceled":
        index = random.randrange(len(trades.CANCEL_REASONS))
        name, number = trades.CANCEL_REASONS[index], ids.CANCEL_REASONS[index]
        text = sentences.note(random)
        yield "jpm.jobs_cancel_reasons", {"jobId": work.id, "reasonId": number, "name": name, "text": text}
        yield (
            "jpm.job_canceled_logs",
            {
                "id": world.next(ids.CANCELLATIONS),
                "jobId": work.id,
                "reasonId": number,
                "memo": text,
                "createdOn": stamp(calendar.past(work.booked + random.randrange(60, DAY)), random),
                "createdById": clerk,
                "active": True,
            },
        )
    if work.status == "Hold":
        index = random.randrange(len(trades.HOLD_REASONS))
        reason = {"reasonId": ids.HOLD_REASONS[index], "name": trades.HOLD_REASONS[index]}
        reason["text"] = sentences.note(random)
        held = [{"appointmentId": work.visits[-1].id, **reason}]
        yield "jpm.jobs_hold_reasons", {"jobId": work.id, **reason, "appointmentHoldReasons": held}


@dataclass(slots=True)
class Project:
    """A project and the jobs in it."""

    id: int
    place: Place
    began: int
    trade: str
    jobs: list[Work] = field(default_factory=list)


def project_record(world: World, home: Household, project: Project) -> Record:
    """Return a project; it is completed when all its jobs are."""
    random, calendar = world.work, world.calendar
    jobs = project.jobs
    done = max((work.done or 0) for work in jobs) if all(work.over for work in jobs) else None
    status = 3 if done else 1 if any(work.over for work in jobs) else 0
    number = (project.id - ids.PROJECTS.first) // ids.PROJECTS.step
    kind = VENDOR_OF[project.trade]
    return {
        "id": project.id,
        "number": str(ids.PROJECT_NUMBERS[number]),
        "name": f"{home.who.last} {PROJECT_TYPES[kind]}",
        "summary": f"<p>{sentences.quote(random)}</p>",
        "status": PROJECT_STATUSES[status],
        "statusId": ids.PROJECT_STATUSES[status],
        "subStatus": None,
        "subStatusId": None,
        "customerId": home.id,
        "locationId": project.place.id,
        "projectTypeId": ids.PROJECT_TYPES[kind],
        "projectManagerIds": [world.office.manager.id],
        "businessUnitIds": sorted({work.unit_id for work in jobs}),
        "startDate": midnight(project.began),
        "targetCompletionDate": midnight(project.began + 30 * DAY),
        "actualCompletionDate": midnight(done) if done else None,
        "modifiedOn": stamp(calendar.past(max(done or 0, project.began) + random.randrange(1, DAY)), random),
        "createdOn": stamp(project.began, random),
        "customFields": [
            custom("Permit Status", random.choice(("Not needed", "Applied", "Issued", "Closed")))
        ],
        "externalData": [],
        "jobIds": [work.id for work in jobs],
        "active": True,
    }
