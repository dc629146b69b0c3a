"""The rows of a loaded mirror, COPY into staging tables and upsert: the limit that a full load is held to."""

import asyncio
import time
from typing import Any

BATCH = 5000


async def comparison(names: tuple[str, ...], source_url: str, target_url: str) -> dict[str, Any]:
    """The rows of a loaded mirror, COPY into a staging table and upsert, two connections side by side."""
    import psycopg

    from perfectcatch.store.names import beside, qualified
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    tables = []
    for name in names:
        entity = BY_NAME[name]
        tables.append((qualified(entity.table), ("tenant_id", "st_id")))
        tables += [
            (beside(child.table, entity.table), ("tenant_id", child.parent_column, "position"))
            for child in entity.children
        ]
    rows: dict[str, list[tuple[Any, ...]]] = {}
    columns: dict[str, list[str]] = {}
    async with await psycopg.AsyncConnection.connect(source_url) as connection:
        from psycopg.types.json import set_json_loads

        set_json_loads(lambda text: bytes(text).decode(), connection)  # JSON stays the text that it is
        for table, _ in tables:
            stored = await connection.execute(
                "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute "
                "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped and attgenerated = ''",
                (table,),
            )
            [(listed,)] = await stored.fetchall()
            cursor = await connection.execute(f"select {listed} from {table}")
            columns[table] = [column.name for column in cursor.description or ()]
            rows[table] = await cursor.fetchall()
    shares: list[list[tuple[str, tuple[str, ...]]]] = [[], []]
    for place in sorted(tables, key=lambda each: -len(rows[each[0]])):
        shares[0 if size(shares[0], rows) <= size(shares[1], rows) else 1].append(place)

    async def write(share: list[tuple[str, tuple[str, ...]]]) -> None:
        async with await psycopg.AsyncConnection.connect(target_url, autocommit=True) as connection:
            for number, (table, key) in enumerate(share):
                staging = f"staging_{number}"
                names = ", ".join(f'"{name}"' for name in columns[table])
                await connection.execute(f"create temp table {staging} (like {table})")
                updates = ", ".join(f'"{n}" = excluded."{n}"' for n in columns[table] if n not in key)
                for start in range(0, len(rows[table]), BATCH):
                    async with connection.transaction():
                        copying = f"copy {staging} ({names}) from stdin"
                        async with connection.cursor() as cursor, cursor.copy(copying) as copy:
                            for row in rows[table][start : start + BATCH]:
                                await copy.write_row(row)
                        await connection.execute(
                            f"insert into {table} ({names}) select {names} from {staging} "
                            f"on conflict ({', '.join(key)}) do update set {updates}"
                        )
                        await connection.execute(f"truncate {staging}")

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(write(share) for share in shares))
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "rows": sum(len(each) for each in rows.values()),
    }


def size(share: list[tuple[str, tuple[str, ...]]], rows: dict[str, list[tuple[Any, ...]]]) -> int:
    return sum(len(rows[table]) for table, _ in share)
