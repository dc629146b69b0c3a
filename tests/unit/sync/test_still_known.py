"""What the mirror has of a page is asked before its turn, and again if that was long in coming."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from perfectcatch.kit.clock import FakeClock
from perfectcatch.model.source import Page
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.sync import pull
from perfectcatch.sync.feeds import Step


class Reading:
    """A piece of work whose turn comes after ``seconds``; ``told`` is what happened, in its order."""

    def __init__(self, seconds: float) -> None:
        self.told: list[str] = []
        self.seconds = seconds
        self.place = SimpleNamespace(full=False, first_load=False, tokens={})
        self.report = SimpleNamespace(outcome=Outcome())
        self.entity = SimpleNamespace(name="jobs")
        clock = FakeClock()
        self.context: Any = SimpleNamespace(
            clock=clock,
            locks=SimpleNamespace(check=self._does("check")),
            progress=SimpleNamespace(page=lambda *_: None),
        )

    def _does(self, what: str) -> Callable[..., Any]:
        async def do(*_: Any, **__: Any) -> Any:
            self.told.append(what)
            return Outcome()

        return do

    async def unknown(self, records: list[bytes]) -> list[bytes]:
        self.told.append("asked")
        return records

    async def turn(self) -> None:
        self.context.clock.advance(self.seconds)
        self.told.append("turn")

    def note(self, outcome: Outcome) -> None:
        self.told.append("noted")


@pytest.mark.parametrize(("seconds", "again"), [(0.5, []), (1.5, ["asked"])])
async def test_asked_before_the_turn(
    monkeypatch: pytest.MonkeyPatch, seconds: float, again: list[str]
) -> None:
    work: Any = Reading(seconds)
    monkeypatch.setattr(pull, "_merge", work._does("merged"))
    monkeypatch.setattr(pull, "_keeping", lambda *_: None)
    page = Page(records=[b"{}"], has_more=False)
    feed: Any = None
    await pull._store(work, feed, Step(page, None))
    assert work.told == ["asked", "turn", *again, "check", "merged", "noted"]
