"""Money: work is billed, invoices are paid in full, in part, late or never, corrected and booked."""

from datetime import timedelta
from decimal import Decimal
from random import Random

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import ids, trades
from perfectcatch.sandbox.servicetitan.company.lists import PAYMENT_TYPES, TERMS
from perfectcatch.sandbox.servicetitan.life import booking, hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record, Row
from perfectcatch.sandbox.servicetitan.writes import accounting, payments
from perfectcatch.sandbox.servicetitan.writes.accounting import amount_of, written

MINUTE = moments.MINUTE
_AT_ONCE, _SOON, _LATE = 0.72, 0.84, 0.95  # of private customers; the rest never pays
_COMMERCIAL_PAYS = 0.94
_IN_PART, _OVERPAID = 0.07, 0.012
_OLD = 60 * hours.DAY
_OLD_PAYS = 0.35
_EXPORTED_AFTER = 10 * hours.DAY
_TYPES = (0, 0, 1, 2, 2, 2, 3, 3, 4, 5, 6)
_CHECK, _CARDS = 0, (2, 3, 4)
_MEMBER, _SENIOR, _AFTER_HOURS = "DC-010", "DC-020", "FE-010"


# Billing --------------------------------------------------------------------------------------------


def bill_job(desk: Desk, job: Record, kind: trades.Kind, technician: int | None) -> Record | None:
    """Put what was done on the job's invoice and send it."""
    invoice = desk.known("accounting.invoices", job["invoiceId"])
    if invoice is None or invoice["items"]:
        return None
    lines = _lines(desk, job, kind, technician)
    summary = f"<p>{kind.name}</p><p>{(job['summaryOfWork'] or '').split('. ')[0]}</p>"
    desk.tenant.edit(
        "accounting.invoices", invoice["id"], summary=summary, employeeInfo=_employee(desk, technician)
    )
    owner = desk.known("crm.customers", job["customerId"])
    term, days = TERMS[2 if owner is not None and owner["type"] == "Commercial" else 0]
    invoice = desk.tenant.edit("accounting.invoices", invoice["id"], termName=term)
    return accounting.bill(desk.call(), invoice, lines, _day(desk), due=_day(desk, days))


def _day(desk: Desk, ahead: int = 0) -> str:
    """The local day, or one so many days ahead, as the vendor writes days."""
    return f"{(hours.local(desk.now).date() + timedelta(days=ahead)).isoformat()}T00:00:00Z"


def _employee(desk: Desk, technician: int | None) -> Record | None:
    person = desk.known("settings.technicians", technician)
    if person is None:
        return None
    return {"id": person["id"], "name": person["name"], "modifiedOn": desk.tenant.stamp()}


def _lines(desk: Desk, job: Record, kind: trades.Kind, technician: int | None) -> list[Record]:
    random = desk.random
    count = min(random.randint(*kind.lines), random.randint(*kind.lines))
    found: list[tuple[int, int]] = [(random.choice(desk.shelf("Service", kind.trade, kind.division)), 1)]
    if kind.division == trades.INSTALL:
        found.append((random.choice(desk.shelf("Equipment", kind.trade)), 1))
    while len(found) < count:
        if desk.chance(0.3):
            found.append((random.choice(desk.shelf("Service", kind.trade, trades.SERVICE)), 1))
        else:
            found.append((random.choice(desk.shelf("Material", kind.trade)), random.choice((1, 1, 1, 2, 4))))
    if job["membershipId"]:
        found.append((desk.article(_MEMBER), 1))
    elif desk.chance(0.03):
        found.append((desk.article(_SENIOR), 1))
    if kind.priority == "Urgent" and not hours.in_office(desk.now):
        found.append((desk.article(_AFTER_HOURS), 1))
    free = {"unitPrice": 0} if kind.no_charge else {}
    return [
        {"skuId": number, "quantity": quantity, "technicianId": technician, **free}
        for number, quantity in found
    ]


def counter_sale(desk: Desk, _key: object) -> Did | None:
    """Somebody buys parts over the counter and pays."""
    place = desk.some("crm.locations", lately=0.8)
    parts = desk.shelf("Material", trades.POOL)
    if place is None or not parts:
        return None
    call = desk.call()
    invoice = accounting.counter_sale(call, place["customerId"], place["id"], ids.UNITS[0])
    lines = [
        {"skuId": each, "quantity": desk.random.randrange(1, 5)} for each in desk.random.sample(parts, 2)
    ]
    accounting.bill(call, invoice, lines, _day(desk))
    return {"what": "counter_sale", "invoiceId": invoice["id"]}


