"""How work comes in: calls, online bookings, leads."""

from collections.abc import Iterator

from perfectcatch.sandbox.servicetitan.company import ids, sentences, trades
from perfectcatch.sandbox.servicetitan.company.lists import PROVIDERS
from perfectcatch.sandbox.servicetitan.company.moments import DAY, MINUTE, chance, plain, span, stamp
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.people import Household, address, digits, identity
from perfectcatch.sandbox.servicetitan.company.work import Work
from perfectcatch.sandbox.servicetitan.company.world import World

_BY_PHONE, _ONLINE, _AS_LEAD = 0.55, 0.12, 0.04
_STRAY_SHARE = 0.45  # of calls, leads and bookings that come to nothing, for each job
_STRAYS = (("NotLead", "Abandoned", "Unbooked", "Web lead", "Booking"), (40, 15, 20, 15, 10))
_FRESH = 3 * DAY
_COMPANY_LINE = "7275550180"
_LEADS = [index for index, row in enumerate(trades.CALL_REASONS) if row[1]]
_OTHERS = [index for index, row in enumerate(trades.CALL_REASONS) if not row[1]]
_TRADE_UNITS = [index for index, unit in enumerate(trades.UNITS) if unit.active]


def how_it_came(world: World, home: Household, work: Work) -> Iterator[tuple[str, Record]]:
    """Yield the call or the booking from which a job came, and tie the job to it."""
    random = world.inbound
    roll = random.random()
    if roll < _BY_PHONE:
        call = _call(world, work.booked - random.randrange(1, 8) * 30, home.phone, "Booked", None)
        call["customer"] = {"id": home.id, "name": home.who.name}
        call["location"] = {"id": work.place.id, "name": work.place.name}
        call["job"] = {"id": work.id, "number": work.number}
        call["campaign"] = {"id": work.campaign_id, "name": _campaign_name(work.campaign_id)}
        work.call_id = call["id"]
        call["_list"] |= {
            "projectId": work.project_id or 0,
            "businessUnit": {"id": work.unit_id, "name": trades.UNITS[work.kind.unit].name},
            "type": {
                "id": ids.KINDS[work.kind_index],
                "name": work.kind.name,
                "modifiedOn": call["createdOn"],
            },
        }
        yield "telecom.calls", call
    elif roll < _BY_PHONE + _ONLINE:
        booking = _booking(
            world, work.booked, home.who.name, home.places[0].address, commercial=home.commercial
        )
        booking |= {
            "status": "Converted",
            "jobId": work.id,
            "campaignId": work.campaign_id,
            "businessUnitId": work.unit_id,
            "jobTypeId": ids.KINDS[work.kind_index],
            "start": plain(work.visits[0].start),
            "isFirstTimeClient": not home.job_ids,
        }
        work.booking_id = booking["id"]
        yield "crm.bookings", booking
    elif roll < _BY_PHONE + _ONLINE + _AS_LEAD:
        lead = _lead(world, work.booked - 1, home.phone, work.index, None)
        yield (
            "crm.leads",
            lead
            | {
                "status": "Converted",
                "customerId": home.id,
                "locationId": work.place.id,
                "followUpDate": None,
                "dismissingReasonId": None,
            },
        )


def strays(world: World) -> Iterator[tuple[str, Record]]:
    """Yield calls, leads and bookings that did not become a job, or not yet."""
    random, calendar = world.inbound, world.calendar
    beyond = 2 * world.size.customers
    span_of_days = calendar.today - calendar.first_day
    for number in range(round(world.size.jobs * _STRAY_SHARE)):
        day = calendar.first_day + int(span_of_days * random.random() ** 0.8)
        moment = calendar.at(day, 8 + 10 * random.random())
        moment = min(moment, calendar.now - random.randrange(3, 90) * MINUTE)
        ten = digits(beyond + number)
        match random.choices(*_STRAYS)[0]:
            case "Unbooked":
                call = _call(world, moment, ten, "Unbooked", random.choice(_LEADS))
                lead = _lead(world, moment, ten, number, call)
                call["lead"] = {"id": lead["id"]}
                yield "telecom.calls", call
                yield "crm.leads", lead
            case "Web lead":
                yield "crm.leads", _lead(world, moment, ten, number, None)
            case "Booking":
                who = identity(world.seed, -1 - number, commercial=False)
                where, _, _ = address(random)
                booking = _booking(world, moment, who.name, where, commercial=False)
                booking["status"] = "New" if calendar.now - moment < _FRESH else "Dismissed"
                yield "crm.bookings", booking
            case kind:
                reason = random.choice(_OTHERS) if kind == "NotLead" else None
                yield "telecom.calls", _call(world, moment, ten, kind, reason)


def _campaign_name(number: int) -> str:
    return next(row[0] for index, row in enumerate(trades.CAMPAIGNS) if ids.CAMPAIGNS[index] == number)


