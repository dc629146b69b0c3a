"""Messages through the door: sending, looking, holding, and who wants what."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from office import Office, open_office

from perfectcatch.messaging import inbound, unsubscribe
from perfectcatch.model.messaging import Received

TENANTS = count(700)
NOON = datetime(2026, 6, 10, 18, tzinfo=UTC)
NUMBER = "+13035550142"
TEXT: dict[str, Any] = {"channel": "sms", "recipient": "(303) 555-0142", "body": "See you at nine."}
OFFER: dict[str, Any] = {
    "channel": "email",
    "purpose": "marketing",
    "recipient": "ann@example.com",
    "subject": "An offer",
    "body": "Time for a tune-up?",
}


@pytest.fixture
async def desk(filled: str) -> AsyncIterator[Office]:
    """The office of a new company at noon in Denver."""
    async with open_office(filled, tenant=next(TENANTS), start=NOON) as opened:
        yield opened


async def test_a_message_is_sent_and_told_of(desk: Office):
    sent = await desk.send("POST", "/api/messages", TEXT, 201)
    assert (sent["status"], sent["address"], sent["asked_by"]) == ("sent", NUMBER, "all")
    assert await desk.get(f"/api/messages/{sent['id']}") == sent
    [listed] = (await desk.get("/api/messages?status=sent&channel=sms"))["data"]
    assert {**listed, "html": None, "data": {}} == sent
    assert (await desk.get("/api/messages?status=refused"))["data"] == []
    assert len(desk.carrier.taken) == 1


async def test_an_idempotency_key_sends_once_for_ever(desk: Office):
    headers = {"Idempotency-Key": "visit 7"}
    answers = [await desk.http.post("/api/messages", json=TEXT, headers=headers) for _ in range(3)]
    assert {each.json()["id"] for each in answers} == {answers[0].json()["id"]}
    assert len(desk.carrier.taken) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"body": None}, 422),
        ({"template": "missing", "body": None}, 404),
        ({"channel": "email"}, 422),
        ({"body": "x" * 1601}, 422),
        ({"values": {"a": 1}}, 422),
        ({"colour": "red"}, 422),
        ({"channel": "pigeon"}, 422),
    ],
)
async def test_what_cannot_be_sent_is_refused(desk: Office, change: dict[str, Any], status: int):
    answer = await desk.http.post("/api/messages", json={**TEXT, **change})
    assert answer.status_code == status, answer.text
    assert desk.carrier.taken == []


async def test_a_key_for_reading_sends_nothing(desk: Office):
    key = await desk.key("read", "write")
    answer = await desk.http.post("/api/messages", json=TEXT, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403


async def test_lists_go_on_after_their_place(desk: Office):
    for number in range(5):
        await desk.send("POST", "/api/messages", {**TEXT, "body": f"Message {number}"}, 201)
    first = await desk.get("/api/messages?limit=2&sort=id")
    second = await desk.get(f"/api/messages?limit=2&sort=id&after={first['next']}")
    third = await desk.get(f"/api/messages?limit=2&sort=id&after={second['next']}")
    told = [each["body"] for part in (first, second, third) for each in part["data"]]
    assert told == [f"Message {number}" for number in range(5)]
    assert third["next"] is None


async def test_a_preview_says_what_would_be_and_writes_nothing(desk: Office):
    words = {
        "channel": "sms",
        "purpose": "marketing",
        "body": "Hi {{ customer.first_name }}, from {{ from | money }}.",
    }
    assert (await desk.send("PUT", "/api/templates/offer", words))["fields"] == [
        "customer.first_name",
        "from",
    ]
    draft = {"channel": "sms", "purpose": "marketing", "recipient": NUMBER, "template": "offer"}
    broken = await desk.send("POST", "/api/messages/preview", draft)
    assert broken["body"] is None
    assert broken["problems"]
    shown = await desk.send("POST", "/api/messages/preview", {**draft, "values": {"from": 99}})
    assert shown["body"] == "Hi there, from $99. Reply STOP to opt out."
    assert (shown["status"], shown["reason"], shown["segments"]) == ("suppressed", "no_consent", 1)
    assert shown["filled"] == ["customer.first_name"]
    assert (await desk.get("/api/messages"))["data"] == []


async def test_a_template_has_versions_and_a_broken_one_is_refused(desk: Office):
    words = {"channel": "sms", "purpose": "service", "body": "One"}
    await desk.send("PUT", "/api/templates/visit", words)
    assert (await desk.send("PUT", "/api/templates/visit", {**words, "body": "Two"}))["version"] == 2
    assert (await desk.send("PUT", "/api/templates/visit", {**words, "body": "{{"}, 422))["status"] == 422
    [shown] = (await desk.get("/api/templates"))["data"]
    assert (shown["body"], shown["version"]) == ("Two", 2)
    draft = {"channel": "sms", "recipient": NUMBER, "template": "visit"}
    assert (await desk.send("POST", "/api/messages", draft, 201))["body"] == "Two"


async def test_consent_opens_marketing_and_its_withdrawal_closes_it(desk: Office):
    assert (await desk.send("POST", "/api/messages", OFFER, 201))["reason"] == "no_consent"
    consent = {
        "channel": "email",
        "address": "Ann@Example.com",
        "source": "form",
        "wording": "Send me offers",
        "evidence": {"page": "/offers"},
    }
    await desk.send("POST", "/api/consents", consent, 201)
    assert (await desk.send("POST", "/api/messages", OFFER, 201))["status"] == "sent"
    desk.clock.advance(60)
    await desk.send("POST", "/api/consents", {**consent, "given": False}, 201)
    again = {**OFFER, "body": "Another one"}
    assert (await desk.send("POST", "/api/messages", again, 201))["reason"] == "consent_withdrawn"
    listed = (await desk.get("/api/consents?address=ann@example.com"))["data"]
    assert [each["given"] for each in listed] == [False, True]
    await desk.send("POST", "/api/consents", {**consent, "address": None}, 422)
    await desk.send("POST", "/api/consents", {**consent, "wording": " "}, 422)


async def test_an_opt_out_and_its_end(desk: Office):
    noted = await desk.send("POST", "/api/opt-outs", {"channel": "sms", "address": "303-555-0142"}, 201)
    assert (await desk.send("POST", "/api/messages", TEXT, 201))["reason"] == "opted_out"
    [listed] = (await desk.get("/api/opt-outs?in_force=true&address=3035550142"))["data"]
    assert listed["id"] == noted["id"]
    await desk.send("POST", f"/api/opt-outs/{noted['id']}/end", None)
    await desk.send("POST", f"/api/opt-outs/{noted['id']}/end", None, 404)
    assert (await desk.send("POST", "/api/messages", TEXT, 201))["status"] == "sent"
    assert (await desk.get("/api/opt-outs?in_force=true"))["data"] == []


async def test_words_of_doubt_hold_until_somebody_reads_them(desk: Office):
    said = Received(vendor_id="SM1", sender=NUMBER, to="+13035550100", body="don't stop", at=NOON)
    await inbound.take(desk.gateway.desk, said)
    held = await desk.send("POST", "/api/messages", TEXT, 201)
    assert (held["held"], held["reason"]) == (True, "doubtful_opt_out")
    [waiting] = (await desk.get("/api/received?waiting=true"))["data"]
    decided = await desk.send("POST", f"/api/received/{waiting['id']}/decide", {"opted_out": False})
    assert decided["decision"] == "handled"
    assert (await desk.get("/api/received?waiting=true"))["data"] == []
    [event] = (await desk.get("/api/events?type=message_received&sort=-id"))["data"]
    assert event["data"]["meaning"] == "doubtful"


async def test_a_held_message_is_released_or_cancelled(desk: Office):
    said = Received(vendor_id="SM1", sender=NUMBER, to="+13035550100", body="Who is this?", at=NOON)
    await inbound.take(desk.gateway.desk, said)
    first = await desk.send("POST", "/api/messages", TEXT, 201)
    second = await desk.send("POST", "/api/messages", {**TEXT, "body": "Another"}, 201)
    released = await desk.send("POST", f"/api/messages/{first['id']}/release", None)
    assert (released["status"], released["released_by"]) == ("sent", "all")
    cancelled = await desk.send("POST", f"/api/messages/{second['id']}/cancel", None)
    assert (cancelled["status"], cancelled["reason"]) == ("suppressed", "cancelled")
    await desk.send("POST", f"/api/messages/{first['id']}/cancel", None, 422)
    await desk.send("POST", "/api/messages/999999/release", None, 404)


async def test_rules_are_changed_and_count_at_once(desk: Office):
    await desk.send("PUT", "/api/message-rules/texts_per_day", {"value": 1})
    first = await desk.send("POST", "/api/messages", TEXT, 201)
    second = await desk.send("POST", "/api/messages", {**TEXT, "body": "Another"}, 201)
    assert (first["status"], second["reason"]) == ("sent", "budget_texts")
    shown = {each["name"]: each for each in (await desk.get("/api/message-rules"))["data"]}
    assert (shown["texts_per_day"]["value"], shown["texts_per_day"]["changed"]) == (1, True)
    assert shown["identical_within"]["value"] == 720
    for name, value in (
        ("texts_per_day", -1),
        ("texts_per_day", "many"),
        ("stop_covers", "nothing"),
        ("registrations", {"TX": "perhaps"}),
        ("segment_price", "cheap"),
        ("no_such_rule", 1),
    ):
        await desk.send("PUT", f"/api/message-rules/{name}", {"value": value}, 422)
    await desk.send("PUT", "/api/message-rules/registrations", {"value": {"tx": "exempt"}})
    await desk.send("PUT", "/api/message-rules/texts_per_day", {"value": None})
    shown = {each["name"]: each for each in (await desk.get("/api/message-rules"))["data"]}
    assert shown["registrations"]["value"] == {"TX": "exempt"}
    assert not shown["texts_per_day"]["changed"]


async def test_the_link_of_an_email(desk: Office):
    consent = {"channel": "email", "address": "ann@example.com", "source": "form", "wording": "Yes"}
    await desk.send("POST", "/api/consents", consent, 201)
    sent = await desk.send("POST", "/api/messages", OFFER, 201)
    token = unsubscribe.token("s" * 40, desk.tenant, sent["id"])
    assert f"/unsubscribe/{token}>" in desk.carrier.taken[0].headers["List-Unsubscribe"]  # type: ignore[union-attr]
    nobody = {"Authorization": ""}
    page = await desk.http.get(f"/unsubscribe/{token}", headers=nobody)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (await desk.get("/api/opt-outs"))["data"] == []  # looking changes nothing
    for forged in (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        f"{sent['id'] + 1}{token[token.index('.') :]}",
        unsubscribe.token("t" * 40, desk.tenant, sent["id"]),
        unsubscribe.token("s" * 40, desk.tenant + 1, sent["id"]),
        "x",
    ):
        assert (await desk.http.post(f"/unsubscribe/{forged}", headers=nobody)).status_code == 404
        assert (await desk.http.get(f"/unsubscribe/{forged}", headers=nobody)).status_code == 404
    for _ in range(2):
        done = await desk.http.post(
            f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"}, headers=nobody
        )
        assert done.status_code == 200
    [opt_out] = (await desk.get("/api/opt-outs"))["data"]
    assert (opt_out["covers"], opt_out["source"]) == ("purpose", "unsubscribe")
    again = {**OFFER, "body": "Another"}
    assert (await desk.send("POST", "/api/messages", again, 201))["reason"] == "opted_out"
    service = {**again, "purpose": "service"}
    assert (await desk.send("POST", "/api/messages", service, 201))["status"] == "sent"


async def test_another_company_sees_and_changes_nothing(desk: Office, filled: str):
    sent = await desk.send("POST", "/api/messages", TEXT, 201)
    noted = await desk.send("POST", "/api/opt-outs", {"channel": "sms", "address": NUMBER}, 201)
    async with open_office(filled, tenant=next(TENANTS), start=NOON) as other:
        await other.get(f"/api/messages/{sent['id']}", 404)
        await other.send("POST", f"/api/messages/{sent['id']}/cancel", None, 404)
        await other.send("POST", f"/api/opt-outs/{noted['id']}/end", None, 404)
        for path in ("messages", "opt-outs", "consents", "received", "message-holds", "templates"):
            assert (await other.get(f"/api/{path}"))["data"] == []
        assert (await other.send("POST", "/api/messages", TEXT, 201))["status"] == "sent"


async def test_an_address_that_takes_no_messages_is_listed_and_forgotten(desk: Office):
    from perfectcatch.messaging import people
    from perfectcatch.model.messaging import Channel

    await people.note_address(desk.gateway.desk, Channel.SMS, NUMBER, trouble="landline", code="30006")
    assert (await desk.send("POST", "/api/messages", TEXT, 201))["reason"] == "landline"
    [listed] = (await desk.get("/api/message-addresses"))["data"]
    assert (listed["address"], listed["trouble"]) == (NUMBER, "landline")
    await desk.send("DELETE", f"/api/message-addresses/sms/{NUMBER}", None)
    await desk.send("DELETE", f"/api/message-addresses/sms/{NUMBER}", None, 404)
    assert (await desk.send("POST", "/api/messages", TEXT, 201))["status"] == "sent"


async def test_a_hold_is_released_in_part_and_given_up(desk: Office):
    from perfectcatch.messaging import gate
    from perfectcatch.model.messaging import Channel, Intent, Purpose

    await desk.send("PUT", "/api/message-rules/blast_limit", {"value": 2})
    intents = [
        Intent(
            key=f"k{number}",
            channel=Channel.SMS,
            purpose=Purpose.SERVICE,
            recipient=f"+130355510{number:02d}",
            body=f"Message {number}",
            workflow="rehash",
        )
        for number in range(6)
    ]

    async def all_of_them() -> int:
        for intent in intents:
            await gate.send(desk.gateway.desk, intent)
        return len(desk.carrier.taken)

    assert await all_of_them() == 2
    [hold] = (await desk.get("/api/message-holds?open=true"))["data"]
    assert (hold["kind"], hold["name"], hold["reason"]) == ("workflow", "rehash", "blast")
    released = await desk.send("POST", f"/api/message-holds/{hold['id']}/release", {"allow": 2})
    assert len(released["messages"]) == 4
    assert await all_of_them() == 4
    [hold] = (await desk.get("/api/message-holds?open=true"))["data"]
    await desk.send("POST", f"/api/message-holds/{hold['id']}/cancel", None)
    await desk.send("POST", f"/api/message-holds/{hold['id']}/cancel", None, 404)
    assert await all_of_them() == 4
    assert len((await desk.get("/api/message-holds"))["data"]) == 2


async def test_a_person_stops_a_channel(desk: Office):
    hold = await desk.send("POST", "/api/message-holds", {"kind": "channel", "name": "sms"}, 201)
    assert (await desk.send("POST", "/api/message-holds", {"kind": "channel", "name": "sms"}, 201))[
        "id"
    ] is None
    await desk.send("POST", "/api/message-holds", {"kind": "channel", "name": "fax"}, 422)
    held = await desk.send("POST", "/api/messages", TEXT, 201)
    assert (held["held"], held["reason"]) == (True, "person")
    released = await desk.send("POST", f"/api/message-holds/{hold['id']}/release", None)
    assert released["messages"] == [held["id"]]
