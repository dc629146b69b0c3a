"""HTTP steps: requests to hosts that the company has allowed, and to nothing inside its own network."""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from perfectcatch.errors import BadArgument, VendorUnavailable
from perfectcatch.kit.addresses import is_public
from perfectcatch.kit.http import Http, Request

_PORTS: Final = {"https": 443, "http": 80}
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LARGEST: Final = 1_000_000  # bytes of an answer
_KEPT: Final = 10_000  # characters of an answer that is no JSON
_SECONDS: Final = 30.0
_SERVER_ERROR: Final = 500


class AllowedHosts:
    """Calls hosts of a list: ``host``, which means the usual port, or ``host:port``.

    A private address has to be in the list literally. ``http`` is one that leads to public addresses only, so
    that a name that answers differently the second time leads nowhere. Redirects are not followed.
    """

    def __init__(self, http: Http, allowed: Iterable[str]) -> None:
        self._http = http
        self._allowed = {each.strip().lower() for each in allowed if each.strip()}

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Any, key: str
    ) -> Mapping[str, Any]:
        """Send a request with the key as ``Idempotency-Key``; gives status and body.

        Raises BadArgument for a method or host that is not allowed, VendorUnavailable for no usable answer.
        """
        if method.upper() not in METHODS:
            raise BadArgument(f"{method!r} is no method that a step may use: {', '.join(METHODS)}.")
        await self._may(url)
        sent = {"Content-Type": "application/json", **headers, "Idempotency-Key": key}
        response = await self._http.send(
            Request(
                method=method.upper(),
                url=url,
                headers=sent,
                body=None if body is None else json.dumps(body).encode(),
                total_seconds=_SECONDS,
                max_bytes=_LARGEST,
                setting="WORKFLOW_ALLOWED_HOSTS",
            )
        )
        if response.status >= _SERVER_ERROR:
            raise VendorUnavailable(f"{urlsplit(url).hostname} answered {response.status}.")
        text = response.body.decode(errors="replace")
        try:
            return {"status": response.status, "body": json.loads(text)}
        except ValueError:
            return {"status": response.status, "body": text[:_KEPT]}

    async def _may(self, url: str) -> None:
        host, port, scheme = _parts(url)
        own = _PORTS[scheme]
        named = [host, f"[{host}]"] if ":" in host else [host]
        listed = {f"{each}:{port or own}" for each in named} | set(named if port in (None, own) else ())
        if not listed & self._allowed:
            where = host if port in (None, own) else f"{host}:{port}"
            raise BadArgument(
                f"{where!r} is no host that workflows may call: add it to WORKFLOW_ALLOWED_HOSTS."
            )
        if _is_address(host):
            return  # it is listed as it stands
        if scheme != "https":
            raise BadArgument(f"{host} is called over https only.")
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port or own, type=socket.SOCK_STREAM)
        except OSError as error:
            raise VendorUnavailable(f"{host} cannot be found: {error}.") from None
        if not all(is_public(str(each[4][0])) for each in found):
            raise BadArgument(f"{host} leads into a private network: list its address if that is meant.")


def _parts(url: str) -> tuple[str, int | None, str]:
    """Host, port and scheme. What two readers of an address might read differently is refused."""
    wrong = BadArgument(f"{url[:200]!r} is no address that workflows may call.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise wrong
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or "%" in parts.netloc:
        raise wrong
    return host, port, parts.scheme


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
