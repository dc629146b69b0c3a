"""``/openapi.json`` and ``/docs``: every route described, written once and kept as bytes.

The page is our own and holds everything that it needs: it works without a way to the internet, and its policy
lets it fetch nothing but the document.
"""

import base64
import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

PATH: Final = "/openapi.json"
_KEPT: Final = {"Cache-Control": "private, max-age=300"}

Describe = Callable[[dict[str, Any]], None]


def install(app: FastAPI, *describe: Describe) -> None:
    """Serve the document of ``app``; each of ``describe`` adds what the framework does not know."""
    framework = app.openapi
    written: list[bytes] = []

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            whole = framework()
            for add in describe:
                add(whole)
            app.openapi_schema = whole
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]

    async def openapi(_: Request) -> Response:
        if not written:
            written.append(msgspec.json.encode(document()))
        return Response(written[0], media_type="application/json", headers=_KEPT)

    async def docs(_: Request) -> HTMLResponse:
        text, policy = page()
        return HTMLResponse(text, headers={"Content-Security-Policy": policy, **_KEPT})

    app.add_route(PATH, openapi, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)


@cache
def page() -> tuple[str, str]:
    """The page and its policy, which names its script and its style by their hashes."""
    text = files("perfectcatch.gateway").joinpath("docs.html").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src {_hashes(text, 'script')}; style-src {_hashes(text, 'style')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy


def _hashes(text: str, element: str) -> str:
    inside = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
    digests = (base64.b64encode(sha256(each.encode()).digest()).decode() for each in inside)
    return " ".join(f"'sha256-{each}'" for each in digests)
