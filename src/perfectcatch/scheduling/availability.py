"""When a technician is free, as a pure function of the board."""

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from perfectcatch.scheduling.board import Board, Taken, Technician
from perfectcatch.scheduling.intervals import Interval, days_of, intersect, minus, union
from perfectcatch.scheduling.rules import Rules


@dataclass(frozen=True, slots=True)
class Availability:
    """``working``: the shifts inside the span; ``free``: what of them is not taken; ``taken``: by what."""

    technician: Technician
    working: list[Interval]
    free: list[Interval]
    taken: list[Taken]


def availability(board: Board, technician: Technician, rules: Rules, zone: ZoneInfo) -> Availability:
    """When ``technician`` works, is free, and is not."""
    working = intersect(working_time(board, technician, rules, zone), [board.span])
    if not technician.active:
        working = []
    taken = [each for each in technician.taken if each.interval.overlaps(board.span)]
    return Availability(
        technician, working, minus(working, (each.interval for each in technician.taken)), sorted_(taken)
    )


def working_time(board: Board, technician: Technician, rules: Rules, zone: ZoneInfo) -> list[Interval]:
    """The shifts of ``technician``; the company's hours where it keeps no shifts at all."""
    if board.keeps_shifts:
        return union(technician.shifts)
    return union(_hours(board.span, rules, zone))


def _hours(span: Interval, rules: Rules, zone: ZoneInfo) -> Iterator[Interval]:
    for day in days_of(span, zone):
        hours = rules.hours(day, zone)
        if hours is not None:
            yield hours


def sorted_(taken: list[Taken]) -> list[Taken]:
    """In the order of time."""
    return sorted(taken, key=lambda each: (each.interval, each.reason, each.id))
