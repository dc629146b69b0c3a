"""Models of ``/scheduling/...``."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from perfectcatch.gateway.models import Asked, Told
from perfectcatch.store.reading.fields import BIGGEST

Number = Annotated[int, Field(ge=-BIGGEST, le=BIGGEST)]
Skill = Annotated[str, Field(min_length=1, max_length=100)]


class Cached(Told):
    """An answer that is remembered for a while; ``cached_seconds`` is its age."""

    data_as_of: datetime | None
    cached_seconds: int


class TechnicianShown(Told):
    """A technician."""

    st_id: int
    name: str
    active: bool
    skills: list[str]
    main_zone_id: int | None
    zone_ids: list[int]
    business_unit_id: int | None
    team: str | None
    status: str | None
    phone: str | None
    email: str | None


class Technicians(Cached):
    """Technicians by name."""

    data: list[TechnicianShown]


class SkilledTechnician(TechnicianShown):
    """A technician with what was asked for."""

    has: list[str]
    lacks: list[str]


class BySkills(Cached):
    """Technicians with the skills that were asked for, those with most of them first."""

    data: list[SkilledTechnician]
    skills: list[str] = Field(description="Every skill that anybody has.")


class Team(Told):
    """A team with its technicians."""

    st_id: int
    name: str | None
    active: bool
    technicians: list[int]


class Teams(Cached):
    """Teams by name."""

    data: list[Team]


class Zone(Told):
    """An area that work is planned by."""

    st_id: int
    name: str | None
    active: bool
    zips: list[str] | None
    cities: list[str] | None
    business_unit_ids: list[int] | None
    technicians: list[int]


class Zones(Cached):
    """Zones by name."""

    data: list[Zone]


class JobType(Told):
    """A kind of job."""

    st_id: int
    name: str | None
    active: bool
    job_class: str | None
    priority: str | None
    duration: int | None = Field(description="As the vendor counts it.")
    duration_minutes: int = Field(description="What scheduling goes by.")
    skills: list[str] | None
    business_unit_ids: list[int] | None


class JobTypes(Cached):
    """Kinds of jobs by name."""

    data: list[JobType]


class RuleShown(Told):
    """A rule of scheduling."""

    name: str
    value: Any
    default: Any
    changed: bool
    does: str


class RulesShown(Told):
    """The rules of scheduling."""

    data_as_of: datetime | None
    data: list[RuleShown]


class RuleValue(Asked):
    """A value for a rule; null makes it as by default."""

    value: Any


class EntityNumbers(Told):
    """How many records there are of an entity, and how old they are."""

    entity: str
    total: int
    active: int
    newest: datetime | None
    data_as_of: datetime | None


class Stats(Told):
    """Numbers of the entities that scheduling works with."""

    data_as_of: datetime | None
    data: list[EntityNumbers]


class Span(Told):
    """A span of time."""

    start: datetime
    end: datetime


class TakenShown(Span):
    """Time that is taken."""

    reason: str = Field(description="appointment, time off or other")
    id: int
    what: str


class AvailabilityShown(Told):
    """When a technician works, is free, and is not."""

    technician_id: int
    technician_name: str
    active: bool
    free_minutes: int
    working: list[Span]
    free: list[Span]
    taken: list[TakenShown]


class Availabilities(Told):
    """When technicians are free."""

    data_as_of: datetime | None
    start: datetime
    end: datetime
    zone: str = Field(description="The company's time zone.")
    keeps_shifts: bool = Field(description="Whether there are shifts; else the company's hours count.")
    unassigned_visits: int = Field(description="Visits that nobody is assigned to.")
    data: list[AvailabilityShown]


class Wanted(Asked):
    """What visit is wanted."""

    job_type_id: Number | None = Field(None, description="Decides about duration and skills.")
    duration_minutes: int | None = Field(None, ge=1, le=1440, description="Instead of the job type's.")
    start: datetime | None = Field(None, description="The earliest moment; now if it is left out.")
    end: datetime | None = Field(None, description="The latest end; two weeks later if left out.")
    zone_id: Number | None = Field(None, description="Where; or give location_id.")
    location_id: Number | None = Field(None, description="Where: its zone, or the zone of its postal code.")
    skills: list[Skill] = Field(default_factory=list, max_length=20, description="Beside the job type's.")
    technician_ids: list[Number] = Field(default_factory=list, max_length=100, description="Only these.")
    limit: int = Field(20, ge=1, le=200, description="How many slots at most.")


class PartShown(Told):
    """A part of a score."""

    name: str
    points: float
    most: float
    reason: str


class SlotShown(Span):
    """A visit that can be offered."""

    technician_id: int
    technician_name: str
    arrival_window: Span | None
    score: float
    parts: list[PartShown]
    reason: str


class RefusalShown(Told):
    """Why a technician cannot be offered: at all, or in a span."""

    technician_id: int
    technician_name: str
    code: str
    reason: str
    start: datetime | None
    end: datetime | None
    blocked_by: int | None


class Slots(Told):
    """Slots, the best first, and what was refused."""

    data_as_of: datetime | None
    start: datetime
    end: datetime
    zone: str
    duration_minutes: int
    skills: list[str]
    zone_id: int | None
    keeps_shifts: bool
    unassigned_visits: int
    considered: int = Field(description="Slots that were possible, those beyond the limit included.")
    data: list[SlotShown]
    refused: list[RefusalShown]
    refused_more: int = Field(description="How many refusals are left out.")
