"""Work is booked: for whom, what, when, and who goes."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import ids, people, sentences, trades
from perfectcatch.sandbox.servicetitan.company.lists import custom
from perfectcatch.sandbox.servicetitan.life import hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes import appointments, crm, jobs
from perfectcatch.sandbox.servicetitan.writes.kinds import must_exist

HOUR = hours.HOUR
_LONG = 4  # hours; such jobs begin in the morning
_NEW_CUSTOMER, _COMMERCIAL = 0.33, 0.11
_TRIES, _TRIES_TODAY, _DAYS_AHEAD = 8, 2, 10
_NO_SATURDAY = 0.6
_SUNDAY = 6
_TWO_SENT, _UNASSIGNED = 0.12, 0.2
_PURCHASE_ORDER = 0.5


@dataclass(slots=True)
class Slot:
    """A visit's time and crew."""

    start: int
    end: int
    crew: list[int] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """What a request for an appointment says; the window of arrival is two hours from the full hour."""
        opens = self.start - self.start % HOUR
        return {
            "start": moments.write(self.start),
            "end": moments.write(self.end),
            "arrivalWindowStart": moments.write(opens),
            "arrivalWindowEnd": moments.write(opens + 2 * HOUR),
        }


# When and who ---------------------------------------------------------------------------------------


def crew_of(desk: Desk, unit: int) -> list[int]:
    """Technicians of a business unit; where it has none of its own, those of its trade."""
    table = desk.tenant.table("settings.technicians")
    found = [row for row in table.by_id() if row.active]
    units = table.column("businessUnitId").values
    own = [row.id for row in found if units[row.id] == unit]
    if not own:
        trade = next((each.trade for at, each in enumerate(trades.UNITS) if ids.UNITS[at] == unit), None)
        teams = table.column("team").values
        own = [row.id for row in found if teams[row.id] == f"{trade} Team"]
    return [each for each in own or [row.id for row in found] if isinstance(each, int)]


def slot(desk: Desk, unit: int, kind: trades.Kind, *, soon: bool = False, after: int | None = None) -> Slot:
    """The first of a few times tried at which somebody is free; else the last one, with nobody yet."""
    random, crew = desk.random, crew_of(desk, unit)
    length = int(kind.hours * HOUR)
    tried = Slot(0, 0)
    for attempt in range(_TRIES):
        tried = _time(desk, kind, soon=soon and attempt < _TRIES_TODAY, after=after)
        tried.end = tried.start + length
        for technician in random.sample(crew, len(crew)):
            if desk.busy.free(technician, tried.start, tried.end):
                tried.crew = [technician]
                helpers = [each for each in crew if each != technician]
                wanted = kind.division == trades.INSTALL or desk.chance(_TWO_SENT)
                if (
                    wanted
                    and helpers
                    and desk.busy.free(helper := random.choice(helpers), tried.start, tried.end)
                ):
                    tried.crew.append(helper)
                return tried
    return tried


def _time(desk: Desk, kind: trades.Kind, *, soon: bool, after: int | None) -> Slot:
    random = desk.random
    begin = max(desk.now, after or 0)
    here = hours.local(begin)
    if soon and hours.in_office(begin):
        start = begin + random.randrange(45, 300) * moments.MINUTE
        return Slot(start - start % (15 * moments.MINUTE), 0)
    first = 1 if soon or after else random.randrange(1, _DAYS_AHEAD)
    day = here.date() + timedelta(days=first if not after else random.randrange(1, 4))
    while day.weekday() == _SUNDAY or (day.weekday() == _SUNDAY - 1 and random.random() < _NO_SATURDAY):
        day += timedelta(days=1)
    half_hours = 17 if kind.hours < _LONG else 5
    if day.weekday() == _SUNDAY - 1:
        half_hours = min(half_hours, 9)
    return Slot(hours.at(day, 8 + 0.5 * random.randrange(half_hours)), 0)


# For whom and what ----------------------------------------------------------------------------------


def choose_kind(desk: Desk, *, commercial: bool = False, division: str | None = None) -> int | None:
    """The place in ``trades.KINDS`` of a kind of work, as common as in this season; None without any."""
    month = hours.local(desk.now).month - 1
    weights = []
    for _, kind in desk.kinds:
        weight = kind.weight * trades.SEASONS[kind.trade][month]
        business = kind.unit == trades.COMMERCIAL_UNIT
        fits = business == (commercial and kind.trade == trades.POOL)
        right = division is None or kind.division == division
        weights.append(weight if fits and right and not kind.no_charge else 0)
    if not any(weights):
        return None
    return desk.random.choices([at for at, _ in desk.kinds], weights)[0]


def customer(desk: Desk) -> tuple[Record, Record] | None:
    """A customer and one of its locations: somebody new in a third of the cases."""
    if desk.chance(_NEW_CUSTOMER):
        return new_customer(desk, commercial=desk.chance(_COMMERCIAL))
    place = desk.some("crm.locations", lately=0.8)
    owner = desk.known("crm.customers", place["customerId"]) if place else None
    if place is None or owner is None or owner["active"] is False:
        return None
    return owner, place


