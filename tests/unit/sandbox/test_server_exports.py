import json
from typing import Any

import pytest
from server_client import Caller, caller

FEED = "crm/export/customers"


@pytest.fixture
def who() -> Caller:
    """A company at rest: what it did until the sandbox began has settled."""
    who = caller(export_page_size=25, token_seconds=86_400)
    who.clock.advance(901)
    return who


def walk(who: Caller, feed: str = FEED, token: str = "", **query: Any) -> tuple[list[dict[str, Any]], str]:
    """Follow a feed to its end; return the records and the last token."""
    records: list[dict[str, Any]] = []
    while True:
        page = who.get(feed, **{"from": token}, **query)
        records += page["data"]
        token = page["continueFrom"]
        if not page["hasMore"]:
            return records, token


def test_a_feed_brings_everything_once_in_order_of_change(who: Caller) -> None:
    records, token = walk(who)

    every = {record["id"] for record in who.service.read("crm.customers")}
    assert len(records) == len(every)
    assert {record["id"] for record in records} == every
    assert any(record["active"] is False for record in records)
    assert token
    assert walk(who, token=token)[0] == []


def test_a_date_means_modified_on_or_after(who: Caller) -> None:
    moments = sorted(record["modifiedOn"] for record in who.service.read("crm.customers"))
    middle = moments[len(moments) // 2]

    records, _ = walk(who, token=middle)

    assert {record["modifiedOn"] for record in records} == {each for each in moments if each >= middle}


def test_a_change_comes_after_fifteen_minutes_or_at_once_when_asked(who: Caller) -> None:
    _, token = walk(who)
    number = who.some("crm.customers")["id"]
    who.write("PATCH", f"crm/customers/{number}", {"name": "Changed"})

    assert walk(who, token=token)[0] == []
    recent, next_token = walk(who, token=token, includeRecentChanges="true")
    assert [record["name"] for record in recent] == ["Changed"]
    again, _ = walk(who, token=next_token, includeRecentChanges="true")
    assert [record["id"] for record in again] == [number]
    who.clock.advance(901)
    assert [record["id"] for record in walk(who, token=token)[0]] == [number]
    settled, last = walk(who, token=next_token, includeRecentChanges="true")
    assert [record["id"] for record in settled] == [number]
    assert walk(who, token=last, includeRecentChanges="true")[0] == []


def test_what_happened_just_before_the_start_has_not_settled() -> None:
    who = caller()

    assert len(walk(who)[0]) < len(walk(who, includeRecentChanges="true")[0])


def test_recent_changes_need_not_repeat() -> None:
    who = caller(repeat_recent=False)
    who.write("PATCH", f"crm/customers/{who.some('crm.customers')['id']}", {"name": "Changed"})

    _, token = walk(who, includeRecentChanges="true")

    assert walk(who, token=token, includeRecentChanges="true")[0] == []


@pytest.mark.parametrize("token", ["garbage", "Zm9v", "!!!", "MjAyNg"])
def test_a_garbage_token_is_400(who: Caller, token: str) -> None:
    assert "from" in who.refused("GET", FEED, **{"from": token})["errors"]


def test_a_token_belongs_to_its_own_feed(who: Caller) -> None:
    token = who.get(FEED)["continueFrom"]

    assert who.refused("GET", "crm/export/locations", **{"from": token})["status"] == 400


def test_a_record_that_changes_during_the_walk_comes_again(who: Caller) -> None:
    first = who.get(FEED, includeRecentChanges="true")
    number = first["data"][0]["id"]
    who.write("PATCH", f"crm/customers/{number}", {"name": "Moved"})

    rest, _ = walk(who, token=first["continueFrom"], includeRecentChanges="true")

    assert [record["name"] for record in rest if record["id"] == number] == ["Moved"]


def test_deleted_records_are_told_as_inactive(who: Caller) -> None:
    visit = next(
        who.get(f"jpm/appointments/{job['lastAppointmentId']}")
        for job in who.service.read("jpm.jobs")
        if job["appointmentCount"] > 1
    )
    assert who.ask("DELETE", f"jpm/appointments/{visit['id']}").status == 200

    assert who.refused("GET", f"jpm/appointments/{visit['id']}")["status"] == 404
    assert visit["id"] not in {each["id"] for each in who.get("jpm/appointments", pageSize=5000)["data"]}
    fed, _ = walk(who, "jpm/export/appointments", includeRecentChanges="true")
    assert next(each for each in fed if each["id"] == visit["id"])["active"] is False


def test_a_deleted_contact_leaves_no_trace(who: Caller) -> None:
    contact = who.some("crm.customers_contacts")
    path = f"crm/customers/{contact['customerId']}/contacts/{contact['id']}"
    assert who.ask("DELETE", path).status < 300

    fed, _ = walk(who, "crm/export/customers/contacts", includeRecentChanges="true")

    assert contact["id"] not in {each["id"] for each in fed}
    assert who.refused("DELETE", path)["status"] == 404


def test_a_contacts_edit_does_not_touch_the_customer(who: Caller) -> None:
    contact = who.some("crm.customers_contacts")
    before = who.get(f"crm/customers/{contact['customerId']}")["modifiedOn"]

    who.write(
        "PATCH", f"crm/customers/{contact['customerId']}/contacts/{contact['id']}", {"memo": "call late"}
    )

    assert who.get(f"crm/customers/{contact['customerId']}")["modifiedOn"] == before
    recent = who.get("crm/customers/contacts", modifiedOnOrAfter=who.clock.now().isoformat())["data"]
    assert [each["memo"] for each in recent] == ["call late"]


def test_an_items_change_and_loss_are_told(who: Caller) -> None:
    invoice = next(each for each in who.service.read("accounting.invoices") if len(each["items"] or ()) > 1)
    gone, stays = invoice["items"][0]["id"], invoice["items"][1]["id"]
    feed = "accounting/export/invoice-items"
    _, token = walk(who, feed)

    assert who.ask("DELETE", f"accounting/invoices/{invoice['id']}/items/{gone}").status == 200
    told, _ = walk(who, feed, token=token, includeRecentChanges="true")

    assert {each["id"]: each["active"] for each in told} == {gone: False}
    assert stays in {each["id"] for each in walk(who, feed)[0]}


def test_active_of_the_assignments_feed(who: Caller) -> None:
    def count(**query: str) -> int:
        return len(walk(who, "dispatch/export/appointment-assignments", **query)[0])

    assert count(active="Any") == count(active="True") + count(active="False")
    assert count() == count(active="True")
    assert count(active="False") > 0


def test_the_old_estimate_export_answers_like_the_new_one(who: Caller) -> None:
    assert [each["id"] for each in walk(who, "sales/estimates/export")[0]] == [
        each["id"] for each in walk(who, "sales/export/estimates")[0]
    ]


def test_feeds_carry_the_records_bytes(who: Caller) -> None:
    fed, _ = walk(who, "jpm/export/job-notes")

    assert fed
    assert fed[0].keys() == {
        "id",
        "active",
        "text",
        "isPinned",
        "createdById",
        "createdOn",
        "modifiedOn",
        "jobId",
    }
    note = next(each for each in fed if each["active"])
    below = who.get(f"jpm/jobs/{note['jobId']}/notes")["data"]
    assert below[0].keys() == {"text", "isPinned", "createdById", "createdOn", "modifiedOn"}
    assert json.dumps(note["text"]) in json.dumps(below)
