"""What several processes counted, added up by whoever is asked; none of it is lost with a restart."""

from pathlib import Path

from prometheus_client import generate_latest

from perfectcatch.gateway.counting import BUCKETS, Tally
from perfectcatch.kit.clock import FakeClock

ROUTE = "/db/{entity}"


def told(tally: Tally) -> dict[str, float]:
    text = generate_latest(tally.everybody().registry()).decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_each_tells_of_all_and_a_restart_loses_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    first, second = (Tally((tmp_path, name)) for name in ("1", "2"))
    (tmp_path / "3").write_bytes(b"half a fi")  # of one that was killed
    for seconds in (0.001, 0.01, 99.0):
        first.count("GET", ROUTE, 200, seconds)
    second.count("GET", ROUTE, 200, 0.3)
    second.count("POST", "none", 404, 0.3)
    async with first.told(clock, lambda: 2), second.told(clock, lambda: 3):
        await clock.sleep(2.0)
        assert told(first) == told(second)
        assert (first.listeners(2, clock.monotonic()), second.listeners(3, clock.monotonic())) == (5, 5)
        assert first.listeners(2, clock.monotonic() + 60) == 2  # the other has been silent since
    whole = told(Tally((tmp_path, "1")))
    name = f'perfectcatch_http_requests_total{{method="GET",route="{ROUTE}",status="200"}}'
    assert whole[name] == 4
    assert whole['perfectcatch_http_requests_total{method="POST",route="none",status="404"}'] == 1
    name = f'perfectcatch_http_request_seconds_bucket{{le="%s",route="{ROUTE}"}}'
    upto = [whole[name % each] for each in (*map(float, BUCKETS), "+Inf")]
    assert upto == [1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4]
    assert whole[f'perfectcatch_http_request_seconds_count{{route="{ROUTE}"}}'] == 4
    assert round(whole[f'perfectcatch_http_request_seconds_sum{{route="{ROUTE}"}}'], 3) == 99.311


async def test_a_disk_that_takes_nothing_for_a_while_ends_no_process(tmp_path: Path) -> None:
    place, away = tmp_path / "counts", tmp_path / "away"
    place.mkdir()
    clock = FakeClock()
    tally = Tally((place, "1"))
    async with tally.told(clock, lambda: 0):
        await clock.sleep(1.5)
        place.rename(away)
        tally.count("GET", ROUTE, 200, 0.01)
        await clock.sleep(3.0)
        away.rename(place)
        await clock.sleep(1.5)
        assert told(Tally((place, "2")))[f'perfectcatch_http_request_seconds_count{{route="{ROUTE}"}}'] == 1


def test_one_process_alone_needs_no_file() -> None:
    alone = Tally()
    alone.count("GET", ROUTE, 200, 0.01)
    assert told(alone)[f'perfectcatch_http_request_seconds_count{{route="{ROUTE}"}}'] == 1
    assert alone.listeners(7, 0.0) == 7
