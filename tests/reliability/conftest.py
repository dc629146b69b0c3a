"""Real processes of the product, made quickly, with a wiretap before their database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from acceptance.conftest import Product, Sandbox
from acceptance.conftest import product as product  # noqa: PLC0414 - a fixture
from acceptance.conftest import sandbox as sandbox  # noqa: PLC0414 - a fixture
from convergence import oracle
from perfectcatch.store.server.embedded import Server
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from reliability.wiretap import Wiretap, wiretap


@dataclass
class Forge:
    """Starts commands of the product as forks of one process that has imported everything."""

    directory: Path
    process: "subprocess.Popen[bytes]" = field(init=False)
    alive: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parents[1] / "forge.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def _tell(self, order: dict[str, object]) -> int | None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        answer: int | None = json.loads(self.process.stdout.readline())
        return answer

    def start(
        self, *words: str, environment: dict[str, str], constants: Mapping[str, object] = MappingProxyType({})
    ) -> int:
        """Start a command, with other values of some of the product's constants; its process number."""
        log = str(self.directory / "said.log")
        order = {"words": words, "environment": environment, "errors": log, "constants": dict(constants)}
        pid = self._tell(order)
        assert pid is not None
        self.alive.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """Send SIGKILL, as ``kill -9`` does."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def ended(self, pid: int) -> int | None:
        """Its exit status, None while it runs."""
        status = self._tell({"ended": pid})
        if status is not None:
            self.alive.discard(pid)
        return status

    async def end(self, pid: int) -> int:
        """Wait until it has ended."""
        while (status := self.ended(pid)) is None:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
        return status

    @property
    def said(self) -> str:
        """All that the processes have said."""
        log = self.directory / "said.log"
        return log.read_text() if log.exists() else ""

    def close(self) -> None:
        """End what still runs."""
        for pid in self.alive:
            self.kill(pid)
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    made = Forge(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def tap(database: Server) -> AsyncIterator[Wiretap]:
    """A wiretap before the server of the tests."""
    parts = urlsplit(database.tcp_url)
    assert parts.hostname is not None
    assert parts.port is not None
    async with wiretap(parts.hostname, parts.port) as opened:
        yield opened


def tapped(product: Product, database: Server, tap: Wiretap) -> dict[str, str]:
    """The environment of a process whose way to the database leads over the wiretap."""
    parts = urlsplit(database.tcp_url)
    credentials = parts.netloc.rpartition("@")[0]
    place = f"{credentials}@{tap.host}:{tap.port}"
    url = urlunsplit(parts._replace(netloc=place, path=urlsplit(product.url).path))
    return product.environment | {"DATABASE_URL": url}


TRUTH = {
    "customers": "crm.customers",
    "customer_contacts": "crm.customers_contacts",
    "locations": "crm.locations",
    "jobs": "jpm.jobs",
    "appointments": "jpm.appointments",
    "appointment_assignments": "dispatch.appointment_assignments",
    "estimates": "sales.estimates",
    "invoices": "accounting.invoices",
    "payments": "accounting.payments",
    "job_notes": "jpm.job_notes",
    "bookings": "crm.bookings",
}


def assert_converged(product: Product, sandbox: Sandbox) -> oracle.Mirror:
    """After a clean run: no record lost, doubled or wrong, no event missed or told twice."""
    mirror = oracle.Mirror(product.url, int(sandbox.settings["SERVICE_TITAN_TENANT_ID"]), BY_NAME)
    problems = [*oracle.gaps(mirror), *oracle.wrong_events(mirror), *oracle.wrong_gatherings(mirror)]
    for name, collection in TRUTH.items():
        truth = {record["id"]: record for record in sandbox.get(f"records/{collection}")}
        problems += oracle.differences(mirror, BY_NAME[name], truth)
    problems += [f"{row['entity']} {row['st_id']} is in quarantine" for row in mirror.waiting]
    assert not problems, oracle.shown(problems)
    return mirror


SWITCHED_OFF: Final = dict.fromkeys(
    (
        *("SYNC_INCREMENTAL_CRON", "SYNC_FULL_CRON", "CONTACTS_INCREMENTAL_CRON", "CONTACTS_FULL_CRON"),
        *("SYNC_SCHEDULING_CRON", "SYNC_PRICEBOOK_CRON", "CLOCK_RULES_CRON"),
    ),
    "off",
)
EACH_SECOND: Final = SWITCHED_OFF | {
    "SYNC_INCREMENTAL_CRON": "* * * * * *",
    "SYNC_FULL_CRON": "*/20 * * * * *",
    "CLOCK_RULES_CRON": "*/5 * * * * *",
}


def start_worker(forge: Forge, environment: dict[str, str]) -> int:
    """Start `perfectcatch worker sync`; its process number."""
    beat = str(forge.directory / f"beat-{len(forge.alive)}")
    return forge.start("worker", "sync", environment=environment | {"HEARTBEAT_FILE": beat})


@asynccontextmanager
async def workers(
    product: Product, forge: Forge, count: int, crons: dict[str, str]
) -> AsyncIterator[list[int]]:
    """Workers on the schedule ``crons``; all of them must live until the end."""
    running = [start_worker(forge, product.environment | crons) for _ in range(count)]
    yield running
    assert [forge.ended(pid) for pid in running] == [None] * count, forge.said[-3000:]
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    async with asyncio.timeout(60):
        for pid in running:
            await forge.end(pid)


async def until(holds: Callable[[], Any], seconds: float) -> None:
    """Wait until ``holds`` for at most ``seconds``; a database that is away does not hold."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if await asyncio.to_thread(holds):
                    return
            except psycopg.OperationalError:
                pass
            await asyncio.sleep(0.1)


def succeeded(product: Product) -> int:
    """How many scheduled runs have ended well so far."""
    [(number,)] = product.rows(
        "select count(*) from servicetitan.sync_runs where trigger = 'schedule' and status = 'succeeded'"
    )
    return int(number)
