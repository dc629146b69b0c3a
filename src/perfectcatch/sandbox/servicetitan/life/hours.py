"""When the company works: its local time, its office hours, and how a week's business spreads over them.

Moments are microseconds since 1970, as everywhere in the sandbox.
"""

from datetime import date, datetime, time, timedelta
from functools import cache
from random import Random

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company.moments import ZONE
from perfectcatch.sandbox.servicetitan.company.trades import WEEKDAYS

HOUR = 60 * moments.MINUTE
DAY = moments.DAY
_QUARTER = 15 * moments.MINUTE
_SATURDAY, _SUNDAY = 5, 6
_OPENS, _CLOSES = 7, 18
_SATURDAY_OPENS, _SATURDAY_CLOSES = 8, 13
# A day's calls by the hour: the morning is the busiest, somebody always calls at night.
_CALLS = (
    0.1,
    0.1,
    0.05,
    0.05,
    0.1,
    0.2,
    0.5,
    5,
    11,
    11,
    10,
    9,
    7,
    8,
    8,
    7,
    6,
    4,
    1.2,
    0.8,
    0.6,
    0.4,
    0.3,
    0.2,
)
# Forms and bookings on the website come in the evening as well.
_FORMS = (0.6, 0.4, 0.2, 0.2, 0.3, 0.6, 1.5, 4, 5, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 5, 3, 1.5)


def local(moment: int) -> datetime:
    """The company's local time."""
    return moments.moment_of(moment).astimezone(ZONE)


def at(day: date, hour: float) -> int:
    """The moment of a local hour on a local day."""
    midnight = datetime.combine(day, time(12), ZONE)
    return moments.micros(midnight) - 12 * HOUR + int(hour * HOUR)


def hours_open(day: date) -> tuple[int, int] | None:
    """From which hour to which the office is there on a day; None on Sundays."""
    if day.weekday() == _SUNDAY:
        return None
    return (_SATURDAY_OPENS, _SATURDAY_CLOSES) if day.weekday() == _SATURDAY else (_OPENS, _CLOSES)


def in_office(moment: int) -> bool:
    """Whether somebody is in the office."""
    here = local(moment)
    span = hours_open(here.date())
    return span is not None and span[0] <= here.hour < span[1]


def office_moment(moment: int, random: Random) -> int:
    """This moment if the office is open, else one in the first ninety minutes in which it is again."""
    if in_office(moment):
        return moment
    day = local(moment).date()
    late = int(random.random() * 1.5 * HOUR)
    while True:
        span = hours_open(day)
        if span is not None and (opens := at(day, span[0])) > moment:
            return opens + late
        day += timedelta(days=1)


def working_time_ago(now: int, span: int) -> int:
    """The moment so long before ``now`` that the office was open for ``span`` since, to a quarter of an hour.

    A company that begins there and lives up to now has a morning behind it, at whatever hour it is looked at.
    """
    moment, open_for = now, 0
    while open_for < span:
        moment -= _QUARTER
        open_for += _QUARTER if in_office(moment) else 0
    return moment


def workday(day: date) -> bool:
    """Whether the day is a Monday to Friday."""
    return day.weekday() < _SATURDAY


@cache
def share(weekday: int, hour: int, *, online: bool) -> float:
    """The share of a week's business that comes in a local hour of a weekday (0 is Monday)."""
    table = _FORMS if online else _CALLS
    days = [max(each, 0.3) if online else each for each in WEEKDAYS]
    return days[weekday] / sum(days) * table[hour] / sum(table)
