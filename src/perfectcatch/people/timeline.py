"""Everything that happened with one customer, in the order of time.

Who was merged into the customer belongs to it: the timeline of the survivor tells what happened with all.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from perfectcatch.errors import BadArgument, NothingKnown
from perfectcatch.model.entity import Entity
from perfectcatch.model.event import Exists, Transition
from perfectcatch.people.conversations import STATEMENT as CONVERSATIONS
from perfectcatch.people.conversations import TOLD_HERE
from perfectcatch.people.happenings import DEALS, HAPPENINGS, Happening, sentence
from perfectcatch.store.names import DEAL_MOVES, EVENTS, qualified, quote
from perfectcatch.store.reading.fields import BIGGEST, moment
from perfectcatch.store.reading.reads import Reads

Entities = Mapping[str, Entity]

_DEEPEST: Final = 20  # merges in a row
_PLACE: Final = re.compile(
    r"(?P<at>[0-9TZ:.+-]{10,40})~(?P<entity>[a-z_]{1,60})~(?P<st_id>-?\d{1,19})~(?P<event>\d{1,19})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened. ``event_id`` and ``event_type`` are those of the business event, if any."""

    at: datetime
    kind: str  # record: it came into being; event: something happened to it
    entity: str
    st_id: int
    event_id: int | None
    event_type: str | None
    historical: bool | None
    deleted: bool
    amount: Decimal | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of lines. ``customers``: whom they are about, the survivor first.

    ``next`` and ``previous`` are places in the list, None where it ends.
    """

    customers: list[int]
    lines: list[Line]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part. ``after`` and ``before`` are places in the list; at most one of them is given."""

    oldest_first: bool = False
    after: str | None = None
    before: str | None = None
    limit: int = 100
    include_deleted: bool = False


def told(entities: Entities) -> list[str]:
    """The entities that a timeline tells of."""
    return [each.entity for each in HAPPENINGS if each.entity in entities]


async def timeline(reads: Reads, tenant_id: int, entities: Entities, st_id: int, page: Page) -> Timeline:
    """A page of the timeline of a customer. Raises ``NothingKnown`` and ``BadArgument``."""
    backwards = page.before is not None
    place = page.before if backwards else page.after
    ascending = page.oldest_first != backwards
    customers = await _family(reads, tenant_id, entities, st_id)
    values: dict[str, Any] = {"tenant": tenant_id, "customers": customers, "limit": page.limit + 1}
    values |= {"deleted": page.include_deleted, "told_here": list(TOLD_HERE)}
    values |= _place(place) if place is not None else {}
    rows = await reads.rows(_statement(_Key(entities), ascending=ascending, placed=place is not None), values)
    more, rows = len(rows) > page.limit, rows[: page.limit]
    if backwards:
        rows.reverse()
    ahead = more if not backwards else True
    behind = place is not None if not backwards else more
    return Timeline(
        customers=customers,
        lines=[_line(row) for row in rows],
        next=_told(rows[-1]) if rows and ahead else None,
        previous=_told(rows[0]) if rows and behind else None,
    )


