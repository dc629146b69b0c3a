"""Connections to PostgreSQL, embedded or elsewhere, and the transaction as a unit of work.

Connections are in autocommit mode: a lone statement costs one round trip, and what belongs together is
wrapped in ``transaction`` or ``run_in_transaction``. The session's time zone is UTC.
"""

import asyncio
import random
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from perfectcatch.errors import (
    BadSetting,
    Crash,
    DatabaseUnavailable,
    DiskFull,
    PerfectCatchError,
    PrivilegeMissing,
    SchemaDiffers,
    StatementStopped,
)
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.retry import Rules, next_wait
from perfectcatch.store.address import Address, parse

Connection = AsyncConnection[TupleRow]
Result = TypeVar("Result")
Lent = TypeVar("Lent", bound=AsyncConnection[Any])

OLDEST: Final = 150000  # server_version_num of PostgreSQL 15

_CONFLICTS: Final = Rules(attempts=8, first_wait=0.02, longest_wait=1.0)
_LOSSES: Final = Rules(attempts=20, first_wait=0.2, longest_wait=2.0, total=10.0)
WAIT_SECONDS: Final = 30.0
ANEW_SECONDS: Final = 5.0
# Without these a connection whose other end has gone silently is waited for during a quarter of an hour.
_CONNECTION: Final = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
# libpq gives no error code for a connection that fails, only the server's words.
_REFUSALS: Final = (
    ("password authentication failed", "the user or the password is wrong"),
    ("no password supplied", "a password is needed and none is given"),
    ("no pg_hba.conf entry", "the server does not let this user in from here"),
    ("does not support SSL", "the server does not speak TLS but sslmode asks for it"),
    ("is not permitted to log in", "this user may not log in"),
    ("permission denied for database", "this user may not use the database"),
    (
        "unsupported startup parameter",
        "a pooler lets no role through: let it pass on `options`, or set DATABASE_APP_ROLE to none",
    ),
    ("permission denied to set role", "this user may not work as DATABASE_APP_ROLE: grant it that role"),
)

# What the server says with a code (its first characters), by what follows from it for us.
_LOST: Final = ("08", "57P", "25P03")  # connection exceptions; shutdown, crash, idle too long
_CONFLICT: Final = ("40001", "40P01", "55P03")  # serialization, deadlock, lock not available
_OF_A_VALUE: Final = ("22", "23502", "54")
_FULL: Final = "53100"
_NOT_NOW: Final = {
    "25006": "the database takes no changes right now",
    "25P": "the database ended a transaction that took too long",
    "40": "other transactions were in the way in the database",
    "53": "the database has run out of something",
    "55P03": "something in the database is in use by others",
}
_STOPPED: Final = "57014"
_UNDEFINED: Final = ("42P01", "42703", "42883", "3F000")  # table, column, function, schema


class AttentivePool(AsyncConnectionPool[Lent]):
    """A pool whose borrowers can be cancelled at any moment, and which soon finds a database that came back.

    In Python 3.11 ``asyncio.wait_for``, by which a borrower waits for his turn, forgets a cancellation that
    comes together with what it waits for: a worker that was told to end just then never ended.

    Left to itself a pool waits 1, 2, 4 ... seconds between two tries for a lost connection, up to two
    minutes. Here it gives each up after five and looks at everything anew: two seconds between tries at most.
    """

    def __init__(self, *address: Any, **settings: Any) -> None:
        super().__init__(
            *address,
            reconnect_timeout=ANEW_SECONDS,
            reconnect_failed=AsyncConnectionPool.check,
            **settings,
        )

    async def getconn(self, timeout: float | None = None) -> Lent:  # noqa: ASYNC109 - the pool's own signature
        """Lend a connection, unless the borrower was cancelled while he waited."""
        borrower = asyncio.current_task()
        cancelled = borrower.cancelling() if borrower else 0
        connection = await super().getconn(timeout)
        if borrower and borrower.cancelling() > cancelled:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection


class Pool(AttentivePool[Connection]):
    """Connections for everybody in this process. Made by ``open_pool`` for the database at ``url``."""

    url: str

    @asynccontextmanager
    async def connection(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the pool's own signature
    ) -> AsyncIterator[Connection]:
        """Lend a connection, within ``timeout`` seconds; errors are those of ``plain_errors``."""
        with plain_errors(_role(self.conninfo)):
            async with super().connection(timeout) as connection:
                try:
                    yield connection
                except psycopg.errors.ReadOnlySqlTransaction:
                    # The server has become a standby; the address may lead to its successor by now.
                    await connection.close()
                    raise


