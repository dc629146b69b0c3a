"""Models of ``/db/...`` beside the records."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from perfectcatch.gateway.models import Asked, Told
from perfectcatch.store.reading.fields import BIGGEST


class Kept(Told):
    """A kept value."""

    key: str
    value: Any
    updated_at: datetime


class KeptPage(Told):
    """Kept values."""

    data_as_of: datetime | None
    data: list[Kept]
    next: str | None


class Value(Asked):
    """A value to keep."""

    value: Any = Field(description="Any JSON.")


class Line(Told):
    """A line of the sync log."""

    id: int
    run_id: UUID | None
    module: str
    sync_type: str
    status: str
    records_fetched: int
    records_created: int
    records_updated: int
    records_unchanged: int
    records_deactivated: int
    records_quarantined: int
    requests: int
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    error_message: str | None


class Lines(Told):
    """Lines of the sync log, the newest first."""

    data_as_of: datetime | None
    data: list[Line]
    next: str | None


_Number = Annotated[int, Field(ge=0, le=BIGGEST)]
_Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


class NewLine(Asked):
    """A line that another program writes about its own sync."""

    module: _Word
    sync_type: _Word
    status: Literal["running", "succeeded", "partial", "failed", "interrupted"]
    started_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    records_fetched: _Number = 0
    records_created: _Number = 0
    records_updated: _Number = 0
    records_unchanged: _Number = 0
    records_deactivated: _Number = 0
    records_failed: _Number = 0
    requests: _Number = 0
    error_message: Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")] | None = None


class Written(Told):
    """What was written."""

    id: int


class Statistic(Told):
    """How one kind of sync of one kind of record has gone."""

    entity_type: str
    sync_type: str
    total_syncs: int
    successful_syncs: int
    failed_syncs: int
    records_processed: int
    records_succeeded: int
    records_failed: int
    last_sync_at: datetime | None
    last_success_at: datetime | None
    average_duration_ms: int | None


class Statistics(Told):
    """How the syncs have gone so far."""

    data: list[Statistic]


class ContactNumbers(Told):
    """Contacts of customers."""

    total: int
    active: int
    do_not_text: int
    by_type: dict[str, int]


class LocationContactNumbers(Told):
    """Contacts of locations."""

    total: int
    active: int


class CustomerNumbers(Told):
    """How customers can be reached."""

    total: int
    with_phone: int
    with_email: int
    with_neither: int
    in_crm: int


class ContactStats(Told):
    """How many contacts there are, and how many customers can be reached."""

    data_as_of: datetime | None
    customer_contacts: ContactNumbers
    location_contacts: LocationContactNumbers
    customers: CustomerNumbers


class PendingJob(Told):
    """A job that the CRM does not have yet."""

    st_id: int
    job_number: str | None
    job_status: str | None
    summary: str | None
    total: float | None
    customer_id: int | None
    customer_name: str | None
    customer_email: str | None
    customer_phone: str | None
    ghl_contact_id: str | None
    location_id: int | None
    job_type_id: int | None
    business_unit_id: int | None
    business_unit_name: str | None
    ghl_pipeline_id: str | None
    ghl_opportunity_id: str | None
    ghl_sync_status: str | None
    st_created_on: datetime | None
    st_modified_on: datetime | None


class PendingJobs(Told):
    """Jobs that the CRM does not have yet."""

    data_as_of: datetime | None
    data: list[PendingJob]
    next: str | None


class Pushed(Asked):
    """How a push of a job to the CRM ended."""

    ghl_sync_status: Literal["pending", "synced", "failed", "skipped"] | None = None
    ghl_opportunity_id: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] | None = None


class PushState(Told):
    """What we know of a job's push to the CRM."""

    st_id: int
    ghl_opportunity_id: str | None
    ghl_sync_status: str | None
