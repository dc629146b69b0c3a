"""``POST /webhooks/{vendor}``: verified, stored, answered; what it tells of is read elsewhere."""

import asyncio
from typing import Final, Literal

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from perfectcatch.errors import PerfectCatchError
from perfectcatch.gateway.access import PROBLEM
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.messaging.post import PostRoom
from perfectcatch.model.reports import MessageWebhooks, Webhook
from perfectcatch.store.inbox import Arrival

LARGEST: Final = 1024 * 1024
_KEPT: Final = ("content-type", "user-agent")

router = APIRouter(tags=["webhooks"])
log = structlog.get_logger(__name__)


class Received(BaseModel):
    """The webhook is stored."""

    status: Literal["stored", "known"] = Field(description="Whether it is new or came before.")


@router.post(
    "/webhooks/{vendor:path}",
    summary="Take a vendor's webhook. No API key: the body is signed with the secret of that vendor.",
    response_model=Received,
    responses={
        401: {**PROBLEM, "description": "The signature is missing or wrong, or no secret is set."},
        404: {**PROBLEM, "description": "There is no such vendor."},
        413: {**PROBLEM, "description": "The body is larger than 1 MiB."},
        429: {**PROBLEM, "description": "It could not be stored; some vendors send again after 429 alone."},
        503: {**PROBLEM, "description": "It could not be stored: send it again."},
    },
    openapi_extra={"x-required-scope": "signature"},
)
async def receive(vendor: str, request: Request) -> Response:
    """Nothing is stored of a body that is not signed, and nothing is answered before it is stored."""
    gateway = gateway_of(request)
    if (about := gateway.post.sources.get(vendor)) is not None:
        return await _of_messages(request, gateway.post, about)
    source = gateway.webhooks.get(vendor)
    if source is None:
        raise Denied(404, f"No webhooks of {vendor!r} are taken here.")
    body = await _body(request)
    if not source.verify(request.headers, body, gateway.clock.now()):
        raise Denied(401, "The signature of the webhook is missing or wrong.")
    delivery = source.read(request.headers, body)
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    arrival = Arrival(source=vendor, delivery=delivery, headers=headers, body=body)
    try:
        async with asyncio.timeout(source.patience):
            new = await gateway.post.intake.receive(arrival)
    except (PerfectCatchError, TimeoutError) as error:
        if source.patience is None:
            raise
        log.warning("a webhook is put off", vendor=vendor, error=repr(error))
        source.put_off(body, gateway.clock.now())
        raise Denied(429, "It could not be stored: send it again.", headers={"Retry-After": "60"}) from error
    return JSONResponse({"status": "stored" if new else "known"})


async def _of_messages(request: Request, post: PostRoom, source: MessageWebhooks) -> Response:
    """Answered in the vendor's own form, which may be one without words."""
    body = await _body(request)
    target = request.scope["raw_path"].decode("latin-1")
    if query := request.scope["query_string"].decode("latin-1"):
        target += f"?{query}"
    webhook = Webhook(target=target, headers=request.headers, body=body, at=post.desk.clock.now())
    if not source.verify(webhook):
        raise Denied(401, "The signature of the webhook is missing or wrong.")
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    await post.store(source, webhook, headers)
    content_type, answer = source.answer
    return Response(answer, media_type=content_type)


async def _body(request: Request) -> bytes:
    """The raw bytes, up to the limit, whatever is announced."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise Denied(413, "A webhook has at most 1 MiB.")
    return bytes(body)
