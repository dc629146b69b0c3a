"""``/db/...`` beside the records: kept places, the sync log, jobs that are handed to us, the CRM's state."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from perfectcatch.errors import BadArgument
from perfectcatch.gateway import answers
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.database_models import (
    ContactStats,
    Kept,
    KeptPage,
    Lines,
    NewLine,
    PendingJobs,
    Pushed,
    PushState,
    Statistics,
    Value,
    Written,
)
from perfectcatch.gateway.problems import Denied
from perfectcatch.store.reading import bookkeeping
from perfectcatch.store.reading.fields import BIGGEST

router = APIRouter(prefix="/db", tags=["mirror"])

_OWNED: Final = ("cursor", "checkpoint", "first_load", "last_modified", "merged")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST, description="The `next` of the answer before.")]
Key = Annotated[str, Path(min_length=1, max_length=200, description="The name of the value.")]
Id = Annotated[int, Path(ge=-BIGGEST, le=BIGGEST, description="The vendor's id.")]


# Kept places -----------------------------------------------------------------------------------


@router.get(
    "/sync-state", summary="Where each reading continues.", response_model=KeptPage, **scoped(Scope.READ)
)
async def sync_states(
    request: Request, limit: Limit = 100, after: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Every kept value, by key."""
    gateway = gateway_of(request)
    _no_nul(after)
    age = answers.live(gateway)
    body = await bookkeeping.states(
        gateway.reads, gateway.tenant_id, after=after, limit=limit, as_of=age.as_of
    )
    return answers.answer(body, age)


@router.get("/sync-state/{key}", summary="One kept value.", response_model=Kept, **scoped(Scope.READ, 404))
async def sync_state(request: Request, key: Key) -> Response:
    """One kept value."""
    gateway = gateway_of(request)
    _no_nul(key)
    body = await bookkeeping.state_of(gateway.reads, gateway.tenant_id, key)
    if body is None:
        raise Denied(404, f"Nothing is kept under {key!r}: GET /db/sync-state lists what is.")
    return answers.answer(body, answers.live(gateway))


@router.put("/sync-state/{key}", summary="Keep a value.", response_model=Kept, **scoped(Scope.WRITE))
async def keep_state(request: Request, key: Key, asked: Value) -> Response:
    """Keep a value of your own. What the sync keeps for itself is refused: a wrong place loses records."""
    gateway = gateway_of(request)
    _no_nul(key)
    _not_the_syncs(gateway, key)
    text = msgspec.json.encode(asked.value)
    if b"\\u0000" in text:
        raise BadArgument("The value holds the character NUL, which PostgreSQL cannot keep.")
    await bookkeeping.keep(gateway.pool, gateway.tenant_id, key, asked.value)
    body = await bookkeeping.state_of(gateway.reads, gateway.tenant_id, key)
    return answers.answer(body or b"", answers.live(gateway))


def _not_the_syncs(gateway: Gateway, key: str) -> None:
    entity, _, what = key.partition("_")
    owner = next((name for name in gateway.entities if key.startswith(f"{name}_")), None)
    if owner is not None:
        entity, what = owner, key.removeprefix(f"{owner}_")
    if entity in gateway.entities and what in _OWNED:
        raise BadArgument(
            f"{key} is where the sync of {entity} continues, and a wrong value would lose records: "
            f"to read everything again, run `perfectcatch sync run {entity} --full`."
        )


def _no_nul(text: str) -> None:
    if "\x00" in text:
        raise BadArgument("A name cannot hold the character NUL.")


# The sync log ----------------------------------------------------------------------------------


