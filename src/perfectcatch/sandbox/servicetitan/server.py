"""The simulated vendor on a socket: ``make_app`` for tests, ``serve`` for a loop, ``run`` for the command."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from aiohttp import web

from perfectcatch.errors import BadArgument
from perfectcatch.kit import collector
from perfectcatch.kit.http import Http
from perfectcatch.sandbox.servicetitan.answers import Answer
from perfectcatch.sandbox.servicetitan.control import PREFIX, Control, in_turns
from perfectcatch.sandbox.servicetitan.faults.wire import deliver
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.service import Service

SERVICE = web.AppKey("service", Service)
CONTROL = web.AppKey("control", Control)
Install = Callable[[web.Application], None]
_LARGEST_BODY = 32 * 1024 * 1024
_TICK = 0.2  # seconds between two looks at what is due


def make_app(
    options: Options | None = None, *, service: Service | None = None, beside: Install | None = None
) -> web.Application:
    """Make the application. ``beside`` adds the routes of other simulated vendors."""
    service = service or Service(options or Options())
    app = web.Application(client_max_size=_LARGEST_BODY)
    app[SERVICE] = service
    app[CONTROL] = Control(service)
    if beside is not None:  # before the route that takes everything
        beside(app)
    app.router.add_route("*", "/{path:.*}", _answer)
    app.cleanup_ctx.extend((_telling, _living))
    if service.options.activity > 0:
        app.cleanup_ctx.append(_active)
    return app


async def _answer(request: web.Request) -> web.StreamResponse:
    body = await request.read() if request.can_read_body else b""
    path, query = request.path, request.rel_url.raw_query_string
    if path.startswith(PREFIX):
        return _response(await request.app[CONTROL].reply(request.method, path, query, body))
    answer = request.app[SERVICE].answer(request.method, path, query, request.headers, body)
    if answer.delivery is not None:
        return await deliver(request, answer, answer.delivery)
    return _response(answer, date=_date(int(request.app[SERVICE].tenant.clock.now().timestamp())))


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    """The company's time as HTTP tells it: to a client it is what the vendor's clock says."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def _response(answer: Answer, *, date: str = "") -> web.Response:
    headers = {**answer.headers, "Date": date} if date else dict(answer.headers)
    if answer.body:
        headers["Content-Type"] = answer.content_type
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _active(app: web.Application) -> AsyncIterator[None]:
    """Make changes at the asked rate for as long as the application runs."""
    options = app[SERVICE].options

    async def act() -> None:
        while True:
            await options.clock.sleep(60 / options.activity)
            app[CONTROL].activity.make(1)
            app[SERVICE].webhooks.flush()

    async with _beside(act()):
        yield


async def _telling(app: web.Application) -> AsyncIterator[None]:
    """Bring webhooks to their receiver."""
    async with Http() as http, _beside(app[SERVICE].webhooks.run(http.send)):
        yield


async def _living(app: web.Application) -> AsyncIterator[None]:
    """Let the company live while it is to live by itself."""
    service, control = app[SERVICE], app[CONTROL]

    async def live() -> None:
        while True:
            await service.life.awake.wait()
            async with control.living:
                await in_turns(service.life.catch_up())
                service.life.keep_pace()
            await service.options.clock.sleep(_TICK)

    async with _beside(live()):
        yield


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` until the block ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# Serving --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where the sandbox answers and what opens it; printed as one line of JSON."""

    url: str
    client_id: str
    client_secret: str
    app_key: str
    tenant_id: int
    further: Mapping[str, str] = field(default_factory=dict)  # of other vendors at the same address

    def line(self) -> str:
        """One line of JSON."""
        names = ("url", "client_id", "client_secret", "app_key", "tenant_id")
        return json.dumps({name: getattr(self, name) for name in names} | dict(self.further))


@contextlib.asynccontextmanager
async def serving(
    host: str,
    port: int,
    options: Options,
    *,
    beside: Install | None = None,
    further: Mapping[str, str] | None = None,
) -> AsyncIterator[Address]:
    """Serve while the block runs; port 0 takes a free one. Raises BadArgument when it cannot listen."""
    runner = web.AppRunner(make_app(options, beside=beside), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise BadArgument(
                f"The sandbox cannot listen on {host}:{port} ({error.strerror}): "
                "give another --port, or 0 for a free one."
            ) from error
        taken = runner.addresses[0][1]
        yield Address(
            url=f"http://{host}:{taken}",
            client_id=options.client_id,
            client_secret=options.client_secret,
            app_key=options.app_key,
            tenant_id=options.tenant_id,
            further=further or {},
        )
    finally:
        await runner.cleanup()


async def serve(host: str, port: int, options: Options, **others: Any) -> None:
    """Serve until a signal asks to stop; prints the address as one line of JSON once it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(host, port, options, **others) as address:
        # The company stays for good: keep the collector from walking its half million rows again and again.
        collector.settle()
        sys.stdout.write(address.line() + "\n")
        sys.stdout.flush()
        await stop.wait()


def run(
    options: Options,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    beside: Install | None = None,
    further: Mapping[str, str] | None = None,
) -> None:
    """Make the company and serve it, on this machine only unless ``host`` says otherwise."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(host, port, options, beside=beside, further=further))
    else:
        uvloop.run(serve(host, port, options, beside=beside, further=further))
