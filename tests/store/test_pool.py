"""Addresses as people write them, and what a wrong one says."""

import asyncio
import os
import shutil
import socket
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from perfectcatch.errors import (
    BadSetting,
    Crash,
    DatabaseUnavailable,
    DiskFull,
    PerfectCatchError,
    PrivilegeMissing,
    SchemaDiffers,
    StatementStopped,
)
from perfectcatch.kit.clock import FakeClock
from perfectcatch.store.address import parse
from perfectcatch.store.pool import (
    ANEW_SECONDS,
    Connection,
    Pool,
    conninfo_of,
    open_pool,
    plain_errors,
    run_in_transaction,
    transaction,
    unhurried,
)
from perfectcatch.store.server.embedded import Server, embedded

PASSWORDS = [
    "plain",
    "p@ss",
    "p@ss@word",
    "a:b",
    "a/b",
    "5432/x",
    "s?x",
    "a#b",
    "p@s?x=1/y",
    "50%sure",
    "it's \\ back",
    "ünïcode",
    "a&b=c",
    "[::1]",
    "a b",
]


def parts(url: str) -> dict[str, object]:
    return dict(conninfo_to_dict(parse(url).conninfo))


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("tail", ["host:5432/db", "host/db?sslmode=require", "host", "10.0.0.1:6432/db"])
def test_a_password_needs_no_escaping(password: str, tail: str) -> None:
    found = parts(f"postgresql://user:{password}@{tail}")
    assert (found["user"], found["password"]) == ("user", password)
    assert found["host"] in ("host", "10.0.0.1")
    assert found.get("sslmode") == ("require" if "sslmode" in tail else None)


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_may_be_escaped(password: str) -> None:
    found = parts(f"postgres://us%40er:{quote(password, safe='')}@host:5432/my%2Fdb")
    assert (found["user"], found["password"], found["dbname"]) == ("us@er", password, "my/db")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:p@h:1/d", "user=u password=p host=h port=1 dbname=d"),
        ("postgresql://h/d", "host=h dbname=d"),
        ("postgresql:///d", "dbname=d"),
        ("postgresql://u@/d?host=/run/pg&port=7", "user=u dbname=d host=/run/pg port=7"),
        ("postgresql://u:p@[::1]:5/d", "user=u password=p host=::1 port=5 dbname=d"),
        ("postgresql://u:p@a:1,b:2/d", "user=u password=p host=a,b port=1,2 dbname=d"),
        (
            "postgresql://u:p@h/d?application_name=a@b",
            "user=u password=p host=h dbname=d application_name=a@b",
        ),
        ("postgresql://h/d?user=me@x", "host=h dbname=d user=me@x"),
        ("postgresql://u:p@h/d?ssl=true", "user=u password=p host=h dbname=d sslmode=require"),
        ("  postgresql://h/d\n", "host=h dbname=d"),
    ],
)
def test_the_forms_of_an_address(url: str, expected: str) -> None:
    assert parts(url) == conninfo_to_dict(expected)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:secret@h/d", "must begin with postgresql://"),
        ("u:secret@h/d", "must begin with postgresql://"),
        ("postgresql://u:secret@h:99999/d", "ports go from 1 to 65535"),
        ("postgresql://u:secret@h:0/d", "ports go from 1 to 65535"),
        ("postgresql://u:secret@h/d?schema=x", "the option schema"),
        ("postgresql://u:secret@s?secret=1@h:port/d", "an option"),
        ("postgresql://u:secret@h:port/d", "cannot be read"),
        ("postgresql://u:secret@h h/d", "cannot be read"),
    ],
)
def test_a_wrong_address_is_one_sentence_without_the_password(url: str, says: str) -> None:
    with pytest.raises(BadSetting, match=says) as caught:
        parse(url)
    assert "DATABASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def changed(server: Server, **new: str) -> str:
    """The server's TCP address with another user, password or database."""
    now = urlsplit(server.tcp_url)
    user, password = new.get("user", now.username), new.get("password", now.password)
    return f"postgresql://{user}:{password}@127.0.0.1:{now.port}/{new.get('database', 'perfectcatch')}"


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ({"password": "wr@ng-secret"}, "the user or the password is wrong"),
        ({"user": "nobody_here", "password": "secret"}, "the user or the password is wrong"),
        ({"database": "not_there"}, "create the database"),
    ],
)
async def test_a_refused_login_names_the_setting(database: Server, new: dict[str, str], says: str) -> None:
    with pytest.raises(BadSetting, match=says) as caught:
        async with open_pool(changed(database, **new)):
            pass
    said = str(caught.value)
    assert said.startswith("DATABASE_URL (")
    assert "secret" not in said
    assert str(urlsplit(database.tcp_url).password) not in said


