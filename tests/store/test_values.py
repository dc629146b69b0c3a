"""What vendors really write: odd dates, words for numbers, endless texts, records that are no JSON."""

import json as plain_json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from declared import CUSTOMERS, ENTITIES, JOBS, document, encoded

from databases import new_database
from perfectcatch.model.entity import (
    Child,
    Convert,
    Entity,
    Type,
    day,
    derived_id,
    double,
    export,
    flag,
    ids,
    integer,
    moment,
    money,
    number,
    text,
    texts,
)
from perfectcatch.model.source import BrokenRecord
from perfectcatch.store import events, runs
from perfectcatch.store.merging import mirror, quarantine
from perfectcatch.store.merging.extract import LONGEST_INDEXED, literal
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.merging.quarantine import one_line
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema.check import check
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.embedded import Server
from perfectcatch.sync.redrive import redrive

TENANT = 7
THINGS = Entity(
    name="things",
    table="servicetitan.t_things",
    does="A column of every type.",
    groups=("core",),
    feeds=export("t.things.export"),
    columns=(
        text("name", index=True),
        text("memo"),
        integer("size"),
        money("price"),
        number("weight"),
        double("latitude"),
        moment("seen_on"),
        day("due_date"),
        day("plain_day", convert=Convert.PLAIN),
        flag("vip"),
        ids("tag_ids", index=True),
        ids("part_ids", "parts", convert=Convert.IDS_OF),
        texts("words", index=True),
        number("duration", convert=Convert.SECONDS),
    ),
    children=(
        Child(
            table="t_thing_parts",
            at="parts",
            parent_column="thing_id",
            columns=(text("code", index=True), money("cost")),
            does="Parts.",
        ),
    ),
)
BOTH = {**ENTITIES, "things": THINGS}


@pytest.fixture(scope="module")
async def template(database: Server) -> AsyncIterator[str]:
    made = new_database(database)
    async with made as url:
        await migrate(url, BOTH.values())
        yield made.name


@pytest.fixture
async def pool(database: Server, template: str) -> AsyncIterator[Pool]:
    async with new_database(database, template) as url, open_pool(url) as opened:
        yield opened


async def merge(pool: Pool, entity: Entity, *documents: Any, **more: Any) -> Outcome:
    batch = Batch(tenant_id=TENANT, entity=entity, entities=BOTH, records=encoded(*documents), **more)
    return await mirror.merge(pool, batch)


async def rows(pool: Pool, query: str, *values: Any) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query, values or None)).fetchall()


async def kept(pool: Pool, column: str, **values: Any) -> Any:
    """What becomes of a value in ``column``; the reason, as a text, where the record is not stored."""
    await merge(pool, THINGS, document(1, **values))
    found = await rows(pool, f"select {column} from servicetitan.t_things")
    return found[0][0] if found else (await quarantine.waiting(pool, TENANT))[0].reason


async def refused(pool: Pool, field: str, values: Sequence[Any]) -> list[str]:
    """The reasons for which records with ``values`` are in quarantine, all for the sake of ``field``."""
    outcome = await merge(
        pool, THINGS, document(0), *(document(each, **{field: value}) for each, value in enumerate(values, 1))
    )
    held = await quarantine.waiting(pool, TENANT)
    assert (outcome.created, outcome.quarantined, len(held)) == (1, len(values), len(values))
    assert [each.st_id for each in held] == list(range(1, len(values) + 1))
    assert {each.reason.split(": ")[0] for each in held} == {field}
    return [each.reason for each in held]


def incompressible(length: int) -> str:
    return "".join(random.Random(5).choices([chr(0x4E00 + each) for each in range(20000)], k=length))


# Texts that no index holds --------------------------------------------------------------------


async def test_a_long_text_in_an_indexed_column_is_stored_and_cut_there_alone(pool: Pool) -> None:
    long = incompressible(6000)
    one = document(1, name=long, memo=long, words=[long, None], parts=[{"code": long}])
    outcome = await merge(pool, THINGS, one, document(2, name="short"))

    assert (outcome.created, outcome.quarantined) == (2, 0)
    [(name, memo, words, full)] = await rows(
        pool, "select name, memo, words, full_data from servicetitan.t_things where st_id = 1"
    )
    cut = long[:LONGEST_INDEXED]
    assert (name, memo, words, full) == (cut, long, [cut, None], one)
    assert await rows(pool, "select code from servicetitan.t_thing_parts") == [(cut,)]
    assert await check(pool, BOTH.values()) == []


