"""``/r/{token}``: the short link in a message. It leads to the company's page, and tells that it was opened.

Carriers, mailboxes and chat programs look at links before people do: what is no person's visit leads to the
same page and is not told. No key is needed.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from perfectcatch.gateway.access import PROBLEM
from perfectcatch.gateway.context import gateway_of
from perfectcatch.workflows.running.opening import opened

router = APIRouter(tags=["messages"])

Token = Annotated[str, Path(max_length=100)]
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_ROUTE: Final[dict[str, Any]] = {
    "status_code": 302,
    "response_class": Response,
    "responses": {
        302: {"description": "To the page that the company has set."},
        404: {**PROBLEM, "description": "The link is not one of ours."},
        422: {**PROBLEM, "description": "What stands in the link's place is too long."},
    },
    "openapi_extra": {"x-required-scope": "token"},
}
# Words in the name of a program that looks at links by itself.
_PROGRAMS: Final = (
    *("bot", "crawl", "spider", "preview", "scan", "facebookexternalhit", "whatsapp", "slurp", "monitor"),
    *("python", "curl", "wget", "go-http-client", "java/", "okhttp", "headless", "axios", "node-fetch"),
    *("skypeuripreview", "bingpreview", "proofpoint", "mimecast", "barracuda", "safelinks", "urldefense"),
)
_AHEAD: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")  # fetched before anybody asks
_AHEAD_WORDS: Final = ("prefetch", "prerender", "preview")


@router.get("/r/{token}", summary="Where a short link leads; the first visit is told.", **_ROUTE)
async def follow(request: Request, token: Token) -> Response:
    """Redirect; a person's first visit becomes an event."""
    return await _redirect(request, token, by_person=_is_person(request))


@router.head("/r/{token}", summary="Where a short link leads; nothing is told.", **_ROUTE)
async def look(request: Request, token: Token) -> Response:
    """Redirect."""
    return await _redirect(request, token, by_person=False)


async def _redirect(request: Request, token: str, *, by_person: bool) -> Response:
    address = await opened(gateway_of(request).workshop, token, by_person=by_person)
    return Response(status_code=302, headers={**_HEADERS, "Location": address})


def _is_person(request: Request) -> bool:
    """Whether a browser asks for a page because somebody wants to see it, as far as headers can say."""
    said = request.headers
    if any(word in said.get(name, "").lower() for name in _AHEAD for word in _AHEAD_WORDS):
        return False
    program = said.get("user-agent", "").lower()
    if not program or any(word in program for word in _PROGRAMS):
        return False
    whole = said.get("sec-fetch-dest", "document") == "document"
    return whole and "text/html" in said.get("accept", "")
