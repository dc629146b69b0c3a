"""A server that is killed, whose database goes away or has no free connection: nothing twice, nothing untrue.

A database of its own, with our own tables and no records, beside the vendor of the other tests.
"""

import asyncio
import hmac
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest
from twilio.request_validator import RequestValidator

from acceptance.conftest import COMMAND, Product
from databases import new_database
from live.conftest import WEBHOOK_SECRET, Answer, Api, make_keys, until_healthy
from perfectcatch.kit.clock import SystemClock
from perfectcatch.sandbox.sendgrid.server import Post, signed
from perfectcatch.store.address import parse
from perfectcatch.store.server.embedded import Server

TOKEN, PUBLIC, PHONE = "t" * 32, "https://office.example", "+13035550100"
BOX = Post(SystemClock())
PATIENCE = 60.0
LONG_AGO = """
update automation.webhooks set claimed_at = now() - interval '1 hour' where state = 'claimed' returning id
"""
UNDONE = "select count(*) from automation.webhooks where state not in ('done', 'ignored')"


@dataclass
class Running:
    """A server's process, to be killed."""

    process: "subprocess.Popen[str]"
    api: Api

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


@contextmanager
def running(api: Api, **settings: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--json"],
        env=api.product.environment | settings,
        stdout=subprocess.PIPE,
        cwd="/",
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "the server ended"
            said += line
        url = json.loads(said)["url"]
        until_healthy(url)
        yield Running(process, Api(url, api.product, api.sandbox, api.keys))
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
async def doors(database: Server, api: Api) -> AsyncIterator[Api]:
    async with new_database(database) as url:
        settings = api.sandbox.settings | {
            "SERVICE_TITAN_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SERVICE_TITAN_APPLICATION_GUID": "01234567-89ab-cdef-0123-456789abcdef",
            "TWILIO_AUTH_TOKEN": TOKEN,
            "SENDGRID_WEBHOOK_PUBLIC_KEY": BOX.public_key,
            "PUBLIC_BASE_URL": PUBLIC,
            "DATABASE_MAX_CONNECTIONS": "8",
        }
        product = Product(url, settings)
        migrated = await asyncio.to_thread(product.run, "db", "migrate")
        assert migrated.returncode == 0, migrated.stderr
        made = Api("", product, api.sandbox)
        await make_keys(made, url)
        yield made


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


# X7: a change, and a process that is killed in the middle of it ----------------------------------


def person(name: str) -> bytes:
    address = {"street": "1 Main St", "city": "Miami", "state": "FL", "zip": "33101", "country": "USA"}
    home = {"name": "Home", "address": address}
    said = {"name": name, "type": "Residential", "address": address, "locations": [home]}
    return json.dumps(said).encode()


def made(api: Api, name: str) -> int:
    return sum(each["name"] == name for each in api.sandbox.get("records/crm.customers"))


def create(api: Api, name: str, key: str) -> Answer:
    return api.ask("POST", "/st/crm/customers", body=person(name), Idempotency_Key=key)


def test_killed_after_the_vendor_had_it(doors: Api) -> None:
    name, key = f"Ann {uuid4().hex[:8]}", uuid4().hex
    fault = doors.sandbox.post("faults", kind="slow", on="crm.customers", times=1, seconds=30)
    try:
        with running(doors) as first, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(create, first.api, name, key)
            until(lambda: made(doors, name) == 1)
            first.kill()
            with pytest.raises((OSError, HTTPException)):
                asked.result()
    finally:
        doors.sandbox.post("faults/clear", id=fault["id"])
    with running(doors) as second:
        again = create(second.api, name, key)
        assert (again.status, again.headers.get("idempotency-resolved")) == (200, "read back"), again.body
        assert create(second.api, name, key).headers["idempotency-replayed"] == "true"
        assert create(second.api, f"{name} junior", key).status == 422
    assert made(doors, name) == 1
    phases = doors.product.rows(
        "select phase, outcome from automation.audit_log where idempotency_key = %s order by id", key
    )
    assert phases == [("asked", None)]  # nobody learned the outcome, and the log does not claim it


def test_killed_before_the_vendor_had_it(doors: Api) -> None:
    name, key = f"Bob {uuid4().hex[:8]}", uuid4().hex
    claimed = "select count(*) from automation.idempotency_keys where key = %s"
    with running(doors) as first, ThreadPoolExecutor(1) as pool:
        with psycopg.connect(doors.product.url) as holder:
            holder.execute("lock table automation.audit_log in access exclusive mode")
            asked = pool.submit(create, first.api, name, key)
            until(lambda: doors.product.rows(claimed, key) == [(1,)])
            first.kill()
        with pytest.raises((OSError, HTTPException)):
            asked.result()
    with running(doors) as second:
        again = create(second.api, name, key)
        assert (again.status, again.json["outcome"]) == (409, "unknown")
        assert create(second.api, name, uuid4().hex).status == 200
    assert made(doors, name) == 1


# Webhooks, and a process that is killed between storing and answering ----------------------------

Hook = tuple[str, bytes, dict[str, str]]


def of_servicetitan(number: int) -> Hook:
    body = json.dumps({"eventId": f"st-{number}", "eventType": "moon.full", "id": number}).encode()
    signature = hmac.new(WEBHOOK_SECRET.encode(), body, sha256).hexdigest()
    return "/webhooks/servicetitan", body, {"X-ServiceTitan-Signature": signature}


def of_twilio(number: int) -> Hook:
    said = {"MessageSid": f"SM{number:032}", "From": f"+1303555{number:04}", "To": PHONE, "Body": "STOP"}
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}/webhooks/twilio/sms", said)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return "/webhooks/twilio/sms", urlencode(said).encode(), headers


