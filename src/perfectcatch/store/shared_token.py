"""The access token that all processes of ours call one vendor with, in whatever process it was fetched.

It is sealed with what it was got for, so whoever can open it could have asked for one. How long it is good is
reckoned by the database's clock: hosts may disagree about the time. The database only spares calls: without
it each process has a token of its own.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock
from perfectcatch.model.tokens import Access, Sharing
from perfectcatch.store.names import OAUTH_TOKENS
from perfectcatch.store.pool import Connection, Pool, plain_errors

if TYPE_CHECKING:
    from perfectcatch.store.sealing import Seal

log = structlog.get_logger(__name__)

_PURPOSE: Final = "perfectcatch: an access token that processes share, version 1"
POLL_SECONDS: Final = 0.05
SOON: Final = 5.0  # seconds that a connection is waited for
WAIT_SECONDS: Final = 90.0  # for whoever fetches one; he may have been told to slow down

_READ: Final = f"""
select sealed, extract(epoch from expires_at - clock_timestamp())::float8 from {OAUTH_TOKENS}
where tenant_id = %s and system = %s and account = %s
"""
_KEEP: Final = f"""
insert into {OAUTH_TOKENS} (tenant_id, system, account, sealed, expires_at)
values (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
on conflict (tenant_id, system, account) do update set
  sealed = excluded.sealed, expires_at = excluded.expires_at, kept_at = clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class _Turn:
    shelf: "SharedToken"
    connection: Connection | None  # None without a database: then nothing is kept
    access: Access | None = None

    async def keep(self, text: str, seconds: float) -> None:
        """Keep a token for others, for ``seconds`` from now."""
        if self.connection is not None:
            await self.shelf.keep(self.connection, text, seconds)


class SharedToken:
    """Fulfils ``Shelf`` for the pair ``client_id`` and ``secret`` at ``system``, asked for at ``url``."""

    def __init__(
        self, pool: Pool, clock: Clock, tenant_id: int, system: str, *, url: str, client_id: str, secret: str
    ) -> None:
        self._pool = pool
        self._clock = clock
        account = hashlib.sha256(f"{url} {client_id}".encode()).hexdigest()[:32]
        self._key = (tenant_id, system, account)
        self._secret = secret

    async def read(self) -> Access | None:
        """The token that is kept; None where there is none that opens, or no database."""
        with suppress(PerfectCatchError):
            async with self._pool.connection(SOON) as connection:
                return await self._read(connection)
        return None

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Sharing]:
        """Wait while another process fetches one; without a database nobody can be waited for.

        The server lets the next one in if this process dies.
        """
        async with AsyncExitStack() as stack:
            turn = _Turn(self, None)
            try:
                connection = await stack.enter_async_context(self._pool.connection(SOON))
                if await self._take(connection):
                    stack.push_async_callback(self._free, connection)
                turn = _Turn(self, connection, await self._read(connection))
            except PerfectCatchError as problem:
                log.warning("no token can be shared", reason=str(problem))
            yield turn

    async def keep(self, connection: Connection, text: str, seconds: float) -> None:
        """Keep a token; that it could not be kept costs a call of each process, and nothing else."""
        sealed = self._seal.close(text.encode(), self._whose)
        try:
            with plain_errors():
                await connection.execute(_KEEP, (*self._key, sealed, seconds))
        except PerfectCatchError as problem:
            log.warning("a token is not shared", reason=str(problem))

    async def _read(self, connection: Connection) -> Access | None:
        with plain_errors():
            row = await (await connection.execute(_READ, self._key)).fetchone()
        if row is None or row[1] <= 0:
            return None
        with suppress(ValueError):  # of a secret that was changed since
            return Access(self._seal.open(bytes(row[0]), self._whose).decode(), row[1])
        return None

    async def _take(self, connection: Connection) -> bool:
        until = self._clock.monotonic() + WAIT_SECONDS
        while True:
            with plain_errors():
                found = await connection.execute(
                    "select pg_try_advisory_lock(hashtextextended(%s, 0))", (f"token {self._whose}",)
                )
                [taken] = await found.fetchone() or [False]
            if taken or self._clock.monotonic() >= until:
                return bool(taken)
            await self._clock.sleep(POLL_SECONDS)

    async def _free(self, connection: Connection) -> None:
        with suppress(psycopg.Error):  # a lost connection has freed it
            await connection.execute(
                "select pg_advisory_unlock(hashtextextended(%s, 0))", (f"token {self._whose}",)
            )

    @property
    def _whose(self) -> str:
        return "/".join(map(str, self._key))

    @cached_property
    def _seal(self) -> "Seal":
        from perfectcatch.store.sealing import Seal  # 30 ms, which only who sends something needs

        return Seal(self._secret, _PURPOSE)
