"""Records that another program hands us in the vendor's shape, merged as if we had read them ourselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from perfectcatch.errors import BadArgument
from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity
from perfectcatch.store import state
from perfectcatch.store.merging import merged, mirror, quarantine
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.sync.place import key
from perfectcatch.sync.work import NEWS

_WORDS = {"n": "created", "c": "updated", "u": "unchanged", "s": "unchanged", "o": "older"}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a record: created, updated, unchanged, older (than ours) or quarantined."""

    entity: str
    st_id: int
    result: str
    reason: str | None = None


async def offer(
    pool: Pool,
    tenant_id: int,
    entities: Mapping[str, Entity],
    name: str,
    records: Mapping[int, Document],
    now: datetime,
) -> list[Result]:
    """Merge records of the entity ``name``, by id, in one transaction.

    What they tell is history until the first load of the entity is complete, and when it is older than a
    week. Raises ``BadArgument`` when a record refers to what decides about an event and is not here.
    """
    entity = entities[name]
    loaded = await state.get(pool, tenant_id, key(entity, "first_load"))
    kinds: dict[int, str] = {}

    async def note(connection: Connection, outcome: Outcome) -> None:
        kinds.clear()
        found = await connection.execute("select st_id, kind::text from plan")
        kinds.update(dict(await found.fetchall()))
        if outcome.updated:
            await merged.note_page(connection, tenant_id, entity)

    batch = Batch(
        tenant_id=tenant_id,
        entity=entity,
        entities=entities,
        records=list(records.values()),
        historical=not loaded,
        past_before=now - NEWS,
        settle=True,
    )
    try:
        await mirror.merge(pool, batch, note)
    except mirror.Unsettled as missing:
        raise BadArgument(
            f"One of these {name} refers to one of {', '.join(missing.entities)} that is not in the mirror: "
            "run `perfectcatch sync reference`, then send it again."
        ) from missing
    return await _results(pool, tenant_id, entity, list(records), kinds)


async def _results(
    pool: Pool, tenant_id: int, entity: Entity, ids: Sequence[int], kinds: Mapping[int, str]
) -> list[Result]:
    others = [st_id for st_id in ids if st_id not in kinds]
    reasons = await quarantine.reasons(pool, tenant_id, entity.name, others) if others else {}
    return [
        Result(entity.name, st_id, _WORDS[kinds[st_id]])
        if st_id in kinds
        else Result(entity.name, st_id, "quarantined", reasons.get(st_id, "It cannot be stored."))
        for st_id in ids
    ]
