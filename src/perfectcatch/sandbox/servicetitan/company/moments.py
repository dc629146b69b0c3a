"""Moments of the made-up company: its working day in local time, and the vendor's way of writing a moment."""

from datetime import UTC, date, datetime, time
from random import Random
from zoneinfo import ZoneInfo

from perfectcatch.errors import BadArgument

MINUTE, HOUR, DAY = 60, 3_600, 86_400
YEARS_BACK = 3
ZONE = ZoneInfo("America/New_York")

_EPOCH = date(1970, 1, 1).toordinal()
_MINUTES = tuple(f"{hour:02d}:{minute:02d}" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02d}" for second in range(60))
_FRACTIONS = 10_000_000
_SIX_DIGITS = 2
_DAYS: dict[int, str] = {}


def stream(seed: int, name: str) -> Random:
    """Return the random stream of one section; sections never disturb one another."""
    return Random(f"{seed}/{name}")


def chance(random: Random, share: float) -> bool:
    """Return true in ``share`` of the cases."""
    return random.random() < share


def day_text(second: int) -> str:
    """Return the UTC day of an epoch second as ``YYYY-MM-DD``."""
    number = second // DAY
    text = _DAYS.get(number)
    if text is None:
        text = _DAYS[number] = date.fromordinal(_EPOCH + number).isoformat()
    return text


def plain(second: int) -> str:
    """Write an epoch second without a fraction."""
    rest = second % DAY
    return f"{day_text(second)}T{_MINUTES[rest // MINUTE]}:{_SECONDS[rest % MINUTE]}Z"


def stamp(second: int, random: Random) -> str:
    """Write an epoch second as the vendor does: no fraction, or five to seven digits of it."""
    rest = second % DAY
    kind, fraction = divmod(int(random.random() * 5 * _FRACTIONS), _FRACTIONS)
    whole = f"{day_text(second)}T{_MINUTES[rest // MINUTE]}:{_SECONDS[rest % MINUTE]}"
    if kind == 0:
        return f"{whole}Z"
    if kind == 1:
        return f"{whole}.{fraction // 100:05d}Z"
    digits = f"{fraction // 10:06d}" if kind == _SIX_DIGITS else f"{fraction:07d}"
    return f"{whole}.{digits}Z"


def midnight(second: int) -> str:
    """Write the local calendar day of an epoch second as the vendor writes days: midnight, marked UTC."""
    return f"{datetime.fromtimestamp(second, ZONE).date().isoformat()}T00:00:00Z"


def span(seconds: int) -> str:
    """Write a length of time as ``HH:MM:SS``."""
    return f"{_MINUTES[seconds // MINUTE]}:{_SECONDS[seconds % MINUTE]}"


class Calendar:
    """The span that the company's records cover, seen from ``now``.

    Days are ordinals of the local calendar, moments are epoch seconds. ``now`` is held back by two seconds
    so that a fraction never reaches beyond it.
    """

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            raise BadArgument("now must carry a time zone: pass an aware datetime such as datetime.now(UTC)")
        self.now = int(now.astimezone(UTC).timestamp()) - 2
        self.today = now.astimezone(ZONE).date().toordinal()
        self.first_day = self.today - 365 * YEARS_BACK
        self._starts: dict[int, int] = {}
        self.opening = self.at(self.first_day, 8)

    def at(self, day: int, hour: float) -> int:
        """Return the moment of a local hour on a local day."""
        start = self._starts.get(day)
        if start is None:
            noon = datetime.combine(date.fromordinal(day), time(12), ZONE)
            start = self._starts[day] = int(noon.timestamp()) - 12 * HOUR
        return start + int(hour * HOUR)

    def past(self, second: int) -> int:
        """Return ``second``, or now where that lies ahead."""
        return min(self.now, second)
