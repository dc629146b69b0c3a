import json
from typing import Any

import pytest
from server_client import Caller, caller

ADDRESS = {
    "street": "1 Main St",
    "unit": None,
    "city": "Tampa",
    "state": "FL",
    "zip": "33602",
    "country": "USA",
}
MOMENT = "2026-02-02T15:00:00Z"
SHEET = {"technicianId": 1, "appointmentId": 2, "dispatchedOn": MOMENT, "arrivedOn": MOMENT, "doneOn": MOMENT}
ACTIVITY = {"employeeId": 1, "activityTypeId": 2, "startTime": MOMENT, "tagTypes": [], "active": True}
SPAN = {"start": "2026-02-02T15:00:00Z", "end": "2026-02-02T17:00:00Z"}


@pytest.fixture
def who() -> Caller:
    return caller()


def customer_body(**more: Any) -> dict[str, Any]:
    contacts = [{"type": "MobilePhone", "value": "(813) 555-0123"}]
    return {
        "name": "Ada Brook",
        "address": ADDRESS,
        "locations": [
            {"name": "Home", "address": ADDRESS, "contacts": [{"type": "Email", "value": "a@example.com"}]}
        ],
        "contacts": contacts,
        **more,
    }


def job_body(who: Caller, **more: Any) -> dict[str, Any]:
    place = who.some("crm.locations")
    return {
        "customerId": place["customerId"],
        "locationId": place["id"],
        "businessUnitId": who.some("settings.business_units")["id"],
        "jobTypeId": who.some("jpm.job_types")["id"],
        "campaignId": who.some("marketing.campaigns")["id"],
        "priority": "Normal",
        "appointments": [{**SPAN, "technicianIds": [who.some("settings.technicians")["id"]]}],
        **more,
    }


# Customers ------------------------------------------------------------------------------------------


def test_a_customer_comes_with_locations_and_contacts(who: Caller) -> None:
    made = who.write("POST", "crm/customers", customer_body())

    customer = who.get(f"crm/customers/{made['id']}")
    assert customer["name"] == "Ada Brook"
    assert made["contacts"][0]["value"] == "(813) 555-0123"
    assert [each["name"] for each in who.get("crm/locations", customerId=made["id"])["data"]] == ["Home"]
    contacts = who.get(f"crm/customers/{made['id']}/contacts")["data"]
    assert contacts[0]["phoneSettings"]["phoneNumber"] == "8135550123"
    place = made["locations"][0]["id"]
    assert [each["value"] for each in who.get(f"crm/locations/{place}/contacts")["data"]] == ["a@example.com"]
    assert customer["createdOn"].startswith("2026-01-01T12:00:00")


def test_a_change_moves_the_modification_time_and_keeps_the_rest(who: Caller) -> None:
    before = who.get("crm/customers")["data"][0]
    who.clock.advance(60)

    after = who.write("PATCH", f"crm/customers/{before['id']}", {"doNotMail": not before["doNotMail"]})

    assert after["modifiedOn"] > before["modifiedOn"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"doNotMail", "modifiedOn"}


def test_external_data_is_patched(who: Caller) -> None:
    number = who.some("crm.customers", externalData=[])["id"]
    guid = "0f8fad5b-d9cb-469f-a165-70867728950e"

    def put(**change: Any) -> Any:
        body = {"externalData": {"applicationGuid": guid, **change}}
        return who.write("PATCH", f"crm/customers/{number}", body)["externalData"]

    put(externalData=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    assert put(externalData=[{"key": "a", "value": "3"}]) == [
        {"key": "a", "value": "3"},
        {"key": "b", "value": "2"},
    ]
    found = who.get(
        "crm/customers", externalDataApplicationGuid=guid, externalDataKey="a", externalDataValues="3"
    )
    assert [each["id"] for each in found["data"]] == [number]
    assert put(externalData=[{"key": "a", "value": None}]) == [{"key": "b", "value": "2"}]
    assert put(patchMode="Replace", externalData=[{"key": "c", "value": "4"}]) == [{"key": "c", "value": "4"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "locations"),
        (customer_body(locations=[]), "locations"),
        (customer_body(type="Martian"), "type"),
        (customer_body(name=5), "name"),
        (customer_body(tagTypeIds="1"), "tagTypeIds"),
        (customer_body(locations=[{"name": "Home"}]), "locations[0].address"),
    ],
)
def test_a_body_that_does_not_fit_is_400(who: Caller, body: dict[str, Any], field: str) -> None:
    error = who.refused("POST", "crm/customers", body)

    assert error["status"] == 400
    assert field in error["errors"]


