import json
from collections import Counter
from typing import Any

from server_client import Caller, caller

from perfectcatch.vendors.servicetitan.shapes import operation, operations


def control(who: Caller, method: str, name: str, body: Any = None, query: str = "") -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    answer = who.control.answer(method, f"/_sandbox/{name}", query, content)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_the_ledger_tells_every_request() -> None:
    who = caller(ledger=3)
    who.get("crm/customers", pageSize=7)
    who.refused("GET", "crm/customers/1")

    ledger = control(who, "GET", "ledger")

    assert ledger["total"] == 3  # the token too
    listed, missing = ledger["entries"][-2:]
    assert (listed["status"], listed["records"], listed["query"]) == (200, 7, "pageSize=7")
    assert missing["status"] == 404
    who.get("crm/customers")
    assert len(control(who, "GET", "ledger")["entries"]) == 3
    stats = control(who, "GET", "stats")
    assert stats["statuses"] == {"200": 3, "404": 1}
    assert stats["operations"]["GET /crm/v2/tenant/{tenant}/customers"] == 2
    assert stats["collections"]["crm.customers"] == 120


def test_records_are_told_edited_added_and_deleted() -> None:
    who = caller()
    number = who.some("crm.customers")["id"]

    control(who, "POST", "edit", {"collection": "crm.customers", "id": number, "changes": {"name": "Edited"}})
    assert who.get(f"crm/customers/{number}")["name"] == "Edited"
    assert control(who, "GET", "records/crm.customers", query=f"id={number}")["name"] == "Edited"
    assert len(control(who, "GET", "records/crm.customers")) == 120
    tag = {"name": "New", "color": "#000000"}
    added = control(who, "POST", "add", {"collection": "settings.tag_types", "record": tag})
    assert "New" in {each["name"] for each in who.get("settings/tag-types")["data"]}
    control(who, "POST", "delete", {"collection": "settings.tag_types", "id": added["id"], "hard": True})
    fed = who.get("settings/export/tag-types", includeRecentChanges="true")["data"]
    assert added["id"] not in {each["id"] for each in fed}
    assert who.control.answer("POST", "/_sandbox/edit", "", b"{}").status == 400
    assert who.control.answer("GET", "/_sandbox/records/no.such").status == 404
    assert who.control.answer("DELETE", "/_sandbox/edit").status == 405


def test_merging_moves_what_belonged_to_the_loser() -> None:
    who = caller()
    loser = who.some("accounting.invoices")["customer"]["id"]
    winner = next(each["id"] for each in who.get("crm/customers")["data"] if each["id"] != loser)
    before = len(who.get("jpm/jobs", customerId=loser, pageSize=5000)["data"])

    merged = control(who, "POST", "merge", {"from": loser, "to": winner})

    assert (merged["active"], merged["mergedToId"]) == (False, winner)
    assert before > 0
    for path in ("jpm/jobs", "accounting/invoices", "crm/locations"):
        assert who.get(path, customerId=loser)["data"] == []
    assert loser not in {each["customerId"] for each in who.service.read("sales.estimates")}
    assert len(who.get("jpm/jobs", customerId=winner, pageSize=5000)["data"]) >= before


def test_revoked_tokens_are_refused() -> None:
    who = caller()
    assert control(who, "POST", "revoke") == {"revoked": 1}

    assert who.refused("GET", "crm/customers")["status"] == 401


# Activity -------------------------------------------------------------------------------------------


def test_activity_is_believable_and_the_same_for_the_same_seed() -> None:
    who, twin = caller(), caller()
    done = control(who, "POST", "activity", {"changes": 150})["done"]

    assert len(done) == 150
    assert done == control(twin, "POST", "activity", {"changes": 150})["done"]
    kinds = Counter(each["what"] for each in done)
    assert {"new_customer", "booked_job", "completed", "payment", "estimate_sold", "canceled"} <= set(kinds)


def test_activity_leaves_the_company_consistent() -> None:
    who = caller()
    done = control(who, "POST", "activity", {"changes": 150})["done"]

    completed = next(each for each in done if each["what"] == "completed")
    job = who.get(f"jpm/jobs/{completed['jobId']}")
    visits = who.get("jpm/appointments", jobId=job["id"])["data"]
    assert job["jobStatus"] in {"Completed", "Scheduled"}
    assert {each["status"] for each in visits} & {"Done"}
    paid = next(each for each in done if each["what"] == "payment")
    invoice = who.get("accounting/invoices", ids=paid["invoiceId"])["data"][0]
    assert float(invoice["balance"]) < float(invoice["total"])
    for record in who.service.read("jpm.jobs"):
        visits = who.service.tenant.find("jpm.appointments", "jobId", record["id"])
        assert record["appointmentCount"] == len(visits)
    fresh = who.get("crm/export/customers", includeRecentChanges="true")["data"]
    assert {each["customerId"] for each in done if each["what"] == "new_customer"} <= {
        each["id"] for each in fresh
    }


def test_every_operation_of_the_table_is_readable() -> None:
    assert len(operations()) == 591
    for key in operations():
        fact = operation(key)
        assert fact.success[0] in {200, 201, 202, 204, 302}
