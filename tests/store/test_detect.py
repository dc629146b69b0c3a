"""The statement that PostgreSQL runs means the same as the pure function of the rule."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from declared import ENTITIES, JOBS, document, encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfectcatch.model.event import fires
from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch
from perfectcatch.store.pool import Pool

TENANT = 3
UNITS = {1: "Service", 2: "Pool Install", 3: "INSTALLATIONS"}

values = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["Open", "Completed", "Hold", None]),
        "customerId": st.sampled_from([1, 2, None]),
        "unitId": st.sampled_from([1, 2, 3, 4, None]),
        "total": st.sampled_from(["0.00", "10.00", 10, None]),
        "balance": st.sampled_from(["0.00", "5.00", -1, None]),
    }
)


def converted(record: dict[str, Any]) -> dict[str, Any]:
    """The columns of a record, as the declaration converts them."""
    return {
        "status": record["status"],
        "customer_id": record["customerId"],
        "unit_id": record["unitId"],
        "total": None if record["total"] is None else Decimal(record["total"]),
        "balance": None if record["balance"] is None else Decimal(record["balance"]),
    }


@pytest.fixture
async def pool(declared_pool: Pool) -> Pool:
    units = [document(st_id, name=name) for st_id, name in UNITS.items()]
    await mirror.merge(
        declared_pool,
        Batch(tenant_id=TENANT, entity=ENTITIES["units"], entities=ENTITIES, records=encoded(*units)),
    )
    return declared_pool


counter = iter(range(1, 10**9))


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(versions=st.lists(values, min_size=1, max_size=5))
async def test_detection_equals_its_definition(pool: Pool, versions: list[dict[str, Any]]) -> None:
    st_id = next(counter)
    look_up = {("units", key): {"name": name} for key, name in UNITS.items()}
    before: dict[str, Any] | None = None
    expected: list[str] = []
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for version in versions:
        after = converted(version)
        expected += sorted(
            rule.event_type
            for rule in JOBS.transitions
            if fires(rule, before, after, look_up) and (rule.about is None or after[rule.about] is not None)
        )
        moment += timedelta(minutes=1)
        record = document(st_id, **version, modifiedOn=moment.isoformat())
        batch = Batch(tenant_id=TENANT, entity=JOBS, entities=ENTITIES, records=encoded(record))
        await mirror.merge(pool, batch)
        before = after
    async with pool.connection() as connection:
        found = await connection.execute(
            "select event_type from automation.events where (entity = 'jobs' and st_id = %(id)s) "
            "or (entity = 'customers' and version like '%%/jobs/' || %(id)s) "
            "order by split_part(version, '/', 2)::int, event_type",
            {"id": st_id},
        )
        assert [row[0] for row in await found.fetchall()] == expected
