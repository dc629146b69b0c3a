"""``/ghl``: the CRM: its pipelines, what it has, how the sync stands, and what waits for people."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from perfectcatch.deals import persons, schedule, units
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.working import one
from perfectcatch.gateway import answers
from perfectcatch.gateway import crm_models as models
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.messages import After, Limit, RowId, Sort, Text, caller_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.store.deals import lists as crm_lists
from perfectcatch.store.messages import lists
from perfectcatch.store.messages.lists import Wanted
from perfectcatch.store.reading.fields import BIGGEST

router = APIRouter(prefix="/ghl", tags=["crm"])

CustomerId = Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)]


def deals_of(request: Request, *, writes: bool = False) -> Deals:
    """What deals are written with. ``Denied`` 409 where no CRM is connected, or nothing may be written."""
    deals = gateway_of(request).deals
    if deals is None:
        raise Denied(409, "No CRM is connected: set GHL_API_KEY and GHL_LOCATION_ID.")
    if writes and not deals.enabled:
        raise Denied(409, "Nothing is written to the CRM: set GHL_SYNC_ENABLED=true.")
    return deals


async def _page(request: Request, table: str, wanted: Wanted) -> Response:
    gateway = gateway_of(request)
    age = answers.live(gateway)
    body = await lists.listed(
        gateway.reads, gateway.tenant_id, table, wanted, age.as_of, tables=crm_lists.TABLES
    )
    return answers.answer(body, age)


# What there is -----------------------------------------------------------------------------------


@router.get(
    "/pipelines", summary="Pipelines of the account, and what each stage stands for.",
    response_model=models.Pipelines, **scoped(Scope.READ, 409, 502),
)  # fmt: skip
async def pipelines(request: Request) -> Response:
    """As the account has them, at most ten minutes old."""
    stages = await deals_of(request).stages()
    told = {"data": units.shown(stages), "missing": units.missing(stages)}
    return answers.json(told, answers.live(gateway_of(request)))


@router.get(
    "/business-units", summary="Which pipeline the deals of each business unit use.",
    response_model=models.Units, **scoped(Scope.READ, 409, 502),
)  # fmt: skip
async def business_units(request: Request) -> Response:
    """Without one they use SALES and INSTALL."""
    rows = [units.told(each) for each in await units.chosen(deals_of(request))]
    return answers.json({"data": rows}, answers.live(gateway_of(request)))


@router.put(
    "/business-units/{unit_id}/pipeline", summary="Say which pipeline the deals of a business unit use.",
    response_model=models.UnitChosen, **scoped(Scope.WRITE, 404, 409, 502),
)  # fmt: skip
async def choose_pipeline(request: Request, unit_id: RowId, asked: models.Choose) -> Response:
    """By id or name, as the account has it; null goes back to those of everybody. Its deals move."""
    told = await units.choose(deals_of(request), str(unit_id), asked.pipeline)
    return answers.json({**units.told(told), "customers": told.customers})


@router.get(
    "/opportunities", summary="Opportunities of the CRM.", response_model=models.Opportunities,
    **scoped(Scope.READ),
)  # fmt: skip
async def opportunities(
    request: Request,
    customer_id: CustomerId = None,
    job_id: CustomerId = None,
    pipeline: Text = None,
    stage: Text = None,
    status: Text = None,
    synced: bool | None = None,
    sort: Sort = "-id",
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """As they were last read or written; ``pipeline`` and ``stage`` are names."""
    equal = {
        "st_customer_id": customer_id,
        "st_job_id": job_id,
        "pipeline_name": pipeline,
        "stage_name": stage,
        "status": status,
        "synced_to_st": synced,
    }
    wanted = Wanted(equal=equal, newest_first=sort == "-id", after=after, limit=limit)
    return await _page(request, "opportunities", wanted)


@router.get(
    "/contacts", summary="Contacts of the CRM.", response_model=models.Contacts, **scoped(Scope.READ)
)  # fmt: skip
async def contacts(
    request: Request,
    customer_id: CustomerId = None,
    email: Text = None,
    phone: Text = None,
    synced: bool | None = None,
    sort: Sort = "-id",
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """As they were last read or written."""
    equal = {"st_customer_id": customer_id, "email": email, "phone": phone, "synced_to_st": synced}
    wanted = Wanted(equal=equal, newest_first=sort == "-id", after=after, limit=limit)
    return await _page(request, "contacts", wanted)


# The sync ----------------------------------------------------------------------------------------


@router.get(
    "/sync/status", summary="How the sync with the CRM stands.", response_model=models.Status,
    **scoped(Scope.READ, 409),
)  # fmt: skip
async def status(request: Request) -> Response:
    """What waits and was refused, how much there is in each stage, the last run of each kind."""
    gateway, deals = gateway_of(request), deals_of(request)
    age = answers.live(gateway)
    body = await crm_lists.status(
        gateway.reads,
        gateway.tenant_id,
        gateway.entities,
        enabled=deals.enabled,
        parts=sorted(deals.parts),
        as_of=age.as_of,
    )
    return answers.answer(body, age)


@router.post(
    "/sync/trigger", status_code=202, summary="Have a run done by a worker.", response_model=models.Triggered,
    **scoped(Scope.WRITE, 409),
)  # fmt: skip
async def trigger(request: Request, asked: models.Trigger | None = None) -> Response:
    """A round, as without a body; installations; a pull of all; or a push of estimates or customers."""
    asked = asked or models.Trigger()
    deals_of(request, writes=asked.what != "pull")
    new = await schedule.ask(gateway_of(request).jobs, asked.what)
    return answers.json({"what": asked.what, "asked": new}, status=202)


@router.post(
    "/install-pipeline/move", summary="Bring a customer's deals to where our records say, now.",
    response_model=models.Placed, **scoped(Scope.WRITE, 404, 409, 502),
)  # fmt: skip
async def move(request: Request, asked: models.Move) -> Response:
    """A sold deal with an installation goes to the pipeline of installations; the same call again is none."""
    deals = deals_of(request, writes=True)
    persons.one_of(asked.st_job_id, asked.st_customer_id)
    customer_id = asked.st_customer_id
    if asked.st_job_id is not None:
        customer_id = await persons.customer_of_job(deals, asked.st_job_id)
    assert customer_id is not None
    placed = asdict(await one(deals, customer_id, looks=True, late=True))
    placed.pop("refusals")
    return answers.json({"customer_id": customer_id, **placed})


# What waits for people ---------------------------------------------------------------------------


def _listing(path: str, table: str, summary: str, model: Any, settled: str | None) -> None:
    """A list of what waits; ``settled``: the column that says when it was dealt with."""

    @router.get(
        path, summary=summary, response_model=model, name=f"list_{table}",
        operation_id=f"list_crm_{table}", **scoped(Scope.READ),
    )  # fmt: skip
    async def act(
        request: Request,
        customer_id: CustomerId = None,
        everything: Annotated[bool, Query(description="Also what was dealt with.")] = False,
        sort: Sort = "-id",
        after: After = None,
        limit: Limit = 100,
    ) -> Response:
        conditions = [] if everything or settled is None else [f"{settled} is null"]
        wanted = Wanted(
            equal={"st_customer_id": customer_id},
            conditions=conditions,
            newest_first=sort == "-id",
            after=after,
            limit=limit,
        )
        return await _page(request, table, wanted)


_listing(
    "/conflicts", "conflicts", "Where people changed what follows from our records.", models.Conflicts,
    "resolved_at",
)  # fmt: skip
_listing(
    "/unmatched", "matches", "Customers who may be one of several contacts.", models.Unmatcheds, "resolved_at"
)
_listing("/errors", "errors", "What the CRM did not take, in its own words.", models.Troubles, None)


@router.post(
    "/conflicts/{conflict_id}/resolve", summary="Say whose value stands.", response_model=models.Resolved,
    **scoped(Scope.WRITE, 404, 409, 502),
)  # fmt: skip
async def resolve_conflict(request: Request, conflict_id: RowId, asked: models.Decide) -> Response:
    """Ours is written again, or closes a second opportunity; theirs stays until something new happens."""
    await persons.decide(deals_of(request), conflict_id, asked.decision, by=caller_of(request))
    return answers.json({"id": conflict_id, "decision": asked.decision})


@router.post(
    "/unmatched/{match_id}/resolve", summary="Say which contact a customer is.",
    response_model=models.Resolved, **scoped(Scope.WRITE, 404, 409, 502),
)  # fmt: skip
async def resolve_match(request: Request, match_id: RowId, asked: models.Match) -> Response:
    """One of the candidates or any other contact; without one a new contact is made."""
    decision = await persons.match(deals_of(request), match_id, asked.ghl_contact_id, by=caller_of(request))
    return answers.json({"id": match_id, "decision": decision})


@router.post(
    "/errors/{customer_id}/retry", status_code=202, summary="Try a customer again now.",
    response_model=models.Resolved, **scoped(Scope.WRITE, 404, 409),
)  # fmt: skip
async def retry(request: Request, customer_id: Annotated[int, Path(ge=-BIGGEST, le=BIGGEST)]) -> Response:
    """It is tried again by itself too, in every round."""
    await persons.retry(deals_of(request), customer_id)
    return answers.json({"id": customer_id, "decision": "retried"}, status=202)
