"""A scripted vendor and a client of it, on a clock that moves only when somebody sleeps."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from lab import APP_KEY, SECRET, TENANT, Lab, find, open_lab

from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Deadlines, Http
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.client import Client
from perfectcatch.vendors.servicetitan.transport import Observation, rates


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


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with open_lab() as opened:
        yield opened


@pytest.fixture
async def bench(lab: Lab) -> AsyncIterator[Bench]:
    async with Http(deadlines=Deadlines(connect=2, between_bytes=0.3, total=1.5)) as http:
        clock = FakeClock()
        yield Bench(lab, http, clock, LocalBudget(rates(50), clock))


@pytest.fixture
async def client(bench: Bench) -> AsyncIterator[Client]:
    async with bench.client() as opened:
        yield opened
