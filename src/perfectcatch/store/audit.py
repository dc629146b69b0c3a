"""Who asked the vendor to change what: a row before the call, another after it, none ever altered.

A call without the second row is one whose outcome nobody learned, because the process or the database ended
in between.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from perfectcatch.store.names import AUDIT_LOG, WRITE_CHANNEL
from perfectcatch.store.pool import Pool

ASKED: Final = "asked"
ENDED: Final = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that somebody asks for. ``actor`` is the name of the key; ``target`` the vendor's path."""

    request_id: UUID
    key_id: int | None
    actor: str
    via: str
    operation: str
    method: str
    target: str
    request_hash: bytes
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a change ended: done, refused, not sent, or unknown. ``status`` is what the caller was told."""

    word: str
    status: int | None = None
    trace_id: str | None = None
    duration_ms: int | None = None


async def asked(pool: Pool, tenant_id: int, change: Change) -> None:
    """Note a change before it is sent."""
    await _write(pool, tenant_id, change, ASKED, None)


async def ended(pool: Pool, tenant_id: int, change: Change, outcome: Outcome) -> None:
    """Note how it ended, and tell every server that what it knows of that module is old."""
    await _write(pool, tenant_id, change, ENDED, outcome)


async def _write(pool: Pool, tenant_id: int, change: Change, phase: str, outcome: Outcome | None) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            with noted as (
            insert into {AUDIT_LOG} (tenant_id, request_id, phase, key_id, actor, via, operation, method,
              target, request_hash, idempotency_key, outcome, status, trace_id, duration_ms)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            returning tenant_id, phase, operation)
            select pg_notify('{WRITE_CHANNEL}', tenant_id || ' ' || split_part(operation, '.', 1))
            from noted where phase = '{ENDED}'
            """,
            (
                tenant_id,
                change.request_id,
                phase,
                change.key_id,
                change.actor,
                change.via,
                change.operation,
                change.method,
                change.target,
                change.request_hash,
                change.idempotency_key,
                outcome.word if outcome else None,
                outcome.status if outcome else None,
                outcome.trace_id if outcome else None,
                outcome.duration_ms if outcome else None,
            ),
        )
