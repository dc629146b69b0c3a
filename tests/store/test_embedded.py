"""The embedded PostgreSQL with real processes: owners, guests, kills, and places it cannot use."""

# ruff: noqa: ASYNC240 - files are what is tested here

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

import perfectcatch
from perfectcatch.errors import AlreadyRunning, BadSetting, Crash, DiskFull
from perfectcatch.settings import Settings
from perfectcatch.store.pool import open_pool
from perfectcatch.store.server import binaries
from perfectcatch.store.server.binaries import Identity
from perfectcatch.store.server.cluster import TUNING, Cluster, within
from perfectcatch.store.server.embedded import Server, attached, embedded, opened

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Owns the directory, commits a row, tells what is running, and waits to be killed.
OWNER = """
import asyncio, os, sys
from pathlib import Path
import psycopg
from perfectcatch.store.server.embedded import embedded

async def main():
    data_dir = Path(sys.argv[1])
    async with embedded(data_dir) as server:
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
            await connection.execute("create table if not exists t (n int)")
            await connection.execute("insert into t values (1)")
            postgres = await connection.execute("select pg_read_file('postmaster.pid')")
            pid = (await postgres.fetchone())[0].splitlines()[0]
            print("owns", pid, server.url, flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
"""


def start(command: list[str], **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command, **({"stdin": -1, "stdout": -1, "text": True} | more))  # type: ignore[call-overload, no-any-return]


def said(process: subprocess.Popen[str], first: str) -> list[str]:
    """The words of the first line that begins with ``first``."""
    assert process.stdout
    return next(words for line in process.stdout if (words := line.split()) and words[0] == first)


@asynccontextmanager
async def another_process(
    data_dir: Path, **more: object
) -> AsyncIterator[tuple[subprocess.Popen[str], int, str]]:
    """A process that owns ``data_dir``; gives it with the process number of its PostgreSQL and the URL."""
    process = start([sys.executable, "-c", OWNER, str(data_dir)], **more)
    try:
        _, postgres, url = await asyncio.to_thread(said, process, "owns")
        yield process, int(postgres), url
    finally:
        process.kill()
        process.communicate()


async def rows(server: Server) -> int:
    async with await psycopg.AsyncConnection.connect(server.url) as connection:
        found = await (await connection.execute("select count(*) from t")).fetchone()
        assert found
        return int(found[0])


def run(*command: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, **more)  # type: ignore[call-overload, no-any-return]


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def postgres_of(data_dir: Path) -> int:
    return int((home(data_dir) / "data" / "postmaster.pid").read_text().splitlines()[0])


def home(data_dir: Path) -> Path:
    pointer = data_dir / "database-at"
    return Path(pointer.read_text().strip()) if pointer.exists() else data_dir / "postgres"


