"""``/db/customers/{id}/enrich``: everything around one customer, read from the vendor now and merged."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from perfectcatch.gateway import answers
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.models import Told
from perfectcatch.store.reading.fields import BIGGEST
from perfectcatch.store.reading.records import statement

router = APIRouter(prefix="/db", tags=["mirror"])

Id = Annotated[int, Path(ge=1, le=BIGGEST, description="The customer's id at the vendor.")]


class Part(Told):
    """What was read of one entity; ``error`` says why it could not be, ``age_seconds`` how old it is."""

    entity: str
    fetched: int
    created: int
    updated: int
    unchanged: int
    quarantined: int
    requests: int
    error: str | None
    events: dict[str, int]
    read_at: datetime | None
    age_seconds: float | None


class Enriched(Told):
    """A customer that was read now, and what that brought."""

    run_id: UUID
    complete: bool
    parts: list[Part]
    customer: dict[str, Any]


@router.get(
    "/customers/{st_id}/enrich",
    summary="Read a customer from the vendor now (the same as POST).",
    response_model=Enriched,
    **scoped(Scope.WRITE, 404, 502),
)
@router.post(
    "/customers/{st_id}/enrich",
    summary="Read a customer from the vendor now.",
    response_model=Enriched,
    **scoped(Scope.WRITE, 404, 502),
)
async def enrich(request: Request, st_id: Id) -> Response:
    """Read and merge the customer with contacts, locations, jobs, visits, estimates, invoices and payments.

    What cannot be read is told in its part and stops nothing else. It changes the mirror, so GET needs the
    scope ``write`` too.
    """
    gateway = gateway_of(request)
    whole = await gateway.read_customer(st_id)
    text = statement(gateway.entities["customers"], deleted=True)
    found = await gateway.finders.of(gateway.reads, gateway.tenant_id, text).find(st_id)
    body = {
        "run_id": whole.run_id,
        "complete": whole.well,
        "parts": [part.as_row() for part in whole.parts],
        "customer": msgspec.Raw(found.body if found is not None else b"null"),
    }
    return answers.json(body, answers.live(gateway))
