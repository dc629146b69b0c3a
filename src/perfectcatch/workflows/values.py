"""Values of a definition's file, read strictly: each comes as its kind, or a sentence says what is wrong."""

import re
from collections.abc import Mapping
from datetime import time, timedelta
from typing import Any, Final

from perfectcatch.errors import BadWorkflow

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SPAN: Final = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?"
)


def span(value: Any, place: str = "A duration") -> timedelta | None:
    """``3h``, ``1d12h``, ``-30m``, ``45s``; None stays None. Raises BadWorkflow."""
    if value is None:
        return None
    found = _SPAN.fullmatch(str(value))
    if found is None or not any(found[unit] for unit in ("days", "hours", "minutes", "seconds")):
        raise BadWorkflow(f"{place}: {value!r} is no duration such as 45m, 3h or 2d.")
    units = ("days", "hours", "minutes", "seconds")
    length = timedelta(**{unit: int(found[unit] or 0) for unit in units})
    return -length if found["sign"] else length


def time_of_day(value: Any, place: str) -> time:
    """A time of day such as 10:00."""
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", str(value))
    if found is None:
        raise BadWorkflow(f"{place}: {value!r} is no time of day such as 10:00.")
    return time(int(found[1]), int(found[2]))


def between(value: Any, place: str) -> tuple[time, time]:
    """Two times of day."""
    both = several(value, place)
    if len(both) != 2 or time_of_day(both[0], place) >= time_of_day(both[1], place):  # noqa: PLR2004 - from and to
        raise BadWorkflow(f'{place} needs two times of day, such as ["08:00", "18:00"].')
    return time_of_day(both[0], place), time_of_day(both[1], place)


def zone(value: Any, place: str) -> str:
    """Whose time zone."""
    if value not in ("customer", "company"):
        raise BadWorkflow(f"{place}: {value!r} is neither customer nor company.")
    return str(value)


def required_span(value: Any, place: str) -> timedelta:
    """A duration."""
    length = span(value, place)
    assert length is not None
    return length


def flag(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadWorkflow(f"{place}: {value!r} is neither true nor false.")
    return value


def whole(value: Any, place: str, least: int, most: int) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadWorkflow(f"{place}: {value!r} is no whole number from {least} to {most}.")
    return value


def free(value: Any, place: str) -> dict[str, Any]:
    """Any mapping."""
    return mapping(value, place, None)


def anything(value: Any, _: str) -> Any:
    """Whatever it is."""
    return value


def outcomes(value: Any, place: str) -> dict[str, str]:
    """Where each outcome leads."""
    return {str(each): text(target, f"{place}, {each}") for each, target in free(value, place).items()}


def mapping(value: Any, place: str, known: frozenset[str] | None) -> dict[str, Any]:
    """A mapping with no other names than ``known``."""
    if value is None:
        raise BadWorkflow(f"{place} is missing.")
    if not isinstance(value, Mapping):
        raise BadWorkflow(f"{place} is no mapping of names to values.")
    said = {str(key): inner for key, inner in value.items()}
    unknown = sorted(set(said) - known) if known is not None else []
    if unknown:
        raise BadWorkflow(f"{place} has the unknown field {unknown[0]!r}.")
    return said


def several(value: Any, place: str) -> list[Any]:
    """A list; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadWorkflow(f"{place} is no list.")
    return value


def texts(value: Any, place: str) -> tuple[str, ...]:
    """Texts, or one."""
    many = [value] if isinstance(value, str) else several(value, place)
    return tuple(text(each, place) for each in many)


def text(value: Any, place: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise BadWorkflow(f"{place} is missing or no text.")
    return value


def optional(value: Any, place: str) -> str | None:
    """A text or nothing."""
    return None if value is None else text(value, place)


def name(said: Mapping[str, Any], field: str, place: str) -> str:
    """A name, such as follow-up-2."""
    value = said.get(field)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadWorkflow(
            f"{place} needs a {field} of lower-case letters, digits, hyphens and underscores, not {value!r}."
        )
    return value


def one_of(words: type[Any], value: Any, place: str) -> Any:
    """One of the words of an enumeration."""
    if value not in {str(each) for each in words}:
        raise BadWorkflow(f"{place}: {value!r} is none of {', '.join(str(each) for each in words)}.")
    return words(value)
