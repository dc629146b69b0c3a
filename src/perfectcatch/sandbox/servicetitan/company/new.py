"""Single records that come into being while the simulated vendor runs, complete and in its shape.

Each function takes a ``World`` (see ``open_world``), a random stream, the moment, and the ids to use.
Further keywords are fields in the vendor's spelling that replace what would be made up.
"""

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

from perfectcatch.errors import BadArgument
from perfectcatch.sandbox.servicetitan.company import ids, trades
from perfectcatch.sandbox.servicetitan.company.billing import (
    Bill,
    Line,
    choose_lines,
    invoice_record,
    payment_record,
)
from perfectcatch.sandbox.servicetitan.company.lists import TERMS
from perfectcatch.sandbox.servicetitan.company.moments import HOUR, Calendar, midnight, stamp
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.people import (
    Household,
    Identity,
    Place,
    address,
    contact_record,
    customer_record,
)
from perfectcatch.sandbox.servicetitan.company.plan import Plan, Size
from perfectcatch.sandbox.servicetitan.company.pricebook import Priced, written
from perfectcatch.sandbox.servicetitan.company.selling import OPEN, estimate_record
from perfectcatch.sandbox.servicetitan.company.work import Visit, Work, job_record, visit_records
from perfectcatch.sandbox.servicetitan.company.world import World

_LINE_ROOM = 100  # ids of lines lie in the hundred of their invoice or estimate


def open_world(seed: int, customers: int, *, now: datetime) -> World:
    """Return the company of a seed without its history: the same staff, price book and lists."""
    technicians = Size.of(customers).technicians
    return World(seed, Size(1, 1, 0, 1, 1, technicians), now)


def _at(world: World, random: Random, now: datetime) -> World:
    """Return the world as it is at ``now``, drawing from ``random``."""
    lent = copy.copy(world)
    lent.calendar = Calendar(now)
    lent.people = lent.work = lent.money = lent.sales = random
    plan: Plan = copy.copy(world.plan)
    plan.merged_to, plan.inactive = {}, bytearray(1)
    lent.plan = plan
    return lent


def _with(record: Record, fields: Mapping[str, Any]) -> Record:
    unknown = sorted(set(fields) - set(record))
    if unknown:
        raise BadArgument(
            f"The vendor's record has no field {unknown[0]!r}: use one of its {len(record)} fields"
        )
    return {**record, **fields}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _household(customer: Record, location: Record | None = None) -> Household:
    first, _, last = customer["name"].partition(" ")
    terms = [ids.PAYMENT_TERMS[index] for index in range(len(TERMS))]
    home = Household(
        index=0,
        id=customer["id"],
        who=Identity(customer["name"], first, last or first),
        commercial=customer["type"] == "Commercial",
        created=0,
        created_text=customer["createdOn"],
        term=terms.index(customer["paymentTermId"]) if customer["paymentTermId"] in terms else 0,
        exempt=customer["taxExempt"],
    )
    if location is not None:
        home.places.append(_place(location))
    return home


def _place(location: Record) -> Place:
    zones = [ids.TAX_ZONES[index] for index in range(6)]
    tax = zones.index(location["taxZoneId"]) if location["taxZoneId"] in zones else 0
    return Place(location["id"], location["name"], location["address"], tax, location)


def new_customer(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    name: str,
    commercial: bool = False,
    **fields: Any,
) -> Record:
    """Return a customer who was just created."""
    lent = _at(world, random, now)
    moment = lent.calendar.now
    where, _, _ = address(random)
    first, _, last = name.partition(" ")
    home = Household(
        0,
        number,
        Identity(name, first, last),
        commercial,
        moment,
        stamp(moment, random),
        2 if commercial else 0,
        exempt=False,
        last_change=moment,
    )
    home.places.append(Place(0, name, where, 0, {}))
    return _with(customer_record(lent, home), {"externalData": [], **fields})


