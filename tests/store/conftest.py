"""A database with the tables of the small declarations in ``declared``."""

from collections.abc import AsyncIterator

import pytest
from databases import new_database
from declared import ENTITIES
from sqlalchemy import create_engine, text

from perfectcatch.store import functions, mirror_tables, names, tables
from perfectcatch.store.embedded import Server
from perfectcatch.store.pool import Pool, open_pool


@pytest.fixture(scope="session")
async def declared_template(database: Server) -> AsyncIterator[str]:
    """The name of a database that holds the tables and nothing else."""
    template = new_database(database)
    url = await template.__aenter__()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for schema in names.SCHEMAS:
            connection.execute(text(f"create schema if not exists {schema}"))
        tables.metadata.create_all(connection)
        mirror_tables.mirror_metadata(ENTITIES.values()).create_all(connection)
        for function in functions.FUNCTIONS:
            connection.exec_driver_sql(function)
    engine.dispose()
    yield template.name
    await template.__aexit__()


@pytest.fixture
async def declared_pool(database: Server, declared_template: str) -> AsyncIterator[Pool]:
    """Connections to a fresh copy of it."""
    async with new_database(database, declared_template) as url, open_pool(url) as pool:
        yield pool