def correct(desk: Desk, _key: object) -> Did | None:
    """A finished job's invoice is corrected by a second one."""
    base = desk.some(
        "accounting.invoices", lambda each: bool(each["items"] and each["job"]) and not each["adjustmentToId"]
    )
    job = desk.known("jpm.jobs", base["job"]["id"]) if base else None
    if base is None or job is None:
        return None
    if desk.chance(0.4):
        line = {"skuId": desk.article(_SENIOR), "quantity": 1, "unitPrice": -desk.random.randrange(15, 90, 5)}
    else:
        line = {"skuId": desk.random.choice(desk.shelf("Material", desk.kind_of(job).trade)), "quantity": 1}
    accounting.adjust(desk.call({"adjustmentToId": base["id"], "items": [line]}))
    return {"what": "invoice_corrected", "invoiceId": base["id"]}


# Paying ---------------------------------------------------------------------------------------------


def plan(desk: Desk, row: Row, record: Record | None) -> None:
    """Note when an invoice that was written is going to be paid, if ever."""
    balance = amount_of(record["balance"]) if record is not None and row.active else Decimal(0)
    if record is None or balance <= 0 or not record["customer"]:
        desk.agenda.drop("payment", row.id)
    elif not desk.agenda.has("payment", row.id):
        dice = desk.dice("payment", row.id, record["balance"])
        after = _delay(desk, dice, row, record)
        if after is not None:
            desk.agenda.set("payment", row.id, after)


def _delay(desk: Desk, dice: Random, row: Row, record: Record) -> int | None:
    now = desk.now
    if now - row.created > _OLD:
        late = now + booking.random_day(dice, 0, 90)
        return hours.office_moment(late, dice) if dice.random() < _OLD_PAYS else None
    owner = desk.known("crm.customers", record["customer"]["id"])
    if owner is not None and owner["type"] == "Commercial":
        due = now + booking.random_day(dice, 5, 50)
        return hours.office_moment(due, dice) if dice.random() < _COMMERCIAL_PAYS else None
    roll = dice.random()
    if roll < _AT_ONCE and now - row.modified < hours.HOUR:
        return now + dice.randrange(2, 40) * MINUTE
    if roll < _SOON:
        return hours.office_moment(now + booking.random_day(dice, 1, 5), dice)
    return hours.office_moment(now + booking.random_day(dice, 8, 45), dice) if roll < _LATE else None


def pay(desk: Desk, key: object) -> Did | None:
    """A customer pays an invoice: mostly all of it."""
    invoice = desk.known("accounting.invoices", key)
    owed = amount_of(invoice["balance"]) if invoice and invoice["active"] else Decimal(0)
    if invoice is None or owed <= 0:
        return None
    random = desk.random
    amount = owed
    if desk.chance(_IN_PART):
        amount = max(amount_of(written(owed * random.randrange(25, 60) / 100)), Decimal("0.01"))
    body: Record = {"paidOn": _day(desk)}
    if amount == owed and desk.chance(_OVERPAID):
        body["amount"] = str(owed + random.randrange(5, 100, 5))
    at = random.choice(_TYPES)
    if at == _CHECK:
        body["checkNumber"] = str(random.randrange(1_000, 9_999))
    elif at in _CARDS:
        body["authCode"] = f"{random.randrange(10**6):06d}"
    kind = desk.one("accounting.payment_types", name=PAYMENT_TYPES[at]) or desk.some(
        "accounting.payment_types"
    )
    if kind is None:
        return None
    record = payments.pay(
        desk.call(), [{"invoiceId": invoice["id"], "amount": str(amount)}], kind["id"], body
    )
    what = "invoice_paid" if amount == owed else "invoice_paid_in_part"
    return {"what": what, "paymentId": record["id"], "invoiceId": invoice["id"]}


# The books ------------------------------------------------------------------------------------------


def close_books(desk: Desk, _key: object) -> Did | None:
    """In the evening what is ten days old goes to the accounting program."""
    count = 0
    for name in ("accounting.invoices", "accounting.payments"):
        table = desk.tenant.table(name)
        for number in sorted(table.column("syncStatus").ids("Pending"), key=str):
            row = table.rows[number]
            if desk.now - row.created < _EXPORTED_AFTER or row.hidden or not row.active:
                continue
            record = row.record()
            if name == "accounting.invoices" and not record["items"]:
                continue
            changes: Record = {"syncStatus": "Exported"}
            if "exportId" in record:
                changes["exportId"] = f"QB-{number}"
            if "reviewStatus" in record:
                changes["reviewStatus"] = "Reviewed"
            desk.tenant.edit(name, number, **changes)
            count += 1
    return {"what": "books_closed", "records": count} if count else None
