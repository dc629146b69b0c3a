"""The database goes away under workers, or its disk fills up: they go on by themselves, nothing is lost."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from acceptance.conftest import Product, Sandbox
from acceptance.test_sync_commands import rows_of
from perfectcatch.store.server.embedded import embedded
from reliability.conftest import EACH_SECOND, Forge, assert_converged, succeeded, until, workers

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(900)]

MEBIBYTE: Final = 1024 * 1024


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 700 MB of its own; skipped where nobody may make one."""
    place = Path(tempfile.mkdtemp(prefix="pc-disk-", dir="/tmp"))
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700m,mode=755", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    try:
        if made.returncode:
            pytest.skip(f"a file system of its own cannot be made here: {made.stderr.decode().strip()}")
        yield place
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    finally:
        place.rmdir()


@asynccontextmanager
async def own_product(directory: Path, sandbox: Sandbox) -> AsyncIterator[Product]:
    """The product on a PostgreSQL of its own, with everything read once."""
    async with embedded(directory) as server:
        product = Product(server.tcp_url, sandbox.settings)
        rows_of(await asyncio.to_thread(product.run, "sync", "full", "--json"))
        yield product


async def assert_clean(product: Product, sandbox: Sandbox) -> None:
    for mode in ("full", "incremental"):
        rows_of(await asyncio.to_thread(product.run, "sync", mode, "--json"))
    assert_converged(product, sandbox)


async def test_a_server_that_is_stopped_at_once_three_times(
    sandbox: Sandbox, forge: Forge, reachable: Path
) -> None:
    async with own_product(reachable, sandbox) as product:
        async with workers(product, forge, 2, EACH_SECOND):
            for _ in range(3):
                before = succeeded(product)
                await until(lambda before=before: succeeded(product) > before, 60)
                await asyncio.to_thread(sandbox.post, "activity", changes=20)
                postmaster = (reachable / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
                os.kill(int(postmaster), signal.SIGQUIT)  # what pg_ctl stop -m immediate sends
                await until(lambda before=before: succeeded(product) > before + 1, 60)
        await assert_clean(product, sandbox)


async def test_a_disk_that_is_full_for_twenty_seconds(
    sandbox: Sandbox, forge: Forge, small_disk: Path
) -> None:
    async with own_product(small_disk, sandbox) as product:
        async with workers(product, forge, 1, EACH_SECOND):
            before = succeeded(product)
            await until(lambda: succeeded(product) > before, 60)
            ballast = small_disk / "ballast"
            with ballast.open("wb") as file:
                while (left := shutil.disk_usage(small_disk).free) > 0:
                    file.write(b"\0" * min(left, MEBIBYTE))
                    file.flush()
            for _ in range(20):
                await asyncio.to_thread(sandbox.post, "activity", changes=20)
                await asyncio.sleep(1)
            ballast.unlink()
            before = await _counted(product)
            await until(lambda: succeeded(product) > before, 60)
        assert re.search(r"disk is full|connection to the database was lost|cannot be reached", forge.said)
        assert "Traceback" not in forge.said
        await assert_clean(product, sandbox)


async def _counted(product: Product) -> int:
    """As ``succeeded``, of a database that may be starting."""
    found: list[int] = []
    await until(lambda: found.append(succeeded(product)) or True, 30)
    return found[0]
