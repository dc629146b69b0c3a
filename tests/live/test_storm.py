"""A storm of events from three sources at once: each is processed once, and none is lost.

ServiceTitan's webhooks and people's texts come over HTTP at a fixed rate while the vendor's records are
changed in bulk. What must hold at the end is reckoned from the vendor's records before and after and from
what was answered; how long it took is printed.
"""

import asyncio
import hmac
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from acceptance.conftest import Product, Sandbox, start_sandbox
from commands import commands
from databases import new_database
from live.conftest import WEBHOOK_SECRET, served, until_healthy
from perfectcatch.store import events, state
from perfectcatch.store.events import Event, Place
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.server.embedded import Server
from perfectcatch.workflows.running.workshop import PLACE

SEED = 20261126
TOKEN, PUBLIC, PHONE = "t" * 32, "https://office.example", "+13035550100"
ASKS = "Please call me"
AT_ONCE = 100  # changes that the vendor makes in bulk
SCHEDULE = {
    "SYNC_INCREMENTAL_CRON": "*/5 * * * * *",
    "SYNC_FULL_CRON": "off",
    "CONTACTS_INCREMENTAL_CRON": "off",
    "CONTACTS_FULL_CRON": "off",
    "SYNC_SCHEDULING_CRON": "off",
    "SYNC_PRICEBOOK_CRON": "off",
    "CLOCK_RULES_CRON": "off",
}
WORKFLOW = f"""
name: storm
does: Has somebody call where an estimate was dismissed or a text asks for it.
class: service
trigger:
  on: [estimate_rejected, message_received]
  where: event.type == 'estimate_rejected' || event.data.body.startsWith('{ASKS}')
key: event.entity + ' ' + string(event.id)
max_concurrent_per_customer: 100
steps:
  - {{id: storm-call, kind: task, title: "Call about {{{{ event.id }}}}"}}
"""


LISTENED_TO = """
select id, event_type || '/' || entity || '-' || st_id || '/' || version,
  event_type = 'estimate_rejected' or data ->> 'body' like %s
from automation.events where event_type in ('estimate_rejected', 'message_received') and not historical
"""
INSTANCES = """
select id, (trigger ->> 'id')::bigint, status, reason from automation.workflow_instances
where workflow = 'storm'
"""
TROUBLE = {
    "letters": "select count(*) from automation.workflow_dead_letters",
    "steps": """select count(*) from automation.workflow_step_executions
      where step = 'storm-call' and status <> 'done'""",
    "jobs": "select count(*) from procrastinate_jobs where status in ('failed', 'aborted')",
    "quarantine": "select count(*) from servicetitan.sync_quarantine",
    "holds": "select count(*) from servicetitan.sync_holds",
    "runs": "select count(*) from servicetitan.sync_runs where status in ('failed', 'partial')",
    "lines": "select count(*) from servicetitan.st_sync_log where status = 'failed'",
}


@dataclass(frozen=True)
class Size:
    """``webhooks`` and ``texts`` come over HTTP, ``per_second`` of them; ``bulk`` changes of records."""

    customers: int
    webhooks: int
    texts: int
    bulk: int
    per_second: int
    patience: float

    @property
    def events(self) -> int:
        return self.webhooks + self.texts + self.bulk

    @property
    def seconds(self) -> float:
        """How long webhooks and texts come."""
        return (self.webhooks + self.texts) / self.per_second


SMALL = Size(customers=60, webhooks=60, texts=60, bulk=180, per_second=60, patience=60)
FULL = Size(customers=18_000, webhooks=9_000, texts=9_000, bulk=82_000, per_second=300, patience=1500)


@dataclass(frozen=True, eq=False)
class Kind:
    """A change of records of one collection that is one event. ``share``: how many of them at most."""

    collection: str
    entity: str
    event_type: str
    field: str
    value: Any
    share: float = 1.0

    def holds(self, record: dict[str, Any]) -> bool:
        return bool(record[self.field] == self.value)


KINDS = (
    Kind("crm.customers", "customers", "customer_deactivated", "active", False),
    Kind("jpm.jobs", "jobs", "job_cancelled", "jobStatus", "Canceled"),
    Kind("jpm.appointments", "appointments", "appointment_cancelled", "status", "Canceled"),
    Kind(
        "sales.estimates", "estimates", "estimate_rejected", "status", {"value": 2, "name": "Dismissed"}, 0.04
    ),
)


