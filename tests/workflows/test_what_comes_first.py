"""What comes first: steps in the order they were done in, and answers before the time that is up."""

from floor import Floor
from test_instances import customer, job, texts
from test_walks import CHORES, two_jobs

from messaging.counter import NUMBER
from perfectcatch.messaging import inbound
from perfectcatch.model.messaging import Received
from perfectcatch.store.workflows import steps
from perfectcatch.workflows.running import dues, worker
from perfectcatch.workflows.running.advance import advance

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


async def asked(floor: Floor) -> int:
    await floor.enable(ASKS)
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await floor.run()
    [(instance_id,)] = await floor.instances("id")
    floor.counter.clock.advance(3700)
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


async def test_what_is_no_answer_holds_nothing_up(floor: Floor) -> None:
    instance_id = await asked(floor)
    await said(floor, "Thank you")
    await advance(floor.workshop, instance_id)
    await floor.run()
    assert texts(floor) == ["You did not answer."]
    assert await floor.instances() == [("ended", "finished")]
