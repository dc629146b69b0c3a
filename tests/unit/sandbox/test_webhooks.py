"""Webhooks of the sandbox: named, signed, repeated, and spoilt on purpose; no socket, a clock that jumps."""

import asyncio
import base64
import hashlib
import hmac
import json
from itertools import pairwise
from typing import Any

import pytest
from server_client import Caller, caller
from test_server_control import control

from perfectcatch.kit.http import NotSent, Request, Response
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.service import Service

URL = "http://127.0.0.1:9/hooks"


class Receiver:
    """Remembers what is sent to it and answers as it is told to: a status, or nobody there."""

    def __init__(self, *answers: int | None) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if self._answers else 200
        if answer is None:
            raise NotSent("cannot connect to 127.0.0.1:9 (refused)")
        return Response(status=answer, headers={}, body=b"", seconds=0)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.body or b"") for request in self.requests]

    @property
    def types(self) -> list[str]:
        return [event["eventType"] for event in self.events]


async def delivered(who: Caller, receiver: Receiver) -> None:
    """Run the delivery until nothing waits."""
    task = asyncio.create_task(who.service.webhooks.run(receiver.send))
    await asyncio.sleep(0)
    while who.service.webhooks.state(0)["waiting"]:  # noqa: ASYNC110 - turns are what it waits for
        await asyncio.sleep(0)
    task.cancel()


def told(who: Caller, **facts: Any) -> Caller:
    control(who, "POST", "webhooks", {"url": URL, **facts})
    return who


def rename(who: Caller, name: str = "Told") -> int:
    number: int = who.some("crm.customers")["id"]
    who.write("PATCH", f"crm/customers/{number}", {"name": name})
    return number


@pytest.fixture
def who() -> Caller:
    return caller(customers=40)


@pytest.mark.parametrize("encoding", ["hex", "base64"])
async def test_a_change_is_told_and_signed(who: Caller, encoding: str) -> None:
    told(who, secret="a secret", encoding=encoding, header="X-ST-Signature")
    number, receiver = rename(who), Receiver()
    await delivered(who, receiver)

    [request] = receiver.requests
    digest = hmac.new(b"a secret", request.body or b"", hashlib.sha256).digest()
    wanted = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert request.headers["X-ST-Signature"] == wanted
    [event] = receiver.events
    assert (event["eventType"], event["entityType"], event["entityId"]) == (
        "customer.updated",
        "customer",
        number,
    )
    assert event["tenantId"] == who.service.options.tenant_id
    assert event["modifiedOn"] == who.get(f"crm/customers/{number}")["modifiedOn"]
    assert control(who, "GET", "webhooks")["outcomes"] == {"acknowledged": 1}


async def test_turns_have_their_own_names(who: Caller) -> None:
    visit = who.some("jpm.appointments", status="Scheduled")
    estimate = next(
        each
        for each in who.service.read("sales.estimates")
        if each["status"]["name"] == "Open" and each["active"]
    )
    contact = who.some("crm.customers_contacts")
    told(who)
    spans = {"start": "2026-02-01T14:00:00Z", "end": "2026-02-01T16:00:00Z"}
    who.write("PATCH", f"jpm/appointments/{visit['id']}/reschedule", spans)
    seller = who.some("settings.technicians")["id"]
    who.write("PUT", f"sales/estimates/{estimate['id']}/sell", {"soldBy": seller})
    who.write("DELETE", f"crm/customers/{contact['customerId']}/contacts/{contact['id']}")
    lead = {
        "campaignId": who.some("marketing.campaigns")["id"],
        "summary": "Asks",
        "callReasonId": 1,
        "followUpDate": "2026-02-01T14:00:00Z",
    }
    who.write("POST", "crm/leads", lead)
    receiver = Receiver()
    await delivered(who, receiver)

    assert receiver.types == ["appointment.rescheduled", "estimate.sold", "lead.created"]


async def test_only_what_is_wanted_is_told(who: Caller) -> None:
    told(who, events=["job.*", "customer.merged"])
    rename(who)
    receiver = Receiver()
    list(who.service.life.advance(7 * 86_400))
    await delivered(who, receiver)

    assert receiver.types
    assert {each.split(".")[0] for each in receiver.types} == {"job"}
    assert {"job.created", "job.completed"} <= set(receiver.types)


async def test_without_acknowledgement_it_comes_again_as_the_vendor_waits(who: Caller) -> None:
    told(who)
    rename(who)
    receiver = Receiver(500, None, 302, 200)
    await delivered(who, receiver)

    assert who.clock.slept[-3:] == [10, 30, 60]
    assert len({request.body for request in receiver.requests}) == 1
    [row] = control(who, "GET", "webhooks")["deliveries"]
    assert row["outcome"] == "acknowledged"
    answers = [each["answer"] for each in row["attempts"]]
    assert (answers[0], answers[2:]) == (500, [302, 200])
    assert "refused" in answers[1]


async def test_after_five_times_it_is_given_up_and_listed(who: Caller) -> None:
    told(who)
    rename(who)
    receiver = Receiver(*[503] * 9)
    await delivered(who, receiver)

    assert len(receiver.requests) == 5
    assert who.clock.slept[-4:] == [10, 30, 60, 300]
    [row] = control(who, "GET", "webhooks")["deliveries"]
    assert row["outcome"] == "given up"


