"""``/api/records``, ``/api/events`` and the timeline of a customer: what was, what happened, and when."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from perfectcatch.errors import BadArgument
from perfectcatch.gateway import answers
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.mirror import entity_of, singular
from perfectcatch.gateway.models import Told
from perfectcatch.gateway.problems import Denied
from perfectcatch.kit.difference import differences
from perfectcatch.model.entity import Entity, Type
from perfectcatch.model.event import OURS
from perfectcatch.people import timeline as timelines
from perfectcatch.store.reading import event_lists, versions
from perfectcatch.store.reading.event_lists import Wanted
from perfectcatch.store.reading.fields import BIGGEST, nearest, value_of

router = APIRouter(prefix="/api", tags=["history"])

EntityName = Annotated[str, Path(max_length=100, description="An entity, such as customers.")]
Id = Annotated[int, Path(ge=-BIGGEST, le=BIGGEST, description="The vendor's id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Moment = Annotated[
    str | None,
    Query(max_length=60, description="Such as 2026-03-01T14:00:00Z; without an offset the company's time."),
]
Place = Annotated[str | None, Query(max_length=200, description="`next` or `previous` of an answer.")]


class Version(Told):
    """A version of a record, true from ``valid_from`` until ``valid_to`` (null: it still is)."""

    revision: int
    valid_from: datetime
    valid_to: datetime | None
    st_modified_on: datetime | None
    deleted_at: datetime | None


class RecordVersion(Version):
    """A version with the whole record."""

    entity: str
    st_id: int
    record: dict[str, Any] | None


class Change(Told):
    """One difference between two versions."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class Comparison(Told):
    """What differs between two moments."""

    entity: str
    st_id: int
    before: Version
    after: Version
    changes: list[Change]


class EndedVersion(Version):
    """A version; ``ended_by`` says what ended it: changed, deleted, restored."""

    ended_by: str | None


class Versions(Told):
    """Versions of a record, oldest first."""

    data_as_of: datetime | None
    data: list[EndedVersion]
    next: str | None


class Event(Told):
    """A business event."""

    id: int
    event_type: str
    entity: str
    st_id: int
    version: str
    occurred_at: datetime
    recorded_at: datetime
    historical: bool
    data: dict[str, Any]


class Events(Told):
    """A page of business events."""

    data_as_of: datetime | None
    data: list[Event]
    next: str | None


class TimelineLine(Told):
    """Something that happened."""

    at: datetime
    kind: Literal["record", "event"]
    entity: str
    st_id: int
    event_id: int | None
    event_type: str | None
    historical: bool | None
    deleted: bool
    amount: float | None
    sentence: str


class CustomerTimeline(Told):
    """A page of what happened with a customer and with those that were merged into it."""

    data_as_of: datetime | None
    customers: list[int]
    data: list[TimelineLine]
    next: str | None
    previous: str | None


# Records as they were ----------------------------------------------------------------------------


@router.get(
    "/records/{entity}/{st_id}", summary="A record as it was.", response_model=RecordVersion | Comparison,
    **scoped(Scope.READ, 404),
)  # fmt: skip
async def record(
    request: Request, entity: EntityName, st_id: Id, as_of: Moment = None, compare: Moment = None
) -> Response:
    """The record at a moment, now if none is given; with ``compare`` what differs at that second moment."""
    gateway = gateway_of(request)
    kind = entity_of(gateway, entity)
    age = await gateway.freshness.of(kind.name)
    head, document = await _version(gateway, kind, st_id, _moment(gateway, "as_of", as_of))
    if compare is None:
        text = b'{"entity":"%s","st_id":%d,%s,"record":%s}'
        return answers.answer(text % (kind.name.encode(), st_id, head.strip()[1:-1], document), age)
    other, after = await _version(gateway, kind, st_id, _moment(gateway, "compare", compare))
    body = {
        "entity": kind.name,
        "st_id": st_id,
        "before": json.loads(head),
        "after": json.loads(other),
        "changes": differences(_exact(document), _exact(after)),
    }
    return answers.json(body, age)


