"""What PostgreSQL's catalog knows of tables and views, and the transaction in which people look at them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.errors import InsufficientPrivilege, QueryCanceled
from psycopg.rows import class_row

from perfectcatch.errors import BadArgument, Refused
from perfectcatch.store.pool import Connection, Pool, transaction

SECONDS: Final = 5  # for one statement
_BEGIN: Final = (
    "set transaction isolation level repeatable read, read only; "
    f"set local statement_timeout = '{SECONDS}s'; set local datestyle = 'ISO, YMD'"
)
# Booleans, dates, enumerations, numbers, intervals and network addresses are sorted and compared as such.
_COMPARED_CATEGORIES: Final = frozenset("BDENTI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or a view. ``rows`` is PostgreSQL's estimate; None where it has none, as for views."""

    schema: str
    name: str
    kind: str
    rows: int | None
    size: int | None  # bytes, indexes included
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column. ``type`` is what people read, ``cast`` the same without length or precision."""

    name: str
    type: str
    cast: str
    category: str  # pg_type.typcategory
    comment: str | None

    @property
    def compared(self) -> bool:
        """Whether values are sorted and compared as their type; else as the text they are written as."""
        return self.category in _COMPARED_CATEGORIES or self.cast == "uuid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table or view with its columns. Without a primary key ``key`` is empty."""

    relation: Relation
    fields: tuple[Field, ...]
    key: tuple[str, ...]

    def field(self, name: str) -> Field:
        """The column ``name``; raises ``BadArgument`` where there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise BadArgument(f"{self.relation.schema}.{self.relation.name} has no column {name!r}.")


# Queries ----------------------------------------------------------------------------------------

# A partitioned table is shown once, with the rows and bytes of its partitions.
_RELATIONS: Final = """
select n.nspname as schema, c.relname as name,
  case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
    when 'f' then 'foreign table' else 'table' end as kind,
  case when c.relkind in ('r', 'p', 'm') then part.rows end as rows,
  case when c.relkind in ('r', 'p', 'm') then part.bytes end as size,
  obj_description(c.oid, 'pg_class') as comment
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  select sum(
      case when p.reltuples < 0 then pg_stat_get_live_tuples(p.oid) else p.reltuples end
    )::bigint as rows,
    sum(pg_total_relation_size(p.oid))::bigint as bytes
  from (
    select c.oid as leaf where c.relkind <> 'p'
    union all
    select relid from pg_partition_tree(c.oid) where isleaf and c.relkind = 'p'
  ) leaves
  join pg_class p on p.oid = leaf
) part
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%%'
  and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
"""
_FIELDS: Final = """
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, format_type(a.atttypid, -1) as cast,
  t.typcategory::text as category, col_description(a.attrelid, a.attnum) as comment
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
_KEY: Final = """
select a.attname
from pg_index i
join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral unnest(i.indkey) with ordinality k (attnum, position)
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
where n.nspname = %s and c.relname = %s and i.indisprimary and k.position <= i.indnkeyatts
order by k.position
"""


async def relations(pool: Pool) -> list[Relation]:
    """Every table and view that we may read, by schema and name."""
    async with (
        reading(pool, "the list of tables") as connection,
        connection.cursor(row_factory=class_row(Relation)) as cursor,
    ):
        await cursor.execute(f"{_RELATIONS} order by n.nspname, c.relname", ())
        return await cursor.fetchall()


async def shape(pool: Pool, schema: str, name: str) -> Shape | None:
    """The table or view, or None where there is none that we may read."""
    async with (
        reading(pool, "the list of columns") as connection,
        connection.cursor(row_factory=class_row(Relation)) as cursor,
    ):
        await cursor.execute(f"{_RELATIONS} and n.nspname = %s and c.relname = %s", (schema, name))
        relation = await cursor.fetchone()
        if relation is None:
            return None
        async with connection.cursor(row_factory=class_row(Field)) as fields:
            await fields.execute(_FIELDS, (schema, name))
            key = await connection.execute(_KEY, (schema, name))
            return Shape(
                relation=relation,
                fields=tuple(await fields.fetchall()),
                key=tuple(each for (each,) in await key.fetchall()),
            )


@asynccontextmanager
async def reading(pool: Pool, what: str) -> AsyncIterator[Connection]:
    """Lend a connection that cannot write; ``what`` is named when PostgreSQL refuses."""
    async with transaction(pool) as connection:
        try:
            await connection.execute(_BEGIN)
            yield connection
        except QueryCanceled as error:
            raise Refused(
                f"Reading {what} took longer than {SECONDS} seconds: sort or filter by another column."
            ) from error
        except InsufficientPrivilege as error:
            raise Refused(f"This database user may not read all of {what}: grant it SELECT.") from error
        except psycopg.OperationalError:  # nothing about what is read: the pool tells it
            raise
        except psycopg.Error as error:
            raise Refused(f"PostgreSQL cannot read {what}: {str(error).splitlines()[0]}.") from error
