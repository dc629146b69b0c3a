"""A company of its own in a database with the whole mirror."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from floor import Floor, open_floor
from shop import Shop

from databases import new_database
from messaging.counter import open_counter
from perfectcatch.store.jobs.queue import open_jobs
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.server.embedded import Server

COMPANIES = count(800)


@pytest.fixture(scope="session")
async def mirror_database(database: Server, migrated: str) -> AsyncIterator[str]:
    async with new_database(database, migrated) as url:
        yield url


@pytest.fixture
async def mirror_pool(mirror_database: str) -> AsyncIterator[Pool]:
    async with open_pool(mirror_database, max_size=6) as pool:
        yield pool


@pytest.fixture
async def shop(mirror_pool: Pool) -> Shop:
    """A shop that nobody has used."""
    return Shop(mirror_pool, next(COMPANIES))


@pytest.fixture(scope="session")
async def workflows_database(database: Server, migrated: str) -> AsyncIterator[str]:
    async with new_database(database, migrated) as url:
        yield url


@pytest.fixture
async def floor(workflows_database: str) -> AsyncIterator[Floor]:
    """Workflows of a company that nobody has used, run in this process."""
    async with open_pool(workflows_database, max_size=12) as pool, open_jobs(workflows_database) as jobs:
        yield open_floor(open_counter(pool, tenant=next(COMPANIES)), jobs)
