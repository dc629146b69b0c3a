"""Which columns hold the id of which table's record, as the entities declare it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perfectcatch.model.entity import Column, Entity
from perfectcatch.store.names import split

KEY: Final = ("tenant_id", "st_id")  # of every mirror table


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its schema and name."""

    schema: str
    name: str

    @classmethod
    def of(cls, table: str, beside: str = "") -> "Table":
        """``schema.name``, or a bare name in the schema of the table that it stands beside."""
        schema, name = split(table)
        return cls(schema if "." in table else split(beside)[0], name)


class References:
    """Declared references, in both directions."""

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        entities = tuple(entities)
        self._targets = {entity.name: Table.of(entity.table) for entity in entities}
        self._forth: dict[Table, dict[str, Table]] = defaultdict(dict)
        self._back: dict[Table, list[tuple[Table, str]]] = defaultdict(list)
        for entity in entities:
            self._add_entity(entity)

    def _add_entity(self, entity: Entity) -> None:
        table = Table.of(entity.table)
        self._add_columns(table, entity.vendor_columns)
        for child in entity.children:
            rows = Table.of(child.table, entity.table)
            self._add(rows, child.parent_column, table)
            self._add_columns(rows, child.columns)
        for link in entity.links:
            ends = (column for column in entity.vendor_columns if column.name in (link.left, link.right))
            self._add_columns(Table.of(link.table, entity.table), ends)

    def _add_columns(self, table: Table, columns: Iterable[Column]) -> None:
        for column in columns:
            if column.references in self._targets:
                self._add(table, column.name, self._targets[column.references])

    def _add(self, table: Table, column: str, target: Table) -> None:
        self._forth[table][column] = target
        self._back[target].append((table, column))

    def of(self, table: Table) -> dict[str, Table]:
        """The columns of ``table`` that hold an id, with the table whose record it names."""
        return self._forth.get(table, {})

    def to(self, table: Table) -> list[tuple[Table, str]]:
        """The tables and columns that hold ids of records of ``table``."""
        return self._back.get(table, [])
