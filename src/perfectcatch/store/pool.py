"""Connections to PostgreSQL, embedded or elsewhere, and the transaction as a unit of work.

Connections are in autocommit mode: a lone statement costs one round trip, and what belongs together is
wrapped in ``transaction`` or ``run_in_transaction``. The session's time zone is UTC.
"""

import random
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from perfectcatch.errors import BadSetting, DatabaseUnavailable, DiskFull
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store.address import Address, parse

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]
Result = TypeVar("Result")

OLDEST: Final = 150000  # server_version_num of PostgreSQL 15

_CONFLICTS: Final = Rules(attempts=8, first_wait=0.02, longest_wait=1.0)
_CONNECT_SECONDS: Final = 10
_WAIT_SECONDS: Final = 30.0
# libpq gives no error code for a connection that fails, only the server's words.
_REFUSALS: Final = (
    ("password authentication failed", "the user or the password is wrong"),
    ("no password supplied", "a password is needed and none is given"),
    ("no pg_hba.conf entry", "the server does not let this user in from here"),
    ("does not support SSL", "the server does not speak TLS but sslmode asks for it"),
    ("is not permitted to log in", "this user may not log in"),
    ("permission denied for database", "this user may not use the database"),
)
_GONE: Final = ("08", "57P")  # connection exceptions; shutdown, crash, starting up


@asynccontextmanager
async def open_pool(
    url: str, *, max_size: int = 20, application_name: str = "perfectcatch", setting: str = "DATABASE_URL"
) -> AsyncIterator[Pool]:
    """Keep connections to the database at ``url``, at most ``max_size`` at once, while the context is open.

    ``setting`` is the name that errors give for where ``url`` came from. Errors: ``BadSetting`` for an
    address that cannot be read, a refused login, a missing database or a server older than 15;
    ``DatabaseUnavailable`` when nothing answers.
    """
    address = parse(url, setting=setting)
    await _try(address, application_name, setting)
    pool: Pool = AsyncConnectionPool(
        address.conninfo,
        connection_class=AsyncConnection[TupleRow],
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "connect_timeout": _CONNECT_SECONDS,
        },
        min_size=1,
        max_size=max_size,
        timeout=_WAIT_SECONDS,
        configure=_configure,
        check=_alive,
        reset=_restore,
        name=application_name,
        open=False,
    )
    async with pool:
        yield pool


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction: committed at the end, rolled back when an error leaves it."""
    with plain_errors():
        async with pool.connection() as connection, connection.transaction():
            yield connection


async def run_in_transaction(
    pool: Pool, work: Callable[[Connection], Awaitable[Result]], *, clock: Clock | None = None
) -> Result:
    """Run ``work`` in a transaction, again from the beginning when PostgreSQL asks for it.

    That is after a deadlock or a serialization failure, at most seven times; ``work`` must keep nothing
    from an attempt that failed.
    """
    clock = clock or SystemClock()
    attempt = 0
    while True:
        attempt += 1
        try:
            async with transaction(pool) as connection:
                return await work(connection)
        except (DeadlockDetected, SerializationFailure):
            if attempt >= _CONFLICTS.attempts:
                raise
        await clock.sleep(backoff(attempt, _CONFLICTS, random.random))


def conninfo_of(where: str | Pool) -> str:
    """Give libpq's form of the address of a URL or a pool."""
    if isinstance(where, str):
        return parse(where).conninfo
    assert isinstance(where.conninfo, str)
    return where.conninfo


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a person can do something about into our errors; the rest passes as it is."""
    try:
        yield
    except (PoolTimeout, PoolClosed) as error:
        raise DatabaseUnavailable(f"the database has no connection for us: {error}") from error
    except psycopg.errors.DiskFull as error:
        raise DiskFull("the database's disk is full: free some space there") from error
    except psycopg.OperationalError as error:
        if error.sqlstate is None or error.sqlstate.startswith(_GONE):
            raise DatabaseUnavailable(
                f"the connection to the database was lost: {_one_line(error)}"
            ) from error
        raise


async def _configure(connection: Connection) -> None:
    await connection.execute("set time zone 'UTC'")


async def _restore(connection: Connection) -> None:
    """Undo what a borrower changed for itself; it costs no round trip."""
    if not connection.autocommit:
        await connection.set_autocommit(True)


async def _alive(connection: Connection) -> None:
    """Refuse a connection that the server closed, without a round trip for one that is well.

    Nothing is to be read from an idle connection but the end of it, or a notice.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def _try(address: Address, application_name: str, setting: str) -> None:
    """Connect once, because the pool itself would try for minutes and only say that time ran out."""
    try:
        async with await AsyncConnection.connect(
            address.conninfo,
            autocommit=True,
            application_name=application_name,
            connect_timeout=_CONNECT_SECONDS,
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
