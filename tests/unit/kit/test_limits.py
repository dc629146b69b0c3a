"""Rates, and who goes first."""

import asyncio

import pytest

from perfectcatch.errors import BadArgument
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.limits import LocalBudget, Rate, rate_for


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def moments(
    budget: LocalBudget, clock: FakeClock, count: int, *, key: str = "api:1", interactive: bool = False
) -> list[float]:
    async def one() -> float:
        await budget.acquire(key, interactive=interactive)
        return clock.monotonic()

    return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize(("interactive", "per_second"), [(False, 45), (True, 50)])
async def test_the_background_keeps_to_nine_tenths(
    clock: FakeClock, per_second: float, *, interactive: bool
) -> None:
    taken = await moments(LocalBudget({"api": Rate(50)}, clock), clock, 500, interactive=interactive)
    assert len(taken) / max(taken) == pytest.approx(per_second, rel=0.02)
    assert taken == sorted(taken)
    for start in taken:
        assert sum(start <= moment < start + 1 for moment in taken) <= 55


async def test_a_person_does_not_wait_behind_the_background(clock: FakeClock) -> None:
    budget = LocalBudget({"api": Rate(10)}, clock)
    background = asyncio.create_task(moments(budget, clock, 1000))
    while clock.monotonic() < 5:  # noqa: ASYNC110
        await asyncio.sleep(0)
    asked = clock.monotonic()
    await budget.acquire("api:1", interactive=True)
    assert clock.monotonic() - asked <= 0.2
    background.cancel()
    await asyncio.wait([background])


async def test_slowing_one_key_down_leaves_the_others_alone(clock: FakeClock) -> None:
    budget = LocalBudget({"api": Rate(50)}, clock)
    await budget.slow_down("api:1", 20)
    await budget.slow_down("api:1", 5)
    assert await moments(budget, clock, 1, key="api:2") == [0]
    assert await moments(budget, clock, 1) == [20]


async def test_people_who_wait_when_a_pause_is_declared_leave_it_in_step(clock: FakeClock) -> None:
    budget = LocalBudget({"api": Rate(1)}, clock)
    waiting = asyncio.create_task(moments(budget, clock, 4, interactive=True))
    for _ in range(2):
        await asyncio.sleep(0)  # all four have taken their slots
    await budget.slow_down("api:1", 30)
    taken = sorted(await waiting)
    assert taken[0] <= 1
    assert taken[1] >= 30
    assert taken[2] - taken[1] >= 1
    assert taken[3] - taken[2] >= 1


async def test_one_run_of_a_report_a_minute(clock: FakeClock) -> None:
    budget = LocalBudget({"report": Rate(1 / 60, reserve=0)}, clock)
    assert await moments(budget, clock, 3, key="report:1:sales:7") == [0, 60, 120]
    assert await moments(budget, clock, 1, key="report:1:sales:8") == [120]


async def test_the_cancelled_make_room(clock: FakeClock) -> None:
    budget = LocalBudget({"api": Rate(1, reserve=0)}, clock)
    await budget.acquire("api:1")
    waiting = [asyncio.create_task(budget.acquire("api:1")) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting[:9]:
        task.cancel()
    await waiting[9]
    assert clock.monotonic() <= 1


def test_a_rate_is_found_by_the_beginning_of_its_key() -> None:
    rates = {"api": Rate(1), "api:2": Rate(2)}
    assert rate_for("api:2", rates).per_second == 2
    assert rate_for("api:1:x", rates).per_second == 1
    with pytest.raises(BadArgument, match="no rate is declared for apis:1; declared are: api, api:2"):
        rate_for("apis:1", rates)


@pytest.mark.parametrize(
    ("per_second", "reserve"), [(0, 0.2), (-1, 0.2), (float("nan"), 0.2), (1, 1), (1, -0.1)]
)
def test_a_rate_that_is_none_is_refused(per_second: float, reserve: float) -> None:
    with pytest.raises(BadArgument):
        Rate(per_second, reserve)
