"""Business units and the pipeline that each one's deals use."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.rows import class_row

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import DEALS, qualified
from perfectcatch.store.pool import Connection, Pool

Entities = Mapping[str, Entity]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """A business unit; ``pipeline_id``: set by a person, None where SALES and INSTALL are used."""

    st_id: int
    name: str
    pipeline_id: str | None


async def units(pool: Pool, tenant_id: int, entities: Entities) -> list[UnitRow]:
    """Every business unit that is not gone, by name."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(UnitRow)) as cursor:
        await cursor.execute(
            "select st_id, coalesce(name, '') as name, ghl_pipeline_id as pipeline_id"
            f" from {qualified(entities['business_units'].table)}"
            " where tenant_id = %s and deleted_at is null order by name, st_id".encode(),
            (tenant_id,),
        )
        return await cursor.fetchall()


async def put_pipeline(
    connection: Connection, tenant_id: int, entities: Entities, st_id: int, pipeline_id: str | None
) -> None:
    """Keep which pipeline a business unit uses."""
    await connection.execute(
        f"update {qualified(entities['business_units'].table)} set ghl_pipeline_id = %s"
        " where tenant_id = %s and st_id = %s".encode(),
        (pipeline_id, tenant_id, st_id),
    )


async def customers_of(connection: Connection, tenant_id: int, entities: Entities, st_id: int) -> list[int]:
    """Customers with a deal, and with a job or an estimate of a business unit."""
    jobs, estimates = (qualified(entities[name].table) for name in ("jobs", "estimates"))
    found = await connection.execute(
        f"""
        select distinct d.st_customer_id from {DEALS} d where d.tenant_id = %(tenant)s and (
          exists (select from {jobs} j where j.tenant_id = d.tenant_id and j.customer_id = d.st_customer_id
            and j.business_unit_id = %(unit)s)
          or exists (select from {estimates} e where e.tenant_id = d.tenant_id
            and e.customer_id = d.st_customer_id and e.business_unit_id = %(unit)s))
        """.encode(),
        {"tenant": tenant_id, "unit": st_id},
    )
    return [row[0] for row in await found.fetchall()]
