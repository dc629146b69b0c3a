"""The database of the tests: one embedded PostgreSQL a session, a new empty database for each test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from databases import new_database
from perfectcatch.store.jobs.queue import install
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.cluster import TUNING
from perfectcatch.store.server.embedded import Server, embedded
from perfectcatch.vendors.servicetitan.entities import ENTITIES


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A short directory that every user may enter: pytest's own ones are closed to PostgreSQL's user."""
    with _open_directory() as path:
        yield Path(path)


@pytest.fixture(scope="session")
async def database() -> AsyncIterator[Server]:
    """The embedded server of this test session.

    It does not wait for the disk: a copy of a database takes 0.5 s instead of 5 on a busy machine. Only a
    crash of the machine itself could tell the difference, and no test causes one.
    """
    async with AsyncExitStack() as stack:
        data_dir = Path(stack.enter_context(_open_directory()))
        with patch.dict(TUNING, fsync="off"):
            server = await stack.enter_async_context(embedded(data_dir))
        yield server


@pytest.fixture(scope="session")
async def migrated(database: Server) -> AsyncIterator[str]:
    """The name of a database in the declared shape, jobs included, to be copied and never used.

    A copy takes a fifth of a second, the making of one several.
    """
    template = new_database(database)
    async with template as url:
        await migrate(url, ENTITIES, install_jobs=install)
        yield template.name


@pytest.fixture
async def fresh_database(database: Server) -> AsyncIterator[str]:
    """The URL of a new, empty database, gone after the test."""
    async with new_database(database) as url:
        yield url


@pytest.fixture
async def pool(fresh_database: str) -> AsyncIterator[Pool]:
    """Connections to a new, empty database."""
    async with open_pool(fresh_database) as opened:
        yield opened


class _open_directory:  # noqa: N801 - used like a function
    def __enter__(self) -> str:
        self.path = tempfile.mkdtemp(prefix="pc-", dir="/tmp")
        Path(self.path).chmod(0o755)
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def as_root() -> bool:
    return os.geteuid() == 0
