"""The company's figures of a day and of a week, out of the mirror, counted as the vendor counts them.

Days are those of the company's calendar. A job is booked on the day on which it was created and done on the
day on which it was completed; what was sold is the subtotal of estimates by the day of their sale; revenue is
the total of the jobs that were done. Open and overdue is what is so now.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from perfectcatch.scheduling.intervals import whole_day
from perfectcatch.store.names import EVENTS, MESSAGES
from perfectcatch.store.workflows.freshness import is_fresh
from perfectcatch.workflows import wording
from perfectcatch.workflows.questions.asked import Asked

GIVES: Final = ("summary", "scorecard", "fresh", "day", "week")
FRESH: Final = timedelta(minutes=30)
_COUNTED: Final = ("jobs", "appointments", "estimates", "invoices", "calls", "leads", "memberships")
_MOST_REASONS: Final = 3


async def answer(asked: Asked) -> dict[str, Any]:
    """The day ``days_back`` days ago (0: today) and the last whole week, as figures and as sentences.

    ``plan``: what a day should bring, in dollars; 0 for none.
    """
    today = asked.now.astimezone(asked.zone).date()
    day = today - timedelta(days=int(asked.values.get("days_back") or 0))
    monday = today - timedelta(days=today.weekday() + 7)
    fresh = await is_fresh(asked.pool, asked.tenant_id, _COUNTED, FRESH)
    of_day = await _day(asked, day, today)
    of_week = await _week(asked, monday)
    plan = float(asked.values.get("plan") or 0)
    return {
        "summary": _summary(of_day, day, plan, fresh=fresh),
        "scorecard": _scorecard(of_week, monday),
        "fresh": fresh,
        "day": of_day,
        "week": of_week,
    }


async def _day(asked: Asked, day: date, today: date) -> dict[str, Any]:
    tomorrow = whole_day(today + timedelta(days=1), asked.zone)
    values = _between(asked, day, day) | {"today": today, "tomorrow": tomorrow.start, "after": tomorrow.end}
    [found] = await asked.reads.rows(_DAY.format(**asked.tables), values)
    ages = await asked.reads.rows(_AGES.format(**asked.tables), values)
    held = await asked.reads.rows(_KEPT_BACK, values)
    return found | {
        "open_estimates": {row["age"]: {"count": row["count"], "value": row["value"]} for row in ages},
        "kept_back": {row["reason"]: row["count"] for row in held},
    }


async def _week(asked: Asked, monday: date) -> dict[str, Any]:
    values = _between(asked, monday, monday + timedelta(days=6))
    [found] = await asked.reads.rows(_WEEK.format(**asked.tables), values)
    return found


def _between(asked: Asked, first: date, last: date) -> dict[str, Any]:
    start: datetime = whole_day(first, asked.zone).start
    return {
        "tenant": asked.tenant_id,
        "start": start,
        "end": whole_day(last, asked.zone).end,
        "now": asked.now,
    }


# Sentences ---------------------------------------------------------------------------------------


def _summary(day: Mapping[str, Any], of: date, plan: float, *, fresh: bool) -> str:
    ages = day["open_estimates"]
    answered = day["answered_seconds"]
    told = [
        f"{wording.date_of(of)}: {day['booked']} jobs booked, {day['done']} done for {_money(day['revenue'])}"
        + (f" of {_money(plan)} planned" if plan else ""),
        f"{day['sold']} estimates sold for {_money(day['sold_value'])}",
        f"{day['missed']} of {day['inbound']} calls missed",
        "enquiries answered after " + (_span(answered) if answered is not None else "no known time"),
        "open estimates "
        + (
            ", ".join(f"{age} days: {each['count']} ({_money(each['value'])})" for age, each in ages.items())
            or "none"
        ),
        f"{day['overdue']} invoices overdue ({_money(day['overdue_value'])})",
        f"{day['unconfirmed']} of {day['visits_tomorrow']} visits of tomorrow unconfirmed",
        f"{day['messages_sent']} messages sent"
        + "".join(f", {count} {reason.replace('_', ' ')}" for reason, count in day["kept_back"].items()),
        f"{day['reviews']} review links opened",
    ]
    late = "" if fresh else "The mirror is older than 30 minutes. "
    return late + "; ".join(told) + "."


def _scorecard(week: Mapping[str, Any], monday: date) -> str:
    ticket = week["revenue"] / week["tickets"] if week["tickets"] else None
    close = week["won"] / week["opportunities"] if week["opportunities"] else None
    options = week["options"] / week["opportunities"] if week["opportunities"] else None
    told = [
        f"Week of {wording.date_of(monday)}: {week['done']} jobs done for {_money(week['revenue'])}",
        "average ticket " + (_money(ticket) if ticket is not None else "none"),
        "closed "
        + (f"{close:.0%} of {week['opportunities']} opportunities" if close is not None else "none"),
        "options shown " + (f"{options:.1f}" if options is not None else "none"),
        f"{week['memberships']} memberships sold, {week['recalls']} recalls",
        f"{week['reviews']} review links opened",
    ]
    return "; ".join(told) + "."


def _money(amount: Any) -> str:
    return f"${amount:,.0f}"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"  # noqa: PLR2004 - two hours


# Statements --------------------------------------------------------------------------------------

_REVIEWS: Final = f"""(select count(*) from {EVENTS} e where e.tenant_id = %(tenant)s
    and e.event_type = 'review_opened' and e.occurred_at >= %(start)s and e.occurred_at < %(end)s)"""
_DONE: Final = """j.tenant_id = %(tenant)s and j.deleted_at is null and j.job_status = 'Completed'
    and j.st_completed_on >= %(start)s and j.st_completed_on < %(end)s"""
_INBOUND: Final = """c.tenant_id = %(tenant)s and c.deleted_at is null and c.direction = 'Inbound'
    and c.st_created_on >= %(start)s and c.st_created_on < %(end)s"""
_DAY: Final = f"""
select
  (select count(*) from {{jobs}} j where j.tenant_id = %(tenant)s and j.deleted_at is null
    and j.st_created_on >= %(start)s and j.st_created_on < %(end)s) as booked,
  (select count(*) from {{jobs}} j where {_DONE}) as done,
  (select coalesce(sum(j.total), 0) from {{jobs}} j where {_DONE}) as revenue,
  s.sold, s.sold_value, c.inbound, c.missed, o.overdue, o.overdue_value, v.visits_tomorrow, v.unconfirmed,
  (select count(*) from {MESSAGES} m where m.tenant_id = %(tenant)s and not m.shadow
    and m.status in ('sent', 'delivered', 'unknown') and m.sent_at >= %(start)s and m.sent_at < %(end)s)
    as messages_sent,
  {_REVIEWS} as reviews,
  (select percentile_cont(0.5) within group (order by extract(epoch from first.at - l.st_created_on))
    from {{leads}} l cross join lateral (
      select min(at) as at from (
        select m.sent_at as at from {MESSAGES} m where m.tenant_id = l.tenant_id
          and m.address in (l.phone, l.email) and m.sent_at >= l.st_created_on and not m.shadow
        union all
        select k.st_created_on from {{calls}} k where k.tenant_id = l.tenant_id and k.direction = 'Outbound'
          and k.to_number = l.phone and k.st_created_on >= l.st_created_on
      ) every) first
    where l.tenant_id = %(tenant)s and l.deleted_at is null and l.st_created_on >= %(start)s
      and l.st_created_on < %(end)s and first.at is not null) as answered_seconds
