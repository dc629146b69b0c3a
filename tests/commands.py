"""Commands of the product as processes of their own, forked from one that has imported everything.

What a command imports costs more than what most of them do; so a hundred of them cost as much as ten. A test
of how a program is started, what it imports or how it takes signals starts one with ``subprocess``.
"""

import atexit
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from os import kill
from pathlib import Path
from typing import Any, Self

_LOOK = 0.005  # seconds between two looks whether it has ended


class Forked:
    """A command that goes on until it is told to end."""

    def __init__(self, commands: "Commands", pid: int, output: Path) -> None:
        self._commands, self._pid, self._output = commands, pid, output
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        if self._status is None:
            self._status = self._commands.ended(self._pid)
        return self._status

    def first_line(self) -> str:
        """What it says first. Raises EOFError where it ends before that."""
        while "\n" not in (said := self._output.read_text()):
            if self.poll() is not None:
                raise EOFError(self._output.with_suffix(".err").read_text())
            time.sleep(_LOOK)
        return said.partition("\n")[0]

    def terminate(self) -> None:
        """Tell it to end."""
        if self.poll() is None:
            kill(self._pid, signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self.poll() is None:
            time.sleep(_LOOK)


class Commands:
    """The forge, and what its children have said."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="pc-commands-")
        self._lock = threading.Lock()
        self._count = 0
        self._forge = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forge.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(
        self, *words: str, environment: Mapping[str, str], timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``perfectcatch`` with ``words`` to its end. Raises TimeoutExpired after killing it."""
        pid, output = self._begin(words, environment)
        errors = output.with_suffix(".err")
        until = time.monotonic() + timeout
        while (status := self.ended(pid)) is None:
            if time.monotonic() > until:
                with suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(words, timeout)
            time.sleep(_LOOK)
        said = output.read_text(), errors.read_text()
        output.unlink()
        errors.unlink()
        return subprocess.CompletedProcess(words, status, *said)

    def start(self, *words: str, environment: Mapping[str, str]) -> Forked:
        """Start ``perfectcatch`` with ``words``."""
        return Forked(self, *self._begin(words, environment))

    def _begin(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, Path]:
        with self._lock:
            self._count += 1
            output = Path(self._directory.name, f"{self._count}.out")
        output.touch()
        said_into = {"errors": str(output.with_suffix(".err")), "output": str(output)}
        pid: int = self._tell({"words": words, "environment": dict(environment), **said_into})
        return pid, output

    def ended(self, pid: int) -> int | None:
        """The exit status of a command, None while it runs."""
        status: int | None = self._tell({"ended": pid})
        return status

    def _tell(self, order: Mapping[str, Any]) -> Any:
        assert self._forge.stdin is not None
        assert self._forge.stdout is not None
        with self._lock:
            self._forge.stdin.write(json.dumps(order).encode() + b"\n")
            self._forge.stdin.flush()
            return json.loads(self._forge.stdout.readline())

    def close(self) -> None:
        """End the forge."""
        with self._forge:
            assert self._forge.stdin is not None
            self._forge.stdin.close()
        self._directory.cleanup()


@cache
def commands() -> Commands:
    """The forge of this process, made when it is first needed."""
    made = Commands()
    atexit.register(made.close)
    return made
