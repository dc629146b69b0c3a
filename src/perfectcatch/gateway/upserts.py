"""``/db/jobs/upsert``: jobs and customers that another program hands us."""

import re
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from perfectcatch.errors import BadArgument
from perfectcatch.gateway import answers
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.models import Asked, Told
from perfectcatch.store.reading.fields import BIGGEST
from perfectcatch.sync import offered
from perfectcatch.sync.offered import Result

router = APIRouter(prefix="/db", tags=["mirror"])

MOST_JOBS: Final = 500


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    job: msgspec.Raw
    customer: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    jobs: list[_Given]


class _Head(msgspec.Struct):
    id: Any = None
    modifiedOn: Any = None  # noqa: N815 - the vendor's spelling


class JobWithCustomer(Asked):
    """A job and its customer, each whole and in the vendor's shape."""

    job: dict[str, Any] = Field(
        description="The job as the vendor gives it: `id` and `modifiedOn` are needed."
    )
    customer: dict[str, Any] | None = Field(None, description="The customer as the vendor gives it.")


class JobsWithCustomers(Asked):
    """Several jobs with their customers."""

    jobs: list[JobWithCustomer] = Field(min_length=1, max_length=MOST_JOBS)


class Merged(Told):
    """What became of a record."""

    entity: str
    st_id: int
    result: Literal["created", "updated", "unchanged", "older", "quarantined"]
    reason: str | None


class MergedAll(Told):
    """What became of each record."""

    results: list[Merged]


def _body(model: type[Asked]) -> dict[str, Any]:
    schema = model.model_json_schema()
    inner = schema.pop("$defs", {})
    for name, each in schema["properties"].items():
        if (item := each.get("items", {}).get("$ref")) is not None:  # written out: nothing else refers to it
            schema["properties"][name] = {**each, "items": inner[item.rpartition("/")[2]]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/jobs/upsert", summary="Merge a job with its customer.", response_model=MergedAll,
    **scoped(Scope.WRITE, openapi=_body(JobWithCustomer)),
)  # fmt: skip
async def upsert(request: Request) -> Response:
    """Merge a job as if it had just been read: with history, events, and never over a newer version."""
    given = _decoded(await answers.body(request), _Given)
    results = await _merge(gateway_of(request), [given])
    refused = next((each for each in results if each.result == "quarantined"), None)
    if refused is not None:
        raise BadArgument(
            f"The record {refused.entity} {refused.st_id} cannot be stored, and waits in quarantine: "
            f"{refused.reason}"
        )
    return answers.json({"results": results})


@router.post(
    "/jobs/upsert-batch", summary="Merge several jobs with their customers.", response_model=MergedAll,
    **scoped(Scope.WRITE, openapi=_body(JobsWithCustomers)),
)  # fmt: skip
async def upsert_batch(request: Request) -> Response:
    """Merge jobs as if they had just been read; what became of each is in the answer."""
    given = _decoded(await answers.body(request), _Batch).jobs
    if not 1 <= len(given) <= MOST_JOBS:
        raise BadArgument(f"jobs holds {len(given)} entries: send 1 to {MOST_JOBS} at once.")
    return answers.json({"results": await _merge(gateway_of(request), given)})


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind, strict=True)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadArgument(f"The body cannot be understood: {error}.") from None


async def _merge(gateway: Gateway, given: list[_Given]) -> list[Result]:
    customers: dict[int, bytes] = {}
    jobs: dict[int, bytes] = {}
    for number, each in enumerate(given, 1):
        _take(jobs, "job", each.job, number)
        if not isinstance(each.customer, msgspec.UnsetType) and bytes(each.customer).strip() != b"null":
            _take(customers, "customer", each.customer, number)
    results: list[Result] = []
    for name, records in (("customers", customers), ("jobs", jobs)):
        if records:
            results += await offered.offer(
                gateway.pool, gateway.tenant_id, gateway.entities, name, records, gateway.clock.now()
            )
    return results


def _take(found: dict[int, bytes], what: str, raw: msgspec.Raw, number: int) -> None:
    """Keep a record's own bytes under its id."""
    text = bytes(raw)
    try:
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadArgument(f"{what} {number} is no JSON object.") from None
    if isinstance(head.id, bool) or not isinstance(head.id, int) or not 0 < head.id <= BIGGEST:
        raise BadArgument(
            f"{what} {number} has no usable `id`: send the whole record as the vendor gives it."
        )
    if not isinstance(head.modifiedOn, str) or not re.match(r"\d{4}-\d\d-\d\d", head.modifiedOn):
        raise BadArgument(
            f"{what} {head.id} has no `modifiedOn`, by which an older version is told from a newer one: "
            "send the whole record as the vendor gives it."
        )
    if found.get(head.id, text) != text:
        raise BadArgument(f"{what} {head.id} is given twice, and differs: send one of the two.")
    found[head.id] = text
