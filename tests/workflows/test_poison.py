"""Events that cannot be dealt with: a few tries, then a dead letter, and nobody else waits (F27, E2)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from floor import Floor, with_roles
from test_instances import THANKS, customer, job, texts

from perfectcatch.errors import Refused, VendorUnavailable
from perfectcatch.store import events
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import letters
from perfectcatch.workflows.running import dispatch, persons, starting
from perfectcatch.workflows.running.catalogue import Catalogue
from perfectcatch.workflows.running.trying import EVENT_TRIES, TRY_EVENT, try_event

OTHER = THANKS.replace("name: thanks", "name: other").replace("thank you", "well done")


class Poison:
    """Breaks the start of one workflow for some jobs, as long as it is not cured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, workflow: str, *jobs: int) -> None:
        self.jobs, self.workflow, self.tries = set(jobs), workflow, 0
        key_of = starting.key_of

        def broken(definition: Any, records: Any) -> str:
            if definition.name == self.workflow and records["event"]["id"] in self.jobs:
                self.tries += 1
                raise ZeroDivisionError(f"job {records['event']['id']}")
            return key_of(definition, records)

        for room in (dispatch, starting):
            monkeypatch.setattr(room, "key_of", broken)


async def waiting(floor: Floor) -> list[dict[str, Any]]:
    """Take the tries that wait out of the queue."""
    rows = await floor.counter.rows(
        "delete from procrastinate_jobs j using automation.events e where j.task_name = %s"
        " and j.status = 'todo' and e.tenant_id = %s and e.id = (j.args ->> 'event_id')::bigint"
        " returning j.args, j.scheduled_at",
        TRY_EVENT,
        floor.tenant,
    )
    now = floor.counter.clock.now()
    assert all(now <= at <= now + timedelta(seconds=60) for _, at in rows)
    return [args for args, _ in rows]


async def tried_out(floor: Floor) -> int:
    """Let every try that waits happen, until none does; how many there were."""
    done = 0
    while found := await waiting(floor):
        for each in found:
            floor.counter.clock.advance(61)
            await try_event(floor.workshop, each["event_id"], each["attempt"])
            done += 1
    await floor.run()
    return done


async def complete(floor: Floor, *jobs: int) -> None:
    """Each job is of a customer of its own with the same number."""
    for st_id in jobs:
        await customer(floor, st_id, f"+1303555{st_id:04}")
        await job(floor, st_id, "Scheduled", customerId=st_id)
    await floor.begin()
    for st_id in jobs:
        await job(floor, st_id, "Completed", 2, customerId=st_id)
    await floor.run()


