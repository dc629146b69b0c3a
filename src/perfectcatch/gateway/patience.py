"""How long a caller may take over a body: who falls silent is told so, and his connection is closed."""

import asyncio
import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SILENCE_SECONDS: Final = 30.0
WHOLE_SECONDS: Final = 60.0


class Patient:
    """An ASGI layer around routes that read whole bodies. Who answers 408 closes the connection."""

    def __init__(
        self, app: ASGIApp, *, silence_seconds: float = SILENCE_SECONDS, whole_seconds: float = WHOLE_SECONDS
    ) -> None:
        self._app = app
        self._silence = silence_seconds
        self._whole = whole_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a ``receive`` that gives up on a body that does not come."""
        if scope["type"] == "http":
            receive = _Waiting(receive, self._silence, self._whole).receive
        await self._app(scope, receive, send)


class _Waiting:
    """One request's ``receive``. ``transport`` is the connection, for who must break it."""

    __slots__ = ("_ends", "_receive", "_silence", "_whole", "transport")

    def __init__(self, receive: Receive, silence: float, whole: float) -> None:
        self._receive = receive
        self._silence = silence
        self._ends = time.monotonic() + whole
        self._whole = False
        self.transport = getattr(getattr(receive, "__self__", None), "transport", None)

    async def receive(self) -> Message:
        if self._whole:  # what comes now is that the caller has gone, whenever that may be
            return await self._receive()
        try:
            async with asyncio.timeout(min(self._silence, max(0.0, self._ends - time.monotonic()))):
                message = await self._receive()
        except TimeoutError:
            # Of this kind, because the framework makes 400 of every other one.
            raise HTTPException(
                408, "The body did not arrive in time.", headers={"Connection": "close"}
            ) from None
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message
