"""A simulated location on a socket, and our client for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from perfectcatch.kit.breaker import Breaker, Thresholds
from perfectcatch.kit.clock import Clock, FakeClock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.sandbox.gohighlevel.server import LOCATION, PRIVATE_TOKEN, VENDOR, Fault, Vendor, make_app
from perfectcatch.vendors.gohighlevel.client import GoHighLevel
from perfectcatch.vendors.gohighlevel.transport import Access, PrivateToken, Transport, rates
from perfectcatch.vendors.gohighlevel.versions import FIRST, Version


class Recorded(Http):
    """Keeps every request with its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[Request, Response]] = []

    async def send(self, request: Request) -> Response:
        response = await super().send(request)
        self.sent.append((request, response))
        return response


@dataclass
class Opened:
    """A client, what it sent, and the location behind it."""

    crm: GoHighLevel
    transport: Transport
    http: Recorded
    vendor: Vendor
    url: str
    clock: FakeClock = field(default_factory=FakeClock)

    def fault(self, kind: str, *, on: str = "", times: int | None = 1) -> None:
        self.vendor.faults.append(Fault(kind, times=times, on=on))

    def calls(self, what: str = "") -> int:
        return sum(what in each["what"] for each in self.vendor.calls)


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def transport_to(
    url: str,
    http: Http,
    clock: Clock,
    *,
    version: Version = FIRST,
    access: Access | None = None,
    seconds: float = 15.0,
) -> Transport:
    return Transport(
        http=http,
        access=access or PrivateToken(PRIVATE_TOKEN),
        location_id=LOCATION,
        api_url=url,
        version=version,
        budget=LocalBudget(rates(), clock),
        clock=clock,
        breaker=Breaker(clock, Thresholds(failures_in_a_row=1000, window_calls=1000)),
        call_seconds=seconds,
    )


@asynccontextmanager
async def location(
    *, version: Version = FIRST, token: str = PRIVATE_TOKEN, behind: float = 0.0, seconds: float = 15.0
) -> AsyncIterator[Opened]:
    """A location whose searches are ``behind`` so many seconds of the client's clock."""
    clock = FakeClock()
    app = make_app(clock=clock)
    async with served(app) as url, Recorded() as http:
        transport = transport_to(
            url, http, clock, version=version, access=PrivateToken(token), seconds=seconds
        )
        vendor = app[VENDOR]
        vendor.account.contact_index.seconds = vendor.account.opportunity_index.seconds = behind
        crm = GoHighLevel(transport, location_id=LOCATION, version=version)
        yield Opened(crm, transport, http, vendor, url, clock)


def stage_ids(vendor: Vendor, pipeline: str = "SALES") -> tuple[str, Sequence[str]]:
    """The id of a pipeline and those of its stages."""
    row = next(each for each in vendor.account.pipelines if each["name"] == pipeline)
    return row["id"], [stage["id"] for stage in row["stages"]]
