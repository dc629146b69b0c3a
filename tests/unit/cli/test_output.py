"""What is printed for a person."""

import pytest

from perfectcatch.cli.output import lines_of, one_line, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("two\nlines\r\n and\ttabs", "two lines and tabs"),
        ("\x1b]0;title\x07\x1b[31mred\x1b[0m", "]0;title [31mred [0m"),
        ("c1 \x9b31m", "c1 31m"),
        ("turned \u202eround", "turned round"),
        ("Müller, 東京", "Müller, 東京"),
    ],
)
def test_values_do_nothing_to_a_terminal(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_row_of_a_table_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    table([{"entity": "jobs", "reason": "first\nsecond \x1b[2J", "times": 1}], {"entity": "e", "reason": "r"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["jobs  first second [2J"]


ROWS = [
    {"entity": "appointment_assignments", "new": 1_000, "gone": 0, "age": 12.5, "why": "one reason of many"}
]
COLUMNS = {"entity": "entity", "new": "new", "gone": "gone", "age": "age", "why": "why"}


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (None, ["entity", "new", "gone", "age", "why"]),
        (65, ["entity", "new", "gone", "age", "why"]),
        (60, ["entity", "new", "age", "why"]),
        (50, ["entity", "new", "why"]),
        (45, ["entity", "new", "why"]),
    ],
)
def test_a_table_fits_the_terminal(room: int | None, shown: list[str]) -> None:
    lines = list(lines_of(ROWS, COLUMNS, spare=("age",), room=room))
    assert lines[0].split() == shown
    assert max(map(len, lines)) <= (room or 1000)
    cells = " ".join(lines[2:])
    assert "1,000" in cells
    assert [word for word in ("one", "reason", "of", "many") if word in cells] == [
        "one",
        "reason",
        "of",
        "many",
    ]


def test_a_cell_without_room_goes_on_below() -> None:
    rows = [{"a": "x", "b": "one two three four five six"}, {"a": "y", "b": ""}]
    assert list(lines_of(rows, {"a": "a", "b": "b"}, room=20))[2:] == [
        "x  one two three",
        "   four five six",
        "y",
    ]
