"""Records of customers as they were at any moment of the past.

Of all that is read a replay looks at a part: a record is kept as it was read until somebody asks for it, and
of a customer only those kinds are put together that are asked for.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from perfectcatch.store.merging import extract
from perfectcatch.store.names import HISTORY, qualified, quote
from perfectcatch.store.pool import Connection
from perfectcatch.workflows.bundle import (
    Bundle,
    Entities,
    Key,
    Kind,
    Row,
    as_array,
    columns_of,
    computed,
    mine,
)
from perfectcatch.workflows.past import FIRST, LAST, Versions
from perfectcatch.workflows.readings import READINGS, Reading
from perfectcatch.workflows.strangers import CALLS, ByNumber, calls_with

Told = Sequence[Any]  # a version as it was read: owner, since when, id, and the rest
Make = Callable[[Told], Row]

KEPT: Final = 20_000  # customers whose last bundle is kept


class Spell(NamedTuple):
    """Records of one entity for as long as none of them changes."""

    kind: Kind
    since: datetime
    until: datetime


class Then(Bundle):
    """What there was of a customer, and beside, at a moment and for as long as nothing of it changed.

    Each kind of record is put together when somebody asks for it; what nobody asked for may change.
    ``shelf``: kinds as an earlier moment left them.
    """

    def __init__(
        self,
        past: "Past",
        customer_id: int | None,
        moment: datetime,
        *,
        beside: Mapping[str, Sequence[Versions]] = MappingProxyType({}),
        shelf: dict[str, Spell] | None = None,
    ) -> None:
        super().__init__({})
        self._past = past
        self._customer_id = customer_id
        self._beside = beside
        self._moment = moment
        self._since, self._until = FIRST, LAST
        self.shelf: dict[str, Spell] = {} if shelf is None else shelf

    def goes_on(self, moment: datetime) -> bool:
        """Whether all that was asked for is the same at ``moment``; if so, that is its moment from now on."""
        if not self._since <= moment < self._until:
            return False
        self._moment = moment
        return True

    @property
    def approximate(self) -> bool:
        """Whether some row is older than every version that we know."""
        return any(
            each.guessed(self._moment) for entity in self._past.entities() for each in self._versions(entity)
        )

    def kind(self, entity: str) -> Kind:
        """All records of one entity."""
        found = self._kinds.get(entity)
        if found is None:
            spell = self.shelf.get(entity)
            if spell is None or not spell.since <= self._moment < spell.until:
                spell = self.shelf[entity] = self._look(entity)
            self._since, self._until = max(self._since, spell.since), min(self._until, spell.until)
            found = self._kinds[entity] = spell.kind
        return found

    def keys(self) -> set[Key]:
        """Entity and id of every record."""
        return {(entity, st_id) for entity in self._past.entities() for st_id in self.kind(entity).rows}

    def _look(self, entity: str) -> Spell:
        found = {}
        since, until = FIRST, LAST
        for each in self._versions(entity):
            row, _, begins, ends = each.at(self._moment)
            since, until = max(since, begins), min(until, ends)
            if row is not None:
                found[row["st_id"]] = row
        return Spell(Kind(found), since, until)

    def _versions(self, entity: str) -> Iterable[Versions]:
        theirs = self._past.of(entity, self._customer_id)
        return (*theirs, *self._beside.get(entity, ())) if self._beside else theirs


class Past:
    """Every known version of the records of some customers."""

    def __init__(self) -> None:
        self.owner: dict[Key, int] = {}
        self._told: dict[str, list[tuple[Sequence[Told], Make]]] = defaultdict(list)
        self._opened: dict[str, dict[int, Versions]] = {}
        self._of: dict[str, dict[int, list[Versions]]] = {}
        self._last: dict[int, Then] = {}
        self._numbers: ByNumber | None = None

    def read(self, entity: str, told: Sequence[Told], make: Make) -> None:
        """Versions as they were read: owner, since when, id, and whatever ``make`` makes a row of.

        They come in the order of time, and all of them before the first question.
        """
        self._told[entity].append((told, make))
        self.owner.update({(entity, each[2]): each[0] for each in told if each[0] is not None})

    def entities(self) -> Collection[str]:
        """The entities of which there is something."""
        return self._told

    def of(self, entity: str, customer_id: int | None) -> Sequence[Versions]:
        """The customer's records of one kind."""
        theirs = self._of.get(entity)
        if theirs is None:
            theirs = self._of[entity] = defaultdict(list)
            for st_id, versions in self._known(entity).items():
                owner = self.owner.get((entity, st_id))
                if owner is not None:
                    theirs[owner].append(versions)
        return theirs.get(customer_id, ()) if customer_id is not None else ()

    def versions(self, entity: str, st_id: int) -> Versions | None:
        """All that is known of one record."""
        return self._known(entity).get(st_id)

    def row(self, entity: str, st_id: int, moment: datetime) -> Row | None:
        """One record as it was at ``moment``; the same object as long as it did not change."""
        known = self.versions(entity, st_id)
        return known.at(moment.astimezone(UTC)).row if known is not None else None

    def at(self, customer_id: int | None, moment: datetime, also: Iterable[Key] = ()) -> Bundle:
        """What was there of a customer at ``moment``; the same bundle as long as nothing of it changed."""
        moment = moment.astimezone(UTC)
        if customer_id is None:
            return Then(self, None, moment, beside=self._named(self._by_number().with_calls(also)))
        beside = self._named(key for key in set(also) if self.owner.get(key) != customer_id)
        if beside:
            return Then(self, customer_id, moment, beside=beside)
        last = self._last.get(customer_id)
        if last is None or not last.goes_on(moment):
            if len(self._last) >= KEPT:
                self._last.pop(next(iter(self._last)))
            shelf = last.shelf if last is not None else None
            last = self._last[customer_id] = Then(self, customer_id, moment, shelf=shelf)
        return last

    def _known(self, entity: str) -> dict[int, Versions]:
        known = self._opened.get(entity)
        if known is None:
            known = self._opened[entity] = {}
            for told, make in self._told.get(entity, ()):
                for each in told:
                    versions = known.get(each[2])
                    if versions is None:
                        versions = known[each[2]] = Versions(entity, make)
                    versions.told.append(each)
        return known

    def _named(self, keys: Iterable[Key]) -> Mapping[str, Sequence[Versions]]:
        found: dict[str, list[Versions]] = defaultdict(list)
        for entity, st_id in keys:
            versions = self.versions(entity, st_id)
            if versions is not None:
                found[entity].append(versions)
        return found

    def _by_number(self) -> ByNumber:
        if self._numbers is None:
            self._numbers = ByNumber()
            for entity in (CALLS, "leads"):
                for st_id, versions in self._known(entity).items():
                    for row in versions.rows:
                        self._numbers.note(entity, st_id, row)
        return self._numbers


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
    theirs = as_array(customers)
    for entity, reading in READINGS.items():
        if entity not in entities:
            continue
        values = {"tenant": tenant_id, "customers": theirs, "own": as_array(own.get(entity, ()))}
        found = await connection.execute(_versions(reading, entities), values | {"entity": entity})
        told = await found.fetchall()
        known.read(entity, told, partial(_row, entity, columns_of(reading)))
    return known


def _row(entity: str, columns: Sequence[str], told: Sequence[Any]) -> Row:
    values = told[2:]
    row = dict(zip(columns, values, strict=True))
    row.update(computed(entity, columns, values))
    return row


def _versions(reading: Reading, entities: Entities) -> str:
    """Versions in the order of time. The owner is today's: a record that changed hands went with its past."""
    entity = entities[reading.entity]
    columns = columns_of(reading)
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
  {mine(reading, entities)}
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
