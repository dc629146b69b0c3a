"""``/api/workflows``: what workflows there are, what one means, and whom it would have written to."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from perfectcatch.gateway import answers
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.models import Asked, Dollars, Told
from perfectcatch.workflows.lint import lint
from perfectcatch.workflows.records import Company
from perfectcatch.workflows.rehearsal.dry_run import LONGEST_DAYS, dry_run
from perfectcatch.workflows.shelf import definitions_of, one, shelf

router = APIRouter(prefix="/api/workflows", tags=["workflows"])

MOST_LISTED: Final = 1_000
Name = Annotated[str, Path(max_length=63, pattern=r"^[a-z][a-z0-9_-]*$")]


class Workflow(Told):
    """A workflow as it counts now."""

    name: str
    title: str
    does: str
    recipe: str | None
    class_: Literal["service", "marketing"] | None = Field(alias="class")
    mode: Literal["disabled", "shadow", "live"]
    source: str
    version: str | None
    starts_on: list[str]
    clock: str | None
    needs: list[str]
    steps: int
    priority: int | None


class Workflows(Told):
    """Every workflow."""

    data: list[Workflow]


class Finding(Told):
    """Something wrong with a definition."""

    level: Literal["error", "warning"]
    place: str
    sentence: str


class Whole(Workflow):
    """A workflow with its definition and what the linter says."""

    definition: dict[str, Any] | None
    findings: list[Finding]


class DryRun(Asked):
    """What to replay."""

    days: int = Field(default=90, ge=1, le=LONGEST_DAYS, description="Over how many days until now.")
    beside: list[str] = Field(
        default_factory=list, max_length=30, description="Other workflows, for overlaps."
    )
    assume_consent: bool = Field(default=False, description="As if everybody had agreed to marketing.")
    limit: int = Field(default=200, ge=0, le=MOST_LISTED, description="How many actions to list.")


class Would(Told):
    """One thing that would have been done."""

    at: datetime
    workflow: str
    step: str
    kind: str
    status: str
    reason: str
    sentence: str
    customer_id: int | None
    customer: str | None
    to: str | None
    text: str | None
    subject: str | None
    purpose: str | None
    segments: int
    cost: Dollars
    event: str
    event_id: int
    waited_since: datetime | None
    approximate: bool
    overlaps: list[str]


class Rehearsed(Told):
    """The figures of a dry run and its first actions."""

    workflow: str
    since: datetime
    until: datetime
    events_replayed: int
    started: int
    customers_written_to: int
    messages: int
    sent: int
    not_sent: dict[str, int]
    delayed: int
    segments: int
    cost: Dollars
    other_actions: dict[str, int]
    overlapping: int
    ended: dict[str, int]
    skipped: dict[str, int]
    approximate: int
    would: list[Would]


@router.get("", summary="Workflows.", response_model=Workflows, **scoped(Scope.READ))
async def workflows(request: Request) -> Response:
    """Every workflow with its mode, its trigger and the connections that it needs."""
    gateway = gateway_of(request)
    rows = [each.told() for each in (await shelf(gateway.pool, gateway.tenant_id)).values()]
    return answers.json({"data": rows}, answers.live(gateway))


@router.get("/{name}", summary="A workflow.", response_model=Whole, **scoped(Scope.READ, 404))
async def workflow(request: Request, name: Name) -> Response:
    """A workflow with its definition, and what is wrong with it."""
    gateway = gateway_of(request)
    found = await one(gateway.pool, gateway.tenant_id, name)
    definition = found.definition
    others = {
        each.name: each.definition
        for each in (await shelf(gateway.pool, gateway.tenant_id)).values()
        if each.definition is not None
    }
    findings = lint(definition, gateway.entities, others) if definition is not None else []
    body = found.told() | {
        "definition": dict(definition.document) if definition is not None else None,
        "findings": [asdict(each) for each in findings],
    }
    return answers.json(body, answers.live(gateway))


@router.post(
    "/{name}/dry-run", summary="Replay the last days.", response_model=Rehearsed, **scoped(Scope.READ, 404)
)
async def rehearse(request: Request, name: Name, asked: DryRun) -> Response:
    """What a workflow would have done in the last days; nothing is sent or written."""
    gateway = gateway_of(request)
    chosen = await definitions_of(gateway.pool, gateway.tenant_id, [name, *asked.beside])
    report = await dry_run(
        gateway.pool,
        gateway.tenant_id,
        gateway.entities,
        chosen,
        now=gateway.clock.now(),
        days=asked.days,
        company=_company(gateway),
        rules=gateway.desk.rules,
        assume_consent=asked.assume_consent,
        public_url=gateway.desk.company.public_url if gateway.desk.company.secret else "",
    )
    body = report.summary(name) | {"would": [asdict(each) for each in report.of(name)[: asked.limit]]}
    return answers.json(body, answers.live(gateway))


def _company(gateway: Gateway) -> Company:
    firm = gateway.desk.company
    return Company(name=firm.name, phone=firm.phone, postal_address=firm.postal_address, zone=gateway.zone)
