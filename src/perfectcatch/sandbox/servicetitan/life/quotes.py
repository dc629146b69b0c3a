"""Estimates: written on site or at the desk, followed up, sold, taken back, dismissed; a sale brings work."""

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import ids, sentences, trades
from perfectcatch.sandbox.servicetitan.life import booking, equipment, hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record, Row
from perfectcatch.sandbox.servicetitan.writes import sales

_SOLD, _DISMISSED = 0.42, 0.68  # cumulative; the rest stays open
_OLD_SOLD, _OLD_DISMISSED = 0.05, 0.35
_OLD = 20 * hours.DAY
_AT_ONCE = 0.35
_TAKEN_BACK, _BRINGS_WORK, _FOLLOWED_UP = 0.04, 0.55, 0.3
_OPTIONS = ("Good", "Better", "Best")
_PROJECT_FROM = 5_000.0
_QUOTED = 17.0  # a kind of work of this readiness would bring an estimate every time


def plan(desk: Desk, row: Row, record: Record | None) -> None:
    """Note what becomes of an estimate that was written."""
    agenda = desk.agenda
    status = (record["status"] or {}).get("name") if record is not None and row.active else None
    if status != "Open":
        for kind in ("estimate", "follow_up"):
            agenda.drop(kind, row.id)
        return
    if agenda.has("estimate", row.id):
        return
    dice = desk.dice("estimate", row.id)
    old = desk.now - row.created > _OLD
    sold, dismissed = (_OLD_SOLD, _OLD_DISMISSED) if old else (_SOLD, _DISMISSED)
    roll = dice.random()
    if roll < sold:
        at_once = dice.random() < _AT_ONCE and not old
        after = 2 * moments.MINUTE if at_once else int(dice.random() ** 2 * 12 * hours.DAY)
        moment = desk.now + after if at_once else hours.office_moment(desk.now + after, dice)
    elif roll < dismissed:
        moment = hours.office_moment(desk.now + booking.random_day(dice, 3, 40), dice)
    else:
        return
    agenda.set("estimate", row.id, moment)
    fresh = desk.now - row.created < 2 * hours.DAY
    if fresh and moment - desk.now > 2 * hours.DAY and dice.random() < _FOLLOWED_UP:
        agenda.set("follow_up", row.id, hours.office_moment(desk.now + booking.random_day(dice, 1, 2), dice))


def _open(desk: Desk, key: object) -> Record | None:
    record = desk.known("sales.estimates", key)
    usable = record is not None and record["active"] and (record["status"] or {}).get("name") == "Open"
    return record if usable else None


# Writing --------------------------------------------------------------------------------------------


def quote_on_site(desk: Desk, job: Record, kind: trades.Kind, technician: int | None) -> None:
    """Write what a technician recommends after the work; several options belong to one proposal."""
    if desk.random.random() * _QUOTED >= kind.quotes or kind.no_charge:
        return
    options = desk.random.choice((1, 1, 1, 2, 3))
    for number in range(options):
        body = _body(desk, kind.trade, number) | {
            "jobId": job["id"],
            "isRecommended": number == 0,
        }
        record = sales.add_estimate(desk.call(), body)
        if options > 1:
            desk.tenant.edit("sales.estimates", record["id"], proposalTagName=_OPTIONS[number])
    if technician is not None and not job["soldById"]:
        desk.tenant.edit("jpm.jobs", job["id"], soldById=technician)


def quote(desk: Desk, _key: object) -> Did | None:
    """The office writes an estimate for a location, without a job."""
    place = desk.some("crm.locations", lately=0.8)
    if place is None:
        return None
    trade = desk.random.choice((trades.POOL, trades.HVAC, trades.PLUMBING))
    record = sales.add_estimate(desk.call(), _body(desk, trade, 0) | {"locationId": place["id"]})
    unit = next(at for at, each in enumerate(trades.UNITS) if each.trade == trade)
    named = {"businessUnitId": ids.UNITS[unit], "businessUnitName": trades.UNITS[unit].name}
    desk.tenant.edit("sales.estimates", record["id"], **named)
    return {"what": "estimate_written", "estimateId": record["id"]}


def _body(desk: Desk, trade: str, option: int) -> Record:
    random = desk.random
    install = desk.chance(0.55)
    found = [(random.choice(desk.shelf("Service", trade, trades.INSTALL if install else trades.SERVICE)), 1)]
    if install:
        found.append((random.choice(desk.shelf("Equipment", trade)), 1))
    parts = desk.shelf("Material", trade)
    found += [(random.choice(parts), random.randrange(1, 5)) for _ in range(random.randrange(3) + option)]
    name = f"{trade} {'replacement' if install else 'repair'}"
    items = [{"skuId": number, "quantity": quantity} for number, quantity in found]
    return {"name": name, "summary": sentences.quote(random), "items": items}


