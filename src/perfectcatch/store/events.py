"""Business events for readers: live as they are committed, and from any place on without a gap.

Ids are given when a row is written and rows appear when their transaction commits, so a row may appear behind
a higher id that was read already. A ``Place`` therefore remembers what was visible when it was taken, and
``after`` brings exactly what was not, once.
"""

import json
import re
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.errors import BadArgument
from perfectcatch.store.names import EVENT_CHANNEL, EVENTS
from perfectcatch.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Event:
    """A row of ``automation.events``."""

    id: int
    event_type: str
    entity: str
    st_id: int
    version: str
    occurred_at: datetime
    recorded_at: datetime
    historical: bool
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the events of a company: all up to ``id`` that ``snapshot`` shows have been read."""

    id: int
    snapshot: str

    def __str__(self) -> str:
        return f"{self.id}@{self.snapshot}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` wrote. Raises BadArgument for anything else."""
        found = re.fullmatch(r"(\d{1,18})@(\d{1,18}:\d{1,18}:[\d,]*)", text)
        if found is None:
            raise BadArgument(f"{text[:80]!r} is no place in the events: use one that the server gave.")
        return cls(int(found[1]), found[2])


async def here(pool: Pool, tenant_id: int) -> Place:
    """The place behind everything that is committed now."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select coalesce(max(id), 0), pg_current_snapshot()::text from {EVENTS} where tenant_id = %s",
            (tenant_id,),
        )
        row = await found.fetchone()
        assert row is not None
        return Place(*row)


_COLUMNS: Final = "id, event_type, entity, st_id, version, occurred_at, recorded_at, historical, data"

# ``written`` is the number of the whole transaction: a row's own ``xmin`` may be that of a savepoint, which
# no snapshot knows. ``xmin`` only tells rows that came out of a dump, whose ``written`` counts elsewhere: a
# late row is younger than the place by both. It has 32 bits, a snapshot 64: the upper ones are put before it.
_LATE: Final = """
  not pg_visible_in_snapshot(written::text::xid8, %(snapshot)s::pg_snapshot)
    and (xmax < %(high)s or case when own > xmax then own - (1::bigint << 32) else own end >= %(low)s)
"""
_AFTER: Final = f"""
with now as materialized (
  select pg_current_snapshot() as snapshot, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax,
    (select coalesce(max(id), 0) from {EVENTS} where tenant_id = %(tenant)s) as newest
), fresh as materialized (
  select {_COLUMNS} from {EVENTS}
  where tenant_id = %(tenant)s and id > %(id)s and not historical order by id limit %(limit)s
), late as (
  select {_COLUMNS} from (
    select e.*, (now.xmax >> 32 << 32) + e.xmin::text::bigint as own, now.xmax from {EVENTS} e, now
    where e.tenant_id = %(tenant)s and e.written >= %(low)s and e.id <= %(id)s and not e.historical
  ) e
  where {_LATE}
)
select now.newest, now.snapshot::text, each.* from now left join (
  select * from late union all select * from fresh
) each on true order by each.id
"""


async def after(pool: Pool, tenant_id: int, place: Place, *, limit: int = 500) -> tuple[list[Event], Place]:
    """Events that may reach people and were not visible at ``place``, and the place behind them.

    At most ``limit`` of those with higher ids, and all that appeared behind. An empty list: nothing more.
    """
    async with pool.connection() as connection:
        found = await connection.execute(_AFTER, _values(tenant_id, place) | {"limit": limit})
        rows = await found.fetchall()
    newest, snapshot = rows[0][:2]
    read = [Event(*row[2:]) for row in rows if row[2] is not None]
    fresh = [event.id for event in read if event.id > place.id]
    reached = fresh[-1] if len(fresh) == limit else max(place.id, newest)
    return read, Place(reached, snapshot)


async def not_read(connection: Connection, tenant_id: int, place: Place, ids: Collection[int]) -> list[int]:
    """Those of the events with these ids that ``after`` would still bring at ``place``."""
    found = await connection.execute(
        f"""
        select id from (
          select e.id, e.written, now.xmax, (now.xmax >> 32 << 32) + e.xmin::text::bigint as own
          from {EVENTS} e, (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax) now
          where e.tenant_id = %(tenant)s and e.id = any(%(ids)s) and not e.historical
        ) e
        where id > %(id)s or written >= %(low)s and {_LATE}
        """,
        _values(tenant_id, place) | {"ids": list(ids)},
    )
    return [row[0] for row in await found.fetchall()]


def _values(tenant_id: int, place: Place) -> dict[str, Any]:
    low, high, _ = place.snapshot.split(":")
    return {
        "tenant": tenant_id,
        "id": place.id,
        "snapshot": place.snapshot,
        "low": int(low),
        "high": int(high),
    }


async def listen(pool: Pool, tenant_id: int) -> AsyncGenerator[Event, None]:
    """Events of the company from now on, in the order of their commits; historical ones are not announced.

    One connection listens for as long as the generator is open. Raises the pool's errors when the database
    goes away: a caller that needs every event reads the table by id as well.
    """
    async with pool.connection() as connection:
        await connection.execute(f"listen {EVENT_CHANNEL}")
        try:
            async for note in connection.notifies():
                said = json.loads(note.payload)
                if said["tenant_id"] == tenant_id:
                    for event in await by_ids(pool, tenant_id, said["ids"]):
                        yield event
        finally:
            if not connection.closed:
                await connection.execute(f"unlisten {EVENT_CHANNEL}")


async def by_ids(pool: Pool, tenant_id: int, ids: list[int]) -> list[Event]:
    """The events with these ids."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(
            f"""
            select {_COLUMNS} from {EVENTS} where tenant_id = %s and id = any(%s) order by id
            """,
            (tenant_id, ids),
        )
        return await cursor.fetchall()


async def tell(
    connection: Connection,
    tenant_id: int,
    event_type: str,
    entity: str,
    st_id: int,
    *,
    version: str,
    at: datetime,
    data: Mapping[str, Any],
) -> int | None:
    """Write an event of our own and wake who listens, when the transaction commits.

    Its id; None where this version of it was told before.
    """
    stored = await connection.execute(
        f"""
        insert into {EVENTS} (tenant_id, event_type, entity, st_id, version, occurred_at, historical, data)
        values (%s, %s, %s, %s, %s, %s, false, %s)
        on conflict (tenant_id, entity, st_id, event_type, version) do nothing returning id
        """,
        (tenant_id, event_type, entity, st_id, version, at, Jsonb(dict(data))),
    )
    row = await stored.fetchone()
    if row is None:
        return None
    payload = json.dumps({"tenant_id": tenant_id, "ids": [row[0]]})
    await connection.execute("select pg_notify(%s, %s)", (EVENT_CHANNEL, payload))
    return int(row[0])
