"""The same records by other means, in environments that are made for it and gone afterwards."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def dlt(
    place: Path, facts: dict[str, Any], change: Callable[[], object], *, running: int, fresh: int
) -> dict[str, Any] | None:
    """dlt: a full load, then what ``change`` changed, in the process that runs already and in fresh ones.

    Medians of ``running`` and of ``fresh`` reads.
    """
    python = environment(place, "dlt", "dlt[postgres]")
    if python is None:
        return None
    shutil.rmtree(place / "pipelines", ignore_errors=True)  # what it has read before stands there
    given = json.dumps(facts | {"place": str(place / "pipelines")}) + "\n"
    words = [str(python), str(HERE / "dlt_rest.py")]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.flush()
        result: dict[str, Any] = json.loads(process.stdout.readline())
        walls = []
        for _ in range(running):
            change()
            process.stdin.write("again\n")
            process.stdin.flush()
            walls.append(json.loads(process.stdout.readline())["wall"])
        process.stdin.close()
    result["incremental"] = {"wall": statistics.median(walls), "walls": walls}
    walls = []
    for _ in range(fresh):
        change()
        began = time.perf_counter()
        _answer(words, facts | {"place": str(place / "pipelines")}, cwd=place)
        walls.append(time.perf_counter() - began)
    return result | {"fresh": statistics.median(walls), "fresh_walls": walls}


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
