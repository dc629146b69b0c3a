"""The commands of the system that this one replaces: each still works, and says what it is called now."""

import sys

# Where the meaning differs from what the words suggest, the notice says it.
NAMES: dict[str, tuple[str, str]] = {
    "start": ("serve", ""),
    "dev": ("serve --reload", ""),
    "sync:full": (
        "sync pricebook",
        "it never read more; everything is read by `perfectcatch sync full`",
    ),
    "sync:st-full": ("sync full", ""),
    "sync:st-incremental": ("sync incremental", ""),
    "sync:reference": ("sync reference", ""),
    "sync:customers": ("sync run customers", ""),
    "sync:jobs": ("sync run jobs", ""),
    "sync:estimates": ("sync run estimates", ""),
    "sync:invoices": ("sync run invoices", ""),
    "sync:appointments": ("sync run appointments", ""),
    "sync:technicians": ("sync run technicians", ""),
    "sync:gap-analysis": ("sync gaps", ""),
    "sync:backfill": ("sync backfill", ""),
    "ghl:sync:contacts": ("ghl pull contacts", ""),
    "ghl:sync:opportunities": ("ghl pull opportunities", ""),
    "ghl:sync:all": ("ghl pull all", ""),
    "ghl:sync:estimates": ("ghl push estimates", ""),
    "ghl:push:estimates": ("ghl push estimates", ""),
    "worker:sync": ("worker sync", ""),
    "worker:workflows": ("worker workflows", ""),
    "worker:monitor": ("worker monitor", ""),
    "health:check": ("health", ""),
    "workflow:status": ("workflow status", ""),
    "db:migrate": ("db migrate", ""),
    "db:studio": ("db studio", ""),
}


def renamed(words: list[str]) -> list[str]:
    """``words`` with today's command in the place of an original one; tells so on stderr."""
    if not words or words[0] not in NAMES:
        return words
    now, more = NAMES[words[0]]
    sys.stderr.write(f"{words[0]} is `perfectcatch {now}` now{f': {more}' if more else ''}.\n")
    return now.split() + words[1:]
