"""Other people's access, sealed with SECRET_KEY: the database alone opens nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import msgspec
import psycopg

from perfectcatch.errors import BadSetting, NotConnected
from perfectcatch.model.tokens import Tokens
from perfectcatch.store.names import OAUTH_TOKENS
from perfectcatch.store.pool import Connection, Pool, run_in_transaction
from perfectcatch.store.sealing import Seal

_PURPOSE: Final = "perfectcatch: tokens of other systems, version 1"


@dataclass(frozen=True, slots=True)
class _Turn:
    vault: "SealedTokens"
    tokens: Tokens | None

    async def keep(self, tokens: Tokens) -> None:
        """Keep these; on a connection of its own, again if that breaks: the old pair is worth nothing."""
        await self.vault.keep(tokens)


class SealedTokens:
    """Fulfils ``Vault`` for the account ``account`` at ``system``. ``secret`` is SECRET_KEY."""

    def __init__(self, pool: Pool, tenant_id: int, system: str, account: str, *, secret: str) -> None:
        if not secret:
            raise BadSetting("SECRET_KEY is needed: it seals the tokens that other systems give us.")
        self._pool = pool
        self._tenant_id = tenant_id
        self._system = system
        self._account = account
        self._seal = Seal(secret, _PURPOSE)

    async def read(self) -> Tokens | None:
        """What is kept."""
        async with self._pool.connection() as connection:
            return await self._read(connection)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[_Turn]:
        """Hold the lock of this pair; the server frees it if this process dies."""
        name = f"tokens {self._whose}"
        async with self._pool.connection() as connection:
            freed = False
            try:
                await connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
                yield _Turn(self, await self._read(connection))
            finally:
                try:
                    with suppress(psycopg.Error):  # a lost connection has freed it
                        await connection.execute(
                            "select pg_advisory_unlock(hashtextextended(%s, 0))", (name,)
                        )
                    freed = True
                finally:
                    if not freed:  # cancelled just then: the pool must not lend it with a lock
                        await connection.close()

    async def keep(self, tokens: Tokens) -> None:
        """Keep these instead of what is there."""
        sealed = self._seal.close(msgspec.json.encode(tokens), self._whose)
        values = (self._tenant_id, self._system, self._account, sealed, tokens.expires_at)

        async def write(connection: Connection) -> None:
            await connection.execute(
                f"""
                insert into {OAUTH_TOKENS} (tenant_id, system, account, sealed, expires_at)
                values (%s, %s, %s, %s, %s)
                on conflict (tenant_id, system, account) do update set
                  sealed = excluded.sealed, expires_at = excluded.expires_at, kept_at = now()
                """,
                values,
            )

        await run_in_transaction(self._pool, write)

    @property
    def _whose(self) -> str:
        return f"{self._tenant_id}/{self._system}/{self._account}"

    async def _read(self, connection: Connection) -> Tokens | None:
        found = await connection.execute(
            f"select sealed from {OAUTH_TOKENS} where tenant_id = %s and system = %s and account = %s",
            (self._tenant_id, self._system, self._account),
        )
        row = await found.fetchone()
        if row is None:
            return None
        try:
            opened = self._seal.open(bytes(row[0]), self._whose)
            return msgspec.json.decode(opened, type=Tokens)
        except (ValueError, msgspec.MsgspecError):
            raise NotConnected(
                f"The stored tokens of {self._system} cannot be opened: set SECRET_KEY to what it was, "
                "or connect again."
            ) from None
