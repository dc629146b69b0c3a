"""Writes through the gateway: scopes, audit, idempotency, dry runs, uploads."""

import asyncio
from typing import Any

import psycopg
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from passing_lab import APPLICATION, Lab, problem

from perfectcatch.errors import PrivilegeMissing
from perfectcatch.gateway.monitor.hub import open_hub
from perfectcatch.kit.clock import SystemClock
from perfectcatch.store import presence

NOTE = {"text": "Gate code 4711", "pinToTop": False}


def note(lab: Lab) -> str:
    return f"/jobs/{lab.some('jpm.jobs')['id']}/notes"


async def audit(lab: Lab) -> list[Any]:
    return await lab.rows(
        "select phase, actor, operation, outcome, status, idempotency_key "
        f"from automation.audit_log where id > {lab.audited} order by id"
    )


async def vanish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry out what is asked and answer nothing."""
    await handler(request)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def lose(request: web.Request, _: Handler) -> web.StreamResponse:
    """Neither carry out nor answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_reader_changes_nothing(lab: Lab):
    assert (await lab.ask("POST", note(lab), key="reader", json=NOTE)).status_code == 403
    assert lab.fault.sent == []
    assert await audit(lab) == []


async def test_a_change_is_noted_before_and_after(lab: Lab):
    seen: list[Any] = []

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.extend(await audit(lab))
        return await handler(request)

    lab.fault.act = act
    answer = await lab.ask("POST", note(lab), json=NOTE)
    assert answer.status_code == 200
    assert seen == [("asked", "writer", "jpm.jobs_notes.create", None, None, None)]
    assert (await audit(lab))[1:] == [("ended", "writer", "jpm.jobs_notes.create", "done", 200, None)]
    ids = await lab.rows(
        f"select distinct request_id::text from automation.audit_log where id > {lab.audited}"
    )
    assert ids == [(answer.headers["x-request-id"],)]


async def test_the_audit_log_cannot_be_altered(lab: Lab):
    await lab.ask("POST", note(lab), json=NOTE)
    for statement in ("update automation.audit_log set actor = 'x'", "delete from automation.audit_log"):
        with pytest.raises((psycopg.Error, PrivilegeMissing)):
            await lab.rows(f"{statement} returning 1")


async def test_put_where_it_was_promised(lab: Lab):
    customer = lab.some("crm.customers")
    answer = await lab.ask("PUT", f"/customers/{customer['id']}", json={"name": "Renamed"})
    assert answer.status_code == 200
    assert lab.fault.sent[-1].method == "PATCH"
    assert answer.json()["name"] == "Renamed"


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 422), (b"", 422), (b"[" * 100_000, 422), (b"x" * (1 << 20), 422), (b"x" * ((1 << 20) + 1), 413)],
)
async def test_a_body_is_json_of_at_most_a_mebibyte(lab: Lab, content: bytes, status: int):
    assert (await lab.ask("POST", note(lab), content=content)).status_code == status
    assert lab.fault.sent == []


async def test_what_takes_no_body_gets_none(lab: Lab):
    assert (await lab.ask("DELETE", "/st/pricebook/services/7", json={})).status_code == 422
    assert (
        await lab.ask("POST", note(lab), content=b"{}", headers={"Content-Encoding": "gzip"})
    ).status_code == 415


async def test_a_refused_change_is_passed_on_and_noted(lab: Lab):
    answer = await lab.ask("POST", note(lab), json={"text": 7})
    assert answer.status_code == 400
    assert (await audit(lab))[-1][3:5] == ("refused", 400)
    assert len(lab.fault.sent) == 1


# Idempotency ---------------------------------------------------------------------------------------


async def keyed(
    lab: Lab, path: str, key: str = "k1", *, who: str = "writer", method: str = "POST", **more: Any
) -> Any:
    return await lab.ask(method, path, key=who, headers={"Idempotency-Key": key}, **more)


