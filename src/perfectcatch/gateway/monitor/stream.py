"""``GET /api/monitor/events``: the live stream of one listener."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from perfectcatch.errors import BadArgument, DatabaseUnavailable
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.monitor.frames import HEARTBEAT, KINDS, Frame, hello, of_event
from perfectcatch.gateway.monitor.hub import Listener, place_behind
from perfectcatch.gateway.problems import Denied
from perfectcatch.store import events
from perfectcatch.store.events import Place

HEARTBEAT_SECONDS: Final = 15.0
ADMITTED_SECONDS: Final = 3.0  # how long a revoked key may go on listening
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Accel-Buffering": "no",  # a proxy that gathers answers would hold everything back
}

router = APIRouter(tags=["monitor"])


@router.get(
    "/api/monitor/events",
    summary="The live stream: business events and the progress of syncs, as server-sent events.",
    response_class=Response,
    **scoped(Scope.READ, answers={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}),
)
async def monitor(
    request: Request,
    kinds: Annotated[
        str, Query(description=f"Which kinds, separated by commas: {', '.join(KINDS)}.")
    ] = ",".join(KINDS),
    types: Annotated[
        str | None, Query(description="Only business events of these types, separated by commas.")
    ] = None,
) -> Response:
    """Begin with what is new, or behind the place that ``Last-Event-ID`` names.

    Each business event comes at least once; its id names the place behind it. A listener who falls more than
    a thousand messages behind is disconnected and resumes.
    """
    wanted = frozenset(kinds.split(","))
    if unknown := wanted - set(KINDS):
        raise BadArgument(f"There is no kind {', '.join(sorted(unknown))}: choose of {', '.join(KINDS)}.")
    only = frozenset(types.split(",")) if types else None
    last = request.headers.get("last-event-id")
    place = Place.parse(last) if last else None

    def wants(frame: Frame) -> bool:
        return frame.kind in wanted and (only is None or frame.event_type is None or frame.event_type in only)

    return _Stream(gateway_of(request), request.headers.get("authorization"), wants, place)


class _Stream(Response):
    """A body that lasts. Its own class, because it costs two tasks a listener instead of a stack of them."""

    def __init__(
        self,
        gateway: Gateway,
        authorization: str | None,
        wants: Callable[[Frame], bool],
        place: Place | None,
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._gateway = gateway
        self._authorization = authorization
        self._wants = wants
        self._place = place

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Send until the listener goes, is too slow, or his key is revoked."""
        _ = scope
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self._gateway.hub.listening(self._wants) as listener:
            sending = asyncio.create_task(self._send_all(listener, send))
            others = [asyncio.create_task(_gone(receive)), asyncio.create_task(listener.lagging.wait())]
            try:
                await asyncio.wait({sending, *others}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, *others):
                    task.cancel()
                await asyncio.gather(sending, *others, return_exceptions=True)
            if listener.lagging.is_set():
                await _cut(receive)
                return
        with suppress(OSError, RuntimeError):  # the other end is gone already
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, listener: Listener, send: Send) -> None:
        async for body in self._bodies(listener):
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _bodies(self, listener: Listener) -> AsyncIterator[bytes]:
        gateway = self._gateway
        place = self._place or gateway.hub.place
        if place is None:
            place = await events.here(gateway.pool, gateway.tenant_id)
        yield hello(place)
        told: set[int] = set()
        if self._place is not None:
            async for frame in self._missed(self._place):
                told.add(frame.event_id or 0)
                yield frame.body
        async for body in self._live(listener, told):
            yield body

    async def _missed(self, place: Place) -> AsyncIterator[Frame]:
        """What happened since ``place``, read from the table."""
        gateway = self._gateway
        while True:
            read, reached = await events.after(gateway.pool, gateway.tenant_id, place)
            for event in read:
                frame = of_event(event, place_behind(event, place, reached))
                if self._wants(frame):
                    yield frame
            place = reached
            if not read:
                return

    async def _live(self, listener: Listener, told: set[int]) -> AsyncIterator[bytes]:
        clock = self._gateway.clock
        heard = admitted = clock.monotonic()
        while True:
            frame = None
            with suppress(TimeoutError):
                async with asyncio.timeout(ADMITTED_SECONDS):
                    frame = await listener.next()
            now = clock.monotonic()
            if now - admitted >= ADMITTED_SECONDS:
                admitted = now
                if not await self._still_admitted():
                    return
            if frame is not None and frame.event_id not in told:
                heard = now
                yield frame.body
            elif now - heard >= HEARTBEAT_SECONDS:
                heard = now
                yield HEARTBEAT

    async def _still_admitted(self) -> bool:
        try:
            await self._gateway.door.recognise(self._authorization)
        except Denied:
            return False
        except DatabaseUnavailable:  # nobody can say; he is told what happens when it is back
            return True
        return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(receive: Receive) -> None:
    """Break the connection of somebody who does not read: a close would wait for what he has not taken.

    The server (uvicorn) has no word for that, but the request's ``receive`` belongs to the object that holds
    the transport. Where it does not, the connection goes when the other end gives up.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await _gone(receive)
