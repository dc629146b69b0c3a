"""The facts of one customer out of the mirror, and whose deals an event is about."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from sys import intern
from typing import Any, Final

from psycopg.rows import dict_row

from perfectcatch.model.deals import Bill, Customer, Estimate, Facts, Job, Unit, Visit
from perfectcatch.model.entity import Entity
from perfectcatch.store.names import MESSAGES, qualified
from perfectcatch.store.pool import Connection, Pool

Entities = Mapping[str, Entity]
Key = tuple[str, int]
Row = dict[str, Any]

_DEEPEST: Final = 20  # merges in a row

# Which records belong to a customer, and by what: a column of their own, or the job that they hang on.
_OWNERS: Final[Mapping[str, str]] = {
    "customers": "m.st_id",
    "jobs": "m.customer_id",
    "estimates": "m.customer_id",
    "invoices": "m.customer_id",
    "appointments": "coalesce(m.customer_id, j.customer_id)",
    "appointment_assignments": "j.customer_id",
    "calls": "m.customer_id",
}


def _from(entities: Entities, name: str) -> str:
    source = f"{qualified(entities[name].table)} m"
    if "j." in _OWNERS[name]:
        jobs = qualified(entities["jobs"].table)
        source += f" left join {jobs} j on j.tenant_id = m.tenant_id and j.st_id = m.job_id"
    return source


async def owners(
    connection: Connection, tenant_id: int, entities: Entities, keys: Iterable[Key]
) -> dict[Key, int]:
    """Whose record each is, where it is somebody's and decides about deals."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for entity, st_id in keys:
        if entity in _OWNERS and entity in entities:
            wanted[entity].append(st_id)
    found: dict[Key, int] = {}
    for name, ids in wanted.items():
        cursor = await connection.execute(
            f"select m.st_id, {_OWNERS[name]} from {_from(entities, name)}"
            " where m.tenant_id = %s and m.st_id = any(%s)",
            (tenant_id, ids),
        )
        found |= {(name, st_id): owner for st_id, owner in await cursor.fetchall() if owner is not None}
    return found


async def facts_of(pool: Pool, tenant_id: int, entities: Entities, customer_id: int) -> Facts | None:
    """Everything that decides about a customer's deals; of a merged one, the survivor's. None: unknown."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        family = await _family(connection, tenant_id, entities, customer_id)
        if not family:
            return None
        tables = _tables(entities)

        def rows(name: str) -> AsyncIterator[Row]:
            return _rows(connection, _STATEMENTS[name].format(**tables), tenant_id, family)

        [customer] = [_customer(row) async for row in rows("customer")]
        units = {
            row["st_id"]: Unit(st_id=row["st_id"], name=row["name"] or "", pipeline_id=row["ghl_pipeline_id"])
            async for row in rows("units")
        }
        crew: dict[int, list[str]] = defaultdict(list)
        async for row in rows("crew"):
            crew[row["job_id"]].append(intern(row["technician_name"]))
        return Facts(
            customer=customer,
            family=tuple(family),
            jobs=tuple([_job(row, units, crew) async for row in rows("jobs")]),
            visits=tuple([Visit(**row) async for row in rows("visits")]),
            estimates=tuple([_estimate(row, units) async for row in rows("estimates")]),
            bills=tuple([Bill(**row) async for row in rows("bills")]),
        )


async def survivor(pool: Pool, tenant_id: int, entities: Entities, customer_id: int) -> int:
    """The customer that stands in the end for ``customer_id``, whose turn is taken; itself if unknown."""
    async with pool.connection() as connection:
        family = await _family(connection, tenant_id, entities, customer_id)
    return family[0] if family else customer_id


async def is_known(pool: Pool, tenant_id: int, entities: Entities, customer_id: int) -> bool:
    """Whether the mirror has this customer, merged or not."""
    async with pool.connection() as connection:
        return bool(await _family(connection, tenant_id, entities, customer_id))


def _customer(row: Mapping[str, Any]) -> Customer:
    return Customer(**{**row, "name": row["name"] or ""})


def _job(row: Mapping[str, Any], units: Mapping[int, Unit], crew: Mapping[int, list[str]]) -> Job:
    values = {name: value for name, value in row.items() if name != "business_unit_id"}
    names = tuple(dict.fromkeys(crew.get(row["st_id"], ())))
    return Job(**values, unit=units.get(row["business_unit_id"]), technicians=names)


def _estimate(row: Mapping[str, Any], units: Mapping[int, Unit]) -> Estimate:
    values = {name: value for name, value in row.items() if name != "business_unit_id"}
    return Estimate(**values, unit=units.get(row["business_unit_id"]))


def _tables(entities: Entities) -> dict[str, str]:
    return {name: qualified(entity.table) for name, entity in entities.items()}


async def _rows(
    connection: Connection, statement: str, tenant_id: int, family: list[int]
) -> AsyncIterator[Row]:
    """Row by row, however many there are: a landlord may have thousands, and each decides about a deal."""
    values = {"tenant": tenant_id, "family": family, "survivor": family[0]}
    async with connection.cursor(row_factory=dict_row) as cursor:
        async for row in cursor.stream(statement.encode(), values):
            if "status" in row:
                row["status"] = intern(row["status"])
            yield row


async def _family(connection: Connection, tenant_id: int, entities: Entities, customer_id: int) -> list[int]:
    """The customer that stands in the end for ``customer_id``, then all that were merged into it."""
    table = qualified(entities["customers"].table)
    found = await connection.execute(
        f"""
