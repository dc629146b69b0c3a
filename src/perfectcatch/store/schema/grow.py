"""Mirror tables, brought to the shape of their declarations by additions alone, each written to a ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Index, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable, ExecutableDDLElement, SetTableComment

from perfectcatch.errors import SchemaDiffers
from perfectcatch.model.entity import Child, Column, Entity, Link, LookedUp
from perfectcatch.store.names import PUBLIC, beside, qualified, split
from perfectcatch.store.schema.compare import Step, difference, relation, steps
from perfectcatch.store.schema.mirror_tables import mirror_metadata
from perfectcatch.store.schema.suspended import forget_built, put_aside
from perfectcatch.store.schema.tables import mirror_migrations

_ADDITIONS: Final = ("add_table", "add_column", "add_index")
_SHOWN: Final = 3
# Not the dialect of the connection: that one doubles percent signs for a driver that replaces parameters.
_DIALECT: Final = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]

_COMMENTS: Final = """
select obj_description(to_regclass(:name), 'pg_class')
"""
_UNCOMPRESSED: Final = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(:schemas) and c.relkind = 'r' and a.attname = 'full_data' and a.attcompression <> 'l'
order by 1
"""


@dataclass(frozen=True, slots=True)
class _Change:
    """A statement and what it means; ``added`` is what has to be filled where there are rows."""

    relation: str
    statements: tuple[str, ...]
    says: str
    added: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """The entity that a table belongs to, and the child's or link's name in its declaration."""

    entity: Entity
    part: str | None = None


def grow(connection: Connection, entities: Iterable[Entity]) -> list[str]:
    """Add missing tables, columns and indexes, and give a sentence for each.

    Raises ``SchemaDiffers`` when anything else differs, before anything is changed.
    """
    entities = tuple(entities)
    places = _places(entities)
    metadata = mirror_metadata(entities)
    held = put_aside(connection, entities).held
    found = [step for step in steps(connection, metadata) if not _comes_by_itself(step, held)]
    _only_additions(found)
    rows = {relation: _has_rows(connection, place.entity) for relation, place in places.items()}
    done = []
    for change in _changes(found, metadata, places):
        place = places[change.relation]
        for statement in change.statements:
            connection.exec_driver_sql(statement)
        connection.execute(
            mirror_migrations.insert(),
            {
                "relation": change.relation,
                "entity": place.entity.name,
                "statement": ";\n".join(change.statements),
                "added": change.added if rows[change.relation] else None,
            },
        )
        done.append(change.says)
    forget_built(connection)
    _comment(connection, metadata)
    return done


def _comes_by_itself(step: Step, held: frozenset[tuple[str, str]]) -> bool:
    """Whether it is an index that a first load has put aside and will build."""
    return step[0] == "add_index" and (relation(step[1].table), step[1].name) in held


def compress_documents(connection: Connection, schemas: Sequence[str]) -> list[str]:
    """Use lz4 for stored records where the server has it: half the time of pglz, a little more space."""
    offered = "select 'lz4' = any(enumvals) from pg_settings where name = 'default_toast_compression'"
    if not connection.execute(text(offered)).scalar():
        return []
    tables = connection.execute(text(_UNCOMPRESSED), {"schemas": list(schemas)}).scalars().all()
    for table in tables:
        connection.exec_driver_sql(f"alter table {table} alter column full_data set compression lz4")
    return [f"compressed full_data with lz4 in {len(tables)} tables"] if tables else []


def _places(entities: Sequence[Entity]) -> dict[str, _Place]:
    places = {}
    for entity in entities:
        places[".".join(split(entity.table))] = _Place(entity)
        parts: tuple[Child | Link, ...] = (*entity.children, *entity.links)
        for part in parts:
            places[beside(part.table, entity.table).replace('"', "")] = _Place(entity, part.table)
    return places


def _only_additions(found: Iterable[Step]) -> None:
    others = [
        step for step in found if step[0] not in _ADDITIONS or (step[0] == "add_index" and step[1].unique)
    ]
    if others:
        shown = "; ".join(str(difference(step)) for step in others[:_SHOWN])
        more = f"; and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        raise SchemaDiffers(
            f"the database differs in a way that is never changed by itself ({shown}{more}): "
            "write a numbered migration for it, or undo the change"
        )


def _changes(found: Sequence[Step], metadata: MetaData, places: dict[str, _Place]) -> Iterator[_Change]:
    tables = {relation(table): table for table in metadata.tables.values()}
    new = {relation(step[1]) for step in found if step[0] == "add_table"}
    for name in sorted(new):
        yield _new_table(tables[name], places[name])
    for step in found:
        match step:
            case ("add_column", schema, name, column):
                yield _new_column(tables[f"{schema or PUBLIC}.{name}"], column.name, places)
            case ("add_index", index) if isinstance(index, Index) and (
                index.table is not None and relation(index.table) not in new
            ):
                yield _Change(
                    relation=relation(index.table),
                    statements=(_sql(CreateIndex(index)),),
                    says=f"created index {index.name} on {relation(index.table)}",
                )


def _new_table(table: Table, place: _Place) -> _Change:
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return _Change(
        relation=relation(table),
        statements=(_sql(CreateTable(table)), *(_sql(CreateIndex(index)) for index in indexes)),
        says=f"created table {relation(table)}",
        added=place.part,
    )


def _new_column(table: Table, name: str, places: dict[str, _Place]) -> _Change:
    place = places[relation(table)]
    declared = {column.name: column for column in place.entity.columns}
    filled = place.part or (name if isinstance(declared.get(name), Column | LookedUp) else None)
    definition = str(CreateColumn(table.c[name]).compile(dialect=_DIALECT)).strip()
    return _Change(
        relation=relation(table),
        statements=(f"ALTER TABLE {qualified(relation(table))} ADD COLUMN {definition}",),
        says=f"added column {relation(table)}.{name}",
        added=filled,
    )


def _has_rows(connection: Connection, entity: Entity) -> bool:
    name = qualified(entity.table)
    if connection.execute(text("select to_regclass(:name)"), {"name": name}).scalar() is None:
        return False
    return bool(connection.execute(text(f"select exists (select from {name})")).scalar())


def _comment(connection: Connection, metadata: MetaData) -> None:
    """Keep the sentences that other programs show with a table; a new wording is no change of shape."""
    for table in metadata.tables.values():
        found = connection.execute(text(_COMMENTS), {"name": qualified(relation(table))}).scalar()
        if found != table.comment:
            connection.exec_driver_sql(_sql(SetTableComment(table)))


def _sql(element: ExecutableDDLElement) -> str:
    return str(element.compile(dialect=_DIALECT)).strip()
