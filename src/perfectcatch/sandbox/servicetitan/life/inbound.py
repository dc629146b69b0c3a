"""Work comes in: calls, bookings on the website, leads; and what the office makes of them."""

from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import ids, people, sentences, trades
from perfectcatch.sandbox.servicetitan.company.lists import PROVIDERS
from perfectcatch.sandbox.servicetitan.company.moments import span
from perfectcatch.sandbox.servicetitan.life import booking, hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes import inbound

_OUTCOMES = (("Booked", "NotLead", "Abandoned", "Unbooked"), (55, 18, 7, 9))
_LINE = "7275550180"
_LEADS = [at for at, row in enumerate(trades.CALL_REASONS) if row[1]]
_OTHERS = [at for at, row in enumerate(trades.CALL_REASONS) if not row[1]]
_BOOKING_CONVERTED, _LEAD_WON, _LEAD_LOST, _ASKED_AGAIN = 0.75, 0.35, 0.75, 0.4
_ACCEPTED = 0.15
_OUTBOUND = 0.3
_BUSINESS = 0.1


# Calls ----------------------------------------------------------------------------------------------


def call(desk: Desk, _key: object) -> Did | None:
    """The telephone rings: a job, a lead, something else, or nobody waits."""
    outcome = desk.random.choices(*_OUTCOMES)[0]
    if outcome != "Booked":
        ten = people.digits(100_000 + desk.random.randrange(9_000))
        reason = desk.random.choice(_LEADS if outcome == "Unbooked" else _OTHERS)
        record = _call(desk, ten, outcome, None if outcome == "Abandoned" else reason)
        if outcome == "Unbooked":
            lead = _lead(desk, ten, call=record)
            desk.tenant.edit("telecom.calls", record["id"], lead={"id": lead["id"]})
        return {"what": "call_received", "callId": record["id"], "type": outcome}
    found = booking.customer(desk)
    if found is None:
        return None
    owner, place = found
    kind = booking.choose_kind(desk, commercial=owner["type"] == "Commercial")
    if kind is None:
        return None
    record = _call(desk, _phone(desk, owner), "Booked", None)
    brought = booking.campaign(desk)
    job = booking.book(desk, owner, place, kind, leadCallId=record["id"], campaignId=brought)
    if job is None:
        return None
    extra = record["_list"] | {
        "businessUnit": desk.tenant.named("settings.business_units", job["businessUnitId"]),
        "type": {
            "id": job["jobTypeId"],
            "name": trades.KINDS[kind].name,
            "modifiedOn": record["createdOn"],
        },
    }
    desk.tenant.edit(
        "telecom.calls",
        record["id"],
        customer={"id": owner["id"], "name": owner["name"]},
        location={"id": place["id"], "name": place["name"]},
        campaign=desk.tenant.named("marketing.campaigns", brought),
        job={"id": job["id"], "number": job["jobNumber"]},
        _list=extra,
    )
    return {"what": "job_booked_by_call", "callId": record["id"], "jobId": job["id"]}


def _phone(desk: Desk, owner: Record) -> str:
    for contact in desk.tenant.find("crm.customers_contacts", "customerId", owner["id"]):
        digits = (contact.get("phoneSettings") or {}).get("phoneNumber") or ""
        if digits:
            return str(digits)[-10:]
    return people.digits(desk.random.randrange(9_000))


def _call(desk: Desk, ten: str, outcome: str, reason: int | None) -> Record:
    """Write a call that ends now."""
    random, tenant = desk.random, desk.tenant
    length = random.randrange(4, 40) if outcome == "Abandoned" else random.randrange(45, 900)
    number = tenant.table("telecom.calls").next_id()
    outbound = outcome == "NotLead" and desk.chance(_OUTBOUND)
    agent = tenant.named("settings.employees", tenant.office())
    created = moments.write(desk.now - length * moments.SECOND)
    name, is_lead = trades.CALL_REASONS[reason] if reason is not None else ("", False)
    reason_id = ids.CALL_REASONS[reason] if reason is not None else 0
    record: dict[str, Any] = {
        "id": number,
        "duration": span(length),
        "from": _LINE if outbound else ten,
        "to": ten if outbound else _LINE,
        "direction": "Outbound" if outbound else "Inbound",
        "status": "Completed",
        "type": outcome,
        "recordingUrl": None if outcome == "Abandoned" else f"https://recordings.example.com/{number}.mp3",
        "voiceMailPath": None,
        "createdOn": created,
        "modifiedOn": created,
        "reason": {"id": reason_id, "name": name} if name else None,
        "customer": None,
        "location": None,
        "campaign": tenant.named("marketing.campaigns", booking.campaign(desk)),
        "job": None,
        "agent": agent,
        "createdBy": agent,
        "excuseMemo": "",
        "tag": "",
        "active": True,
        "lead": None,
        "_list": {
            "projectId": 0,
            "businessUnit": None,
            "type": None,
            "reason": {"id": reason_id, "name": name, "lead": is_lead, "active": True} if name else None,
            "sid": f"CA{number:032x}",
        },
    }
    return tenant.put("telecom.calls", record)


