"""Whoever takes so many of what waits takes no more, however PostgreSQL plans it.

A sub-query with a limit that locks its rows may be run once for every row of the table beside it, and each
time it passes over what it has locked before: then everything is taken. So it is planned for a table that
was looked at when it had a single row.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from databases import new_database
from perfectcatch.store import inbox
from perfectcatch.store.deals import queue
from perfectcatch.store.names import DEAL_QUEUE, INSTANCES, TIMERS, WEBHOOKS
from perfectcatch.store.pool import Pool, open_pool, transaction
from perfectcatch.store.server.embedded import Server
from perfectcatch.store.workflows import instances

LIMIT, NUMBER = 4, 30


@pytest.fixture
async def fresh(database: Server, migrated: str) -> AsyncIterator[Pool]:
    async with new_database(database, migrated) as url, open_pool(url) as pool:
        yield pool


async def fill(pool: Pool, table: str, columns: str, values: str) -> None:
    """Put thirty rows into a table that the planner takes for one of a single row. ``n``: a row's number."""
    insert = f"insert into {table} ({columns}) select {values} from generate_series(%s::int, %s) n"
    async with pool.connection() as connection:
        await connection.execute(insert, (1, 1))
        await connection.execute(f"analyze {table}")
        await connection.execute(insert, (2, NUMBER))


async def test_timers_that_are_due(fresh: Pool) -> None:
    await fill(
        fresh,
        INSTANCES,
        "tenant_id, workflow_definition_id, workflow, key, shadow, status, priority, step, entered_at,"
        " trigger, started_at",
        "7, 1, 'w', n, false, 'sleeping', 1, 's', now(), '{}', now()",
    )
    await fill(fresh, TIMERS, "tenant_id, workflow_instance_id, due_at", "7, n, now()")
    async with transaction(fresh) as connection:
        assert len(await instances.due(connection, 7, datetime.now(UTC), limit=LIMIT)) == LIMIT


async def test_deals(fresh: Pool) -> None:
    await fill(fresh, DEAL_QUEUE, "tenant_id, st_customer_id, reasons", "7, n, '{}'")
    assert len(await queue.claim(fresh, 7, limit=LIMIT, seconds=60)) == LIMIT


@pytest.mark.parametrize(
    ("claim", "more", "hints"),
    [
        (inbox.claim, [["jobs"]], '[{"entity": "jobs", "st_id": 1}]'),
        (inbox.claim_of_messages, [], "[]"),
        (inbox.claim_of_source, ["vendor"], '[{"entity": "jobs", "st_id": 1}]'),
    ],
)
async def test_webhooks(
    fresh: Pool, claim: Any, more: list[Any], hints: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_AT_ONCE", LIMIT)
    limit = {"limit": LIMIT} if claim is inbox.claim_of_messages else {}
    columns = "tenant_id, source, identity, event_type, headers, body, hints, state"
    await fill(fresh, WEBHOOKS, columns, f"7, 'vendor', n, 'e', '{{}}', '', '{hints}', 'waiting'")
    assert len(await claim(fresh, 7, *more, **limit)) == LIMIT


async def test_jobs_that_are_cleaned_away(fresh: Pool) -> None:
    columns = "queue_name, task_name, args, status"
    await fill(fresh, "public.procrastinate_jobs", columns, "'q', 't', '{}', 'cancelled'")
    async with fresh.connection() as connection:
        await connection.execute("delete from public.procrastinate_events")
        found = await connection.execute("select public.job_engine_clean('1 hour', %s)", (LIMIT,))
        assert await found.fetchone() == (LIMIT,)