def new_location(
    world: World, random: Random, *, now: datetime, number: int, customer: Record, **fields: Any
) -> Record:
    """Return a location of a customer, at the customer's own address unless told otherwise."""
    moment = stamp(_at(world, random, now).calendar.now, random)
    record = {
        "taxZoneId": ids.TAX_ZONES[0],
        "id": number,
        "customerId": customer["id"],
        "active": True,
        "name": customer["name"],
        "address": dict(customer["address"]),
        "customFields": [],
        "createdOn": moment,
        "createdById": random.choice(world.office.clerks).id,
        "modifiedOn": moment,
        "mergedToId": None,
        "zoneId": ids.ZONES[0],
        "taxExempt": customer["taxExempt"],
        "tagTypeIds": [],
        "externalData": [],
    }
    return _with(record, fields)


def new_contact(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    customer_id: int,
    type: str,  # noqa: A002
    value: str,
    **fields: Any,
) -> Record:
    """Return a contact of a customer; ``type`` is Phone, MobilePhone, Email or Fax."""
    moment = stamp(_at(world, random, now).calendar.now, random)
    ten = "" if type == "Email" else "".join(each for each in value if each.isdigit())[-10:]
    record = contact_record(random, number, type, value, None, moment, moment, ten=ten)
    return _with({**record, "customerId": customer_id, "active": True}, fields)


def new_job(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    customer: Record,
    location: Record,
    appointment_id: int,
    invoice_id: int,
    kind: int | None = None,
    start: datetime | None = None,
    **fields: Any,
) -> Record:
    """Return a job that was just booked. ``kind`` is a place in ``trades.KINDS``; without it one is drawn."""
    lent = _at(world, random, now)
    chosen = random.randrange(len(trades.KINDS) - 1) if kind is None else kind
    home = _household(customer, location)
    opens = _seconds(start) if start else lent.calendar.now + 24 * HOUR
    crew = [random.choice(world.office.crews[trades.KINDS[chosen].unit])]
    length = int(trades.KINDS[chosen].hours * HOUR)
    work = Work(
        0,
        number,
        str(number % 10_000_000),
        chosen,
        trades.KINDS[chosen],
        home.places[0],
        lent.calendar.now,
        "Scheduled",
        [Visit(appointment_id, opens, opens + length, "Scheduled", crew)],
        None,
        invoice_id=invoice_id,
        campaign_id=ids.CAMPAIGNS[0],
    )
    return _with(job_record(lent, home, work), fields)


def _work(world: World, job: Record, location: Record) -> Work:
    kinds = [ids.KINDS[index] for index in range(len(trades.KINDS))]
    chosen = kinds.index(job["jobTypeId"]) if job["jobTypeId"] in kinds else 0
    done = job["completedOn"] and _seconds(datetime.fromisoformat(job["completedOn"][:19] + "+00:00"))
    crew = [world.office.everyone[job["id"] % len(world.office.everyone)]]
    visit = Visit(job["firstAppointmentId"], 0, 0, "Scheduled", crew)
    return Work(
        0,
        job["id"],
        job["jobNumber"],
        chosen,
        trades.KINDS[chosen],
        _place(location),
        0,
        job["jobStatus"],
        [visit],
        done,
        invoice_id=job["invoiceId"],
        project_id=job["projectId"],
        membership_id=job["membershipId"],
    )


def new_appointment(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    job: Record,
    start: datetime,
    end: datetime,
    **fields: Any,
) -> Record:
    """Return a scheduled appointment of a job."""
    lent = _at(world, random, now)
    place = Place(job["locationId"], "", {}, 0, {})
    work = _work(world, job, {"id": place.id, "name": "", "address": {}, "taxZoneId": None})
    work.booked = lent.calendar.now
    work.visits = [Visit(number, _seconds(start), _seconds(end), "Scheduled", work.visits[0].crew)]
    home = Household(0, job["customerId"], Identity("", "", ""), False, 0, "", 0, False)
    _, record = next(visit_records(lent, home, work))
    return _with(record, {"appointmentNumber": f"{job['jobNumber']}-{job['appointmentCount']}", **fields})


def new_assignment(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    appointment: Record,
    technician: Record,
    **fields: Any,
) -> Record:
    """Return the assignment of a technician to an appointment."""
    moment = stamp(_at(world, random, now).calendar.now, random)
    record = {
        "id": number,
        "technicianId": technician["id"],
        "technicianName": technician["name"],
        "assignedById": random.choice(world.office.clerks).id,
        "assignedOn": moment,
        "status": "Scheduled",
        "isPaused": False,
        "jobId": appointment["jobId"],
        "appointmentId": appointment["id"],
        "createdOn": moment,
        "modifiedOn": moment,
        "active": True,
    }
    return _with(record, fields)


