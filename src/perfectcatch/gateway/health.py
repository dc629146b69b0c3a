"""Health: whether we live, and how each part is."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from perfectcatch import __version__
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.parts import ORDER, Part, State, crm_of, parts_of
from perfectcatch.store.jobs.heartbeats import heartbeats

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Detailed(BaseModel):
    """Every part; the worst of them decides about ``status``."""

    status: State
    parts: list[Part]


@router.get("/health", summary="Whether the server lives; asks neither the database nor a vendor.")
async def health() -> Alive:
    """Answer at once."""
    return Alive()


@router.get("/health/detailed", summary="How each part is.", **scoped(Scope.READ, forgiving=True))
async def detailed(request: Request) -> Detailed:
    """Look at each part now; answers although the database or the vendor is away."""
    parts = await parts_of(gateway_of(request))
    worst = next((state for state in ORDER if any(part.state == state for part in parts)), "well")
    return Detailed(status=worst, parts=parts)


class Worker(BaseModel):
    """A worker process."""

    id: int
    state: State
    last_heartbeat: datetime
    age_seconds: float
    doing: list[str] = Field(description="What it does right now.")


class Workers(BaseModel):
    """Every worker that has been heard of."""

    status: State
    workers: list[Worker]
    waiting: int = Field(description="Jobs that could begin and have not.")


@router.get("/health/workers", summary="How each worker is.", **scoped(Scope.READ))
async def workers(request: Request) -> Workers:
    """A worker says every five seconds that it lives; after fifteen it is taken for dead."""
    gateway = gateway_of(request)
    found, waiting = await heartbeats(gateway.pool)
    shown = [
        Worker(
            id=each.id,
            state="well" if each.alive else "down",
            last_heartbeat=each.last_heartbeat,
            age_seconds=each.age_seconds,
            doing=each.doing,
        )
        for each in found
    ]
    alive = any(each.state == "well" for each in shown)
    return Workers(status="well" if alive else "down", workers=shown, waiting=waiting)


@router.get("/health/ghl", summary="How the CRM sync is.", **scoped(Scope.READ))
async def crm(request: Request) -> Part:
    """What waits and what was refused; the CRM itself is not asked."""
    return await crm_of(gateway_of(request))
