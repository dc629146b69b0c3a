"""The log of messages: a row an intent, unique by its key for ever.

Who changes the status of a row says which one it had: an answer that comes late never undoes a newer one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.model.messaging import Decision, Intent, Receipt, Status
from perfectcatch.store.names import MESSAGE_CHANNEL, MESSAGES
from perfectcatch.store.pool import Connection, Pool, run_in_transaction

SENDING: Final = "sending"  # the reason of a row whose vendor is being asked, or was when its process ended
SHADOW: Final = "shadow"
COLUMNS: Final = """id, intent_key, channel, purpose, status, reason, sentence, customer_id, location_id,
  recipient, address, subject, body, html, template, workflow, instance_id, step, asked_by, shadow, held,
  released_by, attempt, attempts, vendor_id, vendor_code, segments, cost, data, until, asked_at, decided_at,
  sent_at, updated_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A row of the log. ``address`` is ``recipient`` normalized; ``body`` is what the vendor gets."""

    id: int
    intent_key: str
    channel: str
    purpose: str
    status: str
    reason: str
    sentence: str
    customer_id: int | None
    location_id: int | None
    recipient: str
    address: str | None
    subject: str | None
    body: str
    html: str | None
    template: str | None
    workflow: str | None
    instance_id: int | None
    step: str | None
    asked_by: str
    shadow: bool
    held: bool
    released_by: str | None
    attempt: UUID | None
    attempts: int
    vendor_id: str | None
    vendor_code: str | None
    segments: int | None
    cost: Decimal | None
    data: dict[str, Any]
    until: datetime | None
    asked_at: datetime
    decided_at: datetime
    sent_at: datetime | None
    updated_at: datetime

    @property
    def decision(self) -> Decision:
        """What was decided; a message that shadow mode would have sent counts as sent."""
        would = self.shadow and self.reason == SHADOW
        return Decision(
            status=Status.SENT if would else Status(self.status),
            reason=self.reason,
            sentence=self.sentence,
            until=self.until,
            message_id=self.id,
            held=self.held,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a decision writes. ``status`` is the row's own; ``attempt`` marks who is about to send."""

    key: str
    address: str | None
    body: str
    fingerprint: str
    segments: int | None  # as we count; a vendor's own count replaces it
    status: Status
    reason: str
    sentence: str
    until: datetime | None
    held: bool
    attempt: UUID | None
    now: datetime


async def lock(connection: Connection, tenant_id: int, names: Sequence[str]) -> None:
    """Hold these names until the transaction ends, taken in one order by everybody."""
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest(%s::text[]) name",
        ([f"messages {tenant_id} {name}" for name in sorted(set(names))],),
    )


async def find(connection: Connection, tenant_id: int, key: str) -> Message | None:
    """The message with this intent key."""
    return await _one(connection, "intent_key = %(key)s", tenant=tenant_id, key=key)


async def by_id(connection: Connection, tenant_id: int, message_id: int) -> Message | None:
    """The message with this id."""
    return await _one(connection, "id = %(id)s", tenant=tenant_id, id=message_id)


async def by_vendor_id(connection: Connection, tenant_id: int, vendor_id: str) -> Message | None:
    """The message that a vendor knows by this id."""
    return await _one(connection, "vendor_id = %(vendor)s", tenant=tenant_id, vendor=vendor_id)


async def last_sent(connection: Connection, tenant_id: int, instance_id: int) -> datetime | None:
    """When the last message of an instance was handed to its vendor; of one that is under way, its begin."""
    found = await connection.execute(
        f"select max(sent_at) from {MESSAGES} where tenant_id = %s and instance_id = %s and not shadow",
        (tenant_id, instance_id),
    )
    row = await found.fetchone()
    return row[0] if row else None


async def of(connection: Connection, where: str, values: Mapping[str, Any]) -> list[Message]:
    """Messages that fulfil a condition of ours."""
    async with connection.cursor(row_factory=class_row(Message)) as cursor:
        await cursor.execute(
            f"select {COLUMNS} from {MESSAGES} where tenant_id = %(tenant)s and {where}", values
        )
        return await cursor.fetchall()


async def _one(connection: Connection, where: str, **values: Any) -> Message | None:
    found = await of(connection, f"{where} order by id limit 1", values)
    return found[0] if found else None


