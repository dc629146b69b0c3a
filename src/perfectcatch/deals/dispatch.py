"""Events become customers to look at; the place in the events and what it led to commit together."""

from collections.abc import Iterator, Mapping
from typing import Final

from perfectcatch.deals.desk import Deals
from perfectcatch.model.deals import Part
from perfectcatch.store import events, state
from perfectcatch.store.deals import facts, queue
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.events import Event, Place
from perfectcatch.store.pool import Connection, transaction

PLACE: Final = "deals_place"
BATCH: Final = 500
# Whose events matter, by what is switched on.
PARTS: Final[Mapping[str, Part]] = {
    "customers": Part.CUSTOMERS,
    "calls": Part.CUSTOMERS,
    "messages": Part.CUSTOMERS,
    "jobs": Part.JOBS,
    "appointments": Part.JOBS,
    "appointment_assignments": Part.JOBS,
    "invoices": Part.JOBS,
    "estimates": Part.ESTIMATES,
}


async def dispatch(deals: Deals, *, limit: int = BATCH) -> int | None:
    """Deal with the next events; how many were read. None: somebody else is at it, or there are none."""
    async with transaction(deals.pool) as connection:
        place = await _place(deals, connection)
        if place is None:
            return None
        found, reached = await events.after(deals.pool, deals.tenant_id, place, limit=limit)
        if not found:
            if reached.id != place.id:
                await state.put(connection, deals.tenant_id, PLACE, str(reached))
            return None
        about = [event for event in found if PARTS.get(event.entity) in deals.parts]
        keys = {(event.entity, event.st_id) for event in about}
        owners = await facts.owners(connection, deals.tenant_id, deals.entities, keys)
        marks = [mark for event in about for mark in _marks(event, owners)]
        await queue.want(connection, deals.tenant_id, marks)
        await state.put(connection, deals.tenant_id, PLACE, str(reached))
    return len(found)


async def settle(deals: Deals) -> int:
    """Deal with all events that are there; how many were read."""
    read = 0
    while (done := await dispatch(deals)) is not None:
        read += done
    return read


def _marks(event: Event, owners: Mapping[tuple[str, int], int]) -> Iterator[Mark]:
    listed = event.data.get("customer_ids")
    owner = event.data.get("customer_id") or owners.get((event.entity, event.st_id))
    customers = listed if isinstance(listed, list) else [owner] if owner is not None else []
    for customer_id in customers:
        yield Mark(customer_id=int(customer_id), reason=event.event_type, event_id=event.id)


async def _place(deals: Deals, connection: Connection) -> Place | None:
    """Where the last batch ended, under the lock of the one who dispatches; the first begins now."""
    got = await connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended('dispatch deals', %s))", (deals.tenant_id,)
    )
    if await got.fetchone() != (True,):
        return None
    kept = (await state.get(deals.pool, deals.tenant_id, PLACE)).get(PLACE)
    if kept is not None:
        return Place.parse(kept)
    place = await events.here(deals.pool, deals.tenant_id)
    await state.put(connection, deals.tenant_id, PLACE, str(place))
    return place
