"""``/api/consents``, ``/api/opt-outs``, ``/api/received``: what people want, and what they wrote."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from perfectcatch.errors import NothingKnown
from perfectcatch.gateway import answers
from perfectcatch.gateway import message_models as models
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.messages import After, Limit, RowId, caller_of, page
from perfectcatch.messaging import inbound, people
from perfectcatch.messaging.people import Agreement, OptingOut
from perfectcatch.messaging.rules import StopCovers
from perfectcatch.model.messaging import Channel, Purpose
from perfectcatch.store.messages import lists
from perfectcatch.store.messages.lists import Wanted
from perfectcatch.store.reading.fields import BIGGEST

router = APIRouter(prefix="/api", tags=["messages"])

CustomerId = Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)]
Address = Annotated[str | None, Query(max_length=320, description="A telephone number or an email address.")]


def _normalized(channel: str | None, address: str | None) -> str | None:
    """An address of a query; without a channel it is read as what it looks like."""
    if address is None:
        return None
    kind = Channel(channel) if channel else Channel.EMAIL if "@" in address else Channel.SMS
    return people.address_of(kind, address)


@router.get(
    "/consents", summary="Who agreed to which messages.", response_model=models.Consents,
    **scoped(Scope.READ),
)  # fmt: skip
async def consents(
    request: Request,
    channel: models.ChannelName | None = None,
    address: Address = None,
    customer_id: CustomerId = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """The newest first; the newest of an address counts."""
    equal = {"channel": channel, "address": _normalized(channel, address), "customer_id": customer_id}
    return await page(request, "consents", Wanted(equal=equal, after=after, limit=limit))


@router.post(
    "/consents", summary="Note consent, or its withdrawal.", response_model=models.Noted, status_code=201,
    **scoped(Scope.WRITE),
)  # fmt: skip
async def agree(request: Request, asked: models.ConsentGiven) -> Response:
    """Rows are only added: the last word counts, and all of them prove it."""
    gateway = gateway_of(request)
    noted = await people.agree(
        gateway.desk,
        Agreement(
            channel=Channel(asked.channel),
            purpose=Purpose(asked.purpose),
            given=asked.given,
            source=asked.source,
            wording=asked.wording,
            at=asked.given_at or gateway.clock.now(),
            by=caller_of(request),
            address=asked.address,
            customer_id=asked.customer_id,
            evidence=asked.evidence,
        ),
    )
    return answers.json({"id": noted}, answers.live(gateway), status=201)


@router.get(
    "/opt-outs", summary="Who wants no more messages.", response_model=models.OptOuts, **scoped(Scope.READ)
)
async def opt_outs(
    request: Request,
    channel: models.ChannelName | None = None,
    address: Address = None,
    customer_id: CustomerId = None,
    in_force: Annotated[bool | None, Query(description="`true`: only those that hold now.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """The newest first."""
    conditions = [] if in_force is None else [f"ended_at is {'null' if in_force else 'not null'}"]
    if customer_id is not None:
        conditions.append("customer_ids @> array[%(customer)s]::bigint[]")
    wanted = Wanted(
        equal={"channel": channel, "address": _normalized(channel, address)},
        conditions=conditions,
        values={"customer": customer_id},
        after=after,
        limit=limit,
    )
    return await page(request, "opt_outs", wanted)


@router.post(
    "/opt-outs", summary="Note that somebody wants no more messages.", response_model=models.Noted,
    status_code=201, **scoped(Scope.WRITE),
)  # fmt: skip
async def opt_out(request: Request, asked: models.OptOutAsked) -> Response:
    """It holds at once; `id` is null if the same one holds already."""
    gateway = gateway_of(request)
    noted = await people.opt_out(
        gateway.desk,
        OptingOut(
            channel=Channel(asked.channel),
            address=asked.address,
            customer_id=asked.customer_id,
            covers=StopCovers(asked.covers) if asked.covers else None,
            source="person",
            wording=asked.wording,
            by=caller_of(request),
        ),
    )
    return answers.json({"id": noted}, answers.live(gateway), status=201)


@router.post(
    "/opt-outs/{opt_out_id}/end", summary="End an opt-out because the person says so.",
    response_model=models.Noted, **scoped(Scope.WRITE, 404),
)  # fmt: skip
async def end_opt_out(request: Request, opt_out_id: RowId) -> Response:
    """The row stays, with who ended it."""
    gateway = gateway_of(request)
    if not await people.end_opt_out(gateway.desk, opt_out_id, by=caller_of(request)):
        raise NothingKnown(f"No opt-out {opt_out_id} is in force.")
    return answers.json({"id": opt_out_id}, answers.live(gateway))


@router.get(
    "/received", summary="Messages from people.", response_model=models.HeardList, **scoped(Scope.READ)
)
async def received(
    request: Request,
    waiting: Annotated[bool | None, Query(description="`true`: only those that wait for a person.")] = None,
    customer_id: CustomerId = None,
    sender: Address = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """The newest first."""
    conditions = []
    if waiting is not None:
        conditions.append(f"{'' if waiting else 'not '}(needs_person and decided_at is null)")
    if customer_id is not None:
        conditions.append("customer_ids @> array[%(customer)s]::bigint[]")
    wanted = Wanted(
        equal={"sender": _normalized(None, sender)},
        conditions=conditions,
        values={"customer": customer_id},
        after=after,
        limit=limit,
    )
    return await page(request, "received", wanted)


@router.post(
    "/received/{received_id}/decide", summary="Say what a message from a person was.",
    response_model=models.Heard, **scoped(Scope.WRITE, 404),
)  # fmt: skip
async def decide(request: Request, received_id: RowId, asked: models.Verdict) -> Response:
    """An opt-out, or something that is dealt with: what was held because of it is decided again."""
    gateway = gateway_of(request)
    await inbound.decide(gateway.desk, received_id, opted_out=asked.opted_out, by=caller_of(request))
    body = await lists.one(gateway.reads, gateway.tenant_id, "received", received_id)
    return answers.answer(body or b"", answers.live(gateway))


@router.get(
    "/message-addresses", summary="Addresses that take no messages.", response_model=models.BadAddresses,
    **scoped(Scope.READ),
)  # fmt: skip
async def addresses(request: Request) -> Response:
    """Landlines, numbers out of service, addresses that bounced; the newest thousand."""
    gateway = gateway_of(request)
    age = answers.live(gateway)
    return answers.answer(await lists.addresses(gateway.reads, gateway.tenant_id, age.as_of), age)


@router.delete(
    "/message-addresses/{channel}/{address}", summary="Take back what was noted against an address.",
    response_model=models.Noted, **scoped(Scope.WRITE, 404),
)  # fmt: skip
async def forget(request: Request, channel: models.ChannelName, address: str) -> Response:
    """It takes messages after all."""
    gateway = gateway_of(request)
    if not await people.forget_address(gateway.desk, Channel(channel), address):
        raise NothingKnown(f"Nothing is noted against {address[:80]!r}.")
    return answers.json({"id": None}, answers.live(gateway))
