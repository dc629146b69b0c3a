"""How far an entity has been read: where a run begins, and what it keeps with every page."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from perfectcatch.model.entity import Entity, Feed, Source
from perfectcatch.store import runs, state
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.sync.trail import Trail

# A resumed read cannot tell what was stored by others since it began and is gone again: the next read that
# begins anew finds it. So last night's read, if it is unfinished, is not what tonight's goes on with.
CHECKPOINT_LIFE = timedelta(hours=20)


@dataclass(slots=True)
class Place:
    """Where the reading of an entity stands.

    ``tokens``: of each feed, the continuation from which the next incremental read goes on; ``trails``: where
    it stood some minutes ago. ``modified``: the vendor time from which lists are asked for changes. ``done``:
    of an unfinished full read, the feeds that are read to the end, with their tokens; ``position``: how far
    the feed after them has come.
    """

    entity: Entity
    first_load: bool
    full: bool
    sweep_id: UUID
    started_at: datetime
    tokens: dict[str, str | None] = field(default_factory=dict)
    trails: dict[str, Trail] = field(default_factory=dict)
    modified: datetime | None = None
    done: dict[str, str | None] = field(default_factory=dict)
    position: str | None = None
    resumed: bool = False
    sweeps: bool = False  # the ids of its pages are kept, from the first one on, to find what is gone
    kept: dict[str, Any] = field(default_factory=dict)  # the cursor as it is stored

    @property
    def is_kept(self) -> bool:
        """Whether the cursor of the next incremental read is stored already."""
        return self._cursor({**self.tokens, **self.done}) == self.kept

    def begins_at(self, feed: Feed) -> str | None:
        """The position from which to read ``feed`` now."""
        if self.full:
            return self.position
        key, trail = feed_key(feed), self.trails.get(feed_key(feed))
        if trail is None or (mark := trail.start(self.started_at)) is None:
            return self.tokens.get(key)
        self.trails[key] = trail.began(self.started_at)
        return mark.token

    def finished(self, feed: Feed, position: str | None, *, last_page: str | None, now: datetime) -> None:
        """``feed`` is read to its end at ``now``; its last page began at ``last_page``."""
        key = feed_key(feed)
        self.done[key] = position
        self.position = None
        if feed.source is Source.EXPORT:
            trail = self.trails.get(key, Trail())
            self.trails[key] = trail.ended(position, now, last_page=last_page)

    async def keep_page(self, connection: Connection, tenant_id: int, feed: Feed, position: str) -> None:
        """Keep that the pages of ``feed`` up to ``position`` are stored, in their transaction."""
        if self.full:
            checkpoint = {
                "sweep_id": str(self.sweep_id),
                "started_at": self.started_at.isoformat(),
                "sweeps": self.sweeps,
                "done": self.done,
                "feed": feed_key(feed),
                "position": position,
            }
            await state.put(connection, tenant_id, key(self.entity, "checkpoint"), checkpoint)
        else:
            tokens = {**self.tokens, feed_key(feed): position}
            await state.put(connection, tenant_id, key(self.entity, "cursor"), self._cursor(tokens))

    async def begin_anew(self, connection: Connection, tenant_id: int) -> None:
        """Give up an unfinished full read; this one has a place of its own from its first page on."""
        await state.forget(connection, tenant_id, key(self.entity, "checkpoint"))

    async def go_back(self, connection: Connection, tenant_id: int) -> None:
        """Keep that the next read begins where this one did: the places that the feed gave are no good."""
        if self.full:
            await self.begin_anew(connection, tenant_id)
        else:
            await state.put(connection, tenant_id, key(self.entity, "cursor"), self._cursor(self.tokens))

    async def keep_end(self, connection: Connection, tenant_id: int, *, newest: datetime | None) -> None:
        """Keep where the next incremental read begins; a first load is complete from now on."""
        self.tokens = {**self.tokens, **self.done}
        kept = {
            key(self.entity, "cursor"): self._cursor(self.tokens),
            key(self.entity, "last_modified"): newest.isoformat() if newest else None,
        }
        if self.first_load:
            loaded = {"completed_at": (await runs.time_of(connection)).isoformat()}
            kept[key(self.entity, "first_load")] = loaded
        await state.put_all(connection, tenant_id, kept)
        if self.full:
            await state.forget(connection, tenant_id, key(self.entity, "checkpoint"))

    def _cursor(self, tokens: dict[str, str | None]) -> dict[str, Any]:
        return {
            "tokens": tokens,
            "modified": self.modified.isoformat() if self.modified else None,
            "trails": {key: trail.written() for key, trail in self.trails.items()},
        }


async def find_place(
    connection: Connection, tenant_id: int, entity: Entity, *, full: bool, run_id: UUID, now: datetime
) -> Place:
    """Where to begin: an unfinished full read goes on, a first load and a plain list are always full.

    ``now`` is the database's clock, by which rows tell when they were stored.
    """
    keys = [key(entity, what) for what in ("cursor", "checkpoint", "first_load")]
    found = await state.seen(connection, tenant_id, *keys)
    cursor, checkpoint, loaded = (found.get(each) or {} for each in keys)
    place = Place(
        entity=entity,
        first_load=not loaded,
        full=full or not loaded or any(feed.source is Source.WHOLE for feed in entity.feeds),
        sweep_id=run_id,
        started_at=now,
        tokens=dict(cursor.get("tokens") or {}),
        trails={key: Trail.read(value) for key, value in (cursor.get("trails") or {}).items()},
        modified=_moment(cursor.get("modified")),
        kept=cursor,
    )
    place.sweeps = place.full and entity.sweep and not place.first_load
    if place.full and _goes_on(checkpoint, entity, now):
        place.sweeps = bool(checkpoint.get("sweeps", place.sweeps))
        place.sweep_id = UUID(checkpoint["sweep_id"])
        place.started_at = datetime.fromisoformat(checkpoint["started_at"])
        place.done = dict(checkpoint["done"])
        place.position = checkpoint["position"]
        place.resumed = True
    return place


def _goes_on(checkpoint: dict[str, Any], entity: Entity, now: datetime) -> bool:
    """Whether an unfinished full read is young enough, and its position one in the feed that comes next."""
    started, feed = _moment(checkpoint.get("started_at")), checkpoint.get("feed")
    if started is None or feed is None or now - started >= CHECKPOINT_LIFE:
        return False
    feeds = [feed_key(each) for each in entity.feeds]
    coming = [each for each in feeds if each not in checkpoint["done"]]
    return coming[:1] == [feed] and set(feeds).issuperset(checkpoint["done"])


async def never_loaded(pool: Pool, tenant_id: int, entities: Iterable[Entity]) -> set[str]:
    """Names of those ``entities`` whose first load is not complete."""
    keys = {key(entity, "first_load"): entity.name for entity in entities}
    loaded = await state.get(pool, tenant_id, *keys)
    return {name for key_, name in keys.items() if not loaded.get(key_)}


def key(entity: Entity, what: str) -> str:
    """The key in ``sync_state``."""
    return f"{entity.name}_{what}"


def feed_key(feed: Feed) -> str:
    """What stays the same of a feed while a declaration grows around it."""
    fixed = [*feed.query, *([feed.tag] if feed.tag else [])]
    return " ".join([feed.endpoint, *(f"{name}={value}" for name, value in sorted(fixed))])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
