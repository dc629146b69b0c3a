"""Invoices and payments. Amounts are counted in cents and written as the vendor writes them: as text."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from perfectcatch.sandbox.servicetitan.company import ids, sentences, trades
from perfectcatch.sandbox.servicetitan.company.lists import EXEMPT, PAYMENT_TYPES, TAXES
from perfectcatch.sandbox.servicetitan.company.moments import DAY, HOUR, chance, midnight, stamp
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.people import Household, Place, term_name
from perfectcatch.sandbox.servicetitan.company.pricebook import Priced, account, written
from perfectcatch.sandbox.servicetitan.company.work import Work
from perfectcatch.sandbox.servicetitan.company.world import World

_UNDEPOSITED = 8
_PAID_SOON, _PAID_AT_ONCE, _PAID_LATE, _PAID_EARLY = 0.92, 0.72, 0.93, 0.4
_PARTLY, _IN_TWO, _OVERPAID, _CREDIT = 0.35, 0.06, 0.012, 0.4
_TYPES = (0, 0, 1, 2, 2, 2, 3, 3, 4, 5, 6)
_CARDS, _CHECK = (2, 3, 4), 0
_ADDRESS = ("street", "unit", "city", "state", "zip", "country")


@dataclass(slots=True)
class Line:
    """One billed line: what, how many hundredths of it, at which price in cents."""

    priced: Priced
    hundredths: int
    price: int

    @property
    def total(self) -> int:
        """Quantity times price, in cents."""
        return round(self.hundredths * self.price / 100)


@dataclass(slots=True)
class Bill:
    """An invoice in the making."""

    id: int
    place: Place
    unit: int
    lines: list[Line]
    made: int
    served: int  # when the work was done or the sale took place
    work: Work | None = None
    adjusts: int | None = None
    configuration: str = "JobInvoice"
    kind: str = "Service"
    membership_id: int | None = None
    plan: int | None = None
    void: bool = False
    paid: list[tuple[int, int]] = field(default_factory=list)  # cents, moment

    @property
    def sub_total(self) -> int:
        """The sum of the lines."""
        return sum(line.total for line in self.lines)

    @property
    def tax(self) -> int:
        """Sales tax on what is taxable."""
        base = sum(line.total for line in self.lines if line.priced.taxable)
        return round(base * TAXES[self.place.tax][1])

    @property
    def total(self) -> int:
        """What has to be paid."""
        return self.sub_total + self.tax

    @property
    def balance(self) -> int:
        """What is left to be paid."""
        return self.total - sum(amount for amount, _ in self.paid)


def choose_lines(world: World, work: Work) -> list[Line]:
    """Return what a finished job is billed for."""
    random, book, kind = world.money, world.pricebook, work.kind
    count = min(random.randint(*kind.lines), random.randint(*kind.lines))
    lines = [Line(random.choice(book.labor[kind.trade, kind.division]), 100, 0)]
    if kind.division == trades.INSTALL:
        lines.append(Line(random.choice(book.units[kind.trade]), 100, 0))
    while len(lines) < count:
        if chance(random, 0.3):
            lines.append(Line(random.choice(book.labor[kind.trade, trades.SERVICE]), 100, 0))
        else:
            lines.append(
                Line(random.choice(book.parts[kind.trade]), random.choice((100, 100, 100, 150, 200, 400)), 0)
            )
    if work.membership_id:
        lines.append(Line(book.by_code["DC-010"], 100, 0))
    elif chance(random, 0.03):
        lines.append(Line(book.by_code["DC-020"], 100, 0))
    if kind.priority == "Urgent" and chance(random, 0.08):
        lines.append(Line(book.by_code["FE-010"], 100, 0))
    for line in lines:
        line.price = 0 if kind.no_charge else line.priced.sku.price
    return lines


def bill_job(world: World, home: Household, work: Work) -> Iterator[tuple[str, Record]]:
    """Yield the job's invoice, its correction if there is one, and what was paid on them."""
    first = world.plan.first_invoice[work.index]
    work.invoice_id = ids.INVOICES[first]
    served = work.done if work.done is not None else work.booked
    lines = choose_lines(world, work) if work.over else []
    void = work.status == "Canceled"
    bill = Bill(
        work.invoice_id, work.place, work.kind.unit, lines, work.booked, served, work=work,
        kind=work.kind.division, void=void,
    )  # fmt: skip
    yield from _issue(world, home, bill)
    work.total = bill.total
    if not world.plan.adjusted[work.index]:
        return
    later = world.calendar.past(served + world.money.randrange(HOUR, 20 * DAY))
    if chance(world.money, _CREDIT):
        line = Line(world.pricebook.by_code["DC-020"], 100, -world.money.randrange(1_500, 9_000, 500))
    else:
        priced = world.money.choice(world.pricebook.parts[work.kind.trade])
        line = Line(priced, 100, priced.sku.price)
    correction = Bill(
        ids.INVOICES[first + 1], work.place, work.kind.unit, [line], later, later, work=work, adjusts=bill.id,
        kind=work.kind.division,
    )  # fmt: skip
    yield from _issue(world, home, correction)
    work.total += correction.total


