"""Customers, their locations, and the ways to reach them, which the vendor keeps apart from them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from perfectcatch.sandbox.servicetitan.company import ids, words
from perfectcatch.sandbox.servicetitan.company.lists import EXEMPT, TERMS, custom
from perfectcatch.sandbox.servicetitan.company.moments import DAY, chance, stamp, stream
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.world import World

_LINES = 100  # numbers 555-0100 to 555-0199 are reserved for fiction in each area code
_NET_30 = 2
_SECOND_HOME, _NO_EMAIL, _LANDLINE = 0.06, 0.08, 0.3
_SITE_TAGS = ("Gated Community", "Dog on Property", "Screened Lanai", "Salt Pool")
_HOURS = ("Morning", "Afternoon", "Evening")
_HEARD = ("Friend", "Search", "Truck", "Mail")
_POOLS = ("Inground", "Inground with Spa", "Above Ground", "None")
_SITES = ("North Pool", "South Pool", "Clubhouse", "Main Building", "Fitness Center", "Maintenance Office")


@dataclass(frozen=True, slots=True)
class Identity:
    """A name: of a person, or of a firm and the person who answers for it."""

    name: str
    first: str
    last: str


@dataclass(slots=True)
class Place:
    """A location, as far as other records need it."""

    id: int
    name: str
    address: Record
    tax: int
    record: Record


@dataclass(slots=True)
class Household:
    """A customer, as far as other records need it."""

    index: int
    id: int
    who: Identity
    commercial: bool
    created: int
    created_text: str
    term: int
    exempt: bool
    phone: str = ""
    mail: str = ""
    places: list[Place] = field(default_factory=list)
    balance: int = 0  # in cents
    last_change: int = 0
    memberships: list[tuple[int, int, int, int]] = field(
        default_factory=list
    )  # id, plan, first and last moment
    job_ids: list[int] = field(default_factory=list)
    last_payment: int | None = None


def identity(seed: int, index: int, commercial: bool) -> Identity:
    """Return the name of customer ``index``; it does not depend on any other customer."""
    random = stream(seed, f"person/{index}")
    first, last = random.choice(words.FIRST_NAMES), random.choice(words.LAST_NAMES)
    if not commercial:
        return Identity(f"{first} {last}", first, last)
    firm = (
        f"{random.choice(words.FIRM_FIRST)} {random.choice(words.FIRM_SECOND)}{random.choice(words.FIRM_END)}"
    )
    return Identity(firm, first, last)


def digits(number: int) -> str:
    """Return the ten digits of the made-up telephone number ``number``."""
    area = words.AREA_CODES[number // _LINES % len(words.AREA_CODES)]
    return f"{area}55501{number * 37 % _LINES:02d}"


def spelled(random: Random, ten: str) -> str:
    """Spell a telephone number in one of the ways in which offices type it."""
    area, exchange, line = ten[:3], ten[3:6], ten[6:]
    return random.choice(
        (
            f"({area}) {exchange}-{line}",
            f"({area}) {exchange}-{line}",
            f"({area}) {exchange}-{line}",
            ten,
            ten,
            f"{area}-{exchange}-{line}",
            f"+1 {area} {exchange} {line}",
            f"{area}.{exchange}.{line}",
            f"({area}) {exchange}-{line} x{random.randrange(10, 400)}",
        )
    )


def address(random: Random) -> tuple[Record, int, int]:
    """Return an address with its dispatch zone and tax zone."""
    town, codes, latitude, longitude, zone, tax = random.choice(words.TOWNS)
    return (
        {
            "street": words.street(random),
            "unit": f"Unit {random.randrange(100, 900)}" if chance(random, 0.08) else None,
            "city": town,
            "state": "FL",
            "zip": random.choice(codes),
            "country": "USA",
            "latitude": round(latitude + random.uniform(-0.06, 0.06), 6),
            "longitude": round(longitude + random.uniform(-0.06, 0.06), 6),
        },
        zone,
        tax,
    )


def meet(world: World, index: int) -> Household:
    """Return customer ``index`` with its locations, nothing of its history yet."""
    plan, random = world.plan, world.people
    commercial = bool(plan.commercial[index])
    who = identity(world.seed, index, commercial)
    target = plan.merged_to.get(index)
    if target is not None:
        commercial = bool(plan.commercial[target])
        known = identity(world.seed, target, commercial)
        who = Identity(known.name.upper() if chance(random, 0.5) else known.name, known.first, known.last)
    created = plan.created[index]
    home = Household(
        index=index,
        id=ids.CUSTOMERS[index],
        who=who,
        commercial=commercial,
        created=created,
        created_text=stamp(created, random),
        term=_NET_30 if commercial else 0,
        exempt=commercial and chance(random, 0.12),
        last_change=created,
    )
    count = random.randrange(1, 5) if commercial else 1 + chance(random, _SECOND_HOME)
    for number in range(count):
        home.places.append(_place(world, home, number))
    return home


def _place(world: World, home: Household, number: int) -> Place:
    random = world.people
    identifier = world.next(ids.LOCATIONS)
    where, zone, tax = address(random)
    name = home.who.name
    if number:
        name = f"{name} - {random.choice(_SITES)}" if home.commercial else f"{name} - Rental"
    tags = [world.office.tag_ids[tag] for tag in _SITE_TAGS if chance(random, 0.12)]
    fields = [custom("Pool Type", random.choice(_POOLS))]
    if chance(random, 0.6):
        fields.append(custom("Pool Volume Gallons", str(random.randrange(7, 32) * 1000)))
    if chance(random, 0.3):
        fields.append(custom("Gate Code", f"#{random.randrange(1000, 9999)}"))
    fields.append(custom("Year Built", str(random.randrange(1958, 2023))))
    active = not world.plan.inactive[home.index]
    tax = EXEMPT if home.exempt else tax
    record = {
        "taxZoneId": ids.TAX_ZONES[tax],
        "id": identifier,
        "customerId": home.id,
        "active": active,
        "name": name,
        "address": where,
        "customFields": fields,
        "createdOn": home.created_text,
        "createdById": random.choice(world.office.clerks).id,
        "modifiedOn": home.created_text,
        "mergedToId": None,
        "zoneId": ids.ZONES[zone],
        "taxExempt": home.exempt,
        "tagTypeIds": tags,
        "externalData": [],
    }
    if chance(random, 0.4):
        record["modifiedOn"] = stamp(random.randrange(home.created, world.calendar.now) + 1, random)
    return Place(identifier, name, where, tax, record)


# How to reach them -----------------------------------------------------------------------------


def contact_record(
    random: Random,
    number: int,
    kind: str,
    value: str,
    memo: str | None,
    created: str,
    modified: str,
    *,
    ten: str = "",
) -> Record:
    """Return a contact without its owner: telephone settings are there even for a mail address."""
    reminders = not chance(random, 0.1)
    return {
        "modifiedOn": modified,
        "phoneSettings": {"phoneNumber": ten, "doNotText": bool(ten) and chance(random, 0.04)},
        "createdOn": created,
        "preferences": {
            "jobRemindersEnabled": reminders,
            "marketingUpdatesEnabled": reminders and not chance(random, 0.15),
            "invoiceStatementNotification": True,
            "invoiceNotification": True,
            "statementNotification": chance(random, 0.5),
        },
        "id": number,
        "type": kind,
        "value": value,
        "memo": memo,
    }


def contacts(world: World, home: Household) -> Iterator[tuple[str, Record]]:
    """Yield the customer's and its locations' contacts, and remember the first phone and mail."""
    random, who = world.people, home.who
    domain = random.choice(words.MAIL_DOMAINS)
    mail = f"{who.first}.{who.last}{home.index}@{domain}".lower()
    number = 2 * home.index
    ten = digits(number)
    home.phone = ten
    rows = [("MobilePhone", spelled(random, ten), who.first, ten)]
    if chance(random, _LANDLINE):
        second = digits(number + 1)
        rows.append(("Phone", spelled(random, second), "Office" if home.commercial else "Home", second))
    if home.commercial and chance(random, 0.2):
        rows.append(("Fax", spelled(random, ten), "Fax", ten))
    if not chance(random, _NO_EMAIL):
        home.mail = mail
        rows.append(("Email", mail.upper() if chance(random, 0.04) else mail, who.first, ""))
    for kind, value, memo, line in rows:
        yield "crm.customers_contacts", _owned(world, home, "customerId", home.id, (kind, value, memo, line))
    for place in home.places:
        for kind, value, memo, line in rows:
            if kind == "MobilePhone" or (kind == "Email" and chance(random, 0.5)):
                row = (kind, value, memo, line)
                yield "crm.locations_contacts", _owned(world, home, "locationId", place.id, row)


def _owned(world: World, home: Household, key: str, owner: int, row: tuple[str, str, str, str]) -> Record:
    random = world.people
    kind, value, memo, ten = row
    created = modified = home.created_text
    if chance(random, 0.2):
        modified = stamp(random.randrange(home.created, world.calendar.now) + 1, random)
    record = contact_record(
        random,
        world.next(ids.CONTACTS),
        kind,
        value,
        memo if chance(random, 0.6) else None,
        created,
        modified,
        ten=ten,
    )
    record[key] = owner
    record["active"] = not chance(random, 0.02)
    return record


def customer_record(world: World, home: Household) -> Record:
    """Return the customer itself, with the balance that its invoices left."""
    plan, random, tags = world.plan, world.people, world.office.tag_ids
    target = plan.merged_to.get(home.index)
    chosen = [tags[tag] for tag in ("VIP", "Prefers Text", "Landlord") if chance(random, 0.08)]
    if home.memberships:
        chosen.append(tags["Member"])
    fields = [custom("How did you hear about us", random.choice(_HEARD))]
    if chance(random, 0.5):
        fields.append(custom("Preferred Contact Time", random.choice(_HOURS)))
    imported = home.created < world.calendar.opening + DAY
    limit = 5_000.0 if home.commercial else None
    changed = min(max(home.last_change, home.created), world.calendar.now)
    return {
        "id": home.id,
        "active": not plan.inactive[home.index],
        "name": home.who.name,
        "type": "Commercial" if home.commercial else "Residential",
        "address": home.places[0].address,
        "customFields": fields,
        "balance": home.balance / 100,
        "taxExempt": home.exempt,
        "tagTypeIds": chosen,
        "doNotMail": chance(random, 0.03),
        "doNotService": chance(random, 0.01),
        "nationalAccount": False,
        "createdOn": home.created_text,
        "createdById": random.choice(world.office.clerks).id,
        "modifiedOn": home.created_text if changed == home.created else stamp(changed, random),
        "mergedToId": None if target is None else ids.CUSTOMERS[target],
        "paymentTermId": ids.PAYMENT_TERMS[home.term],
        "creditLimit": limit,
        "creditLimitBalance": None if limit is None else round(limit - home.balance / 100, 2),
        "externalData": [{"key": "LegacyId", "value": f"A-{10_000 + home.index}"}] if imported else [],
    }


def term_name(home: Household) -> tuple[str, int]:
    """Return the name of the customer's payment term and its days."""
    return TERMS[home.term]
