"""The shared rate budget: real processes, a real server."""

import asyncio
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator
from itertools import pairwise
from statistics import median

import pytest

from perfectcatch.errors import BadArgument
from perfectcatch.kit.clock import FakeClock, SystemClock
from perfectcatch.kit.limits import Rate
from perfectcatch.store.budget import AHEAD_SECONDS, LATE_SECONDS, PostgresBudget, _Lease
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema.engine import work
from perfectcatch.store.schema.tables import metadata
from perfectcatch.store.schema.tables.sync import rate_budgets

RATES = {"vendor": Rate(per_second=100, reserve=0.2), "report": Rate(per_second=1 / 60, reserve=0)}

CALLER = """
import asyncio, sys, time
from perfectcatch.kit.limits import Rate
from perfectcatch.store.budget import PostgresBudget
from perfectcatch.store.pool import open_pool

async def main(url, calls):
    async with open_pool(url) as pool:
        budget = PostgresBudget(pool, {"vendor": Rate(per_second=100, reserve=0.2)})
        async def call():
            await budget.acquire("vendor")
            print(time.time())
        await asyncio.gather(*(call() for _ in range(calls)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


# Notes each slot that was given; the row itself only knows when the next one is.
NOTES = """
create table given (slot double precision, background boolean);
create function note() returns trigger language plpgsql as $$
begin
  insert into given values
    (extract(epoch from new.next_at), old.background_next_at is distinct from new.background_next_at);
  return null;
end $$;
create trigger note after update on rate_budgets for each row
  when (old.next_at is distinct from new.next_at) execute function note();
