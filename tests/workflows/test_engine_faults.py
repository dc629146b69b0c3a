"""The engine under faults: kills at named points, lost jobs, clocks, edits while it waits, rejections."""

import json
import re
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from floor import Floor, open_floor, with_roles
from test_instances import THANKS, customer, job, texts

from messaging.counter import open_counter
from perfectcatch.errors import VendorUnavailable
from perfectcatch.messaging import inbound, reconcile
from perfectcatch.model.messaging import Receipt, Received
from perfectcatch.model.workflow import Mode
from perfectcatch.store.jobs.queue import open_jobs
from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch
from perfectcatch.store.pool import open_pool
from perfectcatch.store.workflows import letters
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows.running import persons, ticks, worker
from perfectcatch.workflows.running.ticks import tick

OTHERS = count(9300)


def number(st_id: int) -> str:
    return f"+1303555{st_id:04}"


def ruled(floor: Floor, **rules: Any) -> None:
    floor.counter.ruled(**rules)
    with_roles(floor, desk=floor.counter.desk)


async def scheduled(floor: Floor, *ids: int) -> None:
    """Each with a customer of its own."""
    for st_id in ids:
        await customer(floor, st_id, number(st_id))
        await job(floor, st_id, "Scheduled", customerId=st_id)


async def completed(floor: Floor, *ids: int) -> None:
    for st_id in ids:
        await job(floor, st_id, "Completed", 2, customerId=st_id)


# Kills -------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


class Scythe:
    """Notes every point that is passed, and ends the process at one of them."""

    def __init__(self, at: str | None = None, turn: int = 1) -> None:
        self.at, self.turn = at, turn
        self.passed: list[str] = []

    def pass_by(self, point: str) -> None:
        self.passed.append(point)
        if point == self.at:
            self.turn -= 1
            if self.turn == 0:
                raise Killed(point)


def named(query: Any) -> str:
    text = query.decode() if isinstance(query, bytes) else str(query)
    found = re.search(r"(insert into|update|delete from|from|lock)\s+([\w.\"]+)", text)
    return f"{found[1]} {found[2]}" if found else " ".join(text.split())[:40]


