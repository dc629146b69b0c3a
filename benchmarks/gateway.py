"""The pass-through beside Express 4 + axios, in one run: same upstream, same load tool.

    .venv/bin/python -m benchmarks.gateway [--rounds 3] [--seconds 5] [--out docs/benchmarks/gateway.md]

The upstream answers 20 KB of JSON as fast as a bare protocol can. Every request asks for another record, so
that neither a cache nor the flight that identical questions share helps us. Express checks the key, asks
upstream over kept connections and answers, once with axios as it comes (the body read and parsed, then
written again) and once with a stream piped through. Ours does everything that it always does: route table,
arguments, key, shared rate in PostgreSQL, token, circuit breaker, header lists. Servers take turns on one
core, upstream and load have the other; medians are told.
Without Node the comparison is left out.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import uvloop

ROOT = Path(__file__).parent.parent
TENANT = 1234567
SIZE = 20 * 1024
IDS = 20_000
EXPRESS = """
const express = require('express'); const axios = require('axios'); const http = require('http');
const [,, port, upstream, kind, key] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const app = express(); app.disable('x-powered-by'); app.set('etag', false);
const client = axios.create({ baseURL: upstream, httpAgent: agent, timeout: 30000,
  headers: { Authorization: 'Bearer token', 'ST-App-Key': 'key', 'Accept-Encoding': 'identity' } });
app.use((req, res, next) => req.headers.authorization === `Bearer ${key}` ? next() : res.sendStatus(401));
app.get('/st/crm/customers/:id', async (req, res) => {
  const url = `/crm/v2/tenant/TENANT/customers/${encodeURIComponent(req.params.id)}`;
  try {
    if (kind === 'streamed') {
      const answer = await client.get(url, { responseType: 'stream' });
      res.status(answer.status).type('application/json'); answer.data.pipe(res);
    } else {
      const answer = await client.get(url); res.status(answer.status).json(answer.data);
    }
  } catch (error) { res.status(502).json({ error: error.message }); }
});
app.listen(Number(port), '127.0.0.1');
""".replace("TENANT", str(TENANT))


# The upstream ------------------------------------------------------------------------------------


class Upstream(asyncio.Protocol):
    """Answers the same document to every GET, and a token to every POST."""

    document = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
            if head.startswith(b"POST"):
                self.buffer = b""  # the form of a token request comes with its head
                body = b'{"access_token":"token","expires_in":3600,"token_type":"Bearer"}'
                self.transport.write(_http(body))
            else:
                self.transport.write(self.document)


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def document() -> bytes:
    record = {"id": 52100413, "name": "Miguel Lowell", "active": True, "balance": 12.5, "customFields": []}
    records: list[Any] = []
    while len(json.dumps({"data": records})) < SIZE:
        records.append({**record, "id": record["id"] + len(records)})
    return json.dumps({"page": 1, "hasMore": False, "data": records}, separators=(",", ":")).encode()


async def upstream(port: int) -> None:
    Upstream.document = _http(document())
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


# Servers and load ----------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def pinned(core: int) -> list[str]:
    found = shutil.which("taskset")
    return [found, "-c", str(core)] if found and (os.cpu_count() or 1) > 1 else []


@contextmanager
def running(words: list[str], url: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own, from when it answers until the block ends."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, **more)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def load(url: str, key: str, connections: int, seconds: float, core: int) -> dict[str, Any]:
    numbers = " ".join(str(number) for number in range(1, IDS))
    out = subprocess.run(
        [*pinned(core), sys.executable, "-m", "benchmarks.load", url, str(connections), str(seconds),
         f"Authorization: Bearer {key}"],
        input=numbers, capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    result: dict[str, Any] = json.loads(out)
    assert set(result["statuses"]) == {"200"}, result
    return result


def cpu_of(process: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU that a process has used."""
    words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def npm(directory: Path) -> bool:
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    (directory / "package.json").write_text("{}")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "express@4", "axios@1"],
        cwd=directory,
        capture_output=True,
        check=False,
    )
    (directory / "proxy.js").write_text(EXPRESS)
    return done.returncode == 0


