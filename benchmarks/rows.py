"""The rows of a loaded mirror, written again into the same tables in other ways.

COPY into staging tables and upsert is the limit that a full load is held to; one upsert after the other, each
its own transaction, is what a first script does. Either writes the rows alone, or with them the events that a
load writes as well, which tell of the past.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

BATCH = 5000
EVENT_KEY = ("tenant_id", "entity", "st_id", "event_type", "version")
Rows = dict[str, list[tuple[Any, ...]]]


async def _read(
    names: tuple[str, ...], source_url: str, *, events: bool
) -> tuple[list[tuple[str, tuple[str, ...]]], Rows, dict[str, list[str]]]:
    """Tables with their keys, and all their rows and columns; a table of items follows its own."""
    import psycopg

    from perfectcatch.store.names import EVENTS, beside, qualified
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    tables = []
    for name in names:
        entity = BY_NAME[name]
        tables.append((qualified(entity.table), ("tenant_id", "st_id")))
        tables += [
            (beside(child.table, entity.table), ("tenant_id", child.parent_column, "position"))
            for child in entity.children
        ]
    tables += [(EVENTS, EVENT_KEY)] if events else []
    rows: Rows = {}
    columns: dict[str, list[str]] = {}
    async with await psycopg.AsyncConnection.connect(source_url) as connection:
        from psycopg.types.json import set_json_loads

        set_json_loads(lambda text: bytes(text).decode(), connection)  # JSON stays the text that it is
        for table, _ in tables:
            stored = await connection.execute(
                "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute "
                "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped "
                "and attgenerated = '' and attidentity = ''",
                (table,),
            )
            [(listed,)] = await stored.fetchall()
            cursor = await connection.execute(f"select {listed} from {table}")
            columns[table] = [column.name for column in cursor.description or ()]
            rows[table] = await cursor.fetchall()
    return tables, rows, columns


async def comparison(
    names: tuple[str, ...], source_url: str, target_url: str, *, events: bool
) -> dict[str, Any]:
    """The rows of a loaded mirror, COPY into a staging table and upsert, two connections side by side."""
    import psycopg

    tables, rows, columns = await _read(names, source_url, events=events)
    shares: list[list[tuple[str, tuple[str, ...]]]] = [[], []]
    for place in sorted(tables, key=lambda each: -len(rows[each[0]])):
        shares[0 if size(shares[0], rows) <= size(shares[1], rows) else 1].append(place)

    async def write(share: list[tuple[str, tuple[str, ...]]]) -> None:
        async with await psycopg.AsyncConnection.connect(target_url, autocommit=True) as connection:
            for number, (table, key) in enumerate(share):
                staging = f"staging_{number}"
                names = ", ".join(f'"{name}"' for name in columns[table])
                await connection.execute(
                    f"create temp table {staging} as select {names} from {table} with no data"
                )
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


async def one_by_one(
    names: tuple[str, ...], source_url: str, target_url: str, known: dict[str, Any], *, events: bool
) -> dict[str, Any]:
    """Pages of a hundred, one after the other; of each record its row, items and events, a transaction each.

    The values come converted from ``source_url``: reading and decoding the pages is all that this measures
    beside the writing.
    """
    import psycopg

    sys.path.insert(0, str(Path(__file__).parent / "rivals"))
    from lists import LISTS, headers
    from row_by_row import pages

    tables, rows, columns = await _read(names, source_url, events=events)
    upserts = {table: _upsert(table, key, columns[table]) for table, key in tables}
    found = _by_record(names, tables, rows, columns)

    def write() -> int:
        written = 0
        with psycopg.connect(target_url, autocommit=True) as connection:
            for name in names:
                for page in pages(known["url"], LISTS[name].format(tenant=known["tenant_id"]), carried):
                    for record in page:
                        for table, row in found.get((name, record["id"]), ()):
                            connection.execute(upserts[table], row)
                            written += 1
        return written

    carried = headers(known)
    wall, cpu = time.perf_counter(), time.process_time()
    written = await asyncio.to_thread(write)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "rows": written}


def _upsert(table: str, key: tuple[str, ...], columns: list[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in columns)
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    return (
        f"insert into {table} ({listed}) values ({', '.join(['%s'] * len(columns))}) "
        f"on conflict ({', '.join(key)}) do update set {updates}"
    )


def _by_record(
    names: tuple[str, ...],
    tables: list[tuple[str, tuple[str, ...]]],
    rows: Rows,
    columns: dict[str, list[str]],
) -> dict[tuple[str, int], list[tuple[str, tuple[Any, ...]]]]:
    """What each record (entity, id) comes to: its row, its items, its events, with their tables."""
    found: dict[tuple[str, int], list[tuple[str, tuple[Any, ...]]]] = {}
    entities = iter(names)
    for table, key in tables:
        at = {name: place for place, name in enumerate(columns[table])}
        if key == ("tenant_id", "st_id"):
            entity = next(entities)  # the tables of its items follow
        for row in rows[table]:
            whose = (row[at["entity"]], row[at["st_id"]]) if key == EVENT_KEY else (entity, row[at[key[1]]])
            found.setdefault(whose, []).append((table, row))
    return found


def size(share: list[tuple[str, tuple[str, ...]]], rows: Rows) -> int:
    return sum(len(rows[table]) for table, _ in share)
