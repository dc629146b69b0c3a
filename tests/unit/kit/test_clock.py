"""The fake clock, on which every test about time rests."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from perfectcatch.kit.clock import FakeClock, SystemClock


async def test_a_sleep_moves_both_clocks() -> None:
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    await clock.sleep(90)
    assert clock.monotonic() == 90
    assert clock.now() == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)


async def test_sleepers_wake_in_order_and_overlap() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    await asyncio.gather(sleeper("late", 10), sleeper("early", 1), sleeper("also early", 1))
    assert woken == [("early", 1), ("also early", 1), ("late", 10)]


async def test_a_cancelled_sleeper_holds_nobody_up() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    other = asyncio.create_task(clock.sleep(2))
    await asyncio.sleep(0)
    task.cancel()
    await other
    assert clock.monotonic() == 2


def test_skew_moves_the_wall_clock_alone() -> None:
    clock = FakeClock()
    before = clock.now()
    clock.skew(timedelta(days=-1))
    assert clock.now() == before - timedelta(days=1)
    assert clock.monotonic() == 0


async def test_the_system_clock_is_aware_and_accepts_negative_sleeps() -> None:
    clock = SystemClock()
    await clock.sleep(-1)
    assert clock.now().utcoffset() == timedelta(0)
    with pytest.raises(AttributeError):
        clock.advance  # noqa: B018 # type: ignore[attr-defined]
