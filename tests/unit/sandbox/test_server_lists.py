import json
from typing import Any

import pytest
from server_client import Caller, caller

from perfectcatch.sandbox.servicetitan.parts import PARTS


@pytest.fixture(scope="module")
def who() -> Caller:
    return caller(customers=300)


def ids(page: dict[str, Any]) -> list[int]:
    return [record["id"] for record in page["data"]]


# Pages ----------------------------------------------------------------------------------------------


def test_a_page_holds_fifty_and_tells_no_total_unless_asked(who: Caller) -> None:
    page = who.get("crm/customers")

    assert (page["page"], page["pageSize"], len(page["data"])) == (1, 50, 50)
    assert page["hasMore"] is True
    assert page["totalCount"] is None
    assert who.get("crm/customers", includeTotal="true", pageSize=1)["totalCount"] > 200


def test_pages_follow_each_other_without_gap(who: Caller) -> None:
    everything = ids(who.get("crm/customers", pageSize=5000, active="Any"))
    first, size, walked = 1, 37, []
    while True:
        page = who.get("crm/customers", page=first, pageSize=size, active="Any")
        walked += ids(page)
        if not page["hasMore"]:
            break
        first += 1

    assert walked == everything
    assert who.get("crm/customers", page=first + 1, pageSize=size)["data"] == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("crm/customers", {"pageSize": 5001}),
        ("crm/customers", {"pageSize": 0}),
        ("crm/customers", {"page": 0}),
        ("crm/customers", {"page": "x"}),
        ("crm/customers/custom-fields", {"page": 0}),
        ("accounting/journal-entries", {"pageSize": 501}),
        ("inventory/return-types", {"pageSize": 501, "activeOnly": "true"}),
        ("crm/customers", {"createdOnOrAfter": "yesterday"}),
        ("crm/customers", {"active": "maybe"}),
        ("crm/customers", {"includeTotal": "perhaps"}),
        ("crm/customers", {"sort": "+Name"}),
        ("crm/customers", {"ids": "a,b"}),
        ("crm/customers", {"ids": ",".join(map(str, range(51)))}),
        ("jpm/jobs", {"jobStatus": "Nearly"}),
        ("jpm/jobs", {"customerId": "x"}),
        ("crm/customers/contacts", {}),
        ("crm/locations/contacts", {}),
        ("settings/business-units/intacct", {"page": 0, "pageSize": 5}),
    ],
)
def test_bad_values_are_400(who: Caller, path: str, query: dict[str, Any]) -> None:
    error = who.refused("GET", path, **query)

    assert error["status"] == 400
    assert error["errors"]
    assert all(isinstance(texts, list) for texts in error["errors"].values())


def test_intacct_counts_its_pages_from_zero(who: Caller) -> None:
    page = who.get("settings/business-units/intacct", page=0, pageSize=5, includeTotal="true")

    assert page["page"] == 0
    assert page["data"]


def test_unknown_names_are_ignored(who: Caller) -> None:
    every = who.get("jpm/jobs", includeTotal="true")["totalCount"]

    assert who.get("jpm/jobs", status="Canceled", includeTotal="true")["totalCount"] == every
    assert who.get("jpm/jobs", jobStatus="Canceled", includeTotal="true")["totalCount"] < every


# Activity and merges --------------------------------------------------------------------------------


def test_lists_show_active_records_unless_asked(who: Caller) -> None:
    active = who.get("crm/customers", pageSize=5000)["data"]
    inactive = who.get("crm/customers", pageSize=5000, active="False")["data"]
    both = who.get("crm/customers", pageSize=5000, active="Any")["data"]

    assert inactive
    assert all(record["active"] for record in active)
    assert not any(record["active"] for record in inactive)
    assert len(both) >= len(active) + len(inactive)


