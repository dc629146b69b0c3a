"""Dates, times of day, names and amounts as people write them, in the company's time zone."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo


def first_name(name: str | None) -> str | None:
    """``Ann`` of ``Ann Lee`` and of ``Lee, Ann``; None for nothing."""
    if not name or not name.strip():
        return None
    last, comma, first = name.partition(",")
    words = (first if comma and first.strip() else last).split()
    return words[0] if words else None


def date_of(day: date | None) -> str | None:
    """``March 3``."""
    return None if day is None else f"{day:%B} {day.day}"


def day(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """``Monday, March 3``."""
    if moment is None:
        return None
    local = moment.astimezone(zone)
    return f"{local:%A}, {local:%B} {local.day}"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """``8 AM`` or ``8:30 AM``."""
    local = moment.astimezone(zone)
    minutes = f":{local.minute:02}" if local.minute else ""
    return f"{local.hour % 12 or 12}{minutes} {'AM' if local.hour < 12 else 'PM'}"  # noqa: PLR2004 - noon


def window(begins: datetime | None, ends: datetime | None, zone: ZoneInfo) -> str | None:
    """``8 AM and 10 AM``, to stand behind "between"; None where a moment is missing."""
    if begins is None or ends is None:
        return None
    return f"{clock(begins, zone)} and {clock(ends, zone)}"


def money(amount: Decimal | float | None) -> str | None:
    """``$1,234.50``."""
    return None if amount is None else f"${Decimal(amount):,.2f}"