def test_a_body_that_is_no_json_is_400(who: Caller) -> None:
    answer = who.service.answer("POST", who.path("crm/customers"), "", who.headers, b"{nope")

    assert answer.status == 400


def test_tags_and_notes(who: Caller) -> None:
    number, tag = who.some("crm.customers")["id"], who.some("settings.tag_types")["id"]

    who.write("POST", f"crm/customers/{number}/tags/{tag}")
    assert tag in who.get(f"crm/customers/{number}")["tagTypeIds"]
    who.write("DELETE", f"crm/customers/{number}/tags/{tag}")
    assert who.refused("DELETE", f"crm/customers/{number}/tags/{tag}")["status"] == 404
    who.write("PUT", "crm/tags", {"customerIds": [number], "tagTypeIds": [tag]})
    assert tag in who.get(f"crm/customers/{number}")["tagTypeIds"]
    who.write("POST", f"crm/customers/{number}/notes", {"text": "Gate code 7", "pinToTop": True})
    texts = [(each["text"], each["isPinned"]) for each in who.get(f"crm/customers/{number}/notes")["data"]]
    assert ("Gate code 7", True) in texts


# Jobs and appointments ------------------------------------------------------------------------------


def test_a_job_is_booked_with_appointment_assignment_and_invoice(who: Caller) -> None:
    job = who.write("POST", "jpm/jobs", job_body(who))

    assert job["jobStatus"] == "Scheduled"
    assert job["appointmentCount"] == 1
    visit = who.get(f"jpm/appointments/{job['firstAppointmentId']}")
    assert (visit["status"], visit["start"]) == ("Scheduled", SPAN["start"])
    sent = who.get("dispatch/appointment-assignments", jobId=job["id"])["data"]
    assert [each["appointmentId"] for each in sent] == [visit["id"]]
    invoice = who.get("accounting/invoices", ids=job["invoiceId"])["data"][0]
    assert (invoice["total"], invoice["job"]["number"]) == ("0.00", job["jobNumber"])


@pytest.mark.parametrize("missing", ["campaignId", "appointments", "jobTypeId", "locationId"])
def test_a_job_needs_its_facts(who: Caller, missing: str) -> None:
    body = job_body(who)
    del body[missing]

    error = who.refused("POST", "jpm/jobs", body)
    assert missing in error["errors"]
    assert error["status"] == (422 if missing == "campaignId" else 400)


def test_a_jobs_references_must_exist(who: Caller) -> None:
    assert who.refused("POST", "jpm/jobs", job_body(who, campaignId=1))["status"] == 404
    other = next(
        each for each in who.service.read("crm.customers") if each["id"] != job_body(who)["customerId"]
    )
    assert "locationId" in who.refused("POST", "jpm/jobs", job_body(who, customerId=other["id"]))["errors"]
    backwards = {"start": SPAN["end"], "end": SPAN["start"]}
    assert "end" in who.refused("POST", "jpm/jobs", job_body(who, appointments=[backwards]))["errors"]