@asynccontextmanager
async def open_pool(
    url: str,
    *,
    max_size: int = 20,
    application_name: str = "perfectcatch",
    setting: str = "DATABASE_URL",
    session: str = "",
    wait_seconds: float = WAIT_SECONDS,
) -> AsyncIterator[Pool]:
    """Keep connections to the database at ``url``, at most ``max_size`` at once, while the context is open.

    ``setting`` is the name that errors give for where ``url`` came from, ``session`` what a new connection is
    told at first, ``wait_seconds`` how long anybody waits for a free one. Errors: ``BadSetting`` for an
    address that cannot be read, a refused login, a missing database or a server older than 15;
    ``DatabaseUnavailable`` when nothing answers.
    """
    address = parse(url, setting=setting)
    await _try(address, application_name, setting)
    given = conninfo_to_dict(address.conninfo)

    async def alive(connection: Connection) -> None:
        await _alive(pool, connection)

    pool = Pool(
        make_conninfo("", **{**_CONNECTION, **given}),
        connection_class=AsyncConnection[TupleRow],
        kwargs={"autocommit": True, "application_name": application_name},
        min_size=1,
        max_size=max_size,
        timeout=wait_seconds,
        configure=partial(_configure, session=session),
        check=alive,
        reset=_restore,
        name=application_name,
        open=False,
    )
    pool.url = url
    async with pool:
        yield pool


@asynccontextmanager
async def transaction(pool: Pool, *, within: float | None = None) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction: committed at the end, rolled back when an error leaves it.

    ``within``: seconds to wait for a free connection, if fewer than the pool's own thirty.
    """
    async with pool.connection(within) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def unhurried(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction whose commit does not wait for the disk (4 ms on a slow one).

    For what only tells how things went: it is lost if the server's machine, not a process of ours, dies
    within its ``wal_writer_delay`` (0.2 s), and never before anything that was committed after it.
    """
    async with pool.connection() as connection:
        await connection.execute("begin; set local synchronous_commit = off")  # one message
        try:
            yield connection
        except BaseException:
            with suppress(psycopg.Error):  # a lost connection has nothing to take back; the reason goes on
                await connection.rollback()
            raise
        await connection.commit()


async def run_in_transaction(
    pool: Pool, work: Callable[[Connection], Awaitable[Result]], *, clock: Clock | None = None
) -> Result:
    """Run ``work`` in a transaction, again from the beginning when that may help.

    That is after a deadlock, a serialization failure or a lock that was not to be had, at most seven times;
    and after a lost connection, for ten seconds in all. ``work`` must keep nothing from an attempt that
    failed, and must do no harm when it is repeated although its commit had arrived: the connection may be
    lost before the server's answer. So it never calls a vendor, or anything else outside the database.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    conflicts = losses = 0
    within: float | None = None
    while True:
        try:
            async with transaction(pool, within=within) as connection:
                return await work(connection)
        except DatabaseUnavailable as error:
            elapsed = clock.monotonic() - began
            if _is(error.__cause__, _CONFLICT):
                conflicts += 1
                wait = next_wait(conflicts, 0.0, _CONFLICTS, draw=random.random)
            elif _is_lost(error.__cause__):
                if losses == 0:
                    began, elapsed = clock.monotonic(), 0.0
                losses += 1
                wait = next_wait(losses, elapsed, _LOSSES, draw=random.random)
                within = max(0.1, _LOSSES.total - elapsed)
            else:
                raise
            if wait is None:
                raise
        await clock.sleep(wait)


def conninfo_of(where: str | Pool) -> str:
    """Give libpq's form of the address of a URL or a pool."""
    if isinstance(where, str):
        return parse(where).conninfo
    assert isinstance(where.conninfo, str)
    return where.conninfo


# Errors ----------------------------------------------------------------------------------------


