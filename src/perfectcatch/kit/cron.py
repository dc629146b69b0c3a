"""Cron expressions as people write them, and the moments that they mean in a time zone.

Five fields (minute, hour, day of month, month, day of week) or six with the *seconds first*. Names (MON,
JAN), ranges (also across the end: FRI-MON), steps and lists are understood; Sunday is 0 or 7. When day of
month and day of week are both restricted, either of them suffices, as in crontab(5).

A schedule is read off the wall clock of its zone. On the two days a year when that clock jumps:

* A time in the **missing hour** is read by the old clock: 02:30 runs at what is now called 03:30.
* A time in the **repeated hour** runs at its first passing, once. Only a schedule that names every hour
  (``*/5 * * * *``) goes on through both passings, otherwise it would pause for an hour.

So a nightly run happens exactly once on each of both days, and a run every five minutes never has a gap.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from perfectcatch.errors import BadSetting

EXAMPLE = (
    "write for example '*/5 * * * *' (every five minutes) or, seconds first, '0 30 2 * * *' (daily at 02:30)"
)

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_PART = re.compile(r"(?P<first>\*|\w{1,9})(?:-(?P<last>\w{1,9}))?(?:/(?P<step>\d{1,4}))?", re.ASCII)
_DAY = timedelta(days=1)
_HALF_DAY = timedelta(hours=12)
_SECOND = timedelta(seconds=1)
_EVER = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)
_NEVER = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
_ANY_MOMENT = datetime(2024, 1, 1)  # noqa: DTZ001  # a wall clock reading, which has no zone


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int | None:
        """Read a number, a name or its first three letters; None when it is none of this field."""
        if word.isdigit():
            number = int(word)
            return number if self.lowest <= number <= self.highest else None
        for position, name in enumerate(self.names):
            if word.lower() in (name, name[:3]):
                return position + self.lowest
        return None

    def values(self, text: str) -> set[int] | None:
        """All values that ``text`` names, None when it cannot be read."""
        named: set[int] = set()
        for part in text.split(","):
            values = self._values_of(part)
            if values is None:
                return None
            named |= values
        return {value % 7 for value in named} if self.name == "day of week" else named

    def _values_of(self, part: str) -> set[int] | None:
        match = _PART.fullmatch(part)
        if match is None or (step := int(match["step"] or 1)) == 0:
            return None
        if match["first"] == "*":
            first, last = self.lowest, self.highest
            if match["last"]:
                return None
        else:
            found = self.number(match["first"])
            until = self.number(match["last"]) if match["last"] else found
            if found is None or until is None:
                return None
            first, last = found, until if match["last"] or not match["step"] else self.highest
        if first <= last:
            return set(range(first, last + 1, step))
        every = [*range(first, self.highest + 1), *range(self.lowest, last + 1)]
        if self.name == "day of week":
            every = list(dict.fromkeys(day % 7 for day in every))  # 7 and 0 are one day, and one step
        return set(every[::step])


_SECONDS = _Field("second", 0, 59)
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class _Span:
    offset: timedelta
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule. ``text`` is what was written, ``for_engine`` the same with the seconds last."""

    text: str
    for_engine: str
    every_hour: bool

    def next_after(self, moment: datetime, timezone: tzinfo) -> datetime:
        """First tick later than ``moment``, both aware; the answer is in UTC."""
        return self._nearest(moment, timezone, forward=True)

    def latest_at(self, moment: datetime, timezone: tzinfo) -> datetime:
        """Last tick not later than ``moment``, both aware; the answer is in UTC."""
        return self._nearest(moment, timezone, forward=False)

    def _nearest(self, moment: datetime, timezone: tzinfo, *, forward: bool) -> datetime:
        moment = moment.astimezone(UTC).replace(microsecond=0)
        near = self._nearest_in(self._spans(moment, timezone), moment, forward=forward)
        # The spans are those around the moment. A tick further away may lie at a jump of its own.
        if abs(near - moment) > _HALF_DAY:
            closer = near - _HALF_DAY if forward else near + _HALF_DAY
            near = self._nearest_in(self._spans(closer, timezone), closer, forward=forward)
        return near

    def _nearest_in(self, spans: Iterable[_Span], moment: datetime, *, forward: bool) -> datetime:
        found: list[datetime] = []
        for span in spans:
            if forward:
                wall = _wall(max(moment, span.begin - _SECOND), span.offset)
                tick = _ticks(self.for_engine, wall).get_next(datetime)
            else:
                wall = _wall(min(moment, span.end - _SECOND) + _SECOND, span.offset)
                tick = _ticks(self.for_engine, wall).get_prev(datetime)
            instant = tick.replace(tzinfo=UTC) - span.offset
            if span.begin <= instant < span.end:
                found.append(instant)
        return min(found) if forward else max(found)

    def _spans(self, moment: datetime, timezone: tzinfo) -> Iterator[_Span]:
        """For the days around ``moment``: during which time a schedule is read by which offset from UTC."""
        before, after = _offset(moment - _DAY, timezone), _offset(moment + _DAY, timezone)
        if before == after:
            yield _Span(before, _EVER, _NEVER)
            return
        jump = _first_with(after, moment - _DAY, moment + _DAY, timezone)
        missing = max(after - before, timedelta(0))
        repeated = max(before - after, timedelta(0))
        yield _Span(before, _EVER, jump + missing)
        yield _Span(after, jump if self.every_hour else jump + repeated, _NEVER)


