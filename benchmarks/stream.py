"""The live stream with many listeners: memory, processor time and how late they hear.

    .venv/bin/python -m benchmarks.stream [--listeners 500] [--seconds 20] [--out docs/benchmarks/stream.md]

A server of ours with an empty mirror; listeners in a process of their own. Events are written by SQL, ten a
second, as a merge writes them: in a transaction with a note. How late is the time from just before the commit
to the moment at which a listener has the frame, by one machine's clock, for every event and every listener.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from benchmarks.common import (
    command,
    database_server,
    fresh_database,
    machine,
    sandbox_process,
    settings_for,
    share,
)

PER_SECOND = 10
COMMAND = (sys.executable, "-m", "perfectcatch")
EVENT = """
with written as (
  insert into automation.events
    (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
  values (%(tenant)s, 'job_created', 'jobs', %(id)s, '1', now(), false,
    jsonb_build_object('at', %(at)s::float8, 'padding', repeat('x', 300)))
  returning id, tenant_id
)
select pg_notify('perfectcatch_events',
  json_build_object('tenant_id', tenant_id, 'ids', json_build_array(id))::text)
from written
"""


# Listening, in a process of its own --------------------------------------------------------------


class Ear(asyncio.Protocol):
    """One listener; notes how late each event came."""

    def __init__(self, head: bytes, late: list[float], ready: asyncio.Semaphore) -> None:
        self.head, self.late, self.ready = head, late, ready
        self.rest = b""
        self.hello = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self.hello:
            self.hello = True
            self.ready.release()
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            at = line.find(b'"at":')
            if line.startswith(b"data: ") and at > 0:
                number = line[at + 5 :].split(b",")[0].split(b"}")[0]
                self.late.append(now - float(number))


async def listen(url: str, key: str, count: int) -> None:
    """Say ``ready`` when all listen, and tell how late everything came when stdin ends."""
    parts, late, ready = urlsplit(url), [], asyncio.Semaphore(0)
    head = f"GET /api/monitor/events?kinds=event HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.create_connection(lambda: Ear(head.encode(), late, ready), parts.hostname, parts.port)
    for _ in range(count):
        await ready.acquire()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(late))


# Measuring ---------------------------------------------------------------------------------------


async def measure(listeners: int, seconds: float) -> dict[str, Any]:
    with sandbox_process(20) as known:
        async with database_server() as server:
            url = await fresh_database(server, "stream")
            environment = {**os.environ, **settings_for(known), "DATABASE_URL": url, "API_RATE_LIMIT": "0"}
            command(environment, "db", "migrate")
            tenant = int(known["tenant_id"])
            return await asyncio.to_thread(_measure, environment, url, tenant, listeners, seconds)


def _measure(
    environment: dict[str, str], url: str, tenant: int, listeners: int, seconds: float
) -> dict[str, Any]:
    made = [*COMMAND, "key", "create", "--scope", "read"]
    key = subprocess.run(made, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    serving = subprocess.Popen(
        [*COMMAND, "--json", "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert serving.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            said += serving.stdout.readline()
        process = psutil.Process(serving.pid)
        time.sleep(3)
        before = process.memory_info().rss
        words = [sys.executable, "-m", "benchmarks.stream", "--task", "listen"]
        words += ["--listeners", str(listeners), "--url", json.loads(said)["url"], "--key", key]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
        ) as ears:
            assert ears.stdout is not None
            assert ears.stdin is not None
            assert ears.stdout.readline().strip() == "ready"
            time.sleep(1)
            listening, idle = process.memory_info().rss, _cpu(process)
            time.sleep(5)
            idle = (_cpu(process) - idle) / 5
            busy, events = _cpu(process), _write(url, tenant, seconds)
            time.sleep(2)
            busy = _cpu(process) - busy - idle * 2
            after = process.memory_info().rss
            ears.stdin.close()
            late = json.loads(ears.stdout.read())
    finally:
        serving.terminate()
        serving.wait()
    return {
        "listeners": listeners,
        "events": events,
        "heard": len(late),
        "per_listener": (listening - before) / listeners,
        "grown": after - listening,
        "idle": idle,
        "busy": busy / seconds,
        "each": busy / (events * listeners),
        "late": late,
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _write(url: str, tenant: int, seconds: float) -> int:
    count = int(seconds * PER_SECOND)
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            connection.execute(EVENT, {"tenant": tenant, "id": number + 1, "at": time.time()})
    return count


def report(found: dict[str, Any]) -> str:
    late = sorted(found["late"])
    return f"""# The live stream

`python -m benchmarks.stream --listeners {found["listeners"]}`; {machine()}

{found["events"]} events of about 700 bytes, {PER_SECOND} a second, {found["listeners"]} listeners, one key:
{found["heard"]:,} frames came of {found["events"] * found["listeners"]:,}.

| | |
|---|---|
| Memory for each listener | {found["per_listener"] / 1024:.0f} KiB |
| Memory grown while events came | {found["grown"] / 2**20:.1f} MiB |
| Processor while nothing happens | {100 * found["idle"]:.1f} % of a core |
| Processor at {PER_SECOND} events a second | {100 * found["busy"]:.0f} % of a core |
| Processor for an event and a listener | {1e6 * found["each"]:.0f} µs |
| Commit until a listener has it, median | {1000 * share(late, 0.5):.0f} ms |
| 95 of 100 | {1000 * share(late, 0.95):.0f} ms |
| 99 of 100 | {1000 * share(late, 0.99):.0f} ms |
| The latest | {1000 * late[-1]:.0f} ms |

The listeners and PostgreSQL share the machine's cores with the server. Wake-ups are gathered for 20 ms.
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--listeners", type=int, default=500)
    words.add_argument("--seconds", type=float, default=20)
    words.add_argument("--out", type=Path)
    words.add_argument("--task")
    words.add_argument("--url", default="")
    words.add_argument("--key", default="")
    chosen, _ = words.parse_known_args()
    if chosen.task == "listen":
        asyncio.run(listen(chosen.url, chosen.key, chosen.listeners))
        return
    text = report(asyncio.run(measure(chosen.listeners, chosen.seconds)))
    print(text)
    if chosen.out:
        chosen.out.write_text(text)


if __name__ == "__main__":
    main()
