"""Lists for scheduling as JSON: technicians, teams, zones, job types, and how many there are of each."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from perfectcatch.errors import NothingKnown
from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified
from perfectcatch.store.reading.reads import Reads

MOST: Final = 5000

Entities = Mapping[str, Entity]

_TECHNICIANS: Final = """
select t.st_id, coalesce(t.name, 'Technician ' || t.st_id) as name, t.active,
  (select coalesce(array_agg(distinct found.skill order by found.skill), '{{}}') from (
    select unnest(t.skills) as skill union
    select s.name from {technician_skills} s
    where s.tenant_id = t.tenant_id and s.technician_id = t.st_id and s.deleted_at is null and s.active
  ) found where found.skill is not null) as skills,
  t.main_zone_id, coalesce(t.zone_ids, '{{}}') as zone_ids, t.business_unit_id, t.team, t.status,
  coalesce(t.mobile_phone, t.phone) as phone, t.email
from {technicians} t
where t.tenant_id = %(tenant)s and t.deleted_at is null order by t.name, t.st_id limit {most}"""
_TEAMS: Final = """
select json_agg(row_to_json(c)) from (
  select m.st_id, m.name, m.active,
    (select coalesce(json_agg(t.st_id order by t.st_id), '[]') from {technicians} t
      where t.tenant_id = m.tenant_id and t.team = m.name and t.deleted_at is null) as technicians
  from {teams} m where m.tenant_id = %(tenant)s and m.deleted_at is null order by m.name, m.st_id limit {most}
) c"""
_ZONES: Final = """
select json_agg(row_to_json(c)) from (
  select m.st_id, m.name, m.active, m.zips, m.cities, m.business_unit_ids,
    (select coalesce(json_agg(t.st_id order by t.st_id), '[]') from {technicians} t
      where t.tenant_id = m.tenant_id and t.deleted_at is null
        and (t.main_zone_id = m.st_id or m.st_id = any(t.zone_ids) or t.st_id = any(m.technician_ids))
    ) as technicians
  from {zones} m where m.tenant_id = %(tenant)s and m.deleted_at is null order by m.name, m.st_id limit {most}
) c"""
_JOB_TYPES: Final = """
select m.st_id, m.name, m.active, m.job_class, m.priority, m.duration, m.skills, m.business_unit_ids
from {job_types} m where m.tenant_id = %(tenant)s and m.deleted_at is null
order by m.name, m.st_id limit {most}"""
_TABLES: Final = ("technicians", "technician_skills", "teams", "zones", "job_types")


def _written(statement: str, entities: Entities) -> str:
    tables = {name: qualified(entities[name].table) for name in _TABLES}
    return statement.format(most=MOST, **tables)


async def technicians(reads: Reads, tenant_id: int, entities: Entities) -> list[dict[str, Any]]:
    """Every technician with its skills from both places where the vendor tells them."""
    return await reads.rows(_written(_TECHNICIANS, entities), {"tenant": tenant_id})


async def teams(reads: Reads, tenant_id: int, entities: Entities) -> bytes:
    """Teams with the technicians that name them."""
    return await reads.json(_written(_TEAMS, entities), {"tenant": tenant_id}) or b"[]"


async def zones(reads: Reads, tenant_id: int, entities: Entities) -> bytes:
    """Zones with the technicians that work in them."""
    return await reads.json(_written(_ZONES, entities), {"tenant": tenant_id}) or b"[]"


async def job_types(reads: Reads, tenant_id: int, entities: Entities) -> list[dict[str, Any]]:
    """Kinds of jobs."""
    return await reads.rows(_written(_JOB_TYPES, entities), {"tenant": tenant_id})


async def numbers(
    reads: Reads, tenant_id: int, entities: Entities, names: Sequence[str]
) -> list[dict[str, Any]]:
    """How many records there are of each of ``names``, and the newest time among them."""
    statement = " union all ".join(
        f"select '{name}' as entity, count(*) as total, count(*) filter (where active) as active,"
        f" max(st_modified_on) as newest from {qualified(entities[name].table)}"
        f" where tenant_id = %(tenant)s and deleted_at is null"
        for name in names
    )
    return await reads.rows(statement, {"tenant": tenant_id})


async def zone_of(reads: Reads, tenant_id: int, entities: Entities, location_id: int) -> int | None:
    """The zone of a location, else of its postal code; None where neither tells one.

    Raises ``NothingKnown`` when there is no such location.
    """
    rows = await reads.rows(
        f"""
        select coalesce(l.zone_id, (
          select z.st_id from {qualified(entities["zones"].table)} z
          where z.tenant_id = l.tenant_id and z.zips && array[l.zip] and z.deleted_at is null and z.active
          order by z.st_id limit 1)) as zone_id
        from {qualified(entities["locations"].table)} l
        where l.tenant_id = %(tenant)s and l.st_id = %(location)s and l.deleted_at is null
        """,
        {"tenant": tenant_id, "location": location_id},
    )
    if not rows:
        raise NothingKnown(f"The mirror holds no location {location_id}.")
    found: int | None = rows[0]["zone_id"]
    return found
