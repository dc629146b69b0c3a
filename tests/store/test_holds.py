"""What waits for a person."""

from psycopg.types.json import Jsonb

from perfectcatch.store.holds import Waiting, open_holds, release, waiting
from perfectcatch.store.pool import Pool, transaction


async def test_holds_are_listed_until_somebody_decides(declared_pool: Pool) -> None:
    async with transaction(declared_pool) as connection:
        for tenant, entity, ids in ((1, "people", [3, 4]), (1, "jobs", []), (2, "people", [9])):
            await connection.execute(
                "insert into servicetitan.sync_holds (tenant_id, entity, kind, found, total, detail) "
                "values (%s, %s, 'deletions', 2, 3, %s)",
                (tenant, entity, Jsonb({"first_ids": ids} if ids else None)),
            )
    assert {hold.entity: hold.first_ids for hold in await open_holds(declared_pool, 1)} == {
        "people": [3, 4],
        "jobs": [],
    }
    async with transaction(declared_pool) as connection:
        assert await release(connection, 1, "people", "looked at") == 1
        assert await release(connection, 1, "people", "again") == 0
    assert [hold.entity for hold in await open_holds(declared_pool, 1)] == ["jobs"]
    assert len(await open_holds(declared_pool, 2)) == 1
    assert await waiting(declared_pool, 1) == {"jobs": Waiting("jobs", 0, 1)}
