"""The simulated vendor without a socket: our client asks, the sandbox answers, faults happen in between."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, cast
from urllib.parse import urlsplit

from perfectcatch.errors import VendorUnavailable
from perfectcatch.kit.clock import SystemClock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.kit.retry import Rules
from perfectcatch.sandbox.servicetitan.service import Service
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.client import Client, open_client
from perfectcatch.vendors.servicetitan.transport import rates

HASTE: Final = 200  # a second of waiting takes five milliseconds

Body = dict[str, Any]


class HastyClock(SystemClock):
    """Waits pass quickly; the wall clock may be set wrong."""

    def __init__(self) -> None:
        self.wrong_by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.wrong_by

    def monotonic(self) -> float:
        return time.monotonic() * HASTE

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / HASTE)


class Wire:
    """Stands where the HTTP client stands. ``faults`` are used up by the next pages, in their order.

    ``meanwhile`` is what happens at the vendor between two requests, a call for each of the next ones.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.requests = 0
        self.faults: deque[tuple[str, int]] = deque()
        self.meanwhile: deque[Callable[[], None]] = deque()
        self.said: dict[str, bytes] = {}  # what was answered to each address, for a copy that lags behind
        self.shown: dict[str, dict[Any, Body]] = {}  # how each record of a path was when it was first shown
        self.hidden: set[tuple[str, int]] = set()  # collection and id of rows that feeds do not show yet

    async def send(self, request: Request) -> Response:
        self.requests += 1
        for _ in range(2):
            await asyncio.sleep(0)
        parts = urlsplit(request.url)
        is_page = request.method == "GET" and not parts.path.rpartition("/")[2].isdigit()
        if is_page and self.meanwhile:
            self.meanwhile.popleft()()
        fault, number = self.faults.popleft() if is_page and self.faults else ("", 0)
        if fault == "not sent":
            raise VendorUnavailable("the vendor broke off before it answered")
        if fault == "revoked":
            self.service.door.revoke()
        answer = self.service.answer(
            request.method, parts.path, parts.query, request.headers, request.body or b""
        )
        status, body = answer.status, answer.body
        if is_page and status == 200:
            body = self._hide(parts.path, body)
            earlier = self.said.setdefault(request.url, body)
            first_shown = self.shown.setdefault(parts.path, {})
            for record in json.loads(body)["data"]:
                first_shown.setdefault(record["id"], record)
            if fault == "stale":
                body = _with_earlier(body, list(first_shown.values()), Random(number))
            elif fault:
                status, body = _spoilt(fault, Random(number), status, body, earlier)
        await asyncio.sleep(0)
        return Response(status=status, headers=answer.headers, body=body, seconds=0.001)

    def _hide(self, path: str, body: bytes) -> bytes:
        hidden = {st_id for place, st_id in self.hidden if path.endswith(place)}
        if not hidden:
            return body
        page = json.loads(body)
        page["data"] = [record for record in page["data"] if record.get("id") not in hidden]
        return json.dumps(page).encode()


FAULTS: Final = (
    "not sent", "cut", "error", "maintenance", "web page", "nothing", "revoked",
    "again", "shuffled", "old", "stale", "stale", "stale", "unreadable", "nameless", "endless",
)  # fmt: skip

GARBLING: Final = ("unreadable", "nameless")  # the feed has passed what was not understood


def _with_earlier(body: bytes, first_shown: list[Body], draw: Random) -> bytes:
    """The page, and among its records some as they were once."""
    page = json.loads(body)
    page["data"] += draw.sample(first_shown, min(5, len(first_shown)))
    draw.shuffle(page["data"])
    return json.dumps(page).encode()


def _spoilt(fault: str, draw: Random, status: int, body: bytes, earlier: bytes) -> tuple[int, bytes]:
    """The answer with a fault in it."""
    match fault:
        case "cut":
            raise VendorUnavailable("the vendor broke off its answer before the end")
        case "error":
            return 500, b"oops"
        case "maintenance":
            return 503, b"<html>down</html>"
        case "web page":
            return 200, b"<html><title>Sign in</title></html>"
        case "nothing":
            return 200, b"{}"
        case "old":
            return 200, earlier
    page = json.loads(body)
    records = page["data"]
    if fault == "endless":
        page["hasMore"] = True
    elif not records:
        return status, body
    match fault:
        case "again":
            page["data"] = records + draw.sample(records, draw.randint(1, len(records)))
        case "shuffled":
            draw.shuffle(records)
        case "unreadable":
            text = json.dumps(page)
            spoilt = json.dumps(draw.choice(records))
            return status, text.replace(spoilt, spoilt[:-1] + ', "odd": NaN}', 1).encode()
        case "nameless":
            draw.choice(records)["id"] = None
    return status, json.dumps(page).encode()


def client(wire: Wire, clock: HastyClock) -> AbstractAsyncContextManager[Client]:
    """The product's client, with nothing but its socket replaced."""
    options = wire.service.options
    return open_client(
        credentials=Credentials(
            client_id=options.client_id,
            client_secret=options.client_secret,
            app_key=options.app_key,
            tenant_id=options.tenant_id,
        ),
        api_url="http://127.0.0.1:9",
        auth_url="http://127.0.0.1:9/connect/token",
        http=cast("Http", wire),
        budget=LocalBudget(rates(1e6), clock),
        clock=clock,
        rules=Rules(attempts=3, first_wait=0.2, longest_wait=1.0),
    )
