"""Which kind of run happens when: one row each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from perfectcatch.kit.cron import Cron, parse

CLOCK_RULES: Final = "clock-rules"
"""The run that looks for events caused by time alone."""

GAPS: Final = "gaps"
"""The run that compares the mirror with the vendor and repairs it.

Every other mode is one of ``sync.modes``.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crons:
    """The settings, as people wrote them; None switches a run off."""

    incremental: str | None = "*/5 * * * *"
    full: str | None = "0 2 * * *"
    contacts_incremental: str | None = "0 */4 * * *"
    contacts_full: str | None = "0 3 * * *"
    scheduling: str | None = "0 3 * * *"
    pricebook: str | None = "0 4 * * *"
    gaps: str | None = "30 4 * * *"
    clock_rules: str | None = "*/5 * * * *"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A run that repeats: ``mode`` at the ticks of ``cron``. ``name`` also keeps two of them apart."""

    name: str
    cron: Cron
    mode: str


def schedule(crons: Crons) -> tuple[Scheduled, ...]:
    """The runs that are switched on. Raises BadSetting for a cron that cannot be read."""
    return tuple(_rows(crons))


def _rows(crons: Crons) -> Iterator[Scheduled]:
    for name, setting, text, mode in (
        ("sync.incremental", "SYNC_INCREMENTAL_CRON", crons.incremental, "incremental"),
        ("sync.full", "SYNC_FULL_CRON", crons.full, "full"),  # reads the reference lists, too
        ("sync.contacts", "CONTACTS_INCREMENTAL_CRON", crons.contacts_incremental, "contacts"),
        ("sync.contacts-full", "CONTACTS_FULL_CRON", crons.contacts_full, "contacts-full"),
        ("sync.scheduling", "SYNC_SCHEDULING_CRON", crons.scheduling, "scheduling"),
        ("sync.pricebook", "SYNC_PRICEBOOK_CRON", crons.pricebook, "pricebook"),
        ("sync.gaps", "SYNC_GAPS_CRON", crons.gaps, GAPS),
        ("sync.clock-rules", "CLOCK_RULES_CRON", crons.clock_rules, CLOCK_RULES),
    ):
        if text is not None:
            yield Scheduled(name, parse(text, setting), mode)
