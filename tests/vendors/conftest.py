"""What tests of several vendors stand on."""

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from perfectcatch.store.pool import Pool
from perfectcatch.store.schema.tables.tokens import oauth_tokens


@pytest.fixture
async def tables(pool: Pool) -> Pool:
    """A database with nothing but the table of sealed tokens."""
    async with pool.connection() as connection:
        await connection.execute("create schema integrations")
        statement = str(CreateTable(oauth_tokens).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        await connection.execute(statement.encode())
    return pool
