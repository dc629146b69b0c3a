"""One record by its id, answered before the framework: its router and its layers take longer than we do.

What is asked most often is asked like this. Such a request is refused in the same words as by any route.
"""

import re
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from perfectcatch.gateway import problems

_RECORD: Final = re.compile(r"/db/([^/]+)/(-?[0-9]{1,19})", re.ASCII)


class Straight:
    """An ASGI layer. ``routes`` by path: of those the one that gives a record is answered here."""

    def __init__(self, app: ASGIApp, routes: Mapping[str, Route]) -> None:
        self._app = app
        self._route = routes["/db/{entity}/{st_id:st_id}"]
        self._endpoint = self._route.endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a question for a record."""
        asked = scope["type"] == "http" and scope["method"] == "GET" and _RECORD.fullmatch(scope["path"])
        if not asked:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        scope["path_params"] = {"entity": asked[1], "st_id": int(asked[2])}
        try:
            response = await self._endpoint(Request(scope, receive, send))
        except Exception as error:  # noqa: BLE001 - nothing above would answer
            response = problems.to(error, scope["path"])
        await response(scope, receive, send)
