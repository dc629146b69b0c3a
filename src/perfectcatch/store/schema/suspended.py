"""Indexes that are put aside now, for whoever compares the live shape with the declared one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, text

from perfectcatch.model.entity import Entity
from perfectcatch.store import indexes
from perfectcatch.store.names import SUSPENDED

_EXISTS: Final = "select to_regclass(:name) is not null"
# Taken until the transaction ends: nobody puts anything aside while somebody compares.
_FREE: Final = "select pg_try_advisory_xact_lock(hashtextextended(:name, 0))"


@dataclass(frozen=True, slots=True)
class PutAside:
    """(relation, name of the index): ``held`` by a load that lives and will build them, ``left`` by none.

    Of what was left: the error of the last try to build it, None before the first.
    """

    held: frozenset[tuple[str, str]] = frozenset()
    left: Mapping[tuple[str, str], str | None] = field(default_factory=dict)


def put_aside(connection: Connection, entities: Iterable[Entity]) -> PutAside:
    """What is put aside of the tables of ``entities``."""
    if not connection.execute(text(_EXISTS), {"name": SUSPENDED}).scalar():
        return PutAside()
    found = connection.execute(text(f"select relation, name, error from {SUSPENDED}"))
    rows = {(relation, name): error for relation, name, error in found}
    held: set[tuple[str, str]] = set()
    for entity in entities if rows else ():
        own = {each for each in rows if each[0] in indexes.relations(entity)}
        if own and not connection.execute(text(_FREE), {"name": indexes.lock_of(entity)}).scalar():
            held |= own
    return PutAside(held=frozenset(held), left={key: rows[key] for key in rows if key not in held})


def forget_built(connection: Connection) -> None:
    """Forget what was put aside and is there again."""
    connection.execute(
        text(
            f"delete from {SUSPENDED} s using pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind = 'i' and c.relname = s.name and n.nspname = split_part(s.relation, '.', 1)"
        )
    )