@dataclass(frozen=True)
class Change:
    """A record that the vendor is about to change."""

    kind: Kind
    st_id: int

    @property
    def edit(self) -> dict[str, Any]:
        changes = {self.kind.field: self.kind.value}
        return {"collection": self.kind.collection, "id": self.st_id, "changes": changes}


# What the vendors do ------------------------------------------------------------------------------


def not_yet(sandbox: Sandbox, kind: Kind) -> list[Change]:
    """Records whose next change of this kind is an event; of one that is switched off nothing is told."""
    found = sandbox.get(f"records/{kind.collection}")
    return [Change(kind, each["id"]) for each in found if each["active"] and not kind.holds(each)]


def to_be_changed(sandbox: Sandbox) -> set[Change]:
    return {change for kind in KINDS for change in not_yet(sandbox, kind)}


def planned(sandbox: Sandbox, size: Size, drawn: random.Random) -> list[Change]:
    """Each record at most once; of some kinds only their share."""
    limited, others = [], []
    for kind in KINDS:
        possible = not_yet(sandbox, kind)
        drawn.shuffle(possible)
        if kind.share < 1:
            limited += possible[: round(size.events * kind.share)]
        else:
            others += possible
    drawn.shuffle(others)
    wanted = size.webhooks + size.bulk
    found = limited + others[: wanted - len(limited)]
    assert len(found) == wanted, f"The company has {len(found)} records to change, not {wanted}."
    drawn.shuffle(found)
    return found


def hook_of(change: Change) -> dict[str, Any]:
    """The vendor's webhook about a change, which is made before it."""
    said = {"eventId": name_of(change), "eventType": f"{change.kind.entity}.updated", "id": change.st_id}
    body = json.dumps(said)
    signature = hmac.new(WEBHOOK_SECRET.encode(), body.encode(), sha256).hexdigest()
    headers = {"X-ServiceTitan-Signature": signature, "Content-Type": "application/json"}
    name = ("servicetitan", name_of(change))
    return {
        "name": name,
        "path": "/webhooks/servicetitan",
        "body": body,
        "headers": headers,
        "edit": change.edit,
    }


def name_of(change: Change) -> str:
    return f"storm-{change.kind.entity}-{change.st_id}"


def text_of(number: int) -> dict[str, Any]:
    """A text from a person; one of ten asks for something."""
    words = f"{ASKS} {number}" if number % 10 == 0 else f"I will be at home, number {number}"
    said = {"MessageSid": sid_of(number), "From": f"+1720{2_000_000 + number}", "To": PHONE, "Body": words}
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}/webhooks/twilio/sms", said)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    name = ("twilio/sms", sid_of(number))
    return {
        "name": name,
        "path": "/webhooks/twilio/sms",
        "body": urlencode(said),
        "headers": headers,
        "edit": None,
    }


def sid_of(number: int) -> str:
    return f"SM{number:032}"


