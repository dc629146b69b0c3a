"""Steps that walk together: in one commit, on fresh records before anybody is written to, each once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from floor import Floor
from test_instances import customer, job, texts
from test_poison import tried_out

from perfectcatch.errors import Crash
from perfectcatch.model.workflow import Mode
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import instances, letters
from perfectcatch.workflows import decisions
from perfectcatch.workflows.running import dispatch, dues, walk, worker
from perfectcatch.workflows.running.ledger import Ledger, NotTogether
from perfectcatch.workflows.running.trying import EVENT_TRIES

CHORES = """
name: chores
does: Three things for the office.
class: service
trigger: {on: [job_completed]}
key: "'job-' + string(job.id)"
max_concurrent_per_customer: 9
stop_rules: [gone]
steps:
  - {id: one, kind: task, title: "One for {{ customer.name }}"}
  - id: which
    kind: branch
    choices: [{when: results.one.task_id > 0, go: two}]
  - {id: never, kind: stop}
  - {id: two, kind: task, title: "Two"}
  - {id: three, kind: task, title: "Three"}
"""
LATER = CHORES.replace("name: chores", "name: later").replace(
    "steps:", "steps:\n  - {id: rest, kind: wait, for: 1h}"
)
WRITTEN = """
name: written
does: Notes it, then writes.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
templates:
  thanks: {channel: sms, body: "Thank you."}
steps:
  - {id: note, kind: task, title: "Job {{ job.id }}"}
  - {id: thanks, kind: sms, template: thanks}
