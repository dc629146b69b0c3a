"""One that is heavy, broken or late keeps nobody else waiting, and nobody ends without a word."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from floor import Floor, with_roles
from shop import MONDAY, Shop, iso
from test_clocks import REHASH, estimates
from test_instances import THANKS, customer, job, texts
from test_poison import complete
from test_questions import freed
from test_walks import CHORES, LATER, tasks

from perfectcatch.errors import StatementStopped
from perfectcatch.model.workflow import Mode
from perfectcatch.store.jobs.queue import Jobs, Run
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions, explaining, letters
from perfectcatch.workflows import bundle
from perfectcatch.workflows.definitions import shipped
from perfectcatch.workflows.running import dues, persons, ticks, walk, worker
from perfectcatch.workflows.running.workshop import ADVANCE

PLAIN = CHORES.replace(" for {{ customer.name }}", "")


def heavy(monkeypatch: pytest.MonkeyPatch, *customers: int) -> list[int]:
    """Reading one of the customers takes longer than the database allows; how many were read together."""
    real, read = bundle.present, []

    async def present(connection: Any, tenant: int, entities: Any, whose: Any, also: Any = ()) -> Any:
        read.append(len(whose))
        if set(whose) & set(customers):
            async with connection.transaction():
                await connection.execute("set local statement_timeout = 20")
                await connection.execute("select pg_sleep(10)")
        return await real(connection, tenant, entities, whose, also)

    monkeypatch.setattr(bundle, "present", present)
    return read


async def test_a_customer_too_heavy_for_the_database_holds_no_other_up(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(PLAIN)
    with monkeypatch.context() as patch:
        heavy(patch, 705)
        await complete(floor, *range(700, 712))
        assert await floor.instances("customer_id") == [(each,) for each in range(700, 712) if each != 705]
        assert await letters.unresolved(floor.workshop.pool, floor.tenant) == []
    waits = await floor.counter.rows(
        "select scheduled_at from procrastinate_jobs j join automation.events e"
        " on e.id = (j.args ->> 'event_id')::bigint where e.tenant_id = %s and j.status = 'todo'",
        floor.tenant,
    )
    assert len(waits) == 1
    assert waits[0][0] > floor.counter.clock.now() + timedelta(seconds=20), "not while it is still slow"


async def test_a_tick_goes_on_past_a_customer_too_heavy_for_the_database(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer(floor, 7)
    await customer(floor, 8, "+13035550143")
    await floor.enable(REHASH)
    await ticks.tick(floor.workshop)
    await estimates(floor, {"id": 21}, {"id": 22, "customerId": 8}, {"id": 23})
    floor.counter.clock.advance(24 * 3600)
    with monkeypatch.context() as patch:
        heavy(patch, 8)
        assert await ticks.tick(floor.workshop) == 2
    [(moment,)] = await floor.counter.rows(
        "select args ->> 'occasion' from procrastinate_jobs where task_name = %s and status = 'todo'"
        " and args ->> 'workflow' = 'rehash' and args ->> 'occasion' like '%%estimates-22/%%'",
        ticks.TRY_TICK,
    )
    await ticks.try_tick(floor.workshop, "rehash", moment, 2)
    assert len(await floor.instances()) == 3


@pytest.mark.parametrize("number", [20])
async def test_one_that_cannot_go_on_leaves_the_others_of_its_batch_together(
    floor: Floor, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(LATER)
    await complete(floor, *range(700, 700 + number))
    floor.counter.clock.advance(3700)
    real = walk.onward

    async def onward(walking: walk.Walk) -> Any:
        if walking.instance.customer_id == 700:
            raise RuntimeError("nobody foresaw this")
        return await real(walking)

    monkeypatch.setattr(walk, "onward", onward)
    assert await dues.sweep(floor.workshop) == number
    assert len(await floor.take()) <= dues.FEW
    ended = (await floor.instances("status")).count(("ended",))
    assert ended >= number - dues.FEW
    assert len(await tasks(floor)) == 3 * ended


async def test_a_try_that_comes_when_the_tick_is_full_says_so(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer(floor)
    await floor.enable(REHASH.replace("  each: estimates", "  each: estimates\n  at_most: 1"))
    await ticks.tick(floor.workshop)
    await estimates(floor, {"id": 21}, {"id": 22}, {"id": 23})
    real = ticks.start
    broken = {21}

    async def start(workshop: Any, connection: Any, active: Any, event: Any, *more: Any) -> Any:
        if event.st_id in broken:
            raise RuntimeError("not now")
        return await real(workshop, connection, active, event, *more)

    monkeypatch.setattr(ticks, "start", start)
    floor.counter.clock.advance(24 * 3600)
    assert await ticks.tick(floor.workshop) == 1
    broken.clear()
    [(occasion,)] = await floor.counter.rows(
        "select args ->> 'occasion' from procrastinate_jobs where task_name = %s and status = 'todo'"
        " and args ->> 'occasion' like '%%estimates-21/%%' order by id desc limit 1",
        ticks.TRY_TICK,
    )
    for _ in range(2):
        await ticks.try_tick(floor.workshop, "rehash", occasion, 2)
    assert len(await floor.instances()) == 1
    told = await explaining.explained(floor.workshop.pool, floor.tenant, 7)
    [line] = [each for each in told if each.kind == "start" and each.outcome == "skip"]
    assert line.reason == "at_most"
    assert "1 others" in str(line.sentence)


class Declared:
    """A queue that also tells what a worker declares: the functions of its jobs."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.tasks: dict[str, Any] = {}

    def task(self, name: str, fn: Any, **_: Any) -> None:
        self.tasks[name] = fn

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jobs, name)


