"""Mirror tables, built from the declarations of the entities: one table each, and one per child and link.

There are no foreign keys between mirror tables. The vendor's references dangle (a job may name a campaign
that was deleted, a merge leaves children with their old parent), pages arrive in any order, and a copy that
refused such a record would no longer be a copy.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.types import TypeEngine

from perfectcatch.model import entity as words
from perfectcatch.model.entity import Child, Entity, Link, Type
from perfectcatch.model.event import Exists
from perfectcatch.store.merging import detect
from perfectcatch.store.names import PUBLIC, index_name, quote, split
from perfectcatch.store.schema.tables import MOMENT, NAMING

SQL_TYPES: Final[dict[Type, TypeEngine[Any]]] = {
    Type.BIGINT: BigInteger(),
    Type.INTEGER: Integer(),
    Type.TEXT: Text(),
    Type.MONEY: Numeric(18, 4),
    Type.NUMBER: Numeric(),
    Type.DOUBLE: Double(),
    Type.MOMENT: MOMENT,
    Type.DAY: Date(),
    Type.FLAG: Boolean(),
    Type.IDS: ARRAY(BigInteger()),
    Type.TEXTS: ARRAY(Text()),
    Type.JSON: JSONB(),
    Type.WORDS: TSVECTOR(),
}

# By default a table is vacuumed after a fifth of it has changed and analysed after a tenth. For a table of
# a million rows that is months of a company's changes: index-only scans and plans would suffer for as long.
STORAGE: Final = {
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
}

_LONGEST_NAME = 63  # PostgreSQL cuts longer identifiers silently


def mirror_metadata(entities: Iterable[Entity], metadata: MetaData | None = None) -> MetaData:
    """Add a table for each entity, child and link to ``metadata`` and return it."""
    metadata = MetaData(naming_convention=NAMING) if metadata is None else metadata
    for entity in entities:
        _entity_table(entity, metadata)
        for child in entity.children:
            _child_table(child, entity, metadata)
        for link in entity.links:
            _link_table(link, entity, metadata)
    return metadata


def _entity_table(entity: Entity, metadata: MetaData) -> Table:
    schema, name = split(entity.table)
    table = Table(
        name,
        metadata,
        _key("tenant_id"),
        _key("st_id"),
        Column("id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
        *(_declared(column) for column in entity.columns),
        Column("st_created_on", MOMENT),
        Column("st_modified_on", MOMENT),
        Column("active", Boolean, nullable=False, server_default=text("true")),
        Column("deleted_at", MOMENT),
        Column("revision", BigInteger, nullable=False, server_default=text("1")),
        Column("content_hash", LargeBinary),
        Column("local_synced_at", MOMENT, nullable=False, server_default=text("now()")),
        Column("full_data", JSONB),
        PrimaryKeyConstraint("tenant_id", "st_id"),
        schema=_schema(schema),
        postgresql_with=STORAGE,
        comment=entity.does,
    )
    Index(_checked_name(name, "st_modified_on"), table.c.tenant_id, table.c.st_modified_on)
    for column in entity.columns:
        if column.index:
            _index(table, column.name, column.type)
    _index_what_falls_due(table, entity)
    return table


def _index_what_falls_due(table: Table, entity: Entity) -> None:
    """Clock rules look every few minutes, or seconds: at what is open, not at all that ever was."""
    for rule in entity.clock_rules:
        name = _checked_name(table.name, f"{rule.column}_open")
        if rule.holds == Exists() or not detect.is_of_one_row(rule.holds):
            continue
        if all(index.name != name for index in table.indexes):
            holds = detect.filters(rule.holds, quote(table.name), {})
            where = text(f"deleted_at is null and {holds}")
            Index(name, table.c.tenant_id, table.c[rule.column], postgresql_where=where)


def _declared(column: words.Column | words.Local | words.LookedUp | words.Computed) -> Column[Any]:
    if isinstance(column, words.Computed):
        return Column(column.name, SQL_TYPES[column.type], Computed(column.expression, persisted=True))
    return Column(column.name, SQL_TYPES[column.type])


def _child_table(child: Child, entity: Entity, metadata: MetaData) -> Table:
    schema, name = _beside(child.table, entity)
    table = Table(
        name,
        metadata,
        _key("tenant_id"),
        _key(child.parent_column),
        Column("position", Integer, nullable=False, autoincrement=False),
        *(Column(column.name, SQL_TYPES[column.type]) for column in child.columns),
        PrimaryKeyConstraint("tenant_id", child.parent_column, "position"),
        schema=_schema(schema),
        postgresql_with=STORAGE,
        comment=child.does,
    )
    for column in child.columns:
        if column.index:
            _index(table, column.name, column.type)
    return table


def _link_table(link: Link, entity: Entity, metadata: MetaData) -> Table:
    schema, name = _beside(link.table, entity)
    table = Table(
        name,
        metadata,
        _key("tenant_id"),
        _key(link.left),
        _key(link.right),
        PrimaryKeyConstraint("tenant_id", link.left, link.right),
        schema=_schema(schema),
        comment=link.does,
    )
    Index(_checked_name(name, link.right), table.c.tenant_id, table.c[link.right])
    return table


def _schema(name: str) -> str | None:
    """Leave the default schema unnamed: that is how SQLAlchemy and Alembic see it in a live database."""
    return None if name == PUBLIC else name


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, autoincrement=False)


def _index(table: Table, column: str, type_: Type) -> Index:
    name = _checked_name(table.name, column)
    if type_ in (Type.IDS, Type.TEXTS, Type.JSON, Type.WORDS):
        # GIN has no operator class for bigint without an extension that the embedded server lacks.
        return Index(name, table.c[column], postgresql_using="gin")
    return Index(name, table.c.tenant_id, table.c[column])


def _checked_name(table: str, column: str) -> str:
    name = index_name(table, column)
    if len(name) > _LONGEST_NAME:
        message = (
            f"the index name {name} is longer than {_LONGEST_NAME} characters: shorten the column's name"
        )
        raise ValueError(message)
    return name


def _beside(table: str, entity: Entity) -> tuple[str, str]:
    return split(table) if "." in table else (split(entity.table)[0], table)