async def test_what_only_a_table_refuses_is_found_and_the_others_are_stored(pool: Pool) -> None:
    """An index of an administrator has a limit that no inspection of the record knows."""
    async with pool.connection() as connection:
        await connection.execute("create index on servicetitan.t_things (memo)")
    long = incompressible(6000)
    bad = {3, 4, 11}
    page = [document(each, memo=long if each in bad else "x") for each in range(1, 13)]
    outcome = await merge(pool, THINGS, *page, document(20, price="abc"))

    assert (outcome.fetched, outcome.created, outcome.quarantined, outcome.unchanged) == (13, 9, 4, 0)
    held = {each.st_id: each.reason for each in await quarantine.waiting(pool, TENANT)}
    assert held.keys() == bad | {20}
    assert all(held[each].startswith("index row") and len(held[each]) < 200 for each in bad)
    assert (await merge(pool, THINGS, *page)).unchanged == 9


async def test_a_field_with_an_endless_name_is_still_reported(pool: Pool) -> None:
    assert (await merge(pool, THINGS, document(1, **{incompressible(6000): 1}))).created == 1


# Moments and days -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31", "", None],
)
async def test_the_vendors_ways_to_say_never_are_null(pool: Pool, written: str | None) -> None:
    record = document(1, seenOn=written, dueDate=written, plainDay=written) | {"modifiedOn": written}
    assert (await merge(pool, THINGS, record)).created == 1
    found = await rows(pool, "select seen_on, due_date, plain_day, st_modified_on from servicetitan.t_things")
    assert found == [(None, None, None, None)]
    assert await mirror.newest(pool, TENANT, THINGS) is None


async def test_an_event_that_happened_never_can_be_listened_to(pool: Pool) -> None:
    end = "9999-12-31T23:59:59.9999999Z"
    outcome = await merge(pool, JOBS, document(1, status="Completed", completedOn=end) | {"modifiedOn": end})
    assert outcome.events
    found = await rows(pool, "select array_agg(id) from automation.events")
    assert {each.occurred_at.year for each in await events.by_ids(pool, TENANT, found[0][0])} < {*range(9999)}


async def test_moments_and_days_keep_their_value(pool: Pool) -> None:
    await merge(
        pool, THINGS, document(1, seenOn="2026-03-01T10:00:00.1234567-05:00", dueDate="2026-03-01T23:00:00Z")
    )
    assert await rows(pool, "select seen_on, due_date from servicetitan.t_things") == [
        (datetime(2026, 3, 1, 15, 0, 0, 123457, tzinfo=UTC), date(2026, 3, 1))
    ]


WORDS_FOR_DATES = (
    *("infinity", "-infinity", "now", "today", "tomorrow", "epoch"),
    *("01/02/2026", "01-02-2026", "J2451187"),
    *("2026/01/02T00:00:00Z", "2-1-2026 T00:00:00", "2nd-01-02T00:00:00Z", "Sept-02-26T00:00:00Z"),
)


@pytest.mark.parametrize("field", ["seenOn", "dueDate", "plainDay", "modifiedOn", "createdOn"])
async def test_what_is_not_written_as_a_date_is_none(pool: Pool, field: str) -> None:
    reasons = await refused(pool, field, WORDS_FOR_DATES)
    # Of a day only the first ten characters are read.
    assert all(word[:10] in reason for word, reason in zip(WORDS_FOR_DATES, reasons, strict=True))


# Numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["price", "weight", "latitude"])
async def test_what_is_not_written_as_a_number_is_none(pool: Pool, field: str) -> None:
    await refused(pool, field, (" NaN", "NaN", "nan", "Infinity", "-inf", "0x1F", "1_000", "12 apples", "."))


@pytest.mark.parametrize(
    ("written", "value"), [("12.50", "12.5"), (-3, "-3"), ("+1e2", "100"), (1e-7, "0.0000001"), ("", None)]
)
async def test_numbers_keep_their_value(pool: Pool, written: Any, value: str | None) -> None:
    assert await kept(pool, "weight", weight=written) == (value if value is None else Decimal(value))


async def test_a_bad_amount_in_a_child_is_named(pool: Pool) -> None:
    assert (await kept(pool, "name", parts=[{"cost": 1}, {"cost": "NaN"}])).startswith("parts.cost: ")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("01:30:00", 5400),
        ("00:00:01.5", Decimal("1.5")),
        ("1.02:03:04", 93784),
        ("-1.02:03:04", -93784),
        ("", None),
    ],
)
async def test_time_spans_have_days_before_a_full_stop(pool: Pool, written: str, seconds: Any) -> None:
    assert await kept(pool, "duration", duration=written) == seconds


