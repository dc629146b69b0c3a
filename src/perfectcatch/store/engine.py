"""SQLAlchemy on the same database: for migrations and comparisons, which Alembic does without ``async``."""

from collections.abc import Callable
from typing import TypeVar

import psycopg
from sqlalchemy import Connection, NullPool, create_engine

from perfectcatch.store.address import parse
from perfectcatch.store.pool import Pool, plain_errors

Result = TypeVar("Result")


def conninfo_of(where: str | Pool) -> str:
    """Give libpq's form of the address of a URL or a pool."""
    if isinstance(where, str):
        return parse(where).conninfo
    assert isinstance(where.conninfo, str)
    return where.conninfo


def work(where: str | Pool, task: Callable[[Connection], Result]) -> Result:
    """Run ``task`` in one transaction; blocks, so call it in a thread."""
    conninfo = conninfo_of(where)

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(conninfo, application_name="perfectcatch migration", options="-c timezone=UTC")

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    try:
        with plain_errors(), engine.begin() as connection:
            return task(connection)
    finally:
        engine.dispose()
