"""The kinds of run, as rows: which entities, and whether everything is read again."""

from collections.abc import Mapping
from dataclasses import dataclass

from perfectcatch.errors import BadArgument
from perfectcatch.model.entity import Entity, Source


@dataclass(frozen=True, slots=True)
class Mode:
    """A kind of run. ``groups`` empty: every entity."""

    name: str
    does: str
    full: bool
    groups: tuple[str, ...] = ()


MODES = {
    mode.name: mode
    for mode in (
        Mode("full", "Read every record of every entity again.", full=True),
        Mode("incremental", "Read what changed since the last run.", full=False),
        Mode("reference", "Read the lists that other records refer to.", full=True, groups=("reference",)),
        Mode("contacts", "Read changed telephone numbers and addresses.", full=False, groups=("contacts",)),
        Mode("contacts-full", "Read all contacts again.", full=True, groups=("contacts",)),
        Mode("scheduling", "Read shifts, teams and zones again.", full=True, groups=("scheduling",)),
        Mode("pricebook", "Read the price book again.", full=True, groups=("pricebook",)),
    )
}


def mode_of(name: str) -> Mode:
    """The mode called ``name``."""
    if name not in MODES:
        raise BadArgument(f"There is no kind of sync called {name!r}; choose one of {', '.join(MODES)}.")
    return MODES[name]


def chosen(mode: Mode, entities: Mapping[str, Entity]) -> list[Entity]:
    """The entities of ``mode``, in the order of their declaration.

    Lists that have to be read whole are left out of an incremental run: they are read daily, and on demand
    when a record refers to something unknown.
    """
    picked = [
        entity for entity in entities.values() if not mode.groups or set(mode.groups) & set(entity.groups)
    ]
    if mode.full:
        return picked
    return [entity for entity in picked if all(feed.source is not Source.WHOLE for feed in entity.feeds)]
