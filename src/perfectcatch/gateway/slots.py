"""``/scheduling/availability`` and ``/scheduling/slots``: who is free, and which visit could be offered."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from perfectcatch.errors import BadArgument
from perfectcatch.gateway import answers
from perfectcatch.gateway import scheduling_models as models
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.gateway.scheduling import kinds_of_jobs, minutes_in
from perfectcatch.scheduling import rules as rulebook
from perfectcatch.scheduling.availability import availability
from perfectcatch.scheduling.board import SOURCES, read_board
from perfectcatch.scheduling.intervals import Interval, total
from perfectcatch.scheduling.slots import Request as SlotRequest
from perfectcatch.scheduling.slots import find_slots
from perfectcatch.store.reading import dispatching
from perfectcatch.store.reading.fields import BIGGEST

router = APIRouter(prefix="/scheduling", tags=["scheduling"])

LONGEST: Final = timedelta(days=62)
USUAL: Final = timedelta(days=14)
MOST_REFUSALS: Final = 500

Id = Annotated[int, Query(ge=-BIGGEST, le=BIGGEST)]


@router.get(
    "/availability", summary="When technicians are free.", response_model=models.Availabilities,
    **scoped(Scope.READ, 404),
)  # fmt: skip
async def availabilities(
    request: Request,
    technician_id: Annotated[
        list[Id] | None, Query(description="Only these; all active ones if left out.")
    ] = None,
    start: Annotated[
        datetime | None,
        Query(alias="from", description="Now if left out, and of the company's zone."),
    ] = None,
    end: Annotated[datetime | None, Query(alias="to", description="Two weeks later if left out.")] = None,
) -> Response:
    """Shifts without visits, time off and other time. A cancelled visit takes nobody's time."""
    gateway = gateway_of(request)
    zone = ZoneInfo(gateway.zone)
    span = _span(gateway, start, end)
    age = await gateway.freshness.of(*SOURCES)
    in_force = await rulebook.in_force(gateway.reads, gateway.tenant_id)
    board = await read_board(gateway.reads, gateway.tenant_id, gateway.entities, span, in_force, zone)
    wanted = set(technician_id or ())
    unknown = wanted - {technician.id for technician in board.technicians}
    if unknown:
        raise Denied(404, f"The mirror holds no technician {min(unknown)}.")
    told = []
    for technician in board.technicians:
        if technician.id in wanted or (not wanted and technician.active):
            found = availability(board, technician, in_force, zone)
            told.append(
                {
                    "technician_id": technician.id,
                    "technician_name": technician.name,
                    "active": technician.active,
                    "free_minutes": minutes_in(total(found.free)),
                    "working": found.working,
                    "free": found.free,
                    "taken": [
                        {
                            "start": each.interval.start,
                            "end": each.interval.end,
                            "reason": each.reason,
                            "id": each.id,
                            "what": each.what,
                        }
                        for each in found.taken
                    ],
                }
            )
    body = {
        "data_as_of": age.as_of,
        "start": span.start,
        "end": span.end,
        "zone": gateway.zone,
        "keeps_shifts": board.keeps_shifts,
        "unassigned_visits": board.unassigned,
        "data": told,
    }
    return answers.json(body, age)


def _span(gateway: Gateway, start: datetime | None, end: datetime | None) -> Interval:
    try:
        begins = answers.moment(gateway, start or gateway.clock.now()).astimezone(UTC)
        ends = answers.moment(gateway, end).astimezone(UTC) if end else begins + USUAL
    except OverflowError:
        raise BadArgument("The span lies outside of what a calendar holds.") from None
    if not begins < ends <= begins + LONGEST:
        raise BadArgument(f"The end has to lie after the start, and at most {LONGEST.days} days after it.")
    if not 1970 <= begins.year <= 2200:  # noqa: PLR2004 - a calendar that zones are known for
        raise BadArgument("The span lies outside of the years 1970 to 2200.")
    return Interval(begins, ends)


# Slots -----------------------------------------------------------------------------------------


