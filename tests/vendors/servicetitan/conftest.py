"""A scripted vendor and a client of it, on a clock that moves only when somebody sleeps."""

from collections.abc import AsyncIterator

import pytest
from servicetitan_lab import Bench, Lab, open_lab

from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Http
from perfectcatch.kit.limits import LocalBudget
from perfectcatch.vendors.servicetitan.client import Client
from perfectcatch.vendors.servicetitan.transport import rates


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with open_lab() as opened:
        yield opened


@pytest.fixture
async def bench(lab: Lab) -> AsyncIterator[Bench]:
    async with Http() as http:
        clock = FakeClock()
        yield Bench(lab, http, clock, LocalBudget(rates(50), clock))


@pytest.fixture
async def client(bench: Bench) -> AsyncIterator[Client]:
    async with bench.client() as opened:
        yield opened
