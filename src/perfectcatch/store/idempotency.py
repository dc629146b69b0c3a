"""Writes that a caller may repeat: the first one is carried out, and its answer is what every other one gets.

A row is claimed before anything is sent. It ends as *finished*, with the answer; as *unknown*, when a change
may or may not have been carried out; or it is released, when it certainly was not. A claim whose process has
gone is unknown too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from perfectcatch.store.names import IDEMPOTENCY_KEYS
from perfectcatch.store.pool import Pool
from perfectcatch.store.presence import is_present

KEPT: Final = "30 days"


class State(StrEnum):
    """How far a write is. ``MINE``: nobody has asked for it before, and the caller now carries it out."""

    MINE = "mine"
    IN_PROGRESS = "in_progress"
    FINISHED = "finished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's word for one write: whose it is, and the word."""

    tenant_id: int
    key_id: int
    text: str

    @property
    def values(self) -> tuple[int, int, str]:
        """As the columns of the primary key."""
        return self.tenant_id, self.key_id, self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the first caller was told."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is known of a key. ``age`` is in seconds, by the database's clock."""

    state: State
    request_hash: bytes
    request_id: UUID
    age: float = 0.0
    answer: Answer | None = None


async def claim(
    pool: Pool, key: Key, *, request_hash: bytes, request_id: UUID, operation: str, target: str, owner: str
) -> Claim:
    """Claim a write, or learn what became of it. ``owner`` is the presence of this process."""
    async with pool.connection() as connection:
        made = await connection.execute(
            f"""
            insert into {IDEMPOTENCY_KEYS}
              (tenant_id, key_id, key, request_hash, request_id, operation, target, state, owner)
            values (%s, %s, %s, %s, %s, %s, %s, 'in_progress', %s) on conflict do nothing
            """,
            (*key.values, request_hash, request_id, operation, target, owner),
        )
        if made.rowcount:
            return Claim(state=State.MINE, request_hash=request_hash, request_id=request_id)
        found = await connection.execute(
            f"""
            select state, request_hash, request_id, owner, status, headers, body,
              extract(epoch from clock_timestamp() - created_at)::float8
            from {IDEMPOTENCY_KEYS} where tenant_id = %s and key_id = %s and key = %s
            """,
            key.values,
        )
        row: Any = await found.fetchone()
    if row is None:  # released between the two statements
        return await claim(
            pool,
            key,
            request_hash=request_hash,
            request_id=request_id,
            operation=operation,
            target=target,
            owner=owner,
        )
    state, kept_hash, kept_id, kept_owner, status, headers, body, age = row
    if state == State.IN_PROGRESS and not await is_present(pool, kept_owner):
        await unknown(pool, key)
        state = State.UNKNOWN
    return Claim(
        state=State(state),
        request_hash=bytes(kept_hash),
        request_id=kept_id,
        age=age,
        answer=None
        if status is None
        else Answer(status=status, headers=[(name, value) for name, value in headers], body=bytes(body)),
    )


async def finish(pool: Pool, key: Key, answer: Answer) -> None:
    """Keep the answer for everybody who repeats the write."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            update {IDEMPOTENCY_KEYS} set state = 'finished', status = %s, headers = %s, body = %s,
              finished_at = now() where tenant_id = %s and key_id = %s and key = %s
            """,
            (answer.status, Jsonb([list(each) for each in answer.headers]), answer.body, *key.values),
        )


async def unknown(pool: Pool, key: Key) -> None:
    """Note that nobody knows whether the write was carried out; an answer that arrived meanwhile stays."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            update {IDEMPOTENCY_KEYS} set state = 'unknown'
            where tenant_id = %s and key_id = %s and key = %s and state = 'in_progress'
            """,
            key.values,
        )


async def release(pool: Pool, key: Key, request_id: UUID) -> None:
    """Forget a claim of ours whose write was certainly not carried out."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            delete from {IDEMPOTENCY_KEYS} where tenant_id = %s and key_id = %s and key = %s
              and request_id = %s and state = 'in_progress'
            """,
            (*key.values, request_id),
        )


async def forget_old(pool: Pool) -> int:
    """Forget what is older than thirty days; returns how many."""
    async with pool.connection() as connection:
        gone = await connection.execute(
            f"delete from {IDEMPOTENCY_KEYS} where created_at < now() - interval '{KEPT}'"
        )
        return gone.rowcount
