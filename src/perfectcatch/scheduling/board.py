"""The board: technicians with their shifts, visits and other time, read from the mirror."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from perfectcatch.model.entity import Entity
from perfectcatch.scheduling.intervals import Interval, whole_day
from perfectcatch.scheduling.rules import Rules
from perfectcatch.store.names import qualified
from perfectcatch.store.reading.reads import Reads

Entities = Mapping[str, Entity]
Reason = Literal["appointment", "time off", "other"]

SOURCES: Final = ("technicians", "technician_shifts", "appointments", "non_job_appointments")

_FREE_STATUSES: Final = ("Canceled",)  # visits that take nobody's time
_LONGEST: Final = timedelta(days=45)  # of a shift, a visit or other time: what began earlier has ended


@dataclass(frozen=True, slots=True)
class Taken:
    """Time that is taken. ``id``: of the visit, the shift or the other time; ``zone_id``: of the visit."""

    interval: Interval
    reason: Reason
    id: int
    what: str
    zone_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """A technician with what is known of the span that is looked at."""

    id: int
    name: str
    active: bool = True
    skills: frozenset[str] = frozenset()
    main_zone_id: int | None = None
    zone_ids: frozenset[int] = frozenset()
    business_unit_id: int | None = None
    shifts: tuple[Interval, ...] = ()
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everybody in a span. ``keeps_shifts``: the company has shifts in it; else its hours count as such."""

    span: Interval
    technicians: tuple[Technician, ...]
    keeps_shifts: bool
    unassigned: int = 0  # visits in the span that nobody is assigned to, and so take nobody's time
    windows: tuple[tuple[int, int], ...] = field(default=())  # arrival windows: seconds from, seconds to


async def read_board(
    reads: Reads, tenant_id: int, entities: Entities, span: Interval, rules: Rules, zone: ZoneInfo
) -> Board:
    """Everybody in ``span``."""
    values = {"tenant": tenant_id, "from": span.start, "to": span.end, "since": span.start - _LONGEST}
    people = await reads.rows(_TECHNICIANS.format(**_tables(entities)), values)
    shifts = await reads.rows(_SHIFTS.format(**_tables(entities)), values)
    visits = await reads.rows(_VISITS.format(**_tables(entities)), values)
    others = await reads.rows(_OTHERS.format(**_tables(entities)), values)
    windows = await reads.rows(_WINDOWS.format(**_tables(entities)), values)
    working: dict[int, list[Interval]] = {}
    taken: dict[int, list[Taken]] = {}
    for row in shifts:
        _place_shift(row, working, taken, rules)
    unassigned = 0
    for row in visits:
        unassigned += _place_visit(row, taken, rules)
    for row in others:
        taken.setdefault(row["technician_id"], []).append(_other(row, zone))
    return Board(
        span=span,
        technicians=tuple(_technician(row, working, taken) for row in people),
        keeps_shifts=any(row["shift_type"] != "TimeOff" for row in shifts),
        unassigned=unassigned,
        windows=tuple(sorted({(int(row["first"]), int(row["first"] + row["length"])) for row in windows})),
    )


def _technician(
    row: Mapping[str, Any], working: Mapping[int, list[Interval]], taken: Mapping[int, list[Taken]]
) -> Technician:
    return Technician(
        id=row["st_id"],
        name=row["name"] or f"Technician {row['st_id']}",
        active=row["active"],
        skills=frozenset(skill for skill in row["skills"] or () if skill),
        main_zone_id=row["main_zone_id"],
        zone_ids=frozenset(zone_id for zone_id in row["zone_ids"] or () if zone_id),
        business_unit_id=row["business_unit_id"],
        shifts=tuple(working.get(row["st_id"], ())),
        taken=tuple(taken.get(row["st_id"], ())),
    )


def _place_shift(
    row: Mapping[str, Any], working: dict[int, list[Interval]], taken: dict[int, list[Taken]], rules: Rules
) -> None:
    interval = Interval(row["start_time"], row["end_time"])
    if row["shift_type"] == "TimeOff":
        off = Taken(interval, "time off", row["st_id"], row["title"] or "time off")
        taken.setdefault(row["technician_id"], []).append(off)
    elif row["shift_type"] != "OnCall" or rules.values["on_call"]:
        working.setdefault(row["technician_id"], []).append(interval)


