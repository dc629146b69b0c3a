"""Records by their id and webhooks, answered before the framework: its layers take longer than we do.

They are what is asked most often. Such a request is refused in the same words as by any route. A webhook took
three fifths of its time on the way to its route, and back.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from perfectcatch.gateway import problems, webhooks

_RECORD: Final = re.compile(r"/db/([^/]+)/(-?[0-9]{1,19})", re.ASCII)
_WEBHOOKS: Final = "/webhooks/"

_Answer = Callable[[Request], Awaitable[Response]]


class Straight:
    """An ASGI layer. ``routes`` are those of the framework, of which two are answered here."""

    def __init__(self, app: ASGIApp, routes: Iterable[Any]) -> None:
        self._app = app
        by_path = {route.path: route for route in routes if isinstance(route, Route)}
        self._record = by_path["/db/{entity}/{st_id:st_id}"]
        self._webhook = by_path["/webhooks/{vendor:path}"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a question for a record, or a webhook."""
        answer = self._chosen(scope) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await answer(Request(scope, receive, send))
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - nothing above would answer
            response = problems.to(error, scope["path"])
        await response(scope, receive, send)

    def _chosen(self, scope: Scope) -> _Answer | None:
        method, path = scope["method"], scope["path"]
        if method == "GET" and (asked := _RECORD.fullmatch(path)):
            scope["route"] = self._record
            scope["path_params"] = {"entity": asked[1], "st_id": int(asked[2])}
            return self._record.endpoint
        if method == "POST" and path.startswith(_WEBHOOKS):
            scope["route"] = self._webhook
            vendor = path.removeprefix(_WEBHOOKS)
            return lambda request: webhooks.receive(vendor, request)
        return None
