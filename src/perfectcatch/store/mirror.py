"""The merge: a page of the vendor's records becomes rows, history and events in one transaction.

The caller gives JSON documents as the vendor wrote them. They are hashed, copied into a table of the
session in PostgreSQL's binary format, and everything else is a handful of statements for the whole page.
"""

import json
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Self
from uuid import UUID

import psycopg

from perfectcatch.errors import Crash
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import BrokenRecord
from perfectcatch.store import drift, quarantine
from perfectcatch.store.names import qualified, quote
from perfectcatch.store.pool import Connection, Pool, run_in_transaction
from perfectcatch.store.statements import COPY_IN, NOTIFY, SESSION_TABLES, Merge, merge_of

Document = bytes | memoryview
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

_ROW = struct.Struct(">hiii16si")  # fields, ord, hash, length of the document
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_END = struct.pack(">h", -1)
_JSONB_VERSION = b"\x01"

_written: dict[tuple[int, str], tuple[Mapping[str, Entity], Merge]] = {}


class Unsettled(Exception):
    """The page refers to records of these entities that we do not have yet; nothing was written."""

    def __init__(self, entities: tuple[str, ...]) -> None:
        super().__init__(", ".join(entities))
        self.entities = entities


@dataclass(slots=True)
class Outcome:
    """What a merge did. ``deactivated``: of the updated rows, those that went inactive or were deleted."""

    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    deactivated: int = 0
    quarantined: int = 0
    events: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Outcome") -> Self:
        """Add up two outcomes."""
        for name in ("fetched", "created", "updated", "unchanged", "stale", "deactivated", "quarantined"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.events.update(other.events)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one entity on their way into the mirror.

    ``historical``: what they tell happened before anybody was watching, so it never reaches a person.
    ``settle``: stop with ``Unsettled`` if a record that decides about an event is missing.
    """

    tenant_id: int
    entity: Entity
    entities: Mapping[str, Entity]
    records: Sequence[Document]
    broken: Sequence[BrokenRecord] = ()
    run_id: UUID | None = None
    historical: bool = False
    settle: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of every statement."""
        return {"tenant": self.tenant_id, "run": self.run_id}


async def merge(pool: Pool, batch: Batch, and_then: AndThen | None = None) -> Outcome:
    """Merge ``batch`` and, in the same transaction, do what the caller adds (its checkpoint).

    Records that do not fit are put into quarantine and the others are merged. Raises Retry errors of the
    pool when the database is not there; then nothing was written.
    """

    async def work(connection: Connection, *, inspect: bool) -> Outcome:
        outcome = await _merge(connection, batch, inspect=inspect)
        if and_then is not None:
            await and_then(connection, outcome)
        return outcome

    inspect = any(_looks_odd(record) for record in batch.records)
    try:
        return await run_in_transaction(pool, lambda connection: work(connection, inspect=inspect))
    except UNFIT:
        return await run_in_transaction(pool, lambda connection: work(connection, inspect=True))


def _looks_odd(record: Document) -> bool:
    """Whether a text in the record would be taken for a number that is none."""
    text = bytes(record) if isinstance(record, memoryview) else record
    return b'"NaN"' in text or b'Infinity"' in text


async def _merge(connection: Connection, batch: Batch, *, inspect: bool) -> Outcome:
    await prepare_session(connection)
    outcome = Outcome(fetched=len(batch.records) + len(batch.broken))
    records: Sequence[Document] = batch.records
    bad: list[BrokenRecord] = list(batch.broken)
    if inspect:
        records, unfit = await quarantine.inspect(connection, batch.entity, records)
        bad += unfit
    if bad:
        await quarantine.put(connection, batch.tenant_id, batch.entity, bad, run_id=batch.run_id)
        outcome.quarantined = len(bad)
    if not records:
        return outcome
    await _copy_in(connection, records)
    try:
        await _apply(connection, batch, statements_of(batch.entity, batch.entities), outcome)
    except UNFIT as error:
        if inspect:  # every expression was tried on every record, so this is our mistake
            raise Crash(
                f"A page of {batch.entity.name} passed inspection but cannot be stored ({error}); "
                "nothing of it was written. Please report this with the log."
            ) from error
        raise
    return outcome


async def _apply(connection: Connection, batch: Batch, merge: Merge, outcome: Outcome) -> None:
    kinds = await _plan(connection, batch, merge)
    await _write(connection, batch, merge, kinds, outcome)
    await quarantine.resolve_merged(connection, batch.tenant_id, batch.entity)
    outcome.created = kinds["n"]
    outcome.updated = kinds["c"]
    outcome.stale = kinds["o"]
    outcome.unchanged = len(batch.records) - outcome.quarantined + len(batch.broken)
    outcome.unchanged -= outcome.created + outcome.updated + outcome.stale


async def _plan(connection: Connection, batch: Batch, merge: Merge) -> Counter[str]:
    """Decide what to do with each record; how many there are of each kind."""
    values = batch.values
    await connection.execute(merge.lock, values)
    await connection.execute(merge.classify, values)
    kinds = await _kinds(connection)
    if kinds["c"]:
        await connection.execute(merge.compare, values)
        kinds = await _kinds(connection)
    if kinds["n"] + kinds["c"] > ANALYZE_ABOVE:
        await connection.execute("analyze plan")
    if batch.settle and (kinds["n"] or kinds["c"]):
        await _settle(connection, merge, values)
    return kinds


async def _write(
    connection: Connection, batch: Batch, merge: Merge, kinds: Counter[str], outcome: Outcome
) -> None:
    """Write rows, history, what depends on them, and events."""
    values = batch.values
    if kinds["s"]:
        await connection.execute(merge.respell, values)
    if kinds["c"]:
        for statement in (merge.remember, merge.keep_history, merge.update, *merge.children_out):
            await connection.execute(statement, values)
        outcome.deactivated = await _number(connection, merge.switched_off, values)
    if kinds["n"]:
        await connection.execute(merge.insert, values)
        if merge.own_look_ups:
            await connection.execute(merge.own_look_ups, values)
    if kinds["n"] or kinds["c"]:
        for statement in (*merge.children_in, *merge.owners_look_ups, *merge.links):
            await connection.execute(statement, values)
        await _write_events(connection, batch, merge, kinds, outcome)
        await drift.note(connection, batch.tenant_id, batch.entity)


async def _settle(connection: Connection, merge: Merge, values: dict[str, Any]) -> None:
    missing = tuple([name for name, query in merge.unsettled if await _number(connection, query, values)])
    if missing:
        raise Unsettled(missing)


async def _write_events(
    connection: Connection, batch: Batch, merge: Merge, kinds: Counter[str], outcome: Outcome
) -> None:
    past = batch.historical
    statements: list[str] = []
    if kinds["n"]:
        statements += merge.past_events_of_new if past else merge.events_of_new
    if kinds["c"]:
        statements += merge.past_events_of_changed if past else merge.events_of_changed
    ids: list[int] = []
    for statement in statements:
        cursor = await connection.execute(statement, batch.values)
        written = await cursor.fetchall()
        outcome.events.update(event_type for _, event_type in written)
        ids += [event_id for event_id, _ in written]
    if not past:
        await announce(connection, batch.tenant_id, ids)


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
    key = (id(entities), entity.name)
    if key not in _written:
        _written[key] = (entities, merge_of(entity, entities))  # holding the mapping keeps its id taken
    return _written[key][1]


async def prepare_session(connection: Connection) -> None:
    """Make the tables of the session that a merge works with, unless an earlier merge left them.

    The server is asked, because a transaction that made them may have been rolled back since.
    """
    found = await connection.execute("select to_regclass('pg_temp.plan') is null")
    if await found.fetchone() == (True,):
        await connection.execute(SESSION_TABLES)


async def _copy_in(connection: Connection, records: Iterable[Document]) -> None:
    rows: list[Document] = [_COPY_HEAD]
    for ord_, record in enumerate(records):
        hashed = blake2b(record, digest_size=16).digest()
        rows += (_ROW.pack(3, 4, ord_, 16, hashed, len(record) + 1), _JSONB_VERSION, record)
    rows.append(_COPY_END)
    async with connection.cursor() as cursor, cursor.copy(COPY_IN) as copy:
        await copy.write(b"".join(rows))


async def _kinds(connection: Connection) -> Counter[str]:
    cursor = await connection.execute("select kind::text, count(*) from plan group by kind")
    return Counter(dict(await cursor.fetchall()))


async def _number(connection: Connection, query: str, values: dict[str, Any]) -> int:
    cursor = await connection.execute(query, values)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def newest(connection: Connection, tenant_id: int, entity: Entity) -> datetime | None:
    """The latest vendor time that is stored of ``entity``."""
    found = await connection.execute(
        f"select max(st_modified_on) from {qualified(entity.table)} where tenant_id = %s", (tenant_id,)
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
