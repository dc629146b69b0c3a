"""What comes first: steps in the order they were done in, and answers before the time that is up."""

import pytest
from floor import Floor
from test_instances import customer, job, texts
from test_walks import CHORES, two_jobs

from messaging.counter import NUMBER
from perfectcatch.messaging import inbound
from perfectcatch.model.messaging import Received
from perfectcatch.store.workflows import letters, steps
from perfectcatch.workflows.running import dues, persons, worker
from perfectcatch.workflows.running.advance import _put_aside, advance

RESTS = CHORES.replace("  - {id: three", "  - {id: rest, kind: wait, for: 1h}\n  - {id: three")
ASKS = """
name: asks
does: Waits for a yes, and writes to whoever says nothing.
class: service
trigger: {on: [job_completed]}
key: "'job-' + string(job.id)"
stop_rules: [gone]
templates:
  silent: {channel: sms, body: "You did not answer."}
steps:
  - id: rest
    kind: wait
    for: 1h
    events: [message_received]
    where: happening.data.body == 'yes'
    outcomes: {event: glad, timeout: silent}
  - {id: silent, kind: sms, template: silent, next: end}
  - {id: glad, kind: task, title: "Glad"}
"""


async def test_steps_are_listed_in_the_order_they_were_done_in(floor: Floor) -> None:
    await floor.enable(RESTS)
    await two_jobs(floor)
    await floor.run()
    floor.counter.clock.advance(3700)
    assert await floor.run() == 0
    for (instance_id,) in await floor.instances("id"):
        listed = await steps.of_instance(floor.workshop.pool, floor.tenant, instance_id)
        assert [each.step for each in listed] == ["one", "which", "two", "rest", "three"]


async def said(floor: Floor, words: str) -> None:
    """A message of the customer is stored, and nobody has dispatched it."""
    at = floor.counter.clock.now()
    received = Received(vendor_id=words, sender=NUMBER, to="+13035550100", body=words, at=at)
    await inbound.take(floor.workshop.desk, received)


async def asked(floor: Floor, *, early: bool = False) -> int:
    await floor.enable(ASKS)
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await floor.run()
    [(instance_id,)] = await floor.instances("id")
    floor.counter.clock.advance(60 if early else 3700)
    return int(instance_id)


async def test_an_answer_that_nobody_has_dispatched_comes_before_the_time_that_is_up(floor: Floor) -> None:
    instance_id = await asked(floor)
    await said(floor, "yes")
    for _ in range(2):
        assert await dues.sweep(floor.workshop) == 1
        [due] = await floor.take()
        await advance(floor.workshop, due["instance_id"])
        assert await floor.instances("status, step") == [("sleeping", "rest")]
        floor.counter.clock.advance(1)
    await floor.run()
    assert await floor.steps() == [("rest", "event"), ("glad", "done")]
    await floor.later(hours=2)
    assert texts(floor) == []
    assert await floor.instances("id, reason") == [(instance_id, "finished")]


async def test_an_answer_whose_job_waits_comes_before_the_time_that_is_up(floor: Floor) -> None:
    instance_id = await asked(floor)
    assert await dues.sweep(floor.workshop) == 1
    await said(floor, "yes")
    await worker.settle(floor.workshop)
    await advance(floor.workshop, instance_id)  # the job of the timer, which stands before that of the answer
    assert await floor.instances("status, step") == [("sleeping", "rest")]
    timer, answer = await floor.take()
    assert "happening" not in timer
    await advance(floor.workshop, **answer)
    assert await floor.steps() == [("rest", "event"), ("glad", "done")]
    assert texts(floor) == []


@pytest.mark.parametrize("halt", ["paused", "failed"])
@pytest.mark.parametrize("hours", [0, 2])
async def test_an_answer_that_came_while_the_instance_stood_still_is_taken_when_it_goes_on(
    floor: Floor, halt: str, hours: int
) -> None:
    instance_id = await asked(floor, early=True)
    if halt == "paused":
        await persons.pause(floor.workshop, instance_id, by="Cy")
    else:
        await _put_aside(floor.workshop, instance_id, "broken")
    await said(floor, "yes")
    await floor.run()
    assert await floor.instances("status, step") == [(halt, "rest")]
    await floor.later(hours=hours)
    if halt == "paused":
        await persons.resume(floor.workshop, instance_id, by="Cy")
    else:
        [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
        await persons.redrive(floor.workshop, letter.id, by="Cy")
    await floor.run()
    assert await floor.steps() == [("rest", "event"), ("glad", "done")]
    assert texts(floor) == []


async def test_an_answer_whose_job_gave_up_is_taken_when_the_time_is_up(floor: Floor) -> None:
    await asked(floor, early=True)
    await said(floor, "yes")
    await worker.settle(floor.workshop)
    assert len(await floor.take()) == 1, "its job is lost"
    await floor.later(hours=2)
    assert await floor.steps() == [("rest", "event"), ("glad", "done")]
    assert texts(floor) == []


async def test_an_answer_moves_an_instance_once(floor: Floor) -> None:
    """The second wait is not ended by what ended the first, whatever the clocks say."""
    again = (
        "  - {id: glad, kind: task, title: Glad}\n"
        "  - {id: more, kind: wait, for: 1h, events: [message_received]}\n"
    )
    await floor.enable(ASKS.replace('  - {id: glad, kind: task, title: "Glad"}\n', again))
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await floor.run()
    await said(floor, "yes")
    await floor.run()
    assert await floor.instances("status, step") == [("sleeping", "more")]
    [(instance_id,)] = await floor.instances("id")
    await advance(floor.workshop, instance_id)
    assert await floor.instances("status, step") == [("sleeping", "more")]
    await said(floor, "and more")
    await floor.run()
    assert await floor.steps() == [("rest", "event"), ("glad", "done"), ("more", "event")]


async def test_what_is_no_answer_holds_nothing_up(floor: Floor) -> None:
    instance_id = await asked(floor)
    await said(floor, "Thank you")
    await advance(floor.workshop, instance_id)
    await floor.run()
    assert texts(floor) == ["You did not answer."]
    assert await floor.instances() == [("ended", "finished")]
