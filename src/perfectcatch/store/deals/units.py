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
    """Customers with a job or an estimate of a business unit, and with a deal.

    The deal of one who was merged is the survivor's: whoever was merged is given, and done as the survivor.
    """
    names = ("jobs", "estimates", "customers")
    jobs, estimates, customers = (qualified(entities[name].table) for name in names)
    found = await connection.execute(
        f"""
        select customer_id from (
          select customer_id from {jobs} where tenant_id = %(tenant)s and business_unit_id = %(unit)s
          union
          select customer_id from {estimates} where tenant_id = %(tenant)s and business_unit_id = %(unit)s
        ) o where customer_id is not null and (
          exists (select from {DEALS} where tenant_id = %(tenant)s and st_customer_id = o.customer_id)
          or exists (select from {customers} where tenant_id = %(tenant)s and st_id = o.customer_id
            and merged_to_id is not null))
        order by customer_id
        """.encode(),
        {"tenant": tenant_id, "unit": st_id},
    )
    return [row[0] for row in await found.fetchall()]
