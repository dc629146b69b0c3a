"""When to try again: pure functions from what happened to how long to wait.

Waits grow exponentially to a cap with full jitter (a uniform draw from zero to the bound), so that many
callers that failed together do not come back together.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Draw = Callable[[], float]
"""Gives a number from 0 to 1."""

LONGEST_RETRY_AFTER = 300.0
_SPREAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How often and how long to try. Seconds everywhere; ``attempts`` counts the first one too."""

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 30.0
    total: float = 600.0


def backoff(attempt: int, rules: Rules, draw: Draw = random.random) -> float:
    """Seconds to wait after the failure of ``attempt`` (the first is 1)."""
    # The exponent is bounded because 2.0 ** 1024 does not fit a float.
    bound = min(rules.longest_wait, rules.first_wait * 2.0 ** min(attempt - 1, 60))
    return bound * draw()


def retry_after(header: str | None, now: datetime) -> float | None:
    """Read ``Retry-After``, seconds or an HTTP date, as 0 to 300 seconds; None when absent or unreadable.

    ``now`` is the time of who wrote the date, as far as that is known: our own clock may be wrong.
    """
    if header is None:
        return None
    value = header.strip()
    if value.isascii() and value.isdigit():
        # More than nine digits may exceed what int() accepts and mean the cap anyway.
        return LONGEST_RETRY_AFTER if len(value) > 9 else min(float(value), LONGEST_RETRY_AFTER)  # noqa: PLR2004
    moment = http_date(value)
    if moment is None:
        return None
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_RETRY_AFTER)


def http_date(header: str | None) -> datetime | None:
    """Read a date as HTTP writes it, aware; None when absent or unreadable."""
    try:
        moment = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def next_wait(
    attempt: int,
    elapsed: float,
    rules: Rules,
    *,
    told: float | None = None,
    draw: Draw = random.random,
) -> float | None:
    """Seconds to wait before the attempt after ``attempt``, or None to stop.

    ``elapsed`` is the time since the first attempt began. ``told`` is the vendor's own ``Retry-After``: it is
    obeyed, with up to a second more so that callers who were told the same do not return at once.
    """
    if attempt >= rules.attempts:
        return None
    wait = backoff(attempt, rules, draw) if told is None else told + draw() * _SPREAD_SECONDS
    return None if elapsed + wait > rules.total else wait
