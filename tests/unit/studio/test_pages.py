"""How figures and long values are shown."""

import pytest

from perfectcatch.store.browse import CELL
from perfectcatch.studio.pages import number, short, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 kB"),
        (8192, "8.0 kB"),
        (65536, "64 kB"),
        (1024**2 * 3 + 400_000, "3.4 MB"),
        (1024**3 * 12, "12 GB"),
    ],
)
def test_bytes_are_shown_as_people_read_them(count: int | None, text: str):
    assert size(count) == text


def test_thousands_stand_apart():
    assert (number(1234567), number(0), number(None)) == ("1,234,567", "0", "")


def test_a_long_value_is_shortened():
    assert short("x" * CELL) == "x" * CELL
    assert short("x" * (CELL + 1)) == "x" * CELL + "…"
