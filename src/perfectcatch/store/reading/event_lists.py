"""Business events as JSON, in the order in which they were written or the other way round."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perfectcatch.store.names import EVENTS
from perfectcatch.store.reading.reads import Reads

# Numbers are given before a commit: a reader that goes on from the highest one it has seen would pass over
# the events of a transaction that is still under way. So an event appears when every older transaction has
# ended, or a minute after it was written: one that hangs must not hold up all.
SETTLED = """(
  age(e.xmin) > age((pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295)::text::xid)
  or e.recorded_at < clock_timestamp() - interval '1 minute')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events. None or empty: any."""

    types: Sequence[str] = ()
    entity: str | None = None
    st_id: int | None = None
    historical: bool | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None
    newest_first: bool = False
    after: int | None = None
    limit: int = 100


async def listed(reads: Reads, tenant_id: int, wanted: Wanted, as_of: datetime | None) -> bytes:
    """A page of events: ``{"data_as_of": ..., "data": [...], "next": ...}``."""
    direction, beyond = ("desc", "<") if wanted.newest_first else ("asc", ">")
    where = ["e.tenant_id = %(tenant)s"]
    where += [
        condition
        for condition, given in (
            ("e.event_type = any(%(types)s)", wanted.types),
            ("e.entity = %(entity)s", wanted.entity is not None),
            ("e.st_id = %(st_id)s", wanted.st_id is not None),
            ("e.historical = %(historical)s", wanted.historical is not None),
            ("e.occurred_at >= %(from)s", wanted.occurred_from is not None),
            ("e.occurred_at < %(before)s", wanted.occurred_before is not None),
            (f"e.id {beyond} %(after)s", wanted.after is not None),
            (SETTLED, not wanted.newest_first),
        )
        if given
    ]
    values = {
        "tenant": tenant_id,
        "types": list(wanted.types),
        "entity": wanted.entity,
        "st_id": wanted.st_id,
        "historical": wanted.historical,
        "from": wanted.occurred_from,
        "before": wanted.occurred_before,
        "after": wanted.after,
        "limit": wanted.limit,
        "as_of": as_of,
    }
    # One record has few events: sorted after they were found, not found by walking through all in order.
    found = f"select e.* from {EVENTS} e where {' and '.join(where)}"
    if wanted.entity is not None and wanted.st_id is not None:
        found += " offset 0"
    statement = f"""
with page as materialized (
  select row_number() over (order by e.id {direction}) as place, e.id,
    (select row_to_json(c) from (select e.id, e.event_type, e.entity, e.st_id, e.version, e.occurred_at,
      e.recorded_at, e.historical, e.data) c) as record
  from ({found}) e order by e.id {direction} limit %(limit)s + 1
)
select json_build_object('data_as_of', %(as_of)s::timestamptz,
  'data', coalesce(json_agg(record order by place) filter (where place <= %(limit)s), '[]'::json),
  'next', case when count(*) > %(limit)s then (max(id) filter (where place = %(limit)s))::text end)
from page"""
    return await reads.json(statement, values) or b""
