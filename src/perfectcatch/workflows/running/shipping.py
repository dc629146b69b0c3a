"""The recipes that come with the product become definitions; what the company changed is left alone."""

from collections.abc import Collection, Iterator
from typing import Final

from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.store.workflows import definitions as kept
from perfectcatch.workflows.definitions import shipped

SHIPPER: Final = "perfectcatch"


def lacks(definition: Definition, connected: Collection[str]) -> list[str]:
    """What the definition needs and nobody has connected."""
    return [need for need in definition.needs if need not in connected]


async def ship(pool: Pool, tenant_id: int, *, connected: Collection[str], live: bool = False) -> list[str]:
    """Bring the recipes up to date; names of those that are new or have another version.

    A new one begins in shadow mode, so that the office sees what it would do; one that lacks a connection
    begins disabled, and in shadow mode as soon as that is there, if nobody has decided otherwise. A new
    version of one that the company has not changed takes its place, in its mode. ``live``: those that can
    are live at once, as for a made-up company.
    """
    known = {row.name: row for row in await kept.current(pool, tenant_id)}
    changed = list(_changed(known, connected))
    for definition in changed:
        mode = None
        if definition.name not in known or _waited(known[definition.name], definition, connected):
            ready = Mode.LIVE if live else Mode.SHADOW
            mode = Mode.DISABLED if lacks(definition, connected) else ready
        by = SHIPPER if mode is not None else known[definition.name].changed_by
        async with transaction(pool) as connection:
            await kept.put(connection, tenant_id, definition, mode=mode, source=kept.SHIPPED, by=by)
    return [definition.name for definition in changed]


def _changed(known: dict[str, kept.Kept], connected: Collection[str]) -> Iterator[Definition]:
    for name, definition in shipped().items():
        before = known.get(name)
        if (
            before is None
            or (before.source == kept.SHIPPED and before.version != definition.version)
            or _waited(before, definition, connected)
        ):
            yield definition


def _waited(before: kept.Kept, definition: Definition, connected: Collection[str]) -> bool:
    """Whether it was disabled only because something was not connected, which is there now."""
    ours = before.source == kept.SHIPPED and before.changed_by == SHIPPER
    return (
        ours and before.mode == Mode.DISABLED and bool(definition.needs) and not lacks(definition, connected)
    )
