"""The words of the system that is replaced, and moments as a person writes them."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
import typer

from perfectcatch.cli import app, original
from perfectcatch.cli.start import moment

LATER = {"ghl", "health"}  # commands that are not here yet


def exists(words: list[str]) -> bool:
    """Whether there is such a command; what follows its name are arguments."""
    at: object = typer.main.get_command(app)
    for word in words:
        listed = getattr(at, "commands", None)
        if listed is None:
            return True
        if word not in listed:
            return False
        at = listed[word]
    return getattr(at, "commands", None) is None


@pytest.mark.parametrize("name", original.NAMES)
def test_each_original_name_leads_to_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = original.renamed([name, "--full"])
    assert words[-1] == "--full"
    assert f"{name} is `perfectcatch {' '.join(words[:-1])}` now" in capsys.readouterr().err
    if words[0] not in LATER and words[:2] != ["worker", "monitor"]:
        assert exists(words[:-1]), words


def test_other_words_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert original.renamed(["sync", "full"]) == ["sync", "full"]
    assert original.renamed([]) == []
    assert capsys.readouterr().err == ""


def test_the_old_full_read_says_that_it_was_the_price_book_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "perfectcatch", "sync:full", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "price book" in done.stdout
    assert "everything is read by `perfectcatch sync full`" in done.stderr


def test_a_moment_without_offset_is_the_company_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TITAN_TIMEZONE", "America/Phoenix")
    assert moment("2026-03-01T14:00:00").astimezone(UTC) == datetime(2026, 3, 1, 21, tzinfo=UTC)
    assert moment("2026-03-01T14:00:00Z") == datetime(2026, 3, 1, 14, tzinfo=UTC)
