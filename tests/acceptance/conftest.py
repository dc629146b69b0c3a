"""Real processes: a sandbox that speaks for the vendor, and the product's own commands."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from commands import Forked, commands
from databases import new_database
from perfectcatch.store.server.embedded import Server

COMMAND = (sys.executable, "-m", "perfectcatch")


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox and the settings that point to it."""

    url: str
    settings: dict[str, str]

    def post(self, name: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def get(self, name: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_sandbox/{name}", timeout=60) as answer:
            return json.load(answer)


def start_sandbox(*words: str) -> tuple[Forked, Sandbox]:
    process = commands().start("sandbox", "--port", "0", *words, environment=os.environ)
    known = json.loads(process.first_line())
    settings = {
        "SERVICE_TITAN_API_URL": known["url"],
        "SERVICE_TITAN_AUTH_URL": known["url"] + "/connect/token",
        "SERVICE_TITAN_CLIENT_ID": known["client_id"],
        "SERVICE_TITAN_CLIENT_SECRET": known["client_secret"],
        "SERVICE_TITAN_APP_KEY": known["app_key"],
        "SERVICE_TITAN_TENANT_ID": str(known["tenant_id"]),
        "LOG_LEVEL": "warning",
    }
    return process, Sandbox(known["url"], settings)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A company of 60 customers of its own for each test."""
    process, known = start_sandbox("--customers", "60", "--rate", "100000")
    with process:
        yield known
        process.terminate()


@dataclass
class Product:
    """The product's commands on a database of their own."""

    url: str
    settings: dict[str, str]
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("SERVICE")}
        fast = {"SERVICE_TITAN_RATE_LIMIT": "5000", "PORT": "0"}
        self.environment = kept | fast | self.settings | {"DATABASE_URL": self.url}

    def start(self, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *words],
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
        )

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return commands().run(*words, environment=self.environment | settings, timeout=600)

    def rows(self, query: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture
async def product(database: Server, migrated: str, sandbox: Sandbox) -> AsyncIterator[Product]:
    """The product on a database in its shape, with the sandbox as its vendor."""
    async with new_database(database, migrated) as url:
        yield Product(url, sandbox.settings)


@pytest.fixture
async def new_product(database: Server, sandbox: Sandbox) -> AsyncIterator[Product]:
    """The product on an empty database, with the sandbox as its vendor."""
    async with new_database(database) as url:
        yield Product(url, sandbox.settings)
