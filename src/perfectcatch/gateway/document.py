"""``/openapi.json`` and ``/docs``: every route described, written once and kept as bytes."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

PATH: Final = "/openapi.json"
_KEPT: Final = {"Cache-Control": "private, max-age=300"}

# With well over a thousand operations a page that unfolds itself would take minutes.
_PAGE: Final = {
    "docExpansion": "none",
    "defaultModelsExpandDepth": -1,
    "defaultModelExpandDepth": 2,
    "filter": True,
    "deepLinking": True,
    "showExtensions": True,
    "syntaxHighlight": False,
    "tryItOutEnabled": False,
}

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
        return get_swagger_ui_html(openapi_url=PATH, title=app.title, swagger_ui_parameters=_PAGE)

    app.add_route(PATH, openapi, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)
