"""A company lives by its seed, in its hours, as a contractor's office would have it; everything adds up."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from server_client import Caller

from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.life import hours
from perfectcatch.sandbox.servicetitan.life.agenda import Agenda
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.service import Service

DAY = 86_400
MONDAY = datetime(2026, 3, 2, 13, tzinfo=UTC)  # eight in the morning where the company is


def company(seed: int = 7, customers: int = 150) -> Caller:
    clock = FakeClock(MONDAY)
    return Caller(Service(Options(seed=seed, customers=customers, clock=clock, rate=1e9)), clock)


def lived(who: Caller, *spans: float) -> list[dict[str, Any]]:
    return [did for seconds in spans for did in who.service.life.advance(seconds)]


def everything(who: Caller) -> dict[str, Any]:
    return {
        name: {row.id: (row.body, row.extra, row.modified, row.hidden) for row in table.rows.values()}
        for name, table in who.service.tenant.tables.items()
    }


@pytest.fixture(scope="module")
def month() -> tuple[Caller, list[dict[str, Any]]]:
    who = company(customers=400)
    return who, lived(who, 30 * DAY)


def test_it_does_not_matter_how_a_span_is_cut() -> None:
    whole, cut = company(), company()

    assert lived(whole, 3 * DAY) == lived(cut, 3_600, 7 * 3_600 + 11, DAY, 86_400 - 11 + 16 * 3_600)
    assert everything(whole) == everything(cut)


def test_another_seed_is_another_life() -> None:
    assert lived(company(), DAY) != lived(company(seed=8), DAY)


def test_everything_happens_that_happens_to_a_contractor(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    kinds = Counter(did["what"] for did in month[1])

    assert kinds.keys() >= {
        "another_visit_booked", "booking_converted", "booking_received", "books_closed", "call_received",
        "contact_added", "contact_edited", "customer_edited", "estimate_dismissed", "estimate_sold",
        "event_planned", "invoice_paid", "invoice_paid_in_part", "job_booked", "job_booked_by_call",
        "job_canceled", "job_completed", "job_edited", "job_noted", "lead_converted", "lead_dismissed",
        "lead_followed_up", "lead_received", "location_edited", "member_visits_booked", "shifts_planned",
        "sold_work_booked", "visit_confirmed", "visit_dispatched", "visit_moved", "visits_staffed",
        "work_started",
    }  # fmt: skip


def test_the_office_sleeps_at_night(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, _ = month
    since = who.service.tenant.opened
    booked = [moments.read(job["createdOn"]) for job in who.service.read("jpm.jobs")]
    fresh = [hours.local(each) for each in booked if each >= since]

    assert len(fresh) > 30
    in_hours = [each for each in fresh if 7 <= each.hour < 19 and each.weekday() < 6]
    assert len(in_hours) / len(fresh) > 0.93
    assert len({each.date() for each in fresh}) > 20


def test_rates_follow_the_size_of_the_company(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, done = month
    kinds = Counter(did["what"] for did in done)
    usual = 400 * 3_260 / 1_696 / 156.4 * 30 / 7  # jobs in thirty days, on the average of three years
    booked = [
        job
        for job in who.service.read("jpm.jobs")
        if moments.read(job["createdOn"]) > who.service.tenant.opened
    ]

    assert usual < len(booked) < 6 * usual
    assert 0.5 < kinds["job_completed"] / len(booked) < 1.5
    assert kinds["job_canceled"] < 0.2 * len(booked)


# Everything adds up ---------------------------------------------------------------------------------


def amount(text: Any) -> Decimal:
    return Decimal(str(text or 0))


def test_invoices_payments_and_balances_agree(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, _ = month
    applied: Counter[int] = Counter()
    for payment in who.service.read("accounting.payments"):
        spent = sum(amount(each["appliedAmount"]) for each in payment["appliedTo"])
        assert amount(payment["total"]) == spent + amount(payment["unappliedAmount"])
        for each in payment["appliedTo"]:
            applied[each["appliedTo"]] += amount(each["appliedAmount"])  # type: ignore[assignment]
    owed: Counter[int] = Counter()
    for invoice in who.service.read("accounting.invoices"):
        total = amount(invoice["subTotal"]) + amount(invoice["salesTax"])
        assert amount(invoice["total"]) == total
        assert amount(invoice["balance"]) == total - applied[invoice["id"]], invoice["id"]
        lines = sum(amount(each["total"]) for each in invoice["items"] or ())
        assert not invoice["items"] or lines == amount(invoice["subTotal"])
        owed[invoice["customer"]["id"]] += amount(invoice["balance"])  # type: ignore[assignment]
    for customer in who.service.read("crm.customers"):
        assert amount(customer["balance"]) == owed[customer["id"]], customer["id"]


def test_jobs_and_their_visits_agree(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, _ = month
    tenant, since = who.service.tenant, who.service.tenant.opened
    visits: dict[int, list[dict[str, Any]]] = {}
    for visit in who.service.read("jpm.appointments"):
        if not tenant.table("jpm.appointments").rows[visit["id"]].hidden:
            visits.setdefault(visit["jobId"], []).append(visit)
    for job in who.service.read("jpm.jobs"):
        own = visits[job["id"]]
        statuses = {each["status"] for each in own}
        assert job["appointmentCount"] == len(own)
        assert job["lastAppointmentId"] in {each["id"] for each in own}
        if moments.read(job["modifiedOn"]) < since:
            continue
        match job["jobStatus"]:
            case "Completed":
                assert statuses <= {"Done", "Canceled"}
                assert job["completedOn"]
            case "Canceled":
                assert statuses == {"Canceled"}
            case "InProgress":
                assert "Working" in statuses
            case status:
                assert status in statuses | {"Hold"}
        assert job["locationId"] in tenant.table("crm.locations").rows
        assert tenant.get("crm.locations", job["locationId"])["customerId"] == job["customerId"]


def test_a_done_visit_lies_behind_and_a_planned_one_ahead(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, _ = month
    now = moments.micros(who.service.clock.now())
    for visit in who.service.read("jpm.appointments"):
        start, end = moments.read(visit["start"]), moments.read(visit["end"])
        assert start < end
        if visit["status"] in {"Scheduled", "Dispatched"} and visit["active"]:
            assert start > now - hours.HOUR, visit["id"]
        if visit["status"] == "Done":
            assert start <= now


def test_nobody_is_sent_to_two_places_at_once(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, _ = month
    since = who.service.tenant.opened
    visits = {each["id"]: each for each in who.service.read("jpm.appointments")}
    spans: dict[int, list[tuple[str, str]]] = {}
    for each in who.service.read("dispatch.appointment_assignments"):
        visit = visits[each["appointmentId"]]
        if each["active"] and visit["status"] == "Scheduled" and moments.read(visit["createdOn"]) > since:
            spans.setdefault(each["technicianId"], []).append((visit["start"], visit["end"]))
    clashes = sum(
        later[0] < earlier[1]
        for own in spans.values()
        for earlier, later in zip(sorted(own), sorted(own)[1:], strict=False)
    )
    assert clashes <= sum(map(len, spans.values())) * 0.05


def test_a_technician_at_work_shows_where(month: tuple[Caller, list[dict[str, Any]]]) -> None:
    who, _ = month
    visits = {each["id"]: each for each in who.service.read("jpm.appointments")}
    for technician in who.service.read("settings.technicians"):
        assert (technician["status"] == "Working") == (technician["jobId"] is not None)
        if technician["appoitmentId"] is not None:
            assert visits[technician["appoitmentId"]]["jobId"] == technician["jobId"]


def test_an_agenda_holds_one_entry_for_each_thing() -> None:
    agenda = Agenda()
    agenda.set("visit", 1, 50)
    agenda.set("visit", 2, 20)
    agenda.set("visit", 1, 10)
    agenda.drop("visit", 3)

    assert (len(agenda), agenda.first()) == (2, 10)
    assert [(agenda.take().key), agenda.take().moment] == [1, 20]
    assert agenda.first() is None
    assert not agenda.has("visit", 1)
