"""Memberships with their recurring visits, and the equipment that stands at customers' homes."""

from collections.abc import Iterator

from perfectcatch.sandbox.servicetitan.company import ids, skus, trades
from perfectcatch.sandbox.servicetitan.company.lists import custom
from perfectcatch.sandbox.servicetitan.company.moments import DAY, chance, midnight, stamp
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.people import Household, Place
from perfectcatch.sandbox.servicetitan.company.pricebook import VENDOR_OF, Priced
from perfectcatch.sandbox.servicetitan.company.work import Work
from perfectcatch.sandbox.servicetitan.company.world import World

_YEAR = 365 * DAY
_RENEWED, _GAVE_UP, _FOUND = 0.72, 0.07, 0.3


def memberships(world: World, home: Household) -> Iterator[tuple[str, Record]]:
    """Yield the customer's membership with its recurring service and the visits that are due."""
    plan = world.plan
    if not plan.member[home.index]:
        return
    random, calendar = world.upkeep, world.calendar
    kind = 0 if home.commercial else random.randrange(len(trades.MEMBERSHIPS))
    sold = trades.MEMBERSHIPS[kind]
    began = random.randrange(home.created, calendar.now)
    ends, status = _fate(world, began)
    number = world.next(ids.MEMBERSHIPS)
    place = home.places[0]
    created = stamp(began, random)
    changed = min(ends, calendar.now) if status != "Active" else random.randrange(began, calendar.now) + 1
    modified = stamp(changed, random) if changed > began else created
    if status != "Canceled":
        home.memberships.append((number, kind, began, ends))
    yield (
        "memberships.memberships",
        {
            "id": number,
            "createdOn": created,
            "createdById": random.choice(world.office.clerks).id,
            "modifiedOn": modified,
            "followUpOn": midnight(ends - 30 * DAY),
            "cancellationDate": midnight(ends) if status == "Canceled" else None,
            "from": midnight(began),
            "nextScheduledBillDate": midnight(calendar.now + random.randrange(1, 28) * DAY)
            if status == "Active"
            else None,
            "to": midnight(ends),
            "billingFrequency": sold.frequency,
            "renewalBillingFrequency": sold.frequency,
            "status": status,
            "followUpStatus": "Contacted" if status == "Expired" and chance(random, 0.5) else "NotAttempted",
            # The vendor leaves expired memberships active; only the status tells.
            "active": status != "Canceled",
            "initialDeferredRevenue": 0.0,
            "duration": 12,
            "renewalDuration": 12,
            "businessUnitId": ids.UNITS[sold.unit],
            "customerId": home.id,
            "membershipTypeId": ids.PLANS[kind],
            "activatedById": random.choice(world.office.clerks).id,
            "activatedFromId": None,
            "billingTemplateId": None,
            "cancellationBalanceInvoiceId": None,
            "cancellationInvoiceId": None,
            "followUpCustomStatusId": None,
            "locationId": place.id,
            "paymentMethodId": None,
            "paymentTypeId": ids.PAYMENT_TYPES[2],
            "recurringLocationId": None,
            "renewalMembershipTaskId": None,
            "renewedById": None,
            "soldById": random.choice(world.office.crews[sold.unit]).id,
            "customerPo": None,
            "importId": None,
            "memo": f"{sold.name}, {sold.price} {sold.frequency.lower()}",
            "customFields": [custom("Route Day", random.choice(("Mon", "Tue", "Wed", "Thu", "Fri")))],
        },
    )
    yield from _visits(world, home, number, kind, (began, ends, status))


def _fate(world: World, began: int) -> tuple[int, str]:
    """Return when a membership that began then ends, and its state now."""
    random, now = world.upkeep, world.calendar.now
    if chance(random, _GAVE_UP) and now - began > 2 * DAY:
        return random.randrange(began + DAY, now), "Canceled"
    ends = began + _YEAR
    while ends <= now:
        if not chance(random, _RENEWED):
            return ends, "Expired"
        ends += _YEAR
    return ends, "Active"


