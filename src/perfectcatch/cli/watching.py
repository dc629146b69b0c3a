"""Progress bars of a run in a terminal; lines in a log when nobody looks; nothing with ``--json``."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from perfectcatch.cli.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from perfectcatch.store.merging.mirror import Outcome
    from perfectcatch.sync.progress import Progress


@contextmanager
def watching() -> "Iterator[Progress]":
    """Show a run while the block lasts."""
    from perfectcatch.sync.progress import Silent

    if Output.json or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    with Bars(
        SpinnerColumn(),
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        yield _Shown(bars)


class _Shown:
    """A bar for each entity under way, and one for the run with the time left."""

    def __init__(self, bars: "Bars") -> None:
        from perfectcatch.sync.progress import TimeLeft

        self._bars = bars
        self._left = TimeLeft()
        self._whole = bars.add_task("the run", total=None, note="")
        self._tasks: dict[str, TaskID] = {}

    def plans(self, expected: Mapping[str, int | None]) -> None:
        self._left.expected.update(expected)
        self._tell()

    def begins(self, entity: str) -> None:
        expected = self._left.expected.get(entity)
        self._tasks[entity] = self._bars.add_task(entity, total=expected, note="")

    def page(self, entity: str, total: "Outcome") -> None:
        self._left.note(entity, total.fetched, time.monotonic())
        if entity in self._tasks:
            self._bars.update(self._tasks[entity], completed=total.fetched)
        self._tell()

    def ends(self, entity: str, status: str) -> None:
        _ = status
        self._left.done(entity)
        if entity in self._tasks:
            self._bars.remove_task(self._tasks.pop(entity))
        self._tell()

    def _tell(self) -> None:
        known = sum(number or 0 for number in self._left.expected.values())
        seconds = self._left.seconds
        note = ""
        if seconds is not None:
            about = "about" if self._left.certain else "more than"
            note = f"{about} {max(1, round(seconds))} s left"
        fetched = sum(self._left.fetched.values())
        self._bars.update(self._whole, completed=fetched, total=max(known, fetched) or None, note=note)