def test_the_status_follows_the_actions_and_cannot_be_patched(who: Caller) -> None:
    job = who.write("POST", "jpm/jobs", job_body(who))
    path, visit = f"jpm/jobs/{job['id']}", f"jpm/appointments/{job['firstAppointmentId']}"
    assert (
        who.write("PATCH", path, {"jobStatus": "Completed", "summary": "<p>x</p>"})["jobStatus"]
        == "Scheduled"
    )

    hold = who.some("jpm.job_hold_reasons")["id"]
    who.write("PUT", f"{visit}/hold", {"reasonId": hold, "memo": "parts"})
    assert who.get(path)["jobStatus"] == "Hold"
    reasons = who.get("jpm/jobs/hold-reasons", ids=job["id"])["data"]
    assert [each["reasonId"] for each in reasons] == [hold]
    who.write("DELETE", f"{visit}/hold")
    assert who.get(path)["jobStatus"] == "Scheduled"
    who.write("PUT", f"{visit}/confirmation")
    assert who.get(visit)["isConfirmed"] is True
    later = {"start": "2026-02-03T15:00:00Z", "end": "2026-02-03T17:00:00Z"}
    assert who.write("PATCH", f"{visit}/reschedule", later)["isConfirmed"] is False

    cancel = who.some("jpm.job_cancel_reasons")["id"]
    who.write("PUT", f"{path}/cancel", {"reasonId": cancel, "memo": "sold the house"})
    assert (who.get(path)["jobStatus"], who.get(visit)["status"]) == ("Canceled", "Canceled")
    assert who.get("dispatch/appointment-assignments", jobId=job["id"])["data"] == []
    assert who.get(f"{path}/canceled-log")["data"][0]["memo"] == "sold the house"
    assert who.refused("PUT", f"{path}/cancel", {"reasonId": cancel, "memo": "again"})["status"] == 409
    assert who.refused("PATCH", f"{visit}/reschedule", later)["status"] == 409
    who.write("PUT", f"{path}/remove-cancellation")
    assert (who.get(path)["jobStatus"], who.get(visit)["status"]) == ("Scheduled", "Scheduled")


def test_appointments_are_added_assigned_and_deleted(who: Caller) -> None:
    job = who.write("POST", "jpm/jobs", job_body(who, appointments=[SPAN]))
    assert who.refused("DELETE", f"jpm/appointments/{job['firstAppointmentId']}")["status"] == 409

    visit = who.write("POST", "jpm/appointments", {"jobId": job["id"], **SPAN})
    assert who.get(f"jpm/jobs/{job['id']}")["appointmentCount"] == 2
    crew = [each["id"] for each in who.get("settings/technicians")["data"][:2]]
    body = {"jobAppointmentId": visit["id"], "technicianIds": crew}
    who.write("POST", "dispatch/appointment-assignments/assign-technicians", body)
    who.write("POST", "dispatch/appointment-assignments/assign-technicians", body)
    sent = who.get("dispatch/appointment-assignments", jobId=job["id"])["data"]
    assert [each["technicianId"] for each in sent] == crew
    body["technicianIds"] = crew[:1]
    who.write("POST", "dispatch/appointment-assignments/unassign-technicians", body)
    left = who.get("dispatch/appointment-assignments", jobId=job["id"])["data"]
    assert [each["technicianId"] for each in left] == crew[1:]
    who.write("DELETE", f"jpm/appointments/{visit['id']}")
    job = who.get(f"jpm/jobs/{job['id']}")
    assert (job["appointmentCount"], job["lastAppointmentId"]) == (1, job["firstAppointmentId"])


# Sales and money ------------------------------------------------------------------------------------


def test_an_estimate_lives_through_its_statuses(who: Caller) -> None:
    job = who.write("POST", "jpm/jobs", job_body(who))
    sku = who.some("pricebook.services")
    items = [{"skuId": sku["id"], "quantity": 2.0}]
    estimate = who.write("POST", "sales/estimates", {"jobId": job["id"], "name": "Good", "items": items})
    path = f"sales/estimates/{estimate['id']}"

    assert estimate["status"] == {"value": 0, "name": "Open"}
    assert estimate["subtotal"] == 2 * sku["price"]
    assert who.get(f"jpm/jobs/{job['id']}")["estimateIds"] == [estimate["id"]]
    assert who.refused("PUT", f"{path}/sell", {})["errors"].keys() == {"soldBy"}
    seller = who.some("settings.technicians")["id"]
    sold = who.write("PUT", f"{path}/sell", {"soldBy": seller})
    assert (sold["status"]["name"], sold["soldBy"]) == ("Sold", seller)
    assert sold["soldOn"] is not None
    assert who.refused("PUT", f"{path}/dismiss")["status"] == 409
    assert who.write("PUT", f"{path}/unsell") is None
    assert who.get(path)["soldOn"] is None
    who.write("PUT", f"{path}/dismiss")
    assert who.get(path)["status"]["name"] == "Dismissed"
    changes = who.get(f"sales/status/estimates/{estimate['id']}/changes")
    assert [each["newStatus"] for each in changes] == ["Sold", "Open", "Dismissed"]