with recursive up as (
  select st_id, merged_to_id, 0 as step from {table} where tenant_id = %(tenant)s and st_id = %(st_id)s
  union all
  select c.st_id, c.merged_to_id, u.step + 1 from up u
  join {table} c on c.tenant_id = %(tenant)s and c.st_id = u.merged_to_id where u.step < {_DEEPEST}
), survivor as (select st_id from up order by step desc limit 1),
down as (
  select st_id, 0 as step from survivor
  union
  select c.st_id, d.step + 1 from down d
  join {table} c on c.tenant_id = %(tenant)s and c.merged_to_id = d.st_id where d.step < {_DEEPEST}
)
select st_id from down group by st_id order by min(step), st_id""",
        {"tenant": tenant_id, "st_id": customer_id},
    )
    return [row[0] for row in await found.fetchall()]


_MINE: Final = "tenant_id = %(tenant)s and customer_id = any(%(family)s) and deleted_at is null"
_STATEMENTS: Final[Mapping[str, str]] = {
    "customer": f"""
select c.st_id, c.name, c.first_name, c.last_name, c.email, c.phone, c.address_line1 as address, c.city,
  c.state, c.zip as postal_code, c.st_created_on as created_at,
  c.deleted_at is null and coalesce(c.active, true) as active,
  least(
    (select min(st_created_on) from {{calls}} where {_MINE}
      and call_type is distinct from 'Abandoned'),
    (select min(sent_at) from {MESSAGES} where tenant_id = %(tenant)s and customer_id = any(%(family)s)
      and not shadow)) as contacted_at
from {{customers}} c where c.tenant_id = %(tenant)s and c.st_id = %(survivor)s""",
    "units": "select st_id, name, ghl_pipeline_id from {business_units} where tenant_id = %(tenant)s",
    "jobs": f"""
select st_id, coalesce(job_number, '') as number, coalesce(job_status, '') as status, business_unit_id,
  project_id, created_from_estimate_id as from_estimate_id,
  coalesce(recall_for_id, warranty_id) as puts_right_id,
  total, st_created_on as created_at, st_modified_on as changed_at, st_completed_on as completed_at
from {{jobs}} where {_MINE} order by st_id desc""",
    "visits": """
select a.st_id, a.job_id, coalesce(a.status, '') as status, a.start_time as starts_at,
  a.st_modified_on as changed_at
from {jobs} j join {appointments} a on a.tenant_id = j.tenant_id and a.job_id = j.st_id
where j.tenant_id = %(tenant)s and j.customer_id = any(%(family)s) and a.deleted_at is null
  and j.deleted_at is null""",
    "crew": """
