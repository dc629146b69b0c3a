"""The merge: a page of the vendor's records becomes rows, history and events in one transaction.

The caller gives JSON documents as the vendor wrote them. They are hashed, copied into a table of the
session in PostgreSQL's binary format, and everything else is a handful of statements for the whole page.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import psycopg

from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import BrokenRecord
from perfectcatch.store.merging import drift, quarantine
from perfectcatch.store.merging.incoming import copy_in
from perfectcatch.store.merging.statements import NOTIFY, SESSION_TABLES, Merge, merge_of
from perfectcatch.store.names import qualified, quote
from perfectcatch.store.pool import Connection, Pool, run_in_transaction

AndThen = Callable[[Connection, "Outcome"], Awaitable[None]]

# What the database says when a value does not fit: a fault of the record, not of us.
UNFIT = (
    psycopg.DataError,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)
# Without statistics the planner takes a large batch for a small one: 1.2 s instead of 40 ms for the events of
# 5,000 new rows. For a small batch the cached plan is right, and analyzing would take longer than merging.
ANALYZE_ABOVE = 200
NOTE_LIMIT = 400  # ids in one note; NOTIFY carries at most 8,000 bytes

_written: dict[tuple[int, int], tuple[Mapping[str, Entity], Entity, Merge]] = {}


class Unsettled(Exception):
    """The page refers to records of these entities that we do not have yet; nothing was written."""

    def __init__(self, entities: tuple[str, ...]) -> None:
        super().__init__(", ".join(entities))
        self.entities = entities


class _Unfit(Exception):
    """A record of the page cannot be stored; which one, inspection will tell."""


@dataclass(slots=True)
class Outcome:
    """What a merge did.

    Of the updated rows, ``deactivated`` went inactive or were deleted, and ``same_version`` have another
    content under the modification time that we had: the vendor does not always move it.
    """

    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    deactivated: int = 0
    same_version: int = 0
    quarantined: int = 0
    events: Counter[str] = field(default_factory=Counter)  # those that may reach people
    past_events: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Outcome") -> Self:
        """Add up two outcomes."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.events.update(other.events)
        self.past_events.update(other.past_events)
        return self


