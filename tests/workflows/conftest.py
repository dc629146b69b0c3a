"""A company of its own in a database with the whole mirror."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from shop import Shop

from databases import new_database
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.embedded import Server
from perfectcatch.vendors.servicetitan.entities import ENTITIES

COMPANIES = count(800)


@pytest.fixture(scope="session")
async def mirror_database(database: Server) -> AsyncIterator[str]:
    async with new_database(database) as url:
        await migrate(url, ENTITIES)
        yield url


@pytest.fixture
async def mirror_pool(mirror_database: str) -> AsyncIterator[Pool]:
    async with open_pool(mirror_database, max_size=6) as pool:
        yield pool


@pytest.fixture
async def shop(mirror_pool: Pool) -> Shop:
    """A shop that nobody has used."""
    return Shop(mirror_pool, next(COMPANIES))