def measure(rounds: int, seconds: float, connections: int) -> dict[str, Any]:
    figures: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pc-bench-", dir="/tmp")))
        directory.chmod(0o755)
        ports = {name: free_port() for name in ("upstream", "ours", "buffered", "streamed")}
        above = f"http://127.0.0.1:{ports['upstream']}"
        stack.enter_context(
            running(
                [
                    *pinned(1),
                    sys.executable,
                    "-m",
                    "benchmarks.gateway",
                    "--task",
                    "upstream",
                    "--port",
                    str(ports["upstream"]),
                ],
                above,
                cwd=ROOT,
            )
        )
        environment = os.environ | {
            "SERVICE_TITAN_API_URL": above,
            "SERVICE_TITAN_AUTH_URL": f"{above}/connect/token",
            "SERVICE_TITAN_CLIENT_ID": "id",
            "SERVICE_TITAN_CLIENT_SECRET": "secret",
            "SERVICE_TITAN_APP_KEY": "key",
            "SERVICE_TITAN_TENANT_ID": str(TENANT),
            "SERVICE_TITAN_RATE_LIMIT": "100000",
            "API_RATE_LIMIT": "0",
            "PERFECTCATCH_DATA_DIR": str(directory / "data"),
            "LOG_LEVEL": "warning",
        }
        ours = [sys.executable, "-m", "perfectcatch"]
        processes = {
            "ours": stack.enter_context(
                running(
                    [*pinned(0), *ours, "serve", "--port", str(ports["ours"])],
                    f"http://127.0.0.1:{ports['ours']}/health",
                    env=environment,
                )
            )
        }
        made = subprocess.run(
            [*ours, "key", "create", "--scope", "read", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        key = json.loads(made.stdout)["key"]
        node = npm(directory)
        for kind in ("buffered", "streamed") if node else ():
            words = [*pinned(0), "node", "proxy.js", str(ports[kind]), above, kind, key]
            processes[kind] = stack.enter_context(
                running(
                    words,
                    f"http://127.0.0.1:{ports[kind]}/",
                    cwd=directory,
                    env=os.environ | {"NODE_ENV": "production"},
                )
            )
        for name in processes:  # every compiler warm, every connection made
            load(f"http://127.0.0.1:{ports[name]}/st/crm/customers/{{id}}", key, connections, 2.0, 1)
        for _ in range(rounds):
            for name, process in processes.items():
                before = cpu_of(process)
                result = load(
                    f"http://127.0.0.1:{ports[name]}/st/crm/customers/{{id}}", key, connections, seconds, 1
                )
                result["cpu_us"] = round((cpu_of(process) - before) / result["requests"] * 1e6)
                figures.setdefault(name, []).append(result)
    return {
        "figures": figures,
        "node": node,
        "connections": connections,
        "rounds": rounds,
        "seconds": seconds,
    }


def report(measured: dict[str, Any]) -> str:
    names = {
        "ours": "Perfect Catch",
        "buffered": "Express 4 + axios, buffered",
        "streamed": "Express 4 + axios, streamed",
    }
    keys = ("per_second", "p50_ms", "p99_ms", "cpu_us")
    middle = {
        name: {key: statistics.median(each[key] for each in results) for key in keys}
        for name, results in measured["figures"].items()
    }
    lines = [
        "# What a call through the gateway costs",
        "",
        f"`make bench` on {os.cpu_count()} cores: {measured['connections']} connections, an answer of 20 KB, "
        f"{measured['rounds']} rounds of {measured['seconds']:g} s in turns, medians. One core for the "
        "server, the other for upstream and load.",
        "",
        "| server | requests a second | p50 ms | p99 ms | CPU of the server, us a request |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {names[name]} | {each['per_second']:,.0f} | {each['p50_ms']:.2f} | {each['p99_ms']:.2f} "
        f"| {each['cpu_us']:,.0f} |"
        for name, each in middle.items()
    ]
    if measured["node"]:
        ours = middle["ours"]
        lines += ["", "| Perfect Catch against | requests a second | p99 |", "|---|---|---|"]
        for name, aim in (("buffered", 2.5), ("streamed", 1.8)):
            ratio = ours["per_second"] / middle[name]["per_second"]
            slowest = ours["p99_ms"] / middle[name]["p99_ms"]
            lines.append(f"| {names[name]} | **{ratio:.2f}** times (aim {aim}) | {slowest:.2f} times |")
    else:
        lines += ["", "Node is not installed here: the comparison was left out."]
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seconds", type=float, default=5)
    words.add_argument("--connections", type=int, default=32)
    words.add_argument("--out", type=Path)
    words.add_argument("--task")
    words.add_argument("--port", type=int, default=0)
    chosen, _ = words.parse_known_args()
    if chosen.task == "upstream":
        uvloop.run(upstream(chosen.port))
        return
    text = report(measure(chosen.rounds, chosen.seconds, chosen.connections))
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