def _ticks(for_engine: str, wall: datetime) -> Any:
    """The engine that counts; imported when a schedule is read, 50 ms that most commands do without."""
    from croniter import croniter  # type: ignore[import-untyped]

    return croniter(for_engine, wall)


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return moment.replace(tzinfo=None) + offset


def _offset(moment: datetime, timezone: tzinfo) -> timedelta:
    return moment.astimezone(timezone).utcoffset() or timedelta(0)


def _first_with(offset: timedelta, earliest: datetime, latest: datetime, timezone: tzinfo) -> datetime:
    """First second in (earliest, latest] at which the zone has ``offset``, which it has at ``latest``."""
    while latest - earliest > _SECOND:
        middle = (earliest + (latest - earliest) / 2).replace(microsecond=0)
        earliest, latest = (earliest, middle) if _offset(middle, timezone) == offset else (middle, latest)
    return latest


def _comes(for_engine: str) -> bool:
    """Whether there is such a day, as the 30th of February is none; of any month there is each."""
    _, _, day, month, *_ = for_engine.split()
    if "*" in (day, month):
        return True
    from croniter import CroniterBadDateError

    try:
        _ticks(for_engine, _ANY_MOMENT).get_next(datetime)
    except CroniterBadDateError:
        return False
    return True


def parse(text: str, setting: str = "The schedule") -> Cron:
    """Read a cron expression. A wrong one raises BadSetting that names ``setting`` and shows a right one."""
    words = text.split()
    if len(words) not in (len(_FIELDS), len(_FIELDS) + 1):
        raise BadSetting(
            f"{setting} is {text!r}, which has {len(words)} fields instead of five or six; {EXAMPLE}."
        )
    seconds, rest = (words[:1], words[1:]) if len(words) > len(_FIELDS) else ([], words)
    fields = (*zip(_FIELDS, rest, strict=True), *((_SECONDS, second) for second in seconds))
    translated: list[str] = []
    for field, word in fields:
        values = field.values(word)
        if values is None:
            allowed = f"{field.lowest} to {field.highest}"
            raise BadSetting(
                f"{setting} is {text!r}, whose {field.name} {word!r} is not within {allowed}; {EXAMPLE}."
            )
        translated.append(word if word == "*" else ",".join(map(str, sorted(values))))
    for_engine = " ".join(translated)
    if not _comes(for_engine):
        raise BadSetting(f"{setting} is {text!r}, a day that no year has; {EXAMPLE}.")
    return Cron(text=text, for_engine=for_engine, every_hour=_FIELDS[1].values(rest[1]) == set(range(24)))