def _visits(
    world: World, home: Household, membership: int, kind: int, life: tuple[int, int, str]
) -> Iterator[tuple[str, Record]]:
    random, now = world.upkeep, world.calendar.now
    began, ends, status = life
    sold = trades.MEMBERSHIPS[kind]
    months = 1 if sold.unit == 0 else 6
    number = world.next(ids.VISITS)
    created = stamp(began, random)
    name = f"{sold.visit} ({home.who.last})"
    clerk = random.choice(world.office.clerks).id
    yield (
        "memberships.recurring_services",
        {
            "id": number,
            "name": name,
            "active": status == "Active",
            "createdOn": created,
            "createdById": clerk,
            "modifiedOn": created,
            "importId": None,
            "membershipId": membership,
            "locationId": home.places[0].id,
            "recurringServiceTypeId": ids.VISIT_TYPES[kind],
            "durationType": "Continuous",
            "durationLength": 0,
            "from": midnight(began),
            "to": midnight(ends),
            "memo": None,
            "invoiceTemplateId": None,
            "invoiceTemplateForFollowingYearsId": None,
            "firstVisitComplete": now - began > 30 * DAY,
            "activatedFromId": None,
            "allocation": 0.0,
            "businessUnitId": ids.UNITS[sold.unit],
            "jobTypeId": ids.KINDS[sold.kind],
            "campaignId": ids.CAMPAIGNS[0],
            "priority": "Normal",
            "jobSummary": f"{sold.visit}: routine visit under the membership.",
            "recurrenceType": "Monthly",
            "recurrenceInterval": months,
            "recurrenceMonths": [],
            "recurrenceDaysOfWeek": [],
            "recurrenceWeek": "None",
            "recurrenceDayOfNthWeek": None,
            "recurrenceDaysOfMonth": [random.randrange(1, 28)],
            "jobStartTime": "09:00:00",
            "estimatedPayrollCost": None,
            "preferredTechnicianIds": [],
            "tagTypeIds": [],
        },
    )
    for number_of_visit in range(3):
        due = began + (number_of_visit + 1) * months * 30 * DAY
        if due > ends:
            return
        yield (
            "memberships.recurring_service_events",
            {
                "id": world.next(ids.VISIT_EVENTS),
                "locationRecurringServiceId": number,
                "locationRecurringServiceName": name,
                "membershipId": membership,
                "membershipName": sold.name,
                "status": "Won" if due < now else "NotAttempted",
                "date": midnight(due),
                "createdOn": created,
                "jobId": None,
                "createdById": clerk,
                "modifiedOn": created,
                "active": True,
            },
        )


def installed(world: World, home: Household, work: Work, invoice: Record) -> Iterator[tuple[str, Record]]:
    """Yield the equipment that a finished job left behind, tied to the billed lines."""
    if not work.over or work.done is None:
        return
    by_code = world.pricebook.by_code
    for item in invoice["items"] or ():
        if item["type"] != "Equipment":
            continue
        record = _equipment(world, home, work.place, by_code[item["skuName"]], (work.done, work.done))
        record["invoiceItemId"] = item["id"]
        item["installedEquipmentId"] = record["id"]
        work.equipment_ids.append(record["id"])
        yield "equipmentsystems.installed_equipment", record


def found(world: World, home: Household) -> Iterator[tuple[str, Record]]:
    """Yield equipment that was there before the customer was."""
    random = world.upkeep
    for place in home.places:
        if not chance(random, _FOUND):
            continue
        trade = random.choice((trades.POOL, trades.HVAC, trades.PLUMBING))
        priced = random.choice(world.pricebook.units[trade])
        age = random.randrange(1, 12) * _YEAR
        yield (
            "equipmentsystems.installed_equipment",
            _equipment(world, home, place, priced, (home.created, home.created - age)),
        )


def _equipment(
    world: World, home: Household, place: Place, priced: Priced, moments: tuple[int, int]
) -> Record:
    random, sku = world.upkeep, priced.sku
    noted, installed_on = moments
    created = stamp(noted, random)
    built = installed_on - random.randrange(30, 300) * DAY
    kind = VENDOR_OF[sku.trade]
    return {
        "id": world.next(ids.EQUIPMENT),
        "active": not chance(random, 0.03),
        "equipmentId": priced.id,
        "locationId": place.id,
        "customerId": home.id,
        "invoiceItemId": None,
        "name": sku.name,
        "type": {"id": ids.EQUIPMENT_TYPES[kind], "name": f"{sku.trade} Equipment"},
        "installedOn": midnight(installed_on),
        "createdOn": created,
        "modifiedOn": created,
        "serialNumber": _serial(random.randrange(10**9), sku),
        "barcodeId": None,
        "memo": "Equipment pad" if sku.trade == trades.POOL else "Garage",
        "manufacturer": sku.maker,
        "model": sku.model,
        "cost": sku.cost / 100,
        "status": "Installed",
        "manufacturerWarrantyStart": midnight(installed_on),
        "manufacturerWarrantyEnd": midnight(installed_on + 3 * _YEAR),
        "serviceProviderWarrantyStart": midnight(installed_on),
        "serviceProviderWarrantyEnd": midnight(installed_on + _YEAR),
        "tags": [],
        "actualReplacementDate": None,
        "manufacturedOn": midnight(built)[:10],
        "predictedReplacementMonths": 144,
        "predictedReplacementDate": midnight(installed_on + 12 * _YEAR)[:10],
    }


def _serial(number: int, sku: skus.Sku) -> str:
    return f"{sku.model.replace('-', '')}{number:09d}"
