"""What a company decides about its messages; the defaults are the careful ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from perfectcatch.errors import BadArgument


class StopCovers(StrEnum):
    """How far an opt-out that names no part reaches: the one switch for it.

    The federal rule that one opt-out ends unrelated messages too is waived until 31 January 2027; we keep it
    already.
    """

    EVERYTHING = "everything"  # every channel, every purpose
    CHANNEL = "channel"  # every purpose on the channel that it came by
    PURPOSE = "purpose"  # marketing alone, on every channel


class Registration(StrEnum):
    """Where a company stands with a state that wants marketers of texts registered."""

    NONE = "none"
    REGISTERED = "registered"
    EXEMPT = "exempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of the gate. Spans of budgets roll: the last 24 hours, not the calendar's day."""

    marketing_per_day: int = 1  # to a person, over all channels, numbers and workflows
    marketing_per_week: int = 3
    texts_per_day: int = 6  # of any purpose
    identical_within: timedelta = timedelta(days=30)
    household_within: timedelta = timedelta(days=1)  # one telephone, several customers, the same marketing
    longest_deferral: timedelta = timedelta(days=3)  # what cannot go within this is dropped with its reason
    blast_limit: int = 250  # messages of one workflow within ``blast_window``; above it a person decides
    blast_window: timedelta = timedelta(hours=1)
    stop_covers: StopCovers = StopCovers.EVERYTHING
    marketing_emails_need_consent: bool = True
    quiet_hours_for_emails: bool = False
    registrations: tuple[tuple[str, Registration], ...] = ()  # by state, such as ("TX", REGISTERED)
    segment_price: Decimal = Decimal("0.0120")  # dollars, for estimates: what a vendor writes replaces it

    def registration(self, state: str) -> Registration:
        """Where the company stands with ``state``."""
        return dict(self.registrations).get(state, Registration.NONE)

    def changed(self, values: Mapping[str, Any]) -> "Rules":
        """These rules with the values that a company has stored; a name that is none any more is left out."""
        known = {name: BY_NAME[name].read(value) for name, value in values.items() if name in BY_NAME}
        return replace(self, **known)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it can be changed: ``read`` turns JSON into its value and raises ``ValueError``."""

    name: str
    does: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value


def check(name: str, value: Any) -> None:
    """Raise ``BadArgument`` if ``name`` is no rule or cannot have this value."""
    if name not in BY_NAME:
        raise BadArgument(f"There is no rule {name[:60]!r}: choose one of {', '.join(BY_NAME)}.")
    if value is None:  # as by default
        return
    try:
        BY_NAME[name].read(value)
    except (ValueError, InvalidOperation, TypeError) as error:
        raise BadArgument(f"{name} cannot be that: {error}.") from None


def _count(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise ValueError(f"give a whole number from 0 to {most}")
        return value

    return read


def _hours(most: int) -> Callable[[Any], timedelta]:
    whole = _count(most)

    def read(value: Any) -> timedelta:
        return timedelta(hours=whole(value))

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("give true or false")  # noqa: TRY004 - one kind of error for all rules
    return value


def _states(value: Any) -> tuple[tuple[str, Registration], ...]:
    if not isinstance(value, dict):
        raise ValueError('give states, such as {"TX": "registered"}')  # noqa: TRY004 - as above
    return tuple((str(state).upper(), Registration(word)) for state, word in value.items())


def _in_hours(span: timedelta) -> int:
    return round(span / timedelta(hours=1))


RULES: Final = (
    Rule("marketing_per_day", "Marketing messages to a person in 24 hours, over all channels.", _count(100)),
    Rule("marketing_per_week", "Marketing messages to a person in 7 days.", _count(500)),
    Rule("texts_per_day", "Texts of any purpose to a person in 24 hours.", _count(100)),
    Rule(
        "identical_within",
        "Hours within which the same words go to the same address once.",
        _hours(24 * 30),
        _in_hours,
    ),
    Rule(
        "household_within",
        "Hours within which several customers with one address get the same marketing once.",
        _hours(24 * 30),
        _in_hours,
    ),
    Rule(
        "longest_deferral", "Hours that a message may wait before it is dropped.", _hours(24 * 30), _in_hours
    ),
    Rule("blast_limit", "Messages of one workflow in the window before a person decides.", _count(1_000_000)),
    Rule("blast_window", "Hours of that window.", _hours(24 * 7), _in_hours),
    Rule("stop_covers", "How far STOP reaches: everything, channel or purpose.", StopCovers, str),
    Rule("marketing_emails_need_consent", "Whether marketing by email needs consent, as texts do.", _flag),
    Rule("quiet_hours_for_emails", "Whether quiet hours hold for email too.", _flag),
    Rule(
        "registrations",
        "Where marketing texts are registered, by state: registered or exempt.",
        _states,
        lambda value: {state: str(word) for state, word in value},
    ),
    Rule(
        "segment_price",
        "Dollars for a part of a text, for estimates.",
        lambda value: Decimal(str(value)),
        str,
    ),
)
BY_NAME: Final = {rule.name: rule for rule in RULES}
