"""When calls stop and when they go on."""

import pytest

from perfectcatch.errors import CircuitOpen
from perfectcatch.kit.breaker import Breaker, State
from perfectcatch.kit.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(clock)


def call(breaker: Breaker, ok: bool | None, key: str = "jobs") -> None:
    with breaker.guard(key) as verdict:
        if ok:
            verdict.succeeded()
        elif ok is False:
            verdict.failed("503 from the vendor")


def state(breaker: Breaker) -> State:
    return breaker.status()["jobs"].state


def fail(breaker: Breaker, times: int = 5) -> None:
    for _ in range(times):
        call(breaker, ok=False)


def test_five_failures_in_a_row_open_it_and_say_why(breaker: Breaker) -> None:
    fail(breaker, 4)
    assert state(breaker) is State.CLOSED
    fail(breaker, 1)
    with pytest.raises(CircuitOpen, match=r"^503 from the vendor; .*jobs pause for 30 s") as caught:
        call(breaker, ok=True)
    assert caught.value.after_seconds == 30
    call(breaker, ok=True, key="customers")


def test_a_success_ends_the_row(breaker: Breaker) -> None:
    fail(breaker, 4)
    call(breaker, ok=True)
    fail(breaker, 4)
    assert state(breaker) is State.CLOSED


def test_half_of_twenty_calls_open_it(breaker: Breaker) -> None:
    for turn in range(19):
        call(breaker, ok=turn % 2 == 0)
    assert state(breaker) is State.CLOSED
    call(breaker, ok=False)
    assert state(breaker) is State.OPEN


def test_old_calls_are_forgotten(breaker: Breaker, clock: FakeClock) -> None:
    for turn in range(19):
        call(breaker, ok=turn % 2 == 0)
    clock.advance(61)
    call(breaker, ok=False)
    assert state(breaker) is State.CLOSED


def test_calls_without_a_verdict_count_for_nothing(breaker: Breaker) -> None:
    fail(breaker, 4)
    for _ in range(50):
        call(breaker, ok=None)
    assert state(breaker) is State.CLOSED
    fail(breaker, 1)
    assert state(breaker) is State.OPEN


def test_one_probe_at_a_time(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker)
    clock.advance(30)
    with breaker.guard("jobs") as verdict:
        assert state(breaker) is State.PROBING
        with pytest.raises(CircuitOpen):
            call(breaker, ok=True)
        verdict.succeeded()
    assert state(breaker) is State.CLOSED
    fail(breaker, 4)
    assert state(breaker) is State.CLOSED


def test_failing_probes_double_the_pause_to_ten_minutes(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker)
    pauses = []
    for _ in range(7):
        pauses.append(breaker.status()["jobs"].opens_again_in)
        clock.advance(pauses[-1])
        call(breaker, ok=False)
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_probe_without_a_verdict_leaves_the_next_one_free(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker)
    clock.advance(30)
    with pytest.raises(KeyboardInterrupt), breaker.guard("jobs"):
        raise KeyboardInterrupt
    call(breaker, ok=True)
    assert state(breaker) is State.CLOSED


def test_stragglers_do_not_lengthen_the_pause(breaker: Breaker) -> None:
    with breaker.guard("jobs") as straggler:
        fail(breaker)
        straggler.failed("late")
    assert breaker.status()["jobs"].opens_again_in == 30