def _line(row: Mapping[str, Any]) -> Line:
    facts = {**row["facts"], "st_id": row["st_id"]}
    is_event = row["kind"] == "event"
    return Line(
        at=row["at"],
        kind=row["kind"],
        entity=row["entity"],
        st_id=row["st_id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        historical=row["historical"],
        deleted=row["deleted"],
        amount=row["amount"],
        sentence=sentence(row["entity"], row["event_type"] if is_event else None, facts),
    )


def _told(row: Mapping[str, Any]) -> str:
    at = row["at"].isoformat().replace("+00:00", "Z")
    return f"{at}~{row['entity']}~{row['st_id']}~{row['turn']}"


def _place(text: str) -> dict[str, Any]:
    wrong = BadArgument("The place in the list cannot be read: give `next` or `previous` of an answer.")
    found = _PLACE.fullmatch(text)
    if found is None or abs(int(found["st_id"])) > BIGGEST or int(found["event"]) > BIGGEST:
        raise wrong
    try:
        at = moment(found["at"], "UTC")
    except ValueError:
        raise wrong from None
    return {
        "at": at,
        "entity": found["entity"],
        "st_id": int(found["st_id"]),
        "turn": int(found["event"]),
    }


# Statements ------------------------------------------------------------------------------------


async def _family(reads: Reads, tenant_id: int, entities: Entities, st_id: int) -> list[int]:
    """The customer that stands in the end for ``st_id``, and after it all that were merged into it."""
    table = qualified(entities["customers"].table)
    rows = await reads.rows(
        f"""
with recursive up as (
  select st_id, merged_to_id, 0 as step from {table} where tenant_id = %(tenant)s and st_id = %(st_id)s
  union all
  select c.st_id, c.merged_to_id, u.step + 1 from up u
  join {table} c on c.tenant_id = %(tenant)s and c.st_id = u.merged_to_id where u.step < {_DEEPEST}
), survivor as (select st_id from up order by step desc limit 1),
down as (
  select st_id, 0 as step from survivor
  union
  select c.st_id, d.step + 1 from down d
  join {table} c on c.tenant_id = %(tenant)s and c.merged_to_id = d.st_id where d.step < {_DEEPEST}
)
select st_id, min(step) as step from down group by st_id order by min(step), st_id""",
        {"tenant": tenant_id, "st_id": st_id},
    )
    if not rows:
        raise NothingKnown(f"The mirror holds no customer {st_id}.")
    return [row["st_id"] for row in rows]


class _Key:
    """The declarations, by identity: they are as good as constants."""

    def __init__(self, entities: Entities) -> None:
        self.entities = entities

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.entities is self.entities

    def __hash__(self) -> int:
        return id(self.entities)


@lru_cache(maxsize=8)
def _statement(key: _Key, *, ascending: bool, placed: bool) -> str:
    """Records and events of some customers. Parameters: tenant, customers, deleted, limit, and the place."""
    direction, beyond = ("asc", ">") if ascending else ("desc", "<")
    kinds = [each for each in HAPPENINGS if each.entity in key.entities]
    records = "\nunion all\n".join(_records(each, key.entities) for each in kinds)
    firsts = ", ".join(f"('{each.entity}', {_first(key.entities[each.entity])})" for each in kinds)
    behind = (
        f"where (at, entity, st_id, turn) {beyond} (%(at)s::timestamptz, %(entity)s, %(st_id)s, %(turn)s)"
        if placed
        else ""
    )
    order = ", ".join(f"{name} {direction}" for name in ("at", "entity", "st_id", "turn"))
    return f"""
with records as materialized (
{records}
), firsts(entity, event_type) as (values {firsts}),
lines as (
  select r.at, r.entity, r.st_id, 0::bigint as turn, 'record' as kind, r.facts, r.amount, r.deleted,
    f.id as event_id, f.event_type, f.historical
  from records r left join firsts using (entity) left join lateral (
    select e.id, e.event_type, e.historical from {EVENTS} e
    where e.tenant_id = %(tenant)s and e.entity = r.entity and e.st_id = r.st_id
      and e.event_type = firsts.event_type order by e.id limit 1
  ) f on true
  union all
  select e.occurred_at, e.entity, e.st_id, e.id, 'event', r.facts || e.data,
    case when e.data ? r.amount_of then (e.data->>r.amount_of)::numeric else r.amount end, r.deleted,
    e.id, e.event_type, e.historical
  from records r join firsts using (entity)
  join {EVENTS} e on e.tenant_id = %(tenant)s and e.entity = r.entity and e.st_id = r.st_id
  where e.event_type is distinct from firsts.event_type and not e.event_type = any(%(told_here)s)
  union all
  select d.at, '{DEALS}', d.id, 0, 'record', jsonb_build_object('kind', d.kind, 'pipeline', d.pipeline,
    'stage', d.stage, 'status', d.status, 'value', d.value, 'changed', d.changed), d.value, false,
    null, null, null
  from {DEAL_MOVES} d where d.tenant_id = %(tenant)s and d.st_customer_id = any(%(customers)s::bigint[])
  union all
  select c.at, c.entity, c.st_id, c.turn, 'record', c.facts, null, false, null, null, null
  from ({CONVERSATIONS}) c
)
select * from lines {behind} order by {order} limit %(limit)s"""


def _records(happening: Happening, entities: Entities) -> str:
    entity = entities[happening.entity]
    source = f"{qualified(entity.table)} m"
    owner = f"m.{quote(happening.by)}"
    if happening.through is not None:
        between = qualified(entities[happening.through].table)
        source += f" join {between} b on b.tenant_id = m.tenant_id and b.st_id = {owner}"
        owner = "b.customer_id"
    facts = ", ".join(_fact_columns(happening))
    amount = f"m.{quote(happening.amount)}" if happening.amount else "null"
    return (
        f"select '{entity.name}'::text as entity, m.st_id, coalesce(m.{quote(happening.at)}, m.st_created_on,"
        f" m.st_modified_on, m.local_synced_at) as at, (select to_jsonb(c) from (select {facts}) c) as facts,"
        f" {amount}::numeric as amount, '{happening.amount or ''}'::text as amount_of,"
        f" m.deleted_at is not null as deleted from {source}"
        f" where m.tenant_id = %(tenant)s and {owner} = any(%(customers)s::bigint[])"
        f" and (%(deleted)s or m.deleted_at is null)"
    )


def _fact_columns(happening: Happening) -> Iterator[str]:
    yield from (f"m.{quote(name)}" for name in happening.facts)
    yield from (f"b.{quote(name)}" for name in happening.borrowed)


def _first(entity: Entity) -> str:
    """The event that tells that a record came into being, which its own line tells already."""
    rules = [rule for rule in entity.transitions if _appears(rule)]
    rules.sort(key=lambda rule: not isinstance(rule.enters, Exists))
    return f"'{rules[0].event_type}'" if rules else "null::text"


def _appears(rule: Transition) -> bool:
    return not rule.changes and rule.leaves is None and rule.about is None and rule.at == "st_created_on"
