"""Answers on their way out: written straight to the server, with headers from a short list."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog
from starlette.types import Message, Receive, Send

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.http import Response, Rest
from perfectcatch.model.endpoint import Endpoint, Kind

STREAM_SECONDS: Final = 900.0  # a caller who takes longer for one file is cut off

# What an answer of the vendor may say to a caller. The vendor's cookies, its server, its tracing and whatever
# is about one connection stay here.
PASSED: Final = ("Content-Type", "Content-Disposition", "Content-Language", "ETag", "Last-Modified")
_WITHOUT_BODY: Final = {204, 304}
_REDIRECTS: Final = range(300, 400)
_OURS: Final = ((b"x-content-type-options", b"nosniff"),)

log = structlog.get_logger(__name__)

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller gets. ``rest`` follows ``body``; ``length`` is the size of both where it is known."""

    status: int
    headers: Headers
    body: bytes
    rest: Rest | None = None
    length: int | None = None

    def having(self, **more: str) -> "Reply":
        """The same with further headers; underscores stand for hyphens."""
        added = tuple(
            (name.replace("_", "-").lower().encode(), value.encode()) for name, value in more.items()
        )
        return replace(self, headers=self.headers + added)


def reply_of(endpoint: Endpoint, response: Response) -> Reply:
    """The caller's form of a vendor's good answer."""
    given: Mapping[str, str] = response.headers
    headers = [(name.lower().encode(), given[name].encode("latin-1")) for name in PASSED if name in given]
    if endpoint.kind is Kind.FILE:
        if "Content-Type" not in given and response.status not in _REDIRECTS:
            headers.append((b"content-type", b"application/octet-stream"))
        # Whatever the file is, a browser must not run it as a page of ours, nor keep a signed address.
        headers += [
            (b"content-security-policy", b"sandbox; default-src 'none'"),
            (b"cache-control", b"no-store"),
        ]
        if response.status in _REDIRECTS:
            headers.append((b"location", given["Location"].encode("latin-1")))
    length: int | None = len(response.body)
    if response.rest is not None:
        plain = given.get("Content-Encoding", "identity") in {"identity", ""}
        length = int(given["Content-Length"]) if plain and "Content-Length" in given else None
    return Reply(response.status, tuple(headers), response.body, response.rest, length)


async def deliver(reply: Reply, receive: Receive, send: Send) -> None:
    """Send a reply; a stream ends early when the caller goes, takes too long, or the vendor breaks off."""
    headers = [*reply.headers, *_OURS]
    empty = reply.status in _WITHOUT_BODY
    if reply.length is not None and not empty:
        headers.append((b"content-length", b"%d" % reply.length))
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    except BaseException:
        if reply.rest is not None:
            await reply.rest.aclose()
        raise
    if reply.rest is None:
        await send({"type": "http.response.body", "body": b"" if empty else reply.body})
    else:
        await _stream(reply.body, reply.rest, receive, send)


async def _stream(first: bytes, rest: Rest, receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(_gone(receive))
    try:
        async with asyncio.timeout(STREAM_SECONDS):
            await send(_piece(first))
            async for piece in rest:
                if gone.done():
                    return
                await send(_piece(piece))
            await send({"type": "http.response.body", "body": b""})
    except (PerfectCatchError, TimeoutError) as error:
        # Too late for a status: the connection is closed before its end, which every client notices.
        log.warning("an answer broke off on its way to a caller", reason=str(error) or "it took too long")
    finally:
        gone.cancel()
        await rest.aclose()


def _piece(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
