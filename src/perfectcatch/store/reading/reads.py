"""Connections for reading: they cannot write, a statement has seconds, and nobody waits long for one.

What a statement answers is handed on as the bytes that PostgreSQL sent.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from perfectcatch.errors import BadArgument
from perfectcatch.store.pool import Connection, Pool, open_pool

STATEMENT_SECONDS: Final = 5
WAIT_SECONDS: Final = 1.5  # for a free connection: who asks is better told at once than kept waiting

_SESSION: Final = (
    "set default_transaction_read_only = on; "
    f"set statement_timeout = '{STATEMENT_SECONDS}s'; set idle_in_transaction_session_timeout = '30s'"
)

Values = Sequence[Any] | Mapping[str, Any]
Raw = tuple[bytes | None, ...]


class Reads:
    """Statements that only look. Errors are those of the pool; a statement that took too long is one."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def raw(self, statement: str, values: Values = ()) -> list[Raw]:
        """Every row as PostgreSQL wrote it."""
        async with self._connection() as connection:
            cursor = await connection.execute(statement.encode(), values)
            result = cursor.pgresult
            assert result is not None
            columns = range(result.nfields)
            return [
                tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)
            ]

    async def json(self, statement: str, values: Values = ()) -> bytes | None:
        """The one value of the one row, None where there is no row or no value."""
        found = await self.raw(statement, values)
        return found[0][0] if found else None

    async def rows(self, statement: str, values: Values = ()) -> list[dict[str, Any]]:
        """Every row as Python values by the names of its columns."""
        async with self._connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement.encode(), values)
            return await cursor.fetchall()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection; a value that fits no column is the fault of who asked with it."""
        try:
            async with self.pool.connection() as connection:
                yield connection
        except psycopg.DataError as error:
            said = error.diag.message_primary or str(error)
            raise BadArgument(f"A value of the query cannot be used: {said}.") from error


@asynccontextmanager
async def open_reads(url: str, *, max_size: int, application: str) -> AsyncIterator[Reads]:
    """Keep connections for reading while the context is open."""
    async with open_pool(
        url, max_size=max_size, application_name=application, session=_SESSION, wait_seconds=WAIT_SECONDS
    ) as pool:
        yield Reads(pool)