async def test_an_instance_too_heavy_for_the_database_reaches_a_person(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.enable(THANKS)
    await complete(floor, 700)
    declared = Declared(floor.workshop.jobs)
    worker.declare(replace(floor.workshop, jobs=declared))  # type: ignore[arg-type]
    floor.counter.clock.advance(2 * 24 * 3600)
    with monkeypatch.context() as patch:
        heavy(patch, 700)
        assert await dues.sweep(floor.workshop) == 1
        assert await worker.release(floor.workshop) == 0, "its job waits: one is enough"
        [job_of_it] = await floor.take()
        assert await worker.release(floor.workshop) == 1
        await floor.take()
        for attempt in range(1, 5):
            run = Run(name=ADVANCE, id=1, attempt=attempt, tick=None, worker_id=1)
            with pytest.raises(StatementStopped) as stopped:
                await declared.tasks[ADVANCE](run, **job_of_it)
            assert (stopped.value.after_seconds or 0) >= 60 * attempt, "not while it is still slow"
        run = Run(name=ADVANCE, id=1, attempt=5, tick=None, worker_id=1)
        await declared.tasks[ADVANCE](run, **job_of_it)
    [letter] = await letters.unresolved(floor.workshop.pool, floor.tenant)
    assert (letter.kind, letter.attempts) == ("instance", 5)
    await persons.redrive(floor.workshop, letter.id, by="test")
    await floor.run()
    assert await floor.instances() == [("ended", "finished")]


async def test_a_try_beside_its_tick_takes_one_of_its_places(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer(floor)
    await floor.enable(REHASH.replace("  each: estimates", "  each: estimates\n  at_most: 1"))
    await ticks.tick(floor.workshop)
    await estimates(floor, {"id": 21}, {"id": 22}, {"id": 23})
    real, tried = ticks.start, []

    async def start(
        workshop: Any, connection: Any, active: Any, event: Any, occasion: str, *more: Any
    ) -> Any:
        if event.st_id == 21 and not tried:
            tried.append(occasion)
            raise RuntimeError("not now")
        if event.st_id == 22:
            await ticks.try_tick(workshop, "rehash", tried[0], 2)
        return await real(workshop, connection, active, event, occasion, *more)

    monkeypatch.setattr(ticks, "start", start)
    floor.counter.clock.advance(24 * 3600)
    assert await ticks.tick(floor.workshop) == 0
    assert await floor.instances("trigger ->> 'occasion'") == [(tried[0],)]
    decided = "select trigger from automation.workflow_starts where tenant_id = %s"
    assert await floor.counter.rows(decided, floor.tenant) == [(tried[0],)], "22 may start with the next tick"


class Reader:
    """Reads customers anew; one has become nobody to invite meanwhile."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.asked: list[int] = []

    async def refresh(self, customer_id: int) -> None:
        self.asked.append(customer_id)
        if customer_id == 3:
            dated = {
                "createdOn": "2026-01-01T00:00:00Z",
                "modifiedOn": "2026-06-08T00:00:00Z",
                "active": True,
            }
            record = {"id": 3, "name": "Person 3", "type": "Residential", "address": {}, "doNotService": True}
            await self.shop.merge("customers", record | dated)


async def test_who_is_invited_is_read_anew_before(floor: Floor) -> None:
    shop = Shop(floor.workshop.pool, floor.tenant)
    floor.counter.clock.skew(MONDAY - floor.counter.clock.now())
    await freed(shop)
    visit = {
        "id": 41, "jobId": 11, "customerId": 1, "appointmentNumber": "11-1", "active": True,
        "start": iso(MONDAY + timedelta(hours=8)), "end": iso(MONDAY + timedelta(hours=10)),
        "arrivalWindowStart": iso(MONDAY + timedelta(hours=8)),
        "arrivalWindowEnd": iso(MONDAY + timedelta(hours=10)), "createdOn": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await shop.merge("appointments", {**visit, "status": "Scheduled", "modifiedOn": "2026-01-03T00:00:00Z"})
    async with transaction(floor.workshop.pool) as connection:
        await definitions.put(
            connection, floor.tenant, shipped()["hot-fill"], mode=Mode.LIVE, source="shipped", by="test"
        )
    await floor.begin()
    reader = Reader(shop)
    with_roles(floor, refresher=reader)
    await shop.merge("appointments", {**visit, "status": "Canceled", "modifiedOn": "2026-01-04T00:00:00Z"})
    await floor.run()
    assert [text.to for text in floor.counter.carrier.texts] == ["+13035550102"], "3 wants no service now"
    assert reader.asked[:2] == [3, 2]
    assert await floor.instances("status, step") == [("sleeping", "twenty")]


async def test_another_than_the_customer_is_read_anew_before_it_is_written_to(floor: Floor) -> None:
    shop = Shop(floor.workshop.pool, floor.tenant)
    await shop.customer(3)
    reader = Reader(shop)
    with_roles(floor, refresher=reader)
    await floor.enable(
        THANKS.replace("template: thanks}", 'template: thanks, to: "\'+13035550103\'", customer: "3"}')
    )
    await customer(floor)
    await job(floor, 70, "Scheduled")
    await floor.begin()
    await job(floor, 70, "Completed", 2)
    await floor.run()
    assert reader.asked == [3, 7]
    assert texts(floor) == []
