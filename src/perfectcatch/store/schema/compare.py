"""What differs between declared tables and a live database, as Alembic's steps and as sentences.

Alembic compares tables, columns, types, indexes and keys. Defaults are compared here: they are few and
simple, and of generated columns Alembic says only that it cannot tell.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Computed, Connection, DefaultClause, MetaData, Table, text

from perfectcatch.store.names import PUBLIC, qualified, quote

Step = tuple[Any, ...]

_PLUGINS: Final = [
    "alembic.autogenerate.*",
    "~alembic.autogenerate.comments",  # sentences for readers, set by every migration
    "~alembic.autogenerate.defaults",
]
_DEFAULTS: Final = """
select a.attname, pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> ''
from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = to_regclass(:name) and a.attnum > 0 and not a.attisdropped
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as declared. ``column`` is None where the whole table or an index is meant."""

    relation: str
    column: str | None
    what: str

    def __str__(self) -> str:
        return f"{self.relation}{f'.{self.column}' if self.column else ''}: {self.what}"


def steps(connection: Connection, metadata: MetaData) -> list[Step]:
    """Give Alembic's steps from the live tables to the declared ones; other tables are not looked at."""
    declared = {relation(table) for table in metadata.tables.values()}
    schemas = {table.schema for table in metadata.tables.values()}

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name in schemas
        return kind != "table" or f"{parents['schema_name'] or PUBLIC}.{name}" in declared

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": include,
            "compare_type": True,
            "autogenerate_plugins": _PLUGINS,
        },
    )
    found: Sequence[Any] = compare_metadata(context, metadata)
    flat = (step for group in found for step in (group if isinstance(group, list) else [group]))
    return [step for step in flat if not _persons_index(step)]


def differences(connection: Connection, metadata: MetaData) -> Iterator[Difference]:
    """Give everything that differs, defaults included, in sentences."""
    for step in steps(connection, metadata):
        yield difference(step)
    for table in metadata.tables.values():
        yield from _defaults(connection, table)


def relation(table: Table) -> str:
    """``schema.name`` of ``table``."""
    return f"{table.schema or PUBLIC}.{table.name}"


def difference(step: Step) -> Difference:
    """Put one of Alembic's steps into words."""
    match step:
        case ("add_table", table):
            return Difference(relation(table), None, "the table is missing")
        case ("add_column", schema, name, column):
            return Difference(f"{schema or PUBLIC}.{name}", column.name, "the column is missing")
        case ("remove_column", schema, name, column):
            return Difference(f"{schema or PUBLIC}.{name}", column.name, "the column is not declared")
        case ("add_index" | "add_constraint", item):
            return Difference(relation(item.table), None, f"{item.name} is missing")
        case ("remove_index" | "remove_constraint", item):
            return Difference(relation(item.table), None, f"{item.name} is not declared")
        case ("modify_type", schema, name, column, _, found, declared):
            what = f"the type is {found} and should be {declared}"
            return Difference(f"{schema or PUBLIC}.{name}", column, what)
        case ("modify_nullable", schema, name, column, _, found, _):
            what = f"null is {'allowed' if found else 'refused'}, against what is declared"
            return Difference(f"{schema or PUBLIC}.{name}", column, what)
        case _:
            return Difference("the database", None, f"something else differs: {step}")


def _persons_index(step: Step) -> bool:
    """Whether it is an index that an administrator added: it refuses nothing and changes no answer."""
    return step[0] == "remove_index" and not step[1].unique


def _defaults(connection: Connection, table: Table) -> Iterator[Difference]:
    rows = connection.execute(text(_DEFAULTS), {"name": qualified(relation(table))})
    live = {name: (expression, generated) for name, expression, generated in rows}
    computed = [column for column in table.columns if isinstance(column.server_default, Computed)]
    computed = [column for column in computed if live.get(column.name, (None, False))[1]]
    expected = _as_postgresql_writes(connection, table, computed) if computed else {}
    for column in table.columns:
        if column.name not in live:
            continue
        found, generated = live[column.name]
        wanted = expected.get(column.name) or _written(column)
        if generated != isinstance(column.server_default, Computed):
            what = f"the column is {'' if generated else 'not '}generated, against what is declared"
            yield Difference(relation(table), column.name, what)
        elif found != wanted:
            yield Difference(relation(table), column.name, f"the default is {found} and should be {wanted}")


def _written(column: Column[Any]) -> str | None:
    default = column.server_default
    return str(default.arg) if isinstance(default, DefaultClause) else None


def _as_postgresql_writes(
    connection: Connection, table: Table, columns: Iterable[Column[Any]]
) -> dict[str, str]:
    """Let PostgreSQL spell the expressions of generated columns, on a table that is gone at once."""
    changes = []
    for column in columns:
        assert isinstance(column.server_default, Computed)
        name, type_ = quote(column.name), column.type.compile(connection.dialect)
        changes.append(f"drop column {name}")
        changes.append(
            f"add column {name} {type_} generated always as ({column.server_default.sqltext}) stored"
        )
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql(f"create temp table declared_shape (like {qualified(relation(table))})")
        connection.exec_driver_sql(f"alter table declared_shape {', '.join(changes)}")
        rows = connection.execute(text(_DEFAULTS), {"name": "pg_temp.declared_shape"})
        spelled = {name: expression for name, expression, generated in rows if generated}
        savepoint.rollback()
    return spelled
