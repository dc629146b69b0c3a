"""A small load tool: many connections, each with one request under way, in a process of its own.

``python -m benchmarks.load URL CONNECTIONS SECONDS [HEADER: VALUE ...]`` asks ``URL`` and prints one JSON
object. ``{id}`` in the URL is replaced by each of the numbers on stdin in turn.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop


@dataclass
class Tally:
    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    bytes: int = 0


class Caller(asyncio.Protocol):
    """One connection: ask, read the whole answer, ask again."""

    def __init__(self, requests: list[bytes], start: int, step: int, tally: Tally) -> None:
        self.requests, self.place, self.step, self.tally = requests, start, step, tally
        self.buffer = bytearray()
        self.needed = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        assert self.transport is not None
        self.began = time.perf_counter()
        self.transport.write(self.requests[self.place % len(self.requests)])
        self.place += self.step

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.needed:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            self.needed = head + 4 + _length(bytes(self.buffer[:head]))
        if self.needed < 0 or len(self.buffer) < self.needed:
            if self.needed < 0 and self.buffer.endswith(b"0\r\n\r\n"):
                self.needed = len(self.buffer)
            else:
                return
        status = int(self.buffer[9:12])
        self.tally.statuses[status] = self.tally.statuses.get(status, 0) + 1
        self.tally.seconds.append(time.perf_counter() - self.began)
        self.tally.bytes += len(self.buffer)
        self.buffer.clear()
        self.needed = 0
        self.ask()


def _length(head: bytes) -> int:
    """Bytes of the body; a chunked answer is read to its last chunk (a number below zero)."""
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return -(1 << 40)
    at = lower.find(b"content-length:")
    return int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def load(url: str, connections: int, seconds: float, headers: list[str], ids: list[int]) -> Tally:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = "".join(f"{header}\r\n" for header in headers)
    requests = [
        f"GET {target.replace('{id}', str(number))} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}\r\n".encode()
        for number in (ids or [0])
    ]
    tally = Tally()
    loop = asyncio.get_running_loop()
    transports = []
    for number in range(connections):
        transport, _ = await loop.create_connection(
            lambda number=number: Caller(requests, number, connections, tally), parts.hostname, parts.port
        )
        transports.append(transport)
    await asyncio.sleep(seconds)
    for transport in transports:
        transport.abort()
    return tally


def main() -> None:
    url, connections, seconds, *headers = sys.argv[1:]
    ids = [int(word) for word in sys.stdin.read().split()]
    began = time.perf_counter()
    tally = uvloop.run(load(url, int(connections), float(seconds), headers, ids))
    spent = time.perf_counter() - began
    ordered = sorted(tally.seconds)
    count = len(ordered)

    def at(share: float) -> float | None:
        return round(ordered[min(count - 1, int(count * share))] * 1000, 3) if ordered else None

    result = {
        "requests": count,
        "per_second": round(count / spent, 1),
        "p50_ms": at(0.50),
        "p99_ms": at(0.99),
        "statuses": tally.statuses,
        "bytes": round(tally.bytes / max(1, count)),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
