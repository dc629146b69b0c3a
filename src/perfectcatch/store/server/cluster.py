"""One PostgreSQL database directory on this machine: made, started, watched, stopped.

This is the level of processes and files; who may do it, and who else is using it, is decided in ``embedded``.
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perfectcatch.errors import BadSetting, Crash, DatabaseUnavailable
from perfectcatch.store.server.binaries import MAJOR, Identity, environment, failure, run

USER: Final = "perfectcatch"

# For a small machine that does other work too. JIT costs more than it gives on short statements. So does
# compressing the log where there is only pglz: updating 100 invoices after a checkpoint takes 125 ms, not 20.
TUNING: Final = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # `up`, two workers and four processes of `serve`, each with all that DATABASE_MAX_CONNECTIONS gives it.
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "cluster_name": USER,
}

_INITDB: Final = (
    "--username=" + USER,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",  # same sort order on every machine and after every upgrade of its libc
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--text-search-config=english",
    "--no-instructions",
    "--set=scram_iterations=64",  # the password has 256 random bits: stretching it only slows connecting
)

_START_SECONDS: Final = 300.0  # replaying up to max_wal_size after a crash takes a minute on a slow disk
_STOP_SECONDS: Final = 60.0
_LEFTOVER_SECONDS: Final = 10.0
_STARTS: Final = 5
_TICK: Final = 0.02
_LONGEST_SOCKET: Final = 103  # of sockaddr_un on the strictest system we know
_LOG_BYTES: Final = 10_000_000
_READ_BYTES: Final = 200_000
_QUOTED_LINES: Final = 4
# What is still held for a moment after a kill: by the old backends, or by whoever took our free port.
_PASSING: Final = (
    "pre-existing shared memory block",
    "could not bind",
    "lock file",
    "Address already in use",
)


class NotStarted(Exception):
    """A start failed in a way that passes by itself."""


@dataclass
class Cluster:
    """Paths and processes of one database directory ``home``."""

    home: Path
    programs: Path
    who: Identity
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    watchdog: subprocess.Popen[bytes] | None = None
    log_from: int = 0  # where in the log the present process began

    @property
    def data(self) -> Path:
        """PostgreSQL's own directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """Where PostgreSQL writes what it has to say."""
        return self.home / "server.log"

    @property
    def sockets(self) -> Path | None:
        """The directory of the local socket, None where its path would be too long."""
        directory = self.home / "run"
        return directory if len(str(directory / ".s.PGSQL.65535")) <= _LONGEST_SOCKET else None

    def make(self, password_file: Path) -> None:
        """Create the database directory unless it is there; ``password_file`` receives a new password."""
        if self.data.exists():
            self._same_version()
            return
        password = secrets.token_urlsafe(32)
        new, handed = self.home / "data.new", self.home / "password.new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            write_private(password_file, password)
            write_private(handed, password)
            self.who.own(handed)
            answer = run(
                [str(self.programs / "initdb"), f"--pgdata={new}", f"--pwfile={handed}", *_INITDB], self.who
            )
        finally:
            handed.unlink(missing_ok=True)
        if answer.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise failure(f"the database could not be created in {self.home}", _last_lines(answer.stdout))
        new.rename(self.data)

    def _same_version(self) -> None:
        try:
            found = (self.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise Crash(f"{self.data} is not a PostgreSQL directory: move it away or restore it") from error
        if found != MAJOR:
            raise BadSetting(
                f"{self.data} was made by PostgreSQL {found} and this is {MAJOR}: dump it there and restore "
                "it here, or choose another PERFECTCATCH_DATA_DIR"
            )

    async def start(self, *, same_port: bool = False) -> None:
        """Start PostgreSQL and wait until it answers, after a crash until it has recovered."""
        await self._end_leftover()
        for attempt in range(_STARTS):
            self._launch()
            try:
                await self._until_ready()
            except NotStarted as error:
                if attempt + 1 == _STARTS:
                    raise failure(
                        f"PostgreSQL in {self.home} did not start", str(error), log=self.written()
                    ) from error
                self.port = self.port if same_port else 0
                await asyncio.sleep(0.2 * 2**attempt)
            except BaseException:
                await self.stop()
                raise
            else:
                return

    def _launch(self) -> None:
        self._release_watchdog()
        self.port = _usable(self.port)
        settings = {
            **TUNING,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets or ""),
            "unix_socket_permissions": "0700",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 - our own words
                [str(self.programs / "postgres"), "-D", str(self.data), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(),
                start_new_session=True,  # Ctrl-C is for us; we then stop it in order
                **self.who.options(),
            )
        self.watchdog = _watch(self.process.pid, self.who)

    async def _until_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self._release_watchdog()
                said = self.tail()
                if any(sign in said for sign in _PASSING):
                    raise NotStarted(said)
                raise failure(
                    f"PostgreSQL in {self.home} did not start", said or f"see {self.log}", log=self.written()
                )
            lock = self._lock_file()
            if lock and lock[0] == str(self.process.pid) and lock[-1] == "ready":
                return
            await asyncio.sleep(_TICK)
        raise DatabaseUnavailable(
            f"PostgreSQL did not become ready in {_START_SECONDS:.0f} s: see {self.log}"
        )

    async def stop(self) -> None:
        """Stop PostgreSQL in order (SIGINT: open transactions are rolled back), by force if it hangs."""
        self._release_watchdog()
        if self.process is None:
            return
        for sign, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if self.process.poll() is None:
                self.process.send_signal(sign)
            if await within(seconds, lambda: self.ended):
                break
        self.process = None

    def kill(self) -> None:
        """End PostgreSQL from a place that cannot wait; the next start recovers."""
        self._release_watchdog()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)

    @property
    def ended(self) -> bool:
        """Whether no PostgreSQL of ours runs."""
        return self.process is None or self.process.poll() is not None

    def tail(self) -> str:
        """Give the last lines that PostgreSQL wrote since it was started."""
        return _last_lines(self.written())

    def written(self) -> str:
        """Give what PostgreSQL wrote since it was started, of much the end."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(self.log_from, log.seek(0, os.SEEK_END) - _READ_BYTES))
            return log.read().decode(errors="replace")
        return ""

    def _lock_file(self) -> list[str]:
        with suppress(OSError):
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        return []

    async def _end_leftover(self) -> None:
        """End a server that outlived its owner; its watchdog is usually at it already."""
        for sign in (None, signal.SIGINT, signal.SIGQUIT):
            pid = self._leftover()
            if pid and sign is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, sign)
            if await within(_LEFTOVER_SECONDS, lambda: self._leftover() is None):
                break
        else:
            raise DatabaseUnavailable(
                f"an old PostgreSQL (process {self._leftover()}) still uses {self.data}: end it"
            )
        # After a restart of a container its process number often belongs to somebody else, which PostgreSQL
        # takes for itself still running. No process works on our directory: the note is stale.
        if self._lock_file():
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _leftover(self) -> int | None:
        """Give the process of a server on our directory that we did not start."""
        lock = self._lock_file()
        pid = int(lock[0]) if lock and lock[0].isdigit() else 0
        return pid if pid and str(self.data) in _command_line(pid) else None

    def _release_watchdog(self) -> None:
        watchdog, self.watchdog = self.watchdog, None
        if watchdog is not None:
            watchdog.kill()
            watchdog.wait()
            if watchdog.stdin is not None:
                watchdog.stdin.close()


def _watch(pid: int, who: Identity) -> subprocess.Popen[bytes]:
    """Start a shell that stops process ``pid`` when we end, however we end: our side of its pipe closes."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # noqa: S603 - our own words
        ["/bin/sh", "-c", 'read -r line; kill -INT "$1"', "sh", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment(),
        start_new_session=True,
        **who.options(),
    )


async def within(seconds: float, holds: Callable[[], bool], *, tick: float = _TICK) -> bool:
    """Wait until ``holds``, at most ``seconds``; files and processes have to be looked at."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(tick)
    return True


def _usable(port: int) -> int:
    """Give ``port`` if nobody listens there, so that a person's bookmark stays right, else a free one."""
    for candidate in (port, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    raise DatabaseUnavailable("no port is free on 127.0.0.1: end some programs and start again")


def _command_line(pid: int) -> str:
    """Give the command line of a process, "" where there is none (a zombie has none either)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    return run(["/bin/ps", "-o", "command=", "-p", str(pid)], Identity()).stdout


def write_private(path: Path, text: str) -> None:
    """Write ``path`` so that at no moment anybody else can read it, or find half of it."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _last_lines(text: str) -> str:
    return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-_QUOTED_LINES:])
