"""``/unsubscribe/{token}``: the link in an email. GET shows a page, POST ends marketing; no key is needed.

Scanners of mailboxes follow every link, so that looking changes nothing (RFC 8058).
"""

from html import escape
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse

from perfectcatch.gateway.access import PROBLEM
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.messaging import people, unsubscribe
from perfectcatch.messaging.people import OptingOut
from perfectcatch.messaging.rules import StopCovers
from perfectcatch.model.messaging import Channel
from perfectcatch.store.messages import log
from perfectcatch.store.messages.log import Message

router = APIRouter(tags=["messages"])

Token = Annotated[str, Path(max_length=100)]
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_ROUTE: Final[dict[str, Any]] = {
    "response_class": HTMLResponse,
    "responses": {
        404: {**PROBLEM, "description": "The link is not one of ours."},
        422: {**PROBLEM, "description": "What stands in the link's place is too long."},
    },
    "openapi_extra": {"x-required-scope": "token"},
}
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""


@router.get(
    "/unsubscribe/{token}", summary="The page of a link to unsubscribe; it changes nothing.", **_ROUTE
)
async def ask(request: Request, token: Token) -> HTMLResponse:
    """A page with a button."""
    gateway = gateway_of(request)
    await _message(gateway, token)
    name = escape(gateway.desk.company.name or "us")
    return _page(
        "Unsubscribe",
        f"You will get no more offers from {name}. Messages about your appointments still come.",
        '<form method="post"><button type="submit">Unsubscribe</button></form>',
    )


@router.post(
    "/unsubscribe/{token}", summary="End marketing to who got the message, with one click.", **_ROUTE
)
async def act(request: Request, token: Token) -> HTMLResponse:
    """No login and no further question; the body is not looked at."""
    gateway = gateway_of(request)
    message = await _message(gateway, token)
    assert message.address is not None, "what was sent has an address"
    await people.opt_out(
        gateway.desk,
        OptingOut(
            channel=Channel(message.channel),
            address=message.address,
            customer_id=message.customer_id,
            covers=StopCovers.PURPOSE,
            source="unsubscribe",
            by="recipient",
            message_id=message.id,
        ),
    )
    return _page("Done", "You will get no more offers from us.", "")


async def _message(gateway: Gateway, token: str) -> Message:
    message_id = unsubscribe.message_of(gateway.desk.company.secret, gateway.tenant_id, token)
    found = None
    if message_id is not None:
        async with gateway.pool.connection() as connection:
            found = await log.by_id(connection, gateway.tenant_id, message_id)
    if found is None or found.address is None:
        raise Denied(404, "This link is not one of ours: use the whole link from the message.")
    return found


def _page(title: str, text: str, form: str) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=title, text=text, form=form), headers=_HEADERS)