def _call(world: World, moment: int, ten: str, kind: str, reason: int | None) -> Record:
    """Return a call in the export's shape; ``_list`` holds what only the lists show."""
    random = world.inbound
    agent = random.choice(world.office.clerks)
    campaign = random.randrange(len(trades.CAMPAIGNS) - 1)
    length = random.randrange(4, 40) if kind == "Abandoned" else random.randrange(45, 900)
    length = max(1, min(length, world.calendar.now - moment))
    duration = span(length)
    if chance(random, 0.5):
        duration += f".{random.randrange(10_000_000):07d}"
    number = world.next(ids.CALLS)
    outbound = kind == "NotLead" and chance(random, 0.3)
    named = {"id": agent.id, "name": agent.name}
    created = stamp(moment, random)
    name, lead = trades.CALL_REASONS[reason] if reason is not None else ("", False)
    number_of_reason = ids.CALL_REASONS[reason] if reason is not None else 0
    return {
        "id": number,
        "duration": duration,
        "from": _COMPANY_LINE if outbound else ten,
        "to": ten if outbound else _COMPANY_LINE,
        "direction": "Outbound" if outbound else "Inbound",
        "status": "Completed",
        "type": kind,
        "recordingUrl": None if kind == "Abandoned" else f"https://recordings.example.com/{number}.mp3",
        "voiceMailPath": None,
        "createdOn": created,
        "modifiedOn": stamp(moment + length, random),
        "reason": {"id": number_of_reason, "name": name} if name else None,
        "customer": None,
        "location": None,
        "campaign": {"id": ids.CAMPAIGNS[campaign], "name": trades.CAMPAIGNS[campaign][0]},
        "job": None,
        "agent": named,
        "createdBy": named,
        "excuseMemo": "",
        "tag": "",
        "active": True,
        "lead": None,
        "_list": {
            "projectId": 0,
            "businessUnit": None,
            "type": None,
            "reason": {"id": number_of_reason, "name": name, "lead": lead, "active": True} if name else None,
            "sid": f"CA{number:032x}",
        },
    }


def _lead(world: World, moment: int, ten: str, number: int, call: Record | None) -> Record:
    random, calendar = world.inbound, world.calendar
    who = identity(world.seed, -1 - number, commercial=False)
    where, _, _ = address(random)
    age = calendar.now - moment
    status = (
        "Open"
        if age < 10 * DAY and chance(random, 0.7)
        else random.choice(("Dismissed", "Dismissed", "Open"))
    )
    unit = random.choice(_TRADE_UNITS)
    kinds = [index for index, kind in enumerate(trades.KINDS) if kind.unit == unit]
    created = stamp(moment, random)
    changed = calendar.past(moment + random.randrange(60, 6 * DAY))
    reason = call["reason"]["id"] if call else ids.CALL_REASONS[random.choice(_LEADS)]
    return {
        "summary": random.choice(sentences.SYMPTOMS[trades.UNITS[unit].trade]),
        "callReasonId": reason,
        "callId": call["id"] if call else None,
        "bookingId": None,
        "manualCallId": None,
        "leadUrl": None,
        "leadCustomerName": who.name,
        "leadPhone": ten,
        "leadEmail": f"{who.first}.{who.last}.l{number}@example.com".lower(),
        "leadStreet": where["street"],
        "leadUnit": where["unit"],
        "leadCity": where["city"],
        "leadState": where["state"],
        "leadZip": where["zip"],
        "leadCountry": where["country"],
        "captureSource": "Call" if call else "Website",
        "id": world.next(ids.LEADS),
        "status": status,
        "priority": random.choice(("Low", "Normal", "Normal", "High", "Urgent")),
        "customerId": None,
        "locationId": None,
        "businessUnitId": ids.UNITS[unit],
        "jobTypeId": ids.KINDS[random.choice(kinds)],
        "campaignId": call["campaign"]["id"] if call else ids.CAMPAIGNS[7],
        "followUpDate": plain(moment + 2 * DAY) if status == "Open" else None,
        "createdById": random.choice(world.office.clerks).id,
        "createdOn": created,
        "modifiedOn": stamp(changed, random) if changed > moment else created,
        "tagTypeIds": [],
        "dismissingReasonId": reason if status == "Dismissed" else None,
        "active": True,
    }


def _booking(world: World, moment: int, name: str, where: Record, *, commercial: bool) -> Record:
    random, calendar = world.inbound, world.calendar
    provider = random.randrange(len(PROVIDERS))
    unit = random.choice(_TRADE_UNITS)
    created = stamp(moment, random)
    changed = calendar.past(moment + random.randrange(30, 5 * MINUTE * MINUTE))
    number = world.next(ids.BOOKINGS)
    return {
        "summary": random.choice(sentences.SYMPTOMS[trades.UNITS[unit].trade]),
        "id": number,
        "source": PROVIDERS[provider],
        "createdOn": created,
        "name": name,
        "address": {key: where[key] for key in ("street", "unit", "city", "state", "zip", "country")},
        "customerType": "Commercial" if commercial else "Residential",
        "start": plain(moment + 2 * DAY),
        "campaignId": ids.CAMPAIGNS[7],
        "businessUnitId": ids.UNITS[unit],
        "isFirstTimeClient": True,
        "uploadedImages": [],
        "isSendConfirmationEmail": True,
        "status": "New",
        "dismissingReasonId": None,
        "jobId": None,
        "externalId": f"web-{number:x}",
        "priority": "Normal",
        "jobTypeId": None,
        "bookingProviderId": ids.PROVIDERS[provider],
        "modifiedOn": stamp(changed, random) if changed > moment else created,
        "active": True,
    }
