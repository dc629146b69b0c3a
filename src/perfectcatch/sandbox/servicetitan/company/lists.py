"""Reference lists of the work: campaigns, reasons, kinds of jobs, custom fields, terms, taxes, plans."""

from collections.abc import Iterator

from perfectcatch.sandbox.servicetitan.company import ids, trades, words
from perfectcatch.sandbox.servicetitan.company.office import Office, Record

PAYMENT_TYPES = ("Check", "Cash", "Visa", "MasterCard", "American Express", "ACH", "Financing", "Credit Memo")
# name, days
TERMS = (("Due Upon Receipt", 0), ("Net 15", 15), ("Net 30", 30))
# county, rate; the last one is for the exempt
TAXES = (
    ("Hillsborough", 0.075),
    ("Pinellas", 0.07),
    ("Pasco", 0.07),
    ("Manatee", 0.07),
    ("Sarasota", 0.07),
    ("Exempt", 0.0),
)
EXEMPT = len(TAXES) - 1
# where, name, type, options
CUSTOM_FIELDS = (
    (
        "crm.customers_custom_fields",
        "How did you hear about us",
        "Dropdown",
        ("Friend", "Search", "Truck", "Mail"),
    ),
    (
        "crm.customers_custom_fields",
        "Preferred Contact Time",
        "Dropdown",
        ("Morning", "Afternoon", "Evening"),
    ),
    ("crm.customers_custom_fields", "Legacy Account", "Text", ()),
    (
        "crm.locations_custom_fields",
        "Pool Type",
        "Dropdown",
        ("Inground", "Inground with Spa", "Above Ground", "None"),
    ),
    ("crm.locations_custom_fields", "Pool Volume Gallons", "Numeric", ()),
    ("crm.locations_custom_fields", "Gate Code", "Text", ()),
    ("crm.locations_custom_fields", "Year Built", "Numeric", ()),
    ("jpm.jobs_custom_fields", "Arrival Confirmed By", "Dropdown", ("Call", "Text", "Email")),
    ("jpm.jobs_custom_fields", "Permit Number", "Text", ()),
    ("jpm.jobs_custom_fields", "Reason for Call", "Text", ()),
    (
        "jpm.projects_custom_fields",
        "Permit Status",
        "Dropdown",
        ("Not needed", "Applied", "Issued", "Closed"),
    ),
    ("accounting.invoices_custom_fields", "Cost Center", "Text", ()),
    ("memberships.memberships_custom_fields", "Route Day", "Dropdown", ("Mon", "Tue", "Wed", "Thu", "Fri")),
)
CUSTOM = {
    name: (ids.CUSTOM_FIELDS[index], options) for index, (_, name, _, options) in enumerate(CUSTOM_FIELDS)
}
PROJECT_STATUSES = ("New", "In Progress", "Hold", "Completed", "Canceled")
PROJECT_TYPES = ("Pool Equipment", "HVAC Changeout", "Plumbing Replacement")
PROVIDERS = ("Website Scheduler", "Google Reserve")
_WINDOWS = ((8, 2), (10, 2), (12, 2), (14, 2), (16, 2), (8, 9))
_TIMESHEET_CODES = ("Meeting", "Training", "Vacation", "Shop Time")


def custom(name: str, value: str) -> Record:
    """Return a custom field's value in the shape of most records."""
    return {"typeId": CUSTOM[name][0], "name": name, "value": value}


def records(office: Office) -> Iterator[tuple[str, Record]]:
    """Yield the reference lists."""
    yield from _marketing(office)
    yield from _work(office)
    yield from _money(office)
    yield from _plans(office)
    for index, (where, name, kind, options) in enumerate(CUSTOM_FIELDS):
        created, modified = office.life()
        yield (
            where,
            {
                "id": ids.CUSTOM_FIELDS[index],
                "name": name,
                "dataType": kind,
                "dataTypeOptions": list(options),
                "createdOn": created,
                "modifiedOn": modified,
            },
        )


def _named(office: Office, number: int, name: str, **more: object) -> Record:
    created, modified = office.life()
    return {"id": number, "name": name, **more, "active": True, "createdOn": created, "modifiedOn": modified}