async def test_a_poisoned_event_is_tried_five_times_and_stops_nobody(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(
        THANKS.replace("reply, gone", "reply, gone, opt_out").replace("}, thank", "} {{ job.id }}, thank")
    )
    await floor.enable(OTHER.replace("well", "{{ job.id }} well"))
    poison = Poison(monkeypatch, "thanks", 71)
    await complete(floor, 70, 71, 72)
    assert sorted(texts(floor)) == sorted(
        [f"Hi Ann {each}, thank you." for each in (70, 72)]
        + [f"Hi Ann, {each} well done." for each in (70, 71, 72)]
    ), "its other workflow and its neighbours"
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []
    assert await tried_out(floor) == EVENT_TRIES - 1
    assert poison.tries == EVENT_TRIES + 1, "and once in its batch"
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert (letter.kind, letter.attempts, letter.error) == ("event", 5, "ZeroDivisionError: job 71")
    with pytest.raises(ZeroDivisionError):
        await persons.redrive(floor.workshop, letter.id, by="test")
    assert [each.id for each in await letters.unresolved(floor.workshop.pool, floor.tenant)] == [letter.id]
    poison.jobs.clear()
    await persons.redrive(floor.workshop, letter.id, by="test")
    await floor.run()
    assert texts(floor).count("Hi Ann 71, thank you.") == 1
    assert texts(floor).count("Hi Ann, 71 well done.") == 1, "what had started does not start again"
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []


async def test_an_event_that_can_wake_nobody_stops_no_other(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(OTHER)
    real = dispatch._wake_all

    async def wake_all(workshop: Any, connection: Any, found: Any, *more: Any) -> None:
        await real(workshop, connection, found, *more)
        if any(event.entity == "jobs" and event.st_id == 71 for event in found):
            await connection.execute("select 1 / 0")

    await complete(floor, 60)
    monkeypatch.setattr(dispatch, "_wake_all", wake_all)
    await complete(floor, 70, 71, 72)
    assert len(await floor.instances()) == 4, "what it starts is started"
    told = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert {(each.kind, each.attempts) for each in told} == {("event", 1)}
    assert all("told to what is under way: DivisionByZero" in each.error for each in told)


async def test_a_letter_of_an_event_that_woke_nobody_wakes_them_when_it_is_tried_again(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(THANKS.replace("{id: rest, kind: wait, days: 1}", "{id: rest, kind: wait, days: 30}"))
    await complete(floor, 71)
    [(status,)] = await floor.instances("status")
    assert status == "sleeping"

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "_wake_all", broken)
        await floor.counter.customer(71, active=False, modifiedOn="2026-06-08T00:00:00Z")
        await floor.run()
    assert await floor.instances("status") == [("sleeping",)], "nobody told it"
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    await persons.redrive(floor.workshop, letter.id, by="test")
    await floor.run()
    assert await floor.instances() == [("ended", "gone")]


async def test_what_heals_by_itself_is_started_once(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    await floor.enable(THANKS)
    poison = Poison(monkeypatch, "thanks", 71)
    await complete(floor, 71)
    poison.jobs.clear()
    assert await tried_out(floor) == 1
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []
    assert texts(floor) == ["Hi Ann, thank you."]


async def test_a_database_that_is_away_costs_no_try(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    await floor.enable(THANKS)
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    key_of = dispatch.key_of

    def away(*_: Any, **__: Any) -> None:
        raise VendorUnavailable("The database is away.")

    monkeypatch.setattr(dispatch, "key_of", away)
    with pytest.raises(VendorUnavailable):
        await floor.run()
    monkeypatch.setattr(dispatch, "key_of", key_of)
    await floor.run()
    assert await waiting(floor) == []
    assert texts(floor) == ["Hi Ann, thank you."]


async def test_tries_side_by_side_start_one_of_a_kind(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    await floor.enable(THANKS.replace("'job-' + string(job.id)", "'customer'"))
    poison = Poison(monkeypatch, "thanks", 70, 71, 72)
    await customer(floor, 7)
    for st_id in (70, 71, 72):
        await job(floor, st_id, "Scheduled", customerId=7)
    await floor.begin()
    for st_id in (70, 71, 72):
        await job(floor, st_id, "Completed", 2, customerId=7)
    await floor.run()
    poison.jobs.clear()
    found = await waiting(floor)
    assert len(found) == 3
    await asyncio.gather(*(try_event(floor.workshop, each["event_id"], each["attempt"]) for each in found))
    await floor.run()
    assert len(await floor.instances()) == 1
    assert texts(floor) == ["Hi Ann, thank you."]


async def test_an_instance_that_nobody_foresaw_is_put_aside(floor: Floor) -> None:
    await floor.enable(THANKS)
    await complete(floor, 70)
    await floor.counter.rows(
        "update automation.workflow_definitions set document = document - 'steps' where tenant_id = %s"
        " returning 1",
        floor.tenant,
    )
    floor.workshop.catalogue.forget()
    with_roles(floor, catalogue=Catalogue(floor.workshop.pool, floor.tenant, floor.workshop.clock))
    await floor.later(days=2)
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert letter.kind == "instance"
    assert "needs 1 to" in letter.error
    assert await floor.instances() == [("failed", "failed")]
    assert texts(floor) == ["Hi Ann, thank you."]


async def test_a_letter_of_a_moment_that_is_over_is_not_said_to_be_tried(floor: Floor) -> None:
    async with transaction(floor.workshop.pool) as connection:
        await letters.write(
            connection, floor.tenant, kind=letters.EVENT, workflow="digest", error="gone", attempts=1
        )
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    with pytest.raises(Refused, match="a moment that is over"):
        await persons.redrive(floor.workshop, letter.id, by="test")
    assert [each.id for each in await letters.unresolved(floor.workshop.pool, floor.tenant)] == [letter.id]


TWO_WAITS = """
name: two
does: Waits twice for the same thing.
class: service
trigger: {on: [job_completed]}
key: "'job-' + string(job.id)"
max_concurrent_per_customer: 9
stop_rules: [gone]
steps:
  - {id: first, kind: wait, events: [job_started], for: 30d, outcomes: {event: noted, timeout: end}}
  - {id: noted, kind: task, title: "One"}
  - {id: second, kind: wait, events: [job_started], for: 30d}
"""


async def test_an_event_that_is_tried_or_told_again_moves_nobody_twice(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(TWO_WAITS)
    await complete(floor, 60)
    await floor.enable(OTHER.replace("job_completed", "job_started"))
    Poison(monkeypatch, "other", 71)
    await job(floor, 71, "Scheduled", customerId=60)
    await job(floor, 71, "InProgress", 4, customerId=60)
    await floor.run()
    assert await tried_out(floor) == EVENT_TRIES - 1
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert await floor.instances("workflow, step") == [("two", "second")]
    with pytest.raises(ZeroDivisionError):
        await persons.redrive(floor.workshop, letter.id, by="test")
    monkeypatch.undo()
    await persons.redrive(floor.workshop, letter.id, by="test")
    async with transaction(floor.workshop.pool) as connection:
        [event] = await events.by_ids(floor.workshop.pool, floor.tenant, [letter.event_id or 0])
        assert await dispatch.tell(floor.workshop, connection, event) > 0
    await floor.run()
    assert ("two", "second") in await floor.instances("workflow, step")