async def test_fifty_at_once_with_one_key_are_one_change(lab: Lab):
    path = note(lab)
    answers = await asyncio.gather(*(keyed(lab, path, json=NOTE) for _ in range(50)))
    assert lab.writes == 1
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) >= 1
    assert set(statuses) <= {200, 409}
    assert all(a.headers["retry-after"] == "1" for a in answers if a.status_code == 409)
    again = await keyed(lab, path, json=NOTE)
    assert again.headers["idempotency-replayed"] == "true"
    first = next(a for a in answers if a.status_code == 200 and "idempotency-replayed" not in a.headers)
    assert again.content == first.content
    assert lab.writes == 1


async def test_another_body_another_path_or_another_caller(lab: Lab):
    path = note(lab)
    await keyed(lab, path, json=NOTE)
    assert (await keyed(lab, path, json={**NOTE, "text": "Other"})).status_code == 422
    assert (await keyed(lab, f"{path}?dry_run=false", json=NOTE)).headers["idempotency-replayed"] == "true"
    assert (
        await keyed(lab, f"/customers/{lab.some('crm.customers')['id']}/notes", json=NOTE)
    ).status_code == 422
    assert lab.writes == 1
    assert (await keyed(lab, path, who="other", json=NOTE)).status_code == 200
    assert lab.writes == 2


async def test_a_refusal_is_what_a_repetition_gets(lab: Lab):
    first = await keyed(lab, note(lab), json={"text": 7})
    second = await keyed(lab, note(lab), json={"text": 7})
    assert first.status_code == second.status_code == 400
    assert problem(first) == problem(second)
    assert lab.writes == 1


async def test_what_was_certainly_not_sent_frees_the_key(lab: Lab):
    async def act(_: web.Request, __: Handler) -> web.StreamResponse:
        return web.Response(status=429)

    lab.fault.act = act
    assert (await keyed(lab, note(lab), json=NOTE)).status_code == 429
    lab.fault.act = None
    assert (await keyed(lab, note(lab), json=NOTE)).status_code == 200


async def test_a_lost_answer_is_unknown_and_found_by_reading_back(lab: Lab):
    lab.fault.act, customer = vanish, lab.some("crm.customers")
    path = f"/customers/{customer['id']}"
    first = await keyed(lab, path, method="PATCH", json={"name": "Renamed"})
    assert first.status_code == 502
    assert problem(first)["outcome"] == "unknown"
    lab.fault.act = None
    again = await keyed(lab, path, method="PATCH", json={"name": "Renamed"})
    assert again.status_code == 200
    assert again.json()["name"] == "Renamed"
    assert again.headers["idempotency-resolved"] == "read back"
    assert lab.writes == 1
    assert (await keyed(lab, path, method="PATCH", json={"name": "Renamed"})).content == again.content


async def test_what_is_not_in_effect_is_said_so_and_not_sent_again(lab: Lab):
    lab.fault.act, customer = lose, lab.some("crm.customers")
    path = f"/customers/{customer['id']}"
    await keyed(lab, path, method="PATCH", json={"name": "Never so"})
    lab.fault.act = None
    again = await keyed(lab, path, method="PATCH", json={"name": "Never so"})
    assert again.status_code == 409
    assert problem(again)["outcome"] == "not in effect"
    assert problem(again)["look_at"] == f"GET /st/crm/customers/{customer['id']}"
    assert lab.writes == 1


async def test_a_record_that_was_made_is_found_in_the_list(lab: Lab):
    body = {"name": "Seasonal offer", "active": True}
    lab.fault.act = vanish
    first = await keyed(lab, "/st/marketing/categories", json=body)
    lab.fault.act = None
    again = await keyed(lab, "/st/marketing/categories", json=body)
    assert first.status_code == 502
    assert again.status_code in {200, 409}
    assert lab.writes == 1
    lab.fault.act = vanish
    await keyed(lab, "/st/settings/tag-types", "k2", json={"name": "Canary tag", "color": "#123456"})
    lab.fault.act = None
    again = await keyed(lab, "/st/settings/tag-types", "k2", json={"name": "Canary tag", "color": "#123456"})
    assert again.status_code == 200, again.text
    assert again.json()["name"] == "Canary tag"


