"""Rows of customers out of the mirror and its history: as they are, and as they were at any moment."""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, TypeVar

from psycopg import AsyncCursor

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified, quote
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.workflows.readings import NAMES, READINGS, Reading
from perfectcatch.workflows.strangers import CALLS, ByNumber, calls_with

Row = Mapping[str, Any]
Key = tuple[str, int]
Entities = Mapping[str, Entity]

Made = TypeVar("Made")

MOST: Final = 300  # newest records of one kind for one customer, when the present is read
_COMMON: Final = ("st_id", "st_created_on", "st_modified_on", "active", "deleted_at")


class Kind:
    """Records of one entity: by their ids, deleted or not, and by what a column of theirs says."""

    __slots__ = ("_indexes", "rows")

    def __init__(self, rows: Mapping[int, Row]) -> None:
        self.rows = rows
        self._indexes: dict[str, dict[Any, list[Row]]] = {}

    def of(self, column: str, value: Any) -> Sequence[Row]:
        """Records that are there and have ``value`` in ``column``, the newest first."""
        index = self._indexes.get(column)
        if index is None:
            index = self._indexes[column] = defaultdict(list)
            for row in sorted(self.rows.values(), key=itemgetter("st_id"), reverse=True):
                if row["deleted_at"] is None:
                    index[row[column]].append(row)
        return index.get(value, ())


