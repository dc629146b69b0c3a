"""The job engine on a real PostgreSQL: what is promised in ``store.jobs``, one test for each promise."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from structlog.testing import capture_logs

from databases import new_database
from perfectcatch.errors import BadArgument, Crash, DatabaseUnavailable, Refused, Retry, SchemaDiffers
from perfectcatch.kit.clock import SystemClock
from perfectcatch.kit.cron import parse
from perfectcatch.kit.retry import Rules
from perfectcatch.store.jobs.queue import ONCE, TABLES, Jobs, Order, Pace, Run, install, open_jobs
from perfectcatch.store.jobs.ticker import Schedule, Ticker, due
from perfectcatch.store.jobs.worker import clean, reap
from perfectcatch.store.server.embedded import Server

NEW_YORK = ZoneInfo("America/New_York")
QUICK = Pace(heartbeat=0.1, stalled_after=1.0, reap=0.1, poll=0.1)
SOON = Rules(attempts=3, first_wait=0.01, longest_wait=0.02)

Connection = psycopg.AsyncConnection[Any]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """Our log. The default one renders a traceback for longer than these workers may be silent."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
async def connection(fresh_database: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as opened:
        await install(opened)
        yield opened


@pytest.fixture
async def jobs(fresh_database: str, connection: Connection) -> AsyncIterator[Jobs]:
    async with open_jobs(fresh_database) as opened:
        yield opened


async def rows(connection: Connection, query: Any, *values: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()


async def statuses(connection: Connection) -> list[str]:
    return [row[0] for row in await rows(connection, "select status from procrastinate_jobs order by id")]


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not (await answer if asyncio.iscoroutine(answer := holds()) else answer):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def working(
    jobs: Jobs, *, grace_seconds: float = 5, pace: Pace = QUICK, concurrency: int = 5
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(
        jobs.work(stop, queues=["default"], grace_seconds=grace_seconds, pace=pace, concurrency=concurrency)
    )
    try:
        yield
    finally:
        stop.set()
        await task


async def take(connection: Connection) -> tuple[int, int]:
    """Fetch a job as a worker does that was never heard of again: the ids of the worker and of the job."""
    [(worker,)] = await rows(
        connection,
        "insert into procrastinate_workers values (default, now() - interval '1 hour') returning id",
    )
    [(job,)] = await rows(connection, "select id from procrastinate_fetch_job_v2(null, %s)", worker)
    return worker, job


# Installation ----------------------------------------------------------------------------------

SHAPE = """
    select 'column', table_name::text, column_name::text, data_type::text || is_nullable
        from information_schema.columns where table_schema = 'public'
    union all select 'index', tablename::text, '', regexp_replace(indexdef, '^.* INDEX [^ ]+ ', '')
        from pg_indexes where schemaname = 'public'
    union all select 'function', proname::text, pg_get_function_arguments(oid), ''
        from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'trigger', tgrelid::regclass::text, tgname::text, ''
        from pg_trigger where not tgisinternal
    union all select 'enum', enumtypid::regtype::text, enumlabel::text, '' from pg_enum
    order by 1, 2, 3, 4
"""


async def test_installing_again_changes_nothing(connection: Connection) -> None:
    before = await rows(connection, SHAPE), await rows(connection, "select * from job_engine_versions")
    await install(connection)
    assert (
        await rows(connection, SHAPE),
        await rows(connection, "select * from job_engine_versions"),
    ) == before


async def test_the_indexes_are_there_and_the_queue_is_not_analysed(connection: Connection) -> None:
    found = await rows(connection, "select indexname from pg_indexes where tablename = 'procrastinate_jobs'")
    assert {("job_engine_lock",), ("job_engine_scheduled_at",)} <= set(found)
    # Statistics of an empty queue make fetching four times slower. -1: never analysed.
    assert await rows(connection, "select reltuples from pg_class where relname = 'procrastinate_jobs'") == [
        (-1,)
    ]


async def test_the_tables_that_a_schema_check_leaves_out(connection: Connection) -> None:
    found = await rows(connection, "select tablename from pg_tables where schemaname = 'public'")
    assert {row[0] for row in found} == TABLES


async def test_two_that_install_at_once(fresh_database: str) -> None:
    async def one() -> None:
        async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as opened:
            await install(opened)

    await asyncio.gather(one(), one(), one())


async def test_an_upgrade_ends_like_a_new_installation(database: Server, connection: Connection) -> None:
    folder = resources.files("procrastinate.sql") / "migrations"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    old = [file for file in files if file.name.endswith(".sql") and file.name < "03.02"]
    async with (
        new_database(database) as url,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as former,
    ):
        for file in old:
            await former.execute(file.read_bytes())
        await former.execute(
            "create table job_engine_versions (name text primary key, applied_at timestamptz)"
        )
        for file in old:
            await former.execute(
                "insert into job_engine_versions values (%s)", (file.name.removesuffix(".sql"),)
            )
        await install(former)
        by_upgrade = {row for row in await rows(former, SHAPE) if "job_engine_versions" not in row}
    # Functions of older versions may stay, for workers that are not restarted yet.
    missing = {row for row in await rows(connection, SHAPE) if "job_engine_versions" not in row} - by_upgrade
    assert missing == set()


async def test_a_database_with_another_programs_queue_is_left_alone(fresh_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as opened:
        await opened.execute("create table procrastinate_jobs (id bigint)")
        with pytest.raises(SchemaDiffers, match="another program"):
            await install(opened)


async def test_a_transaction_of_the_caller_is_refused(fresh_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_database) as opened:
        with pytest.raises(Crash, match="autocommit"):
            await install(opened)


async def test_no_database_no_queue() -> None:
    with pytest.raises(DatabaseUnavailable):
        await open_jobs("postgresql://127.0.0.1:1/nothing", patience=0.2).__aenter__()


# Jobs ------------------------------------------------------------------------------------------


async def nothing(_run: Run) -> None:
    pass


async def test_a_job_belongs_to_the_callers_transaction(
    fresh_database: str, jobs: Jobs, connection: Connection
) -> None:
    jobs.task("a", nothing)
    async with await psycopg.AsyncConnection.connect(fresh_database) as caller:
        assert await jobs.defer(Order(name="a"), connection=caller)
        await jobs.defer_many([Order(name="a"), Order(name="a")], connection=caller)
        await caller.rollback()
        assert await statuses(connection) == []
        await jobs.defer(Order(name="a"), connection=caller)
        await jobs.defer_many([Order(name="a"), Order(name="a")], connection=caller)
        await caller.commit()
        assert await statuses(connection) == ["todo"] * 3


async def test_a_refused_job_does_not_spoil_the_callers_transaction(
    fresh_database: str, jobs: Jobs, connection: Connection
) -> None:
    jobs.task("a", nothing)
    async with await psycopg.AsyncConnection.connect(fresh_database) as caller:
        assert await jobs.defer(Order(name="a", queueing_lock="one"), connection=caller)
        assert await jobs.defer(Order(name="a", queueing_lock="one"), connection=caller) is None
        assert await jobs.defer(Order(name="a", queueing_lock="two"), connection=caller)
        await caller.commit()
    assert await statuses(connection) == ["todo"] * 2


async def test_what_cannot_be_deferred_is_refused_at_once(jobs: Jobs) -> None:
    jobs.task("a", nothing)
    with pytest.raises(BadArgument, match="no task called 'b'"):
        await jobs.defer(Order(name="b"))
    with pytest.raises(BadArgument, match="two tasks called 'a'"):
        jobs.task("a", nothing)
    with pytest.raises(BadArgument, match="queueing lock"):
        await jobs.defer_many([Order(name="a", queueing_lock="one")])


async def test_a_job_is_done_and_gone(
    jobs: Jobs, connection: Connection, lines: list[MutableMapping[str, Any]]
) -> None:
    done: list[tuple[Any, ...]] = []

    async def add(run: Run, *, to: int, text: str) -> None:
        done.append((run.name, run.attempt, run.tick, to, text))

    jobs.task("add", add)
    async with working(jobs):
        await jobs.defer(Order(name="add", arguments={"to": 7, "text": "é"}))
        await until(lambda: done)
        await until(lambda: is_empty(connection))
    assert done == [("add", 1, None, 7, "é")]
    assert [(line["event"], line["task"]) for line in lines if line["log_level"] == "info"] == [
        ("run done", "add")
    ]


async def is_empty(connection: Connection) -> bool:
    return not await statuses(connection)


async def test_a_job_for_later_waits(jobs: Jobs) -> None:
    done: list[float] = []

    async def add(_run: Run) -> None:
        done.append(asyncio.get_running_loop().time())

    jobs.task("add", add)
    async with working(jobs):
        began = asyncio.get_running_loop().time()
        await jobs.defer(Order(name="add", at=datetime.now(UTC) + timedelta(seconds=0.4)))
        await until(lambda: done)
    assert done[0] - began >= 0.35


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Retry("busy"), 3),
        (Retry("busy", after_seconds=0.01), 3),
        (psycopg.OperationalError("gone"), 3),
        (TimeoutError(), 3),
        (Refused("never"), 1),
        (TypeError("a bug"), 1),
    ],
)
async def test_only_what_may_pass_is_tried_again(
    jobs: Jobs, connection: Connection, error: Exception, attempts: int
) -> None:
    tries: list[int] = []

    async def fail(run: Run) -> None:
        tries.append(run.attempt)
        raise error

    jobs.task("fail", fail, retry=SOON)
    async with working(jobs):
        await jobs.defer(Order(name="fail"))
        await until(lambda: has_failed(connection))
    assert tries == list(range(1, attempts + 1))


async def has_failed(connection: Connection) -> bool:
    return await statuses(connection) == ["failed"]


async def test_jobs_with_one_lock_do_not_overlap_and_keep_their_order(jobs: Jobs) -> None:
    trace: list[str] = []

    async def step(_run: Run, *, number: int) -> None:
        trace.append(f"begin {number}")
        await asyncio.sleep(0.02)
        trace.append(f"end {number}")

    jobs.task("step", step)
    await jobs.defer_many([Order(name="step", arguments={"number": n}, lock="customer 7") for n in range(5)])
    async with working(jobs), working(jobs):
        await until(lambda: len(trace) == 10)
    assert trace == [word for n in range(5) for word in (f"begin {n}", f"end {n}")]


async def test_a_retry_gives_way_to_the_next_that_waits(jobs: Jobs, connection: Connection) -> None:
    """Of procrastinate alone: it leaves the first job running for ever, and its lock taken."""
    began, go_on, tries = asyncio.Event(), asyncio.Event(), 0

    async def fail_once(_run: Run) -> None:
        nonlocal tries
        tries += 1
        began.set()
        await go_on.wait()
        if tries == 1:
            raise Retry("busy")

    jobs.task("a", fail_once, lock="l", queueing_lock="q", retry=SOON)
    async with working(jobs):
        await jobs.defer(Order(name="a"))
        await began.wait()
        await jobs.defer(Order(name="a"))
        go_on.set()
        await until(lambda: has_failed(connection))
    assert tries == 2


# Workers that die ------------------------------------------------------------------------------


async def test_jobs_of_a_silent_worker_are_given_back(jobs: Jobs, connection: Connection) -> None:
    jobs.task("a", nothing, lock="l")
    await jobs.defer(Order(name="a"))
    await take(connection)
    await rows(connection, "update procrastinate_workers set last_heartbeat = now() returning 1")
    assert await reap(jobs._pool, Pace()) == 0  # it is not silent
    await rows(
        connection, "update procrastinate_workers set last_heartbeat = now() - interval '16 s' returning 1"
    )
    assert await reap(jobs._pool, Pace()) == 1
    assert await statuses(connection) == ["todo"]
    assert await reap(jobs._pool, Pace()) == 0


async def test_jobs_of_a_forgotten_worker_are_given_back(jobs: Jobs, connection: Connection) -> None:
    jobs.task("a", nothing)
    await jobs.defer(Order(name="a"))
    await take(connection)
    await connection.execute("delete from procrastinate_workers")
    assert await reap(jobs._pool, Pace()) == 1
    assert await statuses(connection) == ["todo"]


async def test_a_job_that_kills_its_workers_is_given_up(jobs: Jobs, connection: Connection) -> None:
    jobs.task("poison", nothing)
    await jobs.defer(Order(name="poison"))
    for _ in range(3):
        await take(connection)
        assert await reap(jobs._pool, Pace(give_up_after=3)) == 1
    assert await statuses(connection) == ["failed"]


async def test_a_lost_job_gives_way_to_the_next_that_waits(jobs: Jobs, connection: Connection) -> None:
    jobs.task("a", nothing, queueing_lock="q")
    jobs.task("b", nothing)
    await jobs.defer(Order(name="a"))
    await take(connection)
    await jobs.defer(Order(name="a"))
    await jobs.defer(Order(name="b"))
    await connection.execute("update procrastinate_jobs set status = 'doing' where task_name = 'b'")
    assert await reap(jobs._pool, Pace()) == 2  # the neighbour is not forgotten
    assert await statuses(connection) == ["failed", "todo", "todo"]


async def test_a_worker_that_slept_ends_nothing_that_is_not_its_own(
    jobs: Jobs, connection: Connection
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    fenced: list[str] = []

    async def write(run: Run) -> None:
        began.set()
        async with connection.transaction():
            await run.fence(connection)  # still ours
        await go_on.wait()
        try:
            await run.fence(connection)
        except Retry as lost:
            fenced.append(str(lost))

    jobs.task("write", write)
    async with working(jobs):
        await jobs.defer(Order(name="write"))
        await began.wait()
        [(other,)] = await rows(connection, "insert into procrastinate_workers default values returning id")
        await connection.execute("update procrastinate_jobs set worker_id = %s", (other,))
        go_on.set()
        await until(lambda: fenced)
    assert fenced == ["The run of write was given to another worker, which does it anew."]
    assert await statuses(connection) == ["doing"]  # by the other


async def test_at_a_stop_what_ends_in_time_is_done_and_stays_ours(jobs: Jobs, connection: Connection) -> None:
    """The heartbeat of procrastinate stops with the order to stop: what ends later would be reaped."""
    began, go_on, tries = asyncio.Event(), asyncio.Event(), 0

    async def slow(_run: Run) -> None:
        nonlocal tries
        tries += 1
        began.set()
        await go_on.wait()

    async def look(times: int) -> None:
        await began.wait()
        stop.set()
        for _ in range(times):
            await asyncio.sleep(QUICK.heartbeat)
            assert await reap(jobs._pool, QUICK) == 0
        go_on.set()

    stop = asyncio.Event()
    jobs.task("slow", slow)
    await jobs.defer(Order(name="slow"))
    silent_for_too_long = round(2 * QUICK.stalled_after / QUICK.heartbeat)
    await asyncio.gather(jobs.work(stop, queues=["default"], pace=QUICK), look(silent_for_too_long))
    assert tries == 1
    assert await statuses(connection) == []


async def test_at_a_stop_what_does_not_end_is_given_back(jobs: Jobs, connection: Connection) -> None:
    began = asyncio.Event()

    async def endless(_run: Run) -> None:
        began.set()
        await asyncio.Event().wait()

    jobs.task("endless", endless, retry=ONCE)
    async with working(jobs, grace_seconds=0.1):
        await jobs.defer(Order(name="endless"))
        await began.wait()
    assert await statuses(connection) == ["todo"]
    assert await rows(connection, "select from procrastinate_workers") == []


async def test_a_worker_outlives_the_loss_of_its_connections(jobs: Jobs, connection: Connection) -> None:
    done: list[int] = []

    async def add(run: Run) -> None:
        done.append(run.id)

    async def listens() -> bool:
        others = "from pg_stat_activity where datname = current_database() and query like 'LISTEN%%'"
        return bool(await rows(connection, f"select {others}"))

    jobs.task("add", add)
    async with working(jobs):
        await jobs.defer(Order(name="add"))
        await until(lambda: len(done) == 1)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await connection.execute(
            "insert into procrastinate_jobs (queue_name, task_name) values ('default', 'add')"
        )
        await until(lambda: len(done) == 2)
        await until(listens)
    # A connect that was cancelled half-way is closed with its last reference, in a cycle; until then it keeps
    # the server from dropping the database.
    gc.collect()


async def test_old_endings_are_cleaned_away(jobs: Jobs, connection: Connection) -> None:
    jobs.task("a", nothing)
    await jobs.defer_many([Order(name="a")] * 4)
    await connection.execute("update procrastinate_events set at = now() - interval '3 hours'")
    await connection.execute("update procrastinate_jobs set status = 'doing' where id % 4 in (0, 1)")
    await connection.execute("update procrastinate_jobs set status = 'failed' where id % 4 = 0")
    assert await clean(jobs._pool, keep_hours=2) == 0
    await connection.execute("update procrastinate_events set at = now() - interval '3 hours'")
    assert await clean(jobs._pool, keep_hours=2) == 1
    assert sorted(await statuses(connection)) == ["doing", "todo", "todo"]


# Schedules -------------------------------------------------------------------------------------


def schedule(cron: str, name: str = "nightly") -> Schedule:
    return Schedule(name=name, cron=parse(cron), zone=NEW_YORK, queue="default")


def test_what_is_due() -> None:
    each_second, nightly = schedule("* * * * * *"), schedule("0 2 * * *")
    start = moment("2026-06-01T12:00:00Z")
    after = [start + timedelta(seconds=second) for second in range(60)]
    assert list(due(each_second, start, start)) == []
    assert list(due(each_second, start, after[1])) == [after[1]]
    assert list(due(each_second, start, after[5])) == after[1:6]  # a slow worker
    assert list(due(each_second, start, after[30])) == [after[30]]  # no worker for a while
    assert list(due(nightly, start, start + timedelta(hours=12))) == []
    assert list(due(nightly, start, start + timedelta(days=30))) == [moment("2026-07-01T02:00-04:00")]


async def ticks(connection: Connection) -> list[str]:
    """The ticks whose runs wait, in New York; takes them away."""
    found = await rows(connection, "delete from procrastinate_jobs returning id, args ->> 'tick'")
    return [datetime.fromisoformat(tick).astimezone(NEW_YORK).isoformat() for _, tick in sorted(found)]


async def test_of_many_workers_one_starts_the_run(jobs: Jobs, connection: Connection) -> None:
    tickers = [Ticker(jobs._pool, [schedule("0 2 * * *")], SystemClock()) for _ in range(8)]
    await asyncio.gather(*(ticker.register(moment("2026-06-01T12:00Z")) for ticker in tickers))
    assert await ticks(connection) == []  # a new schedule has missed nothing
    for day in (2, 3, 4):
        now = moment(f"2026-06-0{day}T02:00:01-04:00")
        await asyncio.gather(*(ticker.turn(now) for ticker in tickers))
        assert await ticks(connection) == [f"2026-06-0{day}T02:00:00-04:00"]


async def test_a_frozen_worker_does_not_start_an_older_tick_again(jobs: Jobs, connection: Connection) -> None:
    ticker = Ticker(jobs._pool, [schedule("* * * * *")], SystemClock())
    start = moment("2026-06-01T12:00:00Z")
    await ticker.register(start)
    for minute in (1, 2, 3):
        await ticker.turn(start + timedelta(minutes=minute))
        assert len(await ticks(connection)) == 1
    for minute in (0, 1, 2):  # what it had read before it was frozen
        seen, tick = start + timedelta(minutes=minute), start + timedelta(minutes=minute + 1)
        claim = "select job_schedules_claim('nightly', %s, %s, 'default', 'nightly', 'nightly', '{}')"
        assert await rows(connection, claim, seen, tick) == [("taken",)]
    assert await ticks(connection) == []


async def test_missed_ticks_are_made_good_by_one_run(jobs: Jobs, connection: Connection) -> None:
    ticker = Ticker(jobs._pool, [schedule("* * * * *")], SystemClock())
    await ticker.register(moment("2026-06-01T12:00Z"))
    await ticker.turn(moment("2026-06-01T12:31:20Z"))
    assert await ticks(connection) == ["2026-06-01T08:31:00-04:00"]
    await ticker.turn(moment("2026-06-01T12:32:00Z"))
    assert await ticks(connection) == ["2026-06-01T08:32:00-04:00"]


async def test_runs_do_not_pile_up(jobs: Jobs, connection: Connection) -> None:
    ticker = Ticker(jobs._pool, [schedule("* * * * *")], SystemClock())
    await ticker.register(moment("2026-06-01T12:00Z"))
    for minute in range(1, 6):
        await ticker.turn(moment(f"2026-06-01T12:0{minute}Z"))
    assert await ticks(connection) == ["2026-06-01T08:01:00-04:00"]  # nobody has taken the first one


@pytest.mark.parametrize(
    ("days", "ran"),
    [
        (
            ("2026-03-07T12:00-05:00", "2026-03-10T00:00-04:00"),
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"],
        ),
        (
            ("2026-10-31T12:00-04:00", "2026-11-03T00:00-05:00"),
            ["2026-11-01T02:00:00-05:00", "2026-11-02T02:00:00-05:00"],
        ),
    ],
)
async def test_the_night_when_the_clock_jumps(
    jobs: Jobs, connection: Connection, days: tuple[str, str], ran: list[str]
) -> None:
    ticker = Ticker(jobs._pool, [schedule("0 2 * * *")], SystemClock())
    now, end, found = moment(days[0]), moment(days[1]), []
    await ticker.register(now)
    while now < end:
        await ticker.turn(now)
        found += await ticks(connection)
        now += timedelta(minutes=20)
    assert found == ran


@pytest.mark.parametrize("start", ["2026-03-07T12:00-05:00", "2026-10-31T12:00-04:00"])
async def test_two_hundred_ticks_over_a_jump_of_the_clock_and_an_outage(
    jobs: Jobs, connection: Connection, start: str
) -> None:
    """Four schedulers, exactly one run a tick; of the ticks in half an hour without any, one is made good."""
    each = timedelta(minutes=15)
    tickers = [Ticker(jobs._pool, [schedule("*/15 * * * *")], SystemClock()) for _ in range(4)]
    now = moment(start)
    await asyncio.gather(*(ticker.register(now) for ticker in tickers))
    found: list[str] = []
    for number in range(201):
        now += 3 * each if number == 100 else each  # nobody was there for two of them
        await asyncio.gather(*(ticker.turn(now) for ticker in tickers))
        ran = await ticks(connection)
        assert ran == [now.astimezone(NEW_YORK).isoformat()], number
        found += ran
    assert len(found) == len(set(found)) == 200 + 1


async def test_another_cron_begins_at_its_next_tick(jobs: Jobs, connection: Connection) -> None:
    await Ticker(jobs._pool, [schedule("0 2 * * *")], SystemClock()).register(moment("2026-06-01T12:00Z"))
    changed = Ticker(jobs._pool, [schedule("0 7 * * *")], SystemClock())
    now = moment("2026-06-02T12:00Z")  # eight o'clock: seven is past, and was never promised
    await changed.register(now)
    await changed.turn(now)
    assert await ticks(connection) == []
    await changed.turn(now + timedelta(days=1))
    assert await ticks(connection) == ["2026-06-03T07:00:00-04:00"]


async def test_a_clock_that_was_wrong_by_a_day(jobs: Jobs, connection: Connection) -> None:
    ticker = Ticker(jobs._pool, [schedule("*/5 * * * *")], SystemClock())
    now = moment("2026-06-01T12:00Z")
    await ticker.register(now)
    await ticker.turn(now + timedelta(days=1))
    assert len(await ticks(connection)) == 1
    await ticker.turn(now + timedelta(seconds=1))
    assert await ticks(connection) == []
    assert await ticker.turn(now + timedelta(minutes=5)) <= 30
    assert await ticks(connection) == ["2026-06-01T08:05:00-04:00"]


async def test_it_sleeps_until_the_next_tick(jobs: Jobs, connection: Connection) -> None:
    ticker = Ticker(jobs._pool, [schedule("*/10 * * * * *"), schedule("0 2 * * *", "other")], SystemClock())
    now = moment("2026-06-01T12:00:03.250Z")
    await ticker.register(now)
    assert await ticker.turn(now) == pytest.approx(6.75)


async def test_a_schedule_runs_its_task_with_the_tick(jobs: Jobs, connection: Connection) -> None:
    seen: list[datetime | None] = []

    async def fn(run: Run) -> None:
        seen.append(run.tick)

    jobs.every(parse("* * * * * *"), "often", fn, zone=NEW_YORK)
    async with working(jobs):
        await until(lambda: len(seen) >= 2)
    first, second, *_ = seen
    assert first is not None
    assert second == first + timedelta(seconds=1)
