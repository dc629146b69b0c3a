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
    estimates_of: dict[str, list[Estimate]] = defaultdict(list)
    for estimate in facts.estimates:
        estimates_of[_key_of(estimate, facts, jobs, roots)].append(estimate)
    keys = {*jobs_of, *estimates_of}
    if Part.JOBS not in parts:  # an estimate brings its job, a job alone is nobody's deal
        keys = set(estimates_of)
    found = [_journey(key, jobs_of.get(key, ()), estimates_of.get(key, ()), facts) for key in keys]
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
    before = {job_id: _comes_from(job, jobs, estimates, facts) for job_id, job in jobs.items()}
    found = {}
    for job_id in jobs:
        here, seen = job_id, {job_id}
        while (earlier := before[here]) is not None and earlier not in seen:
            here = earlier
            seen.add(here)
        found[job_id] = here
    return {job_id: root for job_id, root in found.items() if jobs[job_id].puts_right_id is None}


def _comes_from(
    job: Job, jobs: Mapping[int, Job], estimates: Mapping[int, Estimate], facts: Facts
) -> int | None:
    """The job whose sale led to this one."""
    if job.from_estimate_id is not None and (sale := estimates.get(job.from_estimate_id)) is not None:
        return sale.job_id if sale.job_id in jobs and sale.job_id != job.st_id else None
    if job.project_id is None:
        return None
    sold = [
        each.job_id
        for each in facts.estimates
        if each.status == "Sold"
        and each.job_id is not None
        and each.job_id in jobs
        and each.job_id < job.st_id
        and jobs[each.job_id].project_id == job.project_id
    ]
    return min(sold, default=None)


def _key_of(estimate: Estimate, facts: Facts, jobs: Mapping[int, Job], roots: Mapping[int, int]) -> str:
    if estimate.job_id is not None:
        job = jobs.get(estimate.job_id)
        put_right = job.puts_right_id if job is not None else None
        here = put_right if put_right in roots and estimate.job_id not in roots else estimate.job_id
        return f"job-{roots.get(here or 0, here)}"
    made = [job.st_id for job in facts.jobs if job.from_estimate_id == estimate.st_id and job.st_id in roots]
    if made:
        return f"job-{roots[min(made)]}"
    if estimate.project_id is None:
        return f"estimate-{estimate.st_id}"
    of_project = [job.st_id for job in facts.jobs if job.project_id == estimate.project_id]
    of_project = [job_id for job_id in of_project if job_id in roots]
    if of_project:
        return f"job-{roots[min(of_project)]}"
    options = [each.st_id for each in facts.estimates if _is_option(each, estimate)]
    return f"estimate-{min(options)}"


def _is_option(one: Estimate, other: Estimate) -> bool:
    return one.job_id is None and one.project_id == other.project_id


def _journey(key: str, jobs: Sequence[Job], estimates: Sequence[Estimate], facts: Facts) -> Journey:
    root = int(key.rpartition("-")[2])
    if not jobs and key.startswith("job-"):  # of a job that puts another right, or that is switched off
        jobs = [job for job in facts.jobs if job.st_id == root]
    ids = {job.st_id for job in jobs}
    return Journey(
        key=key,
        jobs=tuple(sorted(jobs, key=lambda job: (job.st_id != root, job.st_id))),
        visits=tuple(each for each in facts.visits if each.job_id in ids),
        estimates=tuple(sorted(estimates, key=lambda each: each.st_id)),
        bills=tuple(each for each in facts.bills if each.job_id in ids),
    )


def _age(journey: Journey) -> tuple[float, str]:
    papers: Sequence[Job | Estimate] = (*journey.jobs, *journey.estimates)
    begun = [each.created_at for each in papers if each.created_at is not None]
    return min((moment.timestamp() for moment in begun), default=inf), journey.key
