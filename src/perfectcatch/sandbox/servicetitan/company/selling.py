"""Estimates: what was quoted on a visit, or for a project or a location without any job."""

from collections.abc import Iterator

from perfectcatch.sandbox.servicetitan.company import ids, sentences, trades
from perfectcatch.sandbox.servicetitan.company.lists import TAXES
from perfectcatch.sandbox.servicetitan.company.moments import DAY, HOUR, chance, stamp
from perfectcatch.sandbox.servicetitan.company.office import Record
from perfectcatch.sandbox.servicetitan.company.people import Household, Place
from perfectcatch.sandbox.servicetitan.company.pricebook import Priced
from perfectcatch.sandbox.servicetitan.company.work import Project, Work
from perfectcatch.sandbox.servicetitan.company.world import World

OPEN, SOLD, DISMISSED = (0, "Open"), (1, "Sold"), (2, "Dismissed")
_OPTIONS = ("Good", "Better", "Best", "Premium")
_SOLD_SHARE, _DISMISSED_SHARE = 0.45, 0.25
_SOON = 20 * DAY
_DEPOSIT_FROM = 300_000  # cents


def estimates_of_job(world: World, home: Household, work: Work) -> Iterator[tuple[str, Record]]:
    """Yield the estimates written on a job; several of them are options of one proposal."""
    plan = world.plan
    count = plan.quotes[work.index]
    first = plan.first_quote[work.index]
    moment = (work.done or work.booked) - HOUR // 4
    moment = max(moment, work.booked)
    sold = False
    for option in range(count):
        number = ids.ESTIMATES[first + option]
        status = _status(world, moment, lost=sold)
        sold = sold or status is SOLD
        work.estimate_ids.append(number)
        seller = work.lead.id
        about = {
            "jobId": work.id,
            "projectId": work.project_id,
            "jobNumber": work.number,
            "proposalTagName": _OPTIONS[option % len(_OPTIONS)] if count > 1 else None,
            "isRecommended": option == 0,
        }
        lines = _lines(world, work.kind.trade, option)
        record = estimate_record(
            world, home, work.place, (number, moment, status, seller, work.kind.unit), lines
        )
        yield "sales.estimates", record | about


def loose_estimates(world: World, home: Household, projects: list[Project]) -> Iterator[tuple[str, Record]]:
    """Yield estimates without a job: on a project where there is one, else only on the location."""
    random, plan, calendar = world.sales, world.plan, world.calendar
    first = plan.first_loose_quote[home.index]
    for number in range(plan.loose_quotes[home.index]):
        project = random.choice(projects) if projects else None
        place = project.place if project else random.choice(home.places)
        trade = project.trade if project else random.choice((trades.POOL, trades.HVAC, trades.PLUMBING))
        since = project.began if project else home.created
        moment = random.randrange(since, calendar.now)
        unit = next(index for index, each in enumerate(trades.UNITS) if each.trade == trade)
        seller = random.choice(world.office.crews[unit]).id
        status = _status(world, moment, lost=False)
        about = (ids.ESTIMATES[first + number], moment, status, seller, unit)
        record = estimate_record(world, home, place, about, _lines(world, trade, 0))
        yield "sales.estimates", record | {"projectId": project.id if project else None}


def _status(world: World, moment: int, *, lost: bool) -> tuple[int, str]:
    roll = world.sales.random()
    if lost:
        return DISMISSED
    fresh = world.calendar.now - moment < _SOON
    scale = 0.6 if fresh else 1.0
    if roll < _SOLD_SHARE * scale:
        return SOLD
    return DISMISSED if roll < (_SOLD_SHARE + _DISMISSED_SHARE) * scale else OPEN


def _lines(world: World, trade: str, option: int) -> list[tuple[Priced, int]]:
    """Return what is quoted, with quantities; each further option holds one line more."""
    random, book = world.sales, world.pricebook
    install = chance(random, 0.55)
    division = trades.INSTALL if install else trades.SERVICE
    lines = [(random.choice(book.labor[trade, division]), 1)]
    if install:
        lines.append((random.choice(book.units[trade]), 1))
    further = random.randrange(0, 3) + min(option, 2)
    return lines + [(random.choice(book.parts[trade]), random.randrange(1, 5)) for _ in range(further)]


def estimate_record(
    world: World,
    home: Household,
    place: Place,
    about: tuple[int, int, tuple[int, str], int, int],
    lines: list[tuple[Priced, int]],
) -> Record:
    """Return an estimate of (id, moment, status, seller, business unit) whose sums follow from its lines."""
    random, calendar = world.sales, world.calendar
    number, moment, status, seller, unit = about
    created = stamp(moment, random)
    sold = calendar.past(moment + int(random.random() ** 3 * 12 * DAY) + 60) if status is SOLD else None
    changed = sold or calendar.past(moment + random.randrange(1, 12 * DAY))
    modified = stamp(changed, random) if changed > moment else created
    cents = sum(priced.sku.price * quantity for priced, quantity in lines)
    taxed = sum(priced.sku.price * quantity for priced, quantity in lines if priced.taxable)
    main = lines[0][0].sku
    deposit = cents > _DEPOSIT_FROM
    return {
        "id": number,
        "jobId": None,
        "projectId": None,
        "locationId": place.id,
        "customerId": home.id,
        "name": f"{main.name} - {home.who.last}",
        "jobNumber": None,
        "status": {"value": status[0], "name": status[1]},
        "reviewStatus": random.choice(("None", "None", "Approved", "NeedsApproval")),
        "summary": sentences.quote(random),
        "createdOn": created,
        "modifiedOn": modified,
        "soldOn": modified if sold and changed > moment else created if sold else None,
        "soldBy": seller if sold else None,
        "active": not chance(random, 0.02),
        "items": [_item(world, priced, quantity, (created, modified)) for priced, quantity in lines],
        "externalLinks": [],
        "subtotal": cents / 100,
        "tax": round(taxed * TAXES[place.tax][1]) / 100,
        "businessUnitId": ids.UNITS[unit],
        "businessUnitName": trades.UNITS[unit].name,
        "isRecommended": False,
        "budgetCodeId": None,
        "isChangeOrder": False,
        "proposalTagName": None,
        "depositAmount": round(cents * 0.3) / 100 if deposit else None,
        "depositPercent": 30.0 if deposit else None,
        "requireDepositOnSignature": deposit,
    }


def _item(world: World, priced: Priced, quantity: int, moments: tuple[str, str]) -> Record:
    sku = priced.sku
    return {
        "id": world.next(ids.ESTIMATE_ITEMS),
        "sku": priced.quoted,
        "skuAccount": priced.account_name,
        "description": priced.billed["description"],
        "membershipTypeId": None,
        "qty": float(quantity),
        "unitRate": sku.price / 100,
        "total": sku.price * quantity / 100,
        "unitCost": sku.cost / 100,
        "totalCost": sku.cost * quantity / 100,
        "itemGroupName": "",
        "itemGroupRootId": None,
        "createdOn": moments[0],
        "modifiedOn": moments[1],
        "chargeable": True,
        "invoiceItemId": None,
        "budgetCodeId": None,
    }
