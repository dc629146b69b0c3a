"""Everything on one machine: which database it writes to, what it shows, and how it ends."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psycopg
import pytest

from acceptance.conftest import COMMAND, Product, Sandbox
from databases import new_database
from perfectcatch.store.address import parse
from perfectcatch.store.server.embedded import Server

SMALL = ("--sandbox", "--customers", "20")


@contextmanager
def started(*words: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """A command of the product that goes on until it is told to end."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("SERVICE", "DATABASE"))}
    process = subprocess.Popen(
        [*COMMAND, *words],
        env=kept | {"PORT": "0"} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def until(process: "subprocess.Popen[str]", words: str) -> str:
    """What is said up to the line with ``words``."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if words in line:
            return said
    assert process.stderr is not None
    pytest.fail(f"ended before it said {words!r}: {said}\n{process.stderr.read()}")


def ended(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    """The exit status and stderr after a signal."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def run(*words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    with started(*words, **settings) as process:
        out, errors = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


async def test_a_database_of_ones_own_is_never_written_to(database: Server) -> None:
    async with new_database(database) as url:
        address = parse(url)
        made_up = address.url(database=f"{address.database}_sandbox")
        none_yet = run("db", "url", "--sandbox", DATABASE_URL=url)
        assert none_yet.returncode == 2
        assert "perfectcatch up --sandbox" in none_yet.stderr
        for _ in range(2):  # the company is made up anew
            done = run("up", *SMALL, "--once", "--json", DATABASE_URL=url)
            assert done.returncode == 0, done.stderr
            with psycopg.connect(made_up) as connection:
                found = connection.execute("select count(*) from automation.events where historical")
                assert found.fetchone() != (0,)
        told = json.loads(done.stdout)
        assert told["database"] == parse(made_up).url(password=False)
        with psycopg.connect(url) as connection:
            found = connection.execute("select count(*) from pg_namespace where nspname = 'servicetitan'")
            assert found.fetchone() == (0,)
        assert run("db", "url", "--sandbox", DATABASE_URL=url).stdout.strip() == made_up
        rehearsed = run("workflow", "dry-run", "review-request", "--sandbox", "--json", DATABASE_URL=url)
        assert "perfectcatch.example/review" in rehearsed.stdout
        refused = run("sync", "full", "--sandbox", DATABASE_URL=url)
        assert (refused.returncode, "commands that only look" in refused.stderr) == (2, True)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'drop database "{address.database}_sandbox"'.encode())


async def test_a_role_that_may_create_nothing_is_told_so(database: Server) -> None:
    async with new_database(database) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create role poor login password 'poor'")
        try:
            address = urlsplit(database.tcp_url)
            poor = f"postgresql://poor:poor@127.0.0.1:{address.port}/{parse(url).database}"
            refused = run("up", *SMALL, "--once", DATABASE_URL=poor)
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("drop role poor")
    assert refused.returncode == 2
    [sentence] = refused.stderr.splitlines()
    assert "DATABASE_URL" in sentence
    assert "CREATEDB" in sentence


@pytest.mark.parametrize(("words", "embedded"), [(SMALL, True), (SMALL, False)])
async def test_it_stays_up_alone_and_keeps_the_password_to_itself(
    database: Server, reachable: Path, words: tuple[str, ...], embedded: bool
) -> None:
    async with new_database(database) as url:
        settings = {"PERFECTCATCH_DATA_DIR": str(reachable / "data"), "LOG_LEVEL": "info"}
        settings |= {} if embedded else {"DATABASE_URL": url}
        with started("up", *words, **settings) as first:
            said = until(first, "Watching for changes")
            second = run("up", *words, **settings)
            known = run("db", "url", "--sandbox", **settings).stdout.strip()
            with psycopg.connect(known) as connection:
                connection.execute("select 1 from servicetitan.st_customers")
            status, errors = ended(first, signal.SIGINT)
        assert second.returncode == 1
        [sentence] = [line for line in second.stderr.splitlines() if line.startswith("perfectcatch:")]
        assert "`perfectcatch up --sandbox` is running" in sentence
        password = parse(known).password
        assert len(password) > 8
        assert password not in said + errors + second.stdout + second.stderr
        assert parse(known).url(password=False) in said
        assert "`perfectcatch db url --sandbox` prints it with the password" in said
        assert (status, "Traceback" in errors) == (0, False)
        if not embedded:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f'drop database "{parse(known).database}"'.encode())


