"""A TCP proxy before PostgreSQL that understands enough of its protocol to see each statement pass.

It stands between a process of the product and the database, so that the process can be killed at a named
moment without anything in the product that knows of tests.
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_SSL, _GSS = 80877103, 80877104  # what a client asks for before it says who it is
_COPY_DATA, _PARSE, _BIND, _QUERY, _ROW, _READY = b"d", b"P", b"B", b"Q", b"D", b"Z"


class When(StrEnum):
    """A moment in the life of a statement."""

    ASKED = "asked"  # the client has sent it, the server has not got it
    COPYING = "copying"  # its data are on the way, the first piece not yet with the server
    ANSWERED = "answered"  # the server has carried it out, the client has not heard of it
    TOLD = "told"  # the client has heard of it


@dataclass(frozen=True, slots=True)
class Point:
    """The ``nth`` time that a statement that ``pattern`` matches comes to ``when``.

    ``brings``: and the answer has a row.
    """

    name: str
    pattern: str
    when: When
    nth: int = 1
    brings: bool = False


Strike = Callable[[Point], None]


@dataclass
class Wiretap:
    """The proxy. Arm it with a point: when that is reached, ``strike`` is called and the connection ends."""

    host: str
    port: int
    armed: Point | None = None
    strike: Strike | None = None
    reached: list[Point] = field(default_factory=list)
    _left: int = 0

    def arm(self, point: Point, strike: Strike) -> None:
        """Wait for ``point``."""
        self.armed, self.strike, self._left = point, strike, point.nth

    def sees(self, when: When, statement: str, rows: int) -> bool:
        """Whether this is the moment; then it has struck."""
        point = self.armed
        if point is None or when is not point.when or not re.search(point.pattern, statement, re.IGNORECASE):
            return False
        if point.brings and not rows:
            return False
        self._left -= 1
        if self._left:
            return False
        self.armed = None
        self.reached.append(point)
        assert self.strike is not None
        self.strike(point)
        return True


class _Killed(Exception):
    """The process at the other end is dead."""


@dataclass
class _Link:
    """One connection, in both directions."""

    tap: Wiretap
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    prepared: dict[bytes, str] = field(default_factory=dict)
    statement: str = ""  # what the server is doing, or did last
    rows: int = 0  # of its answer, so far

    async def greet(self) -> None:
        """Forward what comes before the first message that has a type."""
        reader, writer = self.client
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack(">ii", head)
            self.server[1].write(head + await reader.readexactly(length - 8))
            if code not in (_SSL, _GSS):
                return
            writer.write(await self.server[0].readexactly(1))  # no, in the clear

    async def ask(self) -> None:
        """From the client to the server."""
        reader, writer = self.client[0], self.server[1]
        copying = False
        while True:
            kind, body = await _message(reader)
            if kind == _PARSE:
                name, _, rest = body.partition(b"\0")
                self.prepared[name] = rest.partition(b"\0")[0].decode(errors="replace")
            statement = self._begun(kind, body)
            if statement is not None:
                self.statement, self.rows, copying = statement, 0, False
                self._look(When.ASKED)
            if kind == _COPY_DATA and not copying:
                copying = True
                self._look(When.COPYING)
            writer.write(kind + struct.pack(">i", len(body) + 4) + body)
            await writer.drain()

    def _begun(self, kind: bytes, body: bytes) -> str | None:
        if kind == _QUERY:
            return body.rstrip(b"\0").decode(errors="replace")
        if kind == _BIND:
            return self.prepared.get(body.split(b"\0", 2)[1], "")
        return None

    async def answer(self) -> None:
        """From the server to the client."""
        reader, writer = self.server[0], self.client[1]
        while True:
            kind, body = await _message(reader)
            self.rows += kind == _ROW
            if kind == _READY:
                self._look(When.ANSWERED)
            writer.write(kind + struct.pack(">i", len(body) + 4) + body)
            await writer.drain()
            if kind == _READY:
                self._look(When.TOLD)

    def _look(self, when: When) -> None:
        if self.tap.sees(when, self.statement, self.rows):
            raise _Killed


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(struct.unpack(">i", head[1:])[0] - 4)


@asynccontextmanager
async def wiretap(host: str, port: int) -> AsyncIterator[Wiretap]:
    """Listen on this machine and forward to the PostgreSQL at ``host`` and ``port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, _Killed):
            upstream = await asyncio.open_connection(host, port)
            try:
                link = _Link(tap, (reader, writer), upstream)
                await link.greet()
                await _first_ended(link.ask(), link.answer())
            finally:
                upstream[1].transport.abort()
                writer.transport.abort()

    links: set[asyncio.Task[object] | None] = set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    tap = Wiretap(*server.sockets[0].getsockname()[:2])
    try:
        yield tap
    finally:
        server.close()
        for link in links:
            if link is not None:
                link.cancel()
        await asyncio.gather(*(link for link in links if link is not None), return_exceptions=True)


async def _first_ended(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, Exception):
            raise problem
