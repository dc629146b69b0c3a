"""The connections that are kept between calls, and how one is made."""

import asyncio
import os
import socket
import ssl
from contextlib import nullcontext
from math import inf
from typing import Final

from perfectcatch.kit.wire import Answer, Line, Origin

IDLE_SECONDS: Final = 15.0
NEXT_ADDRESS_SECONDS: Final = 2.0  # after which a name's next address is tried


class Unconnected(Exception):
    """Why no connection was made, as the beginning of a sentence."""


class Wires:
    """The connections of one client, at most ``limit`` in use; ``connect_seconds`` is for making one."""

    def __init__(self, *, limit: int, connect_seconds: float) -> None:
        self._turns = asyncio.Semaphore(limit)
        self._connect_seconds = connect_seconds
        self._idle: dict[Origin, list[Line]] = {}
        self._lines: set[Line] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._looks_at = inf
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def ask(self, origin: Origin, request: bytes, by: float) -> Answer:
        """Send ``request``; the head of the answer is here ``by`` that time of the loop.

        Raises Unconnected where nothing was sent, Unreadable, TimeoutError and OSError. A connection that is
        kept is asked without a timer of its own: making and ending one would take longer than everything
        else here.
        """
        line: Line | None = None
        try:
            async with asyncio.timeout_at(by) if self._turns.locked() else nullcontext():
                await self._turns.acquire()
        except TimeoutError:
            raise Unconnected(f"no connection to {origin.shown} was free in time") from None
        try:
            self._require_open(origin)
            line = self._kept(origin)
            if line is None:
                line = await self._connected(origin, by)
                self._require_open(origin)
            self._watch(by)
            return await line.ask(request, by)
        except BaseException:
            if line is None:
                self._turns.release()
            else:
                line.done(good=False)
            raise

    def _watch(self, by: float) -> None:
        """See to it that somebody looks at the time then."""
        if by < self._looks_at:
            if self._watching is not None:
                self._watching.cancel()
            self._looks_at = by
            self._watching = asyncio.get_running_loop().call_at(by, self._look)

    def _look(self) -> None:
        """Give up what is late, and look again when the next one would be."""
        now, self._looks_at = asyncio.get_running_loop().time(), inf
        for line in tuple(self._lines):
            if line.answers_by <= now:
                line.give_up()
        waiting = min((line.answers_by for line in self._lines), default=inf)
        if waiting < inf:
            self._watch(waiting)

    def _require_open(self, origin: Origin) -> None:
        if self._closed:
            raise Unconnected(f"nothing is sent to {origin.shown} any more: the client was closed")

    async def close(self) -> None:
        """Break every connection, for good."""
        self._closed = True
        self._turns.release()  # whoever waits for a turn is told, one after the other
        for timer in (self._sweeping, self._watching):
            if timer is not None:
                timer.cancel()
        for line in tuple(self._lines):
            line.abort()
        await asyncio.sleep(0)

    def back(self, line: Line) -> None:
        """Keep a connection for the next call."""
        self._turns.release()
        loop = asyncio.get_running_loop()
        line.idle_since = loop.time()
        self._idle.setdefault(line.origin, []).append(line)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep)

    def gone(self, line: Line) -> None:
        """A connection in use is no more."""
        self._turns.release()
        self._lines.discard(line)

    def forget(self, line: Line) -> None:
        """A connection that nobody uses is no more."""
        self._lines.discard(line)
        idle = self._idle.get(line.origin, [])
        if line in idle:
            idle.remove(line)

    def _kept(self, origin: Origin) -> Line | None:
        idle, oldest = self._idle.get(origin), asyncio.get_running_loop().time() - IDLE_SECONDS
        while idle:
            line = idle.pop()
            if line.good and line.idle_since > oldest:
                return line
            line.abort()
        return None

    def _sweep(self) -> None:
        """Break what nobody has used for a while."""
        loop = asyncio.get_running_loop()
        self._sweeping = None
        oldest = loop.time() - IDLE_SECONDS
        for idle in self._idle.values():
            for line in [each for each in idle if each.idle_since <= oldest]:
                line.abort()
        if any(self._idle.values()):
            self._sweeping = loop.call_later(IDLE_SECONDS / 3, self._sweep)

    async def _connected(self, origin: Origin, by: float) -> Line:
        """A new connection."""
        left = max(0.0, by - asyncio.get_running_loop().time())
        seconds = min(self._connect_seconds, left)
        try:
            async with asyncio.timeout(seconds):
                line = await self._connect(origin)
        except TimeoutError:
            said = f"cannot connect to {origin.shown} within {seconds:.0f} s"
            raise Unconnected(said) from None
        self._lines.add(line)
        return line

    async def _connect(self, origin: Origin) -> Line:
        try:
            addresses = await _addresses(origin)
        except (OSError, UnicodeError):
            raise Unconnected(f"the name of {origin.shown} cannot be found") from None
        if origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        for left, address in zip(range(len(addresses) - 1, -1, -1), _in_turns(addresses), strict=True):
            try:
                async with asyncio.timeout(NEXT_ADDRESS_SECONDS if left else None):
                    reached = await _reached(address, origin.port)
                return await self._spoken(reached, origin)
            except ssl.SSLError:
                said = f"{origin.shown} gave no certificate that this machine trusts"
                raise Unconnected(said) from None
            except OSError as problem:  # TimeoutError among them
                if not left:
                    raise Unconnected(f"cannot connect to {origin.shown} ({reason(problem)})") from None
        raise Unconnected(f"the name of {origin.shown} cannot be found")

    async def _spoken(self, reached: socket.socket, origin: Origin) -> Line:
        """The connection with TLS, where the address asks for it."""
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                lambda: Line(self, origin),
                sock=reached,
                ssl=self._tls if origin.tls else None,
                server_hostname=origin.host if origin.tls else None,
            )
        except BaseException:
            reached.close()
            raise
        return line


async def _reached(address: str, port: int) -> socket.socket:
    """A connection to one address, without TLS: a vendor that is slow to speak is still there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


async def _addresses(origin: Origin) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _in_turns(addresses: list[str]) -> list[str]:
    """The addresses, of both kinds alternately: where one kind leads nowhere, the second is the other."""
    first = [each for each in addresses if (":" in each) == (":" in addresses[0])]
    other = [each for each in addresses if each not in first]
    return [each for pair in zip(first, other, strict=False) for each in pair] + (
        first[len(other) :] + other[len(first) :]
    )


def reason(problem: OSError) -> str:
    """Why no connection was made; what asyncio says of it holds the address once more."""
    return os.strerror(problem.errno) if problem.errno else problem.strerror or type(problem).__name__