from
  (select count(*) as sold, coalesce(sum(e.subtotal), 0) as sold_value from {{estimates}} e
    where e.tenant_id = %(tenant)s and e.deleted_at is null and e.status = 'Sold'
    and e.sold_on >= %(start)s and e.sold_on < %(end)s) s,
  (select count(*) as inbound,
      count(*) filter (where c.call_type = 'Abandoned' or c.voicemail_path is not null) as missed
    from {{calls}} c where {_INBOUND}) c,
  (select count(*) as overdue, coalesce(sum(i.balance), 0) as overdue_value from {{invoices}} i
    where i.tenant_id = %(tenant)s and i.deleted_at is null and i.balance > 0 and i.due_date < %(today)s) o,
  (select count(*) as visits_tomorrow, count(*) filter (where a.is_confirmed is not true) as unconfirmed
    from {{appointments}} a where a.tenant_id = %(tenant)s and a.deleted_at is null
    and a.status in ('Scheduled', 'Dispatched') and a.start_time >= %(tomorrow)s
    and a.start_time < %(after)s) v"""
_AGES: Final = """
select case when age < 8 then '0-7' when age < 31 then '8-30' when age < 91 then '31-90'
    else 'over 90' end as age,
  count(*) as count, coalesce(sum(subtotal), 0) as value
from (select e.subtotal, extract(day from %(now)s - e.st_created_on) as age from {estimates} e
  where e.tenant_id = %(tenant)s and e.deleted_at is null and e.active and e.status = 'Open') open
group by 1 order by min(age)"""
_KEPT_BACK: Final = f"""
select reason, count(*) as count from {MESSAGES}
where tenant_id = %(tenant)s and not shadow and (held or status in ('suppressed', 'refused', 'failed'))
  and decided_at >= %(start)s and decided_at < %(end)s
group by 1 order by 2 desc, 1 limit {_MOST_REASONS}"""
_WEEK: Final = f"""
select
  (select count(*) from {{jobs}} j where {_DONE}) as done,
  (select count(*) from {{jobs}} j where {_DONE} and j.total > 0) as tickets,
  (select coalesce(sum(j.total), 0) from {{jobs}} j where {_DONE}) as revenue,
  (select count(*) from {{jobs}} j where j.tenant_id = %(tenant)s and j.deleted_at is null
    and j.recall_for_id is not null and j.st_created_on >= %(start)s and j.st_created_on < %(end)s)
    as recalls,
  (select count(*) from {{memberships}} m where m.tenant_id = %(tenant)s and m.deleted_at is null
    and m.st_created_on >= %(start)s and m.st_created_on < %(end)s) as memberships,
  {_REVIEWS} as reviews, o.opportunities, o.won, o.options
from (select count(*) as opportunities, count(*) filter (where won) as won,
    coalesce(sum(options), 0) as options
  from (select bool_or(e.status = 'Sold') as won, count(*) as options from {{estimates}} e
    where e.tenant_id = %(tenant)s and e.deleted_at is null and e.is_change_order is not true
      and e.st_created_on >= %(start)s and e.st_created_on < %(end)s
    group by coalesce(e.job_id, -e.st_id)) every) o"""
