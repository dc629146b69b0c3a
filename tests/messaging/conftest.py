"""A desk over an empty company of its own, in a database with the whole mirror."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from counter import Counter, open_counter

from databases import new_database
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.server.embedded import Server

COMPANIES = count(500)


@pytest.fixture(scope="session")
async def messages_database(database: Server, migrated: str) -> AsyncIterator[str]:
    async with new_database(database, migrated) as url:
        yield url


@pytest.fixture
async def messages_pool(messages_database: str) -> AsyncIterator[Pool]:
    async with open_pool(messages_database, max_size=12) as pool:
        yield pool


@pytest.fixture
async def counter(messages_pool: Pool) -> Counter:
    """The office of a company that nobody has used."""
    return open_counter(messages_pool, tenant=next(COMPANIES))
