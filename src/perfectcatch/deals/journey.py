"""From facts to what an opportunity should say. Pure: the same facts, rules and hour give the same answer."""

from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from perfectcatch.deals.journeys import ALL_PARTS, CANCELED, Journey, journeys
from perfectcatch.deals.rules import Rules
from perfectcatch.model.crm import DealStatus
from perfectcatch.model.deals import Estimate, Facts, Part, Step, Track, Unit, Wanted

LEAD: Final = "customer"  # a deal's name while there is neither a job nor an estimate
_DONE: Final = "Completed"
_LONGEST_NAME: Final = 200


def wanted(
    facts: Facts, rules: Rules, now: datetime, parts: frozenset[Part] = ALL_PARTS
) -> tuple[Wanted, ...]:
    """What every opportunity of a customer should say, the oldest deal first."""
    found = journeys(facts, parts)
    if found:
        return tuple(_of_journey(each, facts, rules, now) for each in found)
    if Part.CUSTOMERS in parts and not facts.jobs and not facts.estimates and facts.customer.active:
        return (_lead(facts, rules, now),)
    return ()


def shared_key(customer_id: int) -> str:
    """The name of the one deal of a customer whose contact takes no second opportunity."""
    return f"contact-{customer_id}"


def one_of(deals: Sequence[Wanted]) -> Wanted:
    """The deal that is shown where an account takes one opportunity a contact: an open one, the newest."""
    return max(deals, key=_rank)


def _rank(deal: Wanted) -> tuple[bool, bool, float]:
    moved = deal.moved_at.timestamp() if deal.moved_at is not None else 0.0
    return (not deal.over, deal.status is DealStatus.OPEN, moved)


def sharing(
    asked: Sequence[Wanted], own: Container[str], shared: str, gone: Container[str] = ()
) -> tuple[tuple[Wanted, ...], tuple[str, ...], str | None]:
    """Deals of a customer whose contact takes no further opportunity.

    ``own``: deals with an opportunity, which keep it. ``gone``: those whose opportunity a person deleted, who
    does not want it back. What has none shares one, under the name ``shared``: the one that is there, or that
    of the deal that matters least, unless a person deleted the shared one. Gives what is written, the names
    of those that are not shown, and whose opportunity becomes the shared one.
    """
    have = [each for each in asked if each.key in own or each.key in gone]
    without = [each for each in asked if each.key not in own and each.key not in gone]
    if not without:
        return tuple(have), (), None
    yielding: str | None = None
    shown = [each for each in have if each.key in own]
    if shared not in own and shared not in gone and shown:
        least = min(shown, key=_rank)
        have.remove(least)
        without.append(least)
        yielding = least.key
    only = one_of(without)
    beside = tuple(each.name for each in without if each.key != only.key)
    return (*have, replace(only, key=shared)), beside, yielding


# The stage ---------------------------------------------------------------------------------------

Place = tuple[Track, Step, DealStatus]


def _lead(facts: Facts, rules: Rules, now: datetime) -> Wanted:
    customer = facts.customer
    contacted = rules.contacted == "reached" or (
        rules.contacted == "logged" and customer.contacted_at is not None
    )
    since = max(filter(None, (customer.created_at, customer.contacted_at)), default=None)
    track, step = Track.SALES, Step.CONTACTED if contacted else Step.NEW_LEAD
    if rests(since, rules.nurture_days, now):
        track, step = Track.NURTURE, Step.NURTURE
    return Wanted(
        key=f"{LEAD}-{customer.st_id}",
        customer_id=customer.st_id,
        track=track,
        step=step,
        status=DealStatus.OPEN,
        name=_shortened(customer.name or f"Customer {customer.st_id}"),
        moved_at=since,
    )


def _of_journey(journey: Journey, facts: Facts, rules: Rules, now: datetime) -> Wanted:
    track, step, status = place(journey, rules, now)
    shown = _shown(journey.estimates)
    value = worth(journey, rules)
    over = status is DealStatus.LOST or (status is DealStatus.WON and _is_done(journey))
    return Wanted(
        key=journey.key,
        customer_id=facts.customer.st_id,
        track=track,
        step=step,
        status=status,
        name=_name(facts, journey, shown, value),
        value=value,
        job_id=journey.root.st_id if journey.root is not None else None,
        job_ids=tuple(job.st_id for job in journey.jobs),
        estimate_id=shown.st_id if shown is not None else None,
        technicians=", ".join(dict.fromkeys(name for job in journey.jobs for name in job.technicians)),
        unit=_unit(journey, track),
        over=over,
        moved_at=journey.moved_at,
    )


def place(journey: Journey, rules: Rules, now: datetime) -> Place:
    """Pipeline, stage and status of a journey."""
    sold = any(each.status == "Sold" for each in journey.estimates)
    if journey.installs:
        return _after(journey, rules, (Track.INSTALL, _install_step(journey), DealStatus.WON))
    if sold:
        return _after(journey, rules, (Track.SALES, Step.JOB_SOLD, DealStatus.WON))
    if journey.estimates:
        return _offered(journey, rules, now)
    return _worked(journey, rules)


