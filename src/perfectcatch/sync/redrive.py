"""Trying again what was put into quarantine, after a declaration or the vendor's data has been mended."""

from collections.abc import Mapping

from perfectcatch.model.entity import Entity
from perfectcatch.store.merging import mirror, quarantine
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Connection, Pool


async def redrive(
    pool: Pool, tenant_id: int, entities: Mapping[str, Entity], only: str | None = None
) -> dict[str, int]:
    """Merge what waits in quarantine once more, as history. Returns ``stored`` and ``still_held``.

    A record that is older than what the mirror has by now is closed as well: it has been overtaken.
    """
    stored = still_held = after = 0
    while page := await quarantine.waiting(pool, tenant_id, only, after=after):
        for held in page:
            if held.entity not in entities:
                still_held += 1
                continue
            outcome = await _try(pool, tenant_id, entities, held)
            stored += not outcome.quarantined
            still_held += outcome.quarantined
        after = page[-1].id
    return {"stored": stored, "still_held": still_held}


async def _try(pool: Pool, tenant_id: int, entities: Mapping[str, Entity], held: quarantine.Held) -> Outcome:
    async def close(connection: Connection, outcome: Outcome) -> None:
        if not outcome.quarantined:
            await quarantine.resolve(connection, tenant_id, [held.id], "stored by a redrive")

    batch = Batch(
        tenant_id=tenant_id,
        entity=entities[held.entity],
        entities=entities,
        records=[held.raw],
        historical=True,
    )
    return await mirror.merge(pool, batch, close)
