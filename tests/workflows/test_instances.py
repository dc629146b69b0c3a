"""Instances: how they start, go on, wait, act once, stop, and what people do with them."""

from typing import Any

import pytest
from floor import Floor, with_roles

from messaging.counter import NUMBER
from perfectcatch.errors import BadArgument, OutcomeUnknown, VendorUnavailable
from perfectcatch.messaging import inbound
from perfectcatch.model.messaging import Received
from perfectcatch.model.workflow import Mode
from perfectcatch.store.messages import waiting
from perfectcatch.store.workflows import letters
from perfectcatch.workflows.running import persons

THANKS = """
name: thanks
does: Thanks for the job, and asks once more.
class: service
trigger:
  on: [job_completed]
  where: job.total == null || job.total >= 0.0
key: "'job-' + string(job.id)"
stop_rules: [reply, gone]
templates:
  thanks: {channel: sms, body: "Hi {{ contact.first_name }}, thank you."}
  again: {channel: sms, body: "Hi {{ contact.first_name }}, was all well?"}
steps:
  - {id: thanks, kind: sms, template: thanks}
  - {id: rest, kind: wait, for: 1d}
  - {id: again, kind: sms, template: again}
"""


async def customer(floor: Floor, st_id: int = 7, number: str = NUMBER) -> None:
    await floor.counter.customer(st_id, {"type": "MobilePhone", "value": number})


async def job(floor: Floor, st_id: int, status: str, version: int = 1, **more: Any) -> None:
    record = {
        "id": st_id,
        "jobNumber": str(st_id),
        "customerId": 7,
        "locationId": 1,
        "jobStatus": status,
        "jobTypeId": 1,
        "businessUnitId": 1,
        "priority": "Normal",
        "appointmentCount": 1,
        "active": True,
        "createdOn": "2026-06-01T00:00:00Z",
        "modifiedOn": f"2026-06-0{version}T00:00:00Z",
        **({"completedOn": "2026-06-02T00:00:00Z"} if status == "Completed" else {}),
        **more,
    }
    await floor.counter.merge("jobs", record)


async def completed(floor: Floor, st_id: int = 70) -> None:
    await customer(floor)
    await job(floor, st_id, "Scheduled")
    await floor.begin()
    await job(floor, st_id, "Completed", 2)
    await floor.run()


def texts(floor: Floor) -> list[str]:
    return [text.body for text in floor.counter.carrier.texts]


