"""``/api/sync``: start a run of the sync, and see what became of it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from perfectcatch.errors import NothingKnown
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.store import runs
from perfectcatch.sync import requests
from perfectcatch.sync.modes import chosen, mode_of

router = APIRouter(tags=["sync"])

Status = Literal["waiting", "running", "succeeded", "partial", "failed", "interrupted"]


class Asked(BaseModel):
    """A run that a worker will begin."""

    run_id: UUID
    mode: str
    new: bool = Field(description="False: the same run was asked for before and has not begun yet.")


class Line(BaseModel):
    """One entity of a run."""

    entity: str
    mode: str
    status: str
    fetched: int
    created: int
    updated: int
    unchanged: int
    deactivated: int
    quarantined: int
    requests: int
    duration_ms: int | None
    error: str | None


class Run(BaseModel):
    """A run of the sync."""

    id: UUID
    mode: str
    entities: list[str]
    trigger: str
    status: Status
    started_at: datetime = Field(description="When it began, or was asked for while it waits.")
    heartbeat_at: datetime
    completed_at: datetime | None
    error: str | None


class RunWithLines(Run):
    """A run with what was read of each entity so far."""

    lines: list[Line]


class Runs(BaseModel):
    """Runs, the newest first."""

    runs: list[Run]
    next_before: datetime | None = Field(description="Give it as ``before`` for older runs; null: no more.")


async def _ask(request: Request, response: Response, mode: str) -> Asked:
    gateway = gateway_of(request)
    entities = chosen(mode_of(mode), gateway.entities)
    run_id, new = await requests.ask(gateway.pool, gateway.jobs, gateway.tenant_id, mode, entities)
    response.headers["Location"] = f"/api/sync/runs/{run_id}"
    return Asked(run_id=run_id, mode=mode, new=new)


@router.post("/api/sync/full", status_code=202, summary="Read everything again.", **scoped(Scope.WRITE))
async def full(request: Request, response: Response) -> Asked:
    """Read every record of every entity again, and find what was deleted."""
    return await _ask(request, response, "full")


@router.post("/api/sync/incremental", status_code=202, summary="Read what changed.", **scoped(Scope.WRITE))
async def incremental(request: Request, response: Response) -> Asked:
    """Read what changed since the last run."""
    return await _ask(request, response, "incremental")


@router.post("/api/sync/reference", status_code=202, summary="Read reference lists.", **scoped(Scope.WRITE))
async def reference(request: Request, response: Response) -> Asked:
    """Read the lists that other records refer to."""
    return await _ask(request, response, "reference")


@router.post("/db/contacts/sync", status_code=202, summary="Read changed contacts.", **scoped(Scope.WRITE))
@router.post("/api/sync/contacts", status_code=202, summary="Read changed contacts.", **scoped(Scope.WRITE))
async def contacts(request: Request, response: Response) -> Asked:
    """Read changed telephone numbers and addresses."""
    return await _ask(request, response, "contacts")


@router.post("/pricebook/sync", status_code=202, summary="Read the price book.", **scoped(Scope.WRITE))
@router.post("/api/sync/pricebook", status_code=202, summary="Read the price book.", **scoped(Scope.WRITE))
async def pricebook(request: Request, response: Response) -> Asked:
    """Read the price book again."""
    return await _ask(request, response, "pricebook")


@router.post(
    "/api/sync/scheduling/full", status_code=202, summary="Read shifts and zones.", **scoped(Scope.WRITE)
)
async def scheduling(request: Request, response: Response) -> Asked:
    """Read teams, zones, shifts, arrival windows and other time of technicians again."""
    return await _ask(request, response, "scheduling")


@router.get("/api/sync/runs", summary="The newest runs.", **scoped(Scope.READ))
async def listed(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[datetime | None, Query(description="Only runs that began before this moment.")] = None,
) -> Runs:
    """Runs, whoever started them."""
    gateway = gateway_of(request)
    found = await runs.recent(gateway.pool, gateway.tenant_id, limit=limit, before=before)
    shown = [Run.model_validate(run, from_attributes=True) for run in found]
    return Runs(runs=shown, next_before=shown[-1].started_at if len(shown) == limit else None)


@router.get(
    "/api/sync/runs/{run_id}",
    summary="One run.",
    **scoped(Scope.READ, answers={404: {"description": "There is no such run."}}),
)
async def one(request: Request, run_id: UUID) -> RunWithLines:
    """A run, with what was read of each entity so far."""
    gateway = gateway_of(request)
    found = await runs.one(gateway.pool, gateway.tenant_id, run_id)
    if found is None:
        raise NothingKnown(f"There is no run {run_id}.")
    run, lines = found
    known = Run.model_validate(run, from_attributes=True)
    listed_lines = [Line.model_validate(line, from_attributes=True) for line in lines]
    return RunWithLines(**known.model_dump(), lines=listed_lines)
