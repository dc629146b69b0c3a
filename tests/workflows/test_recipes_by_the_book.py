"""What the book of recipes says beyond the happy path and the stop rules: who is meant, and which words."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from street import MONDAY, PHONE, Street, steps

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
STRANGER = "+13035550177"


def missed(street: Street) -> None:
    street.put(
        "calls", 71, MONDAY, customer=None, direction="Inbound", call_type="Abandoned", from_number=STRANGER,
        duration_seconds=5,
    )  # fmt: skip
    street.tell("call_abandoned", "calls", 71, MONDAY)


def ours(street: Street, st_id: int, at: timedelta) -> None:
    street.put(
        "calls", st_id, MONDAY + at, customer=None, direction="Outbound", to_number=STRANGER,
        duration_seconds=Decimal(90),
    )  # fmt: skip


def test_a_missed_call_of_somebody_unknown_is_answered_once() -> None:
    street = Street()
    missed(street)
    assert steps(street.play("missed-call-answer")) == ["texts", "text-open", "call-back"]


@pytest.mark.parametrize(
    ("at", "done", "reason"),
    [
        (timedelta(seconds=10), ["texts"], "called_back"),
        (timedelta(minutes=2), ["texts", "text-open"], "called_back"),
        (-timedelta(minutes=5), [], ""),  # somebody had just called them: they call back
        (-timedelta(minutes=50), ["texts", "text-open", "call-back"], "finished"),
    ],
)
def test_our_own_calls_to_an_unknown_number_count(at: timedelta, done: list[str], reason: str) -> None:
    street = Street()
    missed(street)
    ours(street, 72, at)
    report = street.play("missed-call-answer")
    assert steps(report) == done[: 0 if at == timedelta(seconds=10) else None]
    assert [each.reason for each in report.courses] == ([reason] if reason else [])


def test_an_answer_of_somebody_unknown_ends_what_was_planned() -> None:
    street = Street()
    street.put("leads", 81, MONDAY, customer=None, status="Open", phone=STRANGER, customer_name="Bo Kay")
    street.tell("lead_created", "leads", 81, MONDAY)
    said = {
        "customer_id": None,
        "customer_ids": [],
        "sender": STRANGER,
        "body": "Yes, today",
        "meaning": "reply",
    }
    street.tell("message_received", "messages", 901, MONDAY + timedelta(minutes=3), **said)
    report = street.play("speed-to-lead")
    assert steps(report) == ["text-now", "task-now", "chat-now"]
    assert [(each.reason, each.ended_at) for each in report.courses] == [
        ("reply", MONDAY + timedelta(minutes=3))
    ]


def test_a_membership_that_ends_names_the_visits_that_nobody_used() -> None:
    street = Street().household().membership(MONDAY - 300 * DAY, date(2026, 7, 31))
    street.plan_visit(MONDAY - 300 * DAY, date(2026, 3, 1), 94, status="Won", job_id=3)
    street.plan_visit(MONDAY - 300 * DAY, date(2026, 7, 1), 95)
    street.plan_visit(MONDAY - 300 * DAY, date(2026, 9, 1), 96)  # after its end
    street.tell("membership_expiring", "memberships", 61, MONDAY, stage_days=-60)
    words = {each.step: each.text or "" for each in street.play("membership-renewal").would}
    assert "You still have 1 visit (Tune-up)" in words["sixty"]
    assert "You still have 1 of its visits." in words["thirty"]
    street.put("recurring_service_events", 95, MONDAY + DAY, status="Won", job_id=12)
    words = {each.step: each.text or "" for each in street.play("membership-renewal").would}
    assert "You still have" not in words["thirty"]


def test_a_plan_visit_is_asked_for_when_it_is_due_and_no_earlier() -> None:
    street = Street().household().membership(MONDAY - 300 * DAY, date(2026, 12, 31))
    street.plan_visit(MONDAY - 300 * DAY, date(2026, 8, 3), 95)
    street.plan_visit(MONDAY - 300 * DAY, date(2026, 6, 10), 96, status="Won", job_id=8)
    report = street.play("member-visit-due")
    assert [each.started_at.date() for each in report.courses] == [date(2026, 7, 20)]  # two weeks before


def test_an_estimate_is_not_asked_about_while_the_technician_is_there() -> None:
    street = Street().household().job(MONDAY).visit(MONDAY, MONDAY, "Working").estimate(MONDAY)
    street.put("appointments", 41, MONDAY + 5 * HOUR, status="Done")
    street.tell("estimate_created", "estimates", 21, MONDAY)
    first = next(each for each in street.play("estimate-follow-up").would if each.step == "text-first")
    assert first.at == MONDAY + 6 * HOUR


def test_a_large_estimate_whose_consultant_nobody_knows_is_followed_like_any_other() -> None:
    street = Street().household().job(MONDAY - DAY).estimate(MONDAY, total=9000)
    street.tell("estimate_created", "estimates", 21, MONDAY)
    report = street.play("estimate-follow-up", "big-ticket-follow-up")
    assert {each.workflow for each in report.courses} == {"estimate-follow-up"}


def test_a_talk_since_then_leaves_an_old_estimate_alone_and_a_season_takes_it_up() -> None:
    street = Street().household().job(MONDAY - 50 * DAY, "Completed").estimate(MONDAY - 50 * DAY)
    assert street.play("rehash-unsold", days=3).courses
    seasons = {"season_months": [9]}
    late = street.play("rehash-unsold", settings=seasons, days=110)
    assert [f"{each.started_at:%Y-%m}" for each in late.courses] == ["2026-06", "2026-09"]
    street.put(
        "calls", 72, MONDAY - 20 * DAY, customer_id=1, direction="Outbound", to_number=PHONE,
        duration_seconds=Decimal(300),
    )  # fmt: skip
    assert not street.play("rehash-unsold", days=3).courses


def test_a_recall_after_a_month_is_no_rescue() -> None:
    for days, reasons in ((20, ["finished"]), (40, [])):
        street = (
            Street().household().job(MONDAY - days * DAY, "Completed", st_completed_on=MONDAY - days * DAY)
        )
        street.put("jobs", 12, MONDAY, customer_id=1, location_id=1, job_status="Scheduled", recall_for_id=11)
        street.tell("job_created", "jobs", 12, MONDAY)
        assert [each.reason for each in street.play("unhappy-customer").courses] == reasons


def test_a_complaint_after_the_first_request_keeps_the_second_back() -> None:
    street = Street().household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY - 2 * HOUR, "Done")
    street.put("jobs", 11, MONDAY, job_status="Completed", total=Decimal(400), st_completed_on=MONDAY)
    street.tell("job_completed", "jobs", 11, MONDAY)
    street.put("customers", 1, MONDAY + 4 * HOUR, tag_type_ids=[1])
    report = street.play("review-request")
    assert (steps(report), [each.reason for each in report.courses]) == (["ask"], ["complaint"])


def test_an_installation_that_is_ready_and_planned_is_told_of_the_day_before() -> None:
    street = Street().household().job(MONDAY).visit(MONDAY, MONDAY + 6 * DAY)
    street.put("jobs", 11, MONDAY, business_unit_id=5)
    street.tell("install_job_created", "jobs", 11, MONDAY)
    street.tell("task_done", "customers", 1, MONDAY + 3 * DAY, step="checklist", customer_id=1)
    report = street.play("sold-to-install")
    assert steps(report)[-2:] == ["progress", "before"] or steps(report)[-1] == "before"
    assert report.would[-1].at.date() == (MONDAY + 5 * DAY).date()
    elsewhere = street.play("sold-to-install", settings={"install_units": ["Projects"]})
    assert not elsewhere.courses  # the company's own list of units goes before the word in a name


def test_a_paid_job_without_a_campaign_is_given_that_of_its_call_when_a_person_says_yes() -> None:
    street = Street().household().job(MONDAY - DAY, "Completed", lead_call_id=73)
    street.put("calls", 73, MONDAY - DAY, customer_id=1, direction="Inbound", campaign_id=9)
    street.invoice(MONDAY - DAY, date(2026, 6, 1))
    street.put("invoices", 31, MONDAY, balance=Decimal(0), paid_on=MONDAY)
    street.tell("invoice_paid", "invoices", 31, MONDAY)
    assert steps(street.play("attribution-keeper")) == ["propose", "keep"]