async def test_other_words_for_time_spans_are_none(pool: Pool) -> None:
    await refused(pool, "duration", ("infinity", "1 day", "P1D", "5"))


# Empty values and lists -----------------------------------------------------------------------


async def test_an_empty_text_is_null_in_every_typed_column(pool: Pool) -> None:
    fields = (
        "size",
        "price",
        "weight",
        "latitude",
        "seenOn",
        "dueDate",
        "plainDay",
        "vip",
        "tagIds",
        "words",
    )
    empty = dict.fromkeys((*fields, "parts", "duration", "createdOn", "modifiedOn", "active"), "")
    assert (await merge(pool, THINGS, document(1) | empty)).created == 1
    [row] = await rows(
        pool,
        "select size, price, weight, latitude, seen_on, due_date, plain_day, vip, tag_ids, words, part_ids,"
        " duration, st_created_on, st_modified_on, active from servicetitan.t_things",
    )
    assert row == (*[None] * 14, True)


@pytest.mark.parametrize(
    ("written", "stored"), [([1, 2], [1, 2]), (["1"], [1]), ([], []), ([1, None], [1, None]), (None, None)]
)
async def test_lists_of_ids_keep_what_is_in_them(pool: Pool, written: Any, stored: Any) -> None:
    assert await kept(pool, "tag_ids", tagIds=written) == stored


async def test_what_is_no_list_of_ids_is_no_empty_list(pool: Pool) -> None:
    await refused(pool, "tagIds", ({}, "[]", "{}", "[1]", {"a": 1}, 5, [1.5], ["a"]))


@pytest.mark.parametrize("written", [{}, "[]", 5])
async def test_what_is_no_list_of_texts_or_objects_is_null(pool: Pool, written: Any) -> None:
    assert await kept(pool, "words", words=written, parts=written) is None
    assert await rows(pool, "select part_ids from servicetitan.t_things") == [(None,)]


async def test_nulls_inside_lists_survive(pool: Pool) -> None:
    assert await kept(pool, "words", words=["a", None], parts=[{"id": 5}, {"id": ""}, None]) == ["a", None]
    assert await rows(pool, "select part_ids from servicetitan.t_things") == [([5, None, None],)]


# Records that are no JSON ---------------------------------------------------------------------

TAGGED = replace(THINGS, derived_key=("list", "id", "main"))


BROKEN: tuple[tuple[bytes, int | None], ...] = (
    (b'{"id": 8, "balance": NaN}', 8),
    (b'{"id": "9", "name": "\\ud800"}', 9),
    (b'{"id": 10.0, "name": "\xff"}', 10),
    (b'{"customer": {"id": 3}, "say": "\\"id\\": 4", "id" : 11, "name": "cut o', 11),
    (b'{"customer": {"id": 3}, "name": "cut o', None),
    (b'{"name": "cut inside the id", "id": 12', None),
    (b'{"id": 1.5, "balance": NaN}', None),
    (b'{"id": 1e999999999, "balance": NaN}', None),
    (b'{"id": 99999999999999999999, "balance": NaN}', None),
    (b'{"id": true, "balance": NaN}', None),
    (b'{"id": NaN}', None),
    (b"[" * 100_000, None),
    (b"", None),
)


async def test_the_id_of_a_broken_record_is_found(pool: Pool) -> None:
    await merge(pool, THINGS, broken=[BrokenRecord(raw, "no JSON") for raw, _ in BROKEN])
    found = {each.raw: each.st_id for each in await quarantine.waiting(pool, TENANT)}
    assert found == dict(BROKEN)


async def test_a_read_knows_whether_it_met_records_without_an_id(pool: Pool) -> None:
    began = await runs.database_clock(pool)
    await merge(pool, THINGS, broken=[BrokenRecord(b'{"id": 8, "a": NaN}', "no JSON")])
    assert not await quarantine.unidentified(pool, TENANT, THINGS, since=began)
    await merge(pool, THINGS, broken=[BrokenRecord(b'{"a": NaN}', "no JSON")])
    assert await quarantine.unidentified(pool, TENANT, THINGS, since=began)
    assert not await quarantine.unidentified(pool, TENANT, CUSTOMERS, since=began)
    later = await runs.database_clock(pool)
    assert not await quarantine.unidentified(pool, TENANT, THINGS, since=later)
    await merge(pool, THINGS, broken=[BrokenRecord(b'{"a": NaN}', "no JSON")])  # the same one once more
    assert await quarantine.unidentified(pool, TENANT, THINGS, since=later)


