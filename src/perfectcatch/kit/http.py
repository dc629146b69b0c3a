"""The one way out: every call to a vendor leaves through ``Http.send``.

What it costs, measured on loopback with bodies of 5.6 MB (CPython 3.11, one core): reading 225 MB takes
0.05 s of the client's CPU, and 0.2 s when the bodies come gzipped, at a tenth of the bytes. Over a line
of 100 Mbit/s those bytes take 18 s plain and 2 s gzipped, so gzip is asked for except on loopback.
"""

import asyncio
import io
import ipaddress
import os
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from perfectcatch.errors import BadSetting, Crash, VendorUnavailable
from perfectcatch.kit import redact

MEBIBYTE = 1024 * 1024
# Larger reads than aiohttp's default of 64 KiB halve the CPU of a large body; beyond 256 KiB nothing is won.
_READ_BUFFER = 256 * 1024


class NotSent(VendorUnavailable):
    """The request certainly never reached the vendor: no connection was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. ``url`` is complete and percent-encoded; ``setting`` names where its host comes from."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    setting: str = ""
    total_seconds: float | None = None  # None: as the Http was told
    max_bytes: int | None = None  # None: as the Http was told

    @property
    def host(self) -> str:
        """Host and port, for sentences."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def __repr__(self) -> str:
        body = "no body" if self.body is None else f"{len(self.body)} bytes"
        return f"<Request {self.method} {redact.url(self.url)} {redact.headers(self.headers)} {body}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One complete answer. ``headers`` ignores case; ``body`` is decoded; ``seconds`` is the time it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def __repr__(self) -> str:
        return f"<Response {self.status} {redact.headers(self.headers)} {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds. ``between_bytes`` begins with the first byte: until then only ``total`` limits the wait."""

    connect: float = 10.0
    between_bytes: float = 30.0
    total: float = 95.0


class Http:
    """An HTTP client with a shared connection pool; an async context manager.

    It follows no redirect, keeps no cookie, sends nothing twice, and gives either a whole body or an error.
    ``max_bytes`` limits a body after decompression.
    """

    def __init__(
        self,
        *,
        deadlines: Deadlines | None = None,
        max_bytes: int = 200 * MEBIBYTE,
        connections: int = 64,
        compressed: bool = True,
        user_agent: str = "perfectcatch",
    ) -> None:
        self._deadlines = deadlines or Deadlines()
        self._max_bytes = max_bytes
        self._connections = connections
        self._compressed = compressed
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the pool; connections are made when needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            headers={"User-Agent": self._user_agent},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request) -> Response:
        """Send once and read the whole answer, whatever its status.

        Raises NotSent when no connection was made, VendorUnavailable when it broke, took too long or gave
        more than the limit, BadSetting when the address is none.
        """
        if self._session is None:
            raise Crash("Http is used outside of its `async with` block")
        total = request.total_seconds or self._deadlines.total
        started = time.monotonic()
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers={"Accept-Encoding": self._encodings(request.url), **request.headers},
                data=request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=total, sock_connect=self._deadlines.connect),
                middlewares=(_send_once,),
            ) as answer:
                limit = self._max_bytes if request.max_bytes is None else request.max_bytes
                body = await self._read(answer, limit)
                return Response(
                    status=answer.status,
                    headers=answer.headers,
                    body=body,
                    seconds=time.monotonic() - started,
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, zlib.error, _Unreadable) as problem:
            _explain(problem, request, time.monotonic() - started)

    def _encodings(self, url: str) -> str:
        return "gzip" if self._compressed and not is_loopback(urlsplit(url).hostname or "") else "identity"

    async def _read(self, answer: aiohttp.ClientResponse, limit: int) -> bytes:
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:
            raise _Unreadable(f"encoded its answer as {encoding!r}, which was not asked for")
        if (answer.content_length or 0) > limit:
            raise _Unreadable(f"announced {answer.content_length} bytes, above the limit of {limit}")
        into = _Gunzip(limit) if encoding.endswith("gzip") else _Plain(limit)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadlines.between_bytes) as silence:
                while chunk := await answer.content.readany():
                    into.feed(chunk)
                    silence.reschedule(loop.time() + self._deadlines.between_bytes)
        except TimeoutError:
            if silence.expired():
                raise _Unreadable(
                    f"fell silent for {self._deadlines.between_bytes:g} s in its answer"
                ) from None
            raise
        return into.finish()


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Unreadable(Exception):
    """What is wrong with an answer, as the end of a sentence that begins with the host."""


