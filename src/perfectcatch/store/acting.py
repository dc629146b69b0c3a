"""As whom processes work: a role without the right to change the shape of the database, where there is one.

They log in as ``DATABASE_URL`` says and take the role on in the connection's first message, so that no
statement of theirs is ever run as the owner and every connection of theirs is alike.
"""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

import structlog
from psycopg import AsyncConnection

from perfectcatch.errors import BadSetting
from perfectcatch.store.address import parse
from perfectcatch.store.names import MIRROR
from perfectcatch.store.pool import Pool

NO_ROLE: Final = "none"  # PostgreSQL reserves the name: it can mean nothing else

_PG16: Final = 160000  # since when being a member and being allowed to take the role on are two rights
_KNOWN: Final[LiteralString] = """
select r.oid is not null, coalesce(pg_has_role(r.oid, %(how)s), false),
  coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false), session_user
from (values (1)) one
left join pg_roles r on r.rolname = %(role)s left join pg_namespace n on n.nspname = %(schema)s
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a role: whether it exists, is ours to take on, has rights here."""

    exists: bool
    ours: bool
    prepared: bool
    login: str

    @property
    def usable(self) -> bool:
        """Whether we can work as it."""
        return self.exists and self.ours and self.prepared


async def known(connection: AsyncConnection[Any], role: str) -> Known:
    """What is known of ``role``."""
    how = "SET" if connection.info.server_version >= _PG16 else "MEMBER"
    found = await connection.execute(_KNOWN, {"role": role, "how": how, "schema": MIRROR})
    row: Any = await found.fetchone()
    return Known(*row)


async def address_of(pool: Pool, role: str, *, required: bool) -> str:
    """The address for everybody who works: that of ``pool``, with ``role`` taken on where that can be.

    Raises ``BadSetting`` where it cannot although it is ``required``.
    """
    if role == NO_ROLE:
        return pool.url
    async with pool.connection() as connection:
        found = await known(connection, role)
    if found.usable:
        return pool.url if found.login == role else parse(pool.url).url(role=role)
    if required:
        raise BadSetting(
            f"DATABASE_APP_ROLE is {role}, as which {found.login} cannot work because it {_why(found)}: run "
            "`perfectcatch db migrate` with a login that may create and grant roles, or set it to none"
        )
    log.info("all work is done by the database login itself", login=found.login)
    return pool.url


def _why(found: Known) -> str:
    if not found.exists:
        return "does not exist"
    return "has no rights here" if found.ours else "was not granted to it"
