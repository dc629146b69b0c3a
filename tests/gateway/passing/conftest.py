"""A database with our own tables, and a gateway on it."""

from collections.abc import AsyncIterator

import pytest
from passing_lab import Lab, Vendor, open_lab, open_vendor

from databases import new_database
from perfectcatch.kit.http import Deadlines
from perfectcatch.store.pool import open_pool
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.embedded import Server


@pytest.fixture(scope="session")
async def own_tables(database: Server) -> AsyncIterator[str]:
    """The name of a database that holds our own tables and nothing else."""
    template = new_database(database)
    async with template as url:
        await migrate(url, [])
        yield template.name


@pytest.fixture(scope="session")
async def vendor() -> AsyncIterator[Vendor]:
    async with open_vendor() as opened:
        yield opened


@pytest.fixture
async def lab(database: Server, own_tables: str, vendor: Vendor) -> AsyncIterator[Lab]:
    async with (
        new_database(database, own_tables) as url,
        open_pool(url, max_size=8) as pool,
        open_lab(pool, vendor, deadlines=Deadlines(connect=2, between_bytes=0.5, total=2.0)) as opened,
    ):
        yield opened