class _Plain:
    """Collects a body as it comes. BytesIO hands its buffer over without the copy that a join makes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = io.BytesIO()

    def feed(self, chunk: bytes) -> None:
        if self._body.tell() + len(chunk) > self._limit:
            self._body = io.BytesIO()  # an error keeps its frames alive, and they would keep the body
            raise _Unreadable(f"gave more than the limit of {self._limit} bytes")
        self._body.write(chunk)

    def finish(self) -> bytes:
        return self._body.getvalue()


class _Gunzip(_Plain):
    """Decompresses a body as it comes, in bounded pieces: a bomb costs at most the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._stream = zlib.decompressobj(wbits=31)
        self._fed = False

    def feed(self, chunk: bytes) -> None:
        self._fed = True
        while chunk:
            if self._stream.eof:  # gzip allows several members in a row
                self._stream = zlib.decompressobj(wbits=31)
            super().feed(self._stream.decompress(chunk, MEBIBYTE))
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def finish(self) -> bytes:
        while self._fed and not self._stream.eof:
            # Output may still be inside the stream when the last piece was exactly full.
            rest = self._stream.decompress(b"", MEBIBYTE)
            if not rest:
                raise _Unreadable("broke off its compressed answer")
            super().feed(rest)
        return super().finish()


class _NotRepeated(aiohttp.ClientError):
    """Hides a broken connection from aiohttp, which sends GET, PUT and DELETE a second time by itself.

    A second sending must pass the rate again, be counted, and for a change may not happen at all.
    """


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as problem:
        raise _NotRepeated(str(problem)) from None


def _explain(problem: Exception, request: Request, seconds: float) -> NoReturn:
    """Raise the product's error. Nothing is chained: aiohttp's errors carry the request with its headers."""
    host = request.host
    check = f"; check {request.setting} and the network" if request.setting else "; check the network"
    match problem:
        case aiohttp.InvalidURL():
            name = request.setting or "the address"
            raise BadSetting(f"{name} is not a usable address: {redact.url(request.url)}") from None
        case aiohttp.ClientConnectorDNSError():
            raise NotSent(f"the name of {host} cannot be found{check}") from None
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLError() | aiohttp.ClientSSLError():
            raise NotSent(f"{host} gave no certificate that this machine trusts{check}") from None
        case aiohttp.ClientConnectorError(os_error=cause):
            # What asyncio says of it holds the address once more, as Python writes it.
            reason = os.strerror(cause.errno) if cause.errno else cause.strerror or type(cause).__name__
            raise NotSent(f"cannot connect to {host} ({reason}){check}") from None
        case aiohttp.ConnectionTimeoutError():
            raise NotSent(f"cannot connect to {host} within {seconds:.0f} s{check}") from None
        case TimeoutError():
            raise VendorUnavailable(f"{host} did not finish its answer within {seconds:.0f} s") from None
        case _Unreadable():
            raise VendorUnavailable(f"{host} {problem}") from None
        case zlib.error():
            raise VendorUnavailable(f"{host} sent a compressed answer that cannot be read") from None
        case aiohttp.ClientPayloadError():
            raise VendorUnavailable(f"{host} broke off its answer before the end") from None
        case _:
            reason = redact.text(str(problem)) or type(problem).__name__
            raise VendorUnavailable(f"the connection to {host} broke ({reason[:200]})") from None