class Bundle:
    """Rows of a few customers at one moment, by entity and id."""

    def __init__(self, rows: Mapping[str, Mapping[int, Row]]) -> None:
        self._kinds = {entity: Kind(found) for entity, found in rows.items()}
        self._made: dict[Any, Any] = {}

    @property
    def approximate(self) -> bool:
        """Whether some row is older than every version that we know."""
        return False

    def kind(self, entity: str) -> Kind:
        """All records of one entity."""
        return self._kinds.get(entity, _NONE)

    def once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` makes of these rows and of nothing else, made once under its ``name``."""
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    def get(self, entity: str, st_id: int | None) -> Row | None:
        """The record, deleted or not."""
        return None if st_id is None else self.kind(entity).rows.get(st_id)

    def of(self, entity: str, column: str, value: Any) -> Sequence[Row]:
        """Records that are there and have ``value`` in ``column``, the newest first."""
        return () if value is None else self.kind(entity).of(column, value)

    def keys(self) -> set[Key]:
        """Entity and id of every record."""
        return {(entity, st_id) for entity, kind in self._kinds.items() for st_id in kind.rows}


_NONE: Final = Kind({})


@dataclass(frozen=True, slots=True)
class Names:
    """What ids of the company's own lists mean."""

    rows: Mapping[str, Mapping[int, Row]] = field(default_factory=dict)

    def of(self, entity: str, st_id: int | None, column: str = "name") -> str | None:
        """The name, None where there is none."""
        row = self.rows.get(entity, {}).get(st_id) if st_id is not None else None
        value = row.get(column) if row else None
        return None if value is None else str(value)


async def names(connection: Connection, tenant_id: int, entities: Entities) -> Names:
    """Read the company's own lists."""
    found: dict[str, dict[int, Row]] = {}
    for entity, columns in NAMES.items():
        if entity in entities:
            listed = ", ".join(map(quote, columns))
            cursor = await connection.execute(
                f"select st_id, {listed} from {qualified(entities[entity].table)} where tenant_id = %s",
                (tenant_id,),
            )
            found[entity] = {
                row[0]: dict(zip(columns, row[1:], strict=True)) for row in await cursor.fetchall()
            }
    return Names(found)


async def owners(
    connection: Connection, tenant_id: int, entities: Entities, keys: Iterable[Key]
) -> dict[Key, int]:
    """Whose record each is, where it is somebody's."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for entity, st_id in keys:
        wanted[entity].append(st_id)
    found: dict[Key, int] = {}
    for entity, ids in wanted.items():
        if entity not in READINGS or entity not in entities:
            continue
        reading = READINGS[entity]
        cursor = await connection.execute(
            f"select m.st_id, {_owner(reading)} from {_from(reading, entities)}"
            " where m.tenant_id = %(tenant)s and m.st_id = any(%(ids)s::bigint[])",
            {"tenant": tenant_id, "ids": as_array(ids)},
        )
        found |= {(entity, st_id): owner for st_id, owner in await cursor.fetchall() if owner is not None}
    return found


class Present:
    """What the mirror has now of several customers, read at once."""

    def __init__(self, rows: Mapping[str, Mapping[int, tuple[int | None, Row]]]) -> None:
        self._rows = rows
        self._of: dict[int, dict[str, dict[int, Row]]] = {}
        self._numbers = ByNumber()
        for entity, found in rows.items():
            for st_id, (owner, row) in found.items():
                self._numbers.note(entity, st_id, row)
                if owner is not None:
                    self._of.setdefault(owner, {}).setdefault(entity, {})[st_id] = row

    def of(self, customer_id: int | None, also: Iterable[Key] = ()) -> Bundle:
        """What there is of a customer, and ``also``, which were named when all this was read."""
        mine = self._of.get(customer_id, {}) if customer_id is not None else {}
        rows: dict[str, dict[int, Row]] = {entity: mine.get(entity, {}) for entity in self._rows}
        for entity, st_id in self._numbers.with_calls(also) if customer_id is None else also:
            found = self._rows.get(entity, {}).get(st_id)
            if found is not None:
                rows[entity] = {**rows[entity], st_id: found[1]}
        return Bundle(rows)


async def present(
    connection: Connection,
    tenant_id: int,
    entities: Entities,
    customers: Collection[int],
    also: Iterable[Key] = (),
) -> Present:
    """What the mirror has now of customers, and ``also``, such as the call of somebody unknown."""
    own: dict[str, list[int]] = defaultdict(list)
    for entity, st_id in also:
        own[entity].append(st_id)
    own[CALLS] += await calls_with(connection, tenant_id, entities, own)
    asked: list[tuple[str, tuple[str, ...], AsyncCursor[Any]]] = []
    async with connection.pipeline():  # twenty questions in one round trip
        for entity, reading in READINGS.items():
            if entity not in entities or (not customers and not own.get(entity)):
                continue
            columns = columns_of(reading)
            cursor = await connection.execute(
                f"select mine.owner, {', '.join(f'm.{quote(name)}' for name in columns)} from ("
                "select owner, st_id, row_number() over (partition by owner order by st_id desc) as place"
                f" from ({mine(reading, entities)}) every) mine"
                f" join {qualified(entities[entity].table)} m"
                " on m.tenant_id = %(tenant)s and m.st_id = mine.st_id"
                f" where mine.place <= {MOST} or m.st_id = any(%(own)s::bigint[])",
                {"tenant": tenant_id, "customers": list(customers), "own": own.get(entity, [])},
            )
            asked.append((entity, columns, cursor))
    return Present(
        {
            entity: {
                row[0]: (owner, dict(zip(columns, row, strict=True)) | computed(entity, columns, row))
                for owner, *row in await cursor.fetchall()
            }
            for entity, columns, cursor in asked
        }
    )


# Statements ---------------------------------------------------------------------------------------


def as_array(ids: Iterable[int]) -> str:
    """Ids as an array's text: the driver looks at each of a list, which took half a second for 12,000."""
    return f"{{{','.join(map(str, ids))}}}"


def columns_of(reading: Reading) -> tuple[str, ...]:
    """What is read of each record."""
    return (*_COMMON, *reading.columns)


def _from(reading: Reading, entities: Entities) -> str:
    source = f"{qualified(entities[reading.entity].table)} m"
    if reading.through is not None:
        between = qualified(entities[reading.through].table)
        source += (
            f" left join {between} b on b.tenant_id = m.tenant_id and b.st_id = m.{quote(reading.owner)}"
        )
    return source


def mine(reading: Reading, entities: Entities) -> str:
    """Owner and id of the records of some customers, and of those that are named: each by an index.

    One condition with ``or`` across two tables would read the whole of both.
    """
    table, owner = qualified(entities[reading.entity].table), quote(reading.owner)
    if reading.through is None:
        theirs = f"select m.{owner} as owner, m.st_id from {table} m where m.tenant_id = %(tenant)s"
        theirs += f" and m.{owner} = any(%(customers)s::bigint[])"
    else:
        between = qualified(entities[reading.through].table)
        theirs = (
            f"select b.customer_id as owner, m.st_id from {between} b join {table} m"
            f" on m.tenant_id = b.tenant_id and m.{owner} = b.st_id"
            " where b.tenant_id = %(tenant)s and b.customer_id = any(%(customers)s::bigint[])"
        )
    named = (
        f"select {_owner(reading)} as owner, m.st_id from {_from(reading, entities)}"
        " where m.tenant_id = %(tenant)s and m.st_id = any(%(own)s::bigint[])"
    )
    return f"{theirs} union {named}"


def _owner(reading: Reading) -> str:
    return f"m.{quote(reading.owner)}" if reading.through is None else "b.customer_id"


def computed(entity: str, columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """What is made of a record's own columns."""
    if entity != "estimates":
        return {}
    values = dict(zip(columns, row, strict=True))
    subtotal = values["subtotal"]
    return {"total": None if subtotal is None else subtotal + (values["tax"] or 0)}


async def bundle_for(
    pool: Pool, tenant_id: int, entities: Entities, key: Key, customer_id: int | None = None
) -> tuple[int | None, Bundle]:
    """The customer that a record belongs to, and everything of theirs as it is now."""
    async with pool.connection() as connection:
        if customer_id is None:
            customer_id = (await owners(connection, tenant_id, entities, [key])).get(key)
        found = await present(
            connection, tenant_id, entities, [] if customer_id is None else [customer_id], [key]
        )
        return customer_id, found.of(customer_id, [key])
