"""What a deal is made of: the facts of a customer out of the mirror, and what an opportunity should say.

A deal is one journey from lead to paid. Sibling estimates of one job are one deal, and an installation that
was sold goes on in the deal of its sale. Money is Decimal; moments carry a zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from perfectcatch.model.crm import DealStatus, Stage

TWIN: Final = "twin"  # a field of conflicts: ``theirs`` is a second opportunity of the deal


class Track(StrEnum):
    """A pipeline by what it is for."""

    SALES = "sales"
    INSTALL = "install"
    NURTURE = "nurture"
    REVIEWS = "reviews"


class Step(StrEnum):
    """A stage by what it means."""

    NEW_LEAD = "new_lead"
    CONTACTED = "contacted"
    APPOINTMENT_SCHEDULED = "appointment_scheduled"
    PROPOSAL_SENT = "proposal_sent"
    FOLLOW_UP = "follow_up"
    JOB_SOLD = "job_sold"
    ESTIMATE_LOST = "estimate_lost"
    READY_FOR_INSTALL = "ready_for_install"
    INSTALL_SCHEDULED = "install_scheduled"
    INSTALL_COMPLETE = "install_complete"
    PAID = "paid"
    NURTURE = "nurture"
    REVIEW = "review"


STEPS: Final[Mapping[Track, tuple[Step, ...]]] = {
    Track.SALES: (
        Step.NEW_LEAD,
        Step.CONTACTED,
        Step.APPOINTMENT_SCHEDULED,
        Step.PROPOSAL_SENT,
        Step.FOLLOW_UP,
        Step.JOB_SOLD,
        Step.ESTIMATE_LOST,
    ),
    Track.INSTALL: (Step.READY_FOR_INSTALL, Step.INSTALL_SCHEDULED, Step.INSTALL_COMPLETE, Step.PAID),
    Track.NURTURE: (Step.NURTURE,),
    Track.REVIEWS: (Step.REVIEW,),
}


class Part(StrEnum):
    """What can be switched off by itself."""

    CUSTOMERS = "customers"
    JOBS = "jobs"
    ESTIMATES = "estimates"


# Facts -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who the deals are about. ``contacted_at``: the first call or message between us."""

    st_id: int
    name: str = ""
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    created_at: datetime | None = None
    contacted_at: datetime | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A business unit. ``pipeline_id`` is its own pipeline at the CRM, if it has one."""

    st_id: int
    name: str = ""
    pipeline_id: str | None = None

    @property
    def installs(self) -> bool:
        """Whether its jobs are installations, as the event ``install_job_created`` has it."""
        return "install" in self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that is there."""

    st_id: int
    number: str = ""
    status: str = "Scheduled"
    unit: Unit | None = None
    project_id: int | None = None
    from_estimate_id: int | None = None
    puts_right_id: int | None = None
    total: Decimal | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None
    completed_at: datetime | None = None
    technicians: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An appointment that is there."""

    st_id: int
    job_id: int
    status: str = "Scheduled"
    starts_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate that is there. ``status``: Open, Sold or Dismissed."""

    st_id: int
    job_id: int | None = None
    project_id: int | None = None
    unit: Unit | None = None
    name: str = ""
    status: str = "Open"
    total: Decimal | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None
    sold_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An invoice that is there."""

    st_id: int
    job_id: int | None = None
    total: Decimal | None = None
    balance: Decimal | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything of one customer that decides; ``family``: the customer, then whoever was merged."""

    customer: Customer
    family: tuple[int, ...] = ()
    jobs: tuple[Job, ...] = ()
    visits: tuple[Visit, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    bills: tuple[Bill, ...] = ()


# What follows --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the opportunity of a deal should say. ``key`` is the deal's name, such as ``job-70``.

    ``over``: the journey has ended. ``moved_at``: when something last happened on it.
    """

    key: str
    customer_id: int
    track: Track
    step: Step
    status: DealStatus
    name: str
    value: Decimal | None = None
    job_id: int | None = None
    job_ids: tuple[int, ...] = ()
    estimate_id: int | None = None
    technicians: str = ""
    unit: Unit | None = None
    over: bool = False
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A stage of the account that stands for a step."""

    pipeline_id: str
    pipeline_name: str
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What we know of a deal's opportunity.

    ``written``: by field, what we last wrote or agreed to. ``conceded``: by field, what a person said instead
    and we left. ``pending``: what was being written when nobody knows how it ended.
    """

    deal: str
    customer_id: int
    job_id: int | None = None
    estimate_id: int | None = None
    opportunity_id: str | None = None
    contact_id: str | None = None
    written: Mapping[str, str | None] = field(default_factory=dict)
    conceded: Mapping[str, str | None] = field(default_factory=dict)
    pending: Mapping[str, str | None] | None = None
    creating_at: datetime | None = None
    note: str | None = None
