"""Questions to the mirror: the company's figures are the vendor's own, free time and invitations fit."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from floor import Floor
from shop import MONDAY, Shop, iso

from messaging.counter import NOON, NUMBER
from perfectcatch.errors import Refused
from perfectcatch.messaging import inbound
from perfectcatch.model.messaging import Received
from perfectcatch.sandbox.servicetitan.company import generate
from perfectcatch.store.names import qualified
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows import bundle, pasts, questions
from perfectcatch.workflows.records import Company

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 6, 9, 22, tzinfo=UTC)  # a Tuesday, six in the evening
OF_COMPANY = (
    "customers",
    "locations",
    "jobs",
    "appointments",
    "estimates",
    "invoices",
    "calls",
    "leads",
    "memberships",
)


def asked(shop: Shop, now: datetime = NOW, zone: str = "America/New_York", **values: Any) -> questions.Asked:
    return questions.Asked(
        pool=shop.pool,
        tenant_id=shop.tenant,
        entities=BY_NAME,
        company=Company(name="Peak Air", zone=zone),
        now=now,
        values=values,
    )


def company() -> dict[str, list[dict[str, Any]]]:
    """A made-up company's records by entity, as the vendor has them."""
    entity_of = {BY_NAME[name].feeds[0].endpoint.rpartition(".")[0]: name for name in OF_COMPANY}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for collection, record in generate(7, 300, now=NOW):
        if collection in entity_of:
            found[entity_of[collection]].append(record)
    return found


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) if text else None


def within(text: str | None, first: datetime, days: int = 1) -> bool:
    at = moment(text)
    return at is not None and first <= at < first + timedelta(days=days)


def _done_on(jobs: list[dict[str, Any]], back: int) -> int:
    day = datetime(2026, 6, 9, tzinfo=ZONE) - timedelta(days=back)
    return sum(each["jobStatus"] == "Completed" and within(each["completedOn"], day) for each in jobs)


async def test_figures_are_those_of_the_vendor(shop: Shop) -> None:
    """Counted from the vendor's records in the plainest way, without a statement."""
    truth = company()
    for name in OF_COMPANY:
        for start in range(0, len(truth[name]), 400):
            await shop.merge(name, *truth[name][start : start + 400])
    busiest = max(range(1, 15), key=lambda back: _done_on(truth["jobs"], back))
    found = await questions.answer("figures", asked(shop, days_back=busiest, plan=1000))
    day, week = found["day"], found["week"]
    yesterday = datetime(2026, 6, 9, tzinfo=ZONE) - timedelta(days=busiest)
    monday = datetime(2026, 6, 1, tzinfo=ZONE)
    alive = {name: [each for each in truth[name] if each.get("active", True)] for name in OF_COMPANY}
    jobs = alive["jobs"]
    done = [
        each for each in jobs if each["jobStatus"] == "Completed" and within(each["completedOn"], yesterday)
    ]
    assert day["booked"] == sum(within(each["createdOn"], yesterday) for each in jobs)
    assert (day["done"], float(day["revenue"])) == (
        len(done),
        pytest.approx(sum(float(e["total"]) for e in done)),
    )
    sold = [
        each
        for each in alive["estimates"]
        if each["status"]["name"] == "Sold" and within(each["soldOn"], yesterday)
    ]
    assert (day["sold"], float(day["sold_value"])) == (
        len(sold),
        pytest.approx(sum(float(each["subtotal"]) for each in sold)),
    )
    open_ = [each for each in alive["estimates"] if each["status"]["name"] == "Open"]
    assert sum(each["count"] for each in day["open_estimates"].values()) == len(open_)
    assert float(sum(each["value"] for each in day["open_estimates"].values())) == pytest.approx(
        sum(float(each["subtotal"]) for each in open_)
    )
    overdue = [
        each
        for each in alive["invoices"]
        if Decimal(str(each["balance"])) > 0 and each["dueDate"] and each["dueDate"][:10] < "2026-06-09"
    ]
    assert (day["overdue"], day["overdue_value"]) == (
        len(overdue),
        sum(Decimal(str(each["balance"])) for each in overdue),
    )
    visits = [
        each
        for each in alive["appointments"]
        if each["status"] in ("Scheduled", "Dispatched")
        and within(each["start"], datetime(2026, 6, 10, tzinfo=ZONE))
    ]
    assert (day["visits_tomorrow"], day["unconfirmed"]) == (
        len(visits),
        sum(not each["isConfirmed"] for each in visits),
    )
    last = [
        each for each in jobs if each["jobStatus"] == "Completed" and within(each["completedOn"], monday, 7)
    ]
    assert (week["done"], week["recalls"]) == (
        len(last),
        sum(bool(each["recallForId"]) and within(each["createdOn"], monday, 7) for each in jobs),
    )
    assert week["memberships"] == sum(within(each["createdOn"], monday, 7) for each in alive["memberships"])
    assert len(done) > 0
    assert len(overdue) > 0
    assert len(visits) > 0
    assert "older than 30 minutes" in found["summary"]
    assert (
        f"{day['booked']} jobs booked, {day['done']} done for ${day['revenue']:,.0f} of $1,000 planned"
        in found["summary"]
    )
    assert f"Week of June 1: {week['done']} jobs done" in found["scorecard"]