def hooks_of(changes: Sequence[Change], size: Size, drawn: random.Random) -> list[dict[str, Any]]:
    """Everything that comes over HTTP, mixed; one of fifty comes a second time at the end."""
    hooks = [*map(hook_of, changes), *map(text_of, range(size.texts))]
    drawn.shuffle(hooks)
    again = drawn.sample(hooks, len(hooks) // 50)
    return hooks + [each | {"edit": None} for each in again]


async def changed_in_bulk(sandbox: Sandbox, changes: Sequence[Change], seconds: float) -> float:
    """Make the changes within ``seconds``, a hundred at a time; how long it took."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        for first in range(0, len(changes), AT_ONCE):
            await asyncio.sleep(max(0.0, began + seconds * first / len(changes) - time.monotonic()))
            edits = [each.edit for each in changes[first : first + AT_ONCE]]
            async with http.post(f"{sandbox.url}/_sandbox/edits", json={"edits": edits}) as answer:
                answer.raise_for_status()
    return time.monotonic() - began


async def loaded(plan: dict[str, Any]) -> dict[str, Any]:
    """What the load tells of itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("storm_load.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    said, _ = await process.communicate(json.dumps(plan).encode())
    assert process.returncode == 0
    return dict(json.loads(said))


# The product --------------------------------------------------------------------------------------


@dataclass
class Works:
    """The product at work: its server's address and its database."""

    url: str
    product: Product
    sandbox: Sandbox
    pool: Pool

    @property
    def tenant_id(self) -> int:
        return int(self.product.settings["SERVICE_TITAN_TENANT_ID"])

    def one(self, query: str, *values: Any) -> Any:
        return self.product.rows(query, *values)[0][0]


@contextmanager
def worker(product: Product, which: str, place: Path) -> Iterator[None]:
    """A worker process that has to live until the end and to be told to end then."""
    beat = {"HEARTBEAT_FILE": str(place / f"{which}-beat")}
    process = commands().start("worker", which, environment=product.environment | SCHEDULE | beat)
    with process:
        try:
            yield
            assert process.poll() is None, "the worker ended by itself"
        finally:
            process.terminate()


@asynccontextmanager
async def at_work(database: Server, template: str, size: Size, place: Path) -> AsyncIterator[Works]:
    """A company of that size, mirrored; a server, both workers, and the workflow in force."""
    started, sandbox = start_sandbox("--customers", str(size.customers), "--rate", "100000")
    with started, ExitStack() as stack:
        stack.callback(started.terminate)
        async with new_database(database, template) as url, open_pool(url, max_size=4) as pool:
            settings = sandbox.settings | {
                "SERVICE_TITAN_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "TWILIO_AUTH_TOKEN": TOKEN,
                "PUBLIC_BASE_URL": PUBLIC,
            }
            product = Product(url, settings)
            await asyncio.to_thread(prepared, product, place)
            with (
                worker(product, "sync", place),
                worker(product, "workflows", place),
                served(product) as address,
            ):
                works = Works(address, product, sandbox, pool)
                await asyncio.to_thread(until_healthy, address)
                await until(lambda: _ready(works, place), 60)
                yield works


def prepared(product: Product, place: Path) -> None:
    file = place / "storm.yaml"
    file.write_text(WORKFLOW)
    for words in (
        ("sync", "full", "--json"),
        ("workflow", "import", str(file)),
        ("workflow", "enable", "storm"),
    ):
        done = product.run(*words)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])


async def _ready(works: Works, place: Path) -> bool:
    """Events count from the place that the worker of workflows has taken first."""
    return (place / "sync-beat").exists() and await place_of(works) is not None


