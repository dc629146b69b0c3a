"""``/health/detailed``: each part's state and sentence, from what this process met and what waits."""

import dataclasses
from types import SimpleNamespace
from typing import Any

from office import Office

from perfectcatch.kit.breaker import State, Status
from perfectcatch.model.passing import Met

WAITING = """
with hold as (
  insert into servicetitan.sync_holds (tenant_id, entity, kind, found, total, detail)
  values (%(tenant)s, 'jobs', 'sweep', 60, 100, '{"first_ids": [1]}')
), place as (
  insert into servicetitan.sync_state (tenant_id, key, value)
  values (%(tenant)s, 'workflows_place', '"0@1:1:"')
), event as (
  insert into automation.events (tenant_id, event_type, entity, st_id, version, occurred_at, historical,
    recorded_at, data)
  values (%(tenant)s, 'job_created', 'jobs', 1, '1', now(), false, %(then)s, '{}')
), letter as (
  insert into automation.workflow_dead_letters (tenant_id, kind, error, attempts)
  values (%(tenant)s, 'event', 'x', 5)
)
insert into automation.messaging_holds (tenant_id, kind, name, reason, sentence, created_at)
values (%(tenant)s, 'channel', 'sms', 'x', 'x', now())
"""


async def parts(office: Office, met: Met, **more: Any) -> tuple[str, dict[str, tuple[str, str]]]:
    passage = SimpleNamespace(met=lambda: met)
    gateway = dataclasses.replace(office.gateway, passage=passage, **more)  # type: ignore[arg-type]
    office.app.state.gateway = gateway
    told = await office.get("/health/detailed")
    return told["status"], {part["name"]: (part["state"], part["detail"]) for part in told["parts"]}


async def test_all_is_quiet(office: Office) -> None:
    await office.was_read("jobs")
    status, found = await parts(office, Met(accepted=None, refusal="", circuits={}))
    assert status == "down"  # there is no worker
    assert found["workers"][0] == "down"
    assert found["credentials"] == ("unknown", "This process has not asked the vendor yet.")
    well = ("database", "sync jobs", "holds", "workflows", "webhooks", "messages", "texts", "email")
    assert {name: found[name][0] for name in well} == dict.fromkeys(well, "well")


async def test_what_the_vendor_said_is_told(office: Office) -> None:
    circuits = {
        "crm of 5": Status(State.OPEN, 5, 29.6, "ServiceTitan is broken (503)"),
        "jpm of 5": Status(State.CLOSED, 0, 0.0, ""),
    }
    desk = dataclasses.replace(office.gateway.desk, messenger=None)
    met = Met(accepted=False, refusal="ServiceTitan refused the client.", circuits=circuits)
    _, found = await parts(office, met, desk=desk)
    assert found["credentials"] == ("down", "ServiceTitan refused the client.")
    assert found["vendor crm of 5"] == ("down", "ServiceTitan is broken (503); the next try is in 30 s")
    assert found["vendor jpm of 5"] == ("well", "")
    assert found["texts"][0] == "not configured"


async def test_what_waits_is_told(office: Office) -> None:
    await office.was_read("jobs", status="held")
    async with office.pool.connection() as connection:
        await connection.execute(WAITING, {"tenant": office.tenant, "then": office.clock.now()})
    office.clock.advance(90)
    _, found = await parts(office, Met(accepted=True, refusal="", circuits={}))
    assert found["sync jobs"][0] == "ailing"
    assert found["holds"] == ("ailing", "A person should look at 1 held deletions of jobs.")
    assert found["workflows"][0] == "ailing"
    assert found["workflows"][1].startswith("1 events and 0 timers wait, the oldest for 90 s. 1 dead letters")
    assert found["messages"] == ("ailing", "1 holds wait for a person.")
    assert found["credentials"] == ("well", "")
