"""Which deals a customer has: jobs, estimates and installations of one decision are one journey."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf

from perfectcatch.model.deals import Bill, Estimate, Facts, Job, Part, Unit, Visit

ALL_PARTS = frozenset(Part)
CANCELED = "Canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What belongs to one deal. ``jobs``: the one that it is named after first, if there is one."""

    key: str
    jobs: tuple[Job, ...] = ()
    visits: tuple[Visit, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    bills: tuple[Bill, ...] = field(default=())

    @property
    def root(self) -> Job | None:
        """The job that the deal is named after."""
        return self.jobs[0] if self.jobs else None

    @property
    def unit(self) -> Unit | None:
        """The business unit that the deal belongs to."""
        if self.root is not None and self.root.unit is not None:
            return self.root.unit
        return next((each.unit for each in self.estimates if each.unit is not None), None)

    @property
    def installs(self) -> tuple[Job, ...]:
        """Installations that are not cancelled."""
        return tuple(job for job in self.jobs if is_install(job) and job.status != CANCELED)

    @property
    def moved_at(self) -> datetime | None:
        """When something last happened."""
        papers: Sequence[Job | Estimate] = (*self.jobs, *self.estimates)
        beside: Sequence[Visit | Bill] = (*self.visits, *self.bills)
        moments = [moment for each in papers for moment in (each.changed_at, each.created_at)]
        moments += [each.changed_at for each in beside]
        return max((moment for moment in moments if moment is not None), default=None)


def is_install(job: Job) -> bool:
    """Whether a job is an installation."""
    return job.unit is not None and job.unit.installs


def journeys(facts: Facts, parts: frozenset[Part] = ALL_PARTS) -> tuple[Journey, ...]:
    """Every journey of a customer, the oldest first. What is switched off is as if it were not there."""
    facts = _within(facts, parts)
    jobs = {job.st_id: job for job in facts.jobs}
    roots = _roots(facts, jobs)
    jobs_of: dict[str, list[Job]] = defaultdict(list)
    for job_id, root in roots.items():
        jobs_of[f"job-{root}"].append(jobs[job_id])
    places = _Places(facts, jobs, roots)
    estimates_of: dict[str, list[Estimate]] = defaultdict(list)
    for estimate in facts.estimates:
        estimates_of[_key_of(estimate, jobs, roots, places)].append(estimate)
    keys = {*jobs_of, *estimates_of}
    if Part.JOBS not in parts:  # an estimate brings its job, a job alone is nobody's deal
        keys = set(estimates_of)
    beside = _beside(facts)
    found = [_journey(key, jobs_of.get(key, ()), estimates_of.get(key, ()), jobs, beside) for key in keys]
    return tuple(sorted(found, key=_age))


def _within(facts: Facts, parts: frozenset[Part]) -> Facts:
    return replace(
        facts,
        visits=facts.visits if Part.JOBS in parts else (),
        estimates=facts.estimates if Part.ESTIMATES in parts else (),
    )


def _roots(facts: Facts, jobs: Mapping[int, Job]) -> dict[int, int]:
    """For each job the one whose deal it belongs to; a job that puts another right has no deal of its own."""
    estimates = {each.st_id: each for each in facts.estimates}
    sold: dict[int, int] = {}  # of each project, the first job with a sale
    for each in facts.estimates:
        job = jobs.get(each.job_id or 0)
        if each.status == "Sold" and job is not None and job.project_id is not None:
            sold[job.project_id] = min(sold.get(job.project_id, job.st_id), job.st_id)
    before = {job_id: _comes_from(job, jobs, estimates, sold) for job_id, job in jobs.items()}
    found = {}
    for job_id in jobs:
        here, seen = job_id, {job_id}
        while (earlier := before[here]) is not None and earlier not in seen:
            here = earlier
            seen.add(here)
        found[job_id] = here
    return {job_id: root for job_id, root in found.items() if jobs[job_id].puts_right_id is None}


def _comes_from(
    job: Job, jobs: Mapping[int, Job], estimates: Mapping[int, Estimate], sold: Mapping[int, int]
) -> int | None:
    """The job whose sale led to this one."""
    if job.from_estimate_id is not None and (sale := estimates.get(job.from_estimate_id)) is not None:
        return sale.job_id if sale.job_id in jobs and sale.job_id != job.st_id else None
    first = sold.get(job.project_id) if job.project_id is not None else None
    return first if first is not None and first < job.st_id else None


class _Places:
    """Where estimates without a job belong, looked up once: a customer may have thousands of them.

    By an estimate's id the first job that was made of it; by a project's its first job and its first option.
    """

    def __init__(self, facts: Facts, jobs: Mapping[int, Job], roots: Mapping[int, int]) -> None:
        self.made: dict[int, int] = {}
        self.of_project: dict[int, int] = {}
        self.option: dict[int, int] = {}
        for job_id in sorted(roots):
            job = jobs[job_id]
            if job.from_estimate_id is not None:
                self.made.setdefault(job.from_estimate_id, job_id)
            if job.project_id is not None:
                self.of_project.setdefault(job.project_id, job_id)
        for each in sorted(facts.estimates, key=lambda one: one.st_id):
            if each.job_id is None and each.project_id is not None:
                self.option.setdefault(each.project_id, each.st_id)


def _key_of(estimate: Estimate, jobs: Mapping[int, Job], roots: Mapping[int, int], places: _Places) -> str:
    if estimate.job_id is not None:
        job = jobs.get(estimate.job_id)
        put_right = job.puts_right_id if job is not None else None
        here = put_right if put_right in roots and estimate.job_id not in roots else estimate.job_id
        return f"job-{roots.get(here or 0, here)}"
    if (made := places.made.get(estimate.st_id)) is not None:
        return f"job-{roots[made]}"
    if estimate.project_id is None:
        return f"estimate-{estimate.st_id}"
    if (first := places.of_project.get(estimate.project_id)) is not None:
        return f"job-{roots[first]}"
    return f"estimate-{places.option[estimate.project_id]}"


@dataclass(frozen=True, slots=True)
class _Beside:
    """Visits and bills by their jobs."""

    visits: Mapping[int, Sequence[Visit]]
    bills: Mapping[int, Sequence[Bill]]


def _beside(facts: Facts) -> _Beside:
    visits: dict[int, list[Visit]] = defaultdict(list)
    bills: dict[int, list[Bill]] = defaultdict(list)
    for visit in facts.visits:
        visits[visit.job_id].append(visit)
    for bill in facts.bills:
        if bill.job_id is not None:
            bills[bill.job_id].append(bill)
    return _Beside(visits, bills)


def _journey(
    key: str, jobs: Sequence[Job], estimates: Sequence[Estimate], all_jobs: Mapping[int, Job], beside: _Beside
) -> Journey:
    root = int(key.rpartition("-")[2])
    if not jobs and key.startswith("job-") and root in all_jobs:
        jobs = [all_jobs[root]]  # of a job that puts another right, or that is switched off
    ids = sorted({job.st_id for job in jobs}, reverse=True)
    return Journey(
        key=key,
        jobs=tuple(sorted(jobs, key=lambda job: (job.st_id != root, job.st_id))),
        visits=tuple(each for job_id in ids for each in beside.visits.get(job_id, ())),
        estimates=tuple(sorted(estimates, key=lambda each: each.st_id)),
        bills=tuple(each for job_id in ids for each in beside.bills.get(job_id, ())),
    )


def _age(journey: Journey) -> tuple[float, str]:
    papers: Sequence[Job | Estimate] = (*journey.jobs, *journey.estimates)
    begun = [each.created_at for each in papers if each.created_at is not None]
    return min((moment.timestamp() for moment in begun), default=inf), journey.key
