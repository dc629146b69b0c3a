"""A vendor on loopback that says what a test tells it to say, and remembers what it was asked."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from perfectcatch.errors import BadArgument
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Http
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.model.endpoint import Endpoint, Kind, Parameter
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.client import Client
from perfectcatch.vendors.servicetitan.transport import Observation

TENANT = 4711
SECRET, APP_KEY = "canary-client-secret", "canary-app-key"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    method: str
    target: str  # path and query as they came, still encoded
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2]))


@dataclass
class Lab:
    url: str = ""
    api: list[Seen] = field(default_factory=list)
    token_calls: list[Seen] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)  # used up first
    otherwise: Answer | None = None
    token_answers: deque[Answer] = field(default_factory=deque)
    token_otherwise: Answer | None = None
    expires_in: float = 900
    accepted: set[str] = field(default_factory=set)  # tokens that are valid
    tokens_made: int = 0

    @property
    def auth_url(self) -> str:
        return f"{self.url}/connect/token"

    def say(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = Seen(request.method, request.raw_path, dict(request.headers), body)
        if request.path == "/connect/token":
            self.token_calls.append(seen)
            if self.token_answers:
                return await self.token_answers.popleft()(request)
            if self.token_otherwise is not None:
                return await self.token_otherwise(request)
            await asyncio.sleep(0.01)
            self.tokens_made += 1
            token = f"canary-token-{self.tokens_made}"
            self.accepted = {token}
            return web.json_response({"access_token": token, "expires_in": self.expires_in})
        self.api.append(seen)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.accepted:
            return web.Response(status=401)
        if self.answers:
            return await self.answers.popleft()(request)
        if self.otherwise is not None:
            return await self.otherwise(request)
        return web.json_response({"page": 1, "hasMore": False, "data": [{"id": 1}]})


@asynccontextmanager
async def open_lab() -> AsyncIterator[Lab]:
    lab = Lab()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{rest:.*}", lab.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    lab.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield lab
    finally:
        await runner.cleanup()


# Answers -----------------------------------------------------------------------------------------


def says(
    body: Any = None, status: int = 200, *, content_type: str = "application/json", **headers: str
) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, status=status, content_type=content_type, headers=named)

    return answer


def page(*records: Any, more: bool = False, **others: Any) -> Answer:
    return says({"page": 1, "hasMore": more, "data": list(records), **others})


def raw_page(*records: bytes, more: bool = False, token: str = "t") -> Answer:
    flag = b"true" if more else b"false"
    body = b'{"hasMore":' + flag + b',"continueFrom":"' + token.encode() + b'","data":['
    return says(body + b",".join(records) + b"]}")


def cut(body: bytes, promised: int) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Length": str(promised), "Content-Type": "application/json"}
        )
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


HTML = says(b"<html><title>Sign in</title>jane@example.com</html>", content_type="text/html")


def refused(status: int, title: str = "No", **more: Any) -> Answer:
    return says({"type": "x", "title": title, "status": status, "traceId": "00-abc", **more}, status)


# Rows of a catalogue -----------------------------------------------------------------------------

_PAGING = (
    Parameter("page", "integer"),
    Parameter("pageSize", "integer"),
    Parameter("includeTotal", "boolean"),
)
_ID = (Parameter("id", "integer", required=True),)
_BASE = "/crm/v2/tenant/{tenant}"

ROWS = {
    row.name: row
    for row in (
        Endpoint(
            name="crm.customers.list",
            method="GET",
            path=f"{_BASE}/customers",
            kind=Kind.PAGE,
            does="List customers.",
            query=(
                *_PAGING,
                Parameter("ids"),
                Parameter("name"),
                Parameter("sort"),
                Parameter("modifiedOnOrAfter", "date-time"),
                Parameter("active", choices=("True", "Any", "False")),
                Parameter("statuses", "string[]", choices=("Pending", "Posted")),
                Parameter("customField.Fields", "object"),
                Parameter("owners", "object[]"),
                Parameter("minCost", "number"),
                Parameter("on", "date"),
            ),
            scopes=("tn.crm.customers:r",),
        ),
        Endpoint(
            name="crm.contacts.list",
            method="GET",
            path=f"{_BASE}/customers/contacts",
            kind=Kind.PAGE,
            does="List contacts.",
            query=(
                *_PAGING,
                Parameter("modifiedBefore", "date-time"),
                Parameter("modifiedOnOrAfter", "date-time"),
            ),
            needs_one_of=("modifiedBefore", "modifiedOnOrAfter"),
        ),
        Endpoint(
            name="crm.customers.export",
            method="GET",
            path=f"{_BASE}/export/customers",
            kind=Kind.EXPORT,
            does="Feed of customers.",
            query=(Parameter("from"), Parameter("includeRecentChanges", "boolean")),
        ),
        Endpoint(
            name="crm.customers.get",
            method="GET",
            path=f"{_BASE}/customers/{{id}}",
            kind=Kind.ITEM,
            does="One customer.",
            path_parameters=_ID,
        ),
        Endpoint(
            name="crm.customers.update",
            method="PATCH",
            path=f"{_BASE}/customers/{{id}}",
            kind=Kind.COMMAND,
            does="Change a customer.",
            path_parameters=_ID,
            body="UpdateCustomer",
        ),
        Endpoint(
            name="sales.estimates.unsell",
            method="PUT",
            path="/sales/v2/tenant/{tenant}/estimates/{id}/unsell",
            kind=Kind.COMMAND,
            does="Take a sale back.",
            path_parameters=_ID,
        ),
        Endpoint(
            name="crm.providers.get",
            method="GET",
            path=f"{_BASE}/booking-provider/{{booking_provider}}/tags",
            kind=Kind.LIST,
            does="Tags.",
            path_parameters=(Parameter("tenant", "integer"), Parameter("booking_provider", required=True)),
        ),
        Endpoint(
            name="settings.intacct.list",
            method="GET",
            path="/settings/v2/tenant/{tenant}/business-units/intacct",
            kind=Kind.PAGE,
            does="Pages from zero.",
            query=_PAGING,
            first_page=0,
            max_page_size=500,
            always=(("includeTotal", "true"),),
        ),
        Endpoint(
            name="pricebook.images.get",
            method="GET",
            path="/pricebook/v2/tenant/{tenant}/images",
            kind=Kind.FILE,
            does="An image.",
            query=(Parameter("path", required=True),),
        ),
        Endpoint(
            name="reporting.data.run",
            method="POST",
            path="/reporting/v2/tenant/{tenant}/report-category/{report_category}/reports/{reportId}/data",
            kind=Kind.REPORT,
            does="Run a report.",
            path_parameters=(
                Parameter("report_category", required=True),
                Parameter("reportId", "integer", required=True),
            ),
            query=_PAGING,
            body="ReportRequest",
        ),
    )
}


def find(name: str) -> Endpoint:
    if name not in ROWS:
        raise BadArgument(f"no operation {name}")
    return ROWS[name]


# A client of it ---------------------------------------------------------------------------------


@dataclass
class Bench:
    """What a test needs to make clients: ``client()`` makes another one."""

    lab: Lab
    http: Http
    clock: FakeClock
    budget: LocalBudget
    seen: list[Observation] = field(default_factory=list)

    def client(self, **more: Any) -> Client:
        given: dict[str, Any] = {
            "http": self.http,
            "credentials": Credentials(
                client_id="canary-client-id", client_secret=SECRET, app_key=APP_KEY, tenant_id=TENANT
            ),
            "api_url": self.lab.url,
            "auth_url": self.lab.auth_url,
            "budget": self.budget,
            "clock": self.clock,
            "find": find,
            "on_request": self.seen.append,
            "draw": lambda: 0.5,
        }
        return Client(**given | more)
