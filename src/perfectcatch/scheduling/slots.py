"""Slots for a visit, ranked by rules; of everything that is not offered, why.

Pure: the same board, rules and request give the same answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from perfectcatch.scheduling.availability import working_time
from perfectcatch.scheduling.board import Board, Taken, Technician
from perfectcatch.scheduling.intervals import Interval, days_of, intersect, minus, total, union
from perfectcatch.scheduling.rules import Rules

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted. ``skills`` are names in any case; ``not_before`` is the earliest start."""

    duration: timedelta
    skills: frozenset[str] = frozenset()
    zone_id: int | None = None
    not_before: datetime
    technician_ids: frozenset[int] = frozenset()  # empty: anybody
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a score: ``points`` of at most ``most``, and why."""

    name: str
    points: float
    most: float
    reason: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A visit that can be offered."""

    start: datetime
    end: datetime
    technician_id: int
    technician_name: str
    arrival_window: Interval | None
    score: float
    parts: list[Part]
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a technician cannot be offered: at all, or from ``start`` to ``end``.

    ``code``: inactive, skill missing, too far, not asked for, closed, notice, not on shift, appointment,
    time off, other, too short, arrival window.
    """

    technician_id: int
    technician_name: str
    code: str
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    blocked_by: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The best slots first, and everything that was refused."""

    slots: list[Slot]
    refused: list[Refusal]
    considered: int  # slots that were possible, those beyond the limit included


@dataclass(slots=True)
class _Search:
    board: Board
    request: Request
    rules: Rules
    zone: ZoneInfo
    slots: list[Slot] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def find_slots(board: Board, request: Request, rules: Rules, zone: ZoneInfo) -> Offer:
    """Look at every technician on every day of the board's span."""
    search = _Search(board, request, rules, zone)
    for technician in board.technicians:
        refusal = _unfit(search, technician)
        if refusal is not None:
            search.refused.append(refusal)
            continue
        for day in days_of(board.span, zone):
            _look_at(search, technician, day)
    ranked = sorted(search.slots, key=lambda slot: (-slot.score, slot.start, slot.technician_id))
    return Offer(_spread(ranked, request.limit), search.refused, len(ranked))


def _spread(ranked: list[Slot], limit: int) -> list[Slot]:
    """The best ones, but of one technician no two that overlap: nobody can take both."""
    chosen: list[Slot] = []
    for slot in ranked:
        span = Interval(slot.start, slot.end)
        if not any(
            each.technician_id == slot.technician_id and span.overlaps(Interval(each.start, each.end))
            for each in chosen
        ):
            chosen.append(slot)
            if len(chosen) == limit:
                break
    return chosen


# Technicians who cannot be offered at all ---------------------------------------------------------


def _unfit(search: _Search, technician: Technician) -> Refusal | None:
    request = search.request
    if request.technician_ids and technician.id not in request.technician_ids:
        return _refusal(technician, "not asked for", "Somebody else was asked for.")
    if not technician.active:
        return _refusal(technician, "inactive", f"{technician.name} is switched off.")
    known = {skill.casefold() for skill in technician.skills}
    lacking = sorted(skill for skill in request.skills if skill.casefold() not in known)
    if lacking:
        return _refusal(technician, "skill missing", f"{technician.name} lacks {' and '.join(lacking)}.")
    if search.rules.zones == "require" and _is_far(request, technician):
        return _refusal(technician, "too far", f"{technician.name} does not work in zone {request.zone_id}.")
    return None


def _is_far(request: Request, technician: Technician) -> bool:
    zones = technician.zone_ids | ({technician.main_zone_id} if technician.main_zone_id else set())
    return request.zone_id is not None and bool(zones) and request.zone_id not in zones


def _refusal(
    technician: Technician,
    code: str,
    reason: str,
    span: Interval | None = None,
    blocked_by: int | None = None,
) -> Refusal:
    return Refusal(
        technician.id,
        technician.name,
        code,
        reason,
        span.start if span else None,
        span.end if span else None,
        blocked_by,
    )


# A day of a technician ---------------------------------------------------------------------------


def _look_at(search: _Search, technician: Technician, day: date) -> None:
    hours = search.rules.hours(day, search.zone)
    open_ = intersect([hours], [search.board.span]) if hours else []
    if not open_:
        return  # a closed day refuses everybody alike
    noticed = [Interval(search.request.not_before, search.board.span.end)]
    later = intersect(open_, noticed)
    for early in minus(open_, noticed):
        search.refused.append(_refusal(technician, "notice", "That is too soon.", early))
    working = intersect(working_time(search.board, technician, search.rules, search.zone), later)
    for absent in minus(later, working):
        reason = f"{technician.name} is not on shift."
        search.refused.append(_refusal(technician, "not on shift", reason, absent))
    search.refused += _blocks(technician, working)
    free = minus(working, _blocked(search, technician.taken))
    for gap in free:
        _fill(search, technician, day, gap)


def _blocks(technician: Technician, working: list[Interval]) -> Iterator[Refusal]:
    for each in sorted(technician.taken, key=lambda taken: taken.interval):
        for span in intersect([each.interval], working):
            match each.reason:
                case "appointment":
                    reason = f"It overlaps {each.what} (appointment {each.id})."
                case "time off":
                    reason = f"{technician.name} has time off."
                case _:
                    reason = f"{technician.name} has something else to do: {each.what}."
            yield _refusal(technician, each.reason, reason, span, each.id)