_COUNTS = tuple(each.name for each in fields(Outcome) if each.type is int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one entity on their way into the mirror.

    ``historical``: what they tell happened before anybody was watching, so it never reaches a person.
    ``past_before``: the same for records that were last modified before this moment.
    ``settle``: stop with ``Unsettled`` if a record that decides about an event is missing.
    ``known``: how many came beside them that the mirror has as they are (``incoming.unknown``).
    """

    tenant_id: int
    entity: Entity
    entities: Mapping[str, Entity]
    records: Sequence[Document]
    broken: Sequence[BrokenRecord] = ()
    run_id: UUID | None = None
    historical: bool = False
    past_before: datetime | None = None
    settle: bool = False
    known: int = 0

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of every statement; of the first one, the number of records as well."""
        return {"tenant": self.tenant_id, "run": self.run_id, "past_before": self.past_before}


async def merge(pool: Pool, batch: Batch, and_then: AndThen | None = None) -> Outcome:
    """Merge ``batch`` and, in the same transaction, do what the caller adds (its checkpoint).

    Records that do not fit are put into quarantine and the others are merged. Raises Retry errors of the
    pool when the database is not there, ``Unsettled``, and whatever ``and_then`` raises; then nothing was
    written.
    """

    async def work(connection: Connection, *, inspect: bool) -> Outcome:
        outcome = await _merge(connection, batch, inspect=inspect)
        if and_then is not None:
            await and_then(connection, outcome)
        return outcome

    try:
        return await run_in_transaction(pool, lambda connection: work(connection, inspect=False))
    except _Unfit:
        return await run_in_transaction(pool, lambda connection: work(connection, inspect=True))


async def _merge(connection: Connection, batch: Batch, *, inspect: bool) -> Outcome:
    await prepare_session(connection)
    outcome = Outcome(fetched=len(batch.records) + len(batch.broken) + batch.known, unchanged=batch.known)
    if inspect:
        good, bad = await quarantine.inspect(connection, batch.entity, batch.records)
        stored, refused = await _store_inspected(connection, batch, good)
        bad += refused
    else:
        bad = []
        try:
            stored = await _store(connection, batch, batch.records)
        except UNFIT as error:
            raise _Unfit from error
    outcome += stored
    # In this order: a page may hold an earlier version, which is good, beside the broken one.
    await quarantine.resolve_merged(connection, batch.tenant_id, batch.entity)
    bad += batch.broken
    if bad:
        await quarantine.put(connection, batch.tenant_id, batch.entity, bad, run_id=batch.run_id)
        outcome.quarantined = len(bad)
    return outcome


async def _store_inspected(
    connection: Connection, batch: Batch, records: Sequence[Document]
) -> tuple[Outcome, list[BrokenRecord]]:
    """Store what can be read, and give what the tables refuse all the same: it is found by halves."""
    try:
        async with connection.transaction():
            return await _store(connection, batch, records), []
    except UNFIT:
        good, bad = await _divide(connection, batch, records)
    return await _store(connection, batch, good), bad


async def _divide(
    connection: Connection, batch: Batch, records: Sequence[Document]
) -> tuple[list[Document], list[BrokenRecord]]:
    good: list[Document] = []
    bad: list[BrokenRecord] = []

    async def look_at(part: Sequence[Document]) -> None:
        fault = await _fault(connection, batch, part)
        if fault is None:
            good.extend(part)
        elif len(part) == 1:
            bad.append(BrokenRecord(bytes(part[0]), fault))
        else:
            await look_at(part[: len(part) // 2])
            await look_at(part[len(part) // 2 :])

    await look_at(records)
    return good, bad


async def _fault(connection: Connection, batch: Batch, records: Sequence[Document]) -> str | None:
    """Try to store ``records``, leave no trace, and give PostgreSQL's sentence if they do not fit."""
    try:
        async with connection.transaction(force_rollback=True):
            await _store(connection, batch, records)
    except UNFIT as error:
        return error.diag.message_primary or type(error).__name__
    return None


async def _store(connection: Connection, batch: Batch, records: Sequence[Document]) -> Outcome:
    """Copy and apply ``records``; raises one of ``UNFIT`` when a value does not fit."""
    outcome = Outcome()
    if not records:
        return outcome
    merge = statements_of(batch.entity, batch.entities)
    number = await copy_in(connection, records)
    kinds = await _plan(connection, batch, merge, number)
    await _write(connection, batch, merge, kinds, outcome)
    outcome.created = kinds["n"]
    outcome.updated = kinds["c"]
    outcome.stale = kinds["o"]
    outcome.unchanged = len(records) - outcome.created - outcome.updated - outcome.stale
    return outcome


async def _plan(connection: Connection, batch: Batch, merge: Merge, number: int) -> Counter[str]:
    """Decide what to do with each of the ``number`` records; how many there are of each kind."""
    values = batch.values | {"number": number}
    await connection.execute(merge.lock, values)
    # Never prepared: a plan for any number of records is one for a tenth of the table of the session.
    cursor = await connection.execute(merge.classify, values, prepare=False)
    kinds: Counter[str] = Counter(dict(await cursor.fetchall()))
    if kinds["c"]:
        spelled_differently = (await connection.execute(merge.compare, values)).rowcount
        kinds["s"] = spelled_differently
        kinds["c"] -= spelled_differently
    if kinds["n"] + kinds["c"] > ANALYZE_ABOVE:
        await connection.execute("analyze plan (ord, st_id, kind)")
    if batch.settle and (kinds["n"] or kinds["c"]):
        await _settle(connection, merge, values)
    return kinds


async def _write(
    connection: Connection, batch: Batch, merge: Merge, kinds: Counter[str], outcome: Outcome
) -> None:
    """Write rows, history, what depends on them, and events."""
    values = batch.values
    events = merge.past if batch.historical else merge.live
    heard = _Heard(connection, batch, outcome)
    came_back = 0
    if kinds["s"]:
        await connection.execute(merge.respell, values)
    if kinds["c"]:
        outcome.same_version, came_back = await _numbers(connection, merge.remember, values)
        await connection.execute(merge.keep_history, values)
        if came_back:
            await connection.execute(merge.recall, values)
        (outcome.deactivated,) = await _numbers(connection, merge.update, values)
        for statement in merge.children_out:
            await connection.execute(statement, values)
    if kinds["n"]:
        await _insert(connection, batch, merge, heard)
    if kinds["n"] or kinds["c"]:
        for statement in (*merge.children_in, *merge.owners_look_ups, *merge.links):
            await connection.execute(statement, values)
        if came_back and events.of_unseen:
            await heard.events_of(events.of_unseen)
        if kinds["c"] and events.of_changed:
            await heard.events_of(events.of_changed)
        await announce(connection, batch.tenant_id, sorted(heard.news))
        await drift.note(connection, batch.tenant_id, batch.entity)


async def _insert(connection: Connection, batch: Batch, merge: Merge, heard: "_Heard") -> None:
    """Insert the new records with their events.

    In a first load no event of theirs can be there, unless somebody removed rows by hand: that is found out
    by the unique index, and the search for each of them is left out.
    """
    if batch.historical and merge.insert_unheard:
        try:
            async with connection.transaction():
                await heard.events_of(merge.insert_unheard)
        except psycopg.errors.UniqueViolation:
            await heard.events_of(merge.past.insert)
    else:
        await heard.events_of((merge.past if batch.historical else merge.live).insert)


async def _settle(connection: Connection, merge: Merge, values: dict[str, Any]) -> None:
    missing = tuple(
        [name for name, query in merge.unsettled if any(await _numbers(connection, query, values))]
    )
    if missing:
        raise Unsettled(missing)


@dataclass(slots=True)
class _Heard:
    """Runs the statements that write events, counts them, and keeps the ids of those that are news."""

    connection: Connection
    batch: Batch
    outcome: Outcome
    news: list[int] = field(default_factory=list)

    async def events_of(self, statement: str) -> None:
        cursor = await self.connection.execute(statement, self.batch.values)
        for event_type, historical, number, ids in await cursor.fetchall() if cursor.description else ():
            (self.outcome.past_events if historical else self.outcome.events)[event_type] += number
            self.news += [] if historical else ids


async def announce(connection: Connection, tenant_id: int, event_ids: Sequence[int]) -> None:
    """Tell listeners about new events when this transaction commits.

    Payload: ``{"tenant_id": .., "ids": [..]}``; more than 400 events come as several notes.
    """
    for start in range(0, len(event_ids), NOTE_LIMIT):
        ids = list(event_ids[start : start + NOTE_LIMIT])
        payload = json.dumps({"tenant_id": tenant_id, "ids": ids}, separators=(",", ":"))
        await connection.execute(NOTIFY, {"payload": payload})


def statements_of(entity: Entity, entities: Mapping[str, Entity]) -> Merge:
    """The statements for ``entity``, written once per process."""
    key = (id(entities), id(entity))
    if key not in _written:
        _written[key] = (entities, entity, merge_of(entity, entities))  # holding both keeps their ids taken
    return _written[key][2]


async def prepare_session(connection: Connection) -> None:
    """Make the tables of the session that a merge works with, unless an earlier merge left them.

    The server is asked, because a transaction that made them may have been rolled back since.
    """
    found = await connection.execute("select to_regclass('pg_temp.plan') is null")
    if await found.fetchone() == (True,):
        await connection.execute(SESSION_TABLES)


async def _numbers(connection: Connection, query: str, values: dict[str, Any]) -> tuple[int, ...]:
    cursor = await connection.execute(query, values)
    row = await cursor.fetchone()
    assert row is not None
    return tuple(map(int, row))


async def newest(
    pool: Pool, tenant_id: int, entity: Entity, *, until: datetime | None = None
) -> datetime | None:
    """The latest vendor time that is stored of ``entity``, in this century.

    A time that lies ahead is a mistake of the vendor's; a cursor that followed it would see nothing more
    until then. What lies ahead is for the vendor's clock to say (``until``); where it does not, a day beyond
    the database's clock, which may itself be wrong, is the limit.
    """
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select max(st_modified_on) from {qualified(entity.table)} where tenant_id = %s
              and st_modified_on between '2000-01-01' and coalesce(%s, now() + interval '1 day')
            """,
            (tenant_id, until),
        )
        row = await found.fetchone()
        return row[0] if row else None


async def learn(pool: Pool, entity: Entity) -> None:
    """Give the planner statistics of a table that was just filled: autovacuum comes a minute too late.

    Only of the columns that are searched: unpacking the documents for it takes longer than all the rest.
    """
    indexed = [quote(column.name) for column in entity.columns if column.index]
    columns = ", ".join(["tenant_id", "st_id", "st_modified_on", "active", "deleted_at", *indexed])
    async with pool.connection() as connection:
        await connection.execute(f"analyze {qualified(entity.table)} ({columns})")
