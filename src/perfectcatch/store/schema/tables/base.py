"""What every table of ours is made of: the metadata, the names of constraints, the usual columns.

The company (``tenant_id``) comes first in every key, so that the same schema runs with one company, with
a thousand, or spread over several servers by company.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, MetaData, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

MOMENT: Final = TIMESTAMP(timezone=True)

# Explicit names make a constraint findable in an error message and comparable between databases.
NAMING: Final = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
}

metadata: Final = MetaData(naming_convention=NAMING)


def tenant() -> Column[int]:
    """The company that a row belongs to."""
    return Column("tenant_id", BigInteger, nullable=False, autoincrement=False)


def identity() -> Column[int]:
    """A number that the database gives."""
    return Column("id", BigInteger, Identity(always=True), nullable=False)


def count(name: str) -> Column[int]:
    """A number of things, 0 at first."""
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def now(name: str) -> Column[object]:
    """The moment at which the row was written, unless something else is said."""
    return Column(name, MOMENT, nullable=False, server_default=text("now()"))
