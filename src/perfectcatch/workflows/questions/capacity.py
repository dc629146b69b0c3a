"""How much time is free in the coming days, and two moments that could be named, the emptiest days first."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.scheduling import rules as rulebook
from perfectcatch.scheduling.availability import availability
from perfectcatch.scheduling.board import Board, read_board
from perfectcatch.scheduling.intervals import Interval, days_of, intersect, total, whole_day
from perfectcatch.scheduling.rules import Rules
from perfectcatch.scheduling.slots import Request, Slot, find_slots
from perfectcatch.workflows import wording
from perfectcatch.workflows.questions.asked import Asked

GIVES: Final = ("known", "free_share", "slots")
_UTC: Final = ZoneInfo("UTC")
_USUAL_DAYS: Final = 14
_NAMED: Final = 2
_LOOKED_AT: Final = 200


async def answer(asked: Asked) -> dict[str, Any]:
    """Free time of ``days`` (14) as a share of all working time, and ``slots`` for a ``job_type_id``.

    ``known`` is false where nobody works by what the mirror has: then nothing speaks against a visit.
    """
    days = int(asked.values.get("days") or _USUAL_DAYS)
    start = asked.now.astimezone(_UTC)
    span = Interval(start, start + timedelta(days=days))
    rules = await rulebook.in_force(asked.reads, asked.tenant_id)
    board = await read_board(asked.reads, asked.tenant_id, asked.entities, span, rules, asked.zone)
    shares = _free_by_day(board, rules, asked.zone)
    working = sum((each[0] for each in shares.values()), timedelta())
    free = sum((each[1] for each in shares.values()), timedelta())
    if not working:
        return {"known": False, "free_share": 1.0, "slots": ""}
    emptiest = sorted(shares, key=lambda day: (-_share(*shares[day]), day))
    slots = await _slots(asked, board, rules)
    return {
        "known": True,
        "free_share": round(_share(working, free), 3),
        "slots": " or ".join(_told(each, asked.zone) for each in _chosen(slots, emptiest, asked.zone)),
    }


def _free_by_day(board: Board, rules: Rules, zone: ZoneInfo) -> dict[date, tuple[timedelta, timedelta]]:
    """Working and free time of everybody together, by the day of ``zone``."""
    found = [availability(board, each, rules, zone) for each in board.technicians]
    shares = {}
    for day in days_of(board.span, zone):
        whole = [whole_day(day, zone)]
        working = sum((total(intersect(each.working, whole)) for each in found), timedelta())
        free = sum((total(intersect(each.free, whole)) for each in found), timedelta())
        if working:
            shares[day] = (working, free)
    return shares


def _share(working: timedelta, free: timedelta) -> float:
    return free / working


async def _slots(asked: Asked, board: Board, rules: Rules) -> Sequence[Slot]:
    job_type = asked.values.get("job_type_id")
    kinds = await asked.reads.rows(
        f"select duration, skills from {asked.tables['job_types']} where tenant_id = %s and st_id = %s",
        (asked.tenant_id, job_type),
    )
    kind = kinds[0] if kinds else {"duration": None, "skills": None}
    offer = find_slots(
        board,
        Request(
            duration=rules.duration(job_type, kind["duration"]),
            skills=frozenset(kind["skills"] or ()),
            zone_id=asked.values.get("zone_id"),
            not_before=board.span.start + timedelta(days=1),
            limit=_LOOKED_AT,
        ),
        rules,
        asked.zone,
    )
    return offer.slots


def _chosen(slots: Sequence[Slot], emptiest: Sequence[date], zone: ZoneInfo) -> list[Slot]:
    """The best slot of each of the emptiest days that have one, in the order of time."""
    best: dict[date, Slot] = {}
    for slot in slots:  # the best come first
        best.setdefault(slot.start.astimezone(zone).date(), slot)
    return sorted((best[day] for day in [each for each in emptiest if each in best][:_NAMED]), key=_start)


def _start(slot: Slot) -> Any:
    return slot.start


def _told(slot: Slot, zone: ZoneInfo) -> str:
    """``Tuesday, June 9, around 8 AM``, or the arrival window where the company has them."""
    window = slot.arrival_window
    if window is not None:
        return f"{wording.day(window.start, zone)} between {wording.window(window.start, window.end, zone)}"
    return f"{wording.day(slot.start, zone)} around {wording.clock(slot.start, zone)}"