async def test_other_servers_are_told_what_was_written(lab: Lab):
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with open_hub(lab.pool, lab.tenant_id, SystemClock()) as hub, asyncio.timeout(60):
        hub.on_write = heard.put_nowait
        while heard.empty():  # it may not listen yet
            assert (await lab.ask("POST", note(lab), json=NOTE)).status_code == 200
            await asyncio.sleep(0.05)
    assert await heard.get() == "jpm"


PERSON = {
    "name": "Ann Again",
    "type": "Residential",
    "address": {"street": "1 Main St", "city": "Miami", "state": "FL", "zip": "33101", "country": "USA"},
}
PERSON["locations"] = [{"name": "Home", "address": PERSON["address"]}]


async def test_a_record_of_which_there_are_two_alike_is_found_by_the_key(lab: Lab):
    """The key goes into the external data of what is made, and tells it from others like it."""
    path = "/st/crm/customers"
    assert (await lab.ask("POST", path, json=PERSON)).status_code == 200
    lab.fault.act = vanish
    assert (await keyed(lab, path, json=PERSON)).status_code == 502
    lab.fault.act = None
    again = await keyed(lab, path, json=PERSON)
    assert (again.status_code, again.headers["idempotency-resolved"]) == (200, "read back"), again.text
    made = [each for each in lab.vendor.read("crm.customers") if each["name"] == PERSON["name"]]
    [mine] = [each for each in made if each["externalData"]]
    assert again.json()["id"] == mine["id"]
    assert mine["externalData"][0]["key"] == "perfectcatch-request"
    assert lab.writes == 2
    assert (await keyed(lab, path, json=PERSON)).json()["id"] == mine["id"]
    changed = await keyed(lab, path, json={**PERSON, "name": "Somebody else"})
    assert changed.status_code == 422


async def test_a_record_that_is_not_there_after_a_while_was_not_made(lab: Lab):
    lab.fault.act = lose
    body = {**PERSON, "externalData": {"applicationGuid": APPLICATION, "externalData": []}}
    assert (await keyed(lab, "/st/crm/customers", "k3", json=body)).status_code == 502
    lab.fault.act = None
    again = await keyed(lab, "/st/crm/customers", "k3", json=body)
    assert problem(again)["outcome"] == "unknown"
    assert "externalDataKey=perfectcatch-request" in problem(again)["look_at"]
    await lab.rows(
        "update automation.idempotency_keys set created_at = created_at - interval '16 minutes' returning 1"
    )
    again = await keyed(lab, "/st/crm/customers", "k3", json=body)
    assert problem(again)["outcome"] == "not in effect"
    assert lab.writes == 1


async def test_what_a_caller_keeps_under_another_app_is_left_and_found_by(lab: Lab):
    theirs = {"applicationGuid": "f" * 8 + APPLICATION[8:], "externalData": [{"key": "row", "value": "77"}]}
    body = {**PERSON, "name": "Bob Sheet", "externalData": theirs}
    lab.fault.act = vanish
    assert (await keyed(lab, "/st/crm/customers", json=body)).status_code == 502
    lab.fault.act = None
    again = await keyed(lab, "/st/crm/customers", json=body)
    assert again.status_code == 200, again.text
    assert again.json()["externalData"] == theirs["externalData"]


async def test_an_action_stays_unknown_and_says_where_to_look(lab: Lab):
    lab.fault.act, estimate = vanish, lab.some("sales.estimates")
    path = f"/estimates/{estimate['id']}/unsell"
    assert (await keyed(lab, path, method="PUT")).status_code == 502
    lab.fault.act = None
    again = await keyed(lab, path, method="PUT")
    assert again.status_code == 409
    assert problem(again)["look_at"] == f"GET /st/sales/estimates/{estimate['id']}"
    assert lab.writes == 1


