"""What counts as a try of a step and what does not, and that a lost job keeps nothing waiting."""

from datetime import timedelta
from typing import Any

import pytest
from floor import Floor, with_roles
from structlog.testing import capture_logs
from test_instances import ASKS, BROKEN, THANKS, completed, customer, job, texts

from perfectcatch.errors import Refused, Retry, VendorUnavailable
from perfectcatch.model.workflow import Mode
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import instances, letters
from perfectcatch.store.workflows.records import Narrowing
from perfectcatch.workflows.running import dispatch, holding, persons, starting, ticks, trying, worker
from perfectcatch.workflows.running.trying import EVENT_TRIES, try_event


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
    async with transaction(floor.workshop.pool) as connection:
        due = await instances.due(connection, floor.tenant, floor.counter.clock.now())
    assert len(due) == 1, "its timer is taken, and its job lost"
    assert await worker.release(floor.workshop) == 1
    await floor.run()
    assert await floor.instances("status") == [("ended",)]
    assert texts(floor) == []


# Tries of starts ---------------------------------------------------------------------------------

CLOCK = """
name: clock
does: Notes each open job every morning.
class: service
trigger: {clock: "0 9 * * *", each: jobs, at_most: 2, where: "job.job_status == 'Scheduled'"}
key: string(job.id)
max_concurrent_per_customer: 9
stop_rules: [gone]
steps:
  - {id: note, kind: task, title: "Job {{ job.id }}"}
"""


class Poison:
    """Breaks every start for one job, with words that PostgreSQL does not store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, st_id: int) -> None:
        self.cured = False
        key_of = starting.key_of

        def broken(definition: Any, records: Any) -> str:
            if records["event"]["id"] == st_id and not self.cured:
                raise ZeroDivisionError(f"job {st_id}: \x00 \ud800")
            return key_of(definition, records)

        for room in (dispatch, starting):
            monkeypatch.setattr(room, "key_of", broken)


async def taken(floor: Floor, task: str) -> list[dict[str, Any]]:
    """Take the tries of this kind out of the queue; time goes on to when they are due."""
    rows = await floor.counter.rows(
        "delete from procrastinate_jobs where task_name = %s and status = 'todo'"
        " returning args, scheduled_at",
        task,
    )
    now = floor.counter.clock.now()
    assert all(now <= at <= now + timedelta(seconds=60) for _, at in rows)
    floor.counter.clock.advance(61)
    return [args for args, _ in rows]


async def forgotten(floor: Floor, task: str) -> None:
    """What other tests left in the queue is nobody's."""
    await floor.counter.rows("delete from procrastinate_jobs where task_name = %s returning 1", task)


async def poisoned(floor: Floor, attempts: int = EVENT_TRIES) -> list[dict[str, Any]]:
    """Tries of the one poisoned event until the last, which is given."""
    await forgotten(floor, trying.TRY_EVENT)
    await completed(floor)
    for _ in range(attempts - 2):
        for each in await taken(floor, trying.TRY_EVENT):
            await try_event(floor.workshop, **each)
    return await taken(floor, trying.TRY_EVENT)