@router.get(
    "/records/{entity}/{st_id}/versions", summary="The versions of a record that we know.",
    response_model=Versions, **scoped(Scope.READ, 404),
)  # fmt: skip
async def record_versions(
    request: Request,
    entity: EntityName,
    st_id: Id,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=0, le=BIGGEST, description="The `next` of the answer before.")] = 0,
) -> Response:
    """From when to when each version was true, and what ended it; oldest first."""
    gateway = gateway_of(request)
    kind = entity_of(gateway, entity)
    age = await gateway.freshness.of(kind.name)
    if await versions.earliest(gateway.reads, gateway.tenant_id, kind, st_id) is None:
        raise Denied(404, f"The mirror never held a {singular(kind)} {st_id}.")
    body = await versions.listed(
        gateway.reads, gateway.tenant_id, kind, st_id, after=after, limit=limit, as_of=age.as_of
    )
    return answers.answer(body, age)


async def _version(
    gateway: Gateway, entity: Entity, st_id: int, moment: datetime | None
) -> tuple[bytes, bytes]:
    found = await versions.as_of(gateway.reads, gateway.tenant_id, entity, st_id, moment)
    if found is None:
        first = await versions.earliest(gateway.reads, gateway.tenant_id, entity, st_id)
        said = f"The mirror never held a {singular(entity)} {st_id}."
        if first is not None:
            said = f"The first version of {singular(entity)} {st_id} that we know was true from {first} on."
        raise Denied(404, said)
    return found


def _exact(document: bytes) -> Any:
    return json.loads(document, parse_float=Decimal)


def _moment(gateway: Gateway, name: str, text: str | None) -> datetime | None:
    return None if text is None else value_of(Type.MOMENT, text, name, gateway.zone)


# Events ----------------------------------------------------------------------------------------


@router.get("/events", summary="Business events.", response_model=Events, **scoped(Scope.READ, 404))
async def events(
    request: Request,
    type: Annotated[list[str] | None, Query(max_length=100, description="One of these types.")] = None,  # noqa: A002
    entity: Annotated[str | None, Query(max_length=100)] = None,
    st_id: Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)] = None,
    historical: Annotated[bool | None, Query(description="Whether they tell the past.")] = None,
    occurred_from: Moment = None,
    occurred_before: Moment = None,
    sort: Annotated[Literal["id", "-id"], Query(description="`-id`: the newest first.")] = "id",
    after: Annotated[int | None, Query(ge=0, le=BIGGEST, description="The `next` of an answer.")] = None,
    limit: Limit = 100,
) -> Response:
    """In the order in which they were written, none is ever passed over: go on after the last `id`."""
    gateway = gateway_of(request)
    types = [part.strip() for each in type or () for part in each.split(",")]
    known = {rule.event_type for each in gateway.entities.values() for rule in each.events}
    known.update(OURS)
    for name in types:
        if name not in known:
            raise BadArgument(f"There is no event type {name[:60]!r}{nearest(name, sorted(known))}")
    wanted = Wanted(
        types=types,
        entity=entity_of(gateway, entity).name if entity is not None else None,
        st_id=st_id,
        historical=historical,
        occurred_from=_moment(gateway, "occurred_from", occurred_from),
        occurred_before=_moment(gateway, "occurred_before", occurred_before),
        newest_first=sort == "-id",
        after=after,
        limit=limit,
    )
    age = answers.live(gateway)
    return answers.answer(await event_lists.listed(gateway.reads, gateway.tenant_id, wanted, age.as_of), age)


# The timeline ----------------------------------------------------------------------------------


@router.get(
    "/customers/{st_id}/timeline", summary="Everything that happened with a customer.",
    response_model=CustomerTimeline, **scoped(Scope.READ, 404),
)  # fmt: skip
async def timeline(
    request: Request,
    st_id: Id,
    sort: Annotated[Literal["newest", "oldest"], Query(description="Which comes first.")] = "newest",
    after: Place = None,
    before: Place = None,
    limit: Limit = 100,
    include_deleted: Annotated[bool, Query(description="Tell of deleted records too.")] = False,
) -> Response:
    """Records and events in the order of time; a merged customer's timeline is that of its survivor."""
    if after is not None and before is not None:
        raise BadArgument("after and before are both given: go on in one direction.")
    gateway = gateway_of(request)
    page = timelines.Page(
        oldest_first=sort == "oldest",
        after=after,
        before=before,
        limit=limit,
        include_deleted=include_deleted,
    )
    age = await gateway.freshness.of(*timelines.told(gateway.entities))
    found = await timelines.timeline(gateway.reads, gateway.tenant_id, gateway.entities, st_id, page)
    body = {
        "data_as_of": age.as_of,
        "customers": found.customers,
        "data": found.lines,
        "next": found.next,
        "previous": found.previous,
    }
    return answers.json(body, age)
