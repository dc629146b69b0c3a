"""The one way out: every call to a vendor leaves through ``Http.send``.

A body is whole in both directions, unless a caller asks for the other form: ``Streamed`` goes out piece by
piece, and with ``whole_bytes`` an answer that is longer comes back with the rest still to be read.

What it costs, measured on loopback (CPython 3.11): a page of 100 MB takes 0.17 s of the client's CPU, and
0.19 s when it comes gzipped, at a tenth of the bytes. Over a line of 100 Mbit/s 225 MB take 18 s plain and
2 s gzipped, so gzip is asked for except on loopback.
"""

import asyncio
import io
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self
from urllib.parse import urlsplit

from perfectcatch.errors import BadSetting, Crash, VendorTimeout, VendorUnavailable
from perfectcatch.kit import redact, wire
from perfectcatch.kit.addresses import NoAddress, is_loopback
from perfectcatch.kit.decoding import Gunzip, Plain, Unreadable
from perfectcatch.kit.wire import Answer, Origin
from perfectcatch.kit.wires import Unconnected, Wires

if TYPE_CHECKING:
    from perfectcatch.kit.general import General, GeneralAnswer

MEBIBYTE = 1024 * 1024


class NotSent(VendorUnavailable):
    """The request certainly never reached the vendor: no connection was made."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that is too large to be held. ``pieces`` gives it from its beginning each time it is called."""

    size: int
    pieces: Callable[[], AsyncIterator[bytes]] = field(repr=False)

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. ``url`` is complete and percent-encoded; ``setting`` names where its host comes from.

    ``whole_bytes``: what is longer comes as ``Response.rest``; None reads everything, up to ``max_bytes``.
    ``alone``: on a new connection. On a kept one nobody can tell whether the vendor had closed it before.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Streamed | None = None
    setting: str = ""
    total_seconds: float | None = None  # None: as the Http was told
    max_bytes: int | None = None  # None: as the Http was told
    whole_bytes: int | None = None
    alone: bool = False

    @property
    def host(self) -> str:
        """Host and port, for sentences."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def __repr__(self) -> str:
        body = "no body" if self.body is None else f"{len(self.body)} bytes"
        return f"<Request {self.method} {redact.url(self.url)} {redact.headers(self.headers)} {body}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer. ``headers`` ignores case; ``body`` is decoded; ``seconds`` is the time it took.

    ``rest`` follows ``body`` where a stream was asked for and there is more; it is read or closed by whoever
    has the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    rest: "Rest | None" = None

    def __repr__(self) -> str:
        return f"<Response {self.status} {redact.headers(self.headers)} {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds. ``between_bytes`` begins with the first byte: until then only ``total`` limits the wait."""

    connect: float = 10.0
    between_bytes: float = 30.0
    total: float = 95.0


