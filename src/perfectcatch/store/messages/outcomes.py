"""What became of messages after they were handed over: found out by asking, or reported by the vendor."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from perfectcatch.model.messaging import Receipt, Status
from perfectcatch.store.messages.log import Message, by_id, by_vendor_id, money, of, tell
from perfectcatch.store.names import INSTANCES, MESSAGES
from perfectcatch.store.pool import Pool, transaction

# A status report may overtake another one: what it may replace, by what it says.
_BEFORE: Final[Mapping[Status, tuple[Status, ...]]] = {
    Status.SENT: (Status.UNKNOWN,),
    Status.DELIVERED: (Status.UNKNOWN, Status.SENT),
    Status.FAILED: (Status.UNKNOWN, Status.SENT),
    Status.REFUSED: (Status.UNKNOWN,),
}


async def unknown(pool: Pool, tenant_id: int, *, before: datetime, limit: int = 200) -> list[Message]:
    """Messages whose outcome nobody knows, handed over before ``before``; the oldest first."""
    async with pool.connection() as connection:
        return await of(
            connection,
            "status = 'unknown' and sent_at < %(before)s order by sent_at, id limit %(limit)s",
            {"tenant": tenant_id, "before": before, "limit": limit},
        )


async def progress(
    pool: Pool,
    tenant_id: int,
    receipt: Receipt,
    *,
    now: datetime,
    message_id: int | None = None,
) -> Message | None:
    """What a vendor reports of a message later, by its own id or ours; None if it is none of ours.

    An older report never replaces a newer one: delivered and failed stay.
    """
    before = [str(each) for each in _BEFORE.get(receipt.status, ())]
    async with transaction(pool) as connection:
        found = (
            await by_id(connection, tenant_id, message_id)
            if message_id is not None
            else await by_vendor_id(connection, tenant_id, receipt.vendor_id)
        )
        if found is None:
            return None
        await connection.execute(
            f"""
            update {MESSAGES} set vendor_id = coalesce(vendor_id, %(vendor)s),
              segments = coalesce(%(segments)s, segments), cost = coalesce(%(cost)s, cost),
              vendor_code = coalesce(%(code)s, vendor_code),
              reason = case when status = any(%(before)s) then %(reason)s else reason end,
              sentence = case when status = any(%(before)s) then %(sentence)s else sentence end,
              status = case when status = any(%(before)s) then %(status)s else status end,
              updated_at = %(now)s
            where tenant_id = %(tenant)s and id = %(id)s
            """,
            {
                "tenant": tenant_id,
                "id": found.id,
                "vendor": receipt.vendor_id,
                "segments": receipt.segments,
                "cost": money(receipt.cost),
                "code": receipt.code,
                "before": before,
                "status": receipt.status,
                "reason": str(receipt.status),
                "sentence": receipt.sentence or f"The vendor says: {receipt.status}.",
                "now": now,
            },
        )
        return await by_id(connection, tenant_id, found.id)


# An hour after it was handed over an instance leaves the step (``reconcile.SETTLED_WITHIN``): whatever stands
# there since ten minutes before stands there for this message, whichever worker's clock wrote it.
_OWNED: Final = f"""
(m.instance_id is null or exists (select from {INSTANCES} i where i.tenant_id = m.tenant_id
  and i.id = m.instance_id and i.ended_at is null and i.step = m.step
  and i.entered_at <= m.sent_at + interval '10 minutes'))
"""
_ABSENT: Final = f"""
update {MESSAGES} m set attempt = null, sent_at = null, updated_at = %(now)s,
  status = case when {_OWNED} then 'deferred' else 'suppressed' end,
  reason = case when {_OWNED} then 'absent' else 'stopped' end,
  until = case when {_OWNED} then %(now)s::timestamptz end,
  sentence = case when {_OWNED} then 'Later: the vendor does not have it, so it was never taken.'
    else 'Not sent: the vendor does not have it, and its workflow has gone on without it.' end
where tenant_id = %(tenant)s and id = %(id)s and status = 'unknown'
"""


async def absent(pool: Pool, tenant_id: int, message_id: int, *, now: datetime) -> bool:
    """Offer an *unknown* message again that the vendor certainly does not have; whether it was unknown.

    One whose instance has left its step would be offered by nobody: it is given up, where it can be seen.
    """
    async with transaction(pool) as connection:
        changed = await connection.execute(_ABSENT, {"tenant": tenant_id, "id": message_id, "now": now})
        await tell(connection, message_id)
        return changed.rowcount > 0
