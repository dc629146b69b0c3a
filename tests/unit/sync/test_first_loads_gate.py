"""Pages of first loads pass one after the other where there are no cores for more: the largest list first."""

import asyncio

import pytest

from perfectcatch.sync.gate import Gate


async def test_the_heaviest_passes_first_then_who_came_first() -> None:
    gate, passed = Gate(1), list[str]()

    async def through(name: str, weight: int) -> None:
        async with gate.passed(weight):
            passed.append(name)
            await asyncio.sleep(0)

    async with gate.passed(0):
        waiting = [
            asyncio.create_task(through(name, weight))
            for name, weight in [("first", 1), ("second", 1), ("heavy", 9)]
        ]
        await asyncio.sleep(0)
        assert passed == []
    await asyncio.gather(*waiting)
    assert passed == ["heavy", "first", "second"]


@pytest.mark.parametrize("let_in", [True, False])
async def test_who_gives_up_takes_no_place_with_it(*, let_in: bool) -> None:
    gate = Gate(1)

    async def through() -> None:
        async with gate.passed(0):
            pass

    async with gate.passed(0):
        gives_up = asyncio.create_task(through())
        stays = asyncio.create_task(through())
        await asyncio.sleep(0)
        if not let_in:
            gives_up.cancel()
            await asyncio.gather(gives_up, return_exceptions=True)
    gives_up.cancel()  # its place was given to it just now, and it has not run since
    async with asyncio.timeout(5):
        await asyncio.gather(gives_up, return_exceptions=True)
        await stays
        await through()
    assert gives_up.cancelled()


async def test_as_many_pass_as_there_are_places() -> None:
    gate, inside, most = Gate(2), 0, 0

    async def through() -> None:
        nonlocal inside, most
        async with gate.passed(0):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(through() for _ in range(9)))
    assert (inside, most) == (0, 2)