"""


@pytest.fixture
async def budgets(fresh_database: str) -> AsyncIterator[tuple[str, Pool]]:
    await asyncio.to_thread(
        work, fresh_database, lambda connection: metadata.create_all(connection, tables=[rate_budgets])
    )
    async with open_pool(fresh_database) as pool:
        async with pool.connection() as connection:
            await connection.execute(NOTES)
        yield fresh_database, pool


async def given(pool: Pool, *, background: bool | None = None) -> list[float]:
    async with pool.connection() as connection:
        found = await connection.execute(
            "select slot from given where %(b)s::boolean is null or background = %(b)s order by slot",
            {"b": background},
        )
        return [slot for (slot,) in await found.fetchall()]


def most_in_a_second(moments: list[float]) -> int:
    return max(bisect_left(moments, moment + 1 - 1e-6) - place for place, moment in enumerate(moments))


async def test_four_processes_and_a_person_keep_the_rate_and_use_it(budgets: tuple[str, Pool]) -> None:
    url, pool = budgets
    callers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CALLER, url, "60", stdout=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    ends = [asyncio.create_task(caller.communicate()) for caller in callers]
    people, clock, waits = PostgresBudget(pool, RATES), SystemClock(), []
    while not all(end.done() for end in ends):
        began = clock.monotonic()
        await people.acquire("vendor", interactive=True)
        waits.append(clock.monotonic() - began)
        await asyncio.wait(ends, timeout=0.1)
    calls = sum(len(out.split()) for out, _ in await asyncio.gather(*ends))
    slots, background = await given(pool), await given(pool, background=True)

    assert calls == len(background) == 240
    assert len(slots) == 240 + len(waits)
    assert most_in_a_second(slots) <= 100
    assert most_in_a_second(background) <= 80
    assert min(after - before for before, after in pairwise(slots)) > 0.01 - 1e-5
    # Not a matter of speed but of not being stuck: alone this takes three seconds.
    assert background[-1] - background[0] < 15
    assert median(waits) < 0.5


async def test_people_may_use_the_whole_rate(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget, left = PostgresBudget(pool, RATES, clock), []

    async def call() -> None:
        await budget.acquire("vendor", interactive=True)
        left.append(clock.monotonic())

    lease = budget._leases["vendor"] = _Lease()
    async with lease.filling:  # nobody asks until all of them wait
        calls = [asyncio.create_task(call()) for _ in range(50)]
        await asyncio.sleep(0)
        assert lease.waiting == 50
    await asyncio.gather(*calls)
    assert max(left) - min(left) == pytest.approx(49 / 100, abs=1e-3)
    assert len(await given(pool)) == 1


async def test_a_person_does_not_queue_behind_the_background(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    budget, rate = PostgresBudget(pool, RATES), RATES["vendor"]
    crowd = [await budget._ask("vendor", rate, interactive=False) for _ in range(100)]
    answer = await budget._ask("vendor", rate, interactive=True)
    assert not all(each.taken for each in crowd)
    assert answer.wait < AHEAD_SECONDS + 2 * RATES["vendor"].interval


async def test_a_vendor_that_asks_for_a_pause_gets_it_from_everybody(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    first, second = PostgresBudget(pool, RATES), PostgresBudget(pool, RATES)
    await first.slow_down("vendor", 30)
    await second.slow_down("vendor", 5)
    answer = await second._ask("vendor", RATES["vendor"], interactive=True)
    assert 29 < answer.wait <= 30
    assert not (await first._ask("vendor", RATES["vendor"], interactive=False)).taken


async def test_no_connection_is_held_while_a_caller_waits(fresh_database: str, budgets: object) -> None:
    async with open_pool(fresh_database, max_size=1) as pool:
        budget = PostgresBudget(pool, RATES)
        await budget.acquire("report")
        waiting = asyncio.create_task(budget.acquire("report"))
        async with asyncio.timeout(5):
            await budget.acquire("vendor", interactive=True)
            async with pool.connection() as connection:
                await connection.execute("select 1")
        assert not waiting.done()
        waiting.cancel()


async def test_a_key_without_a_rate_is_refused(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    with pytest.raises(BadArgument, match="no rate is declared for other"):
        await PostgresBudget(pool, RATES).acquire("other")


# Slots that a process takes together -----------------------------------------------------------

PEOPLE = CALLER.replace('budget.acquire("vendor")', 'budget.acquire("vendor", interactive=True)')


async def test_slots_taken_together_are_as_far_apart_as_single_ones(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    first, second, rate = PostgresBudget(pool, RATES), PostgresBudget(pool, RATES), RATES["vendor"]
    for budget in (first, second, first, second):
        await budget._ask("vendor", rate, interactive=True, slots=7)
    ends = await given(pool)
    assert all(after - before >= 7 * rate.interval - 1e-5 for before, after in pairwise(ends))


async def test_many_who_wait_cost_two_round_trips(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget, left = PostgresBudget(pool, RATES, clock), []

    async def call() -> None:
        await budget.acquire("vendor", interactive=True)
        left.append(clock.monotonic())

    await asyncio.gather(*(call() for _ in range(80)))
    assert len(await given(pool)) == 2
    assert len(left) == 80


async def test_many_one_after_the_other_ask_twenty_times_a_second(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget = PostgresBudget(pool, {"vendor": Rate(100_000)}, clock)

    async def call_for(seconds: float) -> None:
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            if not budget.at_once("vendor"):
                await budget.acquire("vendor", interactive=True)
            clock.advance(0.001)

    await call_for(0.2)  # how many there are is counted first
    before = len(await given(pool))
    await call_for(1.0)
    assert len(await given(pool)) - before <= 1 / LATE_SECONDS + 5


async def test_who_asks_now_and_then_takes_what_he_needs(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget = PostgresBudget(pool, RATES, clock)
    for seconds in (0.2, 0.2, 0.005, 0.2, 0.005, 0.005, 3.0, 0.2):
        await budget.acquire("vendor", interactive=True)
        assert not budget._leases["vendor"].moments
        clock.advance(seconds)


async def test_a_slot_in_hand_is_taken_at_once_when_its_moment_has_come(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget = PostgresBudget(pool, RATES, clock)
    assert not budget.at_once("vendor")
    lease, now = budget._leases.setdefault("vendor", _Lease()), clock.monotonic()
    lease.moments.extend([now - LATE_SECONDS - 0.001, now - 0.01, now + 0.01])
    assert budget.at_once("vendor")
    assert not budget.at_once("vendor")
    clock.advance(0.01)
    lease.waiting = 1  # who came earlier has it
    assert not budget.at_once("vendor")
    lease.waiting = 0
    assert budget.at_once("vendor")
    assert not lease.moments
    assert await given(pool) == []


async def test_a_slot_that_is_too_old_is_not_used(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget = PostgresBudget(pool, RATES, clock)
    await budget.acquire("vendor", interactive=True)
    lease = budget._leases["vendor"]
    now = clock.monotonic()
    lease.moments.extend([now - LATE_SECONDS - 0.001, now - LATE_SECONDS / 2])
    await budget.acquire("vendor", interactive=True)
    assert not lease.moments
    assert len(await given(pool)) == 1
    await budget.acquire("vendor", interactive=True)
    assert len(await given(pool)) == 2


async def test_a_pause_voids_the_slots_in_hand(budgets: tuple[str, Pool]) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget = PostgresBudget(pool, RATES, clock)
    await budget.acquire("vendor", interactive=True)
    budget._leases["vendor"].moments.extend([clock.monotonic()] * 5)
    await budget.slow_down("vendor", 30)
    began = clock.monotonic()
    await budget.acquire("vendor", interactive=True)
    assert clock.monotonic() - began > 29


async def test_people_in_three_processes_keep_the_rate_together(budgets: tuple[str, Pool]) -> None:
    url, _ = budgets
    callers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PEOPLE, url, "70", stdout=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    ends = await asyncio.gather(*(caller.communicate() for caller in callers))
    left = sorted(float(line) for out, _ in ends for line in out.split())
    assert len(left) == 210
    # Whoever is late only spreads them further: so many cannot have left by then unless they came early.
    early = [
        place
        for place, moment in enumerate(left)
        if place > (moment - left[0] + LATE_SECONDS) * RATES["vendor"].per_second + 1
    ]
    assert early == []


async def _waiting_for_locks(pool: Pool, number: int) -> None:
    async with pool.connection() as connection:
        while await (  # noqa: ASYNC110 - turns of another process
            await connection.execute(
                "select count(*) from pg_stat_activity "
                "where wait_event_type = 'Lock' and datname = current_database()"
            )
        ).fetchone() != (number,):
            await asyncio.sleep(0.01)


async def _asleep_or_done(call: "asyncio.Task[None]", clock: FakeClock) -> None:
    """Until ``call`` has slept through the pause: in the background it asks the database again and again."""
    while not call.done() and clock.monotonic() < 3000:  # noqa: ASYNC110 - turns of another process
        await asyncio.sleep(0.01)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


@pytest.mark.parametrize("interactive", [True, False])
async def test_what_was_asked_for_before_a_pause_waits_for_its_end(
    budgets: tuple[str, Pool], *, interactive: bool
) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget = PostgresBudget(pool, RATES, clock)
    await budget.acquire("vendor", interactive=True)

    async with pool.connection() as holder, holder.transaction():
        await holder.execute("select from rate_budgets where key = 'vendor' for update")
        call = asyncio.create_task(budget.acquire("vendor", interactive=interactive))
        await _waiting_for_locks(pool, 1)
        pause = asyncio.create_task(budget.slow_down("vendor", 3600))
        await _waiting_for_locks(pool, 2)
    await pause
    await _asleep_or_done(call, clock)
    assert clock.monotonic() > 3000


@pytest.mark.parametrize("interactive", [True, False])
async def test_nobody_of_this_process_asks_while_a_pause_is_being_written(
    budgets: tuple[str, Pool], *, interactive: bool
) -> None:
    _, pool = budgets
    clock = FakeClock()
    budget, another = PostgresBudget(pool, RATES, clock), PostgresBudget(pool, RATES, FakeClock())
    await another.acquire("vendor", interactive=True)
    async with pool.connection() as connection:
        await connection.execute(
            "create function wait_for_turn() returns trigger language plpgsql as "
            "'begin perform pg_advisory_xact_lock(308); return null; end'"
        )
        await connection.execute(
            "create trigger late before insert on rate_budgets execute function wait_for_turn()"
        )
    async with pool.connection() as holder, holder.transaction():
        await holder.execute("select pg_advisory_xact_lock(308)")
        pause = asyncio.create_task(budget.slow_down("vendor", 3600))
        await _waiting_for_locks(pool, 1)
        call = asyncio.create_task(budget.acquire("vendor", interactive=interactive))
        # Others, whose processes know nothing of the pause yet, are answered; so would this one be.
        for _ in range(5):
            await another.acquire("vendor", interactive=True)
    await pause
    await _asleep_or_done(call, clock)
    assert clock.monotonic() > 3000
