"""E2: a thousandth of the events cannot be dealt with; their neighbours start as if it were not so."""

import json
import time
from typing import Any

import psycopg
import pytest
from floor import Floor
from test_poison import waiting

from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch
from perfectcatch.store.workflows import letters
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows.running import dispatch, persons, starting
from perfectcatch.workflows.running.trying import EVENT_TRIES, try_event

NOTE = """
name: note
does: Has each new job looked at.
class: service
trigger: {on: [job_created]}
key: "'job-' + string(job.id)"
stop_rules: [gone]
steps:
  - {id: look, kind: task, title: "Look at {{ job.id }}"}
"""


async def jobs(floor: Floor, first: int, size: int) -> None:
    dates = {"createdOn": "2026-06-01T00:00:00Z", "modifiedOn": "2026-06-01T00:00:00Z"}
    ids = range(first, first + size)
    for at in range(0, size, 500):
        documents = [
            json.dumps(
                {"id": each, "jobNumber": str(each), "jobStatus": "Scheduled", "active": True, **dates}
            )
            for each in ids[at : at + 500]
        ]
        batch = Batch(
            tenant_id=floor.tenant, entity=BY_NAME["jobs"], entities=BY_NAME,
            records=[each.encode() for each in documents],
        )  # fmt: skip
        await mirror.merge(floor.workshop.pool, batch)


class Meter:
    """Counts what is asked of the database, which is the same on every machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements = 0
        execute = psycopg.AsyncCursor.execute

        async def counted(cursor: Any, *args: Any, **more: Any) -> Any:
            self.statements += 1
            return await execute(cursor, *args, **more)

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)


async def drained(floor: Floor, meter: Meter, expected: int) -> list[tuple[float, int]]:
    """For each started instance, in their order: seconds and statements until it was there."""
    began, before, delays = time.perf_counter(), meter.statements, []
    while (done := await dispatch.dispatch(floor.workshop)) is not None:
        told = time.perf_counter() - began, meter.statements - before
        delays += [told] * done.started
    assert len(delays) == expected
    return delays


def late(delays: list[tuple[float, int]]) -> tuple[float, int]:
    """The delay that one of a hundred exceeds."""
    return delays[len(delays) * 99 // 100 - 1]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("size", "bad"), [(1_000, 4), pytest.param(20_000, 20, marks=pytest.mark.reliability)]
)
async def test_poison_keeps_no_neighbour_waiting(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, size: int, bad: int
) -> None:
    await floor.enable(NOTE)
    await floor.begin()
    meter = Meter(monkeypatch)
    await jobs(floor, 100_000, size)
    healthy = late(await drained(floor, meter, size))
    poisoned = {200_000 + number * (size // bad) + 7 for number in range(bad)}
    key_of, cured = starting.key_of, False

    def broken(definition: Any, records: Any) -> str:
        if records["event"]["id"] in poisoned and not cured:
            raise ZeroDivisionError(f"job {records['event']['id']}")
        return key_of(definition, records)

    for room in (dispatch, starting):
        monkeypatch.setattr(room, "key_of", broken)
    await jobs(floor, 200_000, size)
    ill = late(await drained(floor, meter, size - bad))
    assert ill[1] <= 2 * healthy[1]

    tried = 0
    while found := await waiting(floor):
        tried += len(found)
        floor.counter.clock.advance(61)
        for each in found:
            await try_event(floor.workshop, each["event_id"], each["attempt"])
    assert tried == bad * (EVENT_TRIES - 1)
    aside = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert sorted(each.error for each in aside) == sorted(
        f"ZeroDivisionError: job {each}" for each in poisoned
    )
    assert {each.attempts for each in aside} == {EVENT_TRIES}
    cured = True
    for each in aside:
        await persons.redrive(floor.workshop, each.id, by="test")
    await floor.run(limit=10 * bad)
    assert len(await floor.instances("id")) == 2 * size
    titles = await floor.counter.rows(
        "select count(*), count(distinct title) from automation.tasks where tenant_id = %s", floor.tenant
    )
    assert titles == [(2 * size, 2 * size)]
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []
