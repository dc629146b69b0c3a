"""Keys of programs that ask our server: 256 random bits, shown once, kept as a hash."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from psycopg.rows import class_row

from perfectcatch.store.names import API_KEYS
from perfectcatch.store.pool import Pool

_BYTES: Final = 32
_PREFIX_BYTES: Final = 6
_COLUMNS: Final = "id, name, prefix, scopes, per_second, created_at, expires_at, last_used_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as people see it. ``prefix`` is no secret; ``per_second`` None: as it is set for all."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    per_second: float | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


async def create(
    pool: Pool,
    tenant_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    per_second: float | None = None,
) -> tuple[Key, str]:
    """Make a key; the text that opens the door is returned here and never again."""
    prefix = f"pck_{secrets.token_hex(_PREFIX_BYTES)}"
    text = f"{prefix}_{secrets.token_urlsafe(_BYTES)}"
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(
            f"""
            insert into {API_KEYS} (tenant_id, name, prefix, digest, scopes, expires_at, per_second)
            values (%s, %s, %s, %s, %s, %s, %s) returning {_COLUMNS}
            """,
            (tenant_id, name, prefix, _digest(text), list(scopes), expires_at, per_second),
        )
        key = await cursor.fetchone()
        assert key is not None
        return key, text


async def listed(pool: Pool, tenant_id: int) -> list[Key]:
    """Every key, the newest first; revoked and expired ones among them."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(
            f"select {_COLUMNS} from {API_KEYS} where tenant_id = %s order by id desc", (tenant_id,)
        )
        return await cursor.fetchall()


async def revoke(pool: Pool, tenant_id: int, which: str) -> Key | None:
    """Revoke the key with this prefix or id; None when there is no such key that still opens anything."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(
            f"""
            update {API_KEYS} set revoked_at = now()
            where tenant_id = %s and revoked_at is null and (prefix = %s or id::text = %s)
            returning {_COLUMNS}
            """,
            (tenant_id, which, which),
        )
        return await cursor.fetchone()


def prefix_of(text: str) -> str | None:
    """The part of a key that finds its row; None for a text that is no key of ours.

    The secret part may hold underscores itself.
    """
    match text.split("_", 2):
        case ["pck", public, rest] if public and rest:
            return f"pck_{public}"
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """What the door needs of a key, with its hash."""

    id: int
    name: str
    digest: bytes
    scopes: frozenset[str]
    per_second: float | None
    expires_at: datetime | None

    def opens(self, text: str) -> bool:
        """Whether ``text`` is this key, in constant time."""
        return hmac.compare_digest(self.digest, _digest(text))


async def find(pool: Pool, tenant_id: int, prefix: str) -> Found | None:
    """The key with this prefix, unless it is revoked or has expired by the database's clock."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select id, name, digest, scopes, per_second, expires_at from {API_KEYS}
            where tenant_id = %s and prefix = %s and revoked_at is null
              and (expires_at is null or expires_at > now())
            """,
            (tenant_id, prefix),
        )
        row = await found.fetchone()
    if row is None:
        return None
    number, name, digest, scopes, per_second, expires_at = row
    return Found(number, name, bytes(digest), frozenset(scopes), per_second, expires_at)


async def used(pool: Pool, tenant_id: int, ids: Sequence[int]) -> None:
    """Note that these keys have just been used."""
    async with pool.connection() as connection:
        await connection.execute(
            f"update {API_KEYS} set last_used_at = now() where tenant_id = %s and id = any(%s)",
            (tenant_id, list(ids)),
        )


def _digest(text: str) -> bytes:
    """Plain SHA-256 is enough for 256 random bits: nobody can try them all."""
    return sha256(text.encode()).digest()
