"""What callers send about the CRM, and what they are told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from perfectcatch.gateway.models import Asked, Dollars, Told
from perfectcatch.store.reading.fields import BIGGEST

Id = Annotated[int, Field(ge=-BIGGEST, le=BIGGEST)]
CrmId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class Contact(Told):
    """A contact of the CRM as it was last read; ``synced_to_st``: it is one of our customers."""

    id: int
    ghl_id: str
    ghl_location_id: str | None
    st_customer_id: int | None
    first_name: str | None
    last_name: str | None
    name: str | None
    email: str | None
    phone: str | None
    source: str | None
    tags: list[str]
    synced_to_st: bool
    ghl_added_at: datetime | None
    ghl_updated_at: datetime | None
    read_at: datetime
    deleted_at: datetime | None


class Opportunity(Told):
    """An opportunity of the CRM as it was last read or written."""

    id: int
    ghl_id: str
    ghl_contact_id: str
    ghl_pipeline_id: str
    ghl_pipeline_stage_id: str | None
    pipeline_name: str | None
    stage_name: str | None
    st_customer_id: int | None
    st_job_id: int | None
    st_estimate_id: int | None
    name: str
    monetary_value: Dollars | None
    status: str
    assigned_to: str | None
    custom_fields: dict[str, Any]
    synced_to_st: bool
    ghl_added_at: datetime | None
    ghl_updated_at: datetime | None
    read_at: datetime
    deleted_at: datetime | None


class Conflict(Told):
    """Where a person changed what follows from our records; ``kept``: whose value stands."""

    id: int
    st_customer_id: int
    deal: str
    ghl_opportunity_id: str
    field: str
    ours: str | None
    theirs: str | None
    kept: Literal["ours", "theirs"]
    sentence: str
    seen_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    decision: str | None


class Unmatched(Told):
    """A customer who may be one of several contacts."""

    id: int
    st_customer_id: int
    candidates: list[dict[str, Any]]
    reason: str
    sentence: str
    found_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    decision: str | None


class Trouble(Told):
    """A customer whose changes the CRM did not take, in its own words and in ours."""

    id: int
    st_customer_id: int
    reasons: list[str]
    error: str | None
    cause: str | None
    refused: bool
    attempts: int
    failing_since: datetime | None
    age_seconds: int | None
    next_try_at: datetime
    alarmed_at: datetime | None


class Page(Told):
    """A page; ``next`` is None where it ends."""

    data_as_of: datetime | None
    next: str | None


class Contacts(Page):
    """Contacts."""

    data: list[Contact]


class Opportunities(Page):
    """Opportunities."""

    data: list[Opportunity]


class Conflicts(Page):
    """Conflicts."""

    data: list[Conflict]


class Unmatcheds(Page):
    """Customers who wait for a person."""

    data: list[Unmatched]


class Troubles(Page):
    """What was refused."""

    data: list[Trouble]


class Stage(Told):
    """A stage; ``stands_for``: the step of a deal that it means to us."""

    id: str
    name: str
    position: int
    stands_for: str | None


class Pipeline(Told):
    """A pipeline of the account."""

    id: str
    name: str
    stages: list[Stage]


class Pipelines(Told):
    """Every pipeline of the account."""

    data: list[Pipeline]
    missing: list[str] = Field(description="Steps that no stage stands for.")


class Unit(Told):
    """A business unit and the pipeline that its deals use; null: those of everybody."""

    business_unit_id: int
    name: str
    ghl_pipeline_id: str | None
    pipeline_name: str | None


class Units(Told):
    """Every business unit."""

    data: list[Unit]


class UnitChosen(Unit):
    """It is set; ``customers``: how many customers' deals are looked at because of it."""

    customers: int


class Waiting(Told):
    """What waits to be written."""

    total: int
    due: int
    refused: int
    oldest: datetime | None
    failing_since: datetime | None


class Many(Told):
    """How many there are, and how many of them are ours."""

    total: int
    synced: int
    newest: datetime | None = None
    value: Dollars | None = None


class InStage(Told):
    """How many opportunities are in one stage."""

    pipeline: str | None
    stage: str | None
    status: str
    number: int
    value: Dollars


class Coverage(Told):
    """How many customers are in the CRM."""

    customers: int
    in_crm: int


class RunLine(Told):
    """The last run of one kind."""

    id: int
    sync_type: str
    direction: str
    subject: str
    status: str
    records_created: int
    records_updated: int
    records_unchanged: int
    records_failed: int
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    error_message: str | None


class Status(Told):
    """How the sync with the CRM stands."""

    data_as_of: datetime | None
    enabled: bool
    parts: list[str]
    waiting: Waiting
    conflicts: int
    unmatched: int
    contacts: Many
    opportunities: Many
    by_stage: list[InStage]
    coverage: Coverage
    runs: list[RunLine]


class Trigger(Asked):
    """Which run to do."""

    what: Literal["round", "installs", "pull", "push-estimates", "push-customers"] = "round"


class Triggered(Told):
    """``asked``: whether it is a new one or one that waits already."""

    what: str
    asked: bool


class Choose(Asked):
    """Which pipeline to use."""

    pipeline: CrmId | None = Field(description="Its id or its name; null: those of everybody.")


class Move(Asked):
    """Whose deals to bring to where our records say."""

    st_job_id: Id | None = None
    st_customer_id: Id | None = None


class Placed(Told):
    """What became of a customer's deals; opportunities by the names of deals."""

    customer_id: int
    contact_id: str | None
    opportunities: dict[str, str]
    created: int
    updated: int
    unchanged: int
    conflicts: int


class Decide(Asked):
    """Whose value is to stand."""

    decision: Literal["ours", "theirs"]


class Match(Asked):
    """Which contact it is, or that it is none of them."""

    ghl_contact_id: CrmId | None = Field(None, description="The contact; without it a new one is made.")


class Resolved(Told):
    """It is decided, and the customer's deals are written anew."""

    id: int
    decision: str
