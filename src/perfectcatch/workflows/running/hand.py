"""The records at hand for a trigger or an instance, as the mirror has them now."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from perfectcatch.store import events
from perfectcatch.store.events import Event
from perfectcatch.store.names import EVENTS
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.store.workflows.hearing import heard
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import bundle as rows
from perfectcatch.workflows.bundle import Bundle, Names, Present
from perfectcatch.workflows.records import Beside, Records, at_hand
from perfectcatch.workflows.running.workshop import Workshop
from perfectcatch.workflows.views import MOST_LISTED

_NAMES_SECONDS = 60.0
_names: WeakKeyDictionary[Pool, dict[int, tuple[float, Names]]] = WeakKeyDictionary()


async def names_of(workshop: Workshop, connection: Connection) -> Names:
    """What ids of the company's own lists mean; at most a minute old."""
    now = workshop.clock.monotonic()
    kept = _names.setdefault(workshop.pool, {})
    known = kept.get(workshop.tenant_id)
    if known is None or now - known[0] > _NAMES_SECONDS:
        known = now, await rows.names(connection, workshop.tenant_id, workshop.entities)
        kept[workshop.tenant_id] = known
    return known[1]


async def of_event(
    workshop: Workshop, connection: Connection, event: Event, settings: Mapping[str, Any]
) -> tuple[int | None, Records]:
    """The customer that an event is about, and everything at hand for a start."""
    customer_id = await owner_of(workshop, connection, event)
    key = (event.entity, event.st_id)
    found = await rows.present(connection, workshop.tenant_id, workshop.entities, _listed(customer_id), [key])
    names = await names_of(workshop, connection)
    return customer_id, of_start(workshop, found.of(customer_id, [key]), names, event, customer_id, settings)


def of_start(
    workshop: Workshop,
    bundle: Bundle,
    names: Names,
    event: Event,
    customer_id: int | None,
    settings: Mapping[str, Any],
) -> Records:
    """Everything at hand for a start, from what was read."""
    return at_hand(
        bundle,
        names,
        event,
        customer_id,
        now=workshop.clock.now(),
        company=workshop.company,
        beside=Beside(settings=settings),
    )


async def owner_of(workshop: Workshop, connection: Connection, event: Event) -> int | None:
    """The customer that an event is about; None also where it may be one of several."""
    key = (event.entity, event.st_id)
    owners = await rows.owners(connection, workshop.tenant_id, workshop.entities, [key])
    found = owners_of(event, owners)
    return found[0] if len(found) == 1 else None


def owners_of(event: Event, owners: Mapping[tuple[str, int], int]) -> list[int]:
    """The customers that an event is about; a telephone may be that of several."""
    if (listed := event.data.get("customer_ids")) is not None:
        return [int(each) for each in listed]
    if (named := event.data.get("customer_id")) is not None:
        return [int(named)]
    if event.entity == "customers":
        return [event.st_id]
    owner = owners.get((event.entity, event.st_id))
    return [] if owner is None else [owner]


async def of_instance(
    workshop: Workshop,
    connection: Connection,
    instance: Instance,
    settings: Mapping[str, Any],
    happening: int | None = None,
) -> Records:
    """Everything at hand for an instance; ``happening`` is the id of the event that woke it."""
    event = trigger_of(instance)
    also = [(event.entity, event.st_id)] if event.entity else []
    found = await rows.present(
        connection, workshop.tenant_id, workshop.entities, _listed(instance.customer_id), also
    )
    names = await names_of(workshop, connection)
    [records] = await of_instances(
        workshop, connection, found, names, [(instance, event, settings)], happening
    )
    return records


