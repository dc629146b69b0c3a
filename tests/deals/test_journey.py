"""From facts to what an opportunity says: by examples, and for whatever a customer may have."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deals.dealer import RULES
from deals.memory_crm import INSTALL, SALES, pipeline, usual
from perfectcatch.deals.desk import known, rows_of
from perfectcatch.deals.journey import one_of, wanted
from perfectcatch.deals.mapping import discover, renamed
from perfectcatch.deals.rules import Rules, read
from perfectcatch.errors import BadSetting
from perfectcatch.model.crm import DealStatus
from perfectcatch.model.deals import (
    STEPS,
    Bill,
    Customer,
    Estimate,
    Facts,
    Job,
    Part,
    Step,
    Track,
    Unit,
    Visit,
    Wanted,
)

NOW = datetime(2026, 6, 10, 18, tzinfo=UTC)
DAY = timedelta(days=1)
ANN = Customer(st_id=7, name="Ann Lee", created_at=NOW - DAY)
CREW = Unit(st_id=2, name="Install Phoenix")


def job(st_id: int = 70, **values: Any) -> Job:
    return Job(
        **{"st_id": st_id, "number": str(st_id), "created_at": NOW - DAY, "changed_at": NOW - DAY, **values}
    )


def offer(
    st_id: int = 72, job_id: int | None = 70, status: str = "Open", total: int = 900, **values: Any
) -> Estimate:
    usual_ = {"created_at": NOW - DAY, "changed_at": NOW - DAY, "name": f"Option {st_id}"}
    return Estimate(
        **{"st_id": st_id, "job_id": job_id, "status": status, "total": Decimal(total), **usual_, **values}
    )


def visit(job_id: int = 70, status: str = "Scheduled", st_id: int = 71) -> Visit:
    return Visit(st_id=st_id, job_id=job_id, status=status, starts_at=NOW)


def bill(total: int, balance: int, job_id: int = 70) -> Bill:
    return Bill(st_id=job_id + 5, job_id=job_id, total=Decimal(total), balance=Decimal(balance))


def deals(rules: Rules = RULES, parts: frozenset[Part] = frozenset(Part), **facts: Any) -> list[Wanted]:
    given_ = {name: tuple(values) if isinstance(values, list) else values for name, values in facts.items()}
    return list(wanted(Facts(**{"customer": ANN, "family": (7,), **given_}), rules, NOW, parts))


def places(**facts: Any) -> list[tuple[str, str, str]]:
    return [(each.key, each.step.value, each.status.value) for each in deals(**facts)]


ONE = "job-70"
EXAMPLES: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    ("a new customer", {}, [("customer-7", "new_lead", "open")]),
    ("who was called", {"customer": replace(ANN, contacted_at=NOW)}, [("customer-7", "contacted", "open")]),
    ("who is gone", {"customer": replace(ANN, active=False)}, []),
    ("a job without a visit", {"jobs": [job()]}, [(ONE, "contacted", "open")]),
    ("a planned visit", {"jobs": [job()], "visits": [visit()]}, [(ONE, "appointment_scheduled", "open")]),
    (
        "a visit called off",
        {"jobs": [job()], "visits": [visit(status="Canceled")]},
        [(ONE, "contacted", "open")],
    ),
    ("a job called off", {"jobs": [job(status="Canceled")]}, [(ONE, "estimate_lost", "lost")]),
    ("a free look", {"jobs": [job(status="Completed")]}, [(ONE, "proposal_sent", "open")]),
    (
        "a repair that was billed",
        {"jobs": [job(status="Completed")], "bills": [bill(300, 300)]},
        [(ONE, "job_sold", "won")],
    ),
    ("an offer", {"jobs": [job()], "estimates": [offer()]}, [(ONE, "proposal_sent", "open")]),
    (
        "an offer that rests",
        {"jobs": [job()], "estimates": [offer(created_at=NOW - 4 * DAY)]},
        [(ONE, "follow_up", "open")],
    ),
    (
        "one sale closes the rest",
        {"jobs": [job()], "estimates": [offer(72), offer(73, status="Sold"), offer(74, status="Dismissed")]},
        [(ONE, "job_sold", "won")],
    ),
    (
        "all dismissed",
        {"jobs": [job()], "estimates": [offer(72, status="Dismissed"), offer(73, status="Dismissed")]},
        [(ONE, "estimate_lost", "lost")],
    ),
    ("an offer without a job", {"estimates": [offer(72, None)]}, [("estimate-72", "proposal_sent", "open")]),
    (
        "options of one project",
        {"estimates": [offer(72, None, project_id=5), offer(73, None, "Sold", project_id=5)]},
        [("estimate-72", "job_sold", "won")],
    ),
    (
        "an installation of a sale",
        {"jobs": [job(), job(80, unit=CREW, from_estimate_id=72)], "estimates": [offer(status="Sold")]},
        [(ONE, "ready_for_install", "won")],
    ),
    (
        "an installation of the same project",
        {
            "jobs": [job(project_id=5), job(80, unit=CREW, project_id=5)],
            "estimates": [offer(status="Sold")],
            "visits": [visit(80)],
        },
        [(ONE, "install_scheduled", "won")],
    ),
    (
        "an installation that is done",
        {
            "jobs": [job(), job(80, unit=CREW, from_estimate_id=72, status="Completed")],
            "estimates": [offer(status="Sold")],
            "bills": [bill(900, 100, 80)],
        },
        [(ONE, "install_complete", "won")],
    ),
    (
        "and paid",
        {
            "jobs": [job(status="Completed"), job(80, unit=CREW, from_estimate_id=72, status="Completed")],
            "estimates": [offer(status="Sold")],
            "bills": [bill(900, 0, 80)],
        },
        [(ONE, "paid", "won")],
    ),
    (
        "an installation called off",
        {
            "jobs": [job(), job(80, unit=CREW, from_estimate_id=72, status="Canceled")],
            "estimates": [offer(status="Sold")],
        },
        [(ONE, "job_sold", "won")],
    ),
    ("two jobs", {"jobs": [job(), job(90)]}, [(ONE, "contacted", "open"), ("job-90", "contacted", "open")]),
    ("a recall", {"jobs": [job(), job(90, puts_right_id=70)]}, [(ONE, "contacted", "open")]),
]


@pytest.mark.parametrize(
    ("facts", "expected"), [each[1:] for each in EXAMPLES], ids=[each[0] for each in EXAMPLES]
)
def test_where_a_deal_is(facts: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert places(**facts) == expected


@pytest.mark.parametrize(("worth", "value"), [("highest", 1500), ("sum", 2400), ("latest", 900), ("sold", 0)])
def test_what_a_deal_is_worth(worth: Any, value: int) -> None:
    offers = [offer(72, total=1500, created_at=NOW - 2 * DAY), offer(73, total=900)]
    rules = replace(RULES, worth=worth)
    [deal] = deals(rules, jobs=[job()], estimates=offers)
    assert deal.value == value
    offers[0] = replace(offers[0], status="Sold")
    assert deals(rules, jobs=[job()], estimates=offers)[0].value == 1500


def test_tracks_that_a_company_asks_for() -> None:
    rules = replace(RULES, reviews=True, nurture_days=1)
    assert deals(rules)[0].track is Track.NURTURE
    [deal] = deals(rules, jobs=[job(status="Completed")], bills=[bill(300, 0)])
    assert (deal.track, deal.over) == (Track.REVIEWS, True)


def test_where_one_opportunity_is_taken_the_open_and_newest_deal_is_shown() -> None:
    lost = offer(72, status="Dismissed", changed_at=NOW)
    found = deals(jobs=[job(), job(90)], estimates=[lost, offer(92, 90)])
    assert one_of(found).key == "job-90"


# Whatever a customer may have --------------------------------------------------------------------

_JOBS = st.builds(
    job,
    st.integers(1, 6),
    status=st.sampled_from(["Scheduled", "InProgress", "Hold", "Completed", "Canceled"]),
    unit=st.sampled_from([None, CREW]),
    project_id=st.sampled_from([None, 1, 2]),
    from_estimate_id=st.sampled_from([None, 11, 12, 13]),
    puts_right_id=st.sampled_from([None, None, None, 1, 2]),
)
_OFFERS = st.builds(
    offer,
    st.integers(11, 16),
    st.sampled_from([None, 1, 2, 3, 4, 5, 6]),
    st.sampled_from(["Open", "Sold", "Dismissed"]),
    st.integers(0, 2000),
    project_id=st.sampled_from([None, 1, 2]),
)
_FACTS = st.builds(
    Facts,
    customer=st.just(ANN),
    family=st.just((7,)),
    jobs=st.lists(_JOBS, max_size=5, unique_by=lambda each: each.st_id).map(tuple),
    estimates=st.lists(_OFFERS, max_size=5, unique_by=lambda each: each.st_id).map(tuple),
    visits=st.lists(st.builds(visit, st.integers(1, 6)), max_size=4).map(tuple),
    bills=st.lists(st.builds(bill, st.integers(0, 9), st.integers(0, 9), st.integers(1, 6)), max_size=3).map(
        tuple
    ),
)


@given(_FACTS)
@settings(max_examples=150, deadline=None)
def test_every_estimate_is_in_one_deal_and_every_deal_says_what_its_estimates_say(facts: Facts) -> None:
    found = wanted(facts, RULES, NOW)
    keys = [each.key for each in found]
    assert len(keys) == len(set(keys))
    assert all(each.step in STEPS[each.track] for each in found)
    shown = [job_id for each in found for job_id in each.job_ids]
    assert len(shown) == len(set(shown))
    for each in found:
        assert (each.step in (Step.JOB_SOLD, *STEPS[Track.INSTALL])) == (each.status is DealStatus.WON)
        assert (each.step is Step.ESTIMATE_LOST) == (each.status is DealStatus.LOST)
        of_jobs = [one for one in facts.estimates if one.job_id in each.job_ids]
        if any(one.status == "Sold" for one in of_jobs):
            assert each.status is DealStatus.WON
    if any(one.status == "Sold" for one in facts.estimates):
        assert any(each.status is DealStatus.WON for each in found)


@given(_FACTS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_records_means_nothing(facts: Facts, chance: Any) -> None:
    def mixed(records: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(chance.sample(records, len(records)))

    other = replace(facts, jobs=mixed(facts.jobs), estimates=mixed(facts.estimates), bills=mixed(facts.bills))
    assert wanted(other, RULES, NOW) == wanted(facts, RULES, NOW)


# Stages of an account ----------------------------------------------------------------------------


def test_stages_are_found_by_name_and_keep_their_meaning_when_renamed() -> None:
    first = discover(usual(), RULES)
    assert set(first.spots) == {step for steps in STEPS.values() for step in steps}
    kept = [known(row) for row in rows_of(first)]
    other = [pipeline("p1", "Verkauf", ["Neu", *SALES[1:]]), *usual()[1:]]
    again = discover(other, RULES, kept)
    assert again.spots[Step.NEW_LEAD].stage.name == "Neu"
    assert [each for each in renamed(again, kept) if "Neu" in each]
    assert discover(other, RULES).missing == (Step.NEW_LEAD, Step.JOB_SOLD, Step.ESTIMATE_LOST)


def test_a_stage_that_is_not_there_is_stood_for_by_the_one_before() -> None:
    stages = discover([pipeline("p1", "Sales", ["New Lead", "Sold", "Lost"])], RULES)
    names = {step: spot.stage.name for step in Step if (spot := stages.spot(step)) is not None}
    assert names[Step.FOLLOW_UP] == "New Lead"
    assert names[Step.PAID] == "Sold"


def test_a_business_unit_has_a_pipeline_of_its_own() -> None:
    stages = discover(
        [*usual(), pipeline("p9", "Commercial", ["New Lead", "Quote", "Job Sold", "Lost"])], RULES
    )
    unit = Unit(st_id=3, name="Commercial", pipeline_id="p9")
    shown = {
        step: stages.spot(step, unit) for step in (Step.JOB_SOLD, Step.FOLLOW_UP, Step.INSTALL_SCHEDULED)
    }
    assert {step: (spot.pipeline_id, spot.stage.name) for step, spot in shown.items() if spot} == {
        Step.JOB_SOLD: ("p9", "Job Sold"),
        Step.FOLLOW_UP: ("p9", "New Lead"),
        Step.INSTALL_SCHEDULED: ("p2", INSTALL[1]),
    }


def test_rules_of_a_file(tmp_path: Any) -> None:
    from importlib.resources import files

    example = files("perfectcatch.deals").joinpath("rules-by-id.yaml")
    path = tmp_path / "rules.yaml"
    path.write_text(example.read_text())
    ids = ["3dc14ef1-1", "56ab4d16-1", "e439d832-1", "a75d3c82-1", "de5601ac-1", "97703c8d-1", "a7ca7df5-1"]
    other = pipeline("x", "SALES", [f"Stage {n}" for n in range(7)])
    other = replace(
        other,
        stages=tuple(replace(stage, id=its_id) for stage, its_id in zip(other.stages, ids, strict=True)),
    )
    found = discover([other], read(path))
    assert [found.spots[step].stage.id for step in STEPS[Track.SALES]] == ids
    for wrong in (
        "worth: most",
        "follow_up_days: -1",
        "nonsense: 1",
        "pipelines: {sales: {stages: {x: y}}}",
        "[1]",
        "a: [",
    ):
        path.write_text(wrong)
        with pytest.raises(BadSetting):
            read(path)