def bill_sales(world: World, home: Household) -> Iterator[tuple[str, Record]]:
    """Yield invoices without a job: memberships and sales over the counter."""
    random, plan, calendar = world.money, world.plan, world.calendar
    first = plan.first_extra_invoice[home.index]
    for number in range(plan.extra_invoices[home.index]):
        membership = random.choice(home.memberships) if home.memberships else None
        began = membership[2] if membership else home.created
        moment = random.randrange(began, calendar.past(membership[3]) if membership else calendar.now)
        bill = Bill(ids.INVOICES[first + number], home.places[0], 0, [], moment, moment)
        if membership:
            bill.membership_id, bill.plan = membership[0], membership[1]
            bill.unit = trades.MEMBERSHIPS[membership[1]].unit
            bill.configuration, bill.kind = "MembershipInvoice", "Membership"
            priced = world.pricebook.by_code[f"MB-0{membership[1] + 1}0"]
            bill.lines = [Line(priced, 100, priced.sku.price)]
        else:
            bill.configuration, bill.kind = "CounterSales", "Counter Sale"
            for priced in random.sample(world.pricebook.parts[trades.POOL], random.randrange(1, 4)):
                bill.lines.append(Line(priced, 100 * random.randrange(1, 5), priced.sku.price))
        yield from _issue(world, home, bill)


def _issue(world: World, home: Household, bill: Bill) -> Iterator[tuple[str, Record]]:
    payments = [] if bill.void else _payments(world, home, bill)
    record = invoice_record(world, home, bill)
    home.balance += bill.balance
    yield "accounting.invoices", record
    for payment in payments:
        yield "accounting.payments", payment


# The invoice -----------------------------------------------------------------------------------


def invoice_record(world: World, home: Household, bill: Bill) -> Record:
    """Return the invoice with its lines, as paid as it is."""
    random, calendar, work = world.money, world.calendar, bill.work
    now, total, balance = calendar.now, bill.total, bill.balance
    term, days = term_name(home)
    last_paid = max((moment for _, moment in bill.paid), default=0)
    changed = calendar.past(max(bill.served, last_paid, bill.made + 1) + random.randrange(1, 2 * HOUR))
    exported = changed < now - 10 * DAY
    unit = {"id": ids.UNITS[bill.unit], "name": trades.UNITS[bill.unit].name}
    tax = bill.place.tax
    location = {key: bill.place.address[key] for key in _ADDRESS}
    billed = {key: home.places[0].address[key] for key in _ADDRESS}
    lead = work.lead if work else None
    created = stamp(bill.made, random)
    modified = stamp(changed, random) if changed > bill.made else created
    items: list[Record] | None = [
        _item(world, bill, line, order, unit) for order, line in enumerate(bill.lines, 1)
    ]
    if bill.void and chance(random, 0.5):
        items = None
    settled = total > 0 and balance == 0
    return {
        "summary": f"<p>{work.kind.name}</p><p>{sentences.done(random, work.kind.trade)}</p>"
        if work and work.over
        else None,
        "items": items,
        "customFields": [{"name": "Cost Center", "value": trades.UNITS[bill.unit].account}],
        "active": not bill.void,
        "discountTotal": written(-sum(line.total for line in bill.lines if line.price < 0)),
        "importId": None,
        "exportId": f"QB-{bill.id}" if exported else None,
        "materialSkuId": None,
        "membershipId": bill.membership_id,
        "paidOn": midnight(last_paid) if settled else None,
        "invoiceConfiguration": bill.configuration,
        "id": bill.id,
        "syncStatus": "Exported" if exported else "Pending",
        "budgetCodeId": None,
        "referenceNumber": (work.number + ("-A" if bill.adjusts else ""))
        if work
        else f"M{bill.id % 10_000_000}",
        "invoiceDate": midnight(bill.served),
        "dueDate": midnight(bill.served + days * DAY),
        "subTotal": written(bill.sub_total),
        "salesTax": written(bill.tax),
        "salesTaxCode": {"id": ids.TAX_RATES[tax], "name": TAXES[tax][0], "taxRate": TAXES[tax][1]},
        "taxZoneId": ids.TAX_ZONES[EXEMPT if home.exempt else tax],
        "total": written(total),
        "balance": written(balance),
        "invoiceType": {
            "id": 1 + ("Service", "Install", "Membership", "Counter Sale").index(bill.kind),
            "name": bill.kind,
        },
        "customer": {"id": home.id, "name": home.who.name},
        "customerAddress": billed,
        "location": {"id": bill.place.id, "name": bill.place.name},
        "locationAddress": location,
        "businessUnit": unit,
        "termName": term,
        "createdBy": random.choice(world.office.clerks).name,
        "batch": _batch(bill.served) if exported else None,
        "depositedOn": None,
        "createdOn": created,
        "modifiedOn": modified,
        "adjustmentToId": bill.adjusts,
        "job": {"id": work.id, "number": work.number, "type": work.kind.name} if work else None,
        "projectId": work.project_id if work else None,
        "royalty": None,
        "employeeInfo": {"id": lead.id, "name": lead.name, "modifiedOn": created} if lead else None,
        "commissionEligibilityDate": None,
        "sentStatus": "NotSent"
        if bill.void or not bill.lines
        else random.choice(("Sent", "Opened", "NotSent")),
        "reviewStatus": "Reviewed" if exported else "NeedsReview",
        "assignedTo": None,
    }