select a.job_id, a.technician_name
from {jobs} j join {appointment_assignments} a on a.tenant_id = j.tenant_id and a.job_id = j.st_id
where j.tenant_id = %(tenant)s and j.customer_id = any(%(family)s) and a.deleted_at is null
  and j.deleted_at is null and a.technician_name is not null order by a.assigned_on, a.st_id""",
    "estimates": f"""
select st_id, job_id, project_id, business_unit_id, coalesce(name, '') as name,
  coalesce(status, '') as status, total, st_created_on as created_at, st_modified_on as changed_at,
  sold_on as sold_at
from {{estimates}} where {_MINE} order by st_id desc""",
    "bills": f"""
select st_id, job_id, total, balance, st_modified_on as changed_at
from {{invoices}} where {_MINE} order by st_id desc""",
}


# Looking for customers -----------------------------------------------------------------------------


async def touched(
    pool: Pool,
    tenant_id: int,
    entities: Entities,
    name: str,
    *,
    since: datetime | None,
    after: int,
    limit: int,
) -> list[tuple[int, int]]:
    """Ids of the records of one kind and of their customers, by id; ``since``: stored since then."""
    condition = " and m.deleted_at is null" if since is None else " and m.local_synced_at >= %(since)s"
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select m.st_id, {_OWNERS[name]} from {_from(entities, name)} where m.tenant_id = %(tenant)s"
            f" and m.st_id > %(after)s and {_OWNERS[name]} is not null{condition}"
            " order by m.st_id limit %(limit)s".encode(),
            {"tenant": tenant_id, "since": since, "after": after, "limit": limit},
        )
        return [(row[0], row[1]) for row in await found.fetchall()]


async def offers_that_rest(
    pool: Pool, tenant_id: int, entities: Entities, *, between: tuple[datetime, datetime]
) -> list[int]:
    """Customers with an open estimate that was written in that span."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select distinct customer_id from {qualified(entities['estimates'].table)}"
            " where tenant_id = %s and status = 'Open' and deleted_at is null and customer_id is not null"
            " and st_created_on >= %s and st_created_on < %s".encode(),
            (tenant_id, *between),
        )
        return [row[0] for row in await found.fetchall()]


async def jobs_that_install(pool: Pool, tenant_id: int, entities: Entities, since: datetime) -> list[int]:
    """Customers with an installation that was booked or changed since then."""
    jobs, units = (qualified(entities[name].table) for name in ("jobs", "business_units"))
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select distinct j.customer_id from {jobs} j join {units} u on u.tenant_id = j.tenant_id"
            " and u.st_id = j.business_unit_id where j.tenant_id = %s and u.name ilike '%%install%%'"
            " and j.local_synced_at >= %s and j.customer_id is not null".encode(),
            (tenant_id, since),
        )
        return [row[0] for row in await found.fetchall()]


async def mark_customer(
    connection: Connection, tenant_id: int, entities: Entities, customer_id: int, status: str, **values: Any
) -> None:
    """Note on the customer's row of the mirror how the last write to the CRM ended."""
    sets = "".join(f", {name} = %({name})s" for name in values)
    await connection.execute(
        f"update {qualified(entities['customers'].table)} set ghl_sync_status = %(status)s,"
        f" ghl_synced_at = now(){sets} where tenant_id = %(tenant)s and st_id = %(st_id)s".encode(),
        {"tenant": tenant_id, "st_id": customer_id, "status": status, **values},
    )


async def mark_jobs(
    connection: Connection, tenant_id: int, entities: Entities, job_ids: Iterable[int], opportunity_id: str
) -> None:
    """Note on jobs of the mirror which opportunity is theirs."""
    await connection.execute(
        f"update {qualified(entities['jobs'].table)} set ghl_opportunity_id = %s, ghl_sync_status = 'synced'"
        " where tenant_id = %s and st_id = any(%s) and (ghl_opportunity_id is distinct from %s"
        " or ghl_sync_status is distinct from 'synced')".encode(),
        (opportunity_id, tenant_id, list(job_ids), opportunity_id),
    )