async def test_an_unreachable_server_may_come_back() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://u:hidden@127.0.0.1:{nobody.getsockname()[1]}/d"
        with pytest.raises(DatabaseUnavailable, match=r"DATABASE_URL .* cannot be reached") as caught:
            async with open_pool(url):
                pass
    assert "hidden" not in str(caught.value)


async def test_a_real_password_with_an_at_sign(database: Server, fresh_database: str, pool: Pool) -> None:
    name = urlsplit(fresh_database).path.strip("/")
    async with pool.connection() as connection:
        await connection.execute("drop role if exists at_sign")
        await connection.execute("create role at_sign login password 'p@ss/w:rd?'")
    try:
        url = changed(database, user="at_sign", password="p@ss/w:rd?", database=name)
        async with open_pool(url) as own, own.connection() as connection:
            found = await connection.execute("select current_user, current_setting('timezone')")
            assert await found.fetchone() == ("at_sign", "UTC")
    finally:
        async with pool.connection() as connection:
            await connection.execute("drop role at_sign")


async def test_a_transaction_is_all_or_nothing(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("create table t (n int)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with transaction(pool) as connection:
            await connection.execute("insert into t values (1); select 1 / 0")
    async with transaction(pool) as connection:
        await connection.execute("insert into t values (2)")
    async with pool.connection() as connection:
        assert await (await connection.execute("select n from t")).fetchall() == [(2,)]


async def test_a_deadlock_is_run_again(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("create table t (id int primary key, n int)")
        await connection.execute("insert into t values (1, 0), (2, 0)")
    both = asyncio.Barrier(2)
    attempts = []

    async def work(connection: Connection, first: int, second: int) -> None:
        attempts.append(first)
        await connection.execute("set local deadlock_timeout = '20ms'")
        await connection.execute("update t set n = n + 1 where id = %s", (first,))
        if len(attempts) <= 2:
            await both.wait()
        await connection.execute("update t set n = n + 1 where id = %s", (second,))

    clock = FakeClock()
    await asyncio.gather(
        run_in_transaction(pool, lambda connection: work(connection, 1, 2), clock=clock),
        run_in_transaction(pool, lambda connection: work(connection, 2, 1), clock=clock),
    )
    assert len(attempts) == 3
    assert len(clock.slept) == 1
    async with pool.connection() as connection:
        assert await (await connection.execute("select n from t order by id")).fetchall() == [(2,), (2,)]


async def test_serialization_failures_end_after_a_bounded_number(pool: Pool) -> None:
    attempts = []

    async def work(connection: Connection) -> None:
        attempts.append(1)
        raise psycopg.errors.SerializationFailure

    with pytest.raises(DatabaseUnavailable, match="other transactions were in the way"):
        await run_in_transaction(pool, work, clock=FakeClock())
    assert len(attempts) == 8


async def test_a_lock_that_is_taken_is_asked_for_again(pool: Pool) -> None:
    attempts = []
    async with pool.connection() as connection:
        await connection.execute("create table t (n int)")

    async def work(connection: Connection) -> None:
        attempts.append(1)
        await connection.execute("set local lock_timeout = '10ms'")
        if len(attempts) == 3:
            await holder.commit()
        await connection.execute("lock table t")

    async with await psycopg.AsyncConnection.connect(conninfo_of(pool)) as holder:
        await holder.execute("lock table t")
        await run_in_transaction(pool, work, clock=FakeClock())
    assert len(attempts) == 3


async def test_a_transaction_whose_connection_is_lost_is_run_again(pool: Pool) -> None:
    attempts = []
    async with pool.connection() as connection:
        await connection.execute("create table t (n int)")

    async def work(connection: Connection) -> str:
        attempts.append(1)
        await connection.execute("insert into t values (1)")
        if len(attempts) <= 2:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        return "done"

    clock = FakeClock()
    assert await run_in_transaction(pool, work, clock=clock) == "done"
    assert len(attempts) == 3
    assert len(clock.slept) == 2
    async with pool.connection() as connection:
        assert await (await connection.execute("select n from t")).fetchall() == [(1,)]


async def test_a_connection_that_is_lost_for_ever_is_given_up_after_ten_seconds(pool: Pool) -> None:
    clock = FakeClock()

    async def work(connection: Connection) -> None:
        clock.advance(1.0)
        raise psycopg.errors.AdminShutdown("terminating connection")

    with pytest.raises(DatabaseUnavailable, match="terminating connection"):
        await run_in_transaction(pool, work, clock=clock)
    assert 5 <= clock.monotonic() <= 12


async def test_a_standby_is_left_for_whoever_takes_changes_now(pool: Pool) -> None:
    lent = []

    async def write() -> None:
        async with pool.connection() as connection:
            lent.append(connection)
            await connection.execute("set default_transaction_read_only = on")
            await connection.execute("create table t (n int)")

    with pytest.raises(DatabaseUnavailable, match="takes no changes right now"):
        await write()
    assert lent[0].closed


@pytest.mark.parametrize(
    ("statement", "error", "says"),
    [
        ("set statement_timeout = '10ms'; select pg_sleep(5)", StatementStopped, "took too long"),
        (
            "set transaction read only; create table t ()",
            DatabaseUnavailable,
            "takes no changes",
        ),
        ("select 1 from not_there", SchemaDiffers, r"not_there.*perfectcatch db migrate"),
        ("select not_there", SchemaDiffers, "not_there"),
        ("select not_there(1)", SchemaDiffers, "not_there"),
        ("selec 1", Crash, "syntax error"),
        (
            "set role pg_monitor; create schema mine",
            PrivilegeMissing,
            "role perfectcatch may not .*permission",
        ),
        ("do $$ begin raise 'broken' using detail = 'd1', hint = 'h1'; end $$", Crash, "broken$"),
        ("do $$ begin raise 'x' using errcode = '53100', hint = 'h1'; end $$", DiskFull, "disk is full"),
        (
            "do $$ begin raise 'x' using errcode = '53300'; end $$",
            DatabaseUnavailable,
            "run out of something: x",
        ),
    ],
)
async def test_what_the_server_says_becomes_one_sentence(
    pool: Pool, statement: str, error: type[PerfectCatchError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        async with pool.connection() as connection:
            await connection.execute(statement.encode())
    assert type(caught.value) is error
    said = str(caught.value)
    assert "\n" not in said
    assert not {"LINE", "DETAIL", "HINT", "d1", "h1"} & set(said.replace(":", " ").split())


@pytest.mark.parametrize("code", ["22003", "22P02", "23502", "54000", "54001"])
def test_what_does_not_fit_passes_as_it_is(code: str) -> None:
    error = psycopg.errors.lookup(code)
    with pytest.raises(error), plain_errors():
        raise error


async def test_a_connection_that_goes_silent_is_noticed(fresh_database: str) -> None:
    async with open_pool(fresh_database + "&keepalives_idle=7") as pool:
        given = conninfo_to_dict(conninfo_of(pool))
    assert given["keepalives"] == "1"
    assert given["keepalives_idle"] == "7"


async def test_a_connection_that_the_server_closed_is_not_lent(pool: Pool) -> None:
    async with pool.connection() as connection:
        pid = connection.info.backend_pid
    async with await psycopg.AsyncConnection.connect(conninfo_of(pool), autocommit=True) as other:
        await other.execute("select pg_terminate_backend(%s, 5000)", (pid,))
    async with pool.connection() as connection:
        assert connection.info.backend_pid != pid
        await connection.execute("select 1")


async def test_a_connection_lost_in_the_middle_may_be_tried_again(pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailable, match="connection to the database was lost"):
        async with transaction(pool) as connection:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")


async def test_a_borrowers_mode_does_not_stay(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.set_autocommit(False)
    async with pool.connection() as connection:
        assert connection.autocommit


def test_the_socket_url_is_read_back(database: Server) -> None:
    found = parts(database.url)
    assert found["host"] == parse_qs(urlsplit(database.url).query)["host"][0]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "tail", ["host:5432/db", "[::1]:5/d?sslmode=require", "a:1,b:2/d", "/d?host=/run/pg&port=7"]
)
def test_an_address_is_written_as_it_was_read(password: str, tail: str) -> None:
    address = parse(f"postgresql://us%40er:{quote(password, safe='')}@{tail}")
    assert parse(address.url()) == address
    assert conninfo_to_dict(parse(address.url(database="other")).conninfo)["dbname"] == "other"
    without = conninfo_to_dict(parse(address.url(password=False)).conninfo)
    assert without == {k: v for k, v in conninfo_to_dict(address.conninfo).items() if k != "password"}


async def test_when_every_idle_connection_is_gone_the_next_borrower_hardly_waits(fresh_database: str) -> None:
    async with open_pool(fresh_database, max_size=8) as pool:
        async with AsyncExitStack() as held:
            for _ in range(8):
                await held.enter_async_context(pool.connection())
        async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as other:
            await other.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        async with asyncio.timeout(10), pool.connection() as connection:
            await connection.execute("select 1")


@pytest.mark.parametrize("turns", range(8))
async def test_a_borrower_who_is_cancelled_in_the_turn_that_serves_him_ends(
    fresh_database: str, turns: int
) -> None:
    """Otherwise a worker that was told to end while it waited would work for ever."""
    async with open_pool(fresh_database, max_size=1) as pool:

        async def borrow() -> None:
            async with pool.connection():
                pass
            await asyncio.Event().wait()

        async with pool.connection():
            borrower = asyncio.create_task(borrow())
            while not pool.get_stats().get("requests_waiting"):  # noqa: ASYNC110 - the loop turns
                await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        borrower.cancel()
        await asyncio.wait([borrower], timeout=5)
        assert borrower.cancelled()
        async with pool.connection(1):
            pass


async def test_a_server_that_comes_back_is_found_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it was away: the waits between two tries are looked at, and passed over."""
    waits: list[float] = []
    enough = asyncio.Event()
    schedule = Pool.schedule_task

    async def at_once(pool: Pool, task: Any, wait: float) -> None:
        if type(task).__name__ == "AddConnection":
            waits.append(wait)
            if len(waits) > 40:  # with waits that double, minutes
                enough.set()
            wait = 0.01
        await schedule(pool, task, wait)

    place = Path(tempfile.mkdtemp(prefix="pc-pool-", dir="/tmp"))
    os.chmod(place, 0o755)  # noqa: PTH101 - no method of Path in a coroutine
    monkeypatch.setattr(Pool, "schedule_task", at_once)
    try:
        async with AsyncExitStack() as stack, AsyncExitStack() as first:
            server = await first.enter_async_context(embedded(place))
            pool = await stack.enter_async_context(open_pool(server.url, max_size=4))
            async with AsyncExitStack() as borrowed:
                for _ in range(4):
                    await borrowed.enter_async_context(pool.connection())
            await first.aclose()
            with pytest.raises(DatabaseUnavailable):
                async with pool.connection(0.1):
                    pass
            await enough.wait()
            assert max(waits) <= ANEW_SECONDS
            await stack.enter_async_context(embedded(place))
            async with pool.connection() as connection:
                await connection.execute("select 1")
    finally:
        shutil.rmtree(place)


async def test_a_lost_connection_does_not_hide_why_the_work_was_given_up(pool: Pool) -> None:
    async def given_up() -> None:
        async with unhurried(pool) as connection:
            await ended_by_the_server(pool, connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await given_up()
    async with unhurried(pool) as connection:
        row = await (await connection.execute("show synchronous_commit")).fetchone()
    assert row == ("off",)
    async with pool.connection() as connection:
        row = await (await connection.execute("show synchronous_commit")).fetchone()
    assert row == ("on",)


async def ended_by_the_server(pool: Pool, connection: Connection) -> None:
    async with pool.connection() as another:
        await another.execute("select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
