"""The company's history, customer by customer: each section's records in the order in which they depend."""

from collections.abc import Iterator
from datetime import datetime

from perfectcatch.sandbox.servicetitan.company import (
    billing,
    board,
    ids,
    inbound,
    lists,
    people,
    selling,
    upkeep,
    work,
)
from perfectcatch.sandbox.servicetitan.company.moments import DAY, chance, plain
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.people import Household
from perfectcatch.sandbox.servicetitan.company.plan import Size
from perfectcatch.sandbox.servicetitan.company.trades import INSTALL
from perfectcatch.sandbox.servicetitan.company.work import Project, Work
from perfectcatch.sandbox.servicetitan.company.world import World

Filed = tuple[str, Record]

_IN_PROJECT, _FROM_ESTIMATE, _MEMBER_VISIT = 0.4, 0.5, 0.4
_PROJECT_OPEN = 90 * DAY
_SECONDS = len("2026-01-01T00:00:00")


def tell(seed: int, size: Size, now: datetime) -> Iterator[Filed]:
    """Yield every record of the company with the name of its collection."""
    world = World(seed, size, now)
    yield from lists.records(world.office)
    yield from world.pricebook.records()
    yield from board.records(world)
    for index in range(size.customers):
        yield from _customer(world, index)
    yield from inbound.strays(world)
    # Last, because a technician's record shows the job he is on.
    yield from world.office.records()


def _customer(world: World, index: int) -> Iterator[Filed]:
    home = people.meet(world, index)
    yield from people.contacts(world, home)
    yield from upkeep.memberships(world, home)
    yield from upkeep.found(world, home)
    projects: list[Project] = []
    sold: list[Record] = []
    for number in world.plan.jobs_of[index]:
        job = work.undertake(world, home, number)
        _relate(world, home, job, projects, sold)
        yield from _job(world, home, job, sold)
        home.last_change = job.booked + 60
    yield from billing.bill_sales(world, home)
    yield from selling.loose_estimates(world, home, projects)
    for project in projects:
        yield "jpm.projects", work.project_record(world, home, project)
    for place in home.places:
        yield "crm.locations", place.record
    yield "crm.customers", people.customer_record(world, home)


def _relate(world: World, home: Household, job: Work, projects: list[Project], sold: list[Record]) -> None:
    """Tie a job to the customer's project, membership, earlier job and sold estimate."""
    random = world.work
    if job.kind.division == INSTALL:
        if (
            sold
            and sold[-1]["soldOn"][:_SECONDS] < plain(job.booked)[:_SECONDS]
            and chance(random, _FROM_ESTIMATE)
        ):
            job.sold_from_id = sold.pop()["id"]
        last = projects[-1] if projects else None
        if last and job.booked - last.began < _PROJECT_OPEN:
            last.jobs.append(job)
            job.project_id, job.place = last.id, last.place
        elif chance(random, _IN_PROJECT):
            project = Project(world.next(ids.PROJECTS), job.place, job.booked, job.kind.trade, [job])
            projects.append(project)
            job.project_id = project.id
    elif _covered(home, job) and chance(random, _MEMBER_VISIT):
        job.membership_id = home.memberships[0][0]
    if job.kind.no_charge and home.job_ids:
        job.recall_for_id = home.job_ids[-1]


def _covered(home: Household, job: Work) -> bool:
    return any(began <= job.booked < ends for _, _, began, ends in home.memberships)


def _job(world: World, home: Household, job: Work, sold: list[Record]) -> Iterator[Filed]:
    yield from inbound.how_it_came(world, home, job)
    for filed in billing.bill_job(world, home, job):
        if filed[0] == "accounting.invoices":
            yield from upkeep.installed(world, home, job, filed[1])
        yield filed
    for filed in selling.estimates_of_job(world, home, job):
        if filed[1]["soldBy"]:
            sold.append(filed[1])
        yield filed
    yield from work.visit_records(world, home, job)
    yield from work.paper_records(world, job)
    yield "jpm.jobs", work.job_record(world, home, job)
    home.job_ids.append(job.id)
    for visit in job.visits:
        if visit.status == "Working":
            world.office.put_to_work(visit.crew, job.id, visit.id)