@asynccontextmanager
async def falling(scythe: Scythe, floor: Floor, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    execute, carry = psycopg.AsyncCursor.execute, floor.counter.carrier.send
    commit = psycopg.AsyncConnection.commit

    async def cut(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        scythe.pass_by(f"before {named(query)}")
        result = await execute(self, query, *args, **more)
        scythe.pass_by(f"after {named(query)}")
        return result

    async def committed(self: Any) -> None:
        scythe.pass_by("before a commit")
        await commit(self)
        scythe.pass_by("after a commit")

    async def carried(message: Any) -> Receipt:
        scythe.pass_by("before the vendor is asked")
        receipt = await carry(message)
        scythe.pass_by("after the vendor took it")
        return receipt

    with patch.context() as inside:
        inside.setattr(psycopg.AsyncCursor, "execute", cut)
        inside.setattr(psycopg.AsyncConnection, "commit", committed)
        inside.setattr(floor.counter.carrier, "send", carried)
        yield


async def at_rest(floor: Floor) -> None:
    """The vendor is asked what became of texts that nobody knows of, and what waited for that goes on."""
    floor.counter.clock.advance(90)
    while (looked := await reconcile.outcomes_unknown(floor.workshop.desk)).found or looked.absent:
        await floor.run(1000)
    await floor.later(seconds=60)


async def given_back(floor: Floor, customer_id: int) -> None:
    """Another worker takes up what the dead one had; time stands almost still, so that no night comes."""
    for owner, instance_id, priority in await floor.instances("customer_id, id, priority"):
        if owner == customer_id:
            await floor.workshop.wake(instance_id, priority)
    await floor.later(seconds=1)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("most", [18, pytest.param(10_000, marks=pytest.mark.reliability)])
async def test_a_kill_at_every_named_point_of_a_send(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """From the event to the wait behind the message: one text, and a row that says so."""
    ruled(floor, blast_limit=100_000)
    await floor.enable(THANKS)
    ids = count(1000)
    first = next(ids)
    await scheduled(floor, first)
    await floor.begin()
    await completed(floor, first)
    whole = Scythe()
    async with falling(whole, floor, monkeypatch):
        await floor.run()
    points = sorted(set(whole.passed), key=whole.passed.index)
    assert len(points) >= 15, points
    around = points.index("before the vendor is asked")
    chosen = sorted(points, key=lambda each: abs(points.index(each) - around))[:most]
    turns = (1, 2) if most > len(points) else (1,)
    died, played = 0, dict[int, str]()
    for point in chosen:
        for turn in turns:
            st_id = next(ids)
            await scheduled(floor, st_id)
            await completed(floor, st_id)
            try:
                async with falling(Scythe(point, turn), floor, monkeypatch):
                    await floor.run()
            except Killed:
                died += 1
            await given_back(floor, st_id)
            played[st_id] = point
    await at_rest(floor)
    for st_id, point in played.items():
        sent = Tally(text.to for text in floor.counter.carrier.texts)[number(st_id)]
        rows = await floor.counter.rows(
            "select m.status, i.status, i.step from automation.messaging_log m"
            " join automation.workflow_instances i on i.tenant_id = m.tenant_id and i.id = m.instance_id"
            " where m.tenant_id = %s and m.recipient = %s",
            floor.tenant,
            number(st_id),
        )
        assert (sent, rows) == (1, [("sent", "sleeping", "rest")]), point
    assert died >= min(15, len(chosen))


async def cut_off(floor: Floor) -> None:
    """A text whose worker was killed before the vendor was asked."""
    await floor.enable(THANKS)
    await scheduled(floor, 71)
    await floor.begin()
    await completed(floor, 71)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        async with falling(Scythe("before the vendor is asked"), floor, patch):
            await floor.run()
    await given_back(floor, 71)


ROWS = (
    "select m.status, m.reason, i.status, i.step from automation.messaging_log m"
    " join automation.workflow_instances i on i.tenant_id = m.tenant_id and i.id = m.instance_id"
    " where m.tenant_id = %s order by m.id"
)


async def test_a_text_that_never_left_is_not_sent_to_somebody_who_answered_meanwhile(floor: Floor) -> None:
    await cut_off(floor)
    assert await floor.counter.rows(ROWS, floor.tenant) == [("unknown", "sending", "sleeping", "thanks")]
    said = {"sender": number(71), "to": "+13035550100"}
    at = floor.counter.clock.now()
    await inbound.take(floor.workshop.desk, Received(vendor_id="S71", body="Call me", at=at, **said))
    await floor.run()
    await at_rest(floor)
    assert texts(floor) == []
    assert await floor.counter.rows(ROWS, floor.tenant) == [("suppressed", "stopped", "ended", "thanks")]


async def test_a_vendor_that_cannot_be_read_holds_a_workflow_for_an_hour(floor: Floor) -> None:
    await cut_off(floor)
    await floor.later(minutes=50)
    assert await floor.counter.rows(ROWS, floor.tenant) == [("unknown", "sending", "sleeping", "thanks")]
    await floor.later(minutes=11)
    assert await floor.counter.rows(ROWS, floor.tenant) == [("unknown", "sending", "sleeping", "rest")]
    await at_rest(floor)
    assert await floor.counter.rows(ROWS, floor.tenant) == [("suppressed", "stopped", "sleeping", "rest")]
    assert texts(floor) == []


async def test_what_nothing_wakes_any_more_is_released(floor: Floor) -> None:
    await floor.enable(THANKS)
    await scheduled(floor, 70)
    await floor.begin()
    await completed(floor, 70)
    await worker.settle(floor.workshop)
    assert await floor.take() != [], "its job is lost"
    assert await worker.release(floor.workshop) == 0, "it may still be on its way"
    await floor.counter.rows(
        "update automation.workflow_instances set updated_at = %s where tenant_id = %s returning 1",
        floor.counter.clock.now(),
        floor.tenant,
    )
    floor.counter.clock.advance(16 * 60)
    assert await worker.release(floor.workshop) == 1
    await floor.run()
    assert texts(floor) == ["Hi Ann, thank you."]
    floor.counter.clock.advance(16 * 60)
    assert await worker.release(floor.workshop) == 0, "a sleeper has its timer"


# Shadow and live ---------------------------------------------------------------------------------

OFFER = (
    THANKS.replace("class: service", "class: marketing")
    .replace("stop_rules: [reply, gone]", "stop_rules: [reply, gone, opt_out]")
    .replace('thank you."', 'thank you. Reply STOP to end."')
    .replace('was all well?"', 'was all well? Reply STOP to end."')
)


async def played(floor: Floor, mode: Mode) -> list[Any]:
    """What was decided about people who agree, refuse, answer, are deferred, share a number or are gone."""
    await floor.enable(OFFER, mode)
    clock, desk = floor.counter.clock, floor.workshop.desk
    await scheduled(floor, 10, 11, 12, 13, 14)
    await customer(floor, 15, number(10))  # of one household
    await job(floor, 15, "Scheduled", customerId=15)
    for st_id in (10, 11, 12, 14):
        await floor.counter.agree(number(st_id))
    await floor.begin()
    await completed(floor, 10, 11, 13, 15)
    await floor.run()
    stop = {"sender": number(11), "to": "+13035550100"}
    await inbound.take(desk, Received(vendor_id="S1", body="STOP", at=clock.now(), **stop))
    await floor.run()
    clock.advance(12 * 3600)  # night
    await completed(floor, 12, 14)
    await floor.run()
    said = {"sender": number(12), "to": "+13035550100"}
    await inbound.take(desk, Received(vendor_id="S2", body="Call me", at=clock.now(), **said))
    for _ in range(4):
        await floor.later(hours=13)
    return await floor.counter.rows(
        "select i.customer_id, i.status, i.reason, x.step, x.outcome, x.reason"
        ""
        " from automation.workflow_instances i"
        " left join automation.workflow_step_executions x on x.tenant_id = i.tenant_id"
        " and x.workflow_instance_id = i.id where i.tenant_id = %s"
        " order by 1, x.started_at, x.ended_at, x.step",
        floor.tenant,
    )


async def test_shadow_decides_as_live_does(floor: Floor, workflows_database: str) -> None:
    live = await played(floor, Mode.LIVE)
    async with (
        open_pool(workflows_database, max_size=6) as pool,
        open_jobs(workflows_database) as jobs,
    ):
        other = open_floor(open_counter(pool, tenant=next(OTHERS)), jobs)
        shadow = await played(other, Mode.SHADOW)
        assert other.counter.carrier.texts == []
    words = {"shadow": "sent", "delivered": "sent"}  # the reason of what would go, and of what went
    told = [[(*row[:5], words.get(row[5], row[5])) for row in rows] for rows in (live, shadow)]
    assert told[0] == told[1]
    assert len({row[2] for row in live}) >= 3, "the scenario tells apart"
    assert len(floor.counter.carrier.texts) >= 3


# Fresh records, other workflows, clocks ----------------------------------------------------------


async def test_a_stale_mirror_is_read_anew_before_somebody_is_written_to(floor: Floor) -> None:
    class Refresher:
        asked: list[int]

        async def refresh(self, customer_id: int) -> None:
            self.asked.append(customer_id)
            if customer_id == 71:
                record = {"id": 71, "active": False, "name": "Ann Lee", "type": "Residential", "address": {}}
                dates = {"createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-06-08T00:00:00Z"}
                await floor.counter.merge("customers", record | dates)
            if customer_id == 72 and len(self.asked) < 4:
                raise VendorUnavailable("ServiceTitan is away.")

    refresher = Refresher()
    refresher.asked = []
    await floor.enable(THANKS)
    with_roles(floor, refresher=refresher)
    await scheduled(floor, 70, 71, 72)
    await floor.begin()
    await completed(floor, 70, 71, 72)
    await floor.run()
    assert sorted(refresher.asked) == [70, 71, 72]
    assert [text.to for text in floor.counter.carrier.texts] == [number(70)]
    assert sorted(await floor.instances("customer_id, status, reason")) == [
        (70, "sleeping", None), (71, "ended", "gone"), (72, "sleeping", None),
    ]  # fmt: skip
    await floor.later(minutes=1)
    assert [text.to for text in floor.counter.carrier.texts] == [number(70), number(72)]


async def test_a_pause_while_records_are_read_holds_the_message(floor: Floor) -> None:
    class Refresher:
        async def refresh(self, customer_id: int) -> None:
            assert customer_id == 70
            [(instance_id,)] = await floor.instances("id")
            await persons.pause(floor.workshop, instance_id, by="test")

    await floor.enable(THANKS)
    with_roles(floor, refresher=Refresher())
    await scheduled(floor, 70)
    await floor.begin()
    await completed(floor, 70)
    await floor.run()
    assert floor.counter.carrier.texts == []
    [(instance_id, status)] = await floor.instances("id, status")
    assert status == "paused"
    with_roles(floor, refresher=None)
    await persons.resume(floor.workshop, instance_id, by="test")
    await floor.run()
    assert len(floor.counter.carrier.texts) == 1


PARENT = """
name: parent
does: Has another one thank, then goes on.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone, opt_out]
steps:
  - {id: other, kind: workflow, workflow: thanks, waits: true, outcomes: {refused: end}}
  - {id: after, kind: task, title: Afterwards}
"""


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.DISABLED])
async def test_a_workflow_waits_for_the_one_it_runs(floor: Floor, mode: Mode) -> None:
    await floor.enable(THANKS.replace("on: [job_completed]", "on: [estimate_created]"), mode)
    await floor.enable(PARENT)
    await scheduled(floor, 70)
    await floor.begin()
    await completed(floor, 70)
    await floor.run()
    if mode is Mode.DISABLED:
        assert await floor.instances("workflow, status") == [("parent", "ended")]
        assert ("other", "refused") in await floor.steps()
        return
    assert await floor.instances("workflow, status") == [("parent", "sleeping"), ("thanks", "sleeping")]
    await floor.later(days=2)
    assert await floor.instances("workflow, status") == [("parent", "ended"), ("thanks", "ended")]
    assert [step for step, _ in await floor.steps()].count("after") == 1
    assert len(texts(floor)) == 2


CLOCK = """
name: clock
does: Notes each open job every morning.
class: service
trigger: {clock: "0 9 * * *", each: jobs, at_most: 4, where: "job.job_status == 'Scheduled'"}
key: string(job.id)
stop_rules: [gone]
steps:
  - {id: note, kind: task, title: "Job {{ job.id }}"}
"""


async def test_a_tick_starts_each_once_though_its_process_dies_and_ticks_were_missed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(CLOCK)
    await scheduled(floor, 70, 71, 72, 73, 74)
    assert await tick(floor.workshop) == 0, "the first look only notes the moment"
    floor.counter.clock.advance(3 * 24 * 3600)  # three ticks are missed: one makes them good
    one, begun = ticks._one, 0

    async def dies(*args: Any) -> int:
        nonlocal begun
        if begun == 2:
            raise Killed
        begun += 1
        return await one(*args)

    monkeypatch.setattr(ticks, "_one", dies)
    with pytest.raises(Killed):
        await tick(floor.workshop)
    monkeypatch.setattr(ticks, "_one", one)
    assert await tick(floor.workshop) == 2, "four at most, with those before the death"
    assert await tick(floor.workshop) == 0
    await floor.run()
    assert sorted(await floor.instances("key, status")) == [(str(each), "ended") for each in (70, 71, 72, 73)]


async def test_a_poisoned_record_keeps_no_other_of_its_tick_waiting(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(CLOCK)
    await scheduled(floor, 70, 71, 72)
    await tick(floor.workshop)
    start = ticks.start

    async def broken(workshop: Any, connection: Any, active: Any, event: Any, occasion: str) -> Any:
        if event.st_id == 71:
            raise ZeroDivisionError("job 71")
        return await start(workshop, connection, active, event, occasion)

    monkeypatch.setattr(ticks, "start", broken)
    floor.counter.clock.advance(24 * 3600)
    assert await tick(floor.workshop) == 2
    assert await tick(floor.workshop) == 0
    assert await letters.unresolved(floor.workshop.pool, floor.tenant) == [], "it is tried again"


# Sizes of the scorecard --------------------------------------------------------------------------

STEPS = THANKS.replace(
    "  - {id: again, kind: sms, template: again}",
    "  - {id: note, kind: task, title: Look}\n  - {id: more, kind: wait, for: 1d}\n"
    "  - {id: again, kind: sms, template: again}",
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [9, pytest.param(200, marks=pytest.mark.reliability)])
async def test_edits_at_each_step_of_waiting_runs_repeat_nothing(floor: Floor, size: int) -> None:
    """E1: a third waits at the first wait, a third at the second, a third has not begun, when it changes."""
    ruled(floor, blast_limit=100_000)
    ids = list(range(2000, 2000 + size))
    thirds = [ids[0::3], ids[1::3], ids[2::3]]
    await floor.enable(STEPS)
    await scheduled(floor, *ids)
    await floor.begin()
    await completed(floor, *thirds[0])
    await floor.run(limit=10 * size)
    floor.counter.clock.advance(25 * 3600)
    await floor.run(limit=10 * size)
    await completed(floor, *thirds[1])
    await floor.run(limit=10 * size)
    await floor.enable(STEPS.replace("was all well?", "and now?").replace("id: note", "id: other"))
    await completed(floor, *thirds[2])
    await floor.run(limit=10 * size)
    await persons.switch(floor.workshop, "thanks", Mode.DISABLED, by="test")
    gone = thirds[1][: len(thirds[1]) // 2]
    open_ids = await floor.counter.rows(
        "select id from automation.workflow_instances where tenant_id = %s and customer_id = any(%s)",
        floor.tenant,
        gone,
    )
    for (instance_id,) in open_ids:
        await persons.cancel(floor.workshop, instance_id, by="test")
    for _ in range(3):
        floor.counter.clock.advance(25 * 3600)
        await floor.run(limit=10 * size)
    found = await floor.instances("customer_id, status, reason")
    assert len(found) == size
    assert {status for _, status, _ in found} == {"ended", "cancelled"}
    assert {who for who, status, _ in found if status == "cancelled"} == set(gone)
    words = Tally((text.to, text.body) for text in floor.counter.carrier.texts)
    assert max(words.values()) == 1
    last = {text.to: text.body for text in floor.counter.carrier.texts if "thank" not in text.body}
    for group, ending in ((thirds[0], "was all well?"), (thirds[2], "and now?")):
        assert {last[number(each)] for each in group} == {f"Hi Ann, {ending}"}
    repeated = await floor.counter.rows(
        "select 1 from automation.workflow_step_executions where tenant_id = %s and occurrence > 1",
        floor.tenant,
    )
    assert repeated == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [12, pytest.param(500, marks=pytest.mark.reliability)])
async def test_timers_over_a_restart_fire_once(floor: Floor, workflows_database: str, size: int) -> None:
    """E4: another process, with a catalogue and jobs of its own, wakes them all, once."""
    ruled(floor, blast_limit=100_000)
    ids = list(range(3000, 3000 + size))
    await floor.enable(THANKS)
    await scheduled(floor, *ids)
    await floor.begin()
    await completed(floor, *ids)
    await floor.run(limit=10 * size)
    async with (
        open_pool(workflows_database, max_size=6) as pool,
        open_jobs(workflows_database) as jobs,
    ):
        counter = open_counter(pool, tenant=floor.tenant, start=floor.counter.clock.now())
        restarted = open_floor(counter, jobs)
        ruled(restarted, blast_limit=100_000)
        await restarted.later(hours=23)
        assert counter.carrier.texts == []
        counter.clock.advance(2 * 3600)
        await restarted.run(limit=10 * size)
        await restarted.later(days=2)
        assert Tally(text.to for text in counter.carrier.texts) == {number(each): 1 for each in ids}


CALLS = """
name: calls
does: Tells another system of each job.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
steps:
  - {id: tell, kind: http, method: POST, url: "https://api.example.com/{{ job.id }}", body: {id: "= job.id"}}
"""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("size", "rejected"), [(20, 2), pytest.param(10_000, 5, marks=pytest.mark.reliability)]
)
async def test_a_destination_that_rejects_some_gets_all_others(
    floor: Floor, size: int, rejected: int
) -> None:
    """E5: those that fail are tried five times and reported, each with its error."""

    class Destination:
        def __init__(self) -> None:
            self.arrived: Tally[int] = Tally()
            self.tried: Tally[int] = Tally()

        async def call(self, method: str, url: str, *, headers: Any, body: Any, key: str) -> Any:
            if body["id"] % (size // rejected) == 0:
                self.tried[body["id"]] += 1
                raise VendorUnavailable(f"It answered 500 to {body['id']}.")
            self.arrived[body["id"]] += 1
            return {"status": 200, "body": {}}

    destination = Destination()
    with_roles(floor, caller=destination)
    await floor.enable(CALLS)
    ids = [*range(100_000, 100_000 + size)]
    for st_id in ids:
        await job(floor, st_id, "Scheduled", customerId=None)
    await floor.begin()
    for st_id in ids:
        await job(floor, st_id, "Completed", 2, customerId=None)
    await floor.run(limit=10 * size)
    for _ in range(6):
        floor.counter.clock.advance(15 * 60)
        await floor.run(limit=10 * size)
    assert len(destination.arrived) == size - rejected
    assert set(destination.arrived.values()) == {1}
    assert sorted(destination.tried.values()) == [5] * rejected
    found = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert sorted(each.error for each in found) == sorted(
        f"It answered 500 to {each}." for each in destination.tried
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("old", "edited", "limit"),
    [(40, 12, 5), pytest.param(50_000, 20_000, 500, marks=pytest.mark.reliability)],
)
async def test_history_writes_to_nobody_and_a_bulk_edit_stops_at_the_guard(
    floor: Floor, old: int, edited: int, limit: int
) -> None:
    """M9."""
    ruled(floor, blast_limit=limit)
    await floor.enable(THANKS)
    await floor.begin()
    ids = list(range(10_000, 10_000 + old))

    async def merged(entity: str, records: list[dict[str, Any]], *, historical: bool = False) -> None:
        for at in range(0, len(records), 500):
            documents = [json.dumps(each).encode() for each in records[at : at + 500]]
            batch = Batch(
                tenant_id=floor.tenant, entity=BY_NAME[entity], entities=BY_NAME, records=documents,
                historical=historical,
            )  # fmt: skip
            await mirror.merge(floor.workshop.pool, batch)

    dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
    people = [{"id": each, "name": "Ann Lee", "type": "Residential", "address": {}, **dated} for each in ids]
    phones = [
        {
            "id": each,
            "customerId": each,
            "type": "MobilePhone",
            "value": f"+1303{5_550_000 + each - 10_000}",
            **dated,
        }
        for each in ids
    ]

    def jobs(chosen: list[int], status: str, day: int) -> list[dict[str, Any]]:
        done = {"completedOn": f"2026-06-0{day}T00:00:00Z"} if status == "Completed" else {}
        return [
            {"id": each, "jobNumber": str(each), "customerId": each, "jobStatus": status, "active": True,
             "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": f"2026-06-0{day}T00:00:00Z", **done}
            for each in chosen
        ]  # fmt: skip

    await merged("customers", people, historical=True)
    await merged("customer_contacts", phones, historical=True)
    await merged("jobs", jobs(ids, "Completed", 1), historical=True)
    assert await floor.run() == 0
    assert await floor.instances() == []
    some = ids[:edited]
    await merged("jobs", jobs(some, "InProgress", 2))
    await merged("jobs", jobs(some, "Completed", 3))
    await floor.run(limit=10 * edited)
    assert len(floor.counter.carrier.texts) == limit
    rows = await floor.counter.rows(
        "select status, held, count(*) from automation.messaging_log where tenant_id = %s group by 1, 2"
        " order by 1",
        floor.tenant,
    )
    assert rows == [("deferred", True, edited - limit), ("sent", False, limit)]
