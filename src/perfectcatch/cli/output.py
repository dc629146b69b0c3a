"""What a command prints: tables or one JSON document on stdout, errors on stderr in one sentence."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

IDS = ("id", "st_id")  # numbers to paste into another command, not to be read as amounts


class Output:
    """How this process prints."""

    json: ClassVar[bool] = False


def result(document: Any) -> None:
    """Print ``document`` as JSON."""
    print(json.dumps(document, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return str(value)


def say(text: str) -> None:
    """Print a line for a person; silent when the result is JSON."""
    if not Output.json:
        print(text, flush=True)


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, title: str | None = None) -> None:
    """Print ``rows`` with the columns (key: heading); numbers to the right, nothing for None."""
    if title:
        print(title)
    cells = [
        [str(row[key]) if key in IDS and row.get(key) else _cell(row.get(key)) for key in columns]
        for row in rows
    ]
    heads = list(columns.values())
    widths = [max([len(head), *(len(line[at]) for line in cells)]) for at, head in enumerate(heads)]
    numeric = [all(_is_number(row.get(key)) for row in rows) for key in columns]
    print(_line(heads, widths, numeric))
    print(_line(["-" * width for width in widths], widths, numeric))
    for line in cells:
        print(_line(line, widths, numeric))


def _line(cells: Iterable[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    placed = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(placed).rstrip()


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return one_line(str(value))


def one_line(text: str) -> str:
    """``text`` as one line that does nothing to a terminal: values of the vendor come by here."""
    seen = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(seen).split())
