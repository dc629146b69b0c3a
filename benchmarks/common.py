"""What the benchmarks share: a sandbox in its own process, databases, settings, the state of the machine."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

UNHURT = ("--rate", "100000", "--tokens-per-minute", "1000")  # the vendor's limits hold nobody back


@contextmanager
def sandbox_process(customers: int, *words: str) -> Iterator[dict[str, Any]]:
    """A sandbox of ``customers`` customers; what it says about itself."""
    given = ["sandbox", "--port", "0", "--customers", str(customers), *(words or UNHURT)]
    process = subprocess.Popen([sys.executable, "-m", "perfectcatch", *given], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def settings_for(known: dict[str, Any], *, rate: float = 10000) -> dict[str, str]:
    """The settings that point the product to a sandbox, at a rate that does not hold it back."""
    return {
        "SERVICE_TITAN_API_URL": known["url"],
        "SERVICE_TITAN_AUTH_URL": known["url"] + "/connect/token",
        "SERVICE_TITAN_CLIENT_ID": known["client_id"],
        "SERVICE_TITAN_CLIENT_SECRET": known["client_secret"],
        "SERVICE_TITAN_APP_KEY": known["app_key"],
        "SERVICE_TITAN_TENANT_ID": str(known["tenant_id"]),
        "SERVICE_TITAN_RATE_LIMIT": str(rate),
        "LOG_LEVEL": "warning",
    }


@asynccontextmanager
async def database_server() -> AsyncIterator[str]:
    """An embedded PostgreSQL in a directory that is gone afterwards; the URL of its own database."""
    from perfectcatch.store.server.embedded import embedded

    with tempfile.TemporaryDirectory(prefix="pc-bench-", dir="/tmp") as place:
        os.chmod(place, 0o755)  # noqa: PTH101 - PostgreSQL runs as another user
        async with embedded(Path(place)) as server:
            yield server.tcp_url  # not every rival can use a local socket


async def fresh_database(server_url: str, name: str) -> str:
    """An empty database on the server; its URL."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(server_url, autocommit=True) as connection:
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name}")
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(server_url)._replace(path=f"/{name}"))


def command(environment: dict[str, str], *words: str) -> None:
    """Run a command of the product to its end."""
    subprocess.run(
        [sys.executable, "-m", "perfectcatch", *words],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )


class Vendor:
    """The control surface of a sandbox, on one connection."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def post(self, name: str, **body: Any) -> Any:
        """Ask the sandbox to do something."""
        self._connection.request("POST", f"/_sandbox/{name}", json.dumps(body))
        return self._answer()

    def get(self, name: str) -> Any:
        """Ask the sandbox for something."""
        self._connection.request("GET", f"/_sandbox/{name}")
        return self._answer()

    def _answer(self) -> Any:
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def share(values: Sequence[float], part: float) -> float:
    """The value below which ``part`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def median(values: Sequence[float]) -> float:
    """The median of ``values``."""
    return statistics.median(values)


def machine() -> str:
    """How busy the machine is, for the reader of a figure."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} cores, load average {load}"
