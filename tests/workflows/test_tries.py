"""What counts as a try of a step and what does not, and that a lost job keeps nothing waiting."""

from typing import Any

from floor import Floor, with_roles
from test_instances import ASKS, BROKEN, THANKS, completed, job, texts

from perfectcatch.errors import VendorUnavailable
from perfectcatch.store.workflows import letters
from perfectcatch.workflows.running import persons, worker


class Stumbling:
    """A refresher and a chat that are away a number of times."""

    def __init__(self, times: int = 0) -> None:
        self.times, self.asked = times, 0

    async def refresh(self, customer_id: int) -> None:
        self._stumble()

    async def post(self, channel: str, text: str, *, key: str) -> dict[str, Any]:
        self._stumble()
        return {}

    def _stumble(self) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise VendorUnavailable("It is away.")


async def letters_of(floor: Floor) -> list[tuple[str | None, int]]:
    found = await letters.unresolved(floor.workshop.pool, floor.tenant)
    return [(each.step, each.attempts) for each in found]


async def test_a_message_that_the_gate_put_off_has_all_its_tries_left(floor: Floor) -> None:
    """Six times the gate puts it off, as its vendor is busy; then its records cannot be read four times."""
    await floor.enable(THANKS)
    floor.counter.carrier.answer = lambda _: VendorUnavailable("Busy.")
    await completed(floor)
    for _ in range(5):
        await floor.later(hours=1)
    floor.counter.carrier.answer = None
    refresher = Stumbling(4)
    with_roles(floor, refresher=refresher)
    await floor.later(hours=1)
    for _ in range(4):
        await floor.later(minutes=15)
    assert await letters_of(floor) == []
    assert texts(floor) == ["Hi Ann, thank you."]
    assert await floor.counter.rows(
        "select status, attempts from automation.workflow_step_executions where tenant_id = %s", floor.tenant
    ) == [("done", 5)], "those since the gate put it off last"


async def test_what_happens_with_a_customer_is_no_try(floor: Floor) -> None:
    chat = Stumbling(4)
    await floor.enable(BROKEN)
    with_roles(floor, chat=chat)
    await completed(floor)
    assert chat.asked == 1
    for st_id in range(71, 77):
        await job(floor, st_id, "Scheduled")
        assert await floor.run() == 1, "it has woken"
    assert chat.asked == 1, "it rests until its moment"
    assert await floor.instances() == [("sleeping", None)]
    for _ in range(4):
        await floor.later(minutes=15)
    assert chat.asked == 5
    assert await floor.instances() == [("ended", "finished")]
    assert await letters_of(floor) == []


async def test_a_stop_rule_ends_what_rests_between_two_tries(floor: Floor) -> None:
    chat = Stumbling(4)
    await floor.enable(BROKEN)
    with_roles(floor, chat=chat)
    await completed(floor)
    gone = {"active": False, "modifiedOn": "2026-06-08T00:00:00Z"}
    await floor.counter.customer(7, **gone)
    await floor.run()
    assert (chat.asked, await floor.instances()) == (1, [("ended", "gone")])


async def untouched(floor: Floor, minutes: int) -> None:
    """Time passes since the instance was written, which is noted by the clock of the workers."""
    await floor.counter.rows(
        "update automation.workflow_instances set updated_at = %s where tenant_id = %s returning 1",
        floor.counter.clock.now(),
        floor.tenant,
    )
    floor.counter.clock.advance(minutes * 60)


async def test_an_answer_whose_job_is_lost_is_taken_up(floor: Floor) -> None:
    await floor.enable(ASKS)
    await completed(floor)
    [(approval,)] = await floor.counter.rows(
        "select id from automation.approvals where tenant_id = %s", floor.tenant
    )
    await untouched(floor, 16)
    assert await worker.release(floor.workshop) == 0, "nobody has answered"
    await persons.answer(floor.workshop, approval, "approved", by="Kim")
    assert await floor.take() != [], "its job is lost"
    assert await worker.release(floor.workshop) == 0, "it may still be on its way"
    floor.counter.clock.advance(16 * 60)
    assert await worker.release(floor.workshop) == 1
    await floor.run()
    assert texts(floor) == ["Thank you."]
    floor.counter.clock.advance(16 * 60)
    assert await worker.release(floor.workshop) == 0


async def test_a_question_whose_time_is_over_and_whose_job_is_lost_is_taken_up(floor: Floor) -> None:
    await floor.enable(ASKS)
    await completed(floor)
    await untouched(floor, 4 * 24 * 60)
    assert await worker.sweep(floor.workshop) == 1
    assert await floor.take() != [], "its job is lost"
    assert await worker.release(floor.workshop) == 1
    await floor.run()
    assert await floor.instances("status") == [("ended",)]
    assert texts(floor) == []