async def _plan(shop: Shop, customer: int, due: str, **visit: Any) -> None:
    """A member with a visit of the plan that is due."""
    dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
    membership = {
        "id": customer,
        "customerId": customer,
        "locationId": customer,
        "membershipTypeId": 3,
        "status": "Active",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-12-31T00:00:00Z",
    }
    await shop.merge("memberships", {**membership, **dated})
    service = {
        "id": customer,
        "name": "Tune-up",
        "membershipId": customer,
        "locationId": customer,
        "jobTypeId": 9,
    }
    await shop.merge("recurring_services", {**service, **dated})
    event = {
        "id": customer,
        "locationRecurringServiceId": customer,
        "locationRecurringServiceName": "Tune-up",
        "membershipId": customer,
        "membershipName": "Gold",
        "status": "NotAttempted",
        "date": due,
        "jobId": None,
        "createdById": None,
    }
    await shop.merge("recurring_service_events", {**event, **dated, **visit})


async def freed(shop: Shop) -> None:
    """A visit that became free, and members of whom 3 and 2 could come instead."""
    for customer in range(1, 8):
        await shop.customer(customer, name=f"Person {customer}")
    dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
    await shop.merge("technicians", {"id": 7, "userId": 7, "name": "Bo Hill", **dated})
    for customer, due in (
        (2, "2026-06-20"),
        (3, "2026-05-20"),
        (4, "2026-06-05"),
        (5, "2026-06-02"),
        (6, "2026-09-01"),
    ):
        await _plan(shop, customer, f"{due}T00:00:00Z", status="Won" if customer == 5 else "NotAttempted")
    await shop.job(11, 1, MONDAY)
    visit = {
        "id": 41,
        "jobId": 11,
        "customerId": 1,
        "status": "Canceled",
        "start": iso(MONDAY + timedelta(hours=8)),
        "end": iso(MONDAY + timedelta(hours=10)),
        "appointmentNumber": "11-1",
        **dated,
    }
    await shop.merge("appointments", visit)
    await shop.assigned(51, 11, 41, MONDAY)
    await shop.job(12, 4, MONDAY)
    await shop.merge("appointments", {**visit, "id": 42, "jobId": 12, "customerId": 4, "status": "Scheduled"})


async def test_who_could_come_instead(shop: Shop) -> None:
    """Members whose visit is due, who waited longest first; nobody without the skill or the need."""
    dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
    await freed(shop)
    found = await questions.answer("invitees", asked(shop, MONDAY, "America/Denver", appointment_id=41))
    assert found["count"] == 2
    assert (found["first"], found["second"], found["third"]) == (
        {"phone": "+13035550103", "customer_id": 3, "name": "Person 3"},
        {"phone": "+13035550102", "customer_id": 2, "name": "Person 2"},
        {"phone": "", "customer_id": 0, "name": ""},
    )
    for only, count in ((2, 1), ("3", 1), (4, 0), (0, 0)):
        one = asked(shop, MONDAY, "America/Denver", appointment_id=41, customer_id=only)
        assert (await questions.answer("invitees", one))["count"] == count
    asking = asked(shop, MONDAY, "America/Denver", appointment_id=41, workflow="hot-fill")
    assert (await questions.answer("invitees", asking))["count"] == 2
    async with shop.pool.connection() as connection:
        await connection.execute(
            "insert into automation.messaging_log (tenant_id, intent_key, channel, purpose, status, reason, "
            "sentence, customer_id, recipient, body, fingerprint, asked_by, workflow, sent_at, asked_at, "
            "decided_at, updated_at) values (%s, 'invited', 'sms', 'service', 'sent', '', '', 3, 'x', 'x', "
            "'x', 'test', 'hot-fill', %s, now(), now(), now())",
            (shop.tenant, MONDAY - timedelta(days=2)),
        )
    again = await questions.answer("invitees", asking)  # who was asked two days ago is left in peace
    assert (again["count"], again["first"]["customer_id"]) == (1, 2)
    await shop.merge("job_types", {"id": 9, "name": "Tune-up", "skills": ["Boilers"], **dated})
    found = await questions.answer("invitees", asked(shop, MONDAY, "America/Denver", appointment_id=41))
    assert found["count"] == 0
    with pytest.raises(Refused, match="not asked for weather"):
        await questions.answer("weather", asked(shop))