def _install_step(journey: Journey) -> Step:
    if all(job.status == _DONE for job in journey.installs):
        return Step.PAID if _is_paid(journey) else Step.INSTALL_COMPLETE
    ids = {job.st_id for job in journey.installs}
    planned = any(each.job_id in ids and each.status != CANCELED for each in journey.visits)
    return Step.INSTALL_SCHEDULED if planned else Step.READY_FOR_INSTALL


def _offered(journey: Journey, rules: Rules, now: datetime) -> Place:
    still_open = [each for each in journey.estimates if each.status == "Open"]
    if not still_open:
        return (Track.SALES, Step.ESTIMATE_LOST, DealStatus.LOST)
    since = max(filter(None, (each.created_at for each in still_open)), default=None)
    step = Step.FOLLOW_UP if rests(since, rules.follow_up_days, now) else Step.PROPOSAL_SENT
    return (Track.SALES, step, DealStatus.OPEN)


def _worked(journey: Journey, rules: Rules) -> Place:
    """A job without any estimate: what is done and costs something was sold."""
    jobs = [job for job in journey.jobs if job.status != CANCELED]
    if not jobs:
        return (Track.SALES, Step.ESTIMATE_LOST, DealStatus.LOST)
    if all(job.status == _DONE for job in jobs):
        if _earned(journey) > 0:
            return _after(journey, rules, (Track.SALES, Step.JOB_SOLD, DealStatus.WON))
        return (Track.SALES, Step.PROPOSAL_SENT, DealStatus.OPEN)
    if any(each.status != CANCELED for each in journey.visits):
        return (Track.SALES, Step.APPOINTMENT_SCHEDULED, DealStatus.OPEN)
    return (Track.SALES, Step.CONTACTED, DealStatus.OPEN)


def _after(journey: Journey, rules: Rules, otherwise: Place) -> Place:
    """A company may ask for a review once all is done and paid."""
    if rules.reviews and _is_done(journey) and _is_paid(journey):
        return (Track.REVIEWS, Step.REVIEW, DealStatus.WON)
    return otherwise


def rests(since: datetime | None, days: float | None, now: datetime) -> bool:
    """Whether nothing has happened for so many days."""
    return since is not None and days is not None and now - since >= timedelta(days=days)


def _is_done(journey: Journey) -> bool:
    jobs = [job for job in journey.jobs if job.status != CANCELED]
    return bool(jobs) and all(job.status == _DONE for job in jobs)


def _is_paid(journey: Journey) -> bool:
    due = [each for each in journey.bills if (each.total or 0) > 0]
    return bool(due) and all((each.balance or 0) <= 0 for each in due)


# What it says ------------------------------------------------------------------------------------


def worth(journey: Journey, rules: Rules) -> Decimal | None:
    """What was sold; else what is offered, by the company's rule; else what was billed."""
    sold = [each for each in journey.estimates if each.status == "Sold"]
    if sold:
        return _sum(sold)
    offered = [each for each in journey.estimates if each.status == "Open"] or list(journey.estimates)
    if not offered:
        earned = _earned(journey)
        return earned if earned > 0 else None
    match rules.worth:
        case "sold":
            return Decimal(0)
        case "sum":
            return _sum(offered)
        case "latest":
            return _latest(offered).total or Decimal(0)
    return max(each.total or Decimal(0) for each in offered)


def _earned(journey: Journey) -> Decimal:
    billed = sum((each.total or Decimal(0) for each in journey.bills), Decimal(0))
    return billed or sum((job.total or Decimal(0) for job in journey.jobs), Decimal(0))


def _sum(estimates: Sequence[Estimate]) -> Decimal:
    return sum((each.total or Decimal(0) for each in estimates), Decimal(0))


def _shown(estimates: Sequence[Estimate]) -> Estimate | None:
    """The estimate that stands for all options: the one that was sold, else the latest open one."""
    for status in ("Sold", "Open", "Dismissed"):
        if of_status := [each for each in estimates if each.status == status]:
            return _latest(of_status)
    return _latest(estimates) if estimates else None


def _latest(estimates: Sequence[Estimate]) -> Estimate:
    return max(estimates, key=lambda each: (each.created_at is not None, each.created_at, each.st_id))


def _unit(journey: Journey, track: Track) -> Unit | None:
    if track is Track.INSTALL:
        return next((job.unit for job in journey.installs), None)
    return journey.unit


def _name(facts: Facts, journey: Journey, shown: Estimate | None, value: Decimal | None) -> str:
    customer = facts.customer.name or f"Customer {facts.customer.st_id}"
    if shown is not None:
        what = shown.name or f"Estimate {shown.st_id}"
    else:
        assert journey.root is not None
        what = f"Job {journey.root.number or journey.root.st_id}"
    return _shortened(f"{customer} - {what}", f" - ${value:,.2f}" if value is not None else "")


def _shortened(text: str, end: str = "") -> str:
    return text[: _LONGEST_NAME - len(end)] + end
