"""The same records by other means, in environments that are made for it and gone afterwards."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from benchmarks import tasks
from benchmarks.common import command

Named = tuple[str, Callable[[], Any]]

HERE = Path(__file__).parent


def environment(place: Path, name: str, *packages: str) -> Path | None:
    """The python of a new virtual environment with ``packages``; None, with the reason told, without."""
    home = place / name
    python = home / "bin" / "python"
    if python.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{name} could not be installed: {done.stderr.strip()[-300:]}", file=sys.stderr)
        shutil.rmtree(home)
        return None
    return python


def row_by_row(place: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Sequential upserts, in our own environment: it needs nothing but the driver."""
    del place
    return _answer([sys.executable, str(HERE / "row_by_row.py")], facts)


@contextmanager
def asked(words: list[str], given: str, cwd: Path | None = None, **more: Any) -> Iterator[Callable[[], Any]]:
    """A process that answers each line with one; the first line is ``given``, and the others say "again"."""
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd, **more
    ) as process:
        writes, reads = process.stdin, process.stdout
        assert writes is not None
        assert reads is not None
        lines = chain([given], repeat("again"))

        def ask() -> Any:
            writes.write(next(lines) + "\n")
            writes.flush()
            return json.loads(reads.readline())

        yield ask
        writes.close()


def beside_dlt(
    place: Path,
    facts: dict[str, Any],
    ours: dict[str, str],
    change: Callable[[], object],
    *,
    running: int,
    fresh: int,
) -> dict[str, Any] | None:
    """A full load by dlt, then what ``change`` changed: by dlt and by us, each time one after the other.

    Medians of ``running`` reads in processes that run already, and of ``fresh`` processes, theirs and ours.
    """
    python = environment(place, "dlt", "dlt[postgres]")
    if python is None:
        return None
    shutil.rmtree(place / "pipelines", ignore_errors=True)  # what it has read before stands there
    words, given = [str(python), str(HERE / "dlt_rest.py")], facts | {"place": str(place / "pipelines")}
    reads = [sys.executable, "-m", "benchmarks.tasks", "reads", "{}"]
    walls: dict[str, list[float]] = {"theirs": [], "ours": [], "their_commands": [], "our_commands": []}
    with (
        asked(words, json.dumps(given), cwd=place) as theirs,
        asked(reads, "first", env=os.environ | ours) as we,
    ):
        result: dict[str, Any] = theirs()
        we()  # what has happened since the full load
        for turn in range(running):
            change()
            for name, ask in _in_turn(turn, ("theirs", theirs), ("ours", we)):
                walls[name].append(ask()["wall"])

    def their_command() -> None:
        _answer(words, given, cwd=place)

    def our_command() -> None:
        command(ours, "sync", "run", *tasks.ENTITIES, "--json")

    for turn in range(fresh):
        change()
        for name, run in _in_turn(turn, ("their_commands", their_command), ("our_commands", our_command)):
            began = time.perf_counter()
            run()
            walls[name].append(time.perf_counter() - began)
    return result | {name: statistics.median(each) for name, each in walls.items()} | {"walls": walls}


def _in_turn(turn: int, *both: Named) -> tuple[Named, ...]:
    return both if turn % 2 else both[::-1]


def singer(place: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
    """A tap on the Singer SDK, piped into target-postgres; the two do not share an environment."""
    tap = environment(place, "tap", "singer-sdk")
    target = environment(place, "target", "meltanolabs-target-postgres")
    if tap is None or target is None:
        return None
    (place / "tap.json").write_text(json.dumps({"known": facts["known"]}))
    into = {"sqlalchemy_url": facts["database_url"].replace("postgresql://", "postgresql+psycopg://")}
    (place / "target.json").write_text(json.dumps(into | {"default_target_schema": "singer"}))
    began = time.perf_counter()
    with subprocess.Popen(
        [str(tap), str(HERE / "singer_tap.py"), "--config", str(place / "tap.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=HERE,
    ) as reading:
        done = subprocess.run(
            [str(target.parent / "target-postgres"), "--config", str(place / "target.json")],
            stdin=reading.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    wall = time.perf_counter() - began
    if done.returncode or reading.returncode:
        print(f"the Singer pipe failed: {done.stderr[-600:]}", file=sys.stderr)
        return None
    return {"wall": wall}


def _answer(words: list[str], facts: dict[str, Any], cwd: Path | None = None) -> dict[str, Any]:
    done = subprocess.run(
        words, input=json.dumps(facts) + "\n", stdout=subprocess.PIPE, text=True, check=True, cwd=cwd
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