def _place_visit(row: Mapping[str, Any], taken: dict[int, list[Taken]], rules: Rules) -> int:
    """Put a visit on the board of everybody who is assigned; gives 1 when nobody is."""
    end = row["end_time"] or row["start_time"] + rules.minutes("default_duration_minutes")
    number = row["appointment_number"] or row["st_id"]
    visit = Taken(
        Interval(row["start_time"], end), "appointment", row["st_id"], f"visit {number}", row["zone_id"]
    )
    assigned: Sequence[int] = row["technician_ids"] or ()
    for technician in assigned:
        taken.setdefault(technician, []).append(visit)
    return 0 if assigned else 1


def _other(row: Mapping[str, Any], zone: ZoneInfo) -> Taken:
    begins: datetime = row["start_time"]
    ends = begins + timedelta(seconds=float(row["duration_seconds"] or 0))
    if row["all_day"]:
        first, last = begins.astimezone(zone).date(), ends.astimezone(zone).date()
        interval = Interval(whole_day(first, zone).start, whole_day(max(first, last), zone).end)
        if last > first and ends == whole_day(last, zone).start:  # it ends with the day before
            interval = Interval(interval.start, ends)
    else:
        interval = Interval(begins, ends)
    return Taken(interval, "other", row["st_id"], row["name"] or "other time")


# Statements ------------------------------------------------------------------------------------

_TABLES: Final = (*SOURCES, "technician_skills", "jobs", "locations", "arrival_windows")


def _tables(entities: Entities) -> dict[str, str]:
    return {name: qualified(entities[name].table) for name in _TABLES}


_TECHNICIANS: Final = """
select t.st_id, t.name, t.active, t.main_zone_id, t.zone_ids, t.business_unit_id,
  coalesce(t.skills, '{{}}') || array(
    select s.name from {technician_skills} s where s.tenant_id = t.tenant_id
      and s.technician_id = t.st_id and s.deleted_at is null and s.active) as skills
from {technicians} t where t.tenant_id = %(tenant)s and t.deleted_at is null order by t.name, t.st_id"""
_SHIFTS: Final = """
select st_id, technician_id, shift_type, title, start_time, end_time from {technician_shifts}
where tenant_id = %(tenant)s and deleted_at is null and active and technician_id is not null
  and start_time < %(to)s and start_time > %(since)s and end_time > %(from)s and end_time > start_time
order by start_time, st_id"""
_VISITS: Final = f"""
select a.st_id, a.appointment_number, a.technician_ids, a.start_time, a.end_time, l.zone_id
from {{appointments}} a
left join {{jobs}} j on j.tenant_id = a.tenant_id and j.st_id = a.job_id
left join {{locations}} l on l.tenant_id = j.tenant_id and l.st_id = j.location_id
where a.tenant_id = %(tenant)s and a.deleted_at is null and a.active
  and (a.status is null or a.status not in ({", ".join(f"'{each}'" for each in _FREE_STATUSES)}))
  and a.start_time < %(to)s and a.start_time > %(since)s
  and coalesce(a.end_time, a.start_time + interval '1 day') > %(from)s
order by a.start_time, a.st_id"""
_OTHERS: Final = """
select st_id, technician_id, name, start_time, duration_seconds, all_day from {non_job_appointments}
where tenant_id = %(tenant)s and deleted_at is null and active and technician_id is not null
  and start_time < %(to)s + interval '1 day' and start_time > %(since)s
  and start_time + make_interval(secs => coalesce(duration_seconds, 0)::double precision)
    > %(from)s::timestamptz - interval '1 day'
order by start_time, st_id"""
_WINDOWS: Final = """
select start_seconds as first, duration_seconds as length from {arrival_windows}
where tenant_id = %(tenant)s and deleted_at is null and active
  and start_seconds is not null and duration_seconds > 0"""