def _marketing(office: Office) -> Iterator[tuple[str, Record]]:
    for index, name in enumerate(trades.CAMPAIGN_CATEGORIES):
        yield "marketing.categories", _named(office, ids.CAMPAIGN_CATEGORIES[index], name, type="Regular")
    for index, (name, category, source, medium, active) in enumerate(trades.CAMPAIGNS):
        created, modified = office.life()
        number = ids.CAMPAIGN_CATEGORIES[trades.CAMPAIGN_CATEGORIES.index(category)]
        yield (
            "marketing.campaigns",
            {
                "id": ids.CAMPAIGNS[index],
                "name": name,
                "modifiedOn": modified,
                "createdOn": created,
                "active": active,
                "isDefaultCampaign": index == 0,
                "category": {"id": number, "name": category, "active": True},
                "source": source,
                "otherSource": None,
                "businessUnit": None,
                "medium": medium,
                "otherMedium": None,
                "campaignPhoneNumbers": [f"(727) 555-01{80 + index}"],
            },
        )
    for index, (name, lead) in enumerate(trades.CALL_REASONS):
        yield "jbce.call_reasons", _named(office, ids.CALL_REASONS[index], name, isLead=lead)
    for index, name in enumerate(PROVIDERS):
        created, modified = office.life()
        yield (
            "crm.booking_provider_tags",
            {
                "id": ids.PROVIDERS[index],
                "tagName": name,
                "description": f"Bookings from {name}",
                "type": "V2Api",
                "createdOn": created,
                "modifiedOn": modified,
                "active": True,
            },
        )


def _work(office: Office) -> Iterator[tuple[str, Record]]:
    for index, kind in enumerate(trades.KINDS):
        yield "jpm.job_types", _job_type(office, index, kind)
    for index, name in enumerate(trades.CANCEL_REASONS):
        yield "jpm.job_cancel_reasons", _named(office, ids.CANCEL_REASONS[index], name)
    for index, name in enumerate(trades.HOLD_REASONS):
        yield "jpm.job_hold_reasons", _named(office, ids.HOLD_REASONS[index], name)
    for index, name in enumerate(PROJECT_TYPES):
        text = f"{name} projects with more than one visit"
        yield (
            "jpm.project_types",
            {
                "id": ids.PROJECT_TYPES[index],
                "name": name,
                "description": text,
                "createdById": office.manager.id,
            },
        )
    for index, name in enumerate(PROJECT_STATUSES):
        status = ids.PROJECT_STATUSES[index]
        yield (
            "jpm.project_statuses",
            {"id": status, "name": name, "order": index, "modifiedOn": office.life()[1]},
        )
    for index, (start, hours) in enumerate(_WINDOWS):
        units = [ids.UNITS[number] for number, unit in enumerate(trades.UNITS) if unit.active]
        yield (
            "dispatch.arrival_windows",
            {
                "id": ids.WINDOWS[index],
                "start": f"{start:02d}:00:00",
                "duration": f"{hours:02d}:00:00",
                "businessUnitIds": units,
                "active": True,
            },
        )
    for index, code in enumerate(_TIMESHEET_CODES):
        created, modified = office.life()
        yield (
            "payroll.timesheet_codes",
            {
                "id": ids.TIMESHEET_CODES[index],
                "code": code,
                "description": f"{code}, not on a job",
                "type": "PaidTimeOff" if code == "Vacation" else "Paid",
                "applicableEmployeeType": "All",
                "rateInfo": {
                    "hourlyRate": "EmployeeHourlyRate",
                    "customHourlyRate": None,
                    "rateMultiplier": 1.0,
                },
                "createdOn": created,
                "modifiedOn": modified,
                "active": True,
            },
        )


def _job_type(office: Office, index: int, kind: trades.Kind) -> Record:
    created, modified = office.life()
    return {
        "id": ids.KINDS[index],
        "name": kind.name,
        "businessUnitIds": [ids.UNITS[kind.unit]],
        "skills": [f"{kind.trade} {kind.division}"],
        "tagTypeIds": [],
        "priority": kind.priority,
        "duration": int(kind.hours * 3_600),
        "soldThreshold": kind.sold_above,
        "class": f"{kind.trade} {kind.division}",
        "summary": f"{kind.name}: confirm access and ask for pictures of the equipment.",
        "noCharge": kind.no_charge,
        "enforceRecurringServiceEventSelection": False,
        "invoiceSignaturesRequired": kind.division == trades.INSTALL,
        "modifiedOn": modified,
        "createdOn": created,
        "externalData": [],
        "active": kind.active,
        "isSmartDispatched": False,
        "defaultEstimateSoldAction": "None",
        "customFieldTypeIds": [ids.CUSTOM_FIELDS[number] for number in (7, 9)],
    }


