"""The connections that are kept between calls, and how one is made."""

import asyncio
import os
import socket
import ssl
from typing import Final

from perfectcatch.kit.wire import Answer, Line, Origin

IDLE_SECONDS: Final = 15.0
NEXT_ADDRESS_SECONDS: Final = 2.0  # after which a name's next address is tried


class Unconnected(Exception):
    """Why no connection was made, as the beginning of a sentence."""


class Wires:
    """The connections of one client, at most ``limit`` at once; ``connect_seconds`` is for making one."""

    def __init__(self, *, limit: int, connect_seconds: float) -> None:
        self._turns = asyncio.Semaphore(limit)
        self._connect_seconds = connect_seconds
        self._idle: dict[Origin, list[Line]] = {}
        self._lines: set[Line] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    async def ask(self, origin: Origin, request: bytes) -> Answer:
        """Send ``request``. Raises Unconnected, Unreadable, TimeoutError and OSError."""
        await self._turns.acquire()
        line: Line | None = None
        try:
            line = self._kept(origin) or await self._connected(origin)
            return await line.ask(request)
        except BaseException:
            if line is None:
                self._turns.release()
            else:
                line.done(good=False)
            raise

    async def close(self) -> None:
        """Break every connection."""
        if self._sweeping is not None:
            self._sweeping.cancel()
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
        idle = self._idle.get(origin)
        while idle:
            line = idle.pop()
            if line.good:
                return line
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

    async def _connected(self, origin: Origin) -> Line:
        """A new connection."""
        try:
            async with asyncio.timeout(self._connect_seconds):
                line = await self._connect(origin)
        except TimeoutError:
            said = f"cannot connect to {origin.shown} within {self._connect_seconds:.0f} s"
            raise Unconnected(said) from None
        self._lines.add(line)
        return line

    async def _connect(self, origin: Origin) -> Line:
        loop = asyncio.get_running_loop()
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
                    _, line = await loop.create_connection(
                        lambda: Line(self, origin),
                        address,
                        origin.port,
                        ssl=self._tls if origin.tls else None,
                        server_hostname=origin.host if origin.tls else None,
                    )
                    return line
            except ssl.SSLError:
                said = f"{origin.shown} gave no certificate that this machine trusts"
                raise Unconnected(said) from None
            except OSError as problem:  # TimeoutError among them
                if not left:
                    raise Unconnected(f"cannot connect to {origin.shown} ({reason(problem)})") from None
        raise Unconnected(f"the name of {origin.shown} cannot be found")


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
