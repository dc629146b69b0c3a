"""The database that comes with the product: PostgreSQL on this machine, started when it is needed.

One process owns a data directory and runs its PostgreSQL; others of the same product attach to it. When
the owner ends, also by ``kill -9``, its PostgreSQL ends too, and the next owner recovers what is there.

    <data directory>/
        owner.lock       held by the owner; holds its process number
        server.json      how to reach the running server, readable by its owner only
        password         of the database, likewise
        database-at      where the database is, if the unprivileged user cannot reach this directory
        postgres/        data/, run/, server.log
"""

import asyncio
import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from perfectcatch.errors import AlreadyRunning, BadSetting, DatabaseUnavailable, DiskFull, PerfectCatchError
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store.server import binaries
from perfectcatch.store.server.cluster import USER, Cluster, within, write_private

DATABASE: Final = "perfectcatch_automation"

_ELSEWHERE: Final = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - a directory of our own is made in it
_WATCH_SECONDS: Final = 0.25
_RESTART: Final = Rules(first_wait=0.5, longest_wait=10.0)  # so that a disk that was full is noticed soon
_WELL_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 40.0
_ATTACH_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 5.0
_OWN_SECONDS: Final = 0.3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A running embedded PostgreSQL.

    ``url`` is the fastest way to it from this machine (a local socket where there can be one); ``tcp_url``
    is what other programs understand. Both hold the password.
    """

    url: str = field(repr=False)
    tcp_url: str = field(repr=False)
    log: Path
    owner: int = field(default_factory=os.getpid)  # process number


@asynccontextmanager
async def embedded(data_dir: Path) -> AsyncIterator[Server]:
    """Own ``data_dir`` and run its PostgreSQL for as long as the context is open.

    Errors: ``AlreadyRunning`` when another process owns the directory, ``BadSetting`` when it cannot be
    used, ``DiskFull``, and ``Crash`` with the end of PostgreSQL's log when it does not start. PostgreSQL that
    dies is started again; if that does not succeed within a while, the block is cancelled, the reason raised.
    """
    data_dir = _absolute(data_dir)
    with _plain_errors(data_dir):
        _make_directory(data_dir)
    async with _owned(data_dir):
        with _plain_errors(data_dir):
            cluster = await asyncio.to_thread(_prepare, data_dir)
        watch: asyncio.Task[None] | None = None
        try:
            with _plain_errors(data_dir):
                server = await _started(cluster, data_dir)
            keeper = _Keeper(cluster)
            watch = asyncio.create_task(keeper.keep_running(), name="embedded-postgresql")
            with keeper.telling(watch):
                yield server
            await within(_GRACE_SECONDS, lambda: _free(data_dir / "users.lock", fcntl.LOCK_EX))
        finally:
            if watch is not None:
                watch.cancel()
                await asyncio.wait([watch])
            await _end(cluster)


@asynccontextmanager
async def attached(data_dir: Path) -> AsyncIterator[Server | None]:
    """Use the server that another process runs on ``data_dir``; None when nobody runs one.

    While the context is open, an owner that ends waits a few seconds for us.
    """
    data_dir = _absolute(data_dir)
    if not (data_dir / "owner.lock").exists() or _free(data_dir / "owner.lock"):
        yield None
        return
    with _locked(data_dir / "users.lock", fcntl.LOCK_SH):
        yield await _published(data_dir)


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[Server]:
    """Attach to the server of ``data_dir`` or, when none runs, run it for as long as the context is open."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(attached(data_dir))
        if server is None:
            try:
                server = await stack.enter_async_context(embedded(data_dir))
            except AlreadyRunning:  # somebody was quicker
                server = await stack.enter_async_context(attached(data_dir))
                if server is None:
                    raise
        yield server


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


# Preparation -----------------------------------------------------------------------------------


def _prepare(data_dir: Path) -> Cluster:
    """Find the programs and the place of the database, and create it the first time."""
    who = binaries.identity()
    home = _home(data_dir, who)
    who = who.or_owner_of(home / "data")
    programs = binaries.programs(who, copy_below=home)
    cluster = Cluster(home=home, programs=programs, who=who, port=_last_port(data_dir))
    if cluster.sockets is not None:
        _own_directory(cluster.sockets, who)
    cluster.make(data_dir / "password")
    if not (data_dir / "password").exists():
        raise BadSetting(
            f"{data_dir / 'password'} is missing, and without it the database in {home} cannot be opened: "
            "restore it from a backup"
        )
    return cluster


