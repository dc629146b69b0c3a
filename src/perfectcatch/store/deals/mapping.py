"""Which stage stands for which step, as it was found last."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from perfectcatch.store.names import CRM_MAPPING
from perfectcatch.store.pool import Pool, transaction


@dataclass(frozen=True, slots=True)
class Row:
    """A step with its stage."""

    pipeline: str
    stage: str
    ghl_pipeline_id: str
    ghl_pipeline_name: str
    ghl_stage_id: str
    ghl_stage_name: str


async def load(pool: Pool, tenant_id: int) -> list[Row]:
    """Every step that a stage was found for."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            "select pipeline, stage, ghl_pipeline_id, ghl_pipeline_name, ghl_stage_id, ghl_stage_name"
            f" from {CRM_MAPPING} where tenant_id = %s",
            (tenant_id,),
        )
        return await cursor.fetchall()


async def save(pool: Pool, tenant_id: int, rows: Sequence[Row]) -> None:
    """Keep these and no others."""
    async with transaction(pool) as connection:
        await connection.execute(f"delete from {CRM_MAPPING} where tenant_id = %s", (tenant_id,))
        async with connection.cursor() as cursor:
            await cursor.executemany(
                f"""
                insert into {CRM_MAPPING} (tenant_id, pipeline, stage, ghl_pipeline_id, ghl_pipeline_name,
                  ghl_stage_id, ghl_stage_name)
                values (%s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    (
                        tenant_id,
                        row.pipeline,
                        row.stage,
                        row.ghl_pipeline_id,
                        row.ghl_pipeline_name,
                        row.ghl_stage_id,
                        row.ghl_stage_name,
                    )
                    for row in rows
                ],
            )
