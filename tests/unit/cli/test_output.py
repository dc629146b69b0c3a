"""What is printed for a person."""

import pytest

from perfectcatch.cli.output import one_line, table


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
