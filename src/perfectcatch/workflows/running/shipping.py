"""The recipes that come with the product become definitions; what the company changed is left alone."""

from collections.abc import Collection, Iterator

from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.store.workflows import definitions as kept
from perfectcatch.workflows.definitions import shipped


def lacks(definition: Definition, connected: Collection[str]) -> list[str]:
    """What the definition needs and nobody has connected."""
    return [need for need in definition.needs if need not in connected]


async def ship(pool: Pool, tenant_id: int, *, connected: Collection[str], live: bool = False) -> list[str]:
    """Bring the recipes up to date; names of those that are new or have another version.

    A new one begins in shadow mode, so that the office sees what it would do; one that lacks a connection
    begins disabled. A new version of one that the company has not changed takes its place, in its mode.
    ``live``: those that can are live at once, as for a made-up company.
    """
    known = {row.name: row for row in await kept.current(pool, tenant_id)}
    changed = list(_changed(known))
    for definition in changed:
        mode = None
        if definition.name not in known:
            ready = Mode.LIVE if live else Mode.SHADOW
            mode = Mode.DISABLED if lacks(definition, connected) else ready
        async with transaction(pool) as connection:
            await kept.put(
                connection, tenant_id, definition, mode=mode, source=kept.SHIPPED, by="perfectcatch"
            )
    return [definition.name for definition in changed]


def _changed(known: dict[str, kept.Kept]) -> Iterator[Definition]:
    for name, definition in shipped().items():
        before = known.get(name)
        if before is None or (before.source == kept.SHIPPED and before.version != definition.version):
            yield definition