def test_one_entity_that_fails_does_not_end_it(product: Product, sandbox: Sandbox) -> None:
    with psycopg.connect(product.url) as connection:
        connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'not today'; end $$"
        )
        connection.execute(
            "create trigger refuse before insert on servicetitan.st_leads execute function refuse()"
        )
    settings = sandbox.settings | {"DATABASE_URL": product.url, "SERVICE_TITAN_RATE_LIMIT": "5000"}
    once = run("up", "--once", "--json", **settings)
    assert once.returncode == 1
    rows = {row["entity"]: row for row in json.loads(once.stdout)["entities"]}
    assert [name for name, row in rows.items() if row["status"] == "failed"] == ["leads"]
    with started("up", **settings) as process:
        said = until(process, "Watching for changes")
        assert ended(process, signal.SIGTERM)[0] == 0
    [line] = [line for line in said.splitlines() if line.startswith("leads: ")]
    assert "not today" in line
    assert "Read ServiceTitan (full" in said  # the leads were never complete

    with psycopg.connect(product.url) as connection:
        connection.execute("drop function refuse cascade")
    assert run("up", "--once", **settings).returncode == 0
    again = run("up", "--once", **settings)
    assert again.returncode == 0
    assert "Read ServiceTitan (incremental" in again.stdout


def test_without_credentials_no_database_is_started(reachable: Path) -> None:
    refused = run("up", PERFECTCATCH_DATA_DIR=str(reachable / "data"))
    assert refused.returncode == 2
    assert "SERVICE_TITAN_CLIENT_ID" in refused.stderr
    assert not (reachable / "data").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_read_can_be_ended(reachable: Path, number: signal.Signals, status: int) -> None:
    data = reachable / "data"
    with started("up", "--sandbox", "--customers", "2000", PERFECTCATCH_DATA_DIR=str(data)) as process:
        until(process, "is being thought up")
        while b"sync" not in names_of_connections(data):
            assert process.poll() is None
        left = descendants(process.pid)
        found = ended(process, number)
    assert len(left) >= 2  # the sandbox and PostgreSQL
    assert found == (status, found[1])
    assert "Traceback" not in found[1]
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


def names_of_connections(data: Path) -> bytes:
    """What the command does with its database right now."""
    try:
        url = json.loads((data / "server.json").read_text())["tcp_url"]
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "select count(*) from pg_stat_activity where application_name = 'perfectcatch up'"
            ).fetchone()
    except (OSError, ValueError, psycopg.OperationalError):
        return b""
    return b"sync" if row and row[0] >= 3 else b""


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def test_the_api_comes_with_everything_else(reachable: Path) -> None:
    data = {"PERFECTCATCH_DATA_DIR": str(reachable / "data")}
    with started("up", *SMALL, **data) as process:
        said = until(process, "A key for trying it")
        url = re.search(r"The API: (http://\S+);", said)
        key = re.search(r"pck_\S+", said)
        assert url
        assert key
        until(process, "Watching")
        asked = Request(f"{url[1]}/health/detailed", headers={"Authorization": f"Bearer {key[0]}"})
        with urlopen_when_up(asked) as answer:
            assert json.load(answer)["parts"][0] == {
                "name": "database",
                "state": "well",
                "detail": "",
                "since": None,
            }
        port = str(urlsplit(url[1]).port)
        second = run("up", *SMALL, PORT=port, PERFECTCATCH_DATA_DIR=str(reachable / "other"))
        assert (second.returncode, second.stdout) == (2, "")
        assert f"Port {port} of 127.0.0.1 cannot be used" in second.stderr
        assert ended(process, signal.SIGINT)[0] == 0


def urlopen_when_up(request: Request) -> Any:
    """The server is started beside everything else: its socket is there a moment later."""
    until = time.monotonic() + 60
    while True:
        try:
            return urlopen(request, timeout=60)
        except URLError:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_the_address_of_a_database_that_ends_with_the_command_says_so(reachable: Path) -> None:
    shown = run("db", "url", PERFECTCATCH_DATA_DIR=str(reachable / "data"))
    assert shown.returncode == 0
    assert parse(shown.stdout.strip()).database
    assert "the database ends with this command" in shown.stderr


async def test_an_address_is_printed_as_other_programs_read_it(database: Server) -> None:
    async with new_database(database) as url:
        raw = parse(url).url().replace("postgresql://perfectcatch:", "postgresql://perfectcatch:p@ss/")
        shown = run("db", "url", DATABASE_URL=raw).stdout.strip()
    assert shown.startswith("postgresql://perfectcatch:p%40ss%2F")
