"""Starts the processes of one machine, keeps them running, and ends them in order.

A process that ends is started again after 1, 2, 4 ... 60 seconds; the count begins anew when it has run for a
minute. One that says its configuration is wrong (exit status 2) would say so again: then everything is ended.
Only processes that were started here are ever signalled. They end with us even if we are killed (Linux only:
elsewhere they have to be ended by hand then).
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TextIO

import structlog

from perfectcatch.errors import BadSetting
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.signals import until_told

REFUSED: Final = 2  # exit status of a command whose usage or configuration is wrong

_PR_SET_PDEATHSIG: Final = 1
_LONGEST_LINE: Final = 65536
_LAST_WORDS: Final = 1.0  # seconds
# Loaded here: between fork and exec nothing may be loaded.
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to keep running. ``env`` is its whole environment, None: ours.

    ``descriptors``: those of our open files and sockets that it is handed, under the same numbers.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    descriptors: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds: waits before a restart, how long a run counts as stable, and how long an end may take."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    stable_after: float = 60.0
    grace: float = 30.0

    def wait(self, short_runs: int) -> float:
        """How long to wait after that many short runs in a row (at least one)."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(short_runs - 1, 60))


@dataclass(slots=True)
class Child:
    """What became of a program so far. ``pid`` is None while it does not run."""

    program: Program
    pid: int | None = None
    starts: int = 0
    short_runs: int = 0
    last_status: int | None = None
    transport: asyncio.SubprocessTransport | None = field(default=None, repr=False)
    output: "_Output | None" = field(default=None, repr=False)


class Supervisor:
    """Keeps ``programs`` running, in their order; ``children`` tells how each of them fares.

    ``lines`` receives what they write, each line with the program's name before it; None lets them write to
    our own stdout and stderr.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        clock: Clock,
        *,
        patience: Patience = Patience(),
        lines: TextIO | None = None,
    ) -> None:
        self.children = [Child(program) for program in programs]
        self._clock = clock
        self._patience = patience
        self._lines = lines
        self._refused: str | None = None

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Run until ``stop``, or SIGTERM or SIGINT if none is given; returns when every process has ended.

        Raises BadSetting when a program refused its configuration, which it has explained itself.
        """
        async with until_told(stop) as told:
            keepers: list[asyncio.Task[None]] = []
            try:
                for child in self.children:
                    await self._start(child)
                    keepers.append(asyncio.create_task(self._keep(child, told), name=child.program.name))
                await told.wait()
            finally:
                for keeper in keepers:
                    keeper.cancel()
                ends = await asyncio.gather(*keepers, return_exceptions=True)
                for child in reversed(self.children):
                    await self._end(child)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        if self._refused:
            raise BadSetting(
                f"{self._refused} cannot work with the present configuration: mend what it says above."
            )

    async def _keep(self, child: Child, told: asyncio.Event) -> None:
        """Wait for the end of a process and start it again, for ever."""
        name = child.program.name
        try:
            while True:
                began = self._clock.monotonic()
                await self._until_ended(child)
                if child.last_status == REFUSED:
                    self._refused = name
                    return
                stable = self._clock.monotonic() - began >= self._patience.stable_after
                child.short_runs = 1 if stable else child.short_runs + 1
                wait = self._patience.wait(child.short_runs)
                log.warning("process ended", process=name, status=child.last_status, again_in_seconds=wait)
                await self._clock.sleep(wait)
                await self._start(child)
        finally:
            told.set()

    async def _start(self, child: Child) -> None:
        """Start a process; one that cannot be started counts as one that ended."""
        loop, lines = asyncio.get_running_loop(), self._lines
        try:
            child.transport, child.output = await loop.subprocess_exec(
                lambda: _Output(child.program.name, lines),
                *child.program.argv,
                stdin=subprocess.DEVNULL,
                stdout=None if lines is None else subprocess.PIPE,
                stderr=None if lines is None else subprocess.STDOUT,
                env=None if child.program.env is None else dict(child.program.env),
                start_new_session=True,  # Ctrl-C is for us, we end the others in order
                preexec_fn=_tied_to(os.getpid()),
                pass_fds=tuple(child.program.descriptors),
            )
        except OSError as error:
            child.transport = child.output = None
            log.warning("process cannot be started", process=child.program.name, error=str(error))
            return
        child.pid = child.transport.get_pid()
        child.starts += 1
        log.info("process started", process=child.program.name, pid=child.pid, start=child.starts)

    async def _until_ended(self, child: Child) -> None:
        if child.transport is None or child.output is None:
            return
        await child.output.ended.wait()
        # A process of its own that outlives it may hold its output open for ever.
        with suppress(TimeoutError):
            await asyncio.wait_for(child.output.complete.wait(), _LAST_WORDS)
        child.last_status = child.transport.get_returncode()
        child.pid = None
        child.transport.close()
        child.transport = child.output = None

    async def _end(self, child: Child) -> None:
        """Ask a process to end, and end it when it does not."""
        if child.pid is None:
            return
        ending = asyncio.create_task(self._until_ended(child))
        _signal_group(child, signal.SIGTERM)
        late = asyncio.create_task(self._clock.sleep(self._patience.grace))
        await asyncio.wait((ending, late), return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            log.warning("process does not end and is killed", process=child.program.name, pid=child.pid)
            _signal_group(child, signal.SIGKILL)
        late.cancel()
        await asyncio.gather(ending, late, return_exceptions=True)
        log.info("process ended", process=child.program.name, status=child.last_status)


class _Output(asyncio.SubprocessProtocol):
    """Copies what a process writes line by line, each with ``name`` before it."""

    def __init__(self, name: str, lines: TextIO | None) -> None:
        self.ended = asyncio.Event()  # the process
        self.complete = asyncio.Event()  # its output
        if lines is None:
            self.complete.set()
        self._name = name
        self._lines = lines
        self._rest = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - both are one
        *texts, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            texts.append(self._rest)
            self._rest = b""
        self._write(texts)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        self._write([self._rest] if self._rest else [])
        self._rest = b""
        self.complete.set()

    def process_exited(self) -> None:
        self.ended.set()

    def _write(self, texts: Sequence[bytes]) -> None:
        if self._lines is not None:
            self._lines.writelines(f"{self._name} | {text.decode(errors='replace')}\n" for text in texts)
            self._lines.flush()


def _signal_group(child: Child, number: signal.Signals) -> None:
    """Signal a process and its own children; it leads a group of its own since ``start_new_session``."""
    # Without a return code it has not been waited for, so that its number cannot belong to anybody else.
    if child.pid is not None and child.transport is not None and child.transport.get_returncode() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _tied_to(parent: int) -> Callable[[], None] | None:
    """What a child does before its program starts: ask the kernel to be killed when its parent dies."""
    libc = _LIBC
    if libc is None:
        return None

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return tie
