"""A process that dies anywhere while it sends: nothing goes out twice, and nothing is lost in silence."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from counter import Counter, mobile

from perfectcatch.messaging import gate
from perfectcatch.model.messaging import Intent, Receipt, Status
from perfectcatch.store.pool import Pool, transaction


class Killed(BaseException):
    """The process is gone: nothing after this happens."""


class Scythe:
    """Ends the process at the n-th moment: before or after a statement, or around the vendor's answer."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.moments = 0

    def pass_by(self) -> None:
        self.moments += 1
        if self.moments == self.at:
            raise Killed


@asynccontextmanager
async def falling(scythe: Scythe, counter: Counter, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    execute = psycopg.AsyncCursor.execute
    carry = counter.carrier.send

    async def cut(self: Any, *args: Any, **more: Any) -> Any:
        scythe.pass_by()
        result = await execute(self, *args, **more)
        scythe.pass_by()
        return result

    async def carried(message: Any) -> Receipt:
        scythe.pass_by()
        receipt = await carry(message)
        scythe.pass_by()
        return receipt

    with patch.context() as inside:
        inside.setattr(psycopg.AsyncCursor, "execute", cut)
        inside.setattr(counter.carrier, "send", carried)
        yield


async def die(counter: Counter, intent: Intent, at: int, patch: pytest.MonkeyPatch) -> bool:
    """Whether the process died, and not after its work."""
    scythe = Scythe(at)
    async with falling(scythe, counter, patch):
        try:
            await gate.send(counter.desk, intent)
        except Killed:
            return True
    return False


async def test_a_death_at_every_moment(counter: Counter, monkeypatch: pytest.MonkeyPatch):
    await counter.customer(7, mobile())
    counter.ruled(texts_per_day=10_000)
    moments = unknown = lost = 0
    for at in range(1, 200):
        intent = counter.intent(customer_id=7)
        before = len(counter.carrier.texts)
        if not await die(counter, intent, at, monkeypatch):
            break
        moments += 1
        first = len(counter.carrier.texts) - before
        decision = await gate.send(counter.desk, intent)  # another process takes it up
        sent = len(counter.carrier.texts) - before
        assert sent <= 1, at
        if decision.status is Status.SENT:
            assert sent == 1
        else:
            assert decision.status is Status.UNKNOWN, at
            unknown += 1
            lost += sent == 0
        assert not (first == 1 and decision.status is Status.SENT and sent == 2)
    assert moments >= 15
    assert 2 <= unknown < moments / 2
    assert lost >= 1  # handed to nobody: the row says unknown, and reading the vendor settles it


async def test_a_commit_whose_answer_was_lost_is_our_own(counter: Counter):
    """The transaction is run again and finds its own row: it goes on, and another one does not."""
    intent = counter.intent()
    attempt = uuid4()
    decide: Callable[..., Any] = gate._decide
    async with transaction(counter.pool) as connection:
        first = await decide(counter.desk, intent, attempt, connection)
    async with transaction(counter.pool) as connection:
        second = await decide(counter.desk, intent, attempt, connection)
    async with transaction(counter.pool) as connection:
        other = await decide(counter.desk, intent, uuid4(), connection)
    assert first.go
    assert (second.go, second.message_id) == (True, first.message_id)
    assert not other.go
    assert other.decision.status is Status.UNKNOWN


async def test_a_connection_that_is_lost_while_deciding(counter: Counter, messages_pool: Pool):
    """The server ends the connection between the statements: the transaction is run again, and sends once."""
    ended = []

    execute = psycopg.AsyncCursor.execute

    async def ending(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        if not ended and b"insert into" in (query if isinstance(query, bytes) else str(query).encode()):
            ended.append(self.connection.info.backend_pid)
            async with messages_pool.connection() as other:
                await other.execute("select pg_terminate_backend(%s, 5000)", (ended[0],))
        return await execute(self, query, *args, **more)

    psycopg.AsyncCursor.execute = ending  # type: ignore[method-assign,assignment]
    try:
        decision = await gate.send(counter.desk, counter.intent())
    finally:
        psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]
    assert ended
    assert decision.status is Status.SENT
    assert len(counter.carrier.texts) == 1
