"""The access token that all processes of ours call one vendor with, in whatever process it was fetched.

It is sealed with what it was got for, so whoever can open it could have asked for one. How long it is good is
reckoned by the database's clock: hosts may disagree about the time. The database only spares calls: without
it each process has a token of its own.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock
from perfectcatch.model.tokens import RESTING, Access, Sharing
from perfectcatch.store.names import OAUTH_TOKENS
from perfectcatch.store.pool import Connection, Pool, plain_errors

if TYPE_CHECKING:
    from perfectcatch.store.sealing import Seal

log = structlog.get_logger(__name__)

_PURPOSE: Final = "perfectcatch: an access token that processes share, version 1"
POLL_SECONDS: Final = 0.1
SOON: Final = 1.0  # seconds that a connection is waited for
WAIT_SECONDS: Final = 25.0  # for whoever fetches one; a person waits for half a minute
_ANSWER_SECONDS: Final = 3.0  # for the database: without it each process has a token of its own

# The server ends what we could not, and frees the lock: a host that is gone says nothing more to it.
_BEGIN: Final = """
begin isolation level read committed;
set local statement_timeout = '2s'; set local lock_timeout = '1s';
set local idle_in_transaction_session_timeout = '45s'
"""

_TAKE: Final = "select pg_try_advisory_xact_lock(hashtextextended('token ' || %s, 0))"
_READ: Final = f"""
select sealed, extract(epoch from expires_at - clock_timestamp())::float8 from {OAUTH_TOKENS}
where tenant_id = %(tenant)s and system = %(system)s and account = %(account)s
"""
_KEEP: Final = f"""
insert into {OAUTH_TOKENS} (tenant_id, system, account, sealed, expires_at)
values (%(tenant)s, %(system)s, %(account)s, %(sealed)s,
  clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (tenant_id, system, account) do update set
  sealed = excluded.sealed, expires_at = excluded.expires_at, kept_at = clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class _Turn:
    """``connection`` holds the lock, in a transaction; None where nobody could be kept out."""

    shelf: "SharedToken"
    connection: Connection | None = None
    access: Access | None = None
    others_failed: bool = False

    async def keep(self, text: str, seconds: float) -> None:
        """Keep a token for others, for ``seconds`` from now."""
        await self.shelf.keep(text, seconds, self.connection)


class SharedToken:
    """Fulfils ``Shelf`` for the pair ``client_id`` and ``secret`` at ``system``, asked for at ``url``."""

    def __init__(
        self, pool: Pool, clock: Clock, tenant_id: int, system: str, *, url: str, client_id: str, secret: str
    ) -> None:
        self._pool = pool
        self._clock = clock
        account = hashlib.sha256(f"{url} {client_id}".encode()).hexdigest()[:32]
        self._whose = f"{tenant_id}/{system}/{account}"
        self._values = {"tenant": tenant_id, "system": system, "account": account}
        self._secret = secret

    async def read(self) -> Access | None:
        """The token that is kept; None where there is none that opens, or no database."""
        with suppress(PerfectCatchError, TimeoutError):
            async with asyncio.timeout(SOON + _ANSWER_SECONDS), self._pool.connection(SOON) as connection:
                return await self._read(connection)
        return None

    @asynccontextmanager
    async def alone(self, refused: Collection[str]) -> AsyncIterator[Sharing]:
        """Keep other processes from fetching one, or give what another has fetched meanwhile.

        The lock is that of a transaction: whatever becomes of us, it is free when the connection is. Without
        a database nobody can be waited for.
        """
        async with AsyncExitStack() as stack:
            try:
                with plain_errors():
                    turn = await self._turn(stack, refused)
            except (PerfectCatchError, TimeoutError) as problem:
                log.warning("no token can be shared", reason=repr(problem))
                await stack.aclose()
                turn = _Turn(self)
            yield turn

    async def _turn(self, stack: AsyncExitStack, refused: Collection[str]) -> _Turn:
        """Wait for a token or for the lock; no connection is held meanwhile."""
        until = self._clock.monotonic() + WAIT_SECONDS
        waited = False
        while True:
            connection = await stack.enter_async_context(self._pool.connection(SOON))
            stack.push_async_callback(_end, connection)
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute(_BEGIN)
                # What the last holder of the lock has kept is seen by a statement that begins after it.
                taken = await (await connection.execute(_TAKE, (self._whose,))).fetchone()
                access = await self._read(connection)
            if access is not None and access.text not in refused:
                await stack.aclose()
                return _Turn(self, access=access)
            if taken == (True,):
                return _Turn(self, connection, others_failed=waited)
            await stack.aclose()
            if self._clock.monotonic() >= until:
                return _Turn(self)
            waited = True
            await self._clock.sleep(POLL_SECONDS)

    async def keep(self, text: str, seconds: float, connection: Connection | None = None) -> None:
        """Keep a token, in the transaction of ``connection`` if that is still there, and end it.

        Without the lock nobody is told to rest: what lies there may be good. That a token could not be kept
        costs the others a try each.
        """
        if text == RESTING and connection is None:
            return
        values = self._values | {
            "sealed": self._seal.close(text.encode(), self._whose),
            "seconds": seconds,
        }
        try:
            with plain_errors():
                async with asyncio.timeout(SOON + _ANSWER_SECONDS):
                    if connection is not None:
                        await connection.execute(_KEEP, values)
                        await connection.commit()
                    else:
                        async with self._pool.connection(SOON) as another:
                            await another.execute(_KEEP, values)
        except (PerfectCatchError, TimeoutError) as problem:
            if connection is not None:  # it may have been lost while the vendor was asked
                await self.keep(text, seconds)
            else:
                log.warning("a token is not shared", reason=repr(problem))

    async def _read(self, connection: Connection) -> Access | None:
        row = await (await connection.execute(_READ, self._values)).fetchone()
        if row is None or row[1] <= 0:
            return None
        with suppress(ValueError):  # of a secret that was changed since
            return Access(self._seal.open(bytes(row[0]), self._whose).decode(), row[1])
        return None

    @cached_property
    def _seal(self) -> "Seal":
        from perfectcatch.store.sealing import Seal  # 30 ms, which only who sends something needs

        return Seal(self._secret, _PURPOSE)


async def _end(connection: Connection) -> None:
    with suppress(psycopg.Error):  # of a lost connection the server ends it
        await connection.rollback()
