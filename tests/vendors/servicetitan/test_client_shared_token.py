"""One access token for all processes: fetched by whoever comes first, sealed, and never in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from aiohttp import web
from servicetitan_lab import SECRET, Answer, Bench, Lab, says

from perfectcatch.errors import CredentialsRejected, RateLimited, VendorUnavailable
from perfectcatch.model.tokens import RESTING
from perfectcatch.store.pool import Pool
from perfectcatch.store.shared_token import POLL_SECONDS, WAIT_SECONDS, SharedToken
from perfectcatch.vendors.servicetitan.auth import PER_MINUTE
from perfectcatch.vendors.servicetitan.client import Client
from perfectcatch.vendors.servicetitan.transport import INTERACTIVE


def slowly(answer: Answer, seconds: float = 0.1) -> Answer:
    async def later(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await answer(request)

    return later


INVALID = says({"error": "invalid_client"}, 400)
Another = Callable[[], Client]


def shelf(pool: Pool, bench: Bench, *, tenant: int = 7, secret: str = SECRET) -> SharedToken:
    url, client_id = bench.lab.auth_url, "canary-client-id"
    return SharedToken(pool, bench.clock, tenant, "servicetitan", url=url, client_id=client_id, secret=secret)


@pytest.fixture
async def another(tables: Pool, bench: Bench) -> AsyncIterator[Another]:
    """Makes the client of another process, as far as this one can be it."""
    made: list[Client] = []

    def make() -> Client:
        made.append(bench.client(shelf=shelf(tables, bench)))
        return made[-1]

    yield make
    for client in made:
        await client.__aexit__(None, None, None)


async def advisory_locks(pool: Pool) -> int:
    async with pool.connection() as connection:
        found = await connection.execute("select count(*) from pg_locks where locktype = 'advisory'")
        [number] = await found.fetchone() or [0]
    return int(number)


async def at_once(clients: list[Client]) -> None:
    await asyncio.gather(*(client.call("crm.customers.list") for client in clients))


async def test_four_processes_fetch_one_token_and_renew_it_once(lab: Lab, another: Another) -> None:
    clients = [another() for _ in range(4)]
    await at_once(clients)
    assert len(lab.token_calls) == 1
    for ended in range(1, 11):
        lab.accepted.clear()
        await at_once(clients)
        assert len(lab.token_calls) == 1 + ended


async def test_a_process_that_comes_later_asks_for_none(lab: Lab, another: Another) -> None:
    await another().call("crm.customers.list")
    await another().call("crm.customers.list")
    assert (len(lab.token_calls), len(lab.api)) == (1, 2)


async def test_how_long_it_is_good_is_told_by_the_database(
    tables: Pool, bench: Bench, lab: Lab, another: Another
) -> None:
    await another().call("crm.customers.list")
    bench.clock.advance(86_400)  # a host whose clock is a day ahead
    await another().call("crm.customers.list")
    kept = await shelf(tables, bench).read()
    assert kept is not None
    assert 800 < kept.seconds <= 840  # a minute less than the vendor gave
    assert len(lab.token_calls) == 1
    async with tables.connection() as connection:
        await connection.execute("update integrations.oauth_tokens set expires_at = clock_timestamp()")
    assert await shelf(tables, bench).read() is None
    await another().call("crm.customers.list")
    assert len(lab.token_calls) == 2


async def test_tokens_that_ended_elsewhere_do_not_blame_the_key(lab: Lab, another: Another) -> None:
    """However many a process reads that ended before it could use them."""
    late, quick = another(), another()
    for _ in range(6):
        await quick.call("crm.customers.list")
        tokens = late._transport.tokens
        assert tokens.invalidate(await tokens.get())
        lab.accepted.clear()
    await late.call("crm.customers.list")


async def test_refused_credentials_are_found_out_by_each_process_once(lab: Lab, another: Another) -> None:
    lab.token_otherwise = INVALID
    for client in (another(), another()):
        for _ in range(5):
            with pytest.raises(CredentialsRejected, match="SERVICE_TITAN_CLIENT_ID"):
                await client.call("crm.customers.list")
    assert len(lab.token_calls) == 2
    lab.token_otherwise = None
    await another().call("crm.customers.list")
    assert len(lab.token_calls) == 3


async def test_the_token_lies_there_sealed(tables: Pool, bench: Bench, another: Another) -> None:
    await another().call("crm.customers.list")
    async with tables.connection() as connection:
        row = await (
            await connection.execute("select t::text, sealed from integrations.oauth_tokens t")
        ).fetchone()
        assert row is not None
        assert b"canary" not in bytes(row[1])
        assert "canary" not in row[0]
        # Copied to another company it does not open.
        await connection.execute(
            "insert into integrations.oauth_tokens select 8, system, account, sealed, expires_at "
            "from integrations.oauth_tokens"
        )
    kept = await shelf(tables, bench).read()
    assert kept is not None
    assert kept.text == "canary-token-1"
    assert kept.text not in repr(kept)
    assert await shelf(tables, bench, secret="another secret").read() is None
    assert await shelf(tables, bench, tenant=8).read() is None


async def test_without_a_table_or_a_database_each_process_has_its_own(
    pool: Pool, bench: Bench, lab: Lab
) -> None:
    client = bench.client(shelf=shelf(pool, bench))
    await client.call("crm.customers.list")
    await pool.close()
    lab.accepted.clear()
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 2


async def test_a_process_that_hangs_is_waited_for_only_so_long(
    tables: Pool, bench: Bench, lab: Lab, another: Another
) -> None:
    async with shelf(tables, bench).alone(()):
        before = bench.clock.monotonic()
        await another().call("crm.customers.list")
        assert WAIT_SECONDS <= bench.clock.monotonic() - before < WAIT_SECONDS + 1
    assert len(lab.token_calls) == 1
    before = bench.clock.monotonic()
    lab.accepted.clear()
    await another().call("crm.customers.list")
    assert bench.clock.monotonic() - before < 1


async def test_one_try_that_failed_is_enough_for_all(
    tables: Pool, bench: Bench, lab: Lab, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for it begins with a pause, as if he had tried himself."""
    waits, slept = asyncio.Event(), bench.clock.slept

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        waits.set()
        await asyncio.sleep(0.01)

    monkeypatch.setattr(bench.clock, "sleep", sleep)
    async with shelf(tables, bench).alone(()) as turn:
        waiting = asyncio.create_task(another().call("crm.customers.list"))
        await waits.wait()
        assert not turn.others_failed
    await waiting
    assert len(lab.token_calls) == 1
    assert slept[-1] not in (0.0, POLL_SECONDS)