async def until(holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait until it holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - it is another process that makes it hold
            await asyncio.sleep(0.2)


async def place_of(works: Works) -> Place | None:
    kept = (await state.get(works.pool, works.tenant_id, PLACE)).get(PLACE)
    return Place.parse(kept) if kept is not None else None


async def unread(works: Works) -> list[Event]:
    """Events that workflows have not gone through."""
    place = await place_of(works)
    assert place is not None
    return (await events.after(works.pool, works.tenant_id, place, limit=10))[0]


async def drained(works: Works, size: Size) -> bool:
    """Nothing waits any more, and as many events as there are changes are behind the workflows' place."""
    if works.one("select count(*) from automation.webhooks where state in ('waiting', 'claimed')"):
        return False
    if works.one("select count(*) from automation.events where not historical") < size.events:
        return False
    return not await unread(works) and not works.one(
        "select count(*) from automation.workflow_instances where workflow = 'storm' and ended_at is null"
    )


# What must hold -----------------------------------------------------------------------------------


Told = tuple[str, str, int]  # type of an event, entity, id


def changed_at_the_vendor(sandbox: Sandbox, before: set[Change]) -> Counter[Told]:
    """The transitions that its records show: they did not hold before and hold now."""
    now = to_be_changed(sandbox)
    return Counter((each.kind.event_type, each.kind.entity, each.st_id) for each in before - now)


def assert_webhooks_kept(works: Works, taken: Counter[tuple[str, str]]) -> None:
    """Each that was acknowledged is there once, as often as it was acknowledged at least, and is done."""
    rows = works.product.rows("select source, identity, times, state, error from automation.webhooks")
    kept = Counter({(source, name): times for source, name, times, _, _ in rows})
    assert len(rows) == len(kept)
    assert kept.keys() == taken.keys()
    assert taken - kept == Counter()  # one that was stored and got no answer came more often than it knows
    assert [row for row in rows if row[3:] != ("done", None)] == []


def assert_events_are(works: Works, transitions: Counter[Told], texts: Counter[str]) -> None:
    """Exactly one event for each transition and each text, and no other."""
    query = "select event_type, entity, st_id from automation.events where not historical"
    found: Counter[Told] = Counter(works.product.rows(query))
    heard = Counter({each: times for each, times in found.items() if each[0] == "message_received"})
    assert found - heard == transitions
    ids = dict(works.product.rows("select id, vendor_id from automation.messaging_received"))
    assert Counter({ids[st_id]: times for (_, _, st_id), times in heard.items()}) == texts


def assert_mirror_is(works: Works) -> None:
    """The mirror has what the vendor has."""
    for kind in KINDS:
        truth = {each["id"]: each[kind.field] for each in works.sandbox.get(f"records/{kind.collection}")}
        query = f"select st_id, full_data -> '{kind.field}' from servicetitan.st_{kind.entity}"
        assert dict(works.product.rows(query)) == truth, kind.entity


def assert_workflow_went_through(works: Works) -> None:
    """It decided once about each event that it listens to: one instance and one task, or a reason not to."""
    rows = works.product.rows
    wanted: Counter[int] = Counter()
    decided: Counter[str] = Counter()
    for event_id, occasion, starts in rows(LISTENED_TO, f"{ASKS}%"):
        wanted.update([event_id] if starts else [])
        decided[occasion] += 1
    started = rows("select trigger from automation.workflow_starts where workflow = 'storm'")
    assert Counter(row[0] for row in started) == decided
    instances = rows(INSTANCES)
    assert Counter(row[1] for row in instances) == wanted
    assert Counter(row[2:] for row in instances) == {("ended", "finished"): len(wanted)}
    tasks = rows("select workflow_instance_id from automation.tasks where step = 'storm-call'")
    assert Counter(row[0] for row in tasks) == Counter(row[0] for row in instances)


def assert_nothing_failed(works: Works) -> None:
    assert {name: works.one(query) for name, query in TROUBLE.items()} == dict.fromkeys(TROUBLE, 0)


def figures(size: Size, told: dict[str, Any], bulk_seconds: float, all_seconds: float) -> str:
    """What was measured, as one line."""
    ordered = sorted(told["milliseconds"])
    shares = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99, 1)}
    return (
        f"storm: {size.events:,} events, {len(ordered):,} over HTTP in {told['seconds']:.1f} s "
        f"(answers {told['statuses']}), acknowledged after {shares[0.5]:.0f} ms (p50), "
        f"{shares[0.99]:.0f} ms (p99), {shares[1]:.0f} ms (most); the vendor changed {size.bulk:,} "
        f"records in {bulk_seconds:.1f} s; drained after {all_seconds:.1f} s, "
        f"{size.events / all_seconds:.0f} a second"
    )


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SMALL, id="small"),
        pytest.param(FULL, id="full", marks=[pytest.mark.reliability, pytest.mark.timeout(3600)]),
    ],
)
async def test_a_storm_from_three_sources(
    database: Server, migrated: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: Size
) -> None:
    drawn = random.Random(SEED)
    async with at_work(database, migrated, size, tmp_path) as works:
        before = to_be_changed(works.sandbox)
        changes = planned(works.sandbox, size, drawn)
        hooks = hooks_of(changes[: size.webhooks], size, drawn)
        plan = {
            "url": works.url,
            "vendor": works.sandbox.url,
            "per_second": size.per_second,
            "hooks": hooks,
        }
        began = time.monotonic()
        told, bulk_seconds = await asyncio.gather(
            loaded(plan), changed_in_bulk(works.sandbox, changes[size.webhooks :], size.seconds)
        )
        with suppress(TimeoutError):  # what is lacking is said below
            await until(lambda: drained(works, size), size.patience)
        with capsys.disabled():
            sys.stdout.write(f"\n{figures(size, told, bulk_seconds, time.monotonic() - began)}\n")

        taken: Counter[tuple[str, str]] = Counter()
        for hook, times in zip(hooks, told["taken"], strict=True):
            taken[hook["name"]] += times
        assert len(taken) == size.webhooks + size.texts
        assert min(taken.values()) >= 1, "not everything was taken in the end"
        assert_webhooks_kept(works, taken)
        transitions = changed_at_the_vendor(works.sandbox, before)
        assert transitions.total() == size.webhooks + size.bulk
        assert_events_are(works, transitions, Counter(map(sid_of, range(size.texts))))
        assert_mirror_is(works)
        assert await unread(works) == []
        assert_workflow_went_through(works)
        assert_nothing_failed(works)
