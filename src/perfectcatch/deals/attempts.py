"""A creation that nobody may ever answer: until when it may be under way, and when its absence counts."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from perfectcatch.deals.desk import Deals
from perfectcatch.errors import OutcomeUnknown, Retry

Made = TypeVar("Made")

# The longest that one creation takes, its wait for a free call included. A process that dies in it leaves a
# mark that reaches so far; whoever is told how it ended, or that nobody knows, sets the mark back to now.
CREATE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 5.0  # what was created is mostly shown sooner than the rules allow for


def deadline(deals: Deals) -> datetime:
    """When a creation that begins now is over at the latest."""
    return deals.clock.now() + timedelta(seconds=CREATE_SECONDS)


async def in_time(call: Awaitable[Made], what: str) -> Made:
    """The answer of a creation. Raises OutcomeUnknown once it has taken as long as one may."""
    try:
        async with asyncio.timeout(CREATE_SECONDS):
            return await call
    except TimeoutError:
        raise OutcomeUnknown(
            f"It is unknown whether {what} was created: the CRM gave no answer in {CREATE_SECONDS:g} s."
        ) from None


def shown_at(deals: Deals, over_at: datetime) -> datetime:
    """When every search shows what was created before ``over_at``."""
    return over_at + timedelta(seconds=deals.rules.settle_seconds)


def left(deals: Deals, over_at: datetime) -> float:
    """Seconds until what was created before ``over_at`` is shown by every search; ask before looking."""
    return (shown_at(deals, over_at) - deals.clock.now()).total_seconds()


def wait_for(seconds: float, what: str, *, meanwhile: bool = True) -> None:
    """Raise Retry where it is too early to say that nothing was created.

    ``meanwhile``: look before the time is over.
    """
    if seconds > 0:
        raise Retry(
            f"{what} may just have been created: it is looked for again in a moment.",
            after_seconds=min(seconds, _LOOK_SECONDS) if meanwhile else seconds,
        )