async def test_a_process_that_paces_itself_keeps_nobody_waiting(
    tables: Pool, bench: Bench, lab: Lab, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    sleep = bench.clock.sleep

    async def looking(seconds: float) -> None:
        if seconds > 10:
            held.append(await advisory_locks(tables))
        await sleep(seconds)

    monkeypatch.setattr(bench.clock, "sleep", looking)
    hasty = another()
    for _ in range(PER_MINUTE + 1):
        await hasty.call("crm.customers.list")
        lab.accepted.clear()
    assert held == [0]


async def test_the_first_token_that_is_kept_ends_the_wait_of_all(
    tables: Pool, bench: Bench, lab: Lab, another: Another
) -> None:
    kept = shelf(tables, bench)
    async with kept.alone(()):  # by a process that hangs
        waiting = asyncio.create_task(another().call("crm.customers.list"))
        before = bench.clock.monotonic()
        lab.accepted = {"from elsewhere"}
        await kept.keep("from elsewhere", 100)
        await waiting
        assert bench.clock.monotonic() - before < 1
    assert not lab.token_calls


async def test_a_try_that_is_cancelled_leaves_no_lock(tables: Pool, bench: Bench) -> None:
    async def hold() -> None:
        async with shelf(tables, bench).alone(()):
            await asyncio.Event().wait()

    for turns in range(40):
        holding = asyncio.create_task(hold())
        for _ in range(turns):
            await asyncio.sleep(0)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    assert await advisory_locks(tables) == 0


async def test_without_rights_nobody_queues(tables: Pool, bench: Bench, lab: Lab, another: Another) -> None:
    async with tables.connection() as connection:
        await connection.execute("drop table integrations.oauth_tokens")
    async with shelf(tables, bench).alone(()):
        before = bench.clock.monotonic()
        await another().call("crm.customers.list")
        assert bench.clock.monotonic() == before


async def test_a_person_waits_for_a_token_no_longer_than_for_the_call(
    tables: Pool, bench: Bench, lab: Lab
) -> None:
    lab.token_otherwise = slowly(says(None, 503), 5.0)
    rules = replace(INTERACTIVE, total=0.2)
    client = bench.client(shelf=shelf(tables, bench), interactive_rules=rules)
    with pytest.raises(VendorUnavailable, match=r"no access token within 0\.2 s"):
        await client.call("crm.customers.list", interactive=True)
    await client.__aexit__(None, None, None)


async def test_one_that_is_told_to_slow_down_is_told_for_all(
    bench: Bench, lab: Lab, another: Another
) -> None:
    lab.token_answers.append(says(None, 429, Retry_After="30"))
    clients = [another() for _ in range(4)]
    with pytest.raises(RateLimited):
        await clients[0]._transport.tokens._try(1)
    for client in clients:
        with pytest.raises(RateLimited) as caught:
            await client._transport.tokens._try(1)
        assert caught.value.after_seconds == pytest.approx(30, abs=5)
    assert len(lab.token_calls) == 1


async def test_a_database_that_is_stuck_keeps_no_token_back(
    tables: Pool, bench: Bench, lab: Lab, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectcatch.store.shared_token._ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("perfectcatch.store.shared_token.SOON", 0.5)
    async with tables.connection() as connection, connection.transaction():
        await connection.execute("lock table integrations.oauth_tokens in access exclusive mode")
        async with asyncio.timeout(10):
            await another().call("crm.customers.list")
    assert len(lab.token_calls) == 1


async def test_a_connection_that_broke_while_the_vendor_was_asked_loses_no_token(
    tables: Pool, bench: Bench
) -> None:
    kept = shelf(tables, bench)
    async with kept.alone(()) as turn:
        async with tables.connection() as connection:
            await connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory'"
            )
        await turn.keep("a token", 100)
    access = await kept.read()
    assert access is not None
    assert access.text == "a token"


async def test_nobody_is_told_to_rest_without_the_lock(tables: Pool, bench: Bench) -> None:
    kept = shelf(tables, bench)
    await kept.keep("a token", 100)
    await kept.keep(RESTING, 100)
    access = await kept.read()
    assert access is not None
    assert access.text == "a token"


async def test_an_empty_token_is_none(lab: Lab, another: Another) -> None:
    lab.token_answers.append(says({"access_token": "", "expires_in": 86_400}))
    await another().call("crm.customers.list")
    assert len(lab.token_calls) == 2
