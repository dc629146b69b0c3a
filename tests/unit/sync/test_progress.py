"""The time left is told honestly."""

from perfectcatch.sync.progress import TimeLeft


def watched(expected: dict[str, int | None]) -> TimeLeft:
    left = TimeLeft()
    left.expected.update(expected)
    return left


def test_nothing_is_told_before_a_rate_is_known() -> None:
    left = watched({"jobs": 100})
    assert left.seconds is None
    left.note("jobs", 10, 1.0)
    assert left.seconds is None


def test_the_rate_of_the_last_seconds_tells_the_rest() -> None:
    left = watched({"jobs": 100, "calls": 50})
    left.note("jobs", 10, 1.0)
    left.note("jobs", 30, 3.0)
    assert left.seconds == (150 - 30) / 10
    assert left.certain


def test_old_speed_is_forgotten() -> None:
    left = watched({"jobs": 1000})
    left.note("jobs", 500, 0.0)
    for second in range(20, 31, 5):
        left.note("jobs", 500 + second, float(second))
    assert left.seconds == 1000 - 530


def test_what_the_vendor_does_not_tell_makes_it_uncertain() -> None:
    left = watched({"jobs": 100, "notes": None})
    assert not left.certain
    left.done("notes")
    assert left.certain


def test_more_than_expected_is_not_less_than_nothing() -> None:
    left = watched({"jobs": 10})
    left.note("jobs", 5, 0.0)
    left.note("jobs", 20, 1.0)
    assert left.seconds == 0
