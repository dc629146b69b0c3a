"""Quiet hours: whether a moment is allowed everywhere that a recipient may be, and the next one that is.

A message may go only while every place (area code, service address) allows it, in each of its zones and
states.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import holidays
import yaml

from perfectcatch.messaging.facts import Place
from perfectcatch.messaging.numbers import anywhere
from perfectcatch.messaging.rules import Registration, Rules
from perfectcatch.model.messaging import Purpose

MARGIN: Final = timedelta(seconds=30)  # a text handed over in the last moment would arrive after it
LONGEST_SECONDS: Final = 36_000  # a vendor keeps no text for longer
_FURTHEST_DAYS: Final = 14
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table. ``opens`` equal to ``closes``: not at all on these days."""

    state: str  # or any
    purpose: str  # or any
    days: frozenset[str]  # empty: all
    opens: time
    closes: time
    since: date | None
    until: date | None
    source: str

    def matches(self, purpose: Purpose, state: str | None, day: date, *, holiday: bool) -> bool:
        """Whether the row says something about ``day``."""
        named = not self.days or _DAYS[day.weekday()] in self.days or (holiday and "holidays" in self.days)
        return (
            named
            and self.purpose in ("any", purpose)
            and self.state in ("any", state)
            and (self.since is None or self.since <= day)
            and (self.until is None or day <= self.until)
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A span in which a place allows messages."""

    opens: datetime
    closes: datetime
    because: str  # the source of the row that ends it


def allowed_from(places: Sequence[Place], purpose: Purpose, now: datetime) -> datetime | None:
    """``now`` if it is allowed, else the first moment that is; None if there is none within two weeks."""
    spots = list(_spots(places))
    moment = now
    last = now + timedelta(days=_FURTHEST_DAYS)
    while moment <= last:
        latest = moment
        for zone, state in spots:
            opening = _next(zone, state, purpose, moment)
            if opening is None:
                return None
            latest = max(latest, opening)
        if latest == moment:
            return moment
        moment = latest
    return None


def seconds_left(places: Sequence[Place], purpose: Purpose, now: datetime) -> int:
    """How long from ``now`` every place stays open, at most ten hours; 0 when it is not allowed."""
    left = timedelta(seconds=LONGEST_SECONDS)
    for zone, state in _spots(places):
        window = next((each for each in _windows(zone, state, purpose, now) if _inside(each, now)), None)
        left = min(left, window.closes - now) if window else timedelta()
    return max(0, int(left.total_seconds()))


def reason(places: Sequence[Place], purpose: Purpose, now: datetime) -> str:
    """For people: where it is too early or too late."""
    for zone, state in _spots(places):
        if _next(zone, state, purpose, now) != now:
            local = now.astimezone(ZoneInfo(zone))
            where = f"{state}, {zone}" if state else zone
            feast = _holidays(state).get(local.date()) if purpose is Purpose.MARKETING else None
            day = f"{local:%a %H:%M}, {feast}," if feast else f"{local:%a %H:%M}"
            return f"it is {day} at the recipient's place ({where})"
    return "it is allowed"


def unregistered(places: Sequence[Place], rules: Rules, now: datetime) -> str | None:
    """A state of the recipient that wants marketers registered, where the company is not."""
    for row in _table()["registrations"]:
        for place in places:
            due = row.get("since") is None or row["since"] <= now.date()
            if row["state"] in place.states and due and rules.registration(row["state"]) is Registration.NONE:
                return str(row["state"])
    return None


def _spots(places: Iterable[Place]) -> Iterator[tuple[str, str | None]]:
    """Every zone with every state; a number whose place is unknown may be anywhere."""
    known = False
    for place in places:
        if not place.zones and place.source == "number":
            yield from ((zone, None) for zone in anywhere())
        known = known or bool(place.zones) or place.source == "number"
        yield from ((zone, state) for zone in place.zones for state in place.states or (None,))
    if not known:
        yield from ((zone, None) for zone in anywhere())


def _next(zone: str, state: str | None, purpose: Purpose, moment: datetime) -> datetime | None:
    for window in _windows(zone, state, purpose, moment):
        if _inside(window, moment):
            return moment
        if window.opens > moment and window.closes - window.opens > MARGIN:
            return window.opens
    return None


def _inside(window: Window, moment: datetime) -> bool:
    return window.opens <= moment and moment + MARGIN <= window.closes


def _windows(zone: str, state: str | None, purpose: Purpose, moment: datetime) -> Iterator[Window]:
    """The windows of the days from the one of ``moment`` on."""
    first = moment.astimezone(ZoneInfo(zone)).date()
    for ahead in range(_FURTHEST_DAYS + 1):
        window = _window(zone, state, purpose, first + timedelta(days=ahead))
        if window is not None:
            yield window


@lru_cache(maxsize=8192)
def _window(zone: str, state: str | None, purpose: Purpose, day: date) -> Window | None:
    """When ``day`` is open: what every row that matches allows."""
    holiday = _is_holiday(state, day)
    rows = [row for row in _rows() if row.matches(purpose, state, day, holiday=holiday)]
    opens = max(row.opens for row in rows)
    closing = min(rows, key=lambda row: row.closes)
    if any(row.opens == row.closes for row in rows) or opens >= closing.closes:
        return None
    there = ZoneInfo(zone)
    return Window(
        datetime.combine(day, opens, there).astimezone(UTC),
        datetime.combine(day, closing.closes, there).astimezone(UTC),
        closing.source,
    )


@lru_cache(maxsize=4096)
def _is_holiday(state: str | None, day: date) -> bool:
    return day in _holidays(state)


@lru_cache(maxsize=128)
def _holidays(state: str | None) -> holidays.HolidayBase:
    known = holidays.country_holidays("US").subdivisions
    return holidays.country_holidays("US", subdiv=state if state in known else None)


@lru_cache(maxsize=1)
def _rows() -> tuple[Row, ...]:
    return tuple(
        Row(
            state=each["state"],
            purpose=each["purpose"],
            days=frozenset() if each["days"] == "all" else frozenset(each["days"]),
            opens=time.fromisoformat(each["from"]),
            closes=time.fromisoformat(each["to"]),
            since=each.get("since"),
            until=each.get("until"),
            source=each["source"],
        )
        for each in _table()["rows"]
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = files("perfectcatch.messaging").joinpath("data/quiet_hours.yaml").read_text()
    read: dict[str, Any] = yaml.safe_load(text)
    return read