def of_sendgrid(number: int) -> Hook:
    event = {"event": "unsubscribe", "email": f"p{number}@example.com", "sg_event_id": f"sg-{number}"}
    body = json.dumps([event | {"sg_message_id": f"m{number}"}]).encode()
    return "/webhooks/sendgrid", body, signed(BOX, body)


KINDS = (of_servicetitan, of_twilio, of_sendgrid)


def post(api: Api, hook: Hook) -> int:
    """The status; 0 where no answer came."""
    path, body, headers = hook
    try:
        return api.ask("POST", path, key=None, body=body, **headers).status
    except (OSError, HTTPException):
        return 0


def taken(api: Api, hook: Hook) -> bool:
    return post(api, hook) == 200


def test_what_was_acknowledged_is_stored_whenever_the_server_is_killed(doors: Api) -> None:
    hooks = [kind(number) for number in range(60) for kind in KINDS]
    random.Random(7).shuffle(hooks)
    waiting, acknowledged = list(hooks), 0
    with ThreadPoolExecutor(12) as pool:
        for after in (3, 40, None):
            with running(doors) as server:
                answers = pool.map(lambda hook: (hook, post(server.api, hook)), waiting)
                left = []
                for count, (hook, status) in enumerate(answers):
                    assert status in {0, 200, 503}
                    if count == after:
                        server.process.kill()
                    if status == 200:
                        acknowledged += 1
                    else:
                        left.append(hook)
                waiting = left
                if after is None:
                    stored = "select count(*), count(distinct (source, identity)) from automation.webhooks"
                    assert doors.product.rows(stored) == [(len(hooks), len(hooks))]
                    doors.product.rows(LONG_AGO)  # instead of waiting for what the dead had claimed
                    until(lambda: doors.product.rows(UNDONE) == [(0,)])
            [(kept,)] = doors.product.rows("select count(*) from automation.webhooks")
            assert kept >= acknowledged  # stored before it was answered
    assert waiting == []
    query = "select count(*), count(distinct address) from automation.messaging_opt_outs "
    query += "where address ~ '^.1303'"
    assert doors.product.rows(query) == [(60, 60)]  # what a text said, once for each who wrote


def test_a_database_that_is_away_is_said_and_comes_back(doors: Api) -> None:
    name = parse(doors.product.url).database
    with running(doors) as server:
        api = server.api
        assert api.get("/health/detailed", key="read")["parts"][0]["state"] == "well"
        with psycopg.connect(parse(doors.product.url).url(database="postgres"), autocommit=True) as admin:
            admin.execute(f"alter database {name} allow_connections false".encode())
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            try:
                for number, kind in enumerate(KINDS, 9000):
                    path, body, headers = kind(number)
                    answer = api.ask("POST", path, key=None, body=body, **headers)
                    assert (answer.status, "retry-after" in answer.headers) == (503, True), answer.body
                assert api.ask("GET", "/health", key=None).status == 200
                told = api.get("/health/detailed", key="read")
                assert told["status"] == "down"
                states = {part["name"]: part["state"] for part in told["parts"]}
                assert (states["database"], states["workflows"]) == ("down", "unknown")
                assert api.ask("GET", "/health/workers", key="read").status == 503
                assert api.ask("GET", "/health/detailed", key="nonsense").status == 401
            finally:
                admin.execute(f"alter database {name} allow_connections true".encode())
        until(lambda: api.ask("GET", "/health/detailed", key="read").json["parts"][0]["state"] == "well")
        for number, kind in enumerate(KINDS, 9000):
            until(partial(taken, api, kind(number)))


def test_a_writing_route_without_a_free_connection_says_so_at_once(doors: Api) -> None:
    name = f"Cy {uuid4().hex[:8]}"
    with (
        running(doors) as server,
        psycopg.connect(doors.product.url) as holder,
        ThreadPoolExecutor(20) as pool,
    ):
        assert server.api.ask("GET", "/health/workers", key="admin").status == 200  # the key is known now
        holder.execute("lock table automation.idempotency_keys in access exclusive mode")
        held = [pool.submit(create, server.api, name, uuid4().hex) for _ in range(12)]
        refused = asyncio.run(first_of(held, 4))
        assert {each.status for each in refused} == {503}
        assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
        assert server.api.ask("GET", "/health", key=None).status == 200
        holder.rollback()
        answers = [each.result() for each in held]
        assert {each.status for each in answers} == {200, 503}
    assert made(doors, name) == sum(each.status == 200 for each in answers)


async def first_of(futures: list[Any], count: int) -> list[Answer]:
    """The first answers, while the others are still kept waiting."""
    found: list[Answer] = []
    for each in asyncio.as_completed([asyncio.wrap_future(future) for future in futures], timeout=PATIENCE):
        found.append(await each)
        if len(found) == count:
            return found
    raise AssertionError("all were answered")
