"""The records at hand for a trigger or an instance, as the mirror has them now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from perfectcatch.store import events
from perfectcatch.store.events import Event
from perfectcatch.store.messages.people import heard_from
from perfectcatch.store.names import EVENTS
from perfectcatch.store.pool import Connection
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import bundle as rows
from perfectcatch.workflows.bundle import Bundle, Names
from perfectcatch.workflows.records import Beside, at_hand
from perfectcatch.workflows.running.workshop import Workshop
from perfectcatch.workflows.views import MOST_LISTED

_NAMES_SECONDS = 60.0
_names: dict[int, tuple[float, Names]] = {}


async def names_of(workshop: Workshop, connection: Connection) -> Names:
    """What ids of the company's own lists mean; at most a minute old."""
    now = workshop.clock.monotonic()
    known = _names.get(id(workshop.pool))
    if known is None or now - known[0] > _NAMES_SECONDS:
        known = now, await rows.names(connection, workshop.tenant_id, workshop.entities)
        _names[id(workshop.pool)] = known
    return known[1]


async def of_event(
    workshop: Workshop, connection: Connection, event: Event, settings: Mapping[str, Any]
) -> tuple[int | None, Mapping[str, Any]]:
    """The customer that an event is about, and everything at hand for a start."""
    customer_id = await owner_of(workshop, connection, event)
    bundle = await rows.present(
        connection, workshop.tenant_id, workshop.entities, customer_id, [(event.entity, event.st_id)]
    )
    return customer_id, await _at_hand(
        workshop, connection, bundle, event, customer_id, Beside(settings=settings)
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
) -> Mapping[str, Any]:
    """Everything at hand for an instance; ``happening`` is the id of the event that woke it."""
    event = trigger_of(instance)
    bundle = await rows.present(
        connection,
        workshop.tenant_id,
        workshop.entities,
        instance.customer_id,
        [(event.entity, event.st_id)] if event.entity else [],
    )
    keys = bundle.keys()
    if instance.customer_id is not None:
        keys.add(("customers", instance.customer_id))
        keys |= await heard_from(connection, workshop.tenant_id, instance.customer_id, event.recorded_at)
    # From the trigger on, by the clock that events are written with: workers' clocks may differ.
    happened = await _happened(workshop, connection, keys, event.recorded_at)
    woken = [each for each in happened if each.id == happening]
    beside = Beside(
        instance_id=instance.id,
        started_at=instance.started_at,
        taken_over=instance.taken_over,
        results=instance.results,
        settings=settings,
        happened=happened,
        happening=woken[0] if woken else None,
    )
    return await _at_hand(workshop, connection, bundle, event, instance.customer_id, beside)


async def _at_hand(
    workshop: Workshop,
    connection: Connection,
    bundle: Bundle,
    event: Event,
    customer_id: int | None,
    beside: Beside,
) -> Mapping[str, Any]:
    return at_hand(
        bundle,
        await names_of(workshop, connection),
        event,
        customer_id,
        now=workshop.clock.now(),
        company=workshop.company,
        beside=beside,
    )


async def _happened(
    workshop: Workshop, connection: Connection, keys: set[tuple[str, int]], since: datetime
) -> Sequence[Event]:
    """Events of these records since the trigger, the newest first."""
    if not keys:
        return []
    entities, ids = zip(*sorted(keys), strict=True)
    found = await connection.execute(
        f"""
        select e.id, e.event_type, e.entity, e.st_id, e.version, e.occurred_at, e.recorded_at, e.historical,
          e.data
        from unnest(%(entities)s::text[], %(ids)s::bigint[]) as mine(entity, st_id)
        join {EVENTS} e on e.tenant_id = %(tenant)s and e.entity = mine.entity and e.st_id = mine.st_id
        where e.recorded_at >= %(since)s and not e.historical order by e.id desc limit {MOST_LISTED}
        """,
        {"entities": list(entities), "ids": list(ids), "tenant": workshop.tenant_id, "since": since},
    )
    return [Event(*row) for row in await found.fetchall()]


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


def told_of(event: events.Event, occasion: str) -> Mapping[str, Any]:
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