"""
WALKED = [("one", "done"), ("which", "passed"), ("two", "done"), ("three", "done")]


async def two_jobs(floor: Floor) -> None:
    """Two jobs of one customer that are completed and not dispatched yet."""
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await job(floor, 71, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await job(floor, 71, "Completed", 2)


async def tasks(floor: Floor) -> list[Any]:
    return await floor.counter.rows(
        "select workflow_instance_id, step, title from automation.tasks where tenant_id = %s order by 1, id",
        floor.tenant,
    )


class Killed(BaseException):
    """The process is gone."""


def killed_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """The process dies when it comes to ``step``."""
    real = walk.act

    async def act(workshop: Any, acting: Any) -> Any:
        if acting.step.id == step:
            raise Killed
        return await real(workshop, acting)

    patch.setattr(walk, "act", act)


async def broken(_: Any) -> None:
    raise RuntimeError("nobody foresaw this")


async def test_steps_that_touch_only_our_database_walk_with_their_start(floor: Floor) -> None:
    await floor.enable(CHORES)
    await two_jobs(floor)
    assert await worker.settle(floor.workshop) > 0
    assert await floor.take() == []
    assert await floor.instances() == [("ended", "finished")] * 2
    assert await floor.steps() == WALKED * 2
    assert [step for _, step, _ in await tasks(floor)] == ["one", "two", "three"] * 2
    assert (await tasks(floor))[0][2] == "One for Ann Lee"


@pytest.mark.parametrize("step", ["one", "two", "three"])
async def test_a_kill_between_the_steps_of_a_walk_loses_and_doubles_nothing(
    floor: Floor, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(CHORES)
    await floor.enable(LATER)
    await two_jobs(floor)
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(Killed):
            await floor.run()
    assert await floor.instances() == []
    assert await tasks(floor) == []
    await floor.run()
    assert sorted(await floor.instances("workflow, status")) == [
        *[("chores", "ended")] * 2,
        *[("later", "sleeping")] * 2,
    ]
    floor.counter.clock.advance(3700)
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(Killed):
            await dues.sweep(floor.workshop)
    assert len(await tasks(floor)) == 6
    assert await floor.take() == []
    with monkeypatch.context() as patch:
        patch.setattr(walk, "onward", broken)
        assert await dues.sweep(floor.workshop) == 2
    [first, second] = await floor.take()
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(Killed):
            await worker.advance(floor.workshop, first["instance_id"])
    assert len(await tasks(floor)) == 6
    for each in (first, second, first):  # the job of a dead worker is given back
        await worker.advance(floor.workshop, each["instance_id"])
    done = [(instance, name) for instance, name, _ in await tasks(floor)]
    assert len(done) == len(set(done)) == 12
    assert {status for status, _ in await floor.instances()} == {"ended"}


async def test_instances_that_are_due_walk_together_and_end_once(floor: Floor) -> None:
    await floor.enable(LATER)
    await two_jobs(floor)
    await floor.run()
    assert await dues.sweep(floor.workshop) == 0
    floor.counter.clock.advance(3700)
    async with transaction(floor.workshop.pool) as connection:
        [(held,), *_] = await floor.instances("id")
        await instances.lock(connection, floor.tenant, held)
        assert await dues.sweep(floor.workshop) == 2
    assert sorted(await floor.instances("status")) == [("ended",), ("sleeping",)]
    assert [each["instance_id"] for each in await floor.take()] == [held]  # somebody had it
    assert await dues.sweep(floor.workshop) == 0
    await worker.advance(floor.workshop, held)
    assert await floor.instances("status") == [("ended",)] * 2
    assert [step for _, step, _ in await tasks(floor)] == ["one", "two", "three"] * 2


async def test_an_answer_that_is_under_way_comes_before_the_time_that_is_up(floor: Floor) -> None:
    await floor.enable(LATER.replace("wait, for: 1h}", "wait, for: 1h, events: [estimate_sold]}"))
    await two_jobs(floor)
    await floor.run()
    floor.counter.clock.advance(3700)
    assert await dues.sweep(floor.workshop) == 2
    assert await floor.instances("status, step") == [("sleeping", "rest")] * 2
    assert len(await floor.take()) == 2  # behind the job of an answer that is not done yet


async def test_a_paused_instance_that_is_due_stays_where_it_is(floor: Floor) -> None:
    await floor.enable(LATER)
    await two_jobs(floor)
    await floor.run()
    floor.counter.clock.advance(3700)
    await floor.counter.rows(
        "update automation.workflow_instances set status = 'paused' where tenant_id = %s returning id",
        floor.tenant,
    )
    assert await dues.sweep(floor.workshop) == 2
    assert await floor.instances("status, step") == [("paused", "rest")] * 2
    assert await tasks(floor) == []


async def test_records_are_read_anew_before_somebody_is_written_to(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(WRITTEN.replace("steps:", "steps:\n  - {id: rest, kind: wait, for: 1h}"))
    await two_jobs(floor)
    real: Callable[..., Any] = Ledger.task

    async def task(self: Ledger, **values: Any) -> int:
        record = {"id": 7, "active": False, "name": "Ann Lee", "type": "Residential", "address": {}}
        dates = {"createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-06-08T00:00:00Z"}
        await floor.counter.merge("customers", record | dates)
        return int(await real(self, **values))

    await worker.settle(floor.workshop)
    monkeypatch.setattr(Ledger, "task", task)  # the customer leaves while the steps walk
    await floor.later(hours=2)
    assert texts(floor) == []
    assert await floor.instances() == [("ended", "gone")]
    assert await floor.steps() == [("rest", "passed"), ("note", "done"), ("thanks", "stopped")]


@pytest.mark.parametrize("together", [True, False])
async def test_a_batch_decides_as_its_events_would_one_by_one(
    floor: Floor, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (
        CHORES.replace("max_concurrent_per_customer: 9\n", ""),
        LATER.replace("max_concurrent_per_customer: 9\n", ""),
        LATER.replace("name: later", "name: next\nreentry: queued").replace(
            "'job-' + string(job.id)", "'one'"
        ),
        LATER.replace("name: later", "name: anew\nreentry: restart").replace(
            "'job-' + string(job.id)", "'one'"
        ),
    ):
        await floor.enable(text)
    if not together:

        async def apart(*_: Any) -> int:
            raise NotTogether("as asked")

        monkeypatch.setattr(dispatch, "_start_together", apart)
    await two_jobs(floor)
    await floor.run()
    starts = await floor.counter.rows(
        "select workflow, trigger, verdict, reason, workflow_instance_id is null "
        "from automation.workflow_starts where tenant_id = %s order by 1, 2",
        floor.tenant,
    )
    assert [(row[0], row[2], row[4]) for row in starts] == [
        ("anew", "start", False),
        ("anew", "replace", False),
        ("chores", "start", False),
        ("chores", "skip", True),
        ("later", "start", False),
        ("later", "skip", True),
        ("next", "start", False),
        ("next", "queue", False),
    ]
    for _ in range(3):
        await floor.later(hours=2)
    assert {status for status, _ in await floor.instances()} == {"ended"}
    assert len(await tasks(floor)) == 15
    assert json.dumps(await floor.steps()).count("stopped") == 0


async def test_one_event_that_cannot_be_dealt_with_keeps_no_other_waiting(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(CHORES)
    await two_jobs(floor)
    real = decisions.may_start

    def may_start(definition: Any, records: Any, *rest: Any) -> Any:
        if records["event"]["id"] == 70:
            raise Crash("It is poison.")
        return real(definition, records, *rest)

    monkeypatch.setattr(decisions, "may_start", may_start)
    await floor.run()
    assert await floor.instances() == [("ended", "finished")]
    assert len(await tasks(floor)) == 3
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []
    assert await tried_out(floor) == EVENT_TRIES - 1
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert (letter.kind, letter.error) == ("event", "Crash: It is poison.")


async def test_a_task_that_cannot_be_written_is_tried_apart_until_a_person_looks(floor: Floor) -> None:
    await floor.enable(CHORES.replace("Two", "Two {{ job.nothing.at_all }}"), Mode.LIVE)
    await two_jobs(floor)
    await floor.run()
    for _ in range(6):
        await floor.later(minutes=15)
    assert await floor.instances() == [("failed", "failed")] * 2
    assert [step for _, step, _ in await tasks(floor)] == ["one"] * 2
    assert {each.attempts for each in await letters.unresolved(floor.workshop.pool, floor.tenant)} == {5}
