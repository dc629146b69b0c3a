"""HTTP steps: requests to hosts that the company has allowed, and to nothing inside its own network."""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from perfectcatch.errors import BadArgument, VendorUnavailable
from perfectcatch.kit.http import Http, Request

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LARGEST: Final = 1_000_000  # bytes of an answer
_KEPT: Final = 10_000  # characters of an answer that is no JSON
_SECONDS: Final = 30.0
_SERVER_ERROR: Final = 500


class AllowedHosts:
    """Calls hosts of a list: ``host`` or ``host:port``. A private address has to be in it literally."""

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
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadArgument(f"{url[:200]!r} is no address.") from None
        host = (parts.hostname or "").lower()
        listed = host in self._allowed or f"{host}:{port}" in self._allowed
        if parts.scheme not in ("http", "https") or parts.username is not None or not listed:
            raise BadArgument(
                f"{host or url[:80]!r} is no host that workflows may call: add it to WORKFLOW_ALLOWED_HOSTS."
            )
        if _is_address(host):
            return  # it is listed as it stands
        if parts.scheme != "https":
            raise BadArgument(f"{host} is called over https only.")
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
        except OSError as error:
            raise VendorUnavailable(f"{host} cannot be found: {error}.") from None
        if not all(ipaddress.ip_address(each[4][0]).is_global for each in found):
            raise BadArgument(f"{host} leads into a private network: list its address if that is meant.")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