def _blocked(search: _Search, taken: Iterable[Taken]) -> list[Interval]:
    """Taken time, visits with the way to and from them."""
    buffer = search.rules.minutes("buffer_minutes")
    spans = []
    for each in taken:
        span = each.interval
        if each.reason == "appointment" and span.start < span.end:
            span = Interval(span.start - buffer, span.end + buffer)
        spans.append(span)
    return union(spans)


def _fill(search: _Search, technician: Technician, day: date, gap: Interval) -> None:
    duration = search.request.duration
    starts = list(_starts(search, gap, day))
    if not starts:
        minutes = round(gap.length / timedelta(minutes=1))
        needed = round(duration / timedelta(minutes=1))
        reason = f"Of {needed} minutes there are only {minutes} that begin at a usable time."
        search.refused.append(_refusal(technician, "too short", reason, gap))
        return
    outside: list[datetime] = []
    for start in starts:
        window = _window(search, start, day)
        if window is None and search.rules.values["arrival_windows"] and search.board.windows:
            outside.append(start)
            continue
        search.slots.append(_scored(search, technician, Interval(start, start + duration), gap, window))
    for span in union(Interval(start, start + timedelta(minutes=1)) for start in outside):
        reason = "It begins outside of every arrival window."
        search.refused.append(_refusal(technician, "arrival window", reason, span))


def _starts(search: _Search, gap: Interval, day: date) -> Iterator[datetime]:
    """Usable starts in a gap: multiples of the step after the hours begin."""
    hours = search.rules.hours(day, search.zone)
    assert hours is not None
    step = search.rules.minutes("step_minutes")
    steps = max(0, -((hours.start - gap.start) // step)) if gap.start > hours.start else 0
    start = hours.start + steps * step
    while start < gap.start:
        start += step
    while start + search.request.duration <= gap.end:
        yield start
        start += step


def _window(search: _Search, start: datetime, day: date) -> Interval | None:
    """The narrowest arrival window that ``start`` lies in."""
    midnight = start.astimezone(search.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    local = start.astimezone(search.zone)
    seconds = (local.hour * 60 + local.minute) * 60 + local.second
    fitting = [window for window in search.board.windows if window[0] <= seconds < window[1]]
    if not fitting or local.date() != day:
        return None
    first, last = min(fitting, key=lambda window: window[1] - window[0])
    utc = start.tzinfo
    # On the wall: the day of a change has another number of seconds before the window.
    opens = midnight + timedelta(seconds=first)
    closes = midnight + timedelta(seconds=last)
    return Interval(opens.astimezone(utc), closes.astimezone(utc))


# The score -------------------------------------------------------------------------------------


def _scored(
    search: _Search, technician: Technician, span: Interval, gap: Interval, window: Interval | None
) -> Slot:
    parts = [
        _sooner(search, span),
        _zone(search, technician),
        _workload(search, technician, span),
        _fit(search, technician, span, gap),
    ]
    best = max(parts, key=lambda part: (part.points / part.most if part.most else 0, part.most))
    return Slot(
        start=span.start,
        end=span.end,
        technician_id=technician.id,
        technician_name=technician.name,
        arrival_window=window,
        score=round(sum(part.points for part in parts), 1),
        parts=parts,
        reason=f"{technician.name} is on shift, free and has the skills. {best.reason}",
    )


def _part(search: _Search, name: str, share: float, reason: str) -> Part:
    most = search.rules.weight(name)
    return Part(name, round(most * min(1.0, max(0.0, share)), 1), most, reason)


def _sooner(search: _Search, span: Interval) -> Part:
    begin = max(search.board.span.start, search.request.not_before)
    whole = max((search.board.span.end - begin) / _DAY, 1.0)
    days = (span.start - begin) / _DAY
    return _part(search, "sooner", 1 - days / whole, f"It is {days:.1f} days from the earliest.")


def _zone(search: _Search, technician: Technician) -> Part:
    wanted = search.request.zone_id
    if wanted is None:
        return _part(search, "zone", 0.5, "No zone is known.")
    if technician.main_zone_id == wanted:
        return _part(search, "zone", 1.0, "It is the technician's own zone.")
    if wanted in technician.zone_ids:
        return _part(search, "zone", 0.7, "It is one of the technician's zones.")
    return _part(search, "zone", 0.0, "The technician works in other zones.")


def _workload(search: _Search, technician: Technician, span: Interval) -> Part:
    day = span.start.astimezone(search.zone).date()
    hours = search.rules.hours(day, search.zone)
    assert hours is not None
    working = intersect(working_time(search.board, technician, search.rules, search.zone), [hours])
    busy = total(intersect((each.interval for each in technician.taken), working))
    share = busy / total(working) if working else 1.0
    return _part(search, "workload", 1 - share, f"{share:.0%} of that day is taken already.")


def _fit(search: _Search, technician: Technician, span: Interval, gap: Interval) -> Part:
    """Slots at the edge of a gap leave no idle time; next to a visit of the same zone the way is short."""
    idle = min(span.start - gap.start, gap.end - span.end)
    share = 1 - min(1.0, idle / timedelta(hours=2))
    reason = "It leaves no idle time." if not idle else f"It leaves {round(idle.seconds / 60)} minutes idle."
    wanted, near = search.request.zone_id, timedelta(hours=2)
    for each in technician.taken:
        between = max(span.start - each.interval.end, each.interval.start - span.end)
        if wanted is not None and each.zone_id == wanted and timedelta() <= between <= near:
            return _part(search, "fit", 0.5 + share / 2, "A visit in the same zone is next to it.")
    return _part(search, "fit", share / 2 if wanted is not None else share, reason)
