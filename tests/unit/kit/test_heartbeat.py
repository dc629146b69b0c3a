"""The heartbeat file: touched on time, refused at once, forgiven later."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perfectcatch.errors import BadSetting
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.heartbeat import age_seconds, beat


async def some_beats(file: Path, clock: FakeClock, count: int) -> None:
    task = asyncio.create_task(beat(file, clock))
    while len(clock.slept) <= count and not task.done():  # noqa: ASYNC110 - the fake clock sets no event
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_is_touched_every_thirty_seconds(tmp_path: Path) -> None:
    file, clock = tmp_path / "worker-heartbeat", FakeClock()
    file.touch()
    os.utime(file, (0, 0))
    await some_beats(file, clock, 3)
    assert set(clock.slept) == {30.0}
    assert file.stat().st_mtime > 0


async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"HEARTBEAT_FILE is '.*/no/such/beat', which cannot be written"):
        await beat(tmp_path / "no" / "such" / "beat", FakeClock())


async def test_later_trouble_does_not_end_the_worker(tmp_path: Path) -> None:
    folder, clock = tmp_path / "folder", FakeClock()
    folder.mkdir()
    task = asyncio.create_task(beat(folder / "beat", clock))
    await asyncio.sleep(0)
    (folder / "beat").unlink()
    folder.rmdir()
    while len(clock.slept) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    folder.mkdir()
    while not (folder / "beat").exists():  # noqa: ASYNC110
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_its_age(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    assert age_seconds(file, datetime.now(UTC)) is None
    file.touch()
    os.utime(file, (1000, 1000))
    assert age_seconds(file, datetime.fromtimestamp(1121, UTC)) == 121
