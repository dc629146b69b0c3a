"""Moments as the vendor writes and reads them: UTC, ISO 8601, a fraction of varying length.

Inside the sandbox a moment is a whole number of microseconds since 1970, so that it sorts and compares
without parsing.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(value: int) -> datetime:
    """The aware UTC moment of a number of microseconds."""
    return _EPOCH + timedelta(microseconds=value)


def read(text: str) -> int:
    """Read the vendor's spelling; a moment without offset is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def write(value: int) -> str:
    """Write as the vendor does: seven fraction digits (it counts in 100 ns) less the trailing zeros."""
    seconds, fraction = divmod(value, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:06d}{fraction * 7 % 10}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def write_day(value: int) -> str:
    """The calendar day in UTC."""
    return moment_of(value).strftime("%Y-%m-%d")
