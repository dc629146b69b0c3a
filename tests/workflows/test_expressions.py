"""Conditions: what they can read, what they cannot do, and what they say where there is nothing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from perfectcatch.errors import BadWorkflow, Undecidable
from perfectcatch.workflows import expressions
from perfectcatch.workflows.expressions import compiled, evaluate, holds

RECORDS = {
    "company": {"zone": "America/New_York"},
    "now": datetime(2026, 6, 1, 3, 30, tzinfo=UTC),
    "estimate": {
        "total": Decimal("500.0000"),
        "status": "Open",
        "sold_on": None,
        "siblings": [{"status": "Sold", "total": Decimal(1)}],
    },
    "invoice": {"due_date": date(2026, 6, 1), "balance": Decimal(0)},
    "customer": None,
    "settings": {"least": 300},
    "happened": [
        {"type": "message_received", "data": {"meaning": "help"}},
        {"type": "job_created", "data": {}},
    ],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("estimate.total >= 300.0", True),
        ("double(estimate.total) > double(settings.least)", True),
        ("estimate.siblings.exists(s, s.status == 'Sold')", True),
        ("estimate.sold_on == null", True),
        ("customer == null", True),
        ("customer != null && customer.active", False),
        ("estimate.never_heard_of == null", True),
        ("happened.exists(h, h.type == 'message_received' && !(h.data.meaning in ['help', 'start']))", False),
        # A day begins at midnight of the company: 4 o'clock UTC in June, half an hour from now.
        ("invoice.due_date > now", True),
        ("invoice.due_date - now", timedelta(minutes=30)),
        (r"'C, see you'.matches(r'(?i)^\W*(c|yes)\b')", True),
        ("'estimate.total' == 'estimate.total'", True),
    ],
)
def test_values(text: str, value: object):
    assert evaluate(text, RECORDS) == value


@pytest.mark.parametrize(
    "text", ["customer.active", "estimate.sold_on < now", "estimate.status > 3", "size(settings.nothing) > 0"]
)
def test_what_is_not_there_decides_nothing(text: str):
    with pytest.raises(Undecidable):
        holds(text, RECORDS)


def test_a_condition_is_true_or_false():
    with pytest.raises(Undecidable, match="neither true nor false"):
        holds("estimate.status", RECORDS)
    assert holds(None, RECORDS)


@pytest.mark.parametrize(
    "text",
    [
        "estimate.total >",
        "a" * 2001,
        "(" * 30 + "1" + ")" * 30,
        " && ".join(["happened.exists(h, h.type == 'x')"] * 7),
    ],
)
def test_what_is_refused(text: str):
    with pytest.raises(BadWorkflow):
        compiled(text)


@pytest.mark.parametrize("text", ["open('/etc/passwd')", "__import__('os')", "now()", "env('HOME')"])
def test_nothing_of_the_machine_is_at_hand(text: str):
    with pytest.raises(Undecidable):
        evaluate(text, RECORDS)


def test_only_named_fields_are_handed_over():
    assert compiled("estimate.total > 1.0 && estimate != null").paths == (
        ("estimate", "id"),
        ("estimate", "total"),
    )
    assert compiled("happened.exists(h, h.type == 'a.b') && job.type.contains('x')").paths == (
        ("happened",),
        ("job", "type"),
    )


def test_lists_are_cut():
    many = {"company": {"zone": "UTC"}, "rows": list(range(1000))}
    assert evaluate("size(rows)", many) == expressions.LONGEST_LIST
