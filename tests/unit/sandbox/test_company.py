"""The made-up company: its size, its consistency, and the vendor's oddities in it."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import pytest

from perfectcatch.errors import BadArgument
from perfectcatch.sandbox.servicetitan.company import (
    Size,
    export_shape,
    generate,
    list_shape,
    make_company,
    new,
)
from perfectcatch.sandbox.servicetitan.company.moments import Calendar, stamp

NOW = datetime(2026, 6, 17, 18, 20, 5, 123456, tzinfo=UTC)
Records = list[dict[str, Any]]

# collection, path of the reference, collection that it points into
REFERENCES = (
    ("crm.customers_contacts", "customerId", "crm.customers"),
    ("crm.customers", "mergedToId", "crm.customers"),
    ("crm.customers", "createdById", "settings.employees"),
    ("crm.customers", "tagTypeIds", "settings.tag_types"),
    ("crm.customers", "paymentTermId", "accounting.payment_terms"),
    ("crm.customers", "customFields.typeId", "crm.customers_custom_fields"),
    ("crm.locations", "customerId", "crm.customers"),
    ("crm.locations", "zoneId", "dispatch.zones"),
    ("crm.locations", "taxZoneId", "accounting.tax_zones"),
    ("crm.locations", "customFields.typeId", "crm.locations_custom_fields"),
    ("crm.locations_contacts", "locationId", "crm.locations"),
    ("crm.bookings", "jobId", "jpm.jobs"),
    ("crm.bookings", "campaignId", "marketing.campaigns"),
    ("crm.bookings", "bookingProviderId", "crm.booking_provider_tags"),
    ("crm.leads", "customerId", "crm.customers"),
    ("crm.leads", "callId", "telecom.calls"),
    ("crm.leads", "callReasonId", "jbce.call_reasons"),
    ("crm.leads", "jobTypeId", "jpm.job_types"),
    ("jpm.jobs", "customerId", "crm.customers"),
    ("jpm.jobs", "locationId", "crm.locations"),
    ("jpm.jobs", "projectId", "jpm.projects"),
    ("jpm.jobs", "businessUnitId", "settings.business_units"),
    ("jpm.jobs", "jobTypeId", "jpm.job_types"),
    ("jpm.jobs", "campaignId", "marketing.campaigns"),
    ("jpm.jobs", "firstAppointmentId", "jpm.appointments"),
    ("jpm.jobs", "lastAppointmentId", "jpm.appointments"),
    ("jpm.jobs", "invoiceId", "accounting.invoices"),
    ("jpm.jobs", "recallForId", "jpm.jobs"),
    ("jpm.jobs", "membershipId", "memberships.memberships"),
    ("jpm.jobs", "createdFromEstimateId", "sales.estimates"),
    ("jpm.jobs", "estimateIds", "sales.estimates"),
    ("jpm.jobs", "equipmentIds", "equipmentsystems.installed_equipment"),
    ("jpm.jobs", "leadCallId", "telecom.calls"),
    ("jpm.jobs", "bookingId", "crm.bookings"),
    ("jpm.jobs", "soldById", "settings.technicians"),
    ("jpm.jobs", "tagTypeIds", "settings.tag_types"),
    ("jpm.jobs", "customFields.typeId", "jpm.jobs_custom_fields"),
    ("jpm.job_types", "businessUnitIds", "settings.business_units"),
    ("jpm.job_types", "customFieldTypeIds", "jpm.jobs_custom_fields"),
    ("jpm.appointments", "jobId", "jpm.jobs"),
    ("jpm.appointments", "customerId", "crm.customers"),
    ("jpm.appointments", "appointmentSummaries.technicianId", "settings.technicians"),
    ("jpm.job_notes", "jobId", "jpm.jobs"),
    ("jpm.job_canceled_logs", "jobId", "jpm.jobs"),
    ("jpm.job_canceled_logs", "reasonId", "jpm.job_cancel_reasons"),
    ("jpm.jobs_cancel_reasons", "jobId", "jpm.jobs"),
    ("jpm.jobs_hold_reasons", "jobId", "jpm.jobs"),
    ("jpm.jobs_hold_reasons", "reasonId", "jpm.job_hold_reasons"),
    ("jpm.jobs_hold_reasons", "appointmentHoldReasons.appointmentId", "jpm.appointments"),
    ("jpm.projects", "jobIds", "jpm.jobs"),
    ("jpm.projects", "customerId", "crm.customers"),
    ("jpm.projects", "locationId", "crm.locations"),
    ("jpm.projects", "statusId", "jpm.project_statuses"),
    ("jpm.projects", "projectTypeId", "jpm.project_types"),
    ("dispatch.appointment_assignments", "technicianId", "settings.technicians"),
    ("dispatch.appointment_assignments", "appointmentId", "jpm.appointments"),
    ("dispatch.appointment_assignments", "jobId", "jpm.jobs"),
    ("dispatch.technician_shifts", "technicianId", "settings.technicians"),
    ("dispatch.technician_shifts", "timesheetCodeId", "payroll.timesheet_codes"),
    ("dispatch.non_job_appointments", "technicianId", "settings.technicians"),
    ("dispatch.non_job_appointments", "timesheetCodeId", "payroll.timesheet_codes"),
    ("dispatch.technician_skills", "technicianId", "settings.technicians"),
    ("dispatch.technician_skills", "jobTypeIds", "jpm.job_types"),
    ("dispatch.zones", "technicians", "settings.technicians"),
    ("dispatch.zones", "businessUnits", "settings.business_units"),
    ("sales.estimates", "jobId", "jpm.jobs"),
    ("sales.estimates", "projectId", "jpm.projects"),
    ("sales.estimates", "customerId", "crm.customers"),
    ("sales.estimates", "locationId", "crm.locations"),
    ("sales.estimates", "soldBy", "settings.technicians"),
    ("sales.estimates", "businessUnitId", "settings.business_units"),
    ("accounting.invoices", "customer.id", "crm.customers"),
    ("accounting.invoices", "location.id", "crm.locations"),
    ("accounting.invoices", "job.id", "jpm.jobs"),
    ("accounting.invoices", "adjustmentToId", "accounting.invoices"),
    ("accounting.invoices", "businessUnit.id", "settings.business_units"),
    ("accounting.invoices", "projectId", "jpm.projects"),
    ("accounting.invoices", "membershipId", "memberships.memberships"),
    ("accounting.invoices", "taxZoneId", "accounting.tax_zones"),
    ("accounting.invoices", "employeeInfo.id", "settings.technicians"),
    ("accounting.invoices", "items.technicianId", "settings.technicians"),
    ("accounting.invoices", "items.installedEquipmentId", "equipmentsystems.installed_equipment"),
    ("accounting.invoices", "items.generalLedgerAccount.id", "accounting.gl_accounts"),
    ("accounting.payments", "appliedTo.appliedTo", "accounting.invoices"),
    ("accounting.payments", "customer.id", "crm.customers"),
    ("accounting.payments", "refundedPaymentId", "accounting.payments"),
    ("settings.technicians", "businessUnitId", "settings.business_units"),
    ("settings.technicians", "roleIds", "settings.user_roles"),
    ("settings.technicians", "zoneIds", "dispatch.zones"),
    ("settings.technicians", "jobId", "jpm.jobs"),
    ("settings.technicians", "appoitmentId", "jpm.appointments"),
    ("settings.employees", "businessUnitId", "settings.business_units"),
    ("marketing.campaigns", "category.id", "marketing.categories"),
    ("telecom.calls", "customer.id", "crm.customers"),
    ("telecom.calls", "job.id", "jpm.jobs"),
    ("telecom.calls", "lead.id", "crm.leads"),
    ("telecom.calls", "reason.id", "jbce.call_reasons"),
    ("telecom.calls", "campaign.id", "marketing.campaigns"),
    ("memberships.memberships", "customerId", "crm.customers"),
    ("memberships.memberships", "locationId", "crm.locations"),
    ("memberships.memberships", "membershipTypeId", "memberships.membership_types"),
    ("memberships.recurring_services", "membershipId", "memberships.memberships"),
    ("memberships.recurring_services", "recurringServiceTypeId", "memberships.recurring_service_types"),
    ("memberships.recurring_services", "jobTypeId", "jpm.job_types"),
    ("memberships.recurring_service_events", "locationRecurringServiceId", "memberships.recurring_services"),
    ("equipmentsystems.installed_equipment", "locationId", "crm.locations"),
    ("equipmentsystems.installed_equipment", "equipmentId", "pricebook.equipment"),
    ("equipmentsystems.installed_equipment", "type.id", "equipmentsystems.equipment_types"),
    ("pricebook.services", "recommendations", "pricebook.services"),
    ("pricebook.services", "serviceMaterials.skuId", "pricebook.materials"),
    ("pricebook.services", "categories.id", "pricebook.categories"),
    ("pricebook.materials", "categories", "pricebook.categories"),
    ("pricebook.materials", "primaryVendor.vendorId", "inventory.vendors"),
    ("pricebook.equipment", "upgrades", "pricebook.equipment"),
)


@cache
def company() -> dict[str, Records]:
    return make_company(now=NOW).collections


@cache
def ids_of(collection: str) -> frozenset[int]:
    return frozenset(record["id"] for record in company()[collection])


def by_id(collection: str) -> dict[int, dict[str, Any]]:
    return {record["id"]: record for record in company()[collection]}


def values(record: Any, path: str) -> Iterator[Any]:
    """Yield what lies at a dotted path, into lists as well; nulls are left out."""
    head, _, rest = path.partition(".")
    found = record.get(head)
    for each in found if isinstance(found, list) else [found]:
        if each is not None and rest:
            yield from values(each, rest)
        elif each is not None:
            yield each


def money(text: str) -> Decimal:
    assert isinstance(text, str)
    assert re.fullmatch(r"-?\d+\.\d\d", text)
    return Decimal(text)


def number(value: float) -> Decimal:
    assert isinstance(value, float)
    return Decimal(str(value))


def share(records: Iterable[Any], of: int) -> float:
    return sum(1 for _ in records) / of


# Size and sameness -----------------------------------------------------------------------------


def test_the_usual_company_has_exactly_these_numbers():
    sizes = {name: len(records) for name, records in company().items()}
    assert sizes["crm.customers"] == 1_696
    assert sizes["jpm.jobs"] == 3_260
    assert sizes["sales.estimates"] == 1_247
    assert sizes["accounting.invoices"] == 3_597
    assert sizes["jpm.appointments"] == 4_156
    assert sizes["settings.technicians"] == 14


@pytest.mark.parametrize("customers", [1, 2, 7, 60, 333])
def test_other_sizes_keep_the_proportions(customers: int):
    size = Size.of(customers)
    made = Counter(name for name, _ in generate(3, customers, now=NOW))
    assert made["crm.customers"] == customers
    assert made["jpm.jobs"] == size.jobs == round(3_260 * customers / 1_696)
    assert made["sales.estimates"] == size.estimates == round(1_247 * customers / 1_696)
    assert made["accounting.invoices"] == size.invoices
    assert made["jpm.appointments"] == size.appointments
    assert made["settings.technicians"] == size.technicians


def test_twenty_thousand_customers_make_165_thousand_core_records():
    size = Size.of(20_000)
    core = size.customers + size.jobs + size.estimates + size.invoices + size.appointments
    assert core == pytest.approx(165_000, rel=0.01)
    assert 40 <= size.technicians <= 60


def test_core_records_weigh_as_much_as_real_ones():
    core = ("crm.customers", "jpm.jobs", "sales.estimates", "accounting.invoices", "jpm.appointments")
    records = [record for name in core for record in company()[name]]
    weight = sum(len(json.dumps(record, separators=(",", ":"))) for record in records) / len(records)
    assert 1_650 <= weight <= 2_000


def test_the_same_seed_gives_the_same_bytes():
    first, second = (json.dumps(list(generate(11, 80, now=NOW))) for _ in range(2))
    assert first == second
    assert first != json.dumps(list(generate(12, 80, now=NOW)))


def test_ids_are_unique_within_a_collection():
    for name, records in company().items():
        if records and "id" in records[0]:
            assert len({record["id"] for record in records}) == len(records), name


def test_some_ids_need_more_than_32_bits():
    assert min(ids_of("telecom.calls")) > 2**31


@pytest.mark.parametrize(
    "size", [Size(10, 20, 5, 20, 20, 3), Size(10, 8, 50, 8, 8, 1)], ids=["no extras", "many estimates"]
)
def test_a_stated_size_is_kept(size: Size):
    made = Counter(name for name, _ in generate(5, now=NOW, size=size))
    assert (made["jpm.jobs"], made["sales.estimates"]) == (size.jobs, size.estimates)
    assert (made["accounting.invoices"], made["jpm.appointments"]) == (size.invoices, size.appointments)


def test_impossible_wishes_are_refused():
    with pytest.raises(BadArgument, match="at least one customer"):
        Size(0, 0, 0, 0, 0, 1)
    with pytest.raises(BadArgument, match="Each job has an invoice"):
        Size(10, 20, 0, 5, 20, 1)
    with pytest.raises(BadArgument, match="two jobs to three customers"):
        Size(10, 2, 0, 5, 20, 1)
    with pytest.raises(BadArgument, match="time zone"):
        next(generate(now=NOW.replace(tzinfo=None)))


# References ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("collection", "path", "target"), REFERENCES, ids=[f"{a}.{b}" for a, b, _ in REFERENCES]
)
def test_every_reference_exists(collection: str, path: str, target: str):
    pointed = {value for record in company()[collection] for value in values(record, path)}
    assert pointed <= ids_of(target)
    assert pointed or path in {"jobId", "appoitmentId"}  # nobody need be at work at this moment


def test_every_sku_exists():
    known = frozenset().union(
        *(
            ids_of(f"pricebook.{name}")
            for name in ("services", "materials", "equipment", "discounts_and_fees")
        )
    )
    billed = {value for record in company()["accounting.invoices"] for value in values(record, "items.skuId")}
    quoted = {value for record in company()["sales.estimates"] for value in values(record, "items.sku.id")}
    assert billed | quoted <= known


def test_what_belongs_to_a_job_belongs_to_its_customer():
    jobs = by_id("jpm.jobs")
    places = by_id("crm.locations")
    for job in jobs.values():
        assert places[job["locationId"]]["customerId"] == job["customerId"]
    for invoice in company()["accounting.invoices"]:
        if invoice["job"]:
            assert jobs[invoice["job"]["id"]]["customerId"] == invoice["customer"]["id"]
    for estimate in company()["sales.estimates"]:
        if estimate["jobId"]:
            assert jobs[estimate["jobId"]]["customerId"] == estimate["customerId"]
            assert estimate["id"] in jobs[estimate["jobId"]]["estimateIds"]
    sold = by_id("sales.estimates")
    for job in jobs.values():
        if job["createdFromEstimateId"]:
            assert sold[job["createdFromEstimateId"]]["customerId"] == job["customerId"]
            assert sold[job["createdFromEstimateId"]]["soldOn"][:19] <= job["createdOn"][:19]


# Money -----------------------------------------------------------------------------------------


def test_invoices_add_up():
    for invoice in company()["accounting.invoices"]:
        items = invoice["items"] or []
        sub_total = sum((money(item["total"]) for item in items), Decimal(0))
        assert money(invoice["subTotal"]) == sub_total
        assert money(invoice["total"]) == sub_total + money(invoice["salesTax"])
        for item in items:
            assert abs(money(item["quantity"]) * money(item["price"]) - money(item["total"])) <= Decimal(
                "0.01"
            )


def test_balances_are_what_payments_leave():
    applied: dict[int, Decimal] = defaultdict(Decimal)
    for payment in company()["accounting.payments"]:
        for each in payment["appliedTo"]:
            applied[each["appliedTo"]] += money(each["appliedAmount"])
        total = sum(money(each["appliedAmount"]) for each in payment["appliedTo"])
        assert money(payment["total"]) == total + money(payment["unappliedAmount"])
        assert isinstance(payment["typeId"], str)
    owed: dict[int, Decimal] = defaultdict(Decimal)
    for invoice in company()["accounting.invoices"]:
        balance = money(invoice["balance"])
        assert balance == money(invoice["total"]) - applied[invoice["id"]]
        assert (invoice["paidOn"] is not None) == (balance == 0 < money(invoice["total"]))
        owed[invoice["customer"]["id"]] += balance
    for customer in company()["crm.customers"]:
        assert number(customer["balance"]) == owed[customer["id"]]


def test_jobs_total_what_their_invoices_do():
    totals: dict[int, Decimal] = defaultdict(Decimal)
    for invoice in company()["accounting.invoices"]:
        if invoice["job"]:
            totals[invoice["job"]["id"]] += money(invoice["total"])
    for job in company()["jpm.jobs"]:
        assert number(job["total"]) == totals[job["id"]]


def test_estimates_add_up():
    for estimate in company()["sales.estimates"]:
        assert number(estimate["subtotal"]) == sum(number(item["total"]) for item in estimate["items"])
        assert estimate["tax"] >= 0
        for item in estimate["items"]:
            assert number(item["total"]) == number(item["qty"]) * number(item["unitRate"])


def test_invoices_are_open_overdue_partly_paid_void_and_corrected():
    invoices = company()["accounting.invoices"]
    today = NOW.isoformat()[:10]
    owing = [each for each in invoices if money(each["balance"]) > 0]
    assert 0.03 < len(owing) / len(invoices) < 0.2
    assert any(each["dueDate"][:10] < today for each in owing)
    assert any(each["dueDate"][:10] > today for each in owing)
    assert any(money(each["balance"]) < money(each["total"]) for each in owing)
    void = [each for each in invoices if not each["active"]]
    assert void
    assert all(money(each["total"]) == 0 for each in void)
    assert any(each["items"] is None for each in invoices)
    assert sum(1 for each in invoices if each["adjustmentToId"]) == pytest.approx(135, abs=5)
    several = Counter(each["job"]["id"] for each in invoices if each["job"])
    assert max(several.values()) == 2
    assert any(each["refundedPaymentId"] for each in company()["accounting.payments"])


# Work ------------------------------------------------------------------------------------------


def test_appointments_agree_with_their_job():
    visits: dict[int, Records] = defaultdict(list)
    for appointment in company()["jpm.appointments"]:
        visits[appointment["jobId"]].append(appointment)
    for job in company()["jpm.jobs"]:
        mine = visits[job["id"]]
        statuses = {each["status"] for each in mine}
        assert len(mine) == job["appointmentCount"]
        assert (mine[0]["id"], mine[-1]["id"]) == (job["firstAppointmentId"], job["lastAppointmentId"])
        if job["jobStatus"] in {"Completed", "Canceled"}:
            assert statuses == {"Done" if job["jobStatus"] == "Completed" else "Canceled"}
        assert (job["completedOn"] is not None) == (job["jobStatus"] == "Completed")
        if job["jobStatus"] == "Hold":
            assert mine[-1]["status"] == "Hold"
        for each in mine:
            assert each["start"] < each["end"]
            if each["status"] in {"Scheduled", "Dispatched"}:
                assert each["start"] > NOW.isoformat()[:19]


def test_the_past_is_done_and_two_weeks_lie_ahead():
    share_of = Counter(job["jobStatus"] for job in company()["jpm.jobs"])
    assert share_of["Completed"] / 3_260 > 0.85
    assert 0.05 < share_of["Canceled"] / 3_260 < 0.09
    assert share_of["Hold"] > 5
    assert share_of["Scheduled"] > 20
    starts = sorted(each["start"] for each in company()["jpm.appointments"] if each["status"] == "Scheduled")
    assert starts[0] < (NOW + timedelta(days=2)).isoformat()
    assert (NOW + timedelta(days=10)).isoformat() < starts[-1]
    assert starts[len(starts) // 2] < (NOW + timedelta(days=15)).isoformat()


def test_work_has_weekdays_seasons_and_growth():
    starts = [datetime.fromisoformat(each["start"]) for each in company()["jpm.appointments"]]
    weekdays = Counter(start.weekday() for start in starts)
    assert weekdays[6] < weekdays[5] < min(weekdays[day] for day in range(5))
    units = by_id("settings.business_units")
    heat = Counter(
        datetime.fromisoformat(job["createdOn"]).month
        for job in company()["jpm.jobs"]
        if units[job["businessUnitId"]]["name"] == "HVAC Service"
    )
    assert heat[7] + heat[8] > 1.5 * (heat[1] + heat[2])
    span = timedelta(days=42)
    recent = sum(NOW - span < start <= NOW for start in starts)
    a_year_before = sum(
        NOW - 2 * span - timedelta(days=280) < start <= NOW - span - timedelta(days=281) for start in starts
    )
    assert recent > 1.2 * a_year_before
    assert min(starts) < NOW - timedelta(days=1_000)


def test_technicians_are_all_active_and_work_where_they_belong():
    technicians = company()["settings.technicians"]
    assert all(each["active"] for each in technicians)
    assert all("appoitmentId" in each for each in technicians)
    assert any("Install" in each["name"] for each in company()["settings.business_units"])
    busy = {each["technicianId"] for each in company()["dispatch.appointment_assignments"]}
    assert busy == {each["id"] for each in technicians}


def test_a_technician_at_work_shows_where():
    during = NOW.replace(hour=15)
    made = make_company(7, 600, now=during).collections
    working = [each for each in made["jpm.appointments"] if each["status"] == "Working"]
    assert working
    at_work = {each["appoitmentId"] for each in made["settings.technicians"] if each["status"] == "Working"}
    assert at_work
    assert at_work <= {each["id"] for each in working}


# Time ------------------------------------------------------------------------------------------


def test_nothing_is_modified_before_it_was_created_or_after_now():
    limit = NOW.isoformat()[:19]
    for name, records in company().items():
        for record in records:
            created, modified = record.get("createdOn"), record.get("modifiedOn")
            if created and modified:
                assert (created[:19], created) <= (
                    modified[:19],
                    created if created[:19] == modified[:19] else "~",
                ), name
                assert modified[:19] <= limit, name
                assert created == modified or created[:19] < modified[:19], name


def test_moments_have_fractions_of_varying_length():
    shapes = Counter(len(job["createdOn"].partition(".")[2].rstrip("Z")) for job in company()["jpm.jobs"])
    assert set(shapes) == {0, 5, 6, 7}
    assert all(count > 300 for count in shapes.values())


def test_stamps_are_the_second_that_was_asked_for():
    random = Random(1)
    for second in range(1_700_000_000, 1_700_200_000, 997):
        text = stamp(second, random)
        assert int(datetime.fromisoformat(text[:19] + "+00:00").timestamp()) == second


def test_the_working_day_follows_summer_time():
    calendar = Calendar(NOW)
    winter = datetime(2026, 1, 14, tzinfo=UTC).toordinal()
    summer = datetime(2026, 6, 10, tzinfo=UTC).toordinal()
    assert datetime.fromtimestamp(calendar.at(winter, 8), UTC).hour == 13
    assert datetime.fromtimestamp(calendar.at(summer, 8), UTC).hour == 12


# Oddities --------------------------------------------------------------------------------------


def test_phone_and_mail_live_in_contacts_only_and_are_nobodys():
    phones: dict[str, set[str]] = defaultdict(set)
    for contact in company()["crm.customers_contacts"]:
        if contact["type"] == "Email":
            assert re.search(r"@example\.(com|net|org)$", contact["value"].lower())
            continue
        ten = re.sub(r"\D", "", contact["value"].partition(" x")[0])[-10:]
        assert re.fullmatch(r"\d{3}55501\d\d", ten)
        phones[re.sub(r"\d", "0", contact["value"].partition(" x")[0])].add(ten)
    assert len(phones) >= 5
    assert any(" x" in each["value"] for each in company()["crm.customers_contacts"])
    assert not {"phone", "email"} & set(company()["crm.customers"][0])


def test_merged_and_inactive_customers():
    customers = by_id("crm.customers")
    merged = [each for each in customers.values() if each["mergedToId"]]
    assert len(merged) == pytest.approx(8, abs=1)
    assert not any(each["active"] for each in merged)
    chained = [each for each in merged if customers[each["mergedToId"]]["mergedToId"]]
    assert len(chained) == 1
    assert share((each for each in customers.values() if not each["active"]), 1_696) == pytest.approx(
        0.04, abs=0.002
    )
    owners = {job["customerId"] for job in company()["jpm.jobs"]}
    assert not owners & {each["id"] for each in merged}


def test_customers_are_people_and_firms():
    kinds = Counter(each["type"] for each in company()["crm.customers"])
    assert 0.07 < kinds["Commercial"] / 1_696 < 0.15
    people = [each["name"] for each in company()["crm.customers"] if each["type"] == "Residential"]
    assert all(len(name.split()) == 2 for name in people)
    assert any(job["customerPo"] for job in company()["jpm.jobs"])


def test_estimates_have_a_status_object_and_some_no_job():
    estimates = company()["sales.estimates"]
    statuses = Counter((each["status"]["value"], each["status"]["name"]) for each in estimates)
    assert set(statuses) == {(0, "Open"), (1, "Sold"), (2, "Dismissed")}
    assert min(statuses.values()) > 200
    assert share((each for each in estimates if each["jobId"] is None), 1_247) == pytest.approx(
        0.08, abs=0.002
    )
    assert any(each["jobId"] is None and each["projectId"] for each in estimates)
    for each in estimates:
        assert (
            (each["soldOn"] is not None) == (each["status"]["name"] == "Sold") == (each["soldBy"] is not None)
        )


def test_expired_memberships_stay_active():
    expired = [each for each in company()["memberships.memberships"] if each["status"] == "Expired"]
    assert expired
    assert all(each["active"] for each in expired)


def test_summaries_are_html_and_vary():
    summaries = [job["summary"] for job in company()["jpm.jobs"]]
    assert all("<p>" in each for each in summaries)
    assert len(set(summaries)) > 3_000


# Shapes and single records ---------------------------------------------------------------------


def test_lists_hide_what_only_exports_show():
    job = company()["jpm.jobs"][0]
    assert export_shape("jpm.jobs", job) is job
    assert "active" not in list_shape("jpm.jobs", job)
    call = next(each for each in company()["telecom.calls"] if each["job"])
    assert "_list" not in export_shape("telecom.calls", call)
    listed = list_shape("telecom.calls", call)
    assert listed["jobNumber"] == call["job"]["number"]
    assert listed["leadCall"]["callType"] == call["type"]
    note = list_shape("jpm.job_notes", company()["jpm.job_notes"][0])
    assert set(note) == {"text", "isPinned", "createdById", "createdOn", "modifiedOn"}


def test_a_payment_settles_a_new_invoice():
    later = NOW + timedelta(days=3)
    world, random = new.open_world(7, 1_696, now=NOW), Random(4)
    assert [each["name"] for each in world.office.technicians] == [
        each["name"] for each in company()["settings.technicians"]
    ]
    customer = by_id("crm.customers")[company()["jpm.jobs"][5]["customerId"]]
    location = by_id("crm.locations")[company()["jpm.jobs"][5]["locationId"]]
    job = new.new_job(
        world,
        random,
        now=later,
        number=99,
        customer=customer,
        location=location,
        appointment_id=98,
        invoice_id=97,
        customerPo="PO-1",
    )
    assert (job["customerPo"], job["invoiceId"], job["jobStatus"]) == ("PO-1", 97, "Scheduled")
    assert NOW.isoformat()[:19] < job["createdOn"][:19] <= later.isoformat()[:19]
    lines = [(world.pricebook.by_code["PM-010"], 2)]
    invoice = new.new_invoice_for(
        world, random, now=later, job=job, customer=customer, location=location, lines=lines
    )
    assert invoice["id"] == 97
    assert money(invoice["subTotal"]) == 17
    half = new.new_payment_for(world, random, now=later, number=96, invoice=invoice, amount=1_000)
    part = new.apply_payment(random, now=later, invoice=invoice, payment=half)
    assert money(part["balance"]) == money(invoice["total"]) - 10
    assert part["paidOn"] is None
    rest = new.new_payment_for(world, random, now=later, number=95, invoice=part)
    settled = new.apply_payment(random, now=later, invoice=part, payment=rest)
    assert settled["balance"] == "0.00"
    assert settled["paidOn"]


def test_an_unknown_field_is_refused():
    world = new.open_world(7, 60, now=NOW)
    with pytest.raises(BadArgument, match="'phone'"):
        new.new_customer(world, Random(1), now=NOW, number=1, name="Vera Sample", phone="1")