async def test_an_error_that_cannot_be_stored_is_a_letter(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(THANKS)
    Poison(monkeypatch, 70)
    [last] = await poisoned(floor)
    await try_event(floor.workshop, **last)
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert (letter.attempts, letter.error) == (EVENT_TRIES, "ZeroDivisionError: job 70: \ufffd ?")


async def test_a_try_that_cannot_be_noted_stays_with_its_job(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(THANKS)
    Poison(monkeypatch, 70)
    write, broken = letters.write, 3

    async def failing(*args: Any, **more: Any) -> None:
        nonlocal broken
        broken -= 1
        if broken >= 0:
            raise ValueError("no letter can be written")
        await write(*args, **more)

    [last] = await poisoned(floor)
    monkeypatch.setattr(letters, "write", failing)
    with pytest.raises(Retry, match="nothing can be noted now"):
        await try_event(floor.workshop, **last)
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []
    await try_event(floor.workshop, **last)  # as its job does, until it is noted
    assert await letters_of(floor) == [(None, EVENT_TRIES)], "by the second way"


async def ticked(floor: Floor, *ids: int) -> int:
    """The tick of a morning, with open jobs of the one customer; how many it started."""
    await floor.enable(CLOCK)
    await customer(floor)
    for st_id in ids:
        await job(floor, st_id, "Scheduled")
    await ticks.tick(floor.workshop)
    await forgotten(floor, ticks.TRY_TICK)
    floor.counter.clock.advance(24 * 3600)
    return await ticks.tick(floor.workshop)


async def test_what_a_tick_could_not_start_is_tried_again_and_then_a_person_s(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(monkeypatch, 71)
    assert await ticked(floor, 70, 71) == 1
    await floor.counter.rows(
        "delete from servicetitan.sync_state where tenant_id = %s and key like 'workflow_clock%%'"
        " returning 1",
        floor.tenant,
    )
    for _ in range(EVENT_TRIES - 1):
        assert await letters_of(floor) == []
        [again] = await taken(floor, ticks.TRY_TICK)
        await ticks.try_tick(floor.workshop, **again)
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert (letter.workflow, letter.attempts, "jobs-71" in letter.error) == ("clock", EVENT_TRIES, True)
    assert await taken(floor, ticks.TRY_TICK) == []
    poison.cured = True
    await persons.switch(floor.workshop, "clock", Mode.DISABLED, by="test")
    with pytest.raises(Refused, match="clock is not enabled"):
        await persons.redrive(floor.workshop, letter.id, by="test")
    await persons.switch(floor.workshop, "clock", Mode.LIVE, by="test")
    await persons.redrive(floor.workshop, letter.id, by="test")
    await floor.run()
    assert sorted(await floor.instances("key, status")) == [("70", "ended"), ("71", "ended")]
    assert await letters_of(floor) == []


async def test_a_start_that_heals_is_made_once_and_within_what_its_tick_may_start(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(monkeypatch, 70)
    assert await ticked(floor, 70, 71) == 1
    [again] = await taken(floor, ticks.TRY_TICK)
    poison.cured = True
    for _ in range(2):
        await ticks.try_tick(floor.workshop, **again)
    assert sorted(await floor.instances("key")) == [("70",), ("71",)]
    poison.cured = False
    await job(floor, 69, "Scheduled")
    await job(floor, 72, "Scheduled")
    floor.counter.clock.advance(24 * 3600)
    assert await ticks.tick(floor.workshop) == 2, "two at most: 69 and 71 or 72 took the place of 70"
    poison.cured = True
    [again] = await taken(floor, ticks.TRY_TICK)
    await ticks.try_tick(floor.workshop, **again)
    assert len(await floor.instances("key")) == 4


async def test_a_record_whose_condition_breaks_keeps_no_other_record_waiting(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it holds: it is asked again where the instance would start, and noted there."""
    await floor.enable(CLOCK)

    def broken(_: Any, __: Any) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(holding, "_holds", broken)
    assert await ticked(floor, 70) == 1


async def test_a_tick_that_breaks_keeps_no_other_workflow_waiting(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(CLOCK.replace("name: clock", "name: first").replace("note,", "note_,"))
    narrowed = holding.sieve.narrowed

    def broken(definition: Any, *more: Any) -> Any:
        if definition.name == "first":
            raise ZeroDivisionError
        return narrowed(definition, *more)

    monkeypatch.setattr(holding.sieve, "narrowed", broken)
    with capture_logs():
        assert await ticked(floor, 70) == 1
    monkeypatch.setattr(holding.sieve, "narrowed", narrowed)
    floor.counter.clock.advance(3600)
    assert await ticks.tick(floor.workshop) == 1, "its own is gone through again"


def no_tick(*_: Any) -> Any:
    raise ZeroDivisionError


async def given_up(floor: Floor, monkeypatch: pytest.MonkeyPatch, *ids: int) -> int:
    """A tick fails as often as it may; the id of its letter."""
    with monkeypatch.context() as patch, capture_logs():  # telling of a traceback takes seconds
        patch.setattr(holding.sieve, "narrowed", no_tick)
        assert await ticked(floor, *ids) == 0
        for _ in range(EVENT_TRIES - 1):
            assert await letters_of(floor) == []
            assert await ticks.tick(floor.workshop) == 0, "it rests between two tries"
            floor.counter.clock.advance(3600)
            assert await ticks.tick(floor.workshop) == 0
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert (letter.workflow, letter.attempts) == ("clock", EVENT_TRIES)
    assert "ZeroDivisionError" in letter.error
    assert await ticks.tick(floor.workshop) == 0, "it is over until the next moment"
    return letter.id


async def test_a_tick_that_cannot_be_gone_through_becomes_a_letter_that_starts_what_is_left(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = await given_up(floor, monkeypatch, 70)
    await persons.redrive(floor.workshop, letter, by="test")
    await floor.run()
    assert await floor.instances("key, status") == [("70", "ended")]
    assert await letters_of(floor) == []


async def test_a_letter_of_a_tick_starts_nothing_beside_the_ticks_after_it(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = await given_up(floor, monkeypatch, 70)
    floor.counter.clock.advance(24 * 3600)
    assert await ticks.tick(floor.workshop) == 1
    await floor.run()
    with pytest.raises(Refused, match="of a moment that is over"):
        await persons.redrive(floor.workshop, letter, by="test")
    assert await floor.instances("key, status") == [("70", "ended")]
    assert len(await letters_of(floor)) == 1


async def test_a_clock_of_each_minute_that_fails_is_told_of_once(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the failures of a workflow are no mark of another whose name begins alike."""
    await floor.enable(CLOCK.replace("0 9 * * *", "* * * * *"))
    await floor.enable(CLOCK.replace("name: clock", "name: clock_failures"))
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await ticks.tick(floor.workshop)
    real = holding.sieve.narrowed

    def narrowed(definition: Any, *more: Any) -> Any:
        return no_tick() if definition.name == "clock" else real(definition, *more)

    monkeypatch.setattr(holding.sieve, "narrowed", narrowed)
    with capture_logs():
        for _ in range(2 * EVENT_TRIES + 1):
            floor.counter.clock.advance(3 * 3600)
            await ticks.tick(floor.workshop)
    assert await letters_of(floor) == [(None, EVENT_TRIES)]
    await floor.run()
    assert set(await floor.instances("workflow, key")) == {("clock_failures", "70")}


async def test_a_search_that_the_database_stops_goes_page_by_page(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Narrowed to few, it may go through all records before it has one."""
    real, asked = holding.keys.live, []

    async def live(connection: Any, *more: Any, narrowed: Any, **named: Any) -> list[int]:
        asked.append(bool(narrowed))
        if narrowed:
            async with connection.transaction():
                await connection.execute("set local statement_timeout = 20")
                await connection.execute("select pg_sleep(10)")
        return await real(connection, *more, narrowed=narrowed, **named)

    narrowed = [Narrowing("job_status", "==", "Scheduled")]
    monkeypatch.setattr(holding.sieve, "narrowed", lambda *_: narrowed)
    monkeypatch.setattr(holding.keys, "live", live)
    assert await ticked(floor, 70, 71) == 2
    assert asked == [True, False, False]