async def test_an_event_starts_an_instance_that_writes_waits_and_ends(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    assert texts(floor) == ["Hi Ann, thank you."]
    assert await floor.instances("status, step") == [("sleeping", "rest")]
    await floor.later(hours=23)
    assert len(texts(floor)) == 1
    await floor.later(hours=2)
    assert texts(floor) == ["Hi Ann, thank you.", "Hi Ann, was all well?"]
    assert await floor.instances() == [("ended", "finished")]
    assert await floor.steps() == [("thanks", "sent"), ("rest", "passed"), ("again", "sent")]


async def test_the_same_event_starts_nothing_twice(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    await floor.counter.rows(
        "delete from servicetitan.sync_state where tenant_id = %s and key = 'workflows_place' returning 1",
        floor.tenant,
    )
    await floor.run()
    assert len(await floor.instances()) == 1


async def test_an_answer_ends_what_was_planned(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    clock = floor.counter.clock
    received = Received(vendor_id="SM1", sender=NUMBER, to="+13035550100", body="It leaks", at=clock.now())
    await inbound.take(floor.workshop.desk, received)
    await floor.run()
    assert await floor.instances() == [("ended", "reply")]
    await floor.later(days=3)
    assert len(texts(floor)) == 1


async def test_a_customer_who_is_gone_is_not_written_to(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    await floor.counter.merge(
        "customers",
        {
            "id": 7,
            "active": False,
            "name": "Ann Lee",
            "type": "Residential",
            "address": {},
            "createdOn": "2026-01-01T00:00:00Z",
            "modifiedOn": "2026-06-08T00:00:00Z",
        },
    )
    await floor.later(days=2)
    assert await floor.instances() == [("ended", "gone")]
    assert len(texts(floor)) == 1


async def test_shadow_decides_and_sends_nothing(floor: Floor) -> None:
    await floor.enable(THANKS, Mode.SHADOW)
    await completed(floor)
    await floor.later(days=2)
    assert texts(floor) == []
    assert await floor.steps() == [("thanks", "sent"), ("rest", "passed"), ("again", "sent")]


async def test_an_instance_stays_with_its_version(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    await floor.enable(THANKS.replace("was all well?", "and again!"))
    await floor.later(days=2)
    assert texts(floor)[-1] == "Hi Ann, was all well?"


async def test_disabled_starts_nothing_and_lets_go_on(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    await persons.switch(floor.workshop, "thanks", Mode.DISABLED, by="test")
    await job(floor, 71, "Scheduled")
    await job(floor, 71, "Completed", 2)
    await floor.later(days=2)
    assert await floor.instances() == [("ended", "finished")]


async def test_deleted_cancels_visibly(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    assert await persons.delete(floor.workshop, "thanks", by="Kim") == 1
    await floor.later(days=2)
    assert await floor.instances() == [("cancelled", "deleted")]
    assert len(texts(floor)) == 1


async def test_a_pause_holds_and_a_cancel_ends(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    [(instance_id,)] = await floor.instances("id")
    await persons.pause(floor.workshop, instance_id, by="Kim")
    await floor.later(days=2)
    assert len(texts(floor)) == 1
    await persons.resume(floor.workshop, instance_id, by="Kim")
    await floor.run()
    assert len(texts(floor)) == 2
    await job(floor, 72, "Scheduled")
    await floor.run()
    await job(floor, 72, "Completed", 2)
    await floor.run()
    [_, (second,)] = await floor.instances("id")
    await persons.cancel(floor.workshop, second, by="Kim")
    await floor.later(days=2)
    assert (await floor.instances())[1] == ("cancelled", "cancelled")


async def test_a_person_takes_over(floor: Floor) -> None:
    await floor.enable(THANKS)
    await completed(floor)
    [(instance_id,)] = await floor.instances("id")
    await persons.take_over(floor.workshop, instance_id, by="Kim")
    await floor.later(days=2)
    assert await floor.instances() == [("ended", "taken_over")]
    assert len(texts(floor)) == 1


BROKEN = """
name: broken
does: Calls what is not there.
class: service
needs: [chat]
trigger: {on: [job_completed]}
stop_rules: [gone]
steps:
  - {id: tell, kind: chat, channel: office, text: "Job {{ job.id }}"}
"""


class Chat:
    def __init__(self) -> None:
        self.said: list[str] = []

    async def post(self, channel: str, text: str, *, key: str) -> dict[str, Any]:
        self.said.append(text)
        return {}


async def test_what_fails_five_times_waits_for_a_person(floor: Floor) -> None:
    await floor.enable(BROKEN)
    await floor.enable(THANKS)
    await completed(floor)
    for _ in range(6):
        await floor.later(minutes=15)
    assert ("failed", "failed") in await floor.instances()
    assert len(texts(floor)) == 1  # its neighbour went on
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert letter.attempts == 5
    assert "Chat is not connected" in letter.error
    chat = Chat()
    with_roles(floor, chat=chat)
    await persons.redrive(floor.workshop, letter.id, by="Kim")
    await floor.run()
    assert chat.said == ["Job 70"]
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []


ASKS = """
name: asks
does: Asks before it writes.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
templates:
  thanks: {channel: sms, body: "Thank you."}
steps:
  - id: may
    kind: approval
    question: "Write to {{ customer.name }}?"
    outcomes: {approved: thanks, refused: end, timeout: end}
  - {id: thanks, kind: sms, template: thanks}
"""


@pytest.mark.parametrize(("word", "sent"), [("approved", 1), ("refused", 0), (None, 0)])
async def test_a_person_is_asked(floor: Floor, word: str | None, sent: int) -> None:
    await floor.enable(ASKS)
    await completed(floor)
    assert await floor.instances("status") == [("asking",)]
    [(approval, question)] = await floor.counter.rows(
        "select id, question from automation.approvals where tenant_id = %s", floor.tenant
    )
    assert question == "Write to Ann Lee?"
    if word is not None:
        await persons.answer(floor.workshop, approval, word, by="Kim")
    await floor.later(days=4)
    assert len(texts(floor)) == sent
    assert await floor.instances("status") == [("ended",)]


async def test_at_night_it_waits_for_the_morning(floor: Floor) -> None:
    await floor.enable(THANKS)
    floor.counter.clock.advance(10 * 3600)  # 22:00 in Denver
    await completed(floor)
    assert texts(floor) == []
    assert await floor.instances("status, step") == [("sleeping", "thanks")]
    await floor.later(hours=14)
    assert texts(floor) == ["Hi Ann, thank you."]


@pytest.mark.parametrize("stop", ["answer", "flag", "person"])
async def test_what_waits_for_the_morning_is_given_up_when_the_instance_ends(floor: Floor, stop: str) -> None:
    await floor.enable(THANKS)
    clock = floor.counter.clock
    clock.advance(10 * 3600)  # 22:00 in Denver
    await completed(floor)
    log = "select status, reason, sentence from automation.messaging_log where tenant_id = %s"
    assert [row[:2] for row in await floor.counter.rows(log, floor.tenant)] == [("deferred", "quiet_hours")]
    if stop == "answer":
        received = Received(vendor_id="SM1", sender=NUMBER, to="+13035550100", body="Hi", at=clock.now())
        await inbound.take(floor.workshop.desk, received)
        await floor.run()
    elif stop == "flag":
        await floor.counter.customer(7, {"type": "MobilePhone", "value": NUMBER}, active=False)
        await floor.later(hours=14)
    else:
        [(instance,)] = await floor.instances("id")
        await persons.cancel(floor.workshop, instance, by="Bea")
    words = {
        "answer": "Not sent. The customer answered.",
        "flag": "Not sent. The customer was merged, switched off, or is not to be served.",
        "person": "Not sent. Cancelled by Bea.",
    }
    assert await floor.counter.rows(log, floor.tenant) == [("suppressed", "stopped", words[stop])]
    assert texts(floor) == []


@pytest.mark.parametrize("left", ["condition", "person"])
async def test_what_waits_of_a_step_that_was_left_is_given_up(
    floor: Floor, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from perfectcatch.workflows.running import advance as running

    await floor.enable(THANKS.replace("template: thanks}", "template: thanks, when: job.total == null}"))
    floor.counter.clock.advance(10 * 3600)  # 22:00 in Denver
    real = running.act

    async def cancelled_meanwhile(workshop: Any, acting: Any) -> Any:
        await persons.cancel(workshop, acting.instance.id, by="Bea")
        return await real(workshop, acting)

    if left == "person":
        monkeypatch.setattr(running, "act", cancelled_meanwhile)
    await completed(floor)
    if left == "condition":
        await job(floor, 70, "Completed", 3, total=5)
        await floor.later(hours=14)
        assert await floor.steps() == [("thanks", "passed")]
    assert await floor.counter.log() == [("suppressed", "stopped")]
    assert texts(floor) == []


async def test_what_nobody_can_be_woken_for_keeps_no_later_message_waiting(floor: Floor) -> None:
    await floor.enable(THANKS)
    clock = floor.counter.clock
    clock.advance(10 * 3600)  # 22:00 in Denver
    for st_id in (70, 71):
        await customer(floor, st_id, f"+1303555{st_id:04}")
        await job(floor, st_id, "Scheduled", customerId=st_id)
    await floor.begin()
    for st_id in (70, 71):
        await job(floor, st_id, "Completed", 2, customerId=st_id)
        await floor.run()
    [(first,), (second,)] = await floor.instances("id")
    await persons.pause(floor.workshop, first, by="Bea")
    clock.advance(14 * 3600)
    found = await waiting.due(floor.workshop.pool, floor.tenant, now=clock.now(), limit=1, of_instances=True)
    assert [each.instance_id for each in found] == [second]
    await floor.run()
    assert len(texts(floor)) == 1
    await persons.resume(floor.workshop, first, by="Bea")
    await floor.run()
    assert len(texts(floor)) == 2


async def test_a_crash_before_the_result_sends_nothing_twice(floor: Floor) -> None:
    from perfectcatch.workflows.running import advance as running

    await floor.enable(THANKS)
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await floor.begin()
    arguments, *_ = await floor.take()
    begun = await running._walk(floor.workshop, arguments["instance_id"], None)
    assert begun is not None
    await running.act(floor.workshop, begun)  # and here the process dies
    assert len(texts(floor)) == 1
    await floor.later(minutes=11)
    assert len(texts(floor)) == 1
    assert await floor.instances("status, step") == [("sleeping", "rest")]


WRITES = """
name: writes
does: Notes the job at the source.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
steps:
  - {id: note, kind: write, operation: jpm.jobs.notes.create, path: {id: "= job.id"}, body: {text: "Done."}}
"""


class Writer:
    """Answers in turn; what is no error was carried out."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.written: list[Any] = []

    async def write(self, operation: str, path: Any, body: Any) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.written.append((operation, path["id"], body["text"]))
        return {"id": 1}


@pytest.mark.parametrize(
    ("answers", "written", "outcome"),
    [
        ((None,), 1, "done"),
        ((VendorUnavailable("busy"), VendorUnavailable("busy"), None), 1, "done"),
        ((OutcomeUnknown("cut off"),), 0, "unknown"),
        ((VendorUnavailable("busy"), OutcomeUnknown("cut off")), 0, "unknown"),
        ((BadArgument("no such job"),), 0, "refused"),
    ],
)
async def test_a_write_is_tried_again_only_where_it_certainly_was_not_done(
    floor: Floor, answers: tuple[Exception | None, ...], written: int, outcome: str
) -> None:
    writer = Writer(*answers)
    with_roles(floor, writer=writer)
    await floor.enable(WRITES)
    await completed(floor)
    for _ in answers:
        await floor.later(minutes=15)
    assert len(writer.written) == written
    assert await floor.steps() == [("note", outcome)]
    assert writer.answers == []


async def test_a_write_whose_process_died_is_not_repeated(floor: Floor) -> None:
    from perfectcatch.workflows.running import advance as running

    writer = Writer(None, None)
    with_roles(floor, writer=writer)
    await floor.enable(WRITES)
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await floor.begin()
    arguments, *_ = await floor.take()
    begun = await running._walk(floor.workshop, arguments["instance_id"], None)
    assert begun is not None
    await running.act(floor.workshop, begun)  # and here the process dies
    await floor.later(minutes=11)
    assert len(writer.written) == 1
    assert await floor.steps() == [("note", "unknown")]
