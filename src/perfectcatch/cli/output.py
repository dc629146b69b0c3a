"""What a command prints: tables or one JSON document on stdout, errors on stderr in one sentence."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, ClassVar
from uuid import UUID

IDS = ("id", "st_id")  # numbers to paste into another command, not to be read as amounts
GAP = "  "
NARROWEST = 16


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


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    title: str | None = None,
    spare: Sequence[str] = (),
) -> None:
    """Print ``rows`` with the columns (key: heading); numbers to the right, nothing for None.

    In a terminal that is too narrow, columns that hold nothing are left out, then ``spare`` ones until the
    rest fits; at last the widest column is broken into lines.
    """
    if title:
        print(title)
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines_of(rows, columns, spare=spare, room=room):
        print(line)


def lines_of(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    spare: Sequence[str] = (),
    room: int | None = None,
) -> Iterator[str]:
    """The lines of a table that is at most ``room`` characters wide, if anyhow possible."""
    columns = dict(columns)
    widths = {key: max([len(head), *(len(_text(row, key)) for row in rows)]) for key, head in columns.items()}
    empty = [key for key in columns if not any(row.get(key) for row in rows)]
    for key in (*empty, *spare):
        if room is not None and _total(widths) > room and len(widths) > 1:
            columns.pop(key, None)
            widths.pop(key, None)
    if room is not None and _total(widths) > room:
        widest = max(widths, key=lambda key: widths[key])
        widths[widest] = max(NARROWEST, widths[widest] - (_total(widths) - room))
    right = {key: all(_is_number(row.get(key)) for row in rows) for key in columns}
    yield from _placed(columns, widths, right)
    yield from _placed({key: "-" * width for key, width in widths.items()}, widths, right)
    for row in rows:
        yield from _placed({key: _text(row, key) for key in columns}, widths, right)


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return str(value) if key in IDS and value else _cell(value)


def _placed(cells: Mapping[str, str], widths: Mapping[str, int], right: Mapping[str, bool]) -> Iterator[str]:
    """A row; a cell that is longer than its column goes on below."""
    pieces = [textwrap.wrap(cell, widths[key], break_on_hyphens=False) for key, cell in cells.items()]
    for line in zip_longest(*pieces, fillvalue="") if any(pieces) else [[""] * len(cells)]:
        placed = [
            piece.rjust(widths[key]) if right[key] else piece.ljust(widths[key])
            for key, piece in zip(cells, line, strict=True)
        ]
        yield GAP.join(placed).rstrip()


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
