"""Workflows that a clock starts for each record, and the sieve that keeps most records unread."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from floor import Floor
from test_instances import customer

from perfectcatch.store.workflows import records
from perfectcatch.store.workflows.records import Narrowing
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows.definitions import parse
from perfectcatch.workflows.running import ticks
from perfectcatch.workflows.sieve import narrowed

REHASH = """
name: rehash
does: Looks at open estimates each day.
class: service
trigger:
  clock: "0 9 * * *"
  each: estimates
  where: >-
    estimate.status in ['Open', "Dismissed"] && estimate.subtotal >= 100
    && estimate.created_on < now - duration('24h') && estimate.name != 'Old'
    && (estimate.subtotal < 5000 || estimate.name == null) && estimate.options == 1
key: "'estimate-' + string(estimate.id)"
max_concurrent_per_customer: 99
stop_rules: [gone]
steps:
  - {id: call, kind: task, title: "Call about {{ estimate.id }}"}
"""


def of_where(where: str, now: datetime) -> list[Narrowing]:
    before, _, after = REHASH.partition("  where: >-")
    text = f"{before}  where: >-\n    {where}\nkey:{after.partition('key:')[2]}"
    return narrowed(parse(text), BY_NAME["estimates"], now)


def test_only_what_is_certain_is_asked_of_the_database() -> None:
    now = datetime.fromisoformat("2026-06-10T18:00:00+00:00")
    assert narrowed(parse(REHASH), BY_NAME["estimates"], now) == [
        Narrowing("status", "in", ["Open", "Dismissed"]),
        Narrowing("subtotal", ">=", 100.0),
        Narrowing("st_created_on", "<", now - timedelta(hours=24)),
        Narrowing("name", "!=", "Old"),
    ]


@pytest.mark.parametrize(
    "where",
    [
        "estimate.status == 'Open' || estimate.subtotal > 5",
        "!(estimate.status == 'Open')",
        "estimate.status > 'Open'",
        "estimate.subtotal == 'Open'",
        "estimate.status == 5",
        "estimate.total > 5",
        "estimate.value > 5",
        "job.job_status == 'Completed'",
        "estimate.sold_on == null",
        "estimate.status == estimate.name",
        "estimate.status == 'Open' ? true : false",
        "estimate.status in settings.these",
        "estimate.created_on < now - duration('90m')",
        "5 < estimate.subtotal",
    ],
)
def test_what_may_mean_something_else_is_left_to_the_condition(where: str) -> None:
    assert of_where(where, datetime.fromisoformat("2026-06-10T18:00:00+00:00")) == []


async def estimates(floor: Floor, *records: dict[str, Any]) -> None:
    for each in records:
        await floor.counter.merge(
            "estimates",
            {
                "jobId": None,
                "customerId": 7,
                "locationId": 1,
                "status": {"value": 0, "name": "Open"},
                "subtotal": 900,
                "tax": 0,
                "active": True,
                "createdOn": "2026-06-01T00:00:00Z",
                "modifiedOn": "2026-06-01T00:00:00Z",
                **each,
            },
        )


async def test_a_tick_starts_what_fulfils_the_condition_and_reads_little_else(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer(floor)
    await floor.enable(REHASH)
    await ticks.tick(floor.workshop)
    await estimates(
        floor,
        {"id": 21},
        {"id": 22, "status": {"value": 2, "name": "Dismissed"}, "name": "New"},
        {"id": 23, "status": {"value": 1, "name": "Sold"}},
        {"id": 24, "subtotal": 99.99},
        {"id": 25, "createdOn": "2026-06-11T14:00:00Z"},
        {"id": 26, "name": "Old"},
        {"id": 27, "subtotal": 100},
        {"id": 28, "subtotal": 6000, "name": "New"},
        {"id": 29, "subtotal": 6000},
    )
    real, looked = records.live, []

    async def live(*given: Any, **named: Any) -> list[int]:
        looked.extend(await real(*given, **named))
        return looked if named["after"] == 0 else []

    monkeypatch.setattr(records, "live", live)
    floor.counter.clock.advance(24 * 3600)
    assert await ticks.tick(floor.workshop) == 4
    assert looked == [21, 22, 27, 28, 29]
    assert await ticks.tick(floor.workshop) == 0
    await floor.run()
    titles = await floor.counter.rows(
        "select title from automation.tasks where tenant_id = %s order by 1", floor.tenant
    )
    assert [title for (title,) in titles] == [f"Call about {n}" for n in (21, 22, 27, 29)]
