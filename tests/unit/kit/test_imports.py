"""What a command imports before it does anything: each of these was a twentieth of a second or more."""

import subprocess
import sys

import pytest

from perfectcatch.kit.lean import without


def modules_after(statement: str) -> set[str]:
    """The packages that a new process has after ``statement``."""
    shown = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_run_of_the_mirror_does_without_what_it_does_not_use() -> None:
    """Pretty tracebacks come with the library of log lines, schedules with those who follow them."""
    unused = {"rich", "pygments", "croniter", "dateutil", "aiohttp", "yarl", "fastapi", "phonenumbers"}
    assert modules_after("import perfectcatch.cli, perfectcatch.app") & unused == set()


def test_settings_are_read_without_counting_a_schedule() -> None:
    reading = "from perfectcatch.settings import load_settings; load_settings(env_file=None)"
    assert "croniter" not in modules_after(reading)


def test_help_does_without_the_database_and_the_vendors() -> None:
    unused = {"psycopg", "aiohttp", "pydantic", "structlog", "rich"}
    assert modules_after("import perfectcatch.__main__, perfectcatch.cli") & unused == set()


def test_a_package_that_was_left_out_can_be_imported_afterwards() -> None:
    assert "wave" not in sys.modules
    with without("wave"), pytest.raises(ImportError, match="wave"):
        import wave
    import wave

    assert wave.open
    with without("wave"):
        import wave as again
    assert again is wave


def test_processes_collect_rarely_from_their_beginning() -> None:
    words = "import sys; sys.argv = ['perfectcatch', '--version']\nfrom perfectcatch.__main__ import main\n"
    shown = words + "try: main()\nexcept SystemExit: pass\nimport gc; print(gc.get_threshold()[0])"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) == 50_000