# What becomes of it ---------------------------------------------------------------------------------


def decide(desk: Desk, key: object) -> Did | None:
    """The customer decides: the same throw that set the moment says how."""
    record = _open(desk, key)
    if record is None:
        return None
    old = desk.now - moments.read(record["createdOn"]) > _OLD
    if desk.dice("estimate", record["id"]).random() >= (_OLD_SOLD if old else _SOLD):
        sales.set_status(desk.call(), record, "Dismissed")
        return {"what": "estimate_dismissed", "estimateId": record["id"]}
    return _sell(desk, record)


def _sell(desk: Desk, record: Record) -> Did | None:
    tenant, random = desk.tenant, desk.random
    job = desk.known("jpm.jobs", record["jobId"])
    crew = booking.crew_of(desk, record["businessUnitId"] or 0)
    if not crew:
        return None
    seller = job["soldById"] if job and job["soldById"] else random.choice(crew)
    sales.set_status(desk.call(), record, "Sold", seller)
    if job is not None:
        for other in job["estimateIds"]:
            rest = _open(desk, other)
            if rest is not None and rest["proposalTagName"]:
                sales.set_status(desk.call(), rest, "Dismissed")
    if desk.chance(_TAKEN_BACK):
        back = hours.office_moment(desk.now + booking.random_day(random, 1, 4), random)
        desk.agenda.set("take_back", record["id"], back)
    elif desk.chance(_BRINGS_WORK):
        soon = hours.office_moment(desk.now + random.randrange(20, 900) * moments.MINUTE, random)
        desk.agenda.set("sold_work", record["id"], soon)
    deposit = float(record["subtotal"] or 0) > _PROJECT_FROM
    if deposit and not record["depositAmount"]:
        tenant.edit("sales.estimates", record["id"], requireDepositOnSignature=True, depositPercent=30.0)
    return {"what": "estimate_sold", "estimateId": record["id"], "soldBy": seller}


def take_back(desk: Desk, key: object) -> Did | None:
    """The customer thinks again: the estimate is open as before."""
    record = desk.known("sales.estimates", key)
    if record is None or (record["status"] or {}).get("name") != "Sold":
        return None
    sales.set_status(desk.call(), record, "Open")
    later = hours.office_moment(desk.now + booking.random_day(desk.random, 3, 15), desk.random)
    desk.agenda.set("give_up", record["id"], later)
    return {"what": "estimate_unsold", "estimateId": record["id"]}


def give_up(desk: Desk, key: object) -> Did | None:
    """Nothing comes of an estimate."""
    record = _open(desk, key)
    if record is None:
        return None
    sales.set_status(desk.call(), record, "Dismissed")
    return {"what": "estimate_dismissed", "estimateId": record["id"]}


def follow_up(desk: Desk, key: object) -> Did | None:
    """The office asks; sometimes the price gets better."""
    record = _open(desk, key)
    if record is None:
        return None
    items = record["items"] or []
    if items and desk.chance(0.5):
        rate = round(items[0]["unitRate"] * desk.random.choice((0.9, 0.95)), 2)
        sales.change_item(desk.call(), record, {"id": items[0]["id"], "unitPrice": rate})
    text = f"{sentences.quote(desk.random)} Asked again."
    desk.tenant.edit("sales.estimates", record["id"], summary=text)
    if record["jobId"] and desk.known("jpm.jobs", record["jobId"]):
        note = {"text": "Followed up on the estimate.", "isPinned": False, "jobId": record["jobId"]}
        desk.tenant.add("jpm.job_notes", note)
    return {"what": "estimate_followed_up", "estimateId": record["id"]}


def sold_work(desk: Desk, key: object) -> Did | None:
    """What was sold is booked; a large sale becomes a project."""
    record = desk.known("sales.estimates", key)
    if record is None or (record["status"] or {}).get("name") != "Sold":
        return None
    owner = desk.known("crm.customers", record["customerId"])
    place = desk.known("crm.locations", record["locationId"])
    if owner is None or place is None:
        return None
    before = desk.known("jpm.jobs", record["jobId"])
    trade = desk.kind_of(before).trade if before else (record["name"] or "").split(" ")[0]
    fitting = [at for at, kind in desk.kinds if kind.trade == trade and kind.division == trades.INSTALL]
    at = desk.random.choice(fitting) if fitting else booking.choose_kind(desk, division=trades.INSTALL)
    if at is None:
        return None
    job = booking.book(desk, owner, place, at, createdFromEstimateId=record["id"], soldById=record["soldBy"])
    if job is None:
        return None
    if float(record["subtotal"] or 0) > _PROJECT_FROM:
        equipment.open_project(desk, job, trade, owner)
    return {"what": "sold_work_booked", "jobId": job["id"], "estimateId": record["id"]}