@contextmanager
def plain_errors(role: str | None = None) -> Iterator[None]:
    """Turn errors of PostgreSQL into ours, one sentence each; ``role`` is who was refused something.

    What does not fit (``psycopg.DataError``, a null where none may be, a limit of PostgreSQL) passes as it
    is: it is the fault of a record, which the merge then looks for.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise DatabaseUnavailable(f"the database has no connection for us: {_primary(error)}") from error
    except psycopg.Error as error:
        if isinstance(error, psycopg.DataError) or _is(error, _OF_A_VALUE):
            raise
        raise _plain(error, role) from error


def was_stopped(error: BaseException) -> bool:
    """Whether the server stopped a statement that took too long: our error, or still that of the driver."""
    return isinstance(error, StatementStopped) or _is(error, (_STOPPED,))


def _plain(error: psycopg.Error, role: str | None) -> PerfectCatchError:
    said = _primary(error)
    if _is_lost(error):
        return DatabaseUnavailable(f"the connection to the database was lost: {said}")
    if _is(error, (_FULL,)):
        return DiskFull("the database's disk is full: free some space there")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        who = f"the database role {role}" if role else "our database role"
        return PrivilegeMissing(f"{who} may not do this ({said}): grant it that, or use another role")
    if _is(error, _UNDEFINED):
        return SchemaDiffers(f"the database lacks something ({said}): run `perfectcatch db migrate`")
    if _is(error, (_STOPPED,)):
        return StatementStopped(f"the database stopped a statement that took too long: {said}")
    code = error.sqlstate or ""
    for sign in (code, code[:3], code[:2]):
        if sign in _NOT_NOW:
            return DatabaseUnavailable(f"{_NOT_NOW[sign]}: {said}")
    return Crash(f"the database refused what we asked ({type(error).__name__}): {said}")


def _is(error: BaseException | None, codes: tuple[str, ...]) -> bool:
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(codes)


def _is_lost(error: BaseException | None) -> bool:
    """Whether the connection broke; a pool that has none for us has waited long enough by itself."""
    if not isinstance(error, psycopg.OperationalError) or isinstance(
        error, PoolTimeout | PoolClosed | TooManyRequests
    ):
        return False
    return error.sqlstate is None or _is(error, _LOST)


def _primary(error: psycopg.Error) -> str:
    """What the server said, without the lines of detail and advice below it."""
    said = error.diag.message_primary or next(iter(str(error).splitlines()), "") or type(error).__name__
    return " ".join(said.split())


@lru_cache(maxsize=16)
def _role(conninfo: object) -> str | None:
    user = conninfo_to_dict(conninfo).get("user") if isinstance(conninfo, str) else None
    return str(user) if user else None


# A connection ----------------------------------------------------------------------------------


async def _configure(connection: Connection, session: str) -> None:
    # A page of documents fits into 32 MB: with the default of 8 MB the server writes it to disk and reads it
    # back several times. The memory is taken as it is needed, and can only be allowed before a first use.
    await connection.execute(f"set time zone 'UTC'; set temp_buffers = '32MB'; {session}".encode())


async def _restore(connection: Connection) -> None:
    """Undo what a borrower changed for itself; it costs no round trip."""
    if not connection.autocommit:
        await connection.set_autocommit(True)


async def _alive(pool: Pool, connection: Connection) -> None:
    """Refuse a connection that the server closed, without a round trip for one that is well.

    Nothing is to be read from an idle connection but the end of it, or a notice. Where one is gone the others
    are looked at too: the pool would try them one by one, and wait 1, 2, 4, 8, 16 seconds between them.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            await pool.check()
            raise


async def _try(address: Address, application_name: str, setting: str) -> None:
    """Connect once, because the pool itself would try for minutes and only say that time ran out."""
    try:
        async with await AsyncConnection.connect(
            address.conninfo,
            autocommit=True,
            application_name=application_name,
            connect_timeout=_CONNECTION["connect_timeout"],
        ) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        raise _refusal(address, address.without_password(_one_line(error)), setting) from None
    except (psycopg.Error, UnicodeError) as error:
        said = address.without_password(_one_line(error))
        raise BadSetting(f"{setting} cannot be used: {said}") from None
    if version < OLDEST:
        raise BadSetting(
            f"{setting} names a PostgreSQL {version // 10000}: version {OLDEST // 10000} or newer is needed"
        )


def _refusal(address: Address, said: str, setting: str) -> BadSetting | DatabaseUnavailable:
    for sign, meaning in _REFUSALS:
        if sign in said:
            return BadSetting(f"{setting} ({address}) was refused: {meaning}")
    if 'database "' in said and "does not exist" in said:
        return BadSetting(f"{setting} ({address}) was refused: create the database, or name another")
    if 'role "' in said and "does not exist" in said:
        return BadSetting(f"{setting} ({address}) was refused: the server knows no such user")
    return DatabaseUnavailable(f"{setting} ({address}) cannot be reached: {said}")


def _one_line(error: Exception) -> str:
    return " / ".join(line.strip() for line in str(error).splitlines() if line.strip())
