"""Workflows through the door: instances, questions, tasks, dead letters, switches, and why."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from office import Office, open_office

from perfectcatch.model.workflow import Mode, Start, Verdict
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions, instances, letters, steps
from perfectcatch.workflows.definitions import parse

TENANTS = count(4700)
NOW = datetime(2026, 6, 10, 18, tzinfo=UTC)
ASKS = """
name: asks
does: Asks before it ends.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
steps:
  - {id: may, kind: approval, question: "Really?", outcomes: {approved: end, refused: end, timeout: end}}
"""
TRIGGER = {
    "id": 1,
    "event_type": "job_completed",
    "entity": "jobs",
    "st_id": 70,
    "version": "1",
    "occurred_at": NOW.isoformat(),
    "recorded_at": NOW.isoformat(),
    "data": {},
    "occasion": "job_completed/jobs-70/1",
}


@pytest.fixture
async def office(filled: str) -> AsyncIterator[Office]:
    async with open_office(filled, tenant=next(TENANTS), start=NOW) as opened:
        yield opened


async def began(office: Office) -> int:
    gateway = office.gateway
    async with transaction(gateway.pool) as connection:
        definition = parse(ASKS)
        kept = await definitions.put(
            connection, gateway.tenant_id, definition, mode=Mode.LIVE, source="imported", by="test"
        )
        start = Start(verdict=Verdict.START, reason="started", sentence="It starts.", key="customer-7")
        await instances.decided(
            connection,
            gateway.tenant_id,
            "asks",
            TRIGGER["occasion"],
            start,
            7,  # type: ignore[arg-type]
        )
        instance_id = await instances.begin(
            connection,
            gateway.tenant_id,
            definition_id=kept,
            workflow="asks",
            start=start,
            customer_id=7,
            shadow=False,
            status=instances.RUNNING,
            priority=50,
            step="may",
            trigger=TRIGGER,
            parent_id=None,
            now=NOW,
        )
        await steps.ask(
            connection,
            gateway.tenant_id,
            instance_id=instance_id,
            step="may",
            occurrence=1,
            question="Really?",
            role="office",
            until=NOW.replace(day=13),
        )
        await steps.begin(connection, gateway.tenant_id, instance_id, "may", 1, NOW)
    return instance_id


async def test_an_instance_is_listed_shown_held_and_ended(office: Office) -> None:
    instance_id = await began(office)
    [listed] = (await office.get("/api/instances?customer_id=7"))["data"]
    assert (listed["workflow"], listed["trigger"]["entity"]) == ("asks", "jobs")
    assert (await office.get("/api/instances?workflow=other"))["data"] == []
    whole = await office.get(f"/api/instances/{instance_id}")
    assert [step["step"] for step in whole["steps"]] == ["may"]
    paused = await office.send("POST", f"/api/instances/{instance_id}/pause", None)
    assert paused["instance"]["status"] == "paused"
    await office.send("POST", f"/api/instances/{instance_id}/resume", None)
    await office.send("POST", f"/api/instances/{instance_id}/resume", None, 422)
    over = await office.send("POST", f"/api/instances/{instance_id}/cancel", None)
    assert over["instance"]["status"] == "cancelled"
    await office.send("POST", f"/api/instances/{instance_id}/pause", None, 422)
    await office.get("/api/instances/999999", 404)


async def test_why_somebody_was_written_to_is_told(office: Office) -> None:
    instance_id = await began(office)
    told = await office.get("/api/customers/7/explain")
    kinds = {(line["kind"], line["outcome"]) for line in told["lines"]}
    assert kinds == {("start", "start"), ("step", "doing"), ("next", "running")}
    assert all(line["instance_id"] == instance_id for line in told["lines"] if line["kind"] != "start")
    assert (await office.get("/api/customers/8/explain"))["lines"] == []


async def test_a_question_is_answered_once(office: Office) -> None:
    await began(office)
    [question] = (await office.get("/api/approvals"))["data"]
    path = f"/api/approvals/{question['id']}"
    await office.send("POST", path, {"answer": "perhaps"}, 422)
    await office.send("POST", path, {"answer": "approved"})
    await office.send("POST", path, {"answer": "refused"}, 404)
    [answered] = (await office.get("/api/approvals?answered=true"))["data"]
    assert (answered["answer"], answered["answered_by"]) == ("approved", "all")


async def test_dead_letters_wait_and_are_tried_again(office: Office) -> None:
    instance_id = await began(office)
    gateway = office.gateway
    async with transaction(gateway.pool) as connection:
        instance = await instances.lock(connection, gateway.tenant_id, instance_id)
        assert instance is not None
        instance.status = instances.FAILED
        await instances.save(connection, gateway.tenant_id, instance, now=NOW)
        await letters.write(
            connection,
            gateway.tenant_id,
            kind="instance",
            error="It broke.",
            attempts=5,
            instance_id=instance_id,
        )
    [letter] = (await office.get("/api/dead-letters"))["data"]
    await office.send("POST", f"/api/dead-letters/{letter['id']}/redrive", None)
    await office.send("POST", f"/api/dead-letters/{letter['id']}/redrive", None, 404)
    assert (await office.get("/api/dead-letters"))["data"] == []
    assert (await office.get(f"/api/instances/{instance_id}"))["instance"]["status"] == "running"


async def test_tasks_are_done(office: Office) -> None:
    instance_id = await began(office)
    gateway = office.gateway
    task: dict[str, Any] = {
        "title": "Call back",
        "body": "",
        "role": "office",
        "urgent": True,
        "customer_id": 7,
        "instance_id": instance_id,
        "step": "call",
        "occurrence": 1,
        "due_at": None,
    }
    async with transaction(gateway.pool) as connection:
        first = await steps.task(connection, gateway.tenant_id, **task)
        assert first == await steps.task(connection, gateway.tenant_id, **task)  # one for each step
    [listed] = (await office.get("/api/tasks?role=office"))["data"]
    await office.send("POST", f"/api/tasks/{listed['id']}/done", None)
    await office.send("POST", f"/api/tasks/{listed['id']}/done", None, 404)
    assert (await office.get("/api/tasks"))["data"] == []
    [told] = (await office.get("/api/events?type=task_done"))["data"]
    assert (told["entity"], told["st_id"], told["data"]["task_id"]) == ("customers", 7, listed["id"])
    assert (told["data"]["step"], told["data"]["by"]) == ("call", "all")


async def test_workflows_are_switched_and_removed(office: Office) -> None:
    instance_id = await began(office)
    for word, mode in (("disable", "disabled"), ("shadow", "shadow"), ("enable", "live")):
        told = await office.send("POST", f"/api/workflows/asks/{word}", None)
        assert told == {"name": "asks", "mode": mode}
    await office.send("POST", "/api/workflows/missing/enable", None, 404)
    assert await office.send("DELETE", "/api/workflows/asks", None) == {"name": "asks", "cancelled": 1}
    shown = (await office.get(f"/api/instances/{instance_id}"))["instance"]
    assert (shown["status"], shown["reason"]) == ("cancelled", "deleted")
    await office.send("DELETE", "/api/workflows/asks", None, 404)