def test_merged_customers_are_in_feeds_and_not_in_default_lists() -> None:
    who = caller()
    first, second = (record["id"] for record in who.get("crm/customers", pageSize=2)["data"])
    who.control.answer("POST", "/_sandbox/merge", "", json.dumps({"from": first, "to": second}).encode())

    assert first not in ids(who.get("crm/customers", pageSize=5000))
    assert first not in ids(who.get("crm/customers", pageSize=5000, active="False"))
    fed = who.get("crm/export/customers", includeRecentChanges="true")["data"]
    loser = next(record for record in fed if record["id"] == first)
    assert (loser["active"], loser["mergedToId"]) == (False, second)
    places = who.get("crm/locations", customerId=second, pageSize=5000)["data"]
    assert places
    assert who.get("crm/locations", customerId=first)["data"] == []


def test_appointments_show_all_by_default_and_assignments_only_active(who: Caller) -> None:
    visits = who.get("jpm/appointments", pageSize=5000)["data"]
    assert {"Canceled", "Done"} <= {visit["status"] for visit in visits}

    assignments = who.get("dispatch/appointment-assignments", pageSize=5000)["data"]
    assert all(each["active"] for each in assignments)
    every = who.get("dispatch/appointment-assignments", pageSize=5000, active="Any")["data"]
    assert len(every) > len(assignments)


def test_invoices_have_their_own_word_for_activity(who: Caller) -> None:
    def count(**query: str) -> int:
        return int(who.get("accounting/invoices", includeTotal="true", **query)["totalCount"])

    assert count() == count(activeState="ActiveOnly")
    assert count(activeState="InactiveOnly") > 0
    assert count(activeState="All") == count() + count(activeState="InactiveOnly")


def test_jobs_have_no_active_in_lists(who: Caller) -> None:
    assert "active" not in who.get("jpm/jobs")["data"][0]
    assert "active" in who.get("jpm/export/jobs")["data"][0]
    assert "active" not in who.get(f"jpm/jobs/{who.some('jpm.jobs')['id']}")


# Filters --------------------------------------------------------------------------------------------


