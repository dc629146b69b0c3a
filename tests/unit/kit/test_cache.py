"""Remembered values."""

import asyncio

import pytest

from perfectcatch.kit.cache import Cache
from perfectcatch.kit.clock import FakeClock


class Maker:
    def __init__(self) -> None:
        self.made = 0
        self.fails = False

    async def __call__(self) -> int:
        self.made += 1
        await asyncio.sleep(0)
        if self.fails:
            raise ValueError
        return self.made


async def test_a_value_is_made_once_until_it_is_too_old():
    clock, make = FakeClock(), Maker()
    cache: Cache[int] = Cache(clock, seconds=60)
    assert [found.value for found in await asyncio.gather(*(cache.get("a", make) for _ in range(5)))] == [
        1
    ] * 5
    clock.advance(59)
    found = await cache.get("a", make)
    assert (found.value, found.age) == (1, 59)
    clock.advance(1)
    assert (await cache.get("a", make)).value == 2
    assert (await cache.get("b", make)).value == 3
    cache.forget()
    assert (await cache.get("a", make)).value == 4


async def test_an_error_is_not_remembered():
    make = Maker()
    cache: Cache[int] = Cache(FakeClock(), seconds=60)
    make.fails = True
    with pytest.raises(ValueError):
        await cache.get("a", make)
    make.fails = False
    assert (await cache.get("a", make)).value == 2


async def test_the_oldest_are_forgotten():
    make = Maker()
    cache: Cache[int] = Cache(FakeClock(), seconds=60, size=2)
    for key in "abc":
        await cache.get(key, make)
    assert (await cache.get("a", make)).value == 4
    assert (await cache.get("c", make)).value == 3
