"""The supervisor, with small real processes: restarts, order of ends, stragglers, its own violent death."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perfectcatch.errors import BadSetting
from perfectcatch.kit.clock import FakeClock, SystemClock
from perfectcatch.kit.supervisor import Patience, Program, Supervisor

FOREVER = "while :; do sleep .02; done"
QUICK = Patience(first_wait=0.01, longest_wait=0.05, grace=10)


def shell(name: str, script: str) -> Program:
    return Program(name=name, argv=["/bin/sh", "-c", script])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what a process does sets no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await task


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_waits_double_up_to_a_minute() -> None:
    clock = FakeClock()
    supervisor = Supervisor([shell("bad", "exit 7")], clock)
    async with running(supervisor):
        await until(lambda: supervisor.children[0].starts >= 9)
        assert supervisor.children[0].last_status == 7
    assert clock.slept[:8] == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_stable_run_begins_the_count_anew(tmp_path: Path) -> None:
    go, began, end = (tmp_path / name for name in ("go", "began", "end"))
    script = f"test -e {go} || exit 1; touch {began}; until test -e {end}; do sleep .01; done; rm {go}"
    clock = FakeClock()
    supervisor = Supervisor([shell("once", script)], clock)
    child = supervisor.children[0]
    async with running(supervisor):
        await until(lambda: child.short_runs >= 3)
        go.touch()
        await until(began.exists)
        clock.advance(60)
        end.touch()
        await until(lambda: child.short_runs == 1)


async def test_a_refused_configuration_ends_everything() -> None:
    supervisor = Supervisor([shell("good", "exec sleep 60"), shell("wrong", "exit 2")], SystemClock())
    with pytest.raises(BadSetting, match="wrong cannot work"):
        await supervisor.run()
    assert [child.pid for child in supervisor.children] == [None, None]
    assert supervisor.children[1].starts == 1


async def test_ends_come_in_reverse_order(tmp_path: Path) -> None:
    said = tmp_path / "said"
    programs = [
        shell(
            name,
            f"trap 'sleep .1; echo {name} >> {said}; exit 0' TERM; touch {tmp_path}/{name}; {FOREVER}",
        )
        for name in ("first", "second", "third")
    ]
    async with running(Supervisor(programs, SystemClock(), patience=QUICK)):
        await until(lambda: all((tmp_path / program.name).exists() for program in programs))
    assert said.read_text().split() == ["third", "second", "first"]


async def test_a_straggler_is_killed_with_its_own_children(tmp_path: Path) -> None:
    new, inner = tmp_path / "new", tmp_path / "inner"
    script = f"trap '' TERM; sleep 60 & echo $! > {new}; mv {new} {inner}; wait; {FOREVER}"
    supervisor = Supervisor(
        [shell("deaf", script)], SystemClock(), patience=Patience(grace=0.2), lines=io.StringIO()
    )
    async with running(supervisor):
        await until(inner.exists)
    assert supervisor.children[0].last_status == -signal.SIGKILL
    assert supervisor.children[0].pid is None
    await until(lambda: not alive(int(inner.read_text())))


async def test_lines_get_the_name_of_their_process(tmp_path: Path) -> None:
    lines, said = io.StringIO(), tmp_path / "said"
    script = (
        f"echo one; echo two >&2; head -c 200000 /dev/zero | tr '\\0' x; printf last; touch {said}; {FOREVER}"
    )
    async with running(Supervisor([shell("talker", script)], SystemClock(), patience=QUICK, lines=lines)):
        await until(said.exists)
    written = lines.getvalue().splitlines()
    assert written[:2] == ["talker | one", "talker | two"]
    assert all(line.startswith("talker | ") for line in written)
    assert lines.getvalue().count("x") == 200000
    assert lines.getvalue().endswith("last\n")


async def test_a_restart_does_not_wait_for_a_leftover_that_holds_the_output() -> None:
    supervisor = Supervisor(
        [shell("parent", "sleep 3 & exit 1")], SystemClock(), patience=QUICK, lines=io.StringIO()
    )
    async with running(supervisor):
        await until(lambda: supervisor.children[0].starts >= 2)


async def test_what_cannot_be_started_is_tried_again() -> None:
    clock = FakeClock()
    async with running(Supervisor([Program(name="gone", argv=["/no/such/program"])], clock)):
        await until(lambda: len(clock.slept) >= 3)
    assert clock.slept[:3] == [1, 2, 4]


async def test_the_environment_is_what_was_given() -> None:
    lines = io.StringIO()
    program = Program(
        name="env",
        argv=["/bin/sh", "-c", "echo $ONLY$HOME; sleep 60"],
        env={"ONLY": "this", "PATH": "/bin:/usr/bin"},
    )
    async with running(Supervisor([program], SystemClock(), patience=QUICK, lines=lines)):
        await until(lambda: "\n" in lines.getvalue())
    assert lines.getvalue() == "env | this\n"


SCRIPT = """
import asyncio, sys
from perfectcatch.kit.clock import SystemClock
from perfectcatch.kit.supervisor import Program, Supervisor
asyncio.run(Supervisor([Program(name="a", argv=["/bin/sh", "-c", sys.argv[1]])], SystemClock()).run())
"""


async def supervise(script: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SCRIPT,
        script,
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_children_die_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    supervisor = await supervise(
        f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; trap '' TERM; {FOREVER}"
    )
    await until((tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not alive(pid))


async def test_it_ends_in_order_when_told_by_a_signal(tmp_path: Path) -> None:
    supervisor = await supervise(
        f"trap 'touch {tmp_path}/ended; exit 0' TERM; touch {tmp_path}/began; {FOREVER}"
    )
    await until((tmp_path / "began").exists)
    os.kill(supervisor.pid, signal.SIGTERM)
    assert await supervisor.wait() == 0
    assert (tmp_path / "ended").exists()
