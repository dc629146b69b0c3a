"""What comes by chance, and how often; and what is done every day at a fixed hour.

Each simulated hour is drawn from the seed and its own number alone: it does not matter how a span of time is
cut into advances.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company.trades import SEASONS
from perfectcatch.sandbox.servicetitan.life import (
    board,
    hours,
    inbound,
    members,
    money,
    quotes,
    records,
    visits,
)
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did

Happening = Callable[[Desk, object], Did | None]
# 1,696 customers made 3,260 jobs in three years of 156 weeks, of late about twice as many as on the average.
JOBS_A_WEEK = 3_260 / 1_696 / 156.4 * 2.1
_FEWEST_CUSTOMERS = 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that happens so often for each job that is booked; ``online``: in the evening as well."""

    happens: Happening
    per_job: float
    online: bool = False

    @property
    def name(self) -> str:
        """Its kind on the agenda."""
        return f"{self.happens.__module__.rsplit('.', 1)[1]}.{self.happens.__name__}"


ARRIVALS = (
    Arrival(inbound.call, 1.0),
    Arrival(inbound.online_booking, 0.16, online=True),
    Arrival(inbound.web_lead, 0.12, online=True),
    Arrival(inbound.office_job, 0.14),
    Arrival(quotes.quote, 0.03),
    Arrival(money.counter_sale, 0.05),
    Arrival(money.correct, 0.03),
    Arrival(members.sell, 0.06),
    Arrival(members.cancel, 0.012),
    Arrival(members.follow_up, 0.03),
    Arrival(records.edit_customer, 0.25),
    Arrival(records.edit_location, 0.15),
    Arrival(records.add_location, 0.03),
    Arrival(records.add_contact, 0.1),
    Arrival(records.edit_contact, 0.12),
    Arrival(records.delete_contact, 0.04),
    Arrival(records.merge, 0.02),
    Arrival(records.merge_locations, 0.01),
    Arrival(records.deactivate, 0.03),
    Arrival(records.reactivate, 0.015),
    Arrival(records.edit_job, 0.35),
    Arrival(records.note_job, 0.5),
    Arrival(records.note_customer, 0.08),
    Arrival(records.delete_note, 0.03),
    Arrival(records.delete_estimate, 0.015),
    Arrival(records.delete_lead, 0.012),
    Arrival(records.delete_visit, 0.03),
    Arrival(records.undelete, 0.02),
    Arrival(records.reopen_lead, 0.02),
    Arrival(board.day_off, 0.02),
    Arrival(board.drop_shift, 0.01),
    Arrival(board.event, 0.12),
    Arrival(board.drop_event, 0.02),
    Arrival(board.raise_prices, 0.03),
    Arrival(board.retire_article, 0.01),
)
# Local hour and minute, and whether only on days on which the office is there.
ROUTINES: tuple[tuple[int, int, bool, Happening], ...] = (
    (6, 10, False, members.renew),
    (9, 5, True, members.due),
    (15, 30, True, board.plan_shifts),
    (16, 0, True, board.staff),
    (19, 0, True, money.close_books),
)
# What was noted on the agenda for one record.
STEPS: dict[str, Happening] = {
    "visit": visits.step,
    "confirm": visits.confirm,
    "move": visits.move,
    "cancel": visits.cancel,
    "swap": visits.swap,
    "recall": visits.recall,
    "payment": money.pay,
    "estimate": quotes.decide,
    "follow_up": quotes.follow_up,
    "take_back": quotes.take_back,
    "give_up": quotes.give_up,
    "sold_work": quotes.sold_work,
    "lead": inbound.lead,
    "booking": inbound.convert,
}
BY_CHANCE: dict[str, Happening] = {each.name: each.happens for each in ARRIVALS}
BY_ROUTINE: dict[str, Happening] = {happens.__name__: happens for _, _, _, happens in ROUTINES}


def hour(desk: Desk, number: int) -> Iterator[tuple[str, int, int]]:
    """Yield kind, key and moment of everything that comes in hour ``number`` since 1970."""
    start = number * hours.HOUR
    here = hours.local(start)
    season = sum(each[here.month - 1] for each in SEASONS.values()) / len(SEASONS)
    customers = max(len(desk.tenant.table("crm.customers")), _FEWEST_CUSTOMERS)
    jobs = customers * JOBS_A_WEEK * season
    dice = desk.dice("hour", number)
    for arrival in ARRIVALS:
        share = hours.share(here.weekday(), here.hour, online=arrival.online)
        for _ in range(_times(dice, jobs * arrival.per_job * share)):
            moment = start + int(dice.random() * hours.HOUR)
            yield arrival.name, moment, moment
    for at, minute, only_open, happens in ROUTINES:
        if at == here.hour and not (only_open and hours.hours_open(here.date()) is None):
            yield happens.__name__, number, start + minute * moments.MINUTE


def _times(dice: Random, mean: float) -> int:
    """How often something happens that happens ``mean`` times on the average (Poisson)."""
    limit, product, times = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        times += 1
    return times
