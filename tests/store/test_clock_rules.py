"""Events that time causes, beside a model that remembers each stage that ever passed while it was owed."""

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from declared import ENTITIES, JOBS, document, encoded

from perfectcatch.store import state
from perfectcatch.store.merging import clock_rules, mirror
from perfectcatch.store.merging.mirror import Batch
from perfectcatch.store.pool import Pool

TENANT, RECORDS, STAGES = 7, 6, (0, 7, 30)
ZONE = ZoneInfo("America/New_York")
BEGIN = datetime(2026, 2, 1, 12, tzinfo=UTC)


def passed(due: date, now: datetime) -> set[int]:
    """The stages of a day that have passed: a day ends at the company's midnight."""
    ends = [(days, datetime.combine(due + timedelta(days=1 + days), time(), ZONE)) for days in STAGES]
    return {days for days, end in ends if end <= now}


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_each_stage_is_told_of_once(declared_pool: Pool, seed: int) -> None:
    """Due dates move, balances are paid and owed again, and nobody looks for days or weeks."""
    draw, now = random.Random(seed), BEGIN
    due = {st_id: BEGIN.date() for st_id in range(1, RECORDS + 1)}
    owed = dict.fromkeys(due, False)
    told: dict[tuple[int, int], bool] = {}  # whether it reached people
    async with declared_pool.connection() as connection:
        await state.put(connection, TENANT, "jobs_first_load", {"completed_at": BEGIN.isoformat()})
    for _ in range(60):
        st_id = draw.randrange(1, RECORDS + 1)
        due[st_id] += timedelta(days=draw.randrange(-20, 30))
        owed[st_id] = draw.random() < 0.7
        changed = document(
            st_id,
            dueDate=f"{due[st_id]}T00:00:00Z",
            balance=5 if owed[st_id] else 0,
            total=5,
            modifiedOn=now.isoformat(),
        )
        batch = Batch(tenant_id=TENANT, entity=JOBS, entities=ENTITIES, records=encoded(changed))
        await mirror.merge(declared_pool, batch)
        now += timedelta(hours=draw.choice((1, 20, 100, 400)))
        await clock_rules.evaluate(declared_pool, TENANT, ENTITIES, now=now, zone=ZONE.key)
        for each, day in due.items():
            here = passed(day, now) if owed[each] else set()
            for days in here - {days for st_id, days in told if st_id == each}:
                end = datetime.combine(day + timedelta(days=1 + days), time(), ZONE)
                told[each, days] = days == max(here) and end >= BEGIN
    async with declared_pool.connection() as connection:
        found = await connection.execute(
            "select st_id, (data->>'stage_days')::integer, not historical from automation.events "
            "where event_type = 'job_overdue'"
        )
        events = await found.fetchall()
    assert len(events) == len({(st_id, days) for st_id, days, _ in events})
    assert {(st_id, days): live for st_id, days, live in events} == told
    assert {days for _, days in told} == set(STAGES)