def test_estimate_items_are_added_changed_and_taken_off(who: Caller) -> None:
    estimate = next(each for each in who.service.read("sales.estimates") if each["items"])
    path = f"sales/estimates/{estimate['id']}"
    before = len(estimate["items"])

    item = who.write("PUT", f"{path}/items", {"skuName": "Extra", "quantity": 3.0, "unitPrice": 10.0})
    assert (item["total"], item["estimateId"]) == (30.0, estimate["id"])
    who.write("PUT", f"{path}/items", {"id": item["id"], "unitPrice": 20.0})
    after = who.get(path)
    assert len(after["items"]) == before + 1
    assert after["subtotal"] == pytest.approx(sum(each["total"] for each in after["items"]))
    assert after["items"][-1]["total"] == 60.0
    who.write("DELETE", f"{path}/items/{item['id']}")
    assert len(who.get(path)["items"]) == before
    assert who.refused("DELETE", f"{path}/items/{item['id']}")["status"] == 404


def test_money_on_invoices_is_text_and_adds_up(who: Caller) -> None:
    job = who.write("POST", "jpm/jobs", job_body(who))
    number = job["invoiceId"]
    who.write(
        "PATCH",
        f"accounting/invoices/{number}/items",
        {"description": "x", "quantity": 2.0, "unitPrice": 40.25},
    )

    invoice = who.get("accounting/invoices", ids=number)["data"][0]
    assert (invoice["subTotal"], invoice["total"], invoice["balance"]) == ("80.50", "80.50", "80.50")
    assert who.get(f"jpm/jobs/{job['id']}")["total"] == 80.5
    kind = who.some("accounting.payment_types")["id"]
    body = {"typeId": kind, "status": "Posted", "splits": [{"invoiceId": number, "amount": 30.5}]}
    owed = who.get(f"crm/customers/{job['customerId']}")["balance"]
    payment = who.write("POST", "accounting/payments", body)
    assert who.get(f"crm/customers/{job['customerId']}")["balance"] == pytest.approx(owed - 30.5)
    assert who.get("accounting/invoices", ids=number)["data"][0]["balance"] == "50.00"
    listed = who.get("accounting/payments", ids=payment["id"])["data"][0]
    assert (listed["total"], listed["unappliedAmount"], listed["typeId"]) == ("30.50", "0.00", str(kind))
    body["splits"] = [{"invoiceId": number, "amount": 80.5}]
    who.write("PATCH", f"accounting/payments/{payment['id']}", body)
    assert who.get("accounting/invoices", ids=number)["data"][0]["balance"] == "0.00"


def test_an_adjustment_names_its_invoice(who: Caller) -> None:
    base = who.some("accounting.invoices")
    items = [{"description": "credit", "quantity": 1.0, "unitPrice": -25.0}]

    number = who.write("POST", "accounting/invoices", {"adjustmentToId": base["id"], "items": items})

    record = who.get("accounting/invoices", ids=number)["data"][0]
    assert (record["adjustmentToId"], record["subTotal"]) == (base["id"], "-25.00")


# Other areas ----------------------------------------------------------------------------------------


