"""What a person reads of a run."""

from uuid import uuid4

import pytest

from perfectcatch.cli import report as printed
from perfectcatch.errors import CircuitOpen, PerfectCatchError, ScopeMissing, VendorUnavailable
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.sync.report import EntityReport, RunReport

AWAY = "cannot connect to vendor (Connection refused)"


def run_of(*failures: PerfectCatchError | None, mode: str = "full", created: int = 0) -> RunReport:
    report = RunReport(run_id=uuid4(), mode=mode)
    for number, failure in enumerate(failures):
        each = EntityReport(
            entity=f"e{number}", mode=mode, outcome=Outcome(fetched=1 + created, created=created)
        )
        if failure is not None:
            each.outcome = Outcome()
            each.fails(failure)
        report.entities.append(each)
    return report


def away(number: int) -> PerfectCatchError:
    if number % 2:
        return CircuitOpen(f"{AWAY}; after repeated failures calls to m{number} pause for 9 s", cause=AWAY)
    return VendorUnavailable(f"{AWAY} (after {number} attempts)", cause=AWAY)


def test_one_cause_of_everything_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    printed.show(run_of(*map(away, range(40))))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"perfectcatch: nothing could be read: {AWAY}\n")


def test_of_one_entity_every_detail_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    printed.show(run_of(away(2)))
    assert capsys.readouterr().err == f"perfectcatch: e0 could not be read: {AWAY} (after 2 attempts)\n"


def test_the_same_trouble_of_several_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    printed.show(run_of(None, *map(away, range(5)), ScopeMissing("e6: grant x", cause="no scope")))
    lines = capsys.readouterr().out.splitlines()
    assert f"e1, e2, e3 and 2 more: {AWAY}" in lines
    assert "e6: e6: grant x" in lines


def test_entities_of_which_nothing_is_new_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    printed.show_entities(run_of(None, None, away(1), mode="incremental"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "2 more entities: nothing has changed."
    printed.show_entities(run_of(None, None, mode="incremental"))
    assert capsys.readouterr().out == "Nothing has changed.\n"
    printed.show_entities(run_of(None, mode="incremental", created=2))
    assert "nothing has changed" not in capsys.readouterr().out.lower()
