"""The pass-through with a real client, a real database and a vendor on loopback, all in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
from aiohttp import web
from aiohttp.typedefs import Handler
from starlette.applications import Starlette

from perfectcatch.gateway.access import Caller, Scope
from perfectcatch.gateway.passing.middleware import PassThrough
from perfectcatch.gateway.passing.table import Table
from perfectcatch.gateway.problems import Denied
from perfectcatch.kit.clock import FakeClock, SystemClock
from perfectcatch.kit.http import Deadlines, Http
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.server import SERVICE, make_app
from perfectcatch.sandbox.servicetitan.service import Service
from perfectcatch.store.pool import Pool
from perfectcatch.store.presence import open_presence
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.client import Client
from perfectcatch.vendors.servicetitan.routes import offer
from perfectcatch.vendors.servicetitan.transport import rates

TABLE = Table(offer().routes)
APPLICATION = "01234567-89ab-cdef-0123-456789abcdef"
KEYS = {
    "reader": Caller(1, "reader", frozenset({Scope.READ})),
    "writer": Caller(2, "writer", frozenset({Scope.READ, Scope.WRITE})),
    "other": Caller(3, "other", frozenset({Scope.READ, Scope.WRITE})),
}


class Door:
    """Knows three keys by their names."""

    async def admit(self, authorization: str | None, scope: Scope) -> Caller:
        caller = KEYS.get((authorization or "").removeprefix("Bearer "))
        if caller is None:
            raise Denied(401, "no key")
        if not caller.may(scope):
            raise Denied(403, "no scope")
        return caller


@dataclass
class Fault:
    """What happens to the vendor's next requests: a handler that is asked first."""

    act: Callable[[web.Request, Handler], Any] | None = None
    sent: list[web.Request] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def came(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.sent) >= count)

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path == "/connect/token":
                return await handler(request)
            async with self.arrived:
                self.sent.append(request)
                self.arrived.notify_all()
            if self.act is not None:
                answer: web.StreamResponse = await self.act(request, handler)
                return answer
            return await handler(request)

        return guarded


@dataclass
class Lab:
    """``ask`` asks the gateway; ``vendor`` is the simulated vendor behind it, ``fault`` what ails it."""

    http: httpx.AsyncClient
    vendor: Service
    fault: Fault
    pool: Pool
    tenant_id: int
    clock: FakeClock
    app: Any
    audited: int = 0  # the last row of the audit log that is not of this test

    async def ask(self, method: str, path: str, key: str | None = "writer", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= more.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **more)

    async def rows(self, query: str) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(query)).fetchall()

    def some(self, collection: str) -> Any:
        return next(record for record in self.vendor.read(collection) if record.get("active") is not False)

    @property
    def writes(self) -> int:
        return sum(request.method != "GET" for request in self.fault.sent)


@dataclass(frozen=True)
class Vendor:
    """A simulated vendor on loopback; its company is made once, whatever happens to it."""

    url: str
    service: Service
    fault: Fault


@asynccontextmanager
async def open_vendor(customers: int = 20) -> AsyncIterator[Vendor]:
    fault = Fault()
    app = make_app(Options(customers=customers, rate=1e9, tokens_per_minute=1e9, ledger=100_000))
    app.middlewares.append(fault.middleware)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Vendor(f"http://127.0.0.1:{runner.addresses[0][1]}", app[SERVICE], fault)
    await runner.cleanup()


@asynccontextmanager
async def open_lab(pool: Pool, vendor: Vendor, *, deadlines: Deadlines | None = None) -> AsyncIterator[Lab]:
    options, ticking = vendor.service.options, FakeClock()
    vendor.fault.act = None
    vendor.fault.sent.clear()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(Http(deadlines=deadlines))
        client = await stack.enter_async_context(
            Client(
                http=http,
                credentials=Credentials(
                    client_id=options.client_id,
                    client_secret=options.client_secret,
                    app_key=options.app_key,
                    tenant_id=options.tenant_id,
                ),
                api_url=vendor.url,
                auth_url=f"{vendor.url}/connect/token",
                budget=LocalBudget(rates(1e6), SystemClock()),
                clock=SystemClock(),
                draw=lambda: 0.0,
                application=APPLICATION,
            )
        )
        served = Starlette()
        served.state.gateway = SimpleNamespace(
            pool=pool,
            tenant_id=options.tenant_id,
            passage=client.passing,
            presence=await stack.enter_async_context(open_presence(pool)),
            clock=ticking,
            door=Door(),
            hub=SimpleNamespace(),
        )
        served.add_middleware(PassThrough, table=TABLE, local=frozenset())
        transport = httpx.ASGITransport(served)
        caller = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=30)
        )
        yield Lab(caller, vendor.service, vendor.fault, pool, options.tenant_id, ticking, served)


def problem(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] == "application/problem+json"
    return json.loads(answer.content)