def test_bookings_and_leads(who: Caller) -> None:
    provider = who.some("crm.booking_provider_tags")["id"]
    body = {"source": "web", "name": "Bo", "summary": "leak", "isFirstTimeClient": True, "externalId": "w-1"}
    contacts = [{"type": "Phone", "value": "8135550100"}]
    path = f"crm/booking-provider/{provider}/bookings"
    booking = who.write("POST", path, {**body, "contacts": contacts})
    assert booking["status"] == "New"
    assert who.get("crm/bookings", externalId="w-1")["data"][0]["id"] == booking["id"]
    assert who.get(f"{path}/{booking['id']}/contacts")["data"][0]["value"] == "8135550100"
    who.write("POST", f"{path}/{booking['id']}/dismiss", {})
    assert who.get(f"crm/bookings/{booking['id']}")["status"] == "Dismissed"

    campaign = who.some("marketing.campaigns")["id"]
    lead = who.write("POST", "crm/leads", {"campaignId": campaign, "summary": "wants a heat pump"})
    job = who.write("POST", "jpm/jobs", job_body(who, leadId=lead["id"]))
    assert job["id"]
    assert who.get(f"crm/leads/{lead['id']}")["status"] == "Converted"
    assert who.refused("POST", f"crm/leads/{lead['id']}/dismiss", {"dismissingReasonId": 1})["status"] == 409


def test_shifts_events_and_capacity(who: Caller) -> None:
    crew = who.some("settings.technicians")
    shift = {"technicianIds": [crew["id"]], "shiftType": "Normal", "title": "Late", "repeatType": "Daily"}
    shift |= {**SPAN, "repeatEndDate": "2026-02-04T23:00:00Z"}
    made = who.write("POST", "dispatch/technician-shifts", shift)["technicianShifts"]
    assert [each["start"] for each in made] == [f"2026-02-0{day}T15:00:00Z" for day in (2, 3, 4)]
    late = who.get("dispatch/technician-shifts", titleContains="late", startsOnOrAfter="2026-02-03")
    assert len(late["data"]) == 2
    gone = who.write(
        "POST", "dispatch/technician-shifts/bulk-delete", {"start": "2026-02-02", "end": "2026-02-05"}
    )
    assert {each["id"] for each in made} <= set(gone["deletedIds"])

    event = {"technicianId": crew["id"], "start": SPAN["start"], "duration": "01:00:00", "name": "Doctor"}
    number = who.write("POST", "dispatch/non-job-appointments", event)["id"]
    assert who.get(f"dispatch/non-job-appointments/{number}")["name"] == "Doctor"
    span = {"startsOnOrAfter": "2026-01-05", "endsOnOrBefore": "2026-01-06", "skillBasedAvailability": False}
    free = who.write("POST", "dispatch/capacity", span)["availabilities"]
    assert any(each["openAvailability"] > 0 for each in free)


def test_unknown_price_book_fields_are_dropped_in_silence(who: Caller) -> None:
    sku = who.some("pricebook.services")

    after = who.write("PATCH", f"pricebook/services/{sku['id']}", {"price": 1.25, "colour": "red"})

    assert after["price"] == 1.25
    assert "colour" not in after
    link = {
        "applicationGuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "externalData": [{"key": "a", "value": "1"}],
    }
    after = who.write("PATCH", f"pricebook/services/{sku['id']}", {"externalData": link})
    assert {"key": "a", "value": "1"} in after["externalData"]


def test_memberships_are_sold_and_canceled(who: Caller) -> None:
    body = {
        "customerId": who.some("crm.customers")["id"],
        "businessUnitId": who.some("settings.business_units")["id"],
        "saleTaskId": 1,
        "durationBillingId": 1,
        "recurringServiceAction": "None",
    }
    sold = who.write("POST", "memberships/memberships/sale", body)
    path = f"memberships/memberships/{sold['customerMembershipId']}"

    assert who.get(path)["status"] == "Active"
    who.write("PATCH", path, {"status": "Canceled"})
    assert who.get(path)["cancellationDate"] is not None
    told = who.get("memberships/export/membership-status-changes", includeRecentChanges="true")["data"]
    assert told[-1]["membershipId"] == sold["customerMembershipId"]