# Leads ----------------------------------------------------------------------------------------------


def web_lead(desk: Desk, _key: object) -> Did:
    """Somebody leaves a form on the website."""
    lead = _lead(desk, people.digits(200_000 + desk.random.randrange(9_000)), call=None)
    return {"what": "lead_received", "leadId": lead["id"]}


def _lead(desk: Desk, ten: str, *, call: Record | None) -> Record:
    random = desk.random
    who = booking.person(desk)
    where, _, _ = people.address(random)
    units = [at for at, unit in enumerate(trades.UNITS) if unit.active]
    unit = random.choice(units)
    kinds = [at for at, kind in enumerate(trades.KINDS) if kind.unit == unit and not kind.no_charge]
    reason = call["reason"]["id"] if call else ids.CALL_REASONS[random.choice(_LEADS)]
    lead = desk.tenant.add(
        "crm.leads",
        {
            "summary": random.choice(sentences.SYMPTOMS[trades.UNITS[unit].trade]),
            "callReasonId": reason,
            "callId": call["id"] if call else None,
            "leadCustomerName": who.name,
            "leadPhone": ten,
            "leadEmail": f"{who.first}.{who.last}.w{random.randrange(10**6)}@example.com".lower(),
            **{f"lead{name.title()}": where[name] for name in ("street", "unit", "city", "state", "zip")},
            "leadCountry": "USA",
            "captureSource": "Call" if call else "Website",
            "status": "Open",
            "priority": random.choice(("Low", "Normal", "Normal", "High", "Urgent")),
            "businessUnitId": ids.UNITS[unit],
            "jobTypeId": ids.KINDS[random.choice(kinds)],
            "campaignId": call["campaign"]["id"] if call and call["campaign"] else ids.CAMPAIGNS[7],
            "followUpDate": moments.write(desk.now + 2 * hours.DAY),
            "tagTypeIds": [],
        },
    )
    after = desk.now + int(random.random() ** 2 * 2 * hours.DAY)
    desk.agenda.set("lead", lead["id"], hours.office_moment(after, random))
    return lead


def lead(desk: Desk, key: object) -> Did | None:
    """The office comes back to a lead: it becomes a job, comes to nothing, or is asked again later."""
    record, random = desk.known("crm.leads", key), desk.random
    if record is None or record["status"] != "Open" or not record["active"]:
        return None
    tenant = desk.tenant
    roll = random.random()
    if roll < _LEAD_WON:
        who = people.identity(0, random.randrange(1 << 30), False)
        name = record["leadCustomerName"] or who.name
        owner, place = booking.new_customer(
            desk, who=people.Identity(name, who.first, who.last), phone=record["leadPhone"] or ""
        )
        at = next((at for at, _ in desk.kinds if ids.KINDS[at] == record["jobTypeId"]), None)
        kind = at if at is not None else booking.choose_kind(desk)
        job = (
            booking.book(desk, owner, place, kind, campaignId=record["campaignId"])
            if kind is not None
            else None
        )
        if job is None:
            return None
        links = {"customerId": owner["id"], "locationId": place["id"], "followUpDate": None}
        tenant.edit("crm.leads", record["id"], status="Converted", **links)
        return {"what": "lead_converted", "leadId": record["id"], "jobId": job["id"]}
    if roll < _LEAD_LOST:
        reason = ids.CALL_REASONS[random.choice(_LEADS)]
        inbound.dismiss_lead(desk.call({"dismissingReasonId": reason}, id=record["id"]))
        return {"what": "lead_dismissed", "leadId": record["id"]}
    again = desk.now + booking.random_day(random, 1, 6)
    inbound.follow_up(
        desk.call({"followUpDate": moments.write(again), "text": "Called, no answer."}, id=record["id"])
    )
    desk.agenda.set("lead", record["id"], hours.office_moment(again, random))
    return {"what": "lead_followed_up", "leadId": record["id"]}