def person(desk: Desk, *, commercial: bool = False) -> people.Identity:
    """Somebody whom nobody knows yet."""
    return people.identity(desk.random.randrange(1 << 30), desk.random.randrange(1 << 30), commercial)


def new_customer(
    desk: Desk, *, commercial: bool = False, who: people.Identity | None = None, phone: str = ""
) -> tuple[Record, Record]:
    """Write a customer with a location, a telephone and mostly a mail address."""
    random, tenant = desk.random, desk.tenant
    who = who or person(desk, commercial=commercial)
    where, zone, tax = people.address(random)
    serial = len(tenant.table("crm.customers"))
    ten = phone or people.digits(2 * serial)
    contacts = [{"type": "MobilePhone", "value": people.spelled(random, ten), "memo": who.first}]
    if desk.chance(0.9):
        mail = f"{who.first}.{who.last}{serial}@example.com".lower()
        contacts.append({"type": "Email", "value": mail, "memo": who.first})
    fields = [custom("How did you hear about us", random.choice(("Friend", "Search", "Truck", "Mail")))]
    body = {
        "name": who.name,
        "type": "Commercial" if commercial else "Residential",
        "address": where,
        "contacts": contacts,
        "customFields": fields,
        "locations": [{"name": who.name, "address": where, "contacts": contacts[:1]}],
        "paymentTermId": ids.PAYMENT_TERMS[2 if commercial else 0],
    }
    crm.create_customer(desk.call(body))
    owner = tenant.table("crm.customers").by_id()[-1].record()
    place = tenant.find("crm.locations", "customerId", owner["id"])[0]
    pool = custom("Pool Type", random.choice(("Inground", "Inground with Spa", "Above Ground", "None")))
    zones = {"zoneId": ids.ZONES[zone], "taxZoneId": ids.TAX_ZONES[tax], "customFields": [pool]}
    return owner, tenant.edit("crm.locations", place["id"], **zones)


def book(
    desk: Desk, owner: Record, place: Record, kind_at: int, *, soon: bool | None = None, **links: Any
) -> Record | None:
    """Book a job with its first visit. ``links`` are fields of the job: the call, the recall, and so on."""
    random = desk.random
    kind, unit = trades.KINDS[kind_at], ids.UNITS[trades.KINDS[kind_at].unit]
    must_exist(desk.call(), "businessUnitId", "settings.business_units", unit)
    urgent = kind.priority == "Urgent" if soon is None else soon
    when = slot(desk, unit, kind, soon=urgent)
    later = desk.chance(_UNASSIGNED) and when.start - desk.now > hours.DAY
    visit = {**when.body(), "technicianIds": [] if later else when.crew}
    if desk.chance(0.6):
        visit["specialInstructions"] = sentences.instructions(random)
    fields = [custom("Reason for Call", random.choice(sentences.SYMPTOMS[kind.trade]))]
    if kind.division == trades.INSTALL:
        fields.append(custom("Permit Number", f"BLD-{random.randrange(10_000, 99_999)}"))
    order = owner["type"] == "Commercial" and desk.chance(_PURCHASE_ORDER)
    tags = [desk.tags["Member"]] if links.get("membershipId") else []
    return jobs.book(
        desk.call(),
        {
            "customerId": owner["id"],
            "locationId": place["id"],
            "businessUnitId": unit,
            "jobTypeId": ids.KINDS[kind_at],
            "priority": kind.priority,
            "campaignId": links.pop("campaignId", None) or campaign(desk, known=bool(tags)),
            "summary": sentences.job_summary(random, kind.trade, kind.division),
            "customFields": fields,
            "customerPo": f"PO-{random.randrange(1_000, 99_999)}" if order else "",
            "tagTypeIds": tags,
            "noCharge": kind.no_charge,
            "appointments": [visit],
        },
        **links,
    )


def campaign(desk: Desk, *, known: bool = False) -> int:
    """The id of the campaign that brought somebody."""
    if known or desk.chance(0.4):
        return ids.CAMPAIGNS[0]
    live = [at for at, row in enumerate(trades.CAMPAIGNS) if row[4]]
    return ids.CAMPAIGNS[desk.random.choice(live)]


def another_visit(desk: Desk, job: Record) -> Record:
    """Add a further visit to a job that is not finished."""
    kind = desk.kind_of(job)
    when = slot(desk, job["businessUnitId"], kind, after=desk.now)
    body = {**when.body(), "technicianIds": when.crew}
    return appointments.add_appointment(desk.call(), job["id"], body)


def assign(desk: Desk, visit: Record) -> list[int]:
    """Send somebody who is free to a visit that has nobody; returns who."""
    job = desk.tenant.get("jpm.jobs", visit["jobId"])
    crew = crew_of(desk, job["businessUnitId"])
    start, end = moments.read(visit["start"]), moments.read(visit["end"])
    free = [each for each in crew if desk.busy.free(each, start, end)] or crew
    if not free:
        return []
    chosen = desk.random.choice(free)
    appointments.assign(desk.call(), visit, chosen)
    return [chosen]


def random_day(random: Random, first: int, last: int) -> int:
    """A span of some days, with hours, as microseconds."""
    return int(random.uniform(first, last) * hours.DAY)