async def of_instances(
    workshop: Workshop,
    connection: Connection,
    found: Present,
    names: Names,
    wanted: Sequence[tuple[Instance, Event, Mapping[str, Any]]],
    happening: int | None = None,
) -> list[Records]:
    """Everything at hand for each instance, with its trigger and the settings of its definition."""
    bundles = [
        found.of(instance.customer_id, [(event.entity, event.st_id)] if event.entity else [])
        for instance, event, _ in wanted
    ]
    happened = await _happened(workshop, connection, wanted, bundles)
    return [
        at_hand(
            bundle,
            names,
            event,
            instance.customer_id,
            now=workshop.clock.now(),
            company=workshop.company,
            beside=Beside(
                instance_id=instance.id,
                started_at=instance.started_at,
                taken_over=instance.taken_over,
                results=instance.results,
                settings=settings,
                happened=since,
                happening=next((each for each in since if each.id == happening), None),
            ),
        )
        for (instance, event, settings), bundle, since in zip(wanted, bundles, happened, strict=True)
    ]


async def _happened(
    workshop: Workshop,
    connection: Connection,
    wanted: Sequence[tuple[Instance, Event, Mapping[str, Any]]],
    bundles: Sequence[Bundle],
) -> list[list[Event]]:
    """Events of the records of each instance, the newest first.

    They count from its trigger on, by the clock that events are written with: workers' clocks may differ.
    """
    customers = {each.customer_id for each, *_ in wanted if each.customer_id is not None}
    from_customer: dict[int, set[tuple[str, int]]] = defaultdict(set)
    by_address: dict[int, set[tuple[str, int]]] = defaultdict(set)
    if wanted:
        told = await heard(
            connection,
            workshop.tenant_id,
            customers=customers,
            instances=[each.id for each, *_ in wanted],
            since=min(event.recorded_at for _, event, _ in wanted),
        )
        for key, theirs, instance_id in told:
            for customer_id in theirs:
                from_customer[customer_id].add(key)
            if instance_id is not None:
                by_address[instance_id].add(key)
    asked: list[tuple[int, str, int, datetime]] = []
    for number, ((instance, event, _), bundle) in enumerate(zip(wanted, bundles, strict=True)):
        keys = bundle.keys() | by_address[instance.id]
        if instance.customer_id is not None:
            keys |= {("customers", instance.customer_id), *from_customer[instance.customer_id]}
        asked += [(number, *key, event.recorded_at) for key in sorted(keys)]
    happened: list[list[Event]] = [[] for _ in wanted]
    if not asked:
        return happened
    numbers, entities, ids, since = zip(*asked, strict=True)
    found = await connection.execute(
        f"""
        select * from (
          select mine.number, e.id, e.event_type, e.entity, e.st_id, e.version, e.occurred_at, e.recorded_at,
            e.historical, e.data, row_number() over (partition by mine.number order by e.id desc) as place
          from unnest(%(numbers)s::int[], %(entities)s::text[], %(ids)s::bigint[], %(since)s::timestamptz[])
            as mine(number, entity, st_id, since)
          join {EVENTS} e on e.tenant_id = %(tenant)s and e.entity = mine.entity and e.st_id = mine.st_id
          where e.recorded_at >= mine.since and not e.historical
        ) e where place <= {MOST_LISTED} order by number, id desc
        """,
        {
            "numbers": list(numbers),
            "entities": list(entities),
            "ids": list(ids),
            "since": list(since),
            "tenant": workshop.tenant_id,
        },
    )
    for number, *row, _ in await found.fetchall():
        happened[number].append(Event(*row))
    return happened


def _listed(customer_id: int | None) -> list[int]:
    return [] if customer_id is None else [customer_id]


def trigger_of(instance: Instance) -> Event:
    """The event that started an instance, whichever way that was."""
    told = instance.trigger
    return Event(
        id=told["id"],
        event_type=told["event_type"],
        entity=told["entity"],
        st_id=told["st_id"],
        version=told["version"],
        occurred_at=datetime.fromisoformat(told["occurred_at"]),
        recorded_at=datetime.fromisoformat(told["recorded_at"]),
        historical=False,
        data=told["data"],
    )


def told_of(event: events.Event, occasion: str) -> dict[str, Any]:
    """What an instance keeps of its trigger. ``occasion`` names it among all triggers of a workflow."""
    return {
        "id": event.id,
        "event_type": event.event_type,
        "entity": event.entity,
        "st_id": event.st_id,
        "version": event.version,
        "occurred_at": event.occurred_at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "data": event.data,
        "occasion": occasion,
    }