async def write(connection: Connection, tenant_id: int, intent: Intent, written: Written) -> int:
    """Write what was decided; the row's id. A row that exists is changed only while it is deferred."""
    stored = await connection.execute(
        f"""
        insert into {MESSAGES} as m (tenant_id, intent_key, channel, purpose, status, reason, sentence,
          customer_id, location_id, recipient, address, subject, body, html, fingerprint, segments, template,
          workflow, instance_id, step, asked_by, shadow, held, attempt, attempts, data, until, asked_at,
          decided_at, sent_at, updated_at)
        values (%(tenant)s, %(key)s, %(channel)s, %(purpose)s, %(status)s, %(reason)s, %(sentence)s,
          %(customer)s, %(location)s, %(recipient)s, %(address)s, %(subject)s, %(body)s, %(html)s, %(print)s,
          %(segments)s, %(template)s, %(workflow)s, %(instance)s, %(step)s, %(asked_by)s, %(shadow)s,
          %(held)s, %(attempt)s, %(attempts)s, %(data)s, %(until)s, %(now)s, %(now)s, %(sent_at)s, %(now)s)
        on conflict (tenant_id, intent_key) do update set
          status = excluded.status, reason = excluded.reason, sentence = excluded.sentence,
          address = excluded.address, subject = excluded.subject, body = excluded.body, html = excluded.html,
          fingerprint = excluded.fingerprint, segments = excluded.segments, held = excluded.held,
          attempt = excluded.attempt,
          attempts = m.attempts + excluded.attempts, data = excluded.data, until = excluded.until,
          decided_at = excluded.decided_at, sent_at = excluded.sent_at, updated_at = excluded.updated_at
          where m.status = 'deferred'
        returning id
        """,
        {
            "tenant": tenant_id,
            "key": written.key,
            "channel": intent.channel,
            "purpose": intent.purpose,
            "status": written.status,
            "reason": written.reason,
            "sentence": written.sentence,
            "customer": intent.customer_id,
            "location": intent.location_id,
            "recipient": intent.recipient,
            "address": written.address,
            "subject": intent.subject,
            "body": written.body,
            "html": intent.html,
            "print": written.fingerprint,
            "segments": written.segments,
            "template": intent.template,
            "workflow": intent.workflow,
            "instance": intent.instance_id,
            "step": intent.step,
            "asked_by": intent.asked_by,
            "shadow": intent.shadow,
            "held": written.held,
            "attempt": written.attempt,
            "attempts": 1 if written.attempt else 0,
            "data": Jsonb(_plain(intent.data)),
            "until": written.until,
            "now": written.now,
            "sent_at": written.now if written.attempt or written.reason == SHADOW else None,
        },
    )
    row = await stored.fetchone()
    assert row is not None, "the key is locked, and its row was read as one that may be decided"
    return int(row[0])


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each.isoformat() if isinstance(each, datetime) else each for key, each in data.items()}


# What became of it -------------------------------------------------------------------------------


async def answered(
    pool: Pool,
    tenant_id: int,
    message_id: int,
    *,
    attempt: UUID,
    status: Status,
    reason: str,
    sentence: str,
    now: datetime,
    receipt: Receipt | None = None,
    code: str | None = None,
    until: datetime | None = None,
    held: bool = False,
) -> Message:
    """Write the vendor's answer to ``attempt``; a newer word that came meanwhile stays.

    Ids, segments and cost of a receipt are kept in any case.
    """
    values = {
        "tenant": tenant_id,
        "id": message_id,
        "attempt": attempt,
        "vendor": receipt.vendor_id if receipt else None,
        "segments": receipt.segments if receipt else None,
        "cost": money(receipt.cost) if receipt else None,
        "code": (receipt.code if receipt else None) or code,
        "status": status,
        "reason": reason,
        "sentence": sentence,
        "until": until,
        "held": held,
        "now": now,
    }

    async def work(connection: Connection) -> Message | None:
        async with connection.cursor(row_factory=class_row(Message)) as cursor:
            await cursor.execute(_ANSWERED, values)
            return await cursor.fetchone()

    message = await run_in_transaction(pool, work)
    assert message is not None, "the row was written before the vendor was asked"
    return message


_OURS: Final = "(attempt = %(attempt)s and status = 'unknown')"
_ANSWERED: Final = f"""
update {MESSAGES} set
  vendor_id = coalesce(%(vendor)s, vendor_id), segments = coalesce(%(segments)s, segments),
  cost = coalesce(%(cost)s, cost), vendor_code = coalesce(%(code)s, vendor_code),
  status = case when {_OURS} then %(status)s else status end,
  reason = case when {_OURS} then %(reason)s else reason end,
  sentence = case when {_OURS} then %(sentence)s else sentence end,
  until = case when {_OURS} then %(until)s else until end,
  held = case when {_OURS} then %(held)s else held end,
  updated_at = %(now)s
where tenant_id = %(tenant)s and id = %(id)s
returning {COLUMNS}
"""


async def tell(connection: Connection, message_id: int) -> None:
    """Say that something happened to the message, when the transaction commits."""
    await connection.execute("select pg_notify(%s, %s)", (MESSAGE_CHANNEL, str(message_id)))


def money(text: str | None) -> Decimal | None:
    """A vendor's cost as a positive amount; they write what they charge as negative."""
    if text is None:
        return None
    try:
        return abs(Decimal(text))
    except InvalidOperation:
        return None