def _home(data_dir: Path, who: binaries.Identity) -> Path:
    """Give the directory of the database, in ``data_dir`` wherever PostgreSQL's user can reach that."""
    pointer = data_dir / "database-at"
    if pointer.exists():
        home = Path(pointer.read_text().strip())
        if not home.is_dir():
            raise BadSetting(
                f"{home} (named in {pointer}) is gone: restore it, or remove {data_dir} to begin anew"
            )
        return home
    beside = data_dir / "postgres"
    if who.reaches(data_dir):
        return _own_directory(beside, who)
    if beside.exists():
        raise BadSetting(
            f"the database in {beside} can no longer be entered by the user PostgreSQL runs as: "
            f"let everybody enter {data_dir} and its parent directories (mode o+x)"
        )
    for parent in _ELSEWHERE:
        if parent.is_dir() and os.access(parent, os.W_OK) and who.reaches(parent):
            home = parent / f"perfectcatch-{secrets.token_hex(6)}"
            _own_directory(home, who)
            write_private(pointer, f"{home}\n")
            _log.warning("database.elsewhere", reason=f"uid {who.uid} cannot enter {data_dir}", at=str(home))
            return home
    raise BadSetting(
        f"PostgreSQL does not run as root, and its unprivileged user cannot enter {data_dir}: choose a "
        "PERFECTCATCH_DATA_DIR whose parent directories everybody may enter, or run as an ordinary user"
    )


def _own_directory(path: Path, who: binaries.Identity) -> Path:
    if not path.exists():
        path.mkdir(mode=0o700)
        who.own(path)
    return path


def _make_directory(data_dir: Path) -> None:
    """Make ``data_dir`` and what is missing above it; as root such that PostgreSQL's user can pass."""
    for directory in (*reversed(data_dir.parents), data_dir):
        if not directory.exists():
            directory.mkdir()
            directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
    probe = data_dir / f".{os.getpid()}.probe"
    probe.touch()
    probe.unlink()


