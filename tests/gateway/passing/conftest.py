"""A database with our own tables and a vendor for all tests, and a gateway for each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from passing_lab import Lab, Vendor, open_lab, open_vendor

from databases import new_database
from perfectcatch.kit.http import Deadlines
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.embedded import Server


@pytest.fixture(scope="session")
async def own_pool(database: Server) -> AsyncIterator[Pool]:
    """Connections to a database that holds our own tables and nothing else."""
    async with new_database(database) as url:
        await migrate(url, [])
        async with open_pool(url, max_size=8) as pool:
            yield pool


@pytest.fixture(scope="session")
async def vendor() -> AsyncIterator[Vendor]:
    async with open_vendor() as opened:
        yield opened


@pytest.fixture
async def lab(own_pool: Pool, vendor: Vendor) -> AsyncIterator[Lab]:
    """The deadlines are the product's: a machine that halts for two seconds is no vendor that is slow."""
    async with _lab(own_pool, vendor, Deadlines()) as opened:
        yield opened


@pytest.fixture
async def hasty_lab(own_pool: Pool, vendor: Vendor) -> AsyncIterator[Lab]:
    """For a vendor that never answers."""
    async with _lab(own_pool, vendor, Deadlines(connect=2, between_bytes=0.5, total=2.0)) as opened:
        yield opened


@asynccontextmanager
async def _lab(own_pool: Pool, vendor: Vendor, deadlines: Deadlines) -> AsyncIterator[Lab]:
    async with own_pool.connection() as connection:
        await connection.execute("delete from automation.idempotency_keys")
    async with open_lab(own_pool, vendor, deadlines=deadlines) as opened:
        found = await opened.rows("select coalesce(max(id), 0) from automation.audit_log")
        opened.audited = found[0][0]
        yield opened
