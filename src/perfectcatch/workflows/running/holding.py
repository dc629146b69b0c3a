"""The records that a clock's moment is about: those that fulfil the condition of the trigger."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from perfectcatch.errors import StatementStopped, Undecidable
from perfectcatch.model.entity import Entity
from perfectcatch.store.events import Event
from perfectcatch.store.workflows import records as keys
from perfectcatch.workflows import bundle as rows
from perfectcatch.workflows import expressions, sieve
from perfectcatch.workflows.records import Beside, at_hand
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.workshop import Workshop

CHUNK: Final = 200  # records whose customers are read together
CLOCK: Final = "clock"


def clock_event(entity: str, st_id: int, moment: datetime) -> Event:
    """What a clock's moment is to a workflow: an event of one record, or of none."""
    return Event(
        id=0,
        event_type=CLOCK,
        entity=entity,
        st_id=st_id,
        version=moment.isoformat(),
        occurred_at=moment,
        recorded_at=moment,
        historical=False,
        data={},
    )


async def holding(
    workshop: Workshop, active: Active, entity: str, moment: datetime
) -> AsyncGenerator[Sequence[int], None]:
    """Ids of the records that fulfil the trigger's condition, some at a time. Raises StatementStopped."""
    after, kind, now = 0, workshop.entities[entity], workshop.clock.now()
    narrowed = sieve.narrowed(active.definition, kind, now)
    while True:
        try:
            ids = await _ids(workshop, kind, after, narrowed)
        except StatementStopped:
            if not narrowed:
                raise
            narrowed = []  # few pass, and the database went through all of them: a page of any is a short one
            continue
        if not ids:
            return
        after = ids[-1]
        yield await _those(workshop, active, [(entity, st_id) for st_id in ids], moment, now)


async def _ids(workshop: Workshop, kind: Entity, after: int, narrowed: Sequence[keys.Narrowing]) -> list[int]:
    async with workshop.pool.connection() as connection:
        return await keys.live(
            connection, workshop.tenant_id, kind, after=after, limit=CHUNK, narrowed=narrowed
        )


async def _those(
    workshop: Workshop, active: Active, own: Sequence[rows.Key], moment: datetime, now: datetime
) -> Sequence[int]:
    """Those of the records that fulfil the condition, or of which that cannot be told."""
    try:
        found, names, owners = await _read(workshop, own)
    except StatementStopped:
        if len(own) == 1:
            return [own[0][1]]  # it shows again where it would start, and is noted there
        half = len(own) // 2
        first = await _those(workshop, active, own[:half], moment, now)
        return [*first, *await _those(workshop, active, own[half:], moment, now)]
    return [
        key[1] for key in own if _is_one(workshop, active, key, found, names, owners.get(key), moment, now)
    ]


async def _read(
    workshop: Workshop, own: Sequence[rows.Key]
) -> tuple[rows.Present, rows.Names, dict[rows.Key, int]]:
    """The records with everything of their customers."""
    async with workshop.pool.connection() as connection:
        owners = await rows.owners(connection, workshop.tenant_id, workshop.entities, own)
        if own[0][0] == "customers":
            owners = {key: key[1] for key in own}
        found = await rows.present(
            connection, workshop.tenant_id, workshop.entities, set(owners.values()), own
        )
        return found, await hand.names_of(workshop, connection), owners


def _is_one(
    workshop: Workshop,
    active: Active,
    key: rows.Key,
    found: rows.Present,
    names: rows.Names,
    customer_id: int | None,
    moment: datetime,
    now: datetime,
) -> bool:
    try:
        records = at_hand(
            found.of(customer_id, [key]),
            names,
            clock_event(*key, moment),
            customer_id,
            now=now,
            company=workshop.company,
            beside=Beside(settings=active.definition.settings),
        )
        return _holds(active, records)
    except Exception:  # noqa: BLE001 - it shows again where it would start, and is noted there
        return True


def _holds(active: Active, records: Mapping[str, Any]) -> bool:
    try:
        return expressions.holds(active.definition.trigger.where, records)
    except Undecidable:
        return False