@router.post(
    "/slots", summary="Slots for a visit, ranked.", response_model=models.Slots, **scoped(Scope.READ, 404)
)
async def slots(request: Request, wanted: models.Wanted) -> Response:
    """The best slots with the parts of their score, and why everything else was refused. Changes nothing."""
    return await _slots(gateway_of(request), wanted)


@router.get(
    "/slots", summary="Slots for a visit, ranked.", response_model=models.Slots, **scoped(Scope.READ, 404)
)
async def slots_by_query(
    request: Request,
    job_type_id: Id | None = None,
    duration_minutes: Annotated[int | None, Query(ge=1, le=1440)] = None,
    start: Annotated[datetime | None, Query(description="The earliest moment.")] = None,
    end: Annotated[datetime | None, Query(description="The latest end.")] = None,
    zone_id: Id | None = None,
    location_id: Id | None = None,
    skills: Annotated[str, Query(max_length=1000, description="Separated by commas.")] = "",
    technician_id: Annotated[list[Id] | None, Query(description="Only these.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """The same with the question in the query."""
    named = [part.strip()[:100] for part in skills.split(",") if part.strip()]
    wanted = models.Wanted(
        job_type_id=job_type_id,
        duration_minutes=duration_minutes,
        start=start,
        end=end,
        zone_id=zone_id,
        location_id=location_id,
        skills=named[:20],
        technician_ids=(technician_id or [])[:100],
        limit=limit,
    )
    return await _slots(gateway_of(request), wanted)


async def _slots(gateway: Gateway, wanted: models.Wanted) -> Response:
    zone = ZoneInfo(gateway.zone)
    span = _span(gateway, wanted.start, wanted.end)
    in_force = await rulebook.in_force(gateway.reads, gateway.tenant_id)
    kind = await _job_type(gateway, wanted.job_type_id)
    duration = (
        timedelta(minutes=wanted.duration_minutes)
        if wanted.duration_minutes
        else in_force.duration(wanted.job_type_id, kind["duration"] if kind else None)
    )
    skills = list(dict.fromkeys([*wanted.skills, *((kind["skills"] or ()) if kind else ())]))
    zone_id = await _zone(gateway, wanted)
    board = await read_board(gateway.reads, gateway.tenant_id, gateway.entities, span, in_force, zone)
    unknown = set(wanted.technician_ids) - {technician.id for technician in board.technicians}
    if unknown:
        raise Denied(404, f"The mirror holds no technician {min(unknown)}.")
    offer = find_slots(
        board,
        SlotRequest(
            duration=duration,
            skills=frozenset(skills),
            zone_id=zone_id,
            not_before=max(span.start, gateway.clock.now() + in_force.minutes("notice_minutes")),
            technician_ids=frozenset(wanted.technician_ids),
            limit=wanted.limit,
        ),
        in_force,
        zone,
    )
    age = await gateway.freshness.of(*SOURCES)
    body = {
        "data_as_of": age.as_of,
        "start": span.start,
        "end": span.end,
        "zone": gateway.zone,
        "duration_minutes": minutes_in(duration),
        "skills": skills,
        "zone_id": zone_id,
        "keeps_shifts": board.keeps_shifts,
        "unassigned_visits": board.unassigned,
        "considered": offer.considered,
        "data": offer.slots,
        "refused": offer.refused[:MOST_REFUSALS],
        "refused_more": max(0, len(offer.refused) - MOST_REFUSALS),
    }
    return answers.json(body, age)


async def _job_type(gateway: Gateway, st_id: int | None) -> dict[str, Any] | None:
    if st_id is None:
        return None
    kept = await kinds_of_jobs(gateway)
    found: dict[str, Any] | None = next((row for row in kept.value if row["st_id"] == st_id), None)
    if found is None:
        raise Denied(404, f"The mirror holds no job type {st_id}.")
    return found


async def _zone(gateway: Gateway, wanted: models.Wanted) -> int | None:
    if wanted.zone_id is not None or wanted.location_id is None:
        return wanted.zone_id
    found = await dispatching.zone_of(gateway.reads, gateway.tenant_id, gateway.entities, wanted.location_id)
    if found is False:
        raise Denied(404, f"The mirror holds no location {wanted.location_id}.")
    return found
