"""A server over a filled mirror that everybody reads; for whoever writes, a company of its own in it."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from office import Office, fill, open_office

from databases import new_database
from perfectcatch.store.pool import open_pool
from perfectcatch.store.server.embedded import Server

COMPANIES = count(100)


@pytest.fixture(scope="session")
async def filled(database: Server, migrated: str) -> AsyncIterator[str]:
    """The address of a database with one record of every kind, of ours and of another company."""
    async with new_database(database, migrated) as url:
        async with open_pool(url) as pool:
            await fill(pool)
        yield url


@pytest.fixture(scope="session")
async def library(filled: str) -> AsyncIterator[Office]:
    """A server whose mirror is only read."""
    async with open_office(filled) as office:
        yield office


@pytest.fixture
async def office(filled: str) -> AsyncIterator[Office]:
    """A server for a company that has no record yet."""
    async with open_office(filled, tenant=next(COMPANIES)) as opened:
        yield opened