# Bookings -------------------------------------------------------------------------------------------


def online_booking(desk: Desk, _key: object) -> Did:
    """Somebody books on the website; the office looks at it when it is there."""
    random = desk.random
    provider = random.randrange(len(PROVIDERS))
    commercial = desk.chance(_BUSINESS)
    who = booking.person(desk, commercial=commercial)
    where, _, _ = people.address(random)
    at = booking.choose_kind(desk, commercial=commercial)
    kind = trades.KINDS[at if at is not None else 0]
    start = booking.slot(desk, ids.UNITS[kind.unit], kind).start
    body = {
        "source": PROVIDERS[provider],
        "name": who.name,
        "address": {name: where[name] for name in ("street", "unit", "city", "state", "zip", "country")},
        "customerType": "Commercial" if commercial else "Residential",
        "start": moments.write(start),
        "summary": random.choice(sentences.SYMPTOMS[kind.trade]),
        "campaignId": ids.CAMPAIGNS[7],
        "businessUnitId": ids.UNITS[kind.unit],
        "jobTypeId": ids.KINDS[at] if at is not None else None,
        "priority": kind.priority,
        "isFirstTimeClient": True,
        "uploadedImages": [],
        "isSendConfirmationEmail": True,
        "externalId": f"web-{random.randrange(16**8):08x}",
    }
    record = inbound.add_booking(desk.call(), ids.PROVIDERS[provider], body)
    seen = desk.now + random.randrange(5, 90) * moments.MINUTE
    desk.agenda.set("booking", record["id"], hours.office_moment(seen, random))
    return {"what": "booking_received", "bookingId": record["id"]}


def convert(desk: Desk, key: object) -> Did | None:
    """The office makes a booking a job, or dismisses it; some are accepted first."""
    record = desk.known("crm.bookings", key)
    if record is None or record["status"] not in {"New", "Accepted"}:
        return None
    tenant = desk.tenant
    if record["status"] == "New" and desk.chance(_ACCEPTED):
        tenant.edit("crm.bookings", record["id"], status="Accepted")
        desk.agenda.set("booking", record["id"], hours.office_moment(desk.now + hours.HOUR, desk.random))
        return {"what": "booking_accepted", "bookingId": record["id"]}
    if not desk.chance(_BOOKING_CONVERTED):
        reason = ids.CALL_REASONS[desk.random.choice(_LEADS)]
        tenant.edit("crm.bookings", record["id"], status="Dismissed", dismissingReasonId=reason)
        return {"what": "booking_dismissed", "bookingId": record["id"]}
    commercial = record["customerType"] == "Commercial"
    who = people.Identity(record["name"], *_names(record["name"]))
    owner, place = booking.new_customer(desk, commercial=commercial, who=who)
    at = next((at for at, _ in desk.kinds if ids.KINDS[at] == record["jobTypeId"]), None)
    kind = at if at is not None else booking.choose_kind(desk, commercial=commercial)
    job = None
    if kind is not None:
        links = {"bookingId": record["id"], "campaignId": record["campaignId"]}
        job = booking.book(desk, owner, place, kind, **links)
    if job is None:
        return None
    tenant.edit("crm.bookings", record["id"], status="Converted", jobId=job["id"])
    return {"what": "booking_converted", "bookingId": record["id"], "jobId": job["id"]}


def _names(name: str) -> tuple[str, str]:
    first, *rest = name.split() or ["Sam"]
    return first, rest[-1] if rest else first


def office_job(desk: Desk, _key: object) -> Did | None:
    """A job that was arranged otherwise: in person, by mail, by a technician on site."""
    found = booking.customer(desk)
    if found is None:
        return None
    kind = booking.choose_kind(desk, commercial=found[0]["type"] == "Commercial")
    job = booking.book(desk, *found, kind) if kind is not None else None
    return {"what": "job_booked", "jobId": job["id"]} if job else None
