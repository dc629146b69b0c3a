"""The general client: for calls that ``kit.wire`` does not speak.

These go on a connection of their own, have a body that is streamed or ask with HEAD, may lead to public
addresses alone, or have an address that is more than host, path and query. It is imported when the first of
them is made: a quarter of what a short command would import, 0.2 s, half of it for reading the machine's
certificates twice.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDict
from yarl import URL

from perfectcatch.kit.addresses import Inward, NoAddress, is_public
from perfectcatch.kit.decoding import Unreadable
from perfectcatch.kit.wire import BROKEN_OFF
from perfectcatch.kit.wires import Unconnected, reason

# Larger reads than aiohttp's default of 64 KiB halve the CPU of a large body; beyond 256 KiB nothing is won.
_READ_BUFFER = 256 * 1024


class General:
    """Two pools of connections, of which one keeps none. It follows no redirect and sends nothing twice."""

    def __init__(
        self, *, connections: int, connect_seconds: float, user_agent: str, public_only: bool
    ) -> None:
        self._connections = connections
        self._connect_seconds = connect_seconds
        self._user_agent = user_agent
        self._public_only = public_only
        self._kept, self._alone = self._opened(kept=True), self._opened(kept=False)

    def _opened(self, *, kept: bool) -> aiohttp.ClientSession:
        resolver = PublicResolver() if self._public_only else None
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, resolver=resolver, force_close=not kept),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            headers={"User-Agent": self._user_agent},
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._kept.close()
        await self._alone.close()

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        *,
        alone: bool,
    ) -> "GeneralAnswer":
        """Send a request, and give its answer when its head is here; the caller keeps the time.

        Raises Unconnected, NoAddress, Unreadable, TimeoutError and OSError.
        """
        session = self._alone if alone else self._kept
        address = URL(url, encoded=True)
        host = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
        with _asking(host, self._connect_seconds):
            return GeneralAnswer(
                await session.request(
                    method,
                    address,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                    middlewares=(_send_once,),
                )
            )


class GeneralAnswer:
    """One answer, from its head on, as ``kit.wire`` gives it too."""

    __slots__ = ("_answer", "content_length", "headers", "status")

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        # As they came: aiohttp reads UTF-8, and what is passed on has to be bytes again.
        self.headers = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers
        )
        self.content_length = answer.content_length

    def read_nowait(self) -> bytes:
        """Everything that is here; empty where nothing is."""
        with _reading():
            return self._answer.content.read_nowait()

    def at_eof(self) -> bool:
        """Whether everything was read."""
        return self._answer.content.at_eof()

    async def readany(self) -> bytes:
        """What comes next; empty at the end. Raises Unreadable, TimeoutError and OSError."""
        with _reading():
            return await self._answer.content.readany()

    def release(self) -> None:
        """Give the connection back."""
        self._answer.release()

    def close(self) -> None:
        """Break the connection."""
        self._answer.close()


@contextmanager
def _asking(host: str, connect_seconds: float) -> Iterator[None]:
    """Until the head is here. Nothing of aiohttp's is chained: its errors carry request and address."""
    try:
        yield
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise NoAddress from None
    except aiohttp.ClientConnectorDNSError:
        raise Unconnected(f"the name of {host} cannot be found") from None
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError):
        raise Unconnected(f"{host} gave no certificate that this machine trusts") from None
    except aiohttp.ClientConnectorError as problem:
        raise Unconnected(f"cannot connect to {host} ({reason(problem.os_error)})") from None
    except aiohttp.ConnectionTimeoutError:
        raise Unconnected(f"cannot connect to {host} within {connect_seconds:.0f} s") from None
    except aiohttp.ClientResponseError:
        raise Unreadable("gave an answer that is no HTTP") from None
    except (aiohttp.ClientError, ssl.SSLError) as problem:
        raise ConnectionError(str(problem) or type(problem).__name__) from None


@contextmanager
def _reading() -> Iterator[None]:
    """While the body comes."""
    try:
        yield
    except aiohttp.ClientPayloadError:
        raise Unreadable(BROKEN_OFF) from None
    except (aiohttp.ClientError, ssl.SSLError) as problem:
        raise ConnectionError(str(problem) or type(problem).__name__) from None


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


class PublicResolver(AbstractResolver):
    """Finds names, and gives nothing where one of their addresses is not public.

    The connection is made to the very addresses that were looked at, so that a name cannot be asked twice
    and answer differently.
    """

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise Inward(f"{host} leads into a private network")
        return found

    async def close(self) -> None:
        """Give back what finds the names."""
        await self._resolver.close()
