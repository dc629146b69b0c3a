"""A shop whose deals go to a CRM in memory."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from databases import new_database
from deals.dealer import Dealer
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.server.embedded import Server

COMPANIES = count(2000)


@pytest.fixture(scope="session")
async def deals_database(database: Server, migrated: str) -> AsyncIterator[str]:
    async with new_database(database, migrated) as url:
        yield url


@pytest.fixture
async def deals_pool(deals_database: str) -> AsyncIterator[Pool]:
    async with open_pool(deals_database, max_size=12) as pool:
        yield pool


@pytest.fixture
async def dealer(deals_pool: Pool) -> Dealer:
    """The deals of a company that nobody has used."""
    return Dealer.new(deals_pool, next(COMPANIES))