class Http:
    """An HTTP client whose calls share connections; an async context manager.

    It follows no redirect, keeps no cookie, sends nothing twice, and gives either a whole body or an error.
    ``max_bytes`` limits a body after decompression. ``public_only``: a host's name leads to public addresses
    or nowhere; an address that is written as such is the caller's to judge.
    """

    def __init__(
        self,
        *,
        deadlines: Deadlines | None = None,
        max_bytes: int = 200 * MEBIBYTE,
        connections: int = 64,
        compressed: bool = True,
        user_agent: str = "perfectcatch",
        public_only: bool = False,
    ) -> None:
        self._public_only = public_only
        self._deadlines = deadlines or Deadlines()
        self._max_bytes = max_bytes
        self._connections = connections
        self._compressed = compressed
        self._user_agent = user_agent
        self._open = False
        self._wires = self._streams = self._new_wires()
        self._general: General | None = None

    async def __aenter__(self) -> Self:
        """Open the pool; connections are made when needed."""
        self._open = True
        self._wires, self._streams = self._new_wires(), self._new_wires()
        return self

    def _new_wires(self) -> Wires:
        return Wires(limit=self._connections, connect_seconds=self._deadlines.connect)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._open = False
        await self._wires.close()
        await self._streams.close()
        if self._general is not None:
            await self._general.close()
            self._general = None

    async def send(self, request: Request) -> Response:
        """Send once and read the whole answer, whatever its status.

        Raises NotSent when no connection was made, VendorUnavailable when it broke, took too long or gave
        more than the limit, BadSetting when the address is none.
        """
        self._require_open()
        origin, target = (None, "") if self._is_unusual(request) else wire.split(request.url)
        if origin is None:
            await self._need_general()  # it may have to be imported, which is nobody's answer being late
        total = request.total_seconds or self._deadlines.total
        limit = self._max_bytes if request.max_bytes is None else request.max_bytes
        started, by = time.monotonic(), asyncio.get_running_loop().time() + total
        answer: Answer | GeneralAnswer | None = None
        try:
            if origin is not None:
                answer = wired = await self._wired(request, origin, target, by)
                if (here := _here(wired, limit)) is not None:
                    return _response(wired, here, started)
            async with asyncio.timeout_at(by):
                if answer is None:
                    answer = await self._asked(request)
                pieces = self._pieces(answer, limit)
                body, ended = await _gather(pieces, request.whole_bytes)
        except _TROUBLE as problem:
            if answer is not None:
                answer.close()
            _explain(problem, request, time.monotonic() - started)
        except BaseException:
            if answer is not None:
                answer.close()
            raise
        return _response(answer, body, started, None if ended else Rest(answer, pieces, request, started))

    def _require_open(self) -> None:
        if not self._open:
            raise Crash("Http is used outside of its `async with` block")

    def _is_unusual(self, request: Request) -> bool:
        elsewhere = request.alone or self._public_only or request.method == "HEAD"
        return elsewhere or isinstance(request.body, Streamed)

    async def _wired(self, request: Request, origin: Origin, target: str, by: float) -> Answer:
        """The answer to a request of a usual kind."""
        assert not isinstance(request.body, Streamed)
        # Apart, because whoever reads a rest keeps its connection for as long as he likes.
        wires = self._wires if request.whole_bytes is None else self._streams
        headers = {"User-Agent": self._user_agent, **self._headers(request, origin.host)}
        return await wires.ask(
            origin, wire.written(request.method, target, origin, headers, request.body), by
        )

    async def _need_general(self) -> None:
        if self._general is None:
            # In a thread: it takes 0.2 s, in which everybody else would wait.
            general = await asyncio.to_thread(_general)
            self._require_open()  # it may have been closed meanwhile
            if self._general is None:
                self._general = general(
                    connections=self._connections,
                    connect_seconds=self._deadlines.connect,
                    user_agent=self._user_agent,
                    public_only=self._public_only,
                )

    async def _asked(self, request: Request) -> "GeneralAnswer":
        """The answer to a request of any kind."""
        assert self._general is not None
        headers, body = self._headers(request, urlsplit(request.url).hostname or ""), request.body
        if isinstance(body, Streamed):
            headers["Content-Length"] = str(body.size)
        given = body.pieces() if isinstance(body, Streamed) else body
        return await self._general.ask(request.method, request.url, headers, given, alone=request.alone)

    def _headers(self, request: Request, host: str) -> dict[str, str]:
        encodings = "gzip" if self._compressed and not is_loopback(host) else "identity"
        return {"Accept": "*/*", "Accept-Encoding": encodings, **request.headers}

    async def _pieces(self, answer: "Answer | GeneralAnswer", limit: int) -> AsyncGenerator[bytes]:
        """The decoded body as it comes; raises ``Unreadable``."""
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:
            raise Unreadable(f"encoded its answer as {encoding!r}, which was not asked for")
        if (answer.content_length or 0) > limit:
            raise Unreadable(f"announced {answer.content_length} bytes, above the limit of {limit}")
        decoder = Gunzip() if encoding.endswith("gzip") else Plain()
        given = 0
        while chunk := await self._next(answer):
            for piece in decoder.feed(chunk):
                given += len(piece)
                if given > limit:
                    raise Unreadable(f"gave more than the limit of {limit} bytes")
                yield piece
        decoder.finish()

    async def _next(self, answer: "Answer | GeneralAnswer") -> bytes:
        # A small answer is here already with its head: it needs no timer.
        if here := answer.read_nowait():
            return here
        if answer.at_eof():
            return b""
        try:
            async with asyncio.timeout(self._deadlines.between_bytes) as silence:
                return await answer.readany()
        except TimeoutError:
            if silence.expired():
                raise Unreadable(
                    f"fell silent for {self._deadlines.between_bytes:g} s in its answer"
                ) from None
            raise


