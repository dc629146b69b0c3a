"""What a company decides about its messages; the defaults are the careful ones."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


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

    def registration(self, state: str) -> Registration:
        """Where the company stands with ``state``."""
        return dict(self.registrations).get(state, Registration.NONE)
