"""Webhooks as they came: stored before they are answered, done by whoever claims them first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from psycopg.types.json import Jsonb

from perfectcatch.model.webhook import Delivery
from perfectcatch.store.names import WEBHOOK_CHANNEL, WEBHOOKS
from perfectcatch.store.pool import Pool, transaction

GIVE_UP_AFTER: Final = 8  # tries; the schedule brings the change by itself
_CLAIMED_SECONDS: Final = 300  # a claim of a process that died meanwhile
_MESSAGE_SECONDS: Final = 30  # the same of what is done in milliseconds: an opt-out must not wait
_AT_ONCE: Final = 500
# Senders wait: a table that somebody holds is told to them, and they come again.
_LIMITS: Final = "select set_config('lock_timeout', '2s', true), set_config('statement_timeout', '3s', true)"
_BY_BODY: Final = "sha256:"  # how the identity begins of what its vendor gave no number


@dataclass(frozen=True, slots=True)
class Claimed:
    """A webhook that this process looks after. ``entities``: what it is about."""

    id: int
    entities: frozenset[str]
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A webhook as it came. ``of_messages``: it waits for whoever looks after messages to people.

    The vendor's number of the happening tells them apart. Without one the body does, and then the same body
    may tell of a later change: it is looked after once more.
    """

    source: str
    delivery: Delivery
    headers: Mapping[str, str]
    body: bytes
    of_messages: bool = False

    @cached_property
    def identity(self) -> str:
        """What tells it apart from the others of its source."""
        return self.delivery.event_id or f"{_BY_BODY}{sha256(self.body).hexdigest()}"

    @property
    def hints(self) -> list[dict[str, Any]]:
        """The records that it is about."""
        return [{"entity": hint.entity, "st_id": hint.st_id} for hint in self.delivery.hints]


async def receive(pool: Pool, tenant_id: int, arrival: Arrival) -> bool:
    """Store a webhook; whether it is new. The same one again changes nothing."""
    [new] = await receive_all(pool, tenant_id, [arrival])
    return new


async def receive_all(pool: Pool, tenant_id: int, arrivals: Sequence[Arrival]) -> list[bool]:
    """Store webhooks, no two of them the same one, in one transaction; which are new.

    Each is a microsecond younger than the one before it: what a person said last is done last.
    """
    # In one order: two processes that store the same ones would else wait for each other.
    places = sorted(range(len(arrivals)), key=lambda at: (arrivals[at].source, arrivals[at].identity))
    ordered = [arrivals[at] for at in places]
    async with transaction(pool) as connection:
        await connection.execute(_LIMITS)
        stored = await connection.execute(
            f"""
            insert into {WEBHOOKS} as w (tenant_id, received_at, source, identity, event_type, headers, body,
              hints, state)
            select %(tenant)s, now() + place * interval '1 microsecond', source, identity, type, headers,
              body, hints, state
            from unnest(%(place)s::integer[], %(source)s::text[], %(identity)s::text[], %(type)s::text[],
              %(headers)s::jsonb[], %(body)b::bytea[], %(hints)s::jsonb[], %(state)s::text[])
              given(place, source, identity, type, headers, body, hints, state)
            on conflict (tenant_id, source, identity) do update set
              times = w.times + 1, last_received_at = now(),
              state = case when excluded.identity like '{_BY_BODY}%%' and w.state in ('done', 'failed')
                then 'waiting' else w.state end
            returning source, identity, times = 1, state = 'waiting' and hints <> '[]'
            """,
            {
                "tenant": tenant_id,
                "place": places,
                "source": [each.source for each in ordered],
                "identity": [each.identity for each in ordered],
                "type": [each.delivery.event_type for each in ordered],
                "headers": [Jsonb(dict(each.headers)) for each in ordered],
                "body": [each.body for each in ordered],
                "hints": [Jsonb(each.hints) for each in ordered],
                "state": [
                    "waiting" if each.delivery.hints or each.of_messages else "ignored" for each in ordered
                ],
            },
        )
        rows = await stored.fetchall()
        if any(waits for *_, waits in rows):
            await connection.execute("select pg_notify(%s, %s)", (WEBHOOK_CHANNEL, str(tenant_id)))
    new = {(source, identity): is_new for source, identity, is_new, _ in rows}
    return [bool(new[each.source, each.identity]) for each in arrivals]


