"""What a dry run replays: the events of some days, and the records of everybody whom they concern."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.rows import dict_row

from perfectcatch.model.entity import Entity
from perfectcatch.model.workflow import Definition
from perfectcatch.store.events import Event
from perfectcatch.store.names import CONSENTS, EVENTS, MESSAGES, OPT_OUTS, qualified
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.workflows import bundle, pasts
from perfectcatch.workflows.bundle import Key, Names
from perfectcatch.workflows.pasts import Past
from perfectcatch.workflows.readings import READINGS

Entities = Mapping[str, Entity]
Row = Mapping[str, Any]

# What people were sent before the days of the replay still counts for their budget and for repeated words.
BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that a dry run reads."""

    since: datetime
    until: datetime
    events: Sequence[Event]  # of all customers that are concerned, in the order of time
    owner: Mapping[Key, int]
    past: Past
    names: Names
    candidates: Mapping[str, Sequence[int]]  # ids of each entity that a clock goes through
    opt_outs: Sequence[Row]
    consents: Sequence[Row]
    sends: Sequence[Row]

    def customer_of(self, event: Event) -> int | None:
        """Whose event it is."""
        said = event.data.get("customer_id")
        return self.owner.get((event.entity, event.st_id)) or (said if isinstance(said, int) else None)


async def load(
    pool: Pool,
    tenant_id: int,
    entities: Entities,
    definitions: Sequence[Definition],
    *,
    since: datetime,
    until: datetime,
) -> History:
    """Read what the replay of ``definitions`` from ``since`` to ``until`` needs."""
    types = sorted({event for each in definitions for event in each.trigger.events})
    walked = sorted({each.trigger.each for each in definitions if each.trigger.each})
    values = {"tenant": tenant_id, "since": since, "until": until, "types": types}
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select distinct entity, st_id from {EVENTS} where tenant_id = %(tenant)s"
            " and event_type = any(%(types)s) and occurred_at >= %(since)s and occurred_at < %(until)s",
            values,
        )
        keys: set[Key] = {(entity, st_id) for entity, st_id in await found.fetchall()}
        candidates = {
            entity: await _ids(connection, tenant_id, entities[entity], until)
            for entity in walked
            if entity in entities and entity in READINGS
        }
        keys |= {(entity, st_id) for entity, ids in candidates.items() for st_id in ids}
        owner = await bundle.owners(connection, tenant_id, entities, keys)
        customers = sorted(set(owner.values()))
        past = await pasts.past(connection, tenant_id, entities, customers, keys - set(owner))
        return History(
            since=since,
            until=until,
            events=await _events(connection, values, past, types),
            owner=past.owner,
            past=past,
            names=await bundle.names(connection, tenant_id, entities),
            candidates=candidates,
            opt_outs=await _rows(connection, _OPT_OUTS, values),
            consents=await _rows(connection, _CONSENTS, values),
            sends=await _rows(connection, _SENDS, values | {"since": since - BEFORE}),
        )


async def _ids(connection: Connection, tenant_id: int, entity: Entity, until: datetime) -> list[int]:
    found = await connection.execute(
        f"select st_id from {qualified(entity.table)} where tenant_id = %s"
        " and coalesce(st_created_on, local_synced_at) < %s order by st_id",
        (tenant_id, until),
    )
    return [row[0] for row in await found.fetchall()]


async def _events(
    connection: Connection, values: Mapping[str, Any], past: Past, types: Sequence[str]
) -> list[Event]:
    """Events of the days: those that start something, and all that happened with the customers concerned.

    What a record's event says is in the record as well, so its data are read for triggers only.
    """
    _ = types
    found = await connection.execute(
        f"""
        select id, event_type, entity, st_id, version, occurred_at, recorded_at, historical,
          case when event_type = any(%(types)s) or not entity = any(%(read)s) then data end
        from {EVENTS} where tenant_id = %(tenant)s and occurred_at >= %(since)s and occurred_at < %(until)s
        order by occurred_at, id
        """,
        {**values, "read": list(READINGS)},
    )
    read = []
    for id_, kind, entity, st_id, version, at, recorded, historical, said in await found.fetchall():
        data = said or {}
        if (
            kind in types
            or (entity, st_id) in past.owner
            or data.get("customer_id") is not None
            or "sender" in data
        ):
            read.append(
                Event(id_, kind, entity, st_id, version, at, recorded, historical=historical, data=data)
            )
    return read


async def _rows(connection: Connection, statement: str, values: Mapping[str, Any]) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement.encode(), values)
        rows: list[Row] = list(await cursor.fetchall())
        return rows


_OPT_OUTS: Final = f"""
select channel, address, customer_ids, covers, source, wording, since, ended_at from {OPT_OUTS}
where tenant_id = %(tenant)s and since < %(until)s and (ended_at is null or ended_at > %(since)s)"""
_CONSENTS: Final = f"""
select customer_id, channel, address, given, given_at as at, source from {CONSENTS}
where tenant_id = %(tenant)s and purpose = 'marketing' and given_at < %(until)s order by given_at, id"""
_SENDS: Final = f"""
select sent_at as at, channel, purpose, address as to, fingerprint as text, customer_id, workflow, step
from {MESSAGES} where tenant_id = %(tenant)s and not shadow and status in ('sent', 'delivered', 'unknown')
  and sent_at >= %(since)s and sent_at < %(until)s and not coalesce((data->>'reply')::boolean, false)
order by sent_at"""


def grouped(history: History) -> dict[int | str, list[Event]]:
    """The events of each customer, and of each address that wrote to us, in the order of time."""
    found: dict[int | str, list[Event]] = defaultdict(list)
    for event in history.events:
        said = event.data.get("customer_ids") or ()
        customer = history.customer_of(event)
        for each in {*said, *((customer,) if customer is not None else ()), *senders(event)}:
            found[each].append(event)
    return found


def senders(event: Event) -> tuple[str, ...]:
    """The address that a message came from."""
    sender = event.data.get("sender")
    return (sender,) if sender else ()
