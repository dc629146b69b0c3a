"""Connections of our own: a request out, an answer in, and nothing else.

``kit.wires`` keeps them, and ``Http.send`` alone uses them. A general client makes a dozen objects, two
parsed addresses and three timers for each call; here a call is one write and one future. Nothing is sent
twice, no redirect followed, no cookie kept.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import httptools
from multidict import CIMultiDict

from perfectcatch.kit.decoding import Unreadable

LARGEST_HEAD: Final = 64 * 1024
BROKEN_OFF: Final = "broke off its answer before the end"
_HIGH: Final = 512 * 1024  # bytes that wait for their reader before the other end has to
_INFORMATIONAL: Final = range(100, 200)
_SWITCHING: Final = 101
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where connections lead; found by identity. ``shown`` is for sentences and for the header Host."""

    tls: bool
    host: str
    port: int
    shown: str


@lru_cache(maxsize=256)
def origin_of(text: str) -> Origin | None:
    """The origin of ``scheme://host:port``; None for an address that is not one, or that holds a password."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        text.encode("ascii")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in text or parts.query or parts.fragment:
        return None
    tls = parts.scheme == "https"
    return Origin(tls, host, port or (443 if tls else 80), parts.netloc)


def split(url: str) -> tuple[Origin | None, str]:
    """The origin and the target of a complete, percent-encoded address."""
    at = url.find("/", 8)
    if at < 0:
        return origin_of(url), "/"
    return (None if "#" in url else origin_of(url[:at])), url[at:]


def written(
    method: str, target: str, origin: Origin, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """A request as it goes out. Raises ValueError for what would be more than one line of its head."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {origin.shown}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None or method not in _BODILESS:
        lines.append(f"Content-Length: {len(body or b'')}")
    text = "\r\n".join(lines)
    if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1 or "\0" in text:
        raise ValueError("a line of the request's head holds a line break")
    if " " in target:
        raise ValueError("the target of the request holds a space")
    return text.encode() + b"\r\n\r\n" + (body or b"")


class Answer:
    """One answer, from its head on. Its body is read as it came: ``Http`` decodes it."""

    __slots__ = ("_buffered", "_line", "_pieces", "content_length", "ended", "headers", "status", "trouble")

    def __init__(self, line: "Line") -> None:
        self._line: Line | None = line
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.content_length: int | None = None
        self.ended = False
        self.trouble: Exception | None = None

    def put(self, piece: bytes) -> bool:
        """Take a piece; whether the other end should wait."""
        self._pieces.append(piece)
        self._buffered += len(piece)
        return self._buffered > _HIGH

    def read_nowait(self) -> bytes:
        """Everything that is here; empty where nothing is."""
        if not self._pieces:
            return b""
        here = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._line is not None:
            self._line.go_on()
        return here

    def at_eof(self) -> bool:
        """Whether everything was read."""
        if self.trouble is not None and not self._pieces:
            raise self.trouble
        return self.ended and not self._pieces

    async def readany(self) -> bytes:
        """What comes next; empty at the end. Raises Unreadable and OSError."""
        while not (here := self.read_nowait()) and not self.at_eof():
            assert self._line is not None
            await self._line.news()
        return here

    def release(self) -> None:
        """Give the connection back, for somebody else to use where it is still good."""
        line, self._line = self._line, None
        if line is not None:
            line.done(good=self.ended and not self._pieces)

    def close(self) -> None:
        """Break the connection."""
        line, self._line = self._line, None
        if line is not None:
            line.done(good=False)


class Keeper(Protocol):
    """Who makes connections and keeps them."""

    def back(self, line: "Line") -> None:
        """Keep a connection for the next call."""

    def gone(self, line: "Line") -> None:
        """Forget a connection that was in use."""

    def forget(self, line: "Line") -> None:
        """Forget a connection that nobody used."""


