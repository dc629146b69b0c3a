"""Rows of customers out of the mirror and its history: as they are, and as they were at any moment."""

import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from psycopg import AsyncCursor

from perfectcatch.model.entity import Entity
from perfectcatch.store.merging import extract
from perfectcatch.store.names import HISTORY, qualified, quote
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.workflows.past import Versions
from perfectcatch.workflows.readings import NAMES, READINGS, Reading
from perfectcatch.workflows.strangers import CALLS, ByNumber, calls_with

Row = Mapping[str, Any]
Key = tuple[str, int]
Entities = Mapping[str, Entity]

Made = TypeVar("Made")

KEPT: Final = 20_000  # customers whose last bundle of the past is kept
MOST: Final = 300  # newest records of one kind for one customer, when the present is read
_COMMON: Final = ("st_id", "st_created_on", "st_modified_on", "active", "deleted_at")


class Bundle:
    """Rows of a few customers at one moment, by entity and id."""

    def __init__(self, rows: Mapping[str, Mapping[int, Row]], *, approximate: bool = False) -> None:
        self.rows = rows
        self.approximate = approximate  # some row was older than every version that we know
        self._indexes: dict[tuple[str, str], dict[Any, list[Row]]] = {}
        self._made: dict[Any, Any] = {}

    def once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` makes of these rows and of nothing else, made once under its ``name``."""
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    def get(self, entity: str, st_id: int | None) -> Row | None:
        """The record, deleted or not."""
        return None if st_id is None else self.rows.get(entity, {}).get(st_id)

    def of(self, entity: str, column: str, value: Any) -> Sequence[Row]:
        """Records that are there and have ``value`` in ``column``, the newest first."""
        if value is None:
            return ()
        index = self._indexes.get((entity, column))
        if index is None:
            index = defaultdict(list)
            rows = self.rows.get(entity, {}).values()
            for row in sorted(rows, key=lambda row: row["st_id"], reverse=True):
                if row["deleted_at"] is None:
                    index[row[column]].append(row)
            self._indexes[entity, column] = index
        return index.get(value, ())

    def keys(self) -> set[Key]:
        """Entity and id of every record."""
        return {(entity, st_id) for entity, rows in self.rows.items() for st_id in rows}


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
            " where m.tenant_id = %(tenant)s and m.st_id = any(%(ids)s)",
            {"tenant": tenant_id, "ids": ids},
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
            columns = _names(reading)
            cursor = await connection.execute(
                f"select mine.owner, {', '.join(f'm.{quote(name)}' for name in columns)} from ("
                "select owner, st_id, row_number() over (partition by owner order by st_id desc) as place"
                f" from ({_mine(reading, entities)}) every) mine"
                f" join {qualified(entities[entity].table)} m"
                " on m.tenant_id = %(tenant)s and m.st_id = mine.st_id"
                f" where mine.place <= {MOST} or m.st_id = any(%(own)s::bigint[])",
                {"tenant": tenant_id, "customers": list(customers), "own": own.get(entity, [])},
            )
            asked.append((entity, columns, cursor))
    return Present(
        {
            entity: {
                row[0]: (owner, dict(zip(columns, row, strict=True)) | _computed(entity, columns, row))
                for owner, *row in await cursor.fetchall()
            }
            for entity, columns, cursor in asked
        }
    )


# The past ----------------------------------------------------------------------------------------


class Past:
    """Every known version of the records of some customers."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, Versions]] = defaultdict(dict)
        self._of: dict[int, set[Key]] = defaultdict(set)
        self._turns: dict[int, list[datetime]] = {}
        self._last: dict[int, tuple[int, Bundle]] = {}
        self._numbers = ByNumber()
        self.owner: dict[Key, int] = {}

    def add(self, entity: str, st_id: int, since: datetime, row: Row) -> None:
        """One more version; they come in the order of time, and all of them before the first question."""
        known = self._known[entity].setdefault(st_id, Versions(entity))
        known.since.append(since)
        known.rows.append(row)
        self._numbers.note(entity, st_id, row)

    def belongs(self, key: Key, customer_id: int | None) -> None:
        """Say whose record it is."""
        if customer_id is not None:
            self.owner[key] = customer_id
            self._of[customer_id].add(key)

    def row(self, entity: str, st_id: int, moment: datetime) -> Row | None:
        """One record as it was at ``moment``; the same object as long as it did not change."""
        known = self._known.get(entity, {}).get(st_id)
        return known.at(moment.astimezone(UTC))[0] if known is not None else None

    def at(self, customer_id: int | None, moment: datetime, also: Iterable[Key] = ()) -> Bundle:
        """What was there of a customer at ``moment``; the same bundle as long as nothing of it changed."""
        moment = moment.astimezone(UTC)
        if customer_id is None:
            return self._bundle(self._numbers.with_calls(also), moment)
        mine = self._of.get(customer_id, set())
        beside = frozenset(also) - mine
        if beside:
            return self._bundle(mine | beside, moment)
        turn = bisect.bisect_right(self._turns_of(customer_id), moment)
        last = self._last.get(customer_id)
        if last is None or last[0] != turn:
            if len(self._last) >= KEPT:
                self._last.pop(next(iter(self._last)))
            last = self._last[customer_id] = turn, self._bundle(mine, moment)
        return last[1]

    def _turns_of(self, customer_id: int) -> list[datetime]:
        turns = self._turns.get(customer_id)
        if turns is None:
            known = [self._known[entity][st_id] for entity, st_id in self._of.get(customer_id, ())]
            turns = sorted(set().union(*(each.turns() for each in known)))
            self._turns[customer_id] = turns
        return turns

    def _bundle(self, keys: Iterable[Key], moment: datetime) -> Bundle:
        rows: dict[str, dict[int, Row]] = defaultdict(dict)
        approximate = False
        for entity, st_id in keys:
            known = self._known.get(entity, {}).get(st_id)
            if known is not None:
                row, guessed = known.at(moment)
                approximate = approximate or guessed
                if row is not None:
                    rows[entity][st_id] = row
        return Bundle(rows, approximate=approximate)


async def past(
    connection: Connection,
    tenant_id: int,
    entities: Entities,
    customers: Sequence[int],
    also: Iterable[Key] = (),
) -> Past:
    """Every version of the records of ``customers`` that we know, and of ``also``."""
    known = Past()
    own: dict[str, list[int]] = defaultdict(list)
    for entity, st_id in also:
        own[entity].append(st_id)
    own[CALLS] += await calls_with(connection, tenant_id, entities, own)
    for entity, reading in READINGS.items():
        if entity not in entities:
            continue
        columns = _names(reading)
        values = {"tenant": tenant_id, "customers": list(customers), "own": own.get(entity, [])}
        rows = await connection.execute(_versions(reading, entities), values | {"entity": entity})
        for owner, since, *row in await rows.fetchall():
            read = dict(zip(columns, row, strict=True)) | _computed(entity, columns, row)
            known.add(entity, row[0], since, read)
            known.belongs((entity, row[0]), owner)
    return known


def _versions(reading: Reading, entities: Entities) -> str:
    """Versions in the order of time. The owner is today's: a record that changed hands went with its past."""
    entity = entities[reading.entity]
    columns = _names(reading)
    read = {quote(column.name): extract.read(column, "h.full_data") for column in entity.vendor_columns}
    read |= {
        "st_id": "h.st_id",
        "st_created_on": extract.moment_of(entity.created, "h.full_data"),
        "st_modified_on": "h.st_modified_on",
        "active": extract.active_of(entity, "h.full_data"),
        "deleted_at": "h.deleted_at",
    }
    now = ", ".join(f"m.{quote(name)}" for name in columns)
    then = ", ".join(f"{read.get(quote(name)) or read[name]} as {quote(name)}" for name in columns)
    return f"""
with mine as materialized (
  {_mine(reading, entities)}
), old as materialized (
  select mine.owner, h.valid_from, h.valid_to, {then}
  from mine join {HISTORY} h on h.tenant_id = %(tenant)s and h.entity = %(entity)s and h.st_id = mine.st_id
  where h.full_data is not null
), ended as (select st_id, max(valid_to) as at from old group by st_id)
select owner, valid_from, {", ".join(quote(name) for name in columns)} from old
union all
select mine.owner, coalesce(ended.at, m.st_modified_on, m.st_created_on, m.local_synced_at), {now}
from mine join {qualified(entity.table)} m on m.tenant_id = %(tenant)s and m.st_id = mine.st_id
left join ended on ended.st_id = m.st_id
order by 2"""


def _names(reading: Reading) -> tuple[str, ...]:
    return (*_COMMON, *reading.columns)


def _from(reading: Reading, entities: Entities) -> str:
    source = f"{qualified(entities[reading.entity].table)} m"
    if reading.through is not None:
        between = qualified(entities[reading.through].table)
        source += (
            f" left join {between} b on b.tenant_id = m.tenant_id and b.st_id = m.{quote(reading.owner)}"
        )
    return source


def _mine(reading: Reading, entities: Entities) -> str:
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


def _computed(entity: str, columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
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