class Rest:
    """What follows the first part of an answer, piece by piece; raises VendorUnavailable where it breaks."""

    def __init__(
        self,
        answer: "Answer | GeneralAnswer",
        pieces: AsyncGenerator[bytes],
        request: Request,
        started: float,
    ) -> None:
        self._answer = answer
        self._pieces = pieces
        self._request = request
        self._started = started

    def __aiter__(self) -> "Rest":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            self._answer.release()
            raise
        except _TROUBLE as problem:
            self._answer.close()
            _explain(problem, self._request, time.monotonic() - self._started)

    async def aclose(self) -> None:
        """Give up what was not read, and the connection with it."""
        await self._pieces.aclose()
        self._answer.close()

    def __del__(self) -> None:
        """Whoever forgets it keeps no connection: there are only so many of ours."""
        if isinstance(self._answer, Answer):  # the general client's look after themselves
            with suppress(RuntimeError):  # the loop has ended
                self._answer.close()


def _general() -> "type[General]":
    from perfectcatch.kit.general import General

    return General


def _response(
    answer: "Answer | GeneralAnswer", body: bytes, started: float, rest: Rest | None = None
) -> Response:
    if rest is None:
        answer.release()
    seconds = time.monotonic() - started
    return Response(status=answer.status, headers=answer.headers, body=body, seconds=seconds, rest=rest)


def _here(answer: Answer, limit: int) -> bytes | None:
    """The body of an answer that came as a whole and plain; most of the small ones do."""
    if not answer.ended or "Content-Encoding" in answer.headers or (answer.content_length or 0) > limit:
        return None
    body = answer.read_nowait()
    if len(body) > limit:
        raise Unreadable(f"gave more than the limit of {limit} bytes")
    return body


async def _gather(pieces: AsyncGenerator[bytes], whole: int | None) -> tuple[bytes, bool]:
    """The body up to ``whole`` bytes and a piece, and whether that is all of it.

    BytesIO hands its buffer over without the copy that a join makes. It is closed whatever happens: the
    traceback of a bomb would otherwise keep it beside the one of the next attempt.
    """
    first = await anext(pieces, b"")
    if not first:
        return b"", True
    with io.BytesIO() as body:
        body.write(first)
        while whole is None or body.tell() <= whole:
            piece = await anext(pieces, b"")
            if not piece:
                return body.getvalue(), True
            body.write(piece)
        return body.getvalue(), False


_TROUBLE = (TimeoutError, OSError, ValueError, zlib.error, Unreadable, Unconnected, NoAddress)


def _explain(problem: Exception, request: Request, seconds: float) -> NoReturn:
    """Raise the product's error."""
    host = request.host
    check = f"; check {request.setting} and the network" if request.setting else "; check the network"
    match problem:
        case NoAddress():
            name = request.setting or "the address"
            raise BadSetting(f"{name} is not a usable address: {redact.url(request.url)}") from None
        case Unconnected():
            raise NotSent(f"{problem}{check}") from None
        case TimeoutError():
            raise VendorTimeout(f"{host} did not finish its answer within {seconds:.0f} s") from None
        case Unreadable():
            raise VendorUnavailable(f"{host} {problem}") from None
        case zlib.error():
            raise VendorUnavailable(f"{host} sent a compressed answer that cannot be read") from None
        case _:
            reason = redact.text(str(problem)) or type(problem).__name__
            raise VendorUnavailable(f"the connection to {host} broke ({reason[:200]})") from None
