"""What follow-ups meet in real life: clocks that change, households, moves, late news, other time zones."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from street import MONDAY, PHONE, Street, recipe, steps

from perfectcatch.model.workflow import Earlier, End, Reentry, State, Trigger, Verdict, Wait
from perfectcatch.workflows import decisions

DAY = timedelta(days=1)
DENVER = ZoneInfo("America/Denver")


@pytest.mark.parametrize(
    ("entered", "wakes"),
    [
        (datetime(2026, 10, 31, 20, tzinfo=UTC), datetime(2026, 11, 1, 17, tzinfo=UTC)),  # winter comes
        (datetime(2026, 3, 7, 20, tzinfo=UTC), datetime(2026, 3, 8, 16, tzinfo=UTC)),  # summer comes
    ],
)
def test_ten_in_the_morning_stays_ten_when_clocks_change(entered: datetime, wakes: datetime) -> None:
    records = {"company": {"zone": "America/Denver"}, "location": None}
    state = State(step="w", entered_at=entered, started_at=entered)
    assert decisions.wakes_at(Wait(id="w", days=1, at=time(10)), records, state) == wakes


def test_a_place_decides_about_the_time_of_day() -> None:
    records = {"company": {"zone": "America/Denver"}, "location": {"zone": "America/New_York"}}
    state = State(step="w", entered_at=MONDAY, started_at=MONDAY)
    wait = Wait(id="w", days=1, at=time(10))
    assert decisions.wakes_at(wait, records, state) == datetime(2026, 6, 2, 14, tzinfo=UTC)


def test_two_options_at_the_same_moment_are_one_opportunity() -> None:
    street = Street().household().job(MONDAY - DAY).estimate(MONDAY).estimate(MONDAY, 22, 1200)
    street.tell("estimate_created", "estimates", 21, MONDAY)
    street.tell("estimate_created", "estimates", 22, MONDAY)
    report = street.play("estimate-follow-up")
    assert len(report.courses) == 1
    assert report.skipped == {"estimate-follow-up": {"running": 1}}


def test_a_visit_at_the_other_property_stops_nothing() -> None:
    street = Street().household().job(MONDAY - DAY).estimate(MONDAY)
    street.tell("estimate_created", "estimates", 21, MONDAY)
    street.put("locations", 2, MONDAY - DAY, customer_id=1, address_line1="2 Main", state="CO", zip="80202")
    street.put("jobs", 12, MONDAY + DAY, customer_id=1, location_id=2, job_status="Scheduled")
    street.tell("job_created", "jobs", 12, MONDAY + DAY)
    assert street.play("estimate-follow-up").courses[0].reason == "finished"
    street.put("jobs", 13, MONDAY + 2 * DAY, customer_id=1, location_id=1, job_status="Scheduled")
    street.tell("job_created", "jobs", 13, MONDAY + 2 * DAY)
    assert street.play("estimate-follow-up").courses[0].reason == "booked"


def test_two_customers_with_one_telephone_get_a_text_once() -> None:
    street = Street().household().job(MONDAY - DAY).estimate(MONDAY)
    street.put(
        "customers", 2, MONDAY - DAY, 2, name="Lee, Ann", first_name="Ann", customer_type="Residential"
    )
    street.put(
        "customer_contacts", 9, MONDAY - DAY, 2, customer_id=2, contact_type="MobilePhone", phone=PHONE
    )
    street.put("estimates", 23, MONDAY, 2, customer_id=2, status="Open", subtotal=Decimal(900))
    street.tell("estimate_created", "estimates", 21, MONDAY)
    street.tell("estimate_created", "estimates", 23, MONDAY)
    first = [each for each in street.play("estimate-follow-up").would if each.step == "text-first"]
    assert [each.customer_id for each in first if each.status == "sent"] == [1]
    assert [each.reason for each in first if each.status != "sent"] == ["identical"]


def test_news_of_an_invoice_that_was_paid_meanwhile_starts_nothing() -> None:
    street = Street().household().job(MONDAY - 9 * DAY).invoice(MONDAY - 9 * DAY, date(2026, 6, 4))
    street.put("invoices", 31, MONDAY, balance=Decimal(0), paid_on=MONDAY)
    street.tell("invoice_due_soon", "invoices", 31, MONDAY + timedelta(minutes=1), stage_days=-3)
    report = street.play("overdue-invoice")
    assert (report.courses, report.skipped) == ([], {"overdue-invoice": {"condition": 1}})


def test_a_part_payment_changes_the_amount() -> None:
    street = Street().household().job(MONDAY - 9 * DAY).invoice(MONDAY - 9 * DAY, date(2026, 6, 4))
    street.tell("invoice_due_soon", "invoices", 31, MONDAY, stage_days=-3)
    street.put("invoices", 31, MONDAY + DAY, balance=Decimal(120))
    texts = [each.text or "" for each in street.play("overdue-invoice").would]
    assert "$300.00" in texts[0]
    assert "$120.00" in texts[1]


def test_a_text_waits_until_both_places_are_awake() -> None:
    """A number of New York, a house in Denver: at half past six in Denver it is too late in New York."""
    evening = datetime(2026, 6, 2, 1, 30, tzinfo=UTC)  # 19:30 in Denver, 21:30 in New York
    street = Street().household()
    street.put("leads", 81, evening, customer_id=1, location_id=1, status="Open", phone="+12125550142")
    street.tell("lead_created", "leads", 81, evening)
    first = next(each for each in street.play("speed-to-lead").would if each.step == "text-now")
    assert first.status == "sent"
    assert first.waited_since == evening
    assert time(8) <= first.at.astimezone(DENVER).time() <= time(20)
    assert time(8) <= first.at.astimezone(ZoneInfo("America/New_York")).time() <= time(20)


def test_a_visit_that_moves_begins_anew() -> None:
    street = Street().household().job(MONDAY).visit(MONDAY, MONDAY + 3 * DAY)
    street.tell("appointment_created", "appointments", 41, MONDAY)
    moved = MONDAY + DAY
    begins = MONDAY + 5 * DAY
    street.put(
        "appointments", 41, moved, start_time=begins, arrival_window_start=begins,
        arrival_window_end=begins + timedelta(hours=2),
    )  # fmt: skip
    street.tell("appointment_rescheduled", "appointments", 41, moved)
    report = street.play("appointment-confirmation", settings={"own_confirmations_off": True})
    assert [each.reason for each in report.courses] == ["moved", "finished"]
    assert steps(report) == ["tell", "tell", "ask", "unconfirmed", "remind"]


def test_a_c_confirms_and_an_r_goes_to_the_office() -> None:
    for word, expected in (
        ("C", ["tell", "ask", "confirm", "remind"]),
        ("R please", ["tell", "ask", "move"]),
    ):
        street = Street().household().job(MONDAY).visit(MONDAY, MONDAY + 3 * DAY)
        street.tell("appointment_created", "appointments", 41, MONDAY)
        street.says(word, MONDAY + 2 * DAY + timedelta(hours=2))
        report = street.play("appointment-confirmation", settings={"own_confirmations_off": True})
        assert steps(report) == expected


def test_an_open_complaint_delays_a_review_and_does_not_drop_it() -> None:
    street = Street().household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY - DAY, "Done")
    street.put("jobs", 11, MONDAY, job_status="Completed", total=Decimal(400), st_completed_on=MONDAY)
    street.put("customers", 1, MONDAY, tag_type_ids=[1])
    street.put("customers", 1, MONDAY + 10 * DAY, tag_type_ids=[])
    street.tell("job_completed", "jobs", 11, MONDAY)
    report = street.play("review-request")
    assert steps(report) == ["ask", "remind"]
    assert report.would[0].at > MONDAY + 10 * DAY


def test_a_complaint_that_comes_while_the_question_waits_delays_it_too() -> None:
    street = Street().household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY - DAY, "Done")
    street.put("jobs", 11, MONDAY, job_status="Completed", total=Decimal(400), st_completed_on=MONDAY)
    street.tell("job_completed", "jobs", 11, MONDAY)
    street.put("customers", 1, MONDAY + timedelta(hours=5), tag_type_ids=[1])
    street.put("customers", 1, MONDAY + 10 * DAY, tag_type_ids=[])
    before = {
        "at": MONDAY + timedelta(hours=1), "channel": "sms", "purpose": "marketing", "to": PHONE,
        "customer_id": 1, "text": "-", "workflow": "other", "step": "ask",
    }  # fmt: skip
    report = street.play("review-request", sends=[before])  # the budget of the day keeps it back at first
    assert steps(report) == ["ask", "remind"]
    assert report.would[0].at > MONDAY + 10 * DAY


def test_a_slot_that_nobody_is_known_for_and_figures_of_the_past_write_to_nobody() -> None:
    street = Street().household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY + timedelta(hours=6))
    street.put("appointments", 41, MONDAY, status="Canceled")
    street.tell("appointment_cancelled", "appointments", 41, MONDAY)
    report = street.play("hot-fill", "daily-digest", days=3)
    assert {"candidates", "figures", "office"} <= set(steps(report))
    invited = [each for each in report.would if each.is_message and each.workflow == "hot-fill"]
    assert not invited
    assert {each.to for each in report.would if each.is_message} == {"+13035550199"}  # the owner


@pytest.mark.parametrize(
    ("reentry", "verdict"),
    [
        (Reentry.SINGLE, Verdict.SKIP),
        (Reentry.RESTART, Verdict.REPLACE),
        (Reentry.QUEUED, Verdict.QUEUE),
        (Reentry.PARALLEL, Verdict.START),
    ],
)
def test_a_second_start_while_the_first_is_under_way(reentry: Reentry, verdict: Verdict) -> None:
    definition = replace(
        recipe("job-created-check"), reentry=reentry, key="'same'", max_concurrent_per_customer=5
    )
    street = {"job": {"job_status": "Scheduled"}, "customer": {"id": 1}, "company": {"zone": "UTC"}}
    first = Earlier(id=7, key="same", customer_id=1, started_at=MONDAY, running=True)
    assert decisions.may_start(definition, street, [first], MONDAY + DAY).verdict is verdict
    none = replace(definition, max_concurrent_per_customer=1, key="'other'")
    found = decisions.may_start(none, street, [first], MONDAY + DAY)
    assert found.reason == "max_concurrent_per_customer"


def test_what_cannot_be_decided_does_not_start_and_does_not_go_on() -> None:
    definition = recipe("overdue-invoice")
    wrong = replace(definition, trigger=Trigger(events=("invoice_overdue",), where="invoice.balance > 25"))
    records = {"company": {"zone": "UTC"}, "invoice": {"balance": "much"}, "happened": []}
    assert decisions.may_start(wrong, records, [], MONDAY).reason == "undecidable"
    stop = decisions.should_stop(definition, records)
    assert isinstance(stop, End)
    assert stop.reason == "paid"
    assert "cannot be decided" in stop.sentence
