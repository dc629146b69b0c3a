"""``serve --workers``: one socket, several processes; limits, revocation and restarts as with one."""

import json
import subprocess
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import psutil

from acceptance.conftest import COMMAND
from live.conftest import Api, make_key, until_healthy

PATIENCE = 60.0
ASKED = 60
ROUTE = "/health/workers"
SEEN: Counter[int] = Counter()


@contextmanager
def several(api: Api, count: int, place: Path) -> Iterator[tuple[Api, psutil.Process]]:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--workers", str(count), "--json"],
        env=api.product.environment | {"DATABASE_MAX_CONNECTIONS": "6", "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        cwd="/",
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "the server ended"
            said += line
        url = json.loads(said)["url"]
        until_healthy(url)
        yield Api(url, api.product, api.sandbox, api.keys), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0


def status(api: Api, key: str) -> int:
    """0 where the process that had the request was killed."""
    try:
        found = api.ask("GET", ROUTE, key=key).status
    except (OSError, HTTPException, urllib.error.URLError):
        return 0
    SEEN.update([found])
    return found


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.1)


def answered(api: Api) -> float:
    """How many good answers of ``status`` the metrics tell of, whichever process is asked."""
    told = api.ask("GET", "/metrics", key="read")
    name = f'perfectcatch_http_requests_total{{method="GET",route="{ROUTE}",status="200"}} '
    lines = told.body.decode().splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def written(place: Path) -> int:
    """The same by what the processes left for each other."""
    files = [json.loads(file.read_bytes()) for file in place.glob("perfectcatch-*/?")]
    return sum(each[3] for file in files for each in file["answers"] if each[:3] == ["GET", ROUTE, 200])


def test_two_processes_answer_as_one(api: Api, tmp_path: Path) -> None:
    slow = make_key(api.product, "--scope", "read", "--per-second", "1")
    short = make_key(api.product, "--scope", "read", "--name", "brief")
    with several(api, 2, tmp_path) as (server, parent), ThreadPoolExecutor(8) as pool:
        until(lambda: len(parent.children()) == 2)
        began = time.monotonic()
        answers = list(pool.map(lambda _: status(server, slow), range(ASKED)))
        assert set(answers) == {200, 429}
        assert answers.count(200) <= 2 + (time.monotonic() - began)  # what one process would have granted

        assert {status(server, short) for _ in range(10)} == {200}
        assert api.product.run("key", "revoke", "_".join(short.split("_")[:2])).returncode == 0
        until(lambda: {status(server, short) for _ in range(10)} == {401})

        until(lambda: answered(server) == SEEN[200])
        until(lambda: written(tmp_path) == SEEN[200])  # each has told the other

        first = parent.children()[0]
        first.kill()
        until(lambda: first.pid not in {each.pid for each in parent.children()})
        until(lambda: len(parent.children()) == 2)
        assert {status(server, "read") for _ in range(20)} == {200}
        until(lambda: {answered(server) for _ in range(10)} == {SEEN[200]})
