"""What waits in the database, for a page that says how each part is: counts, and since when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from perfectcatch.store import state
from perfectcatch.store.events import Place
from perfectcatch.store.names import DEAD_LETTERS, EVENTS, MESSAGE_HOLDS, MESSAGES, TIMERS, WEBHOOKS
from perfectcatch.store.reading.reads import Reads

MANY: Final = 1000  # counted no further

_QUEUES: Final = f"""
select 'events' as queue, count(*) as number, min(recorded_at) as since from (
  select recorded_at from {EVENTS} where tenant_id = %(tenant)s and id > %(place)s and not historical
  order by id limit {MANY}) events
union all
select 'timers', count(*), min(due_at) from (
  select due_at from {TIMERS} where tenant_id = %(tenant)s and due_at <= now()
  order by due_at limit {MANY}) timers
union all
select 'dead letters', count(*), min(failed_at) from (
  select failed_at from {DEAD_LETTERS} where tenant_id = %(tenant)s and resolved_at is null
  limit {MANY}) letters
union all
select 'webhooks', count(*), min(received_at) from (
  select received_at from {WEBHOOKS} where tenant_id = %(tenant)s and state in ('waiting', 'claimed')
  order by next_try_at limit {MANY}) webhooks
union all
select 'message holds', count(*), min(created_at) from {MESSAGE_HOLDS}
  where tenant_id = %(tenant)s and decided_at is null
union all
select 'unknown ' || channel, count(*), min(decided_at) from {MESSAGES}
  where tenant_id = %(tenant)s and status = 'unknown' group by channel
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait (a thousand stands for more), and since when the oldest does."""

    number: int
    since: datetime | None


async def queues(reads: Reads, tenant_id: int, place_key: str) -> dict[str, Queue]:
    """What waits, by name. ``place_key``: the state that holds the place of the last event dealt with."""
    kept = (await state.get(reads.pool, tenant_id, place_key)).get(place_key)
    place = Place.parse(kept).id if kept is not None else None
    values: dict[str, Any] = {"tenant": tenant_id, "place": place}
    found = await reads.rows(_QUEUES, values)
    return {row["queue"]: Queue(row["number"], row["since"]) for row in found}
