"""Every recipe: its happy path, and each of its stop rules before each of its steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from street import MONDAY, PHONE, Street, steps

from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows import definitions, lint
from perfectcatch.workflows.rehearsal.report import Report

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Change = Callable[[Street, datetime], None]


def call(street: Street) -> None:
    street.household()
    street.put(
        "calls", 71, MONDAY, customer_id=1, direction="Inbound", call_type="Abandoned", from_number=PHONE,
        duration_seconds=5,
    )  # fmt: skip
    street.tell("call_abandoned", "calls", 71, MONDAY)


def lead(street: Street) -> None:
    street.household()
    street.put(
        "leads", 81, MONDAY, customer_id=1, location_id=1, status="Open", phone=PHONE, customer_name="Ann Lee"
    )
    street.tell("lead_created", "leads", 81, MONDAY)


def visit(street: Street) -> None:
    street.household().job(MONDAY).visit(MONDAY, MONDAY + 3 * DAY)
    street.tell("appointment_created", "appointments", 41, MONDAY)


def on_the_way(street: Street) -> None:
    street.household().job(MONDAY, "Dispatched").visit(MONDAY, MONDAY + HOUR, "Dispatched")
    street.tell("technician_dispatched", "appointment_assignments", 51, MONDAY)


def estimate(street: Street) -> None:
    street.household().job(MONDAY - DAY).estimate(MONDAY)
    street.tell("estimate_created", "estimates", 21, MONDAY)


def big_estimate(street: Street) -> None:
    street.household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY - HOUR, "Done").estimate(
        MONDAY, total=9000
    )
    street.tell("estimate_created", "estimates", 21, MONDAY)


def old_estimate(street: Street) -> None:
    street.household().job(MONDAY - 50 * DAY, "Completed").estimate(MONDAY - 50 * DAY)


def done(street: Street) -> None:
    street.household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY - 2 * HOUR, "Done")
    street.put("jobs", 11, MONDAY, job_status="Completed", total=Decimal(400), st_completed_on=MONDAY)
    street.tell("job_completed", "jobs", 11, MONDAY)


def angry(street: Street) -> None:
    street.household()
    street.says("This is unacceptable, it is still leaking", MONDAY)


def due(street: Street) -> None:
    street.household().job(MONDAY - 9 * DAY).invoice(MONDAY - 9 * DAY, date(2026, 6, 4))
    street.tell("invoice_due_soon", "invoices", 31, MONDAY, stage_days=-3)


def membership(street: Street) -> None:
    street.household().membership(MONDAY - 300 * DAY, date(2026, 7, 31))
    street.tell("membership_expiring", "memberships", 61, MONDAY, stage_days=-60)


def member_visit(street: Street) -> None:
    street.household().membership(MONDAY - 300 * DAY, date(2026, 12, 31))
    street.plan_visit(MONDAY - 300 * DAY, date(2026, 6, 10))


def sold(street: Street) -> None:
    street.household().job(MONDAY - DAY)
    street.put("jobs", 11, MONDAY - DAY, business_unit_id=5)
    street.estimate(MONDAY - DAY, business_unit_name="Install")
    street.put("estimates", 21, MONDAY, status="Sold", sold_on=MONDAY)
    street.tell("estimate_approved", "estimates", 21, MONDAY)


def review(street: Street) -> None:
    street.household()
    street.tell("review_opened", "customers", 1, MONDAY)


def paid_job(street: Street) -> None:
    street.household().job(MONDAY - DAY, "Completed").invoice(MONDAY - DAY, date(2026, 6, 1))
    street.put("invoices", 31, MONDAY, balance=Decimal(0), paid_on=MONDAY)
    street.tell("invoice_paid", "invoices", 31, MONDAY)


def referred_job(street: Street) -> None:
    street.household().job(MONDAY - DAY, "Completed").invoice(MONDAY - DAY, date(2026, 6, 1))
    street.put("jobs", 11, MONDAY - DAY, campaign_id=8)
    street.put("invoices", 31, MONDAY, balance=Decimal(0), paid_on=MONDAY)
    street.tell("invoice_paid", "invoices", 31, MONDAY)


def _second_visit(street: Street, at: datetime) -> None:
    street.put("jobs", 19, at, customer_id=1, location_id=1, job_status="Scheduled", recall_for_id=11)


def _called_again(street: Street, at: datetime) -> None:
    street.put(
        "calls", 73, at, customer_id=1, direction="Inbound", call_type="Excused", from_number=PHONE,
        duration_seconds=Decimal(200),
    )  # fmt: skip


def freed(street: Street) -> None:
    street.household().job(MONDAY - DAY).visit(MONDAY - DAY, MONDAY + 6 * HOUR)
    street.put("appointments", 41, MONDAY, status="Canceled")
    street.tell("appointment_cancelled", "appointments", 41, MONDAY)


def booked_job(street: Street) -> None:
    street.household().job(MONDAY)
    street.tell("job_created", "jobs", 11, MONDAY)


def install_job(street: Street) -> None:
    street.household().job(MONDAY)
    street.put("jobs", 11, MONDAY, business_unit_id=5)
    street.tell("install_job_created", "jobs", 11, MONDAY)


def dismissed(street: Street) -> None:
    street.household().job(MONDAY - DAY).estimate(MONDAY - DAY)
    street.put("estimates", 21, MONDAY, status="Dismissed")
    street.tell("estimate_rejected", "estimates", 21, MONDAY)


def invoiced(street: Street) -> None:
    street.household().job(MONDAY - DAY).invoice(MONDAY, date(2026, 6, 11))
    street.tell("invoice_created", "invoices", 31, MONDAY)


def overdue(street: Street) -> None:
    street.household().job(MONDAY - 9 * DAY).invoice(MONDAY - 9 * DAY, date(2026, 5, 30))
    street.tell("invoice_overdue", "invoices", 31, MONDAY, stage_days=0)


@dataclass(frozen=True)
class Play:
    recipe: str
    begins: Callable[[Street], None]
    does: list[str]
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.recipe


PLAYS = [
    Play("missed-call-answer", call, ["texts", "text-open", "call-back"]),
    Play(
        "speed-to-lead",
        lead,
        ["text-now", "task-now", "chat-now", "call-now", "text-hour", "text-day", "text-three", "mail-last"],
    ),
    Play(
        "appointment-confirmation",
        visit,
        ["tell", "ask", "unconfirmed", "remind"],
        {"own_confirmations_off": True},
    ),
    Play("on-my-way", on_the_way, ["text", "text-late"]),
    Play(
        "estimate-follow-up",
        estimate,
        ["text-first", "text-second", "mail-options", "call", "text-week", "mail-close"],
    ),
    Play(
        "big-ticket-follow-up",
        big_estimate,
        ["task-1", "text-call", "task-3", "task-7", "task-14", "task-30"],
    ),
    Play("rehash-unsold", old_estimate, ["mail", "text"]),
    Play("review-request", done, ["ask", "remind"]),
    Play("unhappy-customer", angry, ["look", "alert", "promise", "check"]),
    Play("overdue-invoice", due, ["soon", "today", "text-3", "mail-7", "text-14", "person"]),
    Play("membership-renewal", membership, ["sixty", "thirty", "call", "last", "win-back"]),
    Play("member-visit-due", member_visit, ["room", "text", "mail", "call"]),
    Play(
        "sold-to-install", sold, ["opportunity", "tell-team", "checklist", "thank", "progress", *["nag"] * 14]
    ),
    Play("referral-ask", review, ["ask"]),
    Play("referral-reward", referred_job, ["send"]),
    Play("attribution-keeper", paid_job, ["queue"]),
    Play("job-created-check", booked_job, ["no-visit"]),
    Play("job-created-notice", booked_job, ["line"]),
    Play("crm-job-created", booked_job, ["contact", "opportunity"]),
    Play("crm-estimate-created", estimate, ["contact", "opportunity"]),
    Play("crm-estimate-sold", sold, ["move"]),
    Play("crm-estimate-lost", dismissed, ["move"]),
    Play("crm-install-pipeline", install_job, ["move"]),
    Play("crm-appointment-stage", visit, ["move"]),
    Play("invoice-tracking", invoiced, ["unpaid"]),
    Play("invoice-escalation", overdue, ["accounting"]),
]


def _booked(street: Street, at: datetime) -> None:
    street.put("jobs", 12, at, customer_id=1, location_id=1, job_status="Scheduled")
    street.tell("job_created", "jobs", 12, at)


def _called(street: Street, at: datetime) -> None:
    street.put(
        "calls", 72, at, customer_id=1, direction="Outbound", to_number=PHONE, duration_seconds=Decimal(90)
    )


# What makes each stop rule hold, at a moment.
STOPS: dict[str, Change] = {
    "reply": lambda s, at: s.says("Call me please", at),
    "opt_out": lambda s, at: s.says("STOP", at, "opt_out"),
    "booked": _booked,
    "sold": lambda s, at: s.put("estimates", 21, at, status="Sold", sold_on=at),
    "dismissed": lambda s, at: s.put("estimates", 21, at, status="Dismissed"),
    "paid": lambda s, at: s.put("invoices", 31, at, balance=Decimal(0), paid_on=at),
    "cancelled": lambda s, at: s.put("jobs", 11, at, job_status="Canceled"),
    "done": lambda s, at: s.put("jobs", 11, at, job_status="Completed"),
    "called_back": _called,
    "gone": lambda s, at: s.put("customers", 1, at, active=False, merged_to_id=2),
    "complaint": lambda s, at: s.put("customers", 1, at, tag_type_ids=[1]),
    "renewed": lambda s, at: s.put("memberships", 61, at, renewed_by_id=62),
    "membership_over": lambda s, at: s.put("memberships", 61, at, status="Canceled"),
    "settled": lambda s, at: s.put("leads", 81, at, status="Dismissed"),
    "moved": lambda s, at: s.tell("appointment_rescheduled", "appointments", 41, at),
    "arrived": lambda s, at: s.put("appointment_assignments", 51, at, status="Working"),
    "reopened": lambda s, at: s.put("jobs", 11, at, job_status="InProgress"),
    "opened": lambda s, at: s.tell("review_opened", "customers", 1, at),
    "unsold": lambda s, at: s.put("estimates", 21, at, status="Open"),
    "unpaid": lambda s, at: s.put("invoices", 31, at, balance=Decimal(300)),
    "recalled": _second_visit,
    "answered": _called_again,
    "handled": lambda s, at: s.put("recurring_service_events", 95, at, status="Won", job_id=12),
    "arranged": lambda s, at: s.put("customers", 1, at, tag_type_ids=[3]),
    "known": lambda s, at: s.put("jobs", 11, at, campaign_id=9),
}


@pytest.mark.parametrize("play", PLAYS, ids=str)
def test_the_happy_path(play: Play) -> None:
    street = Street()
    play.begins(street)
    report = street.play(play.recipe, settings=play.settings)
    assert steps(report)[: len(play.does)] == play.does
    trouble = [each for each in report.would if each.status not in ("sent", "done")]
    assert not trouble, [(each.step, each.sentence) for each in trouble]
    if play.recipe != "rehash-unsold":  # it asks again after months
        assert steps(report) == play.does
        assert [each.reason for each in report.courses] == ["finished"]


@cache
def happy(recipe: str) -> Report:
    play = next(each for each in PLAYS if each.recipe == recipe)
    street = Street()
    play.begins(street)
    return street.play(recipe, settings=play.settings)


def cases() -> list[Any]:
    found = []
    for play in PLAYS:
        for rule in definitions.shipped()[play.recipe].stop_rules:
            if not rule.steps and rule.name in STOPS:
                found += [
                    pytest.param(play, rule.name, place, id=f"{play.recipe}-{rule.name}-{play.does[place]}")
                    for place in range(min(len(play.does), 8))
                ]
    return found


@pytest.mark.parametrize(("play", "rule", "place"), cases())
def test_a_stop_rule_before_a_step(play: Play, rule: str, place: int) -> None:
    """It happens a second before the step: this one and all that follow are silent, with the rule's name.

    A step that is done in the moment of the start has nothing before it: there what holds already keeps it
    from starting or ends it, and what a person says later is too late.
    """
    whole = happy(play.recipe)
    started = whole.courses[0].started_at
    at = max(whole.would[place].at - timedelta(seconds=1), started)
    before = [each.step for each in whole.would if each.at <= at]
    street = Street()
    play.begins(street)
    STOPS[rule](street, at)
    report = street.play(play.recipe, settings=play.settings)
    course = next((each for each in report.courses if each.started_at == started), None)
    if at > started:
        assert steps(report)[: len(before)] == before
        assert course is not None
        assert course.reason == rule
        assert course.ended_at is not None
        after = [each for each in report.would if each.at > course.ended_at and each.kind in ("sms", "email")]
        assert all(each.event_id != course.event_id for each in after) or len(report.courses) > 1
    elif course is not None and course.reason == rule:
        assert len(steps(report)) < len(steps(whole)) or len(report.courses) > 1


def test_every_recipe_is_played() -> None:
    played = {play.recipe for play in PLAYS}
    assert set(definitions.shipped()) - played == {"daily-digest", "hot-fill"}  # played below
    assert {each.recipe for each in definitions.shipped().values() if each.recipe} == {
        f"R-{number:02}" for number in range(1, 18)
    }


def test_every_stop_rule_can_be_made_to_hold() -> None:
    rules = {r.name for each in definitions.shipped().values() for r in each.stop_rules if not r.steps}
    assert rules - set(STOPS) == {"taken_over"}  # a person's word


@pytest.mark.parametrize("name", sorted(definitions.shipped()))
def test_the_linter_has_nothing_against_it(name: str) -> None:
    known = definitions.shipped()
    assert [each for each in lint.lint(known[name], BY_NAME, known) if each.level == "error"] == []
