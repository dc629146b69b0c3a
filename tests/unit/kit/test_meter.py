"""How often something may happen: in one process, and in several that share a file."""

import multiprocessing
from collections.abc import Iterator

import pytest

from perfectcatch.kit.meter import LocalMeter, Meter, SharedMeter, shared_file


@pytest.fixture(params=["local", "shared"])
def meter(request: pytest.FixtureRequest) -> Iterator[Meter]:
    if request.param == "local":
        yield LocalMeter()
    else:
        with shared_file() as descriptor:
            yield SharedMeter(descriptor)


def test_a_second_of_burst_and_then_the_rate(meter: Meter) -> None:
    taken = [meter.take(7, 10.0, 100.0) for _ in range(20)]
    assert [wait == 0.0 for wait in taken] == [True] * 11 + [False] * 9
    assert taken[-1] == pytest.approx(1.1)
    assert meter.take(7, 10.0, 100.11) == 0.0
    assert meter.take(7, 10.0, 100.11) > 0.0
    assert meter.take(8, 10.0, 100.0) == 0.0  # another one


def _take(descriptor: int, results: "multiprocessing.Queue[int]") -> None:
    meter = SharedMeter(descriptor)
    results.put(sum(meter.take(7, 100.0, 50.0) == 0.0 for _ in range(2000)))


def test_processes_that_share_a_file_grant_what_one_would() -> None:
    context = multiprocessing.get_context("fork")
    with shared_file() as descriptor:
        results: multiprocessing.Queue[int] = context.Queue()
        processes = [context.Process(target=_take, args=(descriptor, results)) for _ in range(4)]
        for each in processes:
            each.start()
        granted = sum(results.get(timeout=60) for _ in processes)
        for each in processes:
            each.join()
    assert granted == 101