async def test_free_time_and_the_emptiest_days(shop: Shop) -> None:
    """Two shifts of eight hours, one of them full: half is free, and the free day is named."""
    assert (await questions.answer("capacity", asked(shop)))["known"] is False
    dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
    await shop.customer(1)
    await shop.merge("technicians", {"id": 7, "userId": 7, "name": "Bo Hill", **dated})
    for number, day in enumerate((2, 3)):
        start = datetime(2026, 6, day, 14, tzinfo=UTC)  # 8 AM in Denver
        shift = {
            "id": 60 + number,
            "technicianId": 7,
            "shiftType": "Normal",
            "title": "",
            "start": iso(start),
            "end": iso(start + timedelta(hours=8)),
            **dated,
        }
        await shop.merge("technician_shifts", shift)
    await shop.job(11, 1, MONDAY)
    full = datetime(2026, 6, 2, 14, tzinfo=UTC)
    visit = {
        "id": 41,
        "jobId": 11,
        "customerId": 1,
        "status": "Scheduled",
        "start": iso(full),
        "end": iso(full + timedelta(hours=8)),
        "appointmentNumber": "11-1",
        **dated,
    }
    await shop.merge("appointments", visit)
    await shop.assigned(51, 11, 41, MONDAY)
    found = await questions.answer("capacity", asked(shop, MONDAY, "America/Denver"))
    assert (found["known"], found["free_share"]) == (True, 0.5)
    assert found["slots"] == "Wednesday, June 3 around 8 AM"


async def test_texts_with_a_number_are_counted_to_and_fro(floor: Floor) -> None:
    shop = Shop(floor.counter.pool, floor.tenant)
    ask = {"number": NUMBER, "minutes": 10}
    assert await questions.answer("texts", asked(shop, NOON, **ask)) == {"count": 0}
    await floor.counter.send()
    received = Received(vendor_id="SM1", sender=NUMBER, to="+13035550100", body="Hello?", at=NOON)
    await inbound.take(floor.workshop.desk, received)
    soon = NOON + timedelta(minutes=5)
    assert await questions.answer("texts", asked(shop, soon, **ask)) == {"count": 2}
    assert await questions.answer("texts", asked(shop, soon + timedelta(hours=1), **ask)) == {"count": 0}


async def test_calls_of_somebody_unknown_are_found_by_the_number(shop: Shop) -> None:
    """In the present and in the past, but for a call of long before and one with another number."""
    stranger, dated = "+13035550177", {"active": True, "status": "Completed"}
    calls = (
        (71, "Inbound", "Abandoned", stranger, "+13035550100", MONDAY),
        (72, "Outbound", None, "+13035550100", stranger, MONDAY + timedelta(minutes=2)),
        (73, "Outbound", None, "+13035550100", stranger, MONDAY - timedelta(days=9)),
        (74, "Outbound", None, "+13035550100", "+13035550178", MONDAY),
    )
    for st_id, direction, kind, from_, to, at in calls:
        record = {
            "id": st_id,
            "direction": direction,
            "type": kind,
            "from": from_,
            "to": to,
            "duration": "00:01:30",
            "createdOn": iso(at),
            "modifiedOn": iso(at),
            **dated,
        }
        await shop.merge("calls", record)
    also = [("calls", 71)]
    async with shop.pool.connection() as connection:
        now = (await bundle.present(connection, shop.tenant, BY_NAME, [], also)).of(None, also)
        then = await pasts.past(connection, shop.tenant, BY_NAME, [], also)
    assert set(now.kind("calls").rows) == {71, 72}
    assert set(then.at(None, MONDAY + timedelta(minutes=1), also).kind("calls").rows) == {71}
    later = then.at(None, MONDAY + timedelta(minutes=3), also)
    assert set(later.kind("calls").rows) == {71, 72}


async def test_a_number_that_calls_all_day_hides_no_other(shop: Shop) -> None:
    """Of two callers that are read together; each is told what conditions see of its own calls."""
    for st_id, number in ((5, "+13035550171"), (6, "+13035550172")):
        record = {
            "id": st_id, "direction": "Inbound", "from": number, "to": "+13035550100", "active": True,
            "createdOn": iso(MONDAY), "modifiedOn": iso(MONDAY), "type": "Abandoned", "status": "Completed",
        }  # fmt: skip
        await shop.merge("calls", record, {**record, "id": st_id + 2, "direction": "Outbound",
                                           "from": "+13035550100", "to": number})  # fmt: skip
    also, table = [("calls", 5), ("calls", 6)], qualified(BY_NAME["calls"].table)
    async with shop.pool.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(
            f"create temp table many on commit drop as select c.*, n from {table} c,"
            " generate_series(1001, 2300) n where c.tenant_id = %s and c.st_id = 6",
            (shop.tenant,),
        )
        await connection.execute("update many set st_id = n")
        await connection.execute("alter table many drop column n")
        await connection.execute(f"insert into {table} select * from many")
        found = await bundle.present(connection, shop.tenant, BY_NAME, [], also)
    assert set(found.of(None, also[:1]).kind("calls").rows) == {5, 7}
    loud = set(found.of(None, also[1:]).kind("calls").rows)
    assert loud >= {6, 8, 2300}, "what was placed to it is there too"
    assert len(loud) <= 500