def test_moments_are_inclusive_from_and_exclusive_to(who: Caller) -> None:
    moments = sorted(record["modifiedOn"] for record in who.get("jpm/jobs", pageSize=5000)["data"])
    middle = moments[len(moments) // 2]

    after = who.get("jpm/jobs", pageSize=5000, modifiedOnOrAfter=middle)["data"]
    before = who.get("jpm/jobs", pageSize=5000, modifiedBefore=middle)["data"]

    assert middle in {record["modifiedOn"] for record in after}
    assert middle not in {record["modifiedOn"] for record in before}
    assert len(after) + len(before) == len(moments)


def test_created_filters(who: Caller) -> None:
    middle = sorted(job["createdOn"] for job in who.service.read("jpm.jobs"))[10]

    assert who.get("jpm/jobs", createdBefore=middle, includeTotal="true")["totalCount"] == 10


def test_ids_narrow_and_may_be_many(who: Caller) -> None:
    some = ids(who.get("crm/customers", pageSize=50))

    assert ids(who.get("crm/customers", ids=",".join(map(str, some)))) == some
    assert ids(who.get("crm/customers", ids=f"{some[0]},1")) == [some[0]]


def test_sorting_both_ways(who: Caller) -> None:
    rising = ids(who.get("crm/customers", sort="+Id", pageSize=20))
    falling = ids(who.get("crm/customers", sort="-Id", pageSize=20))
    changed = who.get("jpm/jobs", sort="-ModifiedOn", pageSize=5000)["data"]

    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert min(falling) > max(rising)
    stamps = [job["modifiedOn"].rstrip("Z") for job in changed]
    assert [text[:19] for text in stamps] == sorted((text[:19] for text in stamps), reverse=True)


def test_fields_that_filter(who: Caller) -> None:
    job = who.some("jpm.jobs", jobStatus="Completed")
    invoice = who.some("accounting.invoices")
    estimate = who.some("sales.estimates")

    def only(path: str, **query: Any) -> list[Any]:
        records: list[Any] = who.get(path, pageSize=5000, **query)["data"]
        assert records, (path, query)
        return records

    assert {each["customerId"] for each in only("jpm/jobs", customerId=job["customerId"])} == {
        job["customerId"]
    }
    assert {each["id"] for each in only("jpm/jobs", number=job["jobNumber"])} == {job["id"]}
    assert {each["jobId"] for each in only("jpm/appointments", jobId=job["id"])} == {job["id"]}
    assert {each["jobId"] for each in only("dispatch/appointment-assignments", jobId=job["id"])} == {
        job["id"]
    }
    customer = invoice["customer"]["id"]
    assert {each["customer"]["id"] for each in only("accounting/invoices", customerId=customer)} == {customer}
    number = invoice["referenceNumber"]
    assert {each["referenceNumber"] for each in only("accounting/invoices", number=number)} == {number}
    statuses = {each["status"]["name"] for each in only("sales/estimates", status=estimate["status"]["name"])}
    assert statuses == {estimate["status"]["name"]}
    name = who.some("crm.customers")["name"]
    assert name in {each["name"] for each in only("crm/customers", name=name[1:6].upper())}
    phone = who.some("crm.customers_contacts", type="MobilePhone")
    found = only("crm/customers", phone=phone["value"], active="Any")
    assert phone["customerId"] in {each["id"] for each in found}
    technician = who.some("dispatch.appointment_assignments")
    sent = only("jpm/jobs", technicianId=technician["technicianId"])
    assert technician["jobId"] in {each["id"] for each in sent}
    done = only("jpm/jobs", completedOnOrAfter="2025-06-01")
    assert all(each["completedOn"] >= "2025-06-01" for each in done)


def test_contacts_below_a_customer_lack_the_customers_id(who: Caller) -> None:
    customer = who.some("crm.customers_contacts")["customerId"]

    below = who.get(f"crm/customers/{customer}/contacts")["data"]
    every = who.get("crm/customers/contacts", modifiedOnOrAfter="2000-01-01")["data"]

    assert below
    assert "customerId" not in below[0]
    assert "customerId" in every[0]
    assert who.refused("GET", "crm/customers/1/contacts")["status"] == 404


def test_calls_have_three_forms(who: Caller) -> None:
    listed = who.get("telecom/v3/calls")["data"][0]
    fed = who.get("telecom/export/calls")["data"][0]
    detailed = who.get(f"telecom/calls/{listed['id']}")

    assert listed["leadCall"]["from"]
    assert "modifiedOn" not in listed
    assert fed["from"]
    assert "leadCall" not in fed
    assert detailed["leadCall"]["id"] == listed["id"]
    assert who.ask("GET", f"telecom/calls/{listed['id']}/recording").body.startswith(b"RIFF")


def test_made_up_resources_are_the_same_every_time(who: Caller) -> None:
    other = caller(customers=300)

    first = who.get("inventory/purchase-orders", active="Any")
    assert first["data"]
    assert first == other.get("inventory/purchase-orders", active="Any")
    assert who.get(f"inventory/purchase-orders/{first['data'][0]['id']}")["id"] == first["data"][0]["id"]


def test_items_of_invoices_are_a_feed_of_their_own(who: Caller) -> None:
    invoice = next(
        each for each in who.service.read("accounting.invoices") if each["items"] and each["active"]
    )

    fed = who.get("accounting/export/invoice-items", includeRecentChanges="true")["data"]

    mine = [item for item in fed if item["invoiceId"] == invoice["id"]]
    assert [item["id"] for item in mine] == [item["id"] for item in invoice["items"]]
    assert set(PARTS) == {"accounting.invoice_items", "sales.estimates_items"}
    estimate = next(each for each in who.service.read("sales.estimates") if each["items"])
    items = who.get("sales/estimates/items", estimateId=estimate["id"])["data"]
    assert [item["id"] for item in items] == [item["id"] for item in estimate["items"]]