def new_estimate(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    job: Record,
    customer: Record,
    location: Record,
    lines: Sequence[tuple[Priced, int]] = (),
    **fields: Any,
) -> Record:
    """Return an open estimate on a job; ``lines`` are (price book line, quantity), drawn if not given."""
    lent = _at(world, random, now)
    work = _work(world, job, location)
    if not lines:
        book, trade = world.pricebook, work.kind.trade
        lines = [(random.choice(book.labor[trade, trades.SERVICE]), 1), (random.choice(book.parts[trade]), 2)]
    about = (number, lent.calendar.now, OPEN, work.lead.id, work.kind.unit)
    record = estimate_record(lent, _household(customer, location), work.place, about, list(lines))
    for order, item in enumerate(record["items"], 1):
        item["id"] = number * _LINE_ROOM + order
    record |= {
        "jobId": job["id"],
        "jobNumber": job["jobNumber"],
        "projectId": job["projectId"],
        "active": True,
    }
    return _with(record, fields)


def new_invoice_for(
    world: World,
    random: Random,
    *,
    now: datetime,
    job: Record,
    customer: Record,
    location: Record,
    number: int | None = None,
    lines: Sequence[tuple[Priced, int]] | None = None,
    **fields: Any,
) -> Record:
    """Return a job's invoice, unpaid; under the job's own ``invoiceId`` unless ``number`` says otherwise.

    ``lines`` are (price book line, quantity); None draws what such a job is usually billed for.
    """
    lent = _at(world, random, now)
    home, work = _household(customer, location), _work(world, job, location)
    billed = (
        choose_lines(lent, work)
        if lines is None
        else [Line(priced, 100 * quantity, priced.sku.price) for priced, quantity in lines]
    )
    moment = lent.calendar.now
    bill = Bill(
        number or job["invoiceId"],
        work.place,
        work.kind.unit,
        billed,
        moment,
        moment,
        work=work,
        kind=work.kind.division,
    )
    record = invoice_record(lent, home, bill)
    for order, item in enumerate(record["items"] or (), 1):
        item["id"] = bill.id * _LINE_ROOM + order
    return _with(record, fields)


def cents(text: str) -> int:
    """Return the cents of money as the vendor writes it: ``"125.00"`` is 12500."""
    return round(float(text) * 100)


def new_payment_for(
    world: World,
    random: Random,
    *,
    now: datetime,
    number: int,
    invoice: Record,
    amount: int | None = None,
    **fields: Any,
) -> Record:
    """Return a payment of ``amount`` cents on an invoice, of all that is owed without it."""
    lent = _at(world, random, now)
    units = [ids.UNITS[index] for index in range(len(trades.UNITS))]
    unit = units.index(invoice["businessUnit"]["id"]) if invoice["businessUnit"] else 0
    owner = invoice["customer"]
    home = Household(0, owner["id"], Identity(owner["name"], "", ""), False, 0, "", 0, False)
    bill = Bill(invoice["id"], Place(0, "", {}, 0, {}), unit, [], 0, 0)
    paid = cents(invoice["balance"]) if amount is None else amount
    record = payment_record(lent, home, bill, paid, lent.calendar.now)
    applied = {
        **record["appliedTo"][0],
        "appliedId": number * _LINE_ROOM,
        "appliedToReferenceNumber": invoice["referenceNumber"],
    }
    facts = {
        "id": number,
        "appliedTo": [applied],
        "referenceNumber": f"P{number % 10_000_000}",
        "total": written(paid),
        "unappliedAmount": "0.00",
    }
    return _with({**record, **facts}, fields)


def apply_payment(random: Random, *, now: datetime, invoice: Record, payment: Record) -> Record:
    """Return the invoice as it stands after a payment on it: balance, ``paidOn`` and ``modifiedOn``."""
    paid = sum(
        cents(each["appliedAmount"]) for each in payment["appliedTo"] if each["appliedTo"] == invoice["id"]
    )
    left = cents(invoice["balance"]) - paid
    moment = Calendar(now).now
    settled = {"paidOn": midnight(moment)} if left == 0 else {}
    return {**invoice, "balance": written(left), "modifiedOn": stamp(moment, random), **settled}