async def test_a_claim_whose_process_has_gone_is_unknown(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    gone = presence.Presence(lab.pool)
    name = await gone.name()
    assert await presence.is_present(lab.pool, name)
    hold = asyncio.Event()

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        await hold.wait()
        return await handler(request)

    lab.fault.act, path = act, note(lab)
    writing = asyncio.create_task(keyed(lab, path, json=NOTE))
    await lab.fault.came(1)
    assert (await keyed(lab, path, json=NOTE)).status_code == 409
    await lab.rows("update automation.idempotency_keys set owner = 'gone' returning 1")
    lab.fault.act = None
    again = await keyed(lab, path, json=NOTE)
    assert again.status_code == 409
    assert problem(again)["outcome"] == "unknown"
    hold.set()
    assert (await writing).status_code == 200
    assert (await keyed(lab, path, json=NOTE)).headers["idempotency-replayed"] == "true"
    assert lab.writes == 1
    await gone.close()
    async with asyncio.timeout(60):  # the server notices in its own time that the connection is closed
        while await presence.is_present(lab.pool, name):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ünicode"])
async def test_a_key_is_a_word(lab: Lab, key: str):
    answer = await lab.ask("POST", note(lab), json=NOTE, headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 400


# Dry runs ------------------------------------------------------------------------------------------


async def test_a_dry_run_shows_the_request_and_sends_nothing(lab: Lab):
    answer = await lab.ask("POST", f"{note(lab)}?dry_run=true", json=NOTE)
    assert answer.status_code == 200
    told = answer.json()
    assert told["changes"] is True
    assert told["operation"] == "jpm.jobs_notes.create"
    assert told["request"]["body"] == NOTE
    assert f"/jpm/v2/tenant/{lab.tenant_id}/jobs/" in told["request"]["url"]
    assert told["request"]["headers"]["Authorization"] == "[hidden]"
    assert lab.fault.sent == []
    assert await audit(lab) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": 7}, "text"),
        ({"text": "x", "pinToTpo": True}, "pinToTpo"),
        ({"text": "x", "pinToTop": 1}, "pinToTop"),
    ],
)
async def test_a_dry_run_names_what_is_wrong(lab: Lab, body: Any, field: str):
    answer = await lab.ask("POST", f"{note(lab)}?dry_run=true", json=body)
    assert answer.status_code == 422
    assert field in problem(answer)["errors"]
    assert lab.fault.sent == []


async def test_a_dry_run_of_a_question(lab: Lab):
    answer = await lab.ask(
        "GET",
        "/dispatch/capacity?startsOnOrAfter=2026-11-26T00:00:00Z&endsOnOrBefore=2026-11-27T00:00:00Z&businessUnitIds=7&dry_run=1",
    )
    told = answer.json()["request"]
    assert told["method"] == "POST"
    assert told["body"] == {
        "startsOnOrAfter": "2026-11-26T00:00:00Z",
        "endsOnOrBefore": "2026-11-27T00:00:00Z",
        "businessUnitIds": [7],
        "skillBasedAvailability": False,
    }


# Uploads -------------------------------------------------------------------------------------------


async def test_a_large_file_is_passed_on_and_survives_an_old_token(lab: Lab):
    got: list[bytes] = []

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        got.append(await request.read())
        return web.Response(status=401) if len(got) == 1 else await handler(request)

    lab.fault.act = act
    content = bytes(range(256)) * 20_000
    path = f"/st/forms/jobs/{lab.some('jpm.jobs')['id']}/attachments"
    answer = await lab.ask("POST", path, files={"file": ("a.bin", content, "application/octet-stream")})
    assert answer.status_code == 200, answer.text
    assert len(got) == 2
    assert got[0] == got[1]
    assert content in got[0]
    assert lab.fault.sent[-1].headers["Content-Length"] == str(len(got[0]))


async def test_a_file_has_a_limit_and_a_kind(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("perfectcatch.gateway.passing.bodies.UPLOAD_BYTES", 1000)
    path = "/st/pricebook/images"
    assert (await lab.ask("POST", path, files={"file": bytes(2000)})).status_code == 413
    assert (
        await lab.ask("POST", path, content=iter_bytes(), headers={"Content-Type": "image/png"})
    ).status_code == 413
    assert (await lab.ask("POST", path, json={})).status_code == 415
    assert lab.fault.sent == []


async def iter_bytes() -> Any:
    for _ in range(10):
        yield bytes(500)
