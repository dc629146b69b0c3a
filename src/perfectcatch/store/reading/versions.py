"""Any record as of any moment, as JSON."""

from datetime import datetime

from perfectcatch.model.entity import Entity
from perfectcatch.store.merging.statements import since
from perfectcatch.store.names import HISTORY, qualified
from perfectcatch.store.reading.reads import Raw, Reads


def _versions(entity: Entity) -> str:
    return f"""
select revision, valid_from, valid_to, st_modified_on, deleted_at, change, full_data from {HISTORY}
where tenant_id = %(tenant)s and entity = %(entity)s and st_id = %(st_id)s
union all
select m.revision, {since(entity)}, null, m.st_modified_on, m.deleted_at, null, m.full_data
from {qualified(entity.table)} m where m.tenant_id = %(tenant)s and m.st_id = %(st_id)s"""


async def as_of(
    reads: Reads, tenant_id: int, entity: Entity, st_id: int, moment: datetime | None
) -> tuple[bytes, bytes] | None:
    """The head and the document of the version that was true at ``moment`` (None: now), each as JSON.

    None if there is none, or if none that we know reaches back so far.
    """
    found: list[Raw] = await reads.raw(
        f"""
select json_build_object('revision', revision, 'valid_from', valid_from, 'valid_to', valid_to,
  'st_modified_on', st_modified_on, 'deleted_at', deleted_at)::text, full_data::text
from ({_versions(entity)}) v
where %(moment)s::timestamptz is null or valid_from <= %(moment)s
order by revision desc limit 1""",
        {"tenant": tenant_id, "entity": entity.name, "st_id": st_id, "moment": moment},
    )
    return (found[0][0] or b"null", found[0][1] or b"null") if found else None


async def earliest(reads: Reads, tenant_id: int, entity: Entity, st_id: int) -> str | None:
    """From when the first version that we know was true; None when we never had the record."""
    found = await reads.raw(
        f'select to_char(min(valid_from), \'YYYY-MM-DD"T"HH24:MI:SS"Z"\') from ({_versions(entity)}) v',
        {"tenant": tenant_id, "entity": entity.name, "st_id": st_id},
    )
    first = found[0][0]
    return None if first is None else first.decode()


async def listed(
    reads: Reads,
    tenant_id: int,
    entity: Entity,
    st_id: int,
    *,
    after: int,
    limit: int,
    as_of: datetime | None,
) -> bytes:
    """The versions that we know, without their documents, oldest first."""
    return (
        await reads.json(
            f"""
with page as materialized (
  select row_number() over (order by revision) as place, revision,
    json_build_object('revision', revision, 'valid_from', valid_from, 'valid_to', valid_to,
      'st_modified_on', st_modified_on, 'deleted_at', deleted_at, 'ended_by', change) as record
  from ({_versions(entity)}) v where revision > %(after)s order by revision limit %(limit)s + 1
)
select json_build_object('data_as_of', %(as_of)s::timestamptz,
  'data', coalesce(json_agg(record order by place) filter (where place <= %(limit)s), '[]'::json),
  'next', case when count(*) > %(limit)s then (max(revision) filter (where place = %(limit)s))::text end)
from page""",
            {
                "tenant": tenant_id,
                "entity": entity.name,
                "st_id": st_id,
                "after": after,
                "limit": limit,
                "as_of": as_of,
            },
        )
        or b""
    )