def _money(office: Office) -> Iterator[tuple[str, Record]]:
    for index, name in enumerate(PAYMENT_TYPES):
        created, modified = office.life()
        row = {"id": ids.PAYMENT_TYPES[index], "name": name, "modifiedOn": modified, "createdOn": created}
        yield "accounting.payment_types", row
    for index, (name, days) in enumerate(TERMS):
        created, modified = office.life()
        yield (
            "accounting.payment_terms",
            {
                "id": ids.PAYMENT_TERMS[index],
                "name": name,
                "dueDayType": "NumberOfDays",
                "dueDay": days,
                "isCustomerDefault": index == 0,
                "isVendorDefault": False,
                "active": True,
                "inUse": True,
                "modifiedOn": modified,
                "createdOn": created,
                "paymentTermDiscountModel": dict.fromkeys(
                    (
                        "id",
                        "discountApplyTo",
                        "discount",
                        "discountType",
                        "account",
                        "applyBy",
                        "applyByValue",
                    )
                ),
                "interestSettings": {
                    "id": None,
                    "rateType": "Flat",
                    "flatRateValue": None,
                    "percentageRateValue": None,
                    "chargeMethod": None,
                    "frequency": "Once",
                    "gracePeriod": None,
                    "targetInvoices": [],
                    "taskId": 0,
                    "taskDisplayName": "",
                },
            },
        )
    for index, (county, rate) in enumerate(TAXES):
        created, modified = office.life()
        yield (
            "accounting.tax_zones",
            {
                "id": ids.TAX_ZONES[index],
                "name": county,
                "color": index,
                "isTaxRateSeparated": False,
                "isMultipleTaxZone": False,
                "rates": [
                    {
                        "id": ids.TAX_RATES[index],
                        "taxName": county,
                        "taxBaseType": ["Subtotal"],
                        "taxRate": rate,
                        "salesTaxItem": None,
                    }
                ],
                "createdOn": created,
                "modifiedOn": modified,
                "active": True,
            },
        )


def _plans(office: Office) -> Iterator[tuple[str, Record]]:
    for index, plan in enumerate(trades.MEMBERSHIPS):
        created, modified = office.life()
        common = {
            "createdOn": created,
            "createdById": office.manager.id,
            "modifiedOn": modified,
            "active": True,
            "importId": None,
            "name": plan.name,
        }
        terms = {
            "duration": 12,
            "billingFrequency": plan.frequency,
            "salePrice": float(plan.price),
            "billingPrice": float(plan.price),
            "renewalPrice": float(plan.price),
        }
        visits = {
            "membershipTypeId": ids.PLANS[index],
            "recurringServiceTypeId": ids.VISIT_TYPES[index],
            "offset": 1,
            "offsetType": "Months",
            "allocation": 0.0,
        }
        yield (
            "memberships.membership_types",
            common
            | {
                "id": ids.PLANS[index],
                "billingTemplateId": None,
                "discount": float(plan.discount),
                "durationBilling": [terms],
                "discounts": [],
                "recurringServices": [visits],
                "tagTypeIds": [office.tag_ids["Member"]],
                "displayName": plan.name,
                "discountMode": "Basic",
                "locationTarget": "SingleLocation",
                "revenueRecognitionMode": "PointOfSale",
                "autoCalculateInvoiceTemplates": True,
                "useMembershipPricingTable": False,
                "showMembershipSavings": True,
            },
        )
        yield (
            "memberships.recurring_service_types",
            common
            | {
                "id": ids.VISIT_TYPES[index],
                "recurrenceType": "Monthly",
                "recurrenceInterval": 1 if plan.unit == 0 else 6,
                "recurrenceMonths": [],
                "durationType": "Continuous",
                "durationLength": 0,
                "invoiceTemplateId": None,
                "businessUnitId": ids.UNITS[plan.unit],
                "jobTypeId": ids.KINDS[plan.kind],
                "priority": "Normal",
                "campaignId": ids.CAMPAIGNS[0],
                "jobSummary": f"{plan.visit} under the {plan.name}.",
                "name": f"{plan.name} Visit",
            },
        )


def zone_record(office: Office, index: int) -> Record:
    """Return a dispatch zone with its towns and technicians."""
    created, modified = office.life()
    towns = [town for town in words.TOWNS if town[4] == index]
    return {
        "id": ids.ZONES[index],
        "active": True,
        "name": words.ZONES[index],
        "zips": sorted({code for town in towns for code in town[1]}),
        "cities": [town[0] for town in towns],
        "territoryNumbers": [],
        "locnNumbers": [],
        "createdBy": office.manager.id,
        "createdOn": created,
        "modifiedOn": modified,
        "serviceDaysEnabled": False,
        "serviceDays": [],
        "businessUnits": [ids.UNITS[number] for number, unit in enumerate(trades.UNITS) if unit.active],
        "technicians": [each["id"] for each in office.technicians if ids.ZONES[index] in each["zoneIds"]],
    }
