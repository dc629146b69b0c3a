"""Any record as of any moment: superseded versions lie in the history, the current one in the mirror."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from perfectcatch.model.entity import Entity
from perfectcatch.store.merging.statements import since
from perfectcatch.store.names import HISTORY, qualified
from perfectcatch.store.pool import Pool


@dataclass(frozen=True, slots=True)
class Version:
    """A record as it was from ``valid_from`` until ``valid_to`` (None: it still is).

    Moments are the vendor's (``modifiedOn``) where it tells them, else those of our observation.
    """

    revision: int
    valid_from: datetime
    valid_to: datetime | None
    st_modified_on: datetime | None
    deleted_at: datetime | None
    full_data: dict[str, Any]


async def versions(pool: Pool, tenant_id: int, entity: Entity, st_id: int) -> list[Version]:
    """Every version that we know, oldest first; empty when we never had the record."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Version)) as cursor:
        await cursor.execute(
            f"""
            select revision, valid_from, valid_to, st_modified_on, deleted_at, full_data from {HISTORY}
            where tenant_id = %(tenant)s and entity = %(entity)s and st_id = %(st_id)s
            union all
            select m.revision, {since(entity)}, null, m.st_modified_on, m.deleted_at, m.full_data
            from {qualified(entity.table)} m where m.tenant_id = %(tenant)s and m.st_id = %(st_id)s
            order by revision
            """,
            {"tenant": tenant_id, "entity": entity.name, "st_id": st_id},
        )
        return await cursor.fetchall()


async def as_of(pool: Pool, tenant_id: int, entity: Entity, st_id: int, moment: datetime) -> Version | None:
    """The version that was true at ``moment``; None if none of the known ones reaches back so far."""
    known = await versions(pool, tenant_id, entity, st_id)
    reached = [version for version in known if version.valid_from <= moment]
    return reached[-1] if reached else None
