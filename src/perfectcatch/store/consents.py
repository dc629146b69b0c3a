"""Consents that we sent somebody for: a state lets who comes back with it in once, in time, as was asked.

The state itself is not kept, only its hash: the database alone lets nobody in.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from perfectcatch.store import state as kept
from perfectcatch.store.names import SYNC_STATE
from perfectcatch.store.pool import Pool, transaction

LASTS: Final = timedelta(minutes=30)
_PREFIX: Final = "consent "


async def begin(pool: Pool, tenant_id: int, bound: str, *, now: datetime) -> str:
    """A state for one way there and back; ``bound``: what must be the same when somebody comes back."""
    state = secrets.token_urlsafe(32)
    async with transaction(pool) as connection:
        await connection.execute(
            f"delete from {SYNC_STATE} where tenant_id = %s and starts_with(key, %s)"
            " and (value ->> 'until')::timestamptz < %s",
            (tenant_id, _PREFIX, now),
        )
        value = {"until": (now + LASTS).isoformat(), "bound": bound}
        await kept.put(connection, tenant_id, _key(state), value)
    return state


async def take(pool: Pool, tenant_id: int, state: str, bound: str, *, now: datetime) -> bool:
    """Whether we gave that state, for this, not long ago, and nobody has come back with it before."""
    async with transaction(pool) as connection:
        found = await connection.execute(
            f"delete from {SYNC_STATE} where tenant_id = %s and key = %s returning value",
            (tenant_id, _key(state)),
        )
        row = await found.fetchone()
    return row is not None and row[0]["bound"] == bound and now < datetime.fromisoformat(row[0]["until"])


def _key(state: str) -> str:
    return _PREFIX + sha256(state.encode()).hexdigest()
