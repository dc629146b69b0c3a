"""How much happened and when: the company's history as bare numbers, before any record is written.

Everything that has to add up exactly (how many jobs, visits, estimates and invoices there are, and which
customer each belongs to) is settled here, so that records can then be written customer by customer in
bounded memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from random import Random

from perfectcatch.errors import BadArgument
from perfectcatch.sandbox.servicetitan.company.moments import DAY, HOUR, MINUTE, Calendar, chance, stream
from perfectcatch.sandbox.servicetitan.company.trades import (
    COMMERCIAL_UNIT,
    INSTALL,
    KINDS,
    SEASONS,
    UNITS,
    WEEKDAYS,
)

AHEAD_DAYS = 14
_RECENT_DAYS = 42
_LONG = 4  # hours; such jobs begin in the morning
_DEFAULT = (
    1_696,
    3_260,
    1_247,
    3_597,
    4_156,
    14,
)  # customers, jobs, estimates, invoices, visits, technicians

_IMPORTED = 0.35  # of the customers were carried over when the company began with the vendor
_COMMERCIAL = 0.11
_COMMERCIAL_TICKETS = 5  # a commercial customer is that much likelier to have the next job
_MEMBERS = 0.24
_MERGED = 0.005
_INACTIVE = 0.04
_MANY_ENOUGH_TO_MERGE = 40
_LOOSE_ESTIMATES = 0.08
_ADJUSTMENTS = 0.4  # of the invoices beyond one for each job
_CANCELED, _HELD = 0.07, 0.012
DONE, CANCELED, HELD = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Size:
    """How many records there are, inactive ones included."""

    customers: int
    jobs: int
    estimates: int
    invoices: int
    appointments: int
    technicians: int

    def __post_init__(self) -> None:
        if self.customers < 1 or self.technicians < 1:
            raise BadArgument("A company needs at least one customer and one technician: ask for 1 or more")
        if self.jobs > min(self.invoices, self.appointments):
            raise BadArgument(
                "Each job has an invoice and an appointment: ask for at least as many of them as of jobs"
            )
        if self.jobs < self.customers - round(self.customers * _IMPORTED):
            raise BadArgument(
                "Ask for at least two jobs to three customers: most customers came with their first job"
            )

    @classmethod
    def of(cls, customers: int) -> Size:
        """Return the usual proportions for so many customers; technicians grow with the square root."""
        whole, jobs, estimates, invoices, appointments, technicians = _DEFAULT
        share = customers / whole
        jobs = round(jobs * share)
        return cls(
            customers=customers,
            jobs=jobs,
            estimates=round(estimates * share),
            invoices=max(jobs, round(invoices * share)),
            appointments=max(jobs, round(appointments * share)),
            technicians=max(6, round(technicians * share**0.5)),
        )


@dataclass
class Plan:
    """The history in numbers. Lists are indexed by job (in order of booking) or by customer."""

    size: Size
    starts: array[int]  # of the first visit
    booked: array[int]
    kinds: array[int]
    fates: array[int]
    owners: array[int]  # the job's customer
    visits: array[int]
    quotes: array[int]
    adjusted: array[int]
    created: array[int]  # customers from here on
    commercial: bytearray
    member: bytearray
    inactive: bytearray
    merged_to: dict[int, int]
    jobs_of: list[list[int]]
    loose_quotes: array[int]
    extra_invoices: array[int]

    def __post_init__(self) -> None:
        self.first_visit = _offsets(self.visits)
        self.first_quote = _offsets(self.quotes)
        self.first_loose_quote = _offsets(self.loose_quotes, self.first_quote[-1])
        self.first_invoice = _offsets([1 + each for each in self.adjusted])
        self.first_extra_invoice = _offsets(self.extra_invoices, self.first_invoice[-1])


def _offsets(counts: Sequence[int], first: int = 0) -> array[int]:
    return array("q", accumulate(counts, initial=first))


def _numbers(count: int) -> array[int]:
    return array("q", bytes(8 * count))


def _deal(
    random: Random, among: Sequence[int], weigh: Callable[[int], float], count: int, into: array[int]
) -> bool:
    """Add ``count`` to ``into``, spread over the indexes ``among`` by weight; false where there are none."""
    if count <= 0:
        return True
    totals = list(accumulate(weigh(index) for index in among))
    if not totals or totals[-1] <= 0:
        return False
    for index in random.choices(among, cum_weights=totals, k=count):
        into[index] += 1
    return True


def make_plan(seed: int, size: Size, calendar: Calendar) -> Plan:
    """Settle the history."""
    random = stream(seed, "plan")
    starts, booked, kinds, fates = _schedule(random, size.jobs, calendar)
    created, commercial, owners = _arrivals(random, size, booked, calendar)
    _suit_commercial(random, kinds, owners, commercial)
    jobs_of: list[list[int]] = [[] for _ in range(size.customers)]
    for job, owner in enumerate(owners):
        jobs_of[owner].append(job)

    visits = array("q", [1]) * size.jobs
    _deal(
        random, range(size.jobs), lambda job: _visit_weight(kinds[job]), size.appointments - size.jobs, visits
    )
    merged_to = _merges(random, jobs_of)
    member = bytearray(bool(jobs) and chance(random, _MEMBERS) for jobs in jobs_of)
    inactive = _inactive(random, jobs_of, merged_to, starts, calendar)
    for index in range(size.customers):
        member[index] = member[index] and not inactive[index]
    living = [index for index in range(size.customers) if index not in merged_to]

    done = [job for job in range(size.jobs) if fates[job] == DONE and starts[job] < calendar.now - DAY]
    quotes, loose = _numbers(size.jobs), _numbers(size.customers)
    unattached = round(size.estimates * _LOOSE_ESTIMATES)
    if not _deal(random, done, lambda job: KINDS[kinds[job]].quotes, size.estimates - unattached, quotes):
        unattached = size.estimates
    _deal(random, living, lambda index: 1 + 3 * len(jobs_of[index]), unattached, loose)

    adjusted, extra = _numbers(size.jobs), _numbers(size.customers)
    spare = size.invoices - size.jobs
    corrections = min(round(spare * _ADJUSTMENTS), len(done))
    for job in random.sample(done, corrections):
        adjusted[job] = 1
    members = [index for index in living if member[index]] or living
    _deal(random, members, lambda _: 1, spare - corrections, extra)
    return Plan(
        size, starts, booked, kinds, fates, owners, visits, quotes, adjusted, created, commercial, member,
        inactive, merged_to, jobs_of, loose, extra,
    )  # fmt: skip


def _visit_weight(kind: int) -> float:
    return 6.0 if KINDS[kind].division == INSTALL else 1.0


# When jobs happen ------------------------------------------------------------------------------


def _day_weight(day: int, calendar: Calendar) -> float:
    moment = date.fromordinal(day)
    age = calendar.today - day
    weight = WEEKDAYS[moment.weekday()] * (1.45 - 0.85 * max(age, 0) / (calendar.today - calendar.first_day))
    weight *= sum(season[moment.month - 1] for season in SEASONS.values()) / len(SEASONS)
    if 0 <= age < _RECENT_DAYS:
        return weight * 1.6
    return weight if age > 0 else weight * 1.6 * (1 + age / (AHEAD_DAYS + 4))


def _schedule(
    random: Random, count: int, calendar: Calendar
) -> tuple[array[int], array[int], array[int], array[int]]:
    """Return start, booking, kind and fate of each job, in order of booking."""
    days = range(calendar.first_day + 2, calendar.today + AHEAD_DAYS + 1)
    totals = list(accumulate(_day_weight(day, calendar) for day in days))
    usual = [
        list(
            accumulate(
                0 if kind.unit == COMMERCIAL_UNIT else kind.weight * SEASONS[kind.trade][month]
                for kind in KINDS
            )
        )
        for month in range(12)
    ]
    everything = range(len(KINDS))
    rows = []
    for day in random.choices(days, cum_weights=totals, k=count):
        kind = random.choices(everything, cum_weights=usual[date.fromordinal(day).month - 1])[0]
        hour = 8 + 0.5 * random.randrange(17 if KINDS[kind].hours < _LONG else 5)
        roll = random.random()
        fate = CANCELED if roll < _CANCELED else HELD if roll < _CANCELED + _HELD else DONE
        rows.append(
            (
                _booking(random, (day, hour), KINDS[kind].priority, calendar),
                calendar.at(day, hour),
                kind,
                fate,
            )
        )
    rows.sort()
    booked, starts, kinds, fates = zip(*rows, strict=True) if rows else ((), (), (), ())
    return array("q", starts), array("q", booked), array("q", kinds), array("q", fates)


def _booking(random: Random, start: tuple[int, float], priority: str, calendar: Calendar) -> int:
    day, hour = start
    if priority == "Urgent":
        booked = calendar.at(day, hour) - random.randrange(40 * MINUTE, 6 * HOUR)
    else:
        booked = calendar.at(day - random.randrange(1, 10), 7.5 + 10.5 * random.random())
    if booked > calendar.now:
        return calendar.now - int(random.random() ** 2 * 5 * DAY) - 2 * MINUTE
    return max(calendar.opening + DAY, booked)


# Whose jobs they are ---------------------------------------------------------------------------


def _arrivals(
    random: Random, size: Size, booked: array[int], calendar: Calendar
) -> tuple[array[int], bytearray, array[int]]:
    """Return when each customer was created, whether it is a business, and the owner of each job."""
    created, owners = array("q"), array("q")
    commercial = bytearray(chance(random, _COMMERCIAL) for _ in range(size.customers))
    tickets: list[int] = []

    def arrive(moment: int) -> int:
        index = len(created)
        created.append(moment)
        tickets.extend([index] * (_COMMERCIAL_TICKETS if commercial[index] else 1))
        return index

    imported = max(round(size.customers * _IMPORTED), 1) if size.customers > 1 else 1
    for number in range(imported):
        arrive(calendar.opening + number * 9 % (20 * HOUR))
    for job, moment in enumerate(booked):
        awaited = size.customers - len(created)
        if random.randrange(len(booked) - job) < awaited:
            owners.append(arrive(moment - random.randrange(1, 15) * 20))
        else:
            owners.append(random.choice(tickets))
    return created, commercial, owners


def _suit_commercial(random: Random, kinds: array[int], owners: array[int], commercial: bytearray) -> None:
    business = [index for index, kind in enumerate(KINDS) if kind.unit == COMMERCIAL_UNIT]
    for job, owner in enumerate(owners):
        if commercial[owner] and UNITS[KINDS[kinds[job]].unit].trade == "Pool" and chance(random, 0.8):
            kinds[job] = random.choice(business)


def _merges(random: Random, jobs_of: list[list[int]]) -> dict[int, int]:
    """Return duplicates and what they were merged into; the first two form a chain."""
    idle = [index for index, jobs in enumerate(jobs_of) if not jobs]
    busy = [index for index, jobs in enumerate(jobs_of) if jobs]
    if len(jobs_of) < _MANY_ENOUGH_TO_MERGE:
        return {}
    count = min(max(3, round(len(jobs_of) * _MERGED)), len(idle))
    losers = sorted(random.sample(idle, count))
    merged = {loser: random.choice(busy) for loser in losers}
    if len(losers) > 1:
        merged[losers[0]] = losers[1]
    return merged


def _inactive(
    random: Random,
    jobs_of: list[list[int]],
    merged_to: dict[int, int],
    starts: array[int],
    calendar: Calendar,
) -> bytearray:
    flags = bytearray(len(jobs_of))
    for loser in merged_to:
        flags[loser] = 1
    lately = calendar.now - 180 * DAY
    kept = set(merged_to.values())
    quiet = [
        index
        for index, jobs in enumerate(jobs_of)
        if not flags[index] and index not in kept and all(starts[job] < lately for job in jobs)
    ]
    wanted = round(len(jobs_of) * _INACTIVE) - len(merged_to)
    for index in random.sample(quiet, max(0, min(wanted, len(quiet)))):
        flags[index] = 1
    return flags