class Line(asyncio.Protocol):
    """One connection, and the answer that is under way on it."""

    def __init__(self, keeper: Keeper, origin: Origin) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self.answers_by = inf  # by the loop's time; who keeps the connection looks after it
        self._keeper = keeper
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # As general clients do: what some machine between here and the vendor may write.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._reset()
        self._usable = True  # nothing came that nobody asked for
        self._paused = False

    def _reset(self) -> None:
        self._head = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = True
        self._until_closed = False
        self._keeps = False

    @property
    def good(self) -> bool:
        """Whether a request may be sent on it."""
        return self._usable and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, by: float) -> Answer:
        """Send, and give the answer when its head is here, which must be ``by`` then."""
        assert self._transport is not None
        self._reset()
        answer = self._answer = Answer(self)
        self.answers_by = by
        self._transport.write(request)
        try:
            while not answer.status:
                if answer.trouble is not None:
                    raise answer.trouble
                await self.news()
        finally:
            self.answers_by = inf
        return answer

    def give_up(self) -> None:
        """Wait for no answer any more."""
        self._fail(TimeoutError())

    async def news(self) -> None:
        """Wait until something comes."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def go_on(self) -> None:
        """Let the other end send."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def done(self, *, good: bool) -> None:
        """The answer was read or given up."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.trouble = None  # its traceback holds the frames that hold the answer
        transport = self._transport
        kept = good and self._keeps and self.good and transport is not None
        # What was not sent of the request, because the answer came first, would come before the next one.
        if kept and transport is not None and transport.get_write_buffer_size() == 0:
            self.go_on()
            self._keeper.back(self)
            return
        self.abort()
        self._keeper.gone(self)

    def abort(self) -> None:
        """Break the connection at once; what had come of an answer is not the whole of it."""
        self._usable = self._until_closed = False
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, problem: Exception) -> None:
        self._usable = False
        answer = self._answer
        if answer is not None and not answer.ended and answer.trouble is None:
            answer.trouble = problem
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    # What the event loop tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        answer, parser = self._answer, self._parser
        if answer is None or answer.ended or parser is None:
            self.abort()
            return
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Unreadable("gave an answer that is no HTTP"))
            return
        if self._in_head:
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self._fail(Unreadable("sent a head that does not end"))
        elif answer.status:
            self._wake()

    def connection_lost(self, problem: Exception | None) -> None:
        """Tell whoever waits; an answer without a length ends here."""
        self._usable = False
        answer = self._answer
        if answer is None:
            self._keeper.forget(self)
        elif not answer.ended and answer.trouble is None:
            if problem is None and self._until_closed:
                answer.ended = True
            elif answer.status:
                answer.trouble = Unreadable(BROKEN_OFF)
            else:
                answer.trouble = problem or ConnectionResetError("Server disconnected")
        self._wake()
        # Both hold this object; with them goes a buffer of 256 KiB that the collector would find late.
        self._transport = self._parser = None

    # What the parser tells -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a head; a second answer to one question spoils the connection."""
        if self._answer is None or self._answer.ended:
            self._usable = False
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind the body are left out."""
        if self._in_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole, unless it was only a word in between."""
        answer, parser = self._answer, self._parser
        if answer is None or answer.ended or parser is None:
            return
        status = int(parser.get_status_code())
        if status < _INFORMATIONAL.start:
            self._fail(Unreadable("gave an answer that is no HTTP"))
            return
        if status in _INFORMATIONAL:
            if status == _SWITCHING:
                self._fail(Unreadable("switched to another protocol"))
            return
        self._in_head = False
        headers = answer.headers
        for name, value in self._headers:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        length = headers.get("Content-Length")
        answer.content_length = int(length) if length is not None else None
        chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self._until_closed = length is None and not chunked
        answer.status = status

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        answer = self._answer
        if answer is None or answer.ended:
            return
        if answer.put(body) and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        answer = self._answer
        if answer is not None and answer.status and not answer.ended:
            self._keeps = self._parser is not None and bool(self._parser.should_keep_alive())
            answer.ended = True