def watchdogs(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            command = (entry / "cmdline").read_bytes() if entry.exists() else b""
            if b"read -r line" in command and command.endswith(f"\0{pid}\0".encode()):
                found.append(int(entry.name))
    return found


async def test_what_was_written_is_there_the_next_time(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with embedded(data_dir) as server:
        pid = postgres_of(data_dir)
        async with open_pool(server.tcp_url) as pool, pool.connection() as connection:
            await connection.execute("create table t (n int)")
            await connection.execute("insert into t values (1)")
    assert not alive(pid)
    assert watchdogs(pid) == []
    first = server.tcp_url
    async with embedded(data_dir) as server:
        assert await rows(server) == 1
        assert server.tcp_url == first
        assert server.url != server.tcp_url


async def test_nobody_comes_in_without_the_password_and_nobody_else_can_read_it(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with embedded(data_dir) as server:
        with pytest.raises(BadSetting, match="a password is needed"):
            async with open_pool(
                server.tcp_url.partition("//")[0] + "//perfectcatch@" + server.tcp_url.partition("@")[2]
            ):
                pass
        for name in ("password", "server.json", "owner.lock"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
        assert stat.S_IMODE((home(data_dir) / "data").stat().st_mode) == 0o700
        password = (data_dir / "password").read_text()
        assert len(password) > 40
        assert password not in repr(server)


async def test_a_second_owner_is_refused_and_a_guest_is_welcome(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with attached(data_dir) as nothing:
        assert nothing is None
    async with another_process(data_dir) as (process, _, url):
        with pytest.raises(AlreadyRunning, match=f"process {process.pid} already runs the database"):
            async with embedded(data_dir):
                pass
        async with opened(data_dir) as server:
            assert server.url == url
            assert server.owner == process.pid
            assert await rows(server) == 1
        process.communicate("end\n")
    assert process.returncode == 0
    async with attached(data_dir) as nothing:
        assert nothing is None


async def test_a_command_starts_and_stops_it_and_two_commands_share_it(reachable: Path) -> None:
    data_dir = reachable / "data"
    finish = asyncio.Event()

    async def command() -> int:
        async with opened(data_dir) as server:
            await finish.wait()
            return server.owner

    commands = [asyncio.create_task(command()) for _ in range(3)]
    assert await within(60, (data_dir / "server.json").exists)
    pid = postgres_of(data_dir)
    finish.set()
    assert await asyncio.gather(*commands) == [os.getpid()] * 3
    assert not alive(pid)


async def test_an_owner_that_ends_waits_for_its_guests(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with another_process(data_dir) as (process, _, _):
        async with attached(data_dir) as server:
            assert server
            assert process.stdin
            process.stdin.write("end\n")
            process.stdin.flush()
            await asyncio.sleep(0)
            assert await rows(server) == 1
        await asyncio.to_thread(process.wait)
    assert process.returncode == 0


async def test_kill_9_of_the_owner_takes_its_postgresql_along_and_loses_nothing(reachable: Path) -> None:
    data_dir = reachable / "data"
    for done in (1, 2):
        async with another_process(data_dir) as (process, postgres, _):
            process.kill()
            process.wait()
            assert await within(20, lambda pid=postgres: not alive(pid))  # type: ignore[misc]
            assert watchdogs(postgres) == []
        async with embedded(data_dir) as server:
            assert await rows(server) == done


async def test_a_reopen_right_after_kill_9(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with another_process(data_dir) as (process, _, _):
        process.kill()
        process.wait()
        async with embedded(data_dir) as server:
            assert await rows(server) == 1


async def test_kill_9_of_everything_at_once(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with another_process(data_dir) as (process, postgres, _):
        for pid in (*watchdogs(postgres), process.pid, postgres):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        async with embedded(data_dir) as server:
            assert await rows(server) == 1


async def test_a_postgresql_that_lost_owner_and_watchdog_is_ended_by_the_next_owner(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectcatch.store.server.cluster._LEFTOVER_SECONDS", 0.5)
    data_dir = reachable / "data"
    async with another_process(data_dir) as (process, postgres, _):
        for pid in (*watchdogs(postgres), process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        assert alive(postgres)
        async with embedded(data_dir) as server:
            assert not alive(postgres)
            assert await rows(server) == 1


async def test_kill_9_of_postgresql_under_a_living_owner(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with embedded(data_dir) as server, open_pool(server.url) as pool:
        async with pool.connection() as connection:
            await connection.execute("create table t (n int)")
        killed = postgres_of(data_dir)
        os.kill(killed, signal.SIGKILL)

        async def answers() -> bool:
            try:
                async with await psycopg.AsyncConnection.connect(server.url):
                    return True
            except psycopg.OperationalError:
                return False

        async with asyncio.timeout(30):
            while not await answers():  # noqa: ASYNC110 - another process gives no event
                await asyncio.sleep(0.05)
        assert postgres_of(data_dir) != killed
        async with pool.connection() as connection:
            await connection.execute("insert into t values (1)")


async def test_a_stale_note_with_somebody_elses_process_number(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with another_process(data_dir) as (process, postgres, _):
        for pid in (*watchdogs(postgres), process.pid, postgres):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        assert await within(10, lambda: not alive(postgres))
        note = home(data_dir) / "data" / "postmaster.pid"
        somebody = start(["sleep", "60"], **binaries.identity().options())
        try:
            lines = note.read_text().splitlines()
            note.write_text("\n".join([str(somebody.pid), *lines[1:]]) + "\n")
            async with embedded(data_dir) as server:
                assert await rows(server) == 1
        finally:
            somebody.kill()
            somebody.communicate()


async def test_a_path_too_long_for_a_socket(reachable: Path) -> None:
    data_dir = reachable / ("long-" * 20)
    async with embedded(data_dir) as server:
        assert server.url == server.tcp_url
        async with await psycopg.AsyncConnection.connect(server.url):
            pass


async def test_postgresqls_own_words_are_quoted_when_it_does_not_start(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with embedded(data_dir):
        pass
    settings = home(data_dir) / "data" / "postgresql.conf"
    settings.write_text(settings.read_text() + "\nno_such_setting = 1\n")
    with pytest.raises(
        Crash, match=r'did not start: .*unrecognized configuration parameter "no_such_setting"'
    ):
        async with embedded(data_dir):
            pass


async def test_a_directory_of_another_version_is_refused(reachable: Path) -> None:
    data_dir = reachable / "data"
    async with embedded(data_dir):
        pass
    (home(data_dir) / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(BadSetting, match="was made by PostgreSQL 16 and this is 18"):
        async with embedded(data_dir):
            pass


async def test_a_file_in_the_way(reachable: Path) -> None:
    (reachable / "file").write_text("")
    for data_dir in (reachable / "file", reachable / "file" / "below"):
        with pytest.raises(BadSetting, match="set PERFECTCATCH_DATA_DIR"):
            async with embedded(data_dir):
                pass


def test_it_has_connections_for_all_that_one_machine_runs() -> None:
    """`up`, two workers and four processes of `serve`, and what each opens beside its pool."""
    assert int(TUNING["max_connections"]) >= 7 * (Settings.model_validate({}).database_max_connections + 4)


def test_no_room_is_said_as_such() -> None:
    error = binaries.failure("it failed", "FATAL: could not write: No space left on device")
    assert isinstance(error, DiskFull)
    assert str(error) == "it failed: there is no room left on the disk; free some and start again"


@AS_ROOT
async def test_a_full_disk(reachable: Path) -> None:
    small = reachable / "small"
    small.mkdir()
    if run("mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(small)).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        with pytest.raises(DiskFull, match="no room left"):
            async with embedded(small / "data"):
                pass
    finally:
        run("umount", str(small))


def test_a_full_disk_is_recognised_far_above_the_end_of_the_log(tmp_path: Path) -> None:
    cluster = Cluster(home=tmp_path, programs=tmp_path, who=Identity())
    lines = ["FATAL:  could not write to file: No space left on device", *["LOG:  and so on"] * 500]
    cluster.log.write_text("\n".join(lines))
    assert "No space" not in cluster.tail()
    assert isinstance(binaries.failure("it failed", cluster.tail(), log=cluster.written()), DiskFull)


async def fill_the_log(small: Path) -> None:
    """Write until PostgreSQL has no room for its log of changes, then wait for what its owner does."""
    async with embedded(small / "data") as server:
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
            await connection.execute("create table t (n int)")
            (small / "ballast").write_bytes(b"0" * shutil.disk_usage(small).free)
            with suppress(psycopg.OperationalError):
                while True:
                    await connection.execute("select pg_logical_emit_message(true, '', repeat('x', 1000000))")
        await asyncio.Event().wait()


@AS_ROOT
async def test_a_disk_that_fills_up_and_stays_full_ends_the_work(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectcatch.store.server.embedded._PATIENCE_SECONDS", 2.0)
    small = reachable / "small"
    small.mkdir()
    if run("mount", "-t", "tmpfs", "-o", "size=150m,mode=755", "tmpfs", str(small)).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        with pytest.raises(DiskFull, match="no room left"):
            await fill_the_log(small)
        (small / "ballast").unlink()
        async with embedded(small / "data") as server:
            assert await rows(server) == 0
    finally:
        run("umount", "--lazy", str(small))


@AS_ROOT
async def test_as_root_it_runs_as_somebody_else_and_leaves_foreign_directories_alone(reachable: Path) -> None:
    mine = reachable / "mine"
    mine.mkdir(mode=0o755)
    before = [path.stat() for path in (reachable, mine)]
    async with embedded(mine / "data"):
        pid = postgres_of(mine / "data")
        assert Path(f"/proc/{pid}").stat().st_uid == binaries.identity().uid != 0
    after = [path.stat() for path in (reachable, mine)]
    assert [(each.st_mode, each.st_uid) for each in before] == [(each.st_mode, each.st_uid) for each in after]


@AS_ROOT
async def test_as_root_below_a_closed_directory_the_database_lies_elsewhere(reachable: Path) -> None:
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    data_dir = closed / "data"
    try:
        async with another_process(data_dir) as (process, _, _):
            process.communicate("end\n")
        place = home(data_dir)
        assert closed not in place.parents
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        async with embedded(data_dir) as server:
            assert await rows(server) == 1
    finally:
        shutil.rmtree(home(data_dir), ignore_errors=True)


@AS_ROOT
async def test_a_database_that_can_no_longer_be_entered_is_not_begun_anew(reachable: Path) -> None:
    async with embedded(reachable / "data"):
        pass
    reachable.chmod(0o700)
    with pytest.raises(BadSetting, match="can no longer be entered"):
        async with embedded(reachable / "data"):
            pass


async def test_programs_that_its_user_cannot_run_are_copied_once(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Identity.can_run

    def only_copies(self: Identity, program: Path) -> bool:
        return "programs-" in str(program) and original(self, program)

    monkeypatch.setattr(Identity, "can_run", only_copies)
    data_dir = reachable / "data"
    copied = []
    for _ in range(2):
        async with embedded(data_dir) as server:
            pid = postgres_of(data_dir)
            program = Path(f"/proc/{pid}/exe").readlink()
            assert home(data_dir) in program.parents
            copied.append(program.stat().st_ino)
            async with await psycopg.AsyncConnection.connect(server.url):
                pass
    assert copied[0] == copied[1]


@pytest.fixture
def ordinary(reachable: Path) -> dict[str, object]:
    """How to start a Python with our packages as an ordinary user."""
    who: dict[str, object] = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
    packages = [str(Path(module.__file__).parents[1]) for module in (perfectcatch, psycopg)]  # type: ignore[arg-type]
    who["env"] = {"PYTHONPATH": ":".join(packages), "HOME": "/", "PATH": "/usr/bin:/bin"}
    same = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{same}", f"/usr/local/bin/{same}"):
        try:
            if run(python, "-c", "import psycopg", **who).returncode == 0:
                return {**who, "executable": python}
        except OSError:
            continue
    pytest.skip("no Python here can be run by an ordinary user")


@AS_ROOT
async def test_an_ordinary_user_needs_nothing_of_this(reachable: Path, ordinary: dict[str, object]) -> None:
    os.chown(reachable, NOBODY, NOBODY)
    reachable.chmod(0o700)
    async with another_process(reachable / "data", **ordinary) as (process, postgres, _):
        assert Path(f"/proc/{postgres}").stat().st_uid == NOBODY
        process.communicate("end\n")
    # Under root afterwards it runs as the owner of the data.
    async with embedded(reachable / "data") as server:
        assert await rows(server) == 1


@AS_ROOT
async def test_a_directory_that_an_ordinary_user_may_not_write(
    reachable: Path, ordinary: dict[str, object]
) -> None:
    answer = run(sys.executable, "-c", OWNER, str(reachable / "data"), **ordinary)
    assert answer.returncode == 1
    assert "cannot be used (Permission denied): set PERFECTCATCH_DATA_DIR" in answer.stderr