async def claim(pool: Pool, tenant_id: int, entities: Collection[str]) -> list[Claimed]:
    """Take what waits about these entities, and what a process took that has been silent for five minutes."""
    async with pool.connection() as connection:
        taken = await connection.execute(
            f"""
            update {WEBHOOKS} set state = 'claimed', claimed_at = now(), attempts = attempts + 1
            where tenant_id = %(tenant)s and id = any(array(
              select id from {WEBHOOKS} w where tenant_id = %(tenant)s and exists (
                select from jsonb_array_elements(w.hints) hint where hint->>'entity' = any(%(entities)s)
              ) and (
                (state = 'waiting' and next_try_at <= now())
                or (state = 'claimed' and claimed_at < now() - make_interval(secs => %(stale)s)))
              order by id limit %(limit)s for update skip locked))
            returning id, (select array_agg(distinct hint->>'entity') from jsonb_array_elements(hints) hint),
              attempts
            """,
            {
                "tenant": tenant_id,
                "entities": list(entities),
                "stale": _CLAIMED_SECONDS,
                "limit": _AT_ONCE,
            },
        )
        return [Claimed(row[0], frozenset(row[1] or ()), row[2]) for row in await taken.fetchall()]


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A webhook about messages that this process looks after."""

    id: int
    source: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


async def claim_of_messages(pool: Pool, tenant_id: int, *, limit: int = 50) -> list[ClaimedMessage]:
    """Take what waits about messages, the oldest first, as ``claim`` does."""
    async with pool.connection() as connection:
        taken = await connection.execute(
            f"""
            update {WEBHOOKS} set state = 'claimed', claimed_at = now(), attempts = attempts + 1
            where tenant_id = %(tenant)s and id = any(array(
              select id from {WEBHOOKS} where tenant_id = %(tenant)s and hints = '[]' and (
                (state = 'waiting' and next_try_at <= now())
                or (state = 'claimed' and claimed_at < now() - make_interval(secs => %(stale)s)))
              order by received_at, id limit %(limit)s for update skip locked))
            returning id, source, headers, body, received_at
            """,
            {"tenant": tenant_id, "stale": _MESSAGE_SECONDS, "limit": limit},
        )
        claimed = [ClaimedMessage(*row) for row in await taken.fetchall()]
        return sorted(claimed, key=lambda each: (each.received_at, each.id))


@dataclass(frozen=True, slots=True)
class ClaimedHint:
    """A webhook of one vendor that this process looks after. ``hints``: kind and id of records, as told."""

    id: int
    hints: frozenset[tuple[str, str]]


async def claim_of_source(pool: Pool, tenant_id: int, source: str) -> list[ClaimedHint]:
    """Take what waits of one vendor, the oldest first, as ``claim`` does."""
    async with pool.connection() as connection:
        taken = await connection.execute(
            f"""
            update {WEBHOOKS} set state = 'claimed', claimed_at = now(), attempts = attempts + 1
            where tenant_id = %(tenant)s and id = any(array(
              select id from {WEBHOOKS} where tenant_id = %(tenant)s and source = %(source)s and (
                (state = 'waiting' and next_try_at <= now())
                or (state = 'claimed' and claimed_at < now() - make_interval(secs => %(stale)s)))
              order by id limit %(limit)s for update skip locked))
            returning id, hints
            """,
            {"tenant": tenant_id, "source": source, "stale": _CLAIMED_SECONDS, "limit": _AT_ONCE},
        )
        return [
            ClaimedHint(row_id, frozenset((each["entity"], str(each["st_id"])) for each in hints))
            for row_id, hints in await taken.fetchall()
        ]


async def settle(pool: Pool, tenant_id: int, ids: Sequence[int]) -> None:
    """What these webhooks told of has been read."""
    await _set(pool, tenant_id, ids, "state = 'done', processed_at = now(), error = null")


async def give_back(
    pool: Pool,
    tenant_id: int,
    ids: Sequence[int],
    *,
    after_seconds: float,
    error: str | None,
    tried: bool = True,
) -> None:
    """Try these again after ``after_seconds``; after eight tries they are left to the schedule.

    ``tried``: False where nothing was tried, such as while somebody else was at it; that may take long.
    """
    await _set(
        pool,
        tenant_id,
        ids,
        "state = case when %(tried)s and attempts >= %(tries)s then 'failed' else 'waiting' end, "
        "attempts = attempts - case when %(tried)s then 0 else 1 end, error = %(error)s, "
        "next_try_at = now() + make_interval(secs => %(wait)s)",
        tried=tried,
        tries=GIVE_UP_AFTER,
        error=error,
        wait=after_seconds,
    )


async def _set(pool: Pool, tenant_id: int, ids: Sequence[int], what: str, **values: Any) -> None:
    if not ids:
        return
    async with pool.connection() as connection:
        await connection.execute(
            # Locked in the order in which arrivals lock those that come again.
            f"update {WEBHOOKS} set {what} where tenant_id = %(tenant)s and id in (select id from {WEBHOOKS} "
            "where tenant_id = %(tenant)s and id = any(%(ids)s) and state = 'claimed' "
            "order by source, identity for update)",
            {"tenant": tenant_id, "ids": list(ids), **values},
        )
