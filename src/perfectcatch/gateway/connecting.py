"""``/crm/connect``: an owner of the CRM's account lets our app in, and comes back with a code.

The way back needs no key, since the owner's browser comes there. It needs the state that ``/crm/connect``
gave: without it a stranger could lead a browser there with a code of their choice. A state works once, for
thirty minutes, for the account and the address that it was given for; tokens of another account are refused.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse

from perfectcatch.gateway.access import PROBLEM, Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.model.tokens import Consenting
from perfectcatch.store import consents

BACK: Final = "/crm/connected"
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Connected</title></head>
<body><h1>Connected</h1><p>The CRM is connected. This page can be closed.</p></body></html>
"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

router = APIRouter(tags=["crm"])


class Consent(BaseModel):
    """Where an owner lets our app in."""

    url: str = Field(description="The vendor's page: open it in a browser, as an owner of the account.")
    redirect_uri: str = Field(description="Where it leads back; the app must be allowed to use it.")


@router.get(
    "/crm/connect",
    summary="Where an owner of the CRM's account lets our app in.",
    **scoped(Scope.ADMIN, 409),
)
async def connect(request: Request) -> Consent:
    """Nothing changes until the owner comes back, within thirty minutes."""
    gateway = gateway_of(request)
    app, back = _app_of(gateway)
    state = await consents.begin(gateway.pool, gateway.tenant_id, _bound(app, back), now=gateway.clock.now())
    return Consent(url=app.consent_url(back, state), redirect_uri=back)


@router.get(
    BACK,
    summary="The way back of an owner who let our app in. No API key: it needs the state that we gave.",
    response_class=HTMLResponse,
    responses={
        403: {**PROBLEM, "description": "The state is not one that we gave, was used before, or is too old."},
        409: {**PROBLEM, "description": "No app is set, or a private token is used."},
        422: {**PROBLEM, "description": "There is no code or no state, or the code is for another account."},
        502: {**PROBLEM, "description": "The vendor did not answer usably."},
        503: {**PROBLEM, "description": "The vendor takes neither the code nor our app."},
    },
    openapi_extra={"x-required-scope": "token"},
)
async def connected(
    request: Request,
    code: Annotated[str, Query(min_length=1, max_length=2000, description="What the vendor gave.")],
    state: Annotated[str, Query(min_length=1, max_length=200, description="What we gave.")],
) -> HTMLResponse:
    """Turn the code into tokens, and keep them."""
    gateway = gateway_of(request)
    app, back = _app_of(gateway)
    bound, now = _bound(app, back), gateway.clock.now()
    if not await consents.take(gateway.pool, gateway.tenant_id, state, bound, now=now):
        raise Denied(
            403,
            "This consent was not asked for here, was used before, or is older than thirty minutes: "
            "ask GET /crm/connect for a new address.",
        )
    await app.connect(code, back)
    return HTMLResponse(_PAGE, headers=_HEADERS)


def _bound(app: Consenting, back: str) -> str:
    return f"{app.account} {back}"


def _app_of(gateway: Gateway) -> tuple[Consenting, str]:
    app, public = gateway.crm_app, gateway.desk.company.public_url
    if app is None or not public:
        raise Denied(
            409,
            "No app of the CRM is set: set GHL_CLIENT_ID, GHL_CLIENT_SECRET, GHL_LOCATION_ID and "
            "PUBLIC_BASE_URL, and leave GHL_API_KEY out.",
        )
    return app, public.rstrip("/") + BACK
