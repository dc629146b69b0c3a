"""What the mirror has byte for byte need not be copied in: the outcome is the same, whatever comes."""

from typing import Any

import pytest
from declared import ENTITIES, JOBS, document, encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfectcatch.model.source import BrokenRecord
from perfectcatch.store.merging import incoming, mirror
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Pool

WITH, WITHOUT = 7, 8  # two companies to which the same happens
# The state of a company: columns, table, order.
STATES = (
    (
        "st_id, status, encode(content_hash, 'hex'), revision, deleted_at is null, active",
        "servicetitan.t_jobs",
        "1",
    ),
    ("st_id, revision, change, full_data", "servicetitan.record_history", "1, 2"),
    ("event_type, st_id, version, historical", "automation.events", "1, 2, 3"),
    ("st_id, reason, times, resolved_at is null", "servicetitan.sync_quarantine", "1, 2, 3, 4"),
)


GONE = "update servicetitan.t_jobs set deleted_at = now() where tenant_id = %s and st_id = %s returning 1"


async def merge(pool: Pool, tenant: int, records: Any, broken: Any = ()) -> Outcome:
    left = await incoming.unknown(pool, tenant, JOBS, records) if tenant == WITH else records
    batch = Batch(
        tenant_id=tenant,
        entity=JOBS,
        entities=ENTITIES,
        records=left,
        broken=broken,
        known=len(records) - len(left),
    )
    return await mirror.merge(pool, batch)


async def rows(pool: Pool, query: str, *values: Any) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(query, values)).fetchall()


ids = st.integers(1, 2)
good = st.builds(
    lambda st_id, status: encoded(document(st_id, status=status))[0],
    ids,
    st.sampled_from(["Open", "Completed"]),
)
odd = st.one_of(
    ids.map(lambda st_id: encoded(document(st_id, total="five"))[0]),
    ids.map(lambda st_id: encoded(document(st_id, status="Completed") | {"id": str(st_id)})[0]),
    st.sampled_from([b'{"id": "x"}', b'{"id": null}', b"{}", b'{"id": 99999999999999999999}']),
)
cut_off = ids.map(lambda st_id: BrokenRecord(b'{"id": %d, ' % st_id, "cut off"))
pages = st.tuples(st.just("page"), st.lists(good, min_size=1, max_size=4), st.just([]))
odd_pages = st.tuples(
    st.just("page"), st.lists(st.one_of(good, odd), max_size=3), st.lists(cut_off, max_size=1)
)
steps = st.one_of(pages, pages, pages, odd_pages, st.just(("again",)), st.tuples(st.just("gone"), ids))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, min_size=2, max_size=8))
async def test_all_goes_as_if_everything_were_copied_in(
    declared_pool: Pool, monkeypatch: pytest.MonkeyPatch, history: list[Any]
) -> None:
    pool = declared_pool
    monkeypatch.setattr(incoming, "WORTH", 1)
    for _, table, _ in STATES:
        await _empty(pool, table)
    page: tuple[Any, ...] = ([], [])
    for what, *more in history:
        if what == "gone":
            for tenant in (WITH, WITHOUT):
                await rows(pool, GONE, tenant, *more)
            continue
        page = tuple(more) or page  # the last one again
        outcomes = [await merge(pool, tenant, *page) for tenant in (WITH, WITHOUT)]
        assert outcomes[0] == outcomes[1]
        for columns, table, order in STATES:
            query = f"select {columns} from {table} where tenant_id = %s order by {order}"
            assert await rows(pool, query, WITH) == await rows(pool, query, WITHOUT), table


async def _empty(pool: Pool, table: str) -> None:
    async with pool.connection() as connection:
        await connection.execute(f"delete from {table}")


async def test_a_page_that_is_known_is_not_copied_in(
    declared_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "WORTH", 3)
    copied: list[int] = []

    async def counting(connection: Any, records: Any) -> None:
        copied.append(len(records))
        await copy_in(connection, records)

    copy_in = mirror.copy_in
    monkeypatch.setattr(mirror, "copy_in", counting)
    page = encoded(*(document(st_id, status="Open") for st_id in range(1, 5)))
    for _ in range(2):
        outcome = await merge(declared_pool, WITH, page)
    assert (copied, outcome.unchanged) == ([4], 4)
    await merge(declared_pool, WITH, page[:2])  # few: to ask would take longer
    changed = encoded(document(4, status="Completed", modifiedOn="2026-03-01T00:00:00Z"))
    outcome = await merge(declared_pool, WITH, [*page[:3], *changed])
    assert (copied, outcome.updated, outcome.unchanged) == ([4, 2, 1], 1, 3)


def test_what_cannot_be_looked_through_has_no_key() -> None:
    assert incoming._key_of(b'{"id": 1, "in": ' + b"[" * 9000 + b"]" * 9000 + b"}") is None


async def test_an_id_that_is_a_text_may_be_that_of_another_record_of_the_page(
    declared_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "WORTH", 1)
    known = document(1, status="Open")
    await merge(declared_pool, WITH, encoded(known))
    outcome = await merge(declared_pool, WITH, encoded(known | {"id": "1", "status": "Completed"}, known))
    assert (outcome.updated, outcome.unchanged) == (0, 2)  # the later one of the page counts
