"""How far an entity has been read: where a run begins, and what it keeps with every page."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from perfectcatch.model.entity import Entity, Feed, Source
from perfectcatch.store import state
from perfectcatch.store.pool import Connection, Pool

CHECKPOINT_LIFE = timedelta(hours=24)  # an unfinished full read that is older begins anew


@dataclass(slots=True)
class Place:
    """Where the reading of an entity stands.

    ``tokens``: of each feed, the continuation from which the next incremental read goes on. ``modified``: the
    vendor time from which lists are asked for changes. ``done``: of an unfinished full read, the feeds that
    are read to the end, with their tokens; ``position``: how far the feed after them has come.
    """

    entity: Entity
    first_load: bool
    full: bool
    sweep_id: UUID
    started_at: datetime
    tokens: dict[str, str | None] = field(default_factory=dict)
    modified: datetime | None = None
    done: dict[str, str | None] = field(default_factory=dict)
    position: str | None = None
    resumed: bool = False

    def begins_at(self, feed: Feed) -> str | None:
        """The position from which to read ``feed`` now."""
        if self.full:
            return self.position
        return self.tokens.get(feed_key(feed))

    def finished(self, feed: Feed, position: str | None) -> None:
        """``feed`` is read to its end."""
        self.done[feed_key(feed)] = position
        self.position = None

    async def keep_page(self, connection: Connection, tenant_id: int, feed: Feed, position: str) -> None:
        """Keep that the pages of ``feed`` up to ``position`` are stored, in their transaction."""
        if self.full:
            await self._keep_checkpoint(connection, tenant_id, position)
        else:
            tokens = {**self.tokens, feed_key(feed): position}
            await state.put(connection, tenant_id, key(self.entity, "cursor"), self._cursor(tokens))

    async def keep_start(self, connection: Connection, tenant_id: int) -> None:
        """Keep that a full read has begun."""
        await self._keep_checkpoint(connection, tenant_id, self.position)

    async def keep_end(
        self, connection: Connection, tenant_id: int, *, newest: datetime | None, now: datetime
    ) -> None:
        """Keep where the next incremental read begins; a first load is complete from now on."""
        self.tokens = {**self.tokens, **self.done}
        await state.put(connection, tenant_id, key(self.entity, "cursor"), self._cursor(self.tokens))
        told = newest.isoformat() if newest else None
        await state.put(connection, tenant_id, key(self.entity, "last_modified"), told)
        if self.first_load:
            loaded = {"completed_at": now.isoformat()}
            await state.put(connection, tenant_id, key(self.entity, "first_load"), loaded)
        if self.full:
            await state.forget(connection, tenant_id, key(self.entity, "checkpoint"))

    def _cursor(self, tokens: dict[str, str | None]) -> dict[str, Any]:
        return {"tokens": tokens, "modified": self.modified.isoformat() if self.modified else None}

    async def _keep_checkpoint(self, connection: Connection, tenant_id: int, position: str | None) -> None:
        checkpoint = {
            "sweep_id": str(self.sweep_id),
            "started_at": self.started_at.isoformat(),
            "done": self.done,
            "position": position,
        }
        await state.put(connection, tenant_id, key(self.entity, "checkpoint"), checkpoint)


async def find_place(
    pool: Pool, tenant_id: int, entity: Entity, *, full: bool, run_id: UUID, now: datetime
) -> Place:
    """Where to begin: an unfinished full read goes on, a first load and a plain list are always full.

    ``now`` is the database's clock, by which rows tell when they were stored.
    """
    keys = [key(entity, what) for what in ("cursor", "checkpoint", "first_load")]
    found = await state.get(pool, tenant_id, *keys)
    cursor, checkpoint, loaded = (found.get(each) or {} for each in keys)
    place = Place(
        entity=entity,
        first_load=not loaded,
        full=full or not loaded or any(feed.source is Source.WHOLE for feed in entity.feeds),
        sweep_id=run_id,
        started_at=now,
        tokens=dict(cursor.get("tokens") or {}),
        modified=_moment(cursor.get("modified")),
    )
    started = _moment(checkpoint.get("started_at"))
    known = {feed_key(feed) for feed in entity.feeds}
    if place.full and started and now - started < CHECKPOINT_LIFE and known.issuperset(checkpoint["done"]):
        place.sweep_id = UUID(checkpoint["sweep_id"])
        place.started_at = started
        place.done = dict(checkpoint["done"])
        place.position = checkpoint["position"]
        place.resumed = True
    return place


def key(entity: Entity, what: str) -> str:
    """The key in ``sync_state``."""
    return f"{entity.name}_{what}"


def feed_key(feed: Feed) -> str:
    """What stays the same of a feed while a declaration grows around it."""
    fixed = [*feed.query, *([feed.tag] if feed.tag else [])]
    return " ".join([feed.endpoint, *(f"{name}={value}" for name, value in sorted(fixed))])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
