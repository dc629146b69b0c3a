"""Records as they were: what is kept between two questions says the same as what is looked up anew."""

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from street import MONDAY, Street

from perfectcatch.errors import Undecidable
from perfectcatch.model.workflow import Trigger
from perfectcatch.workflows import expressions
from perfectcatch.workflows.bundle import Bundle
from perfectcatch.workflows.definitions import shipped
from perfectcatch.workflows.past import LAST
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.sieve import Sieve, own_parts
from perfectcatch.workflows.sifting import span_of

SEED = 20261126


def test_what_is_kept_of_the_past_is_what_was() -> None:
    """At random moments and right at every turn; records older than their first version are rewound."""
    draw = random.Random(SEED)
    street = Street().household().job(MONDAY, "Completed", st_completed_on=MONDAY + timedelta(hours=2))
    street.versions = [
        (at + timedelta(days=20) if entity in ("jobs", "customers") else at, entity, *rest)
        for at, entity, *rest in street.versions
    ]
    street.estimate(MONDAY)
    street.put("estimates", 21, MONDAY + timedelta(days=3), status="Sold", sold_on=MONDAY + timedelta(days=3))
    street.invoice(MONDAY, date(2026, 6, 9))
    street.put("invoices", 31, MONDAY + timedelta(days=9), balance=0, paid_on=MONDAY + timedelta(days=9))
    street.membership(MONDAY + timedelta(days=30), date(2026, 6, 20))
    street.put("memberships", 61, MONDAY + timedelta(days=31), status="Expired")
    street.put("estimates", 21, MONDAY + timedelta(days=12), deleted_at=MONDAY + timedelta(days=12))
    kept = street.known()
    every = [each for entity in kept.entities() for each in kept._known(entity).values()]
    turns = sorted(set().union(*(each.turns() for each in every)))
    moments = [turn + timedelta(microseconds=beside) for turn in turns for beside in (-1, 0, 1)]
    moments += [MONDAY + timedelta(seconds=draw.randrange(-86400 * 10, 86400 * 60)) for _ in range(200)]
    for order in (sorted(moments), draw.sample(moments, len(moments))):
        for moment in order:
            anew = street.known()
            mine, theirs = kept.at(1, moment), anew.at(1, moment)
            assert (plain(mine), mine.approximate) == (plain(theirs), theirs.approximate)
            versions = [each for entity in anew.entities() for each in anew.of(entity, 1)]
            assert mine.approximate == any(each._at(moment)[1] for each in versions)
            assert kept.row("jobs", 11, moment) == anew.row("jobs", 11, moment)
            known = anew._known("memberships")[61]
            assert mine.get("memberships", 61) == known._at(moment)[0]


def plain(bundle: Bundle) -> dict[str, dict[int, Any]]:
    return {entity: dict(bundle.kind(entity).rows) for entity in READINGS}


@pytest.mark.parametrize(
    ("part", "own"),
    [
        ("job.job_status == 'Completed'", True),
        ("job.customer_id != null", True),
        ("job.total > 1", True),
        ("job.campaign != null", False),  # looked up elsewhere: the bare row never has it
        ("job.type.name == 'Repair'", False),
    ],
)
def test_only_columns_of_the_record_itself_decide_beforehand(part: str, own: bool) -> None:
    assert own_parts(part, "jobs", "job") == ((part,) if own else ())


@given(
    sign=st.sampled_from(["<", "<=", ">", ">="]),
    span=st.sampled_from(["now", "now - duration('24h')", "now + duration('7h')", "now-duration('720h')"]),
    field=st.sampled_from(["created_on", "modified_on"]),
    beside=st.sampled_from([-1, 0, 1]) | st.integers(-(10**13), 10**13),
    hours=st.sampled_from([-24, 0, 7, -720]),
    none=st.booleans(),
)
def test_a_span_is_judged_as_the_language_judges_it(
    sign: str, span: str, field: str, beside: int, hours: int, none: bool
) -> None:
    """To the microsecond, and a record without the moment is left to the condition itself."""
    where = f"job.{field} {sign} {span}"
    column = f"st_{field}"
    moment = None if none else MONDAY + timedelta(hours=hours, microseconds=beside)
    row = {"st_id": 1, "st_created_on": MONDAY, "st_modified_on": MONDAY, "active": True, "deleted_at": None}
    row |= dict.fromkeys(READINGS["jobs"].columns) | {column: moment}
    sieve = Sieve(replace(shipped()["review-request"], trigger=Trigger(where=where)), "jobs", ZoneInfo("UTC"))
    asked = {"now": MONDAY, "job": {field: moment}, "company": {"zone": "UTC"}}
    try:
        expected = expressions.holds(where, asked)
    except Undecidable:
        expected = True
    assert sieve.may_hold(row, MONDAY) == expected
    found = span_of(where, sieve._clock)
    assert found is not None
    until = found.false_until(row, MONDAY)
    assert (until is None) == expected
    if until is not None and until < LAST:
        assert not expressions.holds(where, {**asked, "now": until - timedelta(microseconds=1)})
        assert expressions.holds(where, {**asked, "now": until + timedelta(microseconds=1)})