@contextmanager
def _plain_errors(data_dir: Path) -> Iterator[None]:
    """Turn what the system refuses in ``data_dir`` into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"{data_dir} has no room left: free some and start again") from error
        raise BadSetting(
            f"the data directory {data_dir} cannot be used ({error.strerror or error}): "
            "set PERFECTCATCH_DATA_DIR to a directory that you may write to"
        ) from error


# Running ---------------------------------------------------------------------------------------


async def _started(cluster: Cluster, data_dir: Path) -> Server:
    await cluster.start()
    password = quote((data_dir / "password").read_text().strip(), safe="")
    server = Server(
        url=_url(cluster, password, DATABASE, local=cluster.sockets is not None),
        tcp_url=_url(cluster, password, DATABASE, local=False),
        log=cluster.log,
    )
    await _create_database(_url(cluster, password, "postgres", local=False))
    known = {"url": server.url, "tcp_url": server.tcp_url, "log": str(server.log), "owner": server.owner}
    write_private(data_dir / "server.json", json.dumps({**known, "port": cluster.port}))
    return server


def _url(cluster: Cluster, password: str, database: str, *, local: bool) -> str:
    if local:
        where = f"?host={quote(str(cluster.sockets), safe='')}&port={cluster.port}"
        return f"postgresql://{USER}:{password}@/{database}{where}"
    return f"postgresql://{USER}:{password}@127.0.0.1:{cluster.port}/{database}"


async def _create_database(url: str) -> None:
    from psycopg import AsyncConnection, OperationalError, sql

    try:
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            found = await connection.execute("select 1 from pg_database where datname = %s", [DATABASE])
            if await found.fetchone() is None:
                await connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    except OperationalError as error:
        raise binaries.failure("the embedded database does not answer", str(error)) from error


@dataclass
class _Keeper:
    """Keeps PostgreSQL running. ``trouble`` is why it does not run now."""

    cluster: Cluster
    trouble: PerfectCatchError | None = None

    @contextmanager
    def telling(self, watch: "asyncio.Task[None]") -> Iterator[None]:
        """Cancel the block when ``watch`` gives up; of what fails in it meanwhile, tell the reason."""
        owner = asyncio.current_task()
        assert owner is not None
        watch.add_done_callback(lambda ended: None if ended.cancelled() else owner.cancel())
        try:
            yield
        except asyncio.CancelledError:
            if watch.done() and owner.uncancel() == 0 and self.trouble is not None:
                raise self.trouble from None
            raise
        except Exception:
            if self.trouble is not None:
                raise self.trouble from None
            raise

    async def keep_running(self) -> None:
        """Start PostgreSQL again when it dies although nobody asked it to, waiting longer while it fails.

        What keeps it from starting, such as a full disk, may pass; after a while of that it is given up.
        """
        failures, since = 0, 0.0
        while True:
            began = time.monotonic()
            await within(float("inf"), lambda: self.cluster.ended, tick=_WATCH_SECONDS)
            said = self.cluster.written()
            _log.error("database.died", said=self.cluster.tail())
            if failures == 0 or time.monotonic() - began > _WELL_SECONDS:
                failures, since = 0, time.monotonic()
            self._note(said)
            while self.cluster.ended:
                failures += 1
                if failures > 1:
                    await asyncio.sleep(backoff(failures - 1, _RESTART, draw=lambda: 1.0))
                try:
                    await self.cluster.start(same_port=True)
                except PerfectCatchError as error:
                    _log.critical("database.not_restarted", error=str(error), log=str(self.cluster.log))
                    self._note(said, error)
                    if time.monotonic() - since > _PATIENCE_SECONDS:
                        return
            self.trouble = None

    def _note(self, said: str, error: PerfectCatchError | None = None) -> None:
        """Keep why it does not run; a full disk is told apart from what follows from it."""
        if not isinstance(error, DiskFull):
            told = str(error) if error else self.cluster.tail()
            error = binaries.failure(f"PostgreSQL in {self.cluster.home} died", told, log=said)
        self.trouble = error


async def _end(cluster: Cluster) -> None:
    try:
        await cluster.stop()
    except BaseException:
        cluster.kill()
        raise


# Ownership -------------------------------------------------------------------------------------


@asynccontextmanager
async def _owned(data_dir: Path) -> AsyncIterator[None]:
    with ExitStack() as stack:
        held: list[int] = []

        def take() -> bool:
            with suppress(BlockingIOError):
                lock = _locked(data_dir / "owner.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(stack.enter_context(lock))
            return bool(held)

        # Somebody who only looks whether there is an owner holds the lock for a moment.
        with _plain_errors(data_dir):
            if not await within(_OWN_SECONDS, take):
                raise AlreadyRunning(
                    f"process {_owner(data_dir)} already runs the database in {data_dir}: end it, "
                    "or choose another PERFECTCATCH_DATA_DIR"
                )
            os.ftruncate(held[0], 0)
            os.pwrite(held[0], f"{os.getpid()}\n".encode(), 0)
        yield


def _owner(data_dir: Path) -> str:
    with suppress(OSError):
        return (data_dir / "owner.lock").read_text().strip() or "unknown"
    return "unknown"


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    """Hold a lock on ``path``; the kernel frees it when we end, however we end."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, how)
        yield file
    finally:
        os.close(file)


def _free(path: Path, how: int = fcntl.LOCK_SH) -> bool:
    try:
        with _locked(path, how | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False
    except OSError as error:
        raise BadSetting(
            f"{path} cannot be opened ({error.strerror}): use the account that runs the database"
        ) from error


async def _published(data_dir: Path) -> Server | None:
    """Wait until the owner says how to reach its server; None when it ends meanwhile."""
    found: list[Server] = []

    def ready() -> bool:
        with suppress(FileNotFoundError):
            known = json.loads((data_dir / "server.json").read_text())
            if str(known["owner"]) == _owner(data_dir):
                found.append(Server(known["url"], known["tcp_url"], Path(known["log"]), known["owner"]))
        return bool(found) or _free(data_dir / "owner.lock")

    if not await within(_ATTACH_SECONDS, ready):
        raise DatabaseUnavailable(
            f"process {_owner(data_dir)} is still starting the database in {data_dir}: try again"
        )
    return found[0] if found else None


def _last_port(data_dir: Path) -> int:
    with suppress(OSError, ValueError, KeyError):
        return int(json.loads((data_dir / "server.json").read_text())["port"])
    return 0