def test_everything_else_is_written_by_its_shape(who: Caller) -> None:
    path = "inventory/purchase-order-markups"
    made = who.write("POST", path, {"from": 1.0, "to": 9.0, "percent": 25.0})
    assert who.get(f"{path}/{made['id']}")["percent"] == 25.0
    assert made["id"] in {each["id"] for each in who.get(path, pageSize=500)["data"]}
    who.write("PATCH", f"{path}/{made['id']}", {"from": 1.0, "to": 9.0, "percent": 30.0})
    assert who.get(f"{path}/{made['id']}")["percent"] == 30.0
    assert who.refused("PATCH", f"{path}/1", {"from": 1.0, "to": 2.0, "percent": 30.0})["status"] == 404
    who.write("DELETE", f"{path}/{made['id']}")
    assert who.refused("GET", f"{path}/{made['id']}")["status"] == 404

    zone = who.get("dispatch/zones")["data"][0]["id"]
    who.write("DELETE", f"dispatch/zones/{zone}")
    assert who.refused("GET", f"dispatch/zones/{zone}")["status"] == 404
    hours = who.get("dispatch/business-hours")
    assert hours


# Reports --------------------------------------------------------------------------------------------


def test_reports_give_rows_aligned_to_fields_once_a_minute(who: Caller) -> None:
    path = "reporting/report-category/operations/reports/1201/data"
    body = {"parameters": [{"name": "From", "value": "2024-01-01"}, {"name": "To", "value": "2026-01-01"}]}
    first = json.loads(who.ask("POST", path, {**body, "pageSize": 1}, pageSize=10, includeTotal="true").body)

    assert first["pageSize"] == len(first["data"]) == 10
    assert all(len(row) == len(first["fields"]) for row in first["data"])
    assert first["totalCount"] > 10
    second = json.loads(who.ask("POST", path, body, pageSize=10, page=2).body)
    assert second["data"] != first["data"]
    refused = who.ask("POST", path, body)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    who.clock.advance(61)
    assert who.ask("POST", path, body).status == 200
    assert "From" in who.refused("POST", path, {"parameters": []})["errors"]


def test_a_report_can_be_polled(who: Caller) -> None:
    path = "reporting/report-category/technician/reports/1301/data/query"
    body = {"parameters": [{"name": "From", "value": "2024-01-01"}, {"name": "To", "value": "2026-01-01"}]}
    started = who.ask("POST", path, body)
    token = json.loads(started.body)["token"]

    statuses = [who.ask("GET", f"reporting/data-queries/{token}").status for _ in range(3)]

    assert started.status == 202
    assert statuses == [202, 200, 200]
    who.write("DELETE", f"reporting/data-queries/{token}")
    assert who.refused("GET", f"reporting/data-queries/{token}")["status"] == 404


# Ids ------------------------------------------------------------------------------------------------


def test_a_number_below_zero_in_a_path_is_a_number_of_the_record(who: Caller) -> None:
    made = who.ask("POST", "payroll/jobs/-105/timesheets", SHEET)
    assert made.status < 300, made.body
    sheets = who.get("payroll/jobs/-105/timesheets")["data"]
    assert {each["jobId"] for each in sheets} == {-105}
    assert json.loads(made.body)["id"] in [each["id"] for each in sheets]


def test_a_put_makes_no_record_whose_number_nobody_gave(who: Caller) -> None:
    for number in ("-9223372036854775807", "99999999", "word"):
        assert who.ask("PUT", f"timesheets/activities/{number}", ACTIVITY).status == 404
    assert all(isinstance(each["id"], int) for each in who.get("timesheets/activities")["data"])


def test_an_article_without_an_id_of_the_caller_s_has_an_empty_one(who: Caller) -> None:
    body = {
        "services": [
            {"code": "A", "description": "One"},
            {"customId": "mine", "code": "B", "description": "Two"},
        ]
    }
    made = who.write("POST", "pricebook/pricebook", body)
    assert [each["customId"] for each in made["services"]] == ["", "mine"]
