"""``POST /webhooks/{vendor}``: verified, stored, answered; what it tells of is read elsewhere."""

from typing import Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from perfectcatch.gateway.access import PROBLEM
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.store import inbox

LARGEST: Final = 1024 * 1024
_KEPT: Final = ("content-type", "user-agent")

router = APIRouter(tags=["webhooks"])


class Received(BaseModel):
    """The webhook is stored."""

    status: Literal["stored", "known"] = Field(description="Whether it is new or came before.")


@router.post(
    "/webhooks/{vendor}",
    summary="Take a vendor's webhook. No API key: the body is signed with the secret of that vendor.",
    responses={
        401: {**PROBLEM, "description": "The signature is missing or wrong, or no secret is set."},
        404: {**PROBLEM, "description": "There is no such vendor."},
        413: {**PROBLEM, "description": "The body is larger than 1 MiB."},
        503: {**PROBLEM, "description": "It could not be stored: send it again."},
    },
    openapi_extra={"x-required-scope": "signature"},
)
async def receive(vendor: str, request: Request) -> Received:
    """Nothing is stored of a body that is not signed, and nothing is answered before it is stored."""
    gateway = gateway_of(request)
    source = gateway.webhooks.get(vendor)
    if source is None:
        raise Denied(404, f"No webhooks of {vendor!r} are taken here.")
    body = await _body(request)
    if not source.verify(request.headers, body, gateway.clock.now()):
        raise Denied(401, "The signature of the webhook is missing or wrong.")
    delivery = source.read(request.headers, body)
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    new = await inbox.receive(gateway.pool, gateway.tenant_id, vendor, delivery, headers, body)
    return Received(status="stored" if new else "known")


async def _body(request: Request) -> bytes:
    """The raw bytes, up to the limit, whatever is announced."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise Denied(413, "A webhook has at most 1 MiB.")
    return bytes(body)