def _batch(moment: int) -> Record:
    number = moment // (7 * DAY)
    return {"id": 500_000 + number, "number": str(number), "name": f"Week {number}"}


def _item(world: World, bill: Bill, line: Line, order: int, unit: Record) -> Record:
    random, sku = world.money, line.priced.sku
    served = stamp(bill.served, random)
    return {
        "id": world.next(ids.INVOICE_ITEMS),
        **line.priced.billed,
        "quantity": written(line.hundredths),
        "totalCost": written(round(line.hundredths * sku.cost / 100)),
        "price": written(line.price),
        "total": written(line.total),
        "membershipTypeId": 0 if bill.plan is None else ids.PLANS[bill.plan],
        "itemGroup": None,
        "soldHours": sku.hours,
        "createdOn": served,
        "modifiedOn": served,
        "serviceDate": midnight(bill.served),
        "order": order,
        "businessUnit": unit,
        "createdById": bill.work.lead.id if bill.work else world.office.clerks[0].id,
        "inventoryStatus": None,
        "addOn": False,
        "memberPrice": written(round(line.price * 0.9)),
        "technicianId": bill.work.lead.id if bill.work else None,
        "installedEquipmentId": None,
        "estimateItemId": None,
    }


# What was paid ---------------------------------------------------------------------------------


def _payments(world: World, home: Household, bill: Bill) -> list[Record]:
    """Return the payments on an invoice and note them on it; credits are refunded or left standing."""
    random, now = world.money, world.calendar.now
    total = bill.total
    if total == 0 or (bill.work and not bill.work.over):
        return []
    records = []
    for amount in _parts(world, home, total, bill.served):
        delay = random.randrange(5 * DAY, 50 * DAY) if home.commercial else random.randrange(60, 3 * HOUR)
        moment = min(bill.served + delay, now)
        bill.paid.append((amount, moment))
        records.append(payment_record(world, home, bill, amount, moment))
    return records


def _parts(world: World, home: Household, total: int, served: int) -> list[int]:
    random, age = world.money, world.calendar.now - served
    if total < 0:
        return [total] if chance(random, 0.5) else []
    days = term_name(home)[1]
    if home.commercial:
        share = _PAID_LATE if age > (days + 20) * DAY else _PAID_EARLY if age > 5 * DAY else 0.0
    else:
        share = _PAID_SOON if age > DAY else _PAID_AT_ONCE
    if chance(random, share):
        if not chance(random, _IN_TWO):
            return [total]
        first = total * random.randrange(25, 60) // 100
        return [first, total - first] if first else [total]
    return [max(total * random.randrange(30, 70) // 100, 1)] if share and chance(random, _PARTLY) else []


def payment_record(world: World, home: Household, bill: Bill, amount: int, moment: int) -> Record:
    """Return a payment that is applied to one invoice; a few customers pay more than they owe."""
    random = world.money
    kind = random.choice(_TYPES)
    spare = random.randrange(500, 10_000, 500) if amount > 0 and chance(random, _OVERPAID) else 0
    created = stamp(moment, random)
    old = moment < world.calendar.now - 10 * DAY
    number = world.next(ids.PAYMENTS)
    refunded = home.last_payment if amount < 0 else None
    if amount > 0:
        home.last_payment = number
    person = random.choice(world.office.clerks).name
    applied = {
        "appliedAmount": written(amount),
        "appliedBy": person,
        "appliedId": world.next(ids.APPLICATIONS),
        "appliedOn": created,
        "appliedTo": bill.id,
        "appliedToReferenceNumber": bill.work.number if bill.work else None,
    }
    return {
        "active": True,
        "appliedTo": [applied],
        "authCode": f"{random.randrange(100_000, 999_999)}" if kind in _CARDS else None,
        "batch": _batch(moment) if old else None,
        "businessUnit": {"id": ids.UNITS[bill.unit], "name": trades.UNITS[bill.unit].name},
        "checkNumber": str(random.randrange(1_001, 9_999)) if kind == _CHECK else None,
        "createdBy": person,
        "createdOn": created,
        "customer": {"id": home.id, "name": home.who.name},
        "customFields": [],
        "date": midnight(moment),
        "deposit": None,
        "generalLedgerAccount": account(_UNDEPOSITED),
        "id": number,
        "memo": "Refund" if amount < 0 else None,
        "modifiedOn": created,
        "referenceNumber": f"P{number % 10_000_000}",
        "refundedPaymentId": refunded,
        "syncStatus": "Exported" if old else "Pending",
        "total": written(amount + spare),
        "type": PAYMENT_TYPES[kind],
        "typeId": str(ids.PAYMENT_TYPES[kind]),
        "unappliedAmount": written(spare),
    }