@router.get("/sync-logs", summary="What each sync has done.", response_model=Lines, **scoped(Scope.READ))
async def sync_logs(
    request: Request,
    limit: Limit = 100,
    after: After = None,
    module: Annotated[str | None, Query(max_length=100, description="The entity.")] = None,
    status: Annotated[str | None, Query(max_length=40)] = None,
    run_id: UUID | None = None,
    started_from: datetime | None = None,
    started_before: datetime | None = None,
) -> Response:
    """Lines of the sync log, the newest first."""
    gateway = gateway_of(request)
    for text in (module, status):
        _no_nul(text or "")
    age = answers.live(gateway)
    body = await bookkeeping.log_lines(
        gateway.reads,
        gateway.tenant_id,
        after=BIGGEST if after is None else after,
        limit=limit,
        as_of=age.as_of,
        module=module,
        status=status,
        run_id=run_id,
        started_from=started_from and answers.moment(gateway, started_from),
        started_before=started_before and answers.moment(gateway, started_before),
    )
    return answers.answer(body, age)


@router.post(
    "/sync-logs", status_code=201, summary="Write a line of your own sync.", response_model=Written,
    **scoped(Scope.WRITE),
)  # fmt: skip
async def write_log(request: Request, asked: NewLine) -> Response:
    """Write a line about the sync of another program. Those of the mirror's entities are the sync's own."""
    gateway = gateway_of(request)
    if asked.module in gateway.entities:
        raise BadArgument(
            f"The lines of {asked.module} are written by the sync itself, and tell how old the mirror is: "
            f"name your program in `module`, such as my_program_{asked.module}."
        )
    number = await bookkeeping.write_line(gateway.pool, gateway.tenant_id, asked.model_dump())
    return answers.json({"id": number}, status=201)


@router.get(
    "/sync-logs/statistics", summary="How the syncs have gone so far.", response_model=Statistics,
    **scoped(Scope.READ),
)  # fmt: skip
async def log_statistics(
    request: Request, module: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """Count syncs and records, by entity and kind of sync."""
    gateway = gateway_of(request)
    _no_nul(module or "")
    body = await bookkeeping.statistics(gateway.reads, gateway.tenant_id, module)
    return answers.answer(body, answers.live(gateway))


# Contacts and the CRM --------------------------------------------------------------------------


@router.get(
    "/contacts/stats", summary="How customers can be reached.", response_model=ContactStats,
    **scoped(Scope.READ),
)  # fmt: skip
async def contact_stats(request: Request) -> Response:
    """Count contacts and the customers that have any."""
    gateway = gateway_of(request)
    age = await gateway.freshness.of("customer_contacts", "location_contacts", "customers")
    body = await bookkeeping.contact_numbers(gateway.reads, gateway.tenant_id, gateway.entities, age.as_of)
    return answers.answer(body, age)


@router.get(
    "/jobs/pending-ghl-sync", summary="Jobs that the CRM does not have yet.", response_model=PendingJobs,
    **scoped(Scope.READ),
)  # fmt: skip
async def pending(
    request: Request,
    limit: Limit = 100,
    after: After = None,
    business_unit_id: Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)] = None,
    enabled_only: Annotated[bool, Query(description="Only of business units with a pipeline.")] = False,
) -> Response:
    """Jobs without a push, or whose last one is pending or failed."""
    gateway = gateway_of(request)
    age = await gateway.freshness.of("jobs")
    body = await bookkeeping.pending_jobs(
        gateway.reads,
        gateway.tenant_id,
        gateway.entities,
        after=-BIGGEST if after is None else after,
        limit=limit,
        as_of=age.as_of,
        business_unit_id=business_unit_id,
        enabled_only=enabled_only,
    )
    return answers.answer(body, age)


@router.patch(
    "/jobs/{st_job_id}/ghl-sync", summary="Note how a push to the CRM ended.", response_model=PushState,
    **scoped(Scope.WRITE, 404),
)  # fmt: skip
async def note_push(request: Request, st_job_id: Id, asked: Pushed) -> Response:
    """Note the status, the opportunity, or both; a merge leaves them alone."""
    gateway = gateway_of(request)
    values = asked.model_dump(exclude_unset=True)
    if not values:
        raise BadArgument("Nothing is given: send ghl_sync_status, ghl_opportunity_id, or both.")
    noted = await bookkeeping.note_pushed(
        gateway.pool, gateway.tenant_id, gateway.entities["jobs"], st_job_id, values
    )
    if noted is None:
        raise Denied(404, f"The mirror holds no job {st_job_id}.")
    return answers.json(noted)
