"""A database with the tables of the small declarations in ``declared``."""

from collections.abc import AsyncIterator

import pytest
from declared import ENTITIES

from databases import new_database
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.embedded import Server


@pytest.fixture(scope="session")
async def declared_template(database: Server) -> AsyncIterator[str]:
    """The name of a database that holds the tables and nothing else."""
    template = new_database(database)
    async with template as url:
        await migrate(url, ENTITIES.values())
        yield template.name


@pytest.fixture
async def declared_pool(database: Server, declared_template: str) -> AsyncIterator[Pool]:
    """Connections to a fresh copy of it."""
    async with new_database(database, declared_template) as url, open_pool(url) as pool:
        yield pool
