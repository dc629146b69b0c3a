"""The dry run on a real mirror: records as they were, the gate's reasons, and nothing written."""

import itertools
from datetime import timedelta

import pytest
from shop import MONDAY, Shop

from perfectcatch.model.workflow import Definition
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows import definitions
from perfectcatch.workflows.records import Company
from perfectcatch.workflows.rehearsal.dry_run import dry_run
from perfectcatch.workflows.rehearsal.report import Report, Would

COMPANY = Company(name="Peak Air", phone="+13035550100", zone="America/Denver")
FOLLOW_UP = "estimate-follow-up"


async def rehearsed(shop: Shop, *names: str, days: int = 30, **more: bool) -> Report:
    chosen: list[Definition] = [definitions.shipped()[name] for name in names]
    now = MONDAY + timedelta(days=20)
    return await dry_run(shop.pool, shop.tenant, BY_NAME, chosen, now=now, days=days, company=COMPANY, **more)


def steps(report: Report) -> list[str]:
    return [each.step for each in report.would]


async def test_an_open_estimate_is_followed_up_to_the_end(shop: Shop) -> None:
    await shop.customer(1)
    await shop.job(11, 1, MONDAY)
    await shop.estimate(21, 11, 1, MONDAY)
    report = await rehearsed(shop, FOLLOW_UP, assume_consent=True)
    assert steps(report) == ["text-first", "text-second", "mail-options", "call", "text-week", "mail-close"]
    assert [each.status for each in report.would] == ["sent", "sent", "sent", "done", "sent", "sent"]
    first: Would = report.would[0]
    assert first.at == MONDAY + timedelta(hours=3)
    assert (first.customer, first.to, first.segments) == ("Lee, Ann", "+13035550101", 1)
    assert first.text is not None
    assert first.text.startswith("Hi Ann, thanks for having Peak Air over.")
    assert report.courses[0].reason == "finished"


async def test_without_proof_of_consent_marketing_is_kept_back_with_its_reason(shop: Shop) -> None:
    await shop.customer(1)
    await shop.job(11, 1, MONDAY)
    await shop.estimate(21, 11, 1, MONDAY)
    report = await rehearsed(shop, FOLLOW_UP)
    assert {each.reason for each in report.would if each.is_message} == {"no_consent"}


async def test_records_are_as_they_were(shop: Shop) -> None:
    """Sold on the fifth day: the estimate is open before, in the history, and silent after."""
    await shop.customer(1)
    await shop.job(11, 1, MONDAY)
    await shop.estimate(21, 11, 1, MONDAY)
    await shop.estimate(22, 11, 1, MONDAY, created=MONDAY)
    await shop.estimate(22, 11, 1, MONDAY + timedelta(days=5), "Sold", created=MONDAY)
    report = await rehearsed(shop, FOLLOW_UP, assume_consent=True)
    assert steps(report) == ["text-first", "text-second", "mail-options"]
    assert report.courses[0].reason == "sold"
    assert not any(each.approximate for each in report.would)
    assert report.skipped == {FOLLOW_UP: {"running": 1}}  # the second option is the same opportunity


async def test_a_record_that_came_with_the_first_load_is_wound_back(shop: Shop) -> None:
    """Nothing but the sold estimate of today is known: its own ``sold_on`` tells that it was open."""
    await shop.customer(1)
    await shop.job(11, 1, MONDAY)
    await shop.estimate(21, 11, 1, MONDAY + timedelta(days=2), "Sold", created=MONDAY)
    report = await rehearsed(shop, FOLLOW_UP, assume_consent=True)
    assert steps(report) == ["text-first", "text-second"]
    assert all(each.approximate for each in report.would)


async def test_two_workflows_are_seen_to_overlap_and_share_the_budget(shop: Shop) -> None:
    await shop.customer(1)
    await shop.job(11, 1, MONDAY, "Completed")
    await shop.assigned(31, 11, 41, MONDAY - timedelta(hours=2))
    await shop.estimate(21, 11, 1, MONDAY)
    report = await rehearsed(shop, FOLLOW_UP, "review-request", assume_consent=True)
    sent = [each for each in report.would if each.status == "sent" and each.at < MONDAY + timedelta(days=3)]
    assert len(sent) >= 2
    assert any(each.overlaps for each in sent)
    for each, following in itertools.pairwise(sent):  # at most one marketing message in 24 hours
        assert following.at - each.at >= timedelta(days=1)
    assert any(each.waited_since for each in sent)


async def test_nothing_is_written(shop: Shop) -> None:
    await shop.customer(1)
    await shop.job(11, 1, MONDAY)
    await shop.estimate(21, 11, 1, MONDAY)
    await rehearsed(shop, FOLLOW_UP, assume_consent=True)
    async with shop.pool.connection() as connection:
        found = await connection.execute(
            "select count(*) from automation.messaging_log where tenant_id = %s", (shop.tenant,)
        )
        assert await found.fetchone() == (0,)


@pytest.mark.parametrize("days", [0, 401])
async def test_days_have_limits(shop: Shop, days: int) -> None:
    with pytest.raises(Exception, match="1 to 400 days"):
        await rehearsed(shop, FOLLOW_UP, days=days)