async def test_switches_spoil_it(who: Caller) -> None:
    told(who, drop=1)
    rename(who, "One")
    told(who, drop=0, duplicate=1)
    rename(who, "Two")
    twice = Receiver()
    await delivered(who, twice)
    assert [each["eventId"] for each in twice.events] == [twice.events[0]["eventId"]] * 2

    told(who, duplicate=0, reorder=1, delay=7)
    first, second = (each["id"] for each in who.get("crm/customers")["data"][:2])
    for number in (first, second):
        who.write("PATCH", f"crm/customers/{number}", {"name": "Three"})
    late = Receiver()
    await delivered(who, late)
    assert [each["entityId"] for each in late.events] == [second, first]
    assert 7 in who.clock.slept
    assert control(who, "GET", "webhooks")["outcomes"] == {"dropped": 1, "acknowledged": 3}


async def test_one_that_is_late_with_nothing_behind_it_comes_all_the_same(who: Caller) -> None:
    told(who, reorder=1)
    rename(who)
    receiver = Receiver()
    await delivered(who, receiver)

    assert len(receiver.requests) == 1


async def test_null_ends_it(who: Caller) -> None:
    told(who)
    answer = who.control.answer("POST", "/_sandbox/webhooks", "", b"null")
    assert json.loads(answer.body)["subscription"]["url"] is None
    rename(who)

    assert control(who, "GET", "webhooks")["deliveries"] == []


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"url": "http://192.0.2.1/hooks"}, "anywhere"),
        ({"url": "hooks"}, "address"),
        ({"url": URL, "encoding": "rot13"}, "hex"),
        ({"url": URL, "drop": 2}, "drop"),
        ({"url": URL, "delay": -1}, "delay"),
        ({"url": URL, "secret": 7}, "secret"),
        ({"url": URL, "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_wish_is_refused_and_changes_nothing(who: Caller, facts: dict[str, Any], word: str) -> None:
    answer = who.control.answer("POST", "/_sandbox/webhooks", "", json.dumps(facts).encode())

    assert answer.status == 400
    assert word in answer.body.decode()
    assert control(who, "GET", "webhooks")["subscription"]["url"] is None


def test_the_secret_stays_secret_and_another_machine_needs_a_word(who: Caller) -> None:
    told(who, url="https://hooks.example.com/in", secret="a secret", anywhere=True)

    state = control(who, "GET", "webhooks")["subscription"]
    assert (state["secret"], state["url"]) == (True, "https://hooks.example.com/in")


# The journal ----------------------------------------------------------------------------------------


def test_the_journal_tells_every_change_in_order(who: Caller) -> None:
    number = rename(who)
    other = who.get("crm/customers")["data"][1]["id"]
    contact = who.some("crm.customers_contacts")["id"]
    control(who, "POST", "delete", {"collection": "crm.customers_contacts", "id": contact, "hard": True})
    note = who.some("jpm.job_notes")["id"]
    control(who, "POST", "delete", {"collection": "jpm.job_notes", "id": note})
    tag = control(
        who, "POST", "add", {"collection": "settings.tag_types", "record": {"name": "New", "color": "#0"}}
    )
    middle = control(who, "GET", "changes")["last"]
    control(who, "POST", "merge", {"from": other, "to": number})

    told = control(who, "GET", "changes")
    rows = told["changes"]
    assert [each["serial"] for each in rows] == list(range(1, told["last"] + 1))
    assert [(each["collection"], each["id"], each["kind"], each["what"]) for each in rows[:4]] == [
        ("crm.customers", number, "changed", ["name"]),
        ("crm.customers_contacts", contact, "deleted", []),
        ("jpm.job_notes", note, "deleted", []),
        ("settings.tag_types", tag["id"], "added", []),
    ]
    [merged] = [each for each in rows if each["kind"] == "merged"]
    assert (merged["id"], merged["what"]) == (other, ["active", "mergedToId"])
    rest = control(who, "GET", "changes", query=f"after={middle}&limit=1")["changes"]
    assert [each["serial"] for each in rest] == [middle + 1]
    assert who.control.answer("GET", "/_sandbox/changes", "after=x").status == 400


def test_the_journal_is_bounded_and_says_from_where_on_it_knows() -> None:
    who = caller(customers=40, changes=5)
    for number in range(8):
        rename(who, f"Name {number}")

    told = control(who, "GET", "changes")
    assert (told["first"], told["last"], len(told["changes"])) == (4, 8, 5)


def test_what_the_journal_says_is_what_differs() -> None:
    who = caller(customers=60)
    before = {
        name: {row.id: row.record() for row in table.rows.values()}
        for name, table in who.service.tenant.tables.items()
        if name not in {"accounting.invoice_items", "sales.estimates_items"}
    }
    list(who.service.life.advance(4 * 86_400))
    changes = who.service.tenant.journal.after(0, 1_000_000)

    named = {(each.collection, each.id) for each in changes}
    for name, table in who.service.tenant.tables.items():
        if name in {"accounting.invoice_items", "sales.estimates_items"}:
            continue
        now = {row.id: row.record() for row in table.rows.values()}
        then = before.get(name, {})
        differing = {key for key in now.keys() | then.keys() if now.get(key) != then.get(key)}
        assert {(name, key) for key in differing} <= named
    assert all(earlier.moment < later.moment for earlier, later in pairwise(changes))


def test_a_receiver_can_be_named_from_the_start() -> None:
    service = Service(Options(customers=20, webhook_url=URL, webhook_secret="s"))

    assert service.webhooks.state(0)["subscription"]["url"] == URL