async def test_a_derived_id_is_the_same_in_quarantine_and_in_the_mirror(pool: Pool) -> None:
    key = b'"list": "a\\u00e9", "id": 1.50, "main": true'
    await merge(pool, TAGGED, b"{%s}" % key)
    await merge(pool, TAGGED, broken=[BrokenRecord(b'{%s, "price": NaN}' % key, "no JSON")])
    [held] = await quarantine.waiting(pool, TENANT)
    assert held.st_id == derived_id(["aé", "1.50", "true"])
    assert await rows(pool, "select st_id from servicetitan.t_things") == [(held.st_id,)]


async def test_a_reason_is_one_line_whatever_the_value_holds(pool: Pool) -> None:
    reason = await kept(pool, "name", price="1\n2\x1b[31m\u202e" + "x" * 5000)
    assert reason == one_line(reason)
    assert reason.isprintable()
    assert len(reason) == 500


# Redrive --------------------------------------------------------------------------------------


async def test_a_redrive_tries_every_record_page_by_page(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [document(each, price="x") for each in range(1, 8)]
    await merge(pool, THINGS, *bad)
    good = plain_json.dumps(document(7)).encode()
    await rows(pool, "update servicetitan.sync_quarantine set raw = %s where st_id = 7 returning 1", good)
    every = quarantine.waiting

    async def two(*given: Any, after: int = 0) -> list[quarantine.Held]:
        return await every(*given, after=after, limit=2)

    monkeypatch.setattr(quarantine, "waiting", two)
    assert await quarantine.count_waiting(pool, TENANT) == 7
    assert await redrive(pool, TENANT, BOTH) == {"stored": 1, "still_held": 6}
    assert await quarantine.count_waiting(pool, TENANT, "things") == 6
    assert await quarantine.count_waiting(pool, TENANT, "jobs") == 0


# The merge around it --------------------------------------------------------------------------


async def test_a_fault_of_the_callers_part_is_no_fault_of_a_record(pool: Pool) -> None:
    calls = 0

    async def refuse(connection: mirror.Connection, _: Outcome) -> None:
        nonlocal calls
        calls += 1
        await connection.execute("select %s::jsonb", ['{"token": "a\\u0000b"}'])

    batch = Batch(tenant_id=TENANT, entity=THINGS, entities=BOTH, records=encoded(document(1)))
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        await mirror.merge(pool, batch, refuse)
    assert calls == 1


async def test_a_page_of_many_megabytes_is_copied_in_pieces(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    write = psycopg.AsyncCopy.write

    async def counted(copy: Any, data: Any) -> None:
        pieces.append(len(data))
        await write(copy, data)

    monkeypatch.setattr(psycopg.AsyncCopy, "write", counted)
    outcome = await merge(pool, THINGS, *(document(each, memo="x" * 100_000) for each in range(1, 61)))
    assert outcome.created == 60
    assert max(pieces) < 1_500_000
    assert await rows(pool, "select count(*), min(length(memo)) from servicetitan.t_things") == [
        (60, 100_000)
    ]


async def test_another_content_under_the_same_time_is_counted(pool: Pool) -> None:
    await merge(pool, THINGS, document(1, name="a"), document(2, name="a"), document(3))
    later = document(2, name="b", modifiedOn="2026-03-01T00:00:00Z")
    outcome = await merge(pool, THINGS, document(1, name="b"), later, document(3))
    assert (outcome.updated, outcome.same_version, outcome.unchanged) == (2, 1, 1)
    total = Outcome()
    total += outcome
    assert total.same_version == 1


@pytest.mark.parametrize("word", ["100 % sure", "50%(tenant)s", "back\\slash % 'quoted'"])
async def test_a_literal_means_the_same_with_and_without_parameters(pool: Pool, word: str) -> None:
    assert await rows(pool, f"select {literal(word)}") == [(word,)]
    assert await rows(pool, f"select {literal(word)}, %s::int", 1) == [(word, 1)]


def test_every_type_is_among_the_things() -> None:
    used = {column.type for column in THINGS.vendor_columns}
    assert used | {Type.BIGINT, Type.JSON, Type.WORDS} == set(Type)  # words are never part of a record
