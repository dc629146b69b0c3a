"""SQLAlchemy on the same database: for migrations and comparisons, which Alembic does without ``async``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from perfectcatch.store.pool import Pool, conninfo_of, plain_errors

Result = TypeVar("Result")


def work(where: str | Pool, task: Callable[[Connection], Result]) -> Result:
    """Run ``task`` in one transaction; blocks, so call it in a thread. Errors are psycopg's own, or ours."""
    conninfo = conninfo_of(where)

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        connection = psycopg.connect(conninfo, application_name="perfectcatch migration")
        connection.execute("set time zone 'UTC'")
        connection.commit()
        return connection

    # Statements without parameters go to the server as they are, percent signs and all.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=NullPool,
        execution_options={"no_parameters": True},
    )
    try:
        with plain_errors(), _as_psycopg_says(), engine.begin() as connection:
            return task(connection)
    finally:
        engine.dispose()


@contextmanager
def _as_psycopg_says() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise error.orig or error from error
