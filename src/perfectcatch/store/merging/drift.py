"""What the vendor sends that its documents do not say: reported, never fatal.

A page of up to 300 new or changed records is looked at in full, of a larger one a sample of 300: a new
field comes with every record or with a kind of record, and the hot path stays free of Python.
"""

from typing import Any

from psycopg.rows import dict_row

from perfectcatch.model.entity import Convert, Entity, Type
from perfectcatch.store.names import DRIFT
from perfectcatch.store.pool import Connection, Pool

SAMPLE = 300
_LONGEST_PATH = 200  # it is part of a key, and an index entry holds at most 2,704 bytes

_SAMPLE = """with chosen as (
  select ord from plan where kind in ('n', 'c') order by mod(st_id, 31), ord limit %s
), sample as (select i.doc from chosen join incoming i using (ord))"""

_EXPECTED = {
    Type.BIGINT: {"number"},
    Type.INTEGER: {"number"},
    Type.TEXT: {"string"},
    Type.MONEY: {"number", "string"},  # the vendor writes invoice money as text, by its documents
    Type.NUMBER: {"number", "string"},
    Type.DOUBLE: {"number"},
    Type.MOMENT: {"string"},
    Type.DAY: {"string"},
    Type.FLAG: {"boolean"},
    Type.IDS: {"array"},
    Type.TEXTS: {"array"},
    Type.JSON: {"array", "object", "string", "number", "boolean"},
}


def expected_kinds(entity: Entity) -> dict[str, set[str]]:
    """The JSON kinds that may stand in each field that is a column by itself."""
    kinds: dict[str, set[str]] = {}
    for column in entity.vendor_columns:
        if len(column.path) == 1:
            known = _EXPECTED[column.type]
            if column.convert in (Convert.IDS_OF, Convert.NAMES_OF):
                known = {"array"}
            elif column.convert is Convert.SECONDS:
                known = {"string"}
            kinds.setdefault(column.at, set()).update(known, column.also_written)
    return kinds


async def note(connection: Connection, tenant_id: int, entity: Entity) -> None:
    """Report unknown fields and unexpected kinds among this batch's new and changed records."""
    found = await connection.execute(
        f"""
        {_SAMPLE}
        select f.key, jsonb_typeof(f.value), count(*) from sample, jsonb_each(sample.doc) f group by 1, 2
        """,
        (SAMPLE,),
    )
    known = entity.known_fields
    kinds = expected_kinds(entity)
    strange: list[tuple[str, str, str, str, int]] = []
    for key, kind, times in await found.fetchall():
        if key not in known:
            strange.append((key, kind, "new_field", f"a {kind} that the documents do not name", times))
        elif kind != "null" and kind not in kinds.get(key, {kind}):
            expected = " or ".join(sorted(kinds[key]))
            strange.append((key, kind, "other_kind", f"{kind} where {expected} was expected", times))
    examples = await _examples(connection) if strange else {}
    rows = [
        (key[:_LONGEST_PATH], what, detail, examples[key, kind], times)
        for key, kind, what, detail, times in strange
    ]
    if rows:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                f"""
                insert into {DRIFT} as d (tenant_id, entity, path, kind, detail, example, times,
                  first_seen_at, last_seen_at)
                values (%s, %s, %s, %s, %s, %s, %s, now(), now())
                on conflict (tenant_id, entity, path, kind) do update set detail = excluded.detail,
                  example = excluded.example, times = d.times + excluded.times, last_seen_at = now()
                """,
                [
                    (tenant_id, entity.name, key, kind, detail, example, times)
                    for key, kind, detail, example, times in rows
                ],
            )


async def _examples(connection: Connection) -> dict[tuple[str, str], str]:
    """A value of each field and kind in the sample: only taken when there is something to report."""
    found = await connection.execute(
        f"""
        {_SAMPLE}
        select f.key, jsonb_typeof(f.value), left(min(f.value::text), 200)
        from sample, jsonb_each(sample.doc) f group by 1, 2
        """,
        (SAMPLE,),
    )
    return {(key, kind): example for key, kind, example in await found.fetchall()}


async def reported(pool: Pool, tenant_id: int) -> list[dict[str, Any]]:
    """Everything that was noted, newest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""
            select entity, path, kind, detail, example, times, first_seen_at, last_seen_at from {DRIFT}
            where tenant_id = %s order by last_seen_at desc, entity, path
            """,
            (tenant_id,),
        )
        return await cursor.fetchall()
