"""Every record of a small made-up company against the vendor's own documents."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from perfectcatch.sandbox.servicetitan.company import export_shape, list_shape, make_company, new

SHARED = Path(os.environ.get("PERFECTCATCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
DOCUMENTS = SHARED / "servicetitan" / "specs" / "2026-05-21"
pytestmark = pytest.mark.skipif(
    not DOCUMENTS.is_dir(), reason=f"the vendor's documents are not at {DOCUMENTS}"
)

NOW = datetime(2026, 6, 17, 18, 20, 5, 123456, tzinfo=UTC)

# collection, document, schema of the export's record (None: no feed), schema of the list's record
SHAPES = (
    ("crm.customers", "crm-v2", "Crm.V2.ExportCustomerResponse", "Crm.V2.Customers.CustomerResponse"),
    (
        "crm.customers_contacts",
        "crm-v2",
        "Crm.V2.ExportCustomerContactResponse",
        "Crm.V2.Customers.CustomerContactWithModifiedOnAndCustomerIdResponse",
    ),
    ("crm.locations", "crm-v2", "Crm.V2.ExportLocationsResponse", "Crm.V2.Locations.LocationResponse"),
    (
        "crm.locations_contacts",
        "crm-v2",
        "Crm.V2.ExportLocationContactResponse",
        "Crm.V2.LocationsContactResponse",
    ),
    ("crm.bookings", "crm-v2", "Crm.V2.ExportBookingResponse", "Crm.V2.BookingResponse"),
    ("crm.leads", "crm-v2", "Crm.V2.ExportLeadsResponse", "Crm.V2.LeadResponse"),
    ("crm.customers_custom_fields", "crm-v2", None, "Crm.V2.Customers.CustomFieldTypeResponse"),
    ("crm.locations_custom_fields", "crm-v2", None, "Crm.V2.Locations.CustomFieldTypeResponse"),
    ("crm.booking_provider_tags", "crm-v2", None, "Crm.V2.GetBookingProviderTagResponse"),
    ("jpm.jobs", "jpm-v2", "Jpm.V2.ExportJobsResponse", "Jpm.V2.JobResponse"),
    ("jpm.jobs_custom_fields", "jpm-v2", None, "Jpm.V2.CustomFieldTypeResponse"),
    ("jpm.job_types", "jpm-v2", None, "Jpm.V2.JobTypeResponse"),
    ("jpm.appointments", "jpm-v2", "Jpm.V2.ExportAppointmentsResponse", "Jpm.V2.AppointmentResponse"),
    ("jpm.projects", "jpm-v2", "Jpm.V2.ExportProjectsResponse", "Jpm.V2.ProjectResponse"),
    ("jpm.projects_custom_fields", "jpm-v2", None, "Jpm.V2.CustomFieldTypeResponse"),
    ("jpm.project_types", "jpm-v2", None, "Jpm.V2.ProjectTypeResponse"),
    ("jpm.project_statuses", "jpm-v2", None, "Jpm.V2.ProjectStatusResponse"),
    ("jpm.job_notes", "jpm-v2", "Jpm.V2.ExportJobNotesResponse", "Jpm.V2.NoteResponse"),
    (
        "jpm.job_canceled_logs",
        "jpm-v2",
        "Jpm.V2.ExportJobCanceledLogResponse",
        "Jpm.V2.JobCanceledLogResponse",
    ),
    ("jpm.jobs_cancel_reasons", "jpm-v2", None, "Jpm.V2.CancelReasonResponse"),
    ("jpm.jobs_hold_reasons", "jpm-v2", None, "Jpm.V2.HoldReasonResponse"),
    ("jpm.job_cancel_reasons", "jpm-v2", None, "Jpm.V2.JobCancelReasonResponse"),
    ("jpm.job_hold_reasons", "jpm-v2", None, "Jpm.V2.JobHoldReasonResponse"),
    (
        "dispatch.appointment_assignments",
        "dispatch-v2",
        "Dispatch.V2.ExportAppointmentAssignmentsResponse",
        "Dispatch.V2.AppointmentAssignmentResponse",
    ),
    ("dispatch.teams", "dispatch-v2", None, "Dispatch.V2.TeamResponse"),
    ("dispatch.zones", "dispatch-v2", None, "Dispatch.V2.ZoneResponse"),
    ("dispatch.technician_skills", "dispatch-v2", None, "Dispatch.V2.TechnicianSkillResponse"),
    ("dispatch.technician_shifts", "dispatch-v2", None, "Dispatch.V2.TechnicianShiftResponse"),
    ("dispatch.arrival_windows", "dispatch-v2", None, "Dispatch.V2.ArrivalWindowResponse"),
    ("dispatch.non_job_appointments", "dispatch-v2", None, "Dispatch.V2.NonJobAppointmentResponse"),
    ("dispatch.business_hours", "dispatch-v2", None, "Dispatch.V2.BusinessHourModel"),
    (
        "sales.estimates",
        "salestech-v2",
        "Estimates.V2.ExportEstimatesResponse",
        "Estimates.V2.EstimateResponse",
    ),
    (
        "accounting.invoices",
        "accounting-v2",
        "Accounting.V2.ExportInvoiceResponse",
        "Accounting.V2.InvoiceResponse",
    ),
    (
        "accounting.payments",
        "accounting-v2",
        "Accounting.V2.ExportPaymentResponse",
        "Accounting.V2.DetailedPaymentResponse",
    ),
    ("accounting.payment_types", "accounting-v2", None, "Accounting.V2.PaymentTypeResponse"),
    ("accounting.payment_terms", "accounting-v2", None, "Accounting.V2.PaymentTermAPIModel"),
    ("accounting.tax_zones", "accounting-v2", None, "Accounting.V2.TaxZoneResponse"),
    ("accounting.gl_accounts", "accounting-v2", None, "Accounting.V2.GlAccountExtendedResponse"),
    ("accounting.invoices_custom_fields", "accounting-v2", None, "Accounting.V2.CustomFieldTypeResponse"),
    (
        "settings.technicians",
        "settings-v2",
        "TenantSettings.V2.ExportTechnicianResponse",
        "TenantSettings.V2.TechnicianResponse",
    ),
    (
        "settings.employees",
        "settings-v2",
        "TenantSettings.V2.ExportEmployeeResponse",
        "TenantSettings.V2.EmployeeResponse",
    ),
    (
        "settings.business_units",
        "settings-v2",
        "TenantSettings.V2.ExportBusinessUnitResponse",
        "TenantSettings.V2.BusinessUnitResponse",
    ),
    (
        "settings.tag_types",
        "settings-v2",
        "TenantSettings.V2.ExportTagTypeResponse",
        "TenantSettings.V2.TagTypeResponse",
    ),
    ("settings.user_roles", "settings-v2", None, "TenantSettings.V2.UserRoleResponse"),
    ("marketing.campaigns", "marketing-v2", None, "Marketing.V2.CampaignResponse"),
    ("marketing.categories", "marketing-v2", None, "Marketing.V2.CampaignCategoryResponse"),
    ("jbce.call_reasons", "jbce-v2", None, "Jbce.V2.CallReasonResponse"),
    ("telecom.calls", "telecom", "Telecom.V2.ExportCallResponse", "Telecom.V3.CallResponse"),
    (
        "memberships.memberships",
        "memberships-v2",
        "Memberships.V2.ExportCustomerMembershipResponse",
        "Memberships.V2.CustomerMembershipResponse",
    ),
    (
        "memberships.memberships_custom_fields",
        "memberships-v2",
        None,
        "Memberships.V2.CustomFieldTypeResponse",
    ),
    (
        "memberships.membership_types",
        "memberships-v2",
        "Memberships.V2.ExportMembershipTypeResponse",
        "Memberships.V2.MembershipTypeResponse",
    ),
    (
        "memberships.recurring_services",
        "memberships-v2",
        "Memberships.V2.ExportLocationRecurringServiceResponse",
        "Memberships.V2.LocationRecurringServiceResponse",
    ),
    (
        "memberships.recurring_service_types",
        "memberships-v2",
        "Memberships.V2.ExportRecurringServiceTypeResponse",
        "Memberships.V2.RecurringServiceTypeResponse",
    ),
    (
        "memberships.recurring_service_events",
        "memberships-v2",
        "Memberships.V2.ExportLocationRecurringServiceEventResponse",
        "Memberships.V2.LocationRecurringServiceEventResponse",
    ),
    (
        "equipmentsystems.installed_equipment",
        "equipment-systems-v2",
        "EquipmentSystems.V2.InstalledEquipmentResponse",
        "EquipmentSystems.V2.InstalledEquipmentResponse",
    ),
    (
        "equipmentsystems.equipment_types",
        "equipment-systems-v2",
        None,
        "EquipmentSystems.V2.EquipmentTypeResponse",
    ),
    (
        "pricebook.categories",
        "pricebook-v2",
        "Pricebook.V2.ExportCategoryResponse",
        "Pricebook.V2.CategoryResponse",
    ),
    (
        "pricebook.services",
        "pricebook-v2",
        "Pricebook.V2.ExportServiceResponse",
        "Pricebook.V2.ServiceGetResponse",
    ),
    (
        "pricebook.materials",
        "pricebook-v2",
        "Pricebook.V2.ExportMaterialResponse",
        "Pricebook.V2.MaterialResponse",
    ),
    (
        "pricebook.equipment",
        "pricebook-v2",
        "Pricebook.V2.ExportEquipmentResponse",
        "Pricebook.V2.EquipmentResponse",
    ),
    ("pricebook.discounts_and_fees", "pricebook-v2", None, "Pricebook.V2.DiscountAndFeesResponse"),
    (
        "payroll.timesheet_codes",
        "payroll-v2",
        "Payroll.V2.TimesheetCodes.TimesheetCodeExportResponse",
        "Payroll.V2.TimesheetCodes.TimesheetCodeResponse",
    ),
    ("inventory.vendors", "inventory-v2", None, "Inventory.V2.VendorResponse"),
)


@cache
def company() -> dict[str, list[dict[str, Any]]]:
    return make_company(customers=60, now=NOW).collections


@cache
def document(name: str) -> tuple[Registry, frozenset[str]]:
    contents = json.loads((DOCUMENTS / f"{name}.json").read_text("utf-8"))
    registry: Registry = Registry().with_resource(f"urn:{name}", Resource(contents, DRAFT202012))
    return registry, frozenset(contents["components"]["schemas"])


@cache
def validator(name: str, schema: str) -> Draft202012Validator:
    registry, schemas = document(name)
    assert schema in schemas
    # date-time only: the vendor's "duration" is HH:MM:SS, which the format of that name does not allow.
    checker = FormatChecker(["date-time", "date", "email"])
    reference = {"$ref": f"urn:{name}#/components/schemas/{schema}"}
    return Draft202012Validator(reference, registry=registry, format_checker=checker)


def complaints(name: str, schema: str, records: Iterator[dict[str, Any]]) -> list[str]:
    judge = validator(name, schema)
    return [
        f"{record.get('id')}: {error.json_path}: {error.message[:200]}"
        for record in records
        for error in judge.iter_errors(record)
    ]


def properties(name: str, schema: str) -> set[str]:
    contents = json.loads((DOCUMENTS / f"{name}.json").read_text("utf-8"))["components"]["schemas"]
    found: set[str] = set()
    for part in [contents[schema], *contents[schema].get("allOf", ())]:
        actual = contents[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
        found |= set(actual.get("properties", ()))
    return found


@pytest.mark.parametrize(("collection", "name", "export", "listed"), SHAPES, ids=[row[0] for row in SHAPES])
def test_every_record_has_the_documented_shape(collection: str, name: str, export: str | None, listed: str):
    records = company()[collection]
    assert records
    if export:
        shown = [export_shape(collection, record) for record in records]
        assert complaints(name, export, iter(shown)) == []
        assert set(shown[0]) == properties(name, export)
    shown = [list_shape(collection, record) for record in records]
    assert complaints(name, listed, iter(shown)) == []
    assert set(shown[0]) == properties(name, listed)


def test_every_collection_is_checked():
    assert set(company()) == {row[0] for row in SHAPES}


def test_a_wrong_type_would_be_noticed():
    invoice = company()["accounting.invoices"][0] | {"total": 12.5}
    assert complaints("accounting-v2", "Accounting.V2.ExportInvoiceResponse", iter([invoice]))


def test_a_broken_moment_would_be_noticed():
    job = company()["jpm.jobs"][0] | {"createdOn": "2026-02-30 10:00"}
    assert complaints("jpm-v2", "Jpm.V2.ExportJobsResponse", iter([job]))


def test_single_new_records_have_the_documented_shape():
    world, random = new.open_world(7, 60, now=NOW), Random(1)
    customer = new.new_customer(world, random, now=NOW, number=1, name="Vera Sample")
    location = new.new_location(world, random, now=NOW, number=2, customer=customer)
    contact = new.new_contact(
        world, random, now=NOW, number=3, customer_id=1, type="MobilePhone", value="(813) 555-0142"
    )
    job = new.new_job(
        world, random, now=NOW, number=4, customer=customer, location=location, appointment_id=5, invoice_id=6
    )
    appointment = new.new_appointment(
        world, random, now=NOW, number=5, job=job, start=NOW.replace(hour=20), end=NOW.replace(hour=22)
    )
    technician = world.office.technicians[0]
    assignment = new.new_assignment(
        world, random, now=NOW, number=7, appointment=appointment, technician=technician
    )
    estimate = new.new_estimate(
        world, random, now=NOW, number=8, job=job, customer=customer, location=location
    )
    invoice = new.new_invoice_for(world, random, now=NOW, job=job, customer=customer, location=location)
    payment = new.new_payment_for(world, random, now=NOW, number=9, invoice=invoice)
    paid = new.apply_payment(random, now=NOW, invoice=invoice, payment=payment)
    made = (
        ("crm.customers", customer),
        ("crm.locations", location),
        ("crm.customers_contacts", contact),
        ("jpm.jobs", job),
        ("jpm.appointments", appointment),
        ("dispatch.appointment_assignments", assignment),
        ("sales.estimates", estimate),
        ("accounting.invoices", invoice),
        ("accounting.payments", payment),
        ("accounting.invoices", paid),
    )
    schemas = {row[0]: row for row in SHAPES}
    for collection, record in made:
        _, name, export, _ = schemas[collection]
        assert export
        assert complaints(name, export, iter([record])) == []
        assert set(record) == properties(name, export)
