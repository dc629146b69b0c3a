"""Definitions in memory: which start what, and the version that an instance is pinned to."""

import structlog

from perfectcatch.errors import BadWorkflow, Crash
from perfectcatch.kit.clock import Clock
from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.pool import Pool
from perfectcatch.store.workflows import definitions as kept
from perfectcatch.store.workflows.definitions import Kept
from perfectcatch.workflows.definitions import read

_KEEP_SECONDS = 5.0  # after that a change counts, even if its announcement was lost
_log = structlog.get_logger(__name__)


class Active:
    """A definition that starts instances, with the id of its row."""

    __slots__ = ("definition", "id", "mode")

    def __init__(self, row: Kept, definition: Definition) -> None:
        self.id = row.id
        self.mode = Mode(row.mode)
        self.definition = definition


class Catalogue:
    """The definitions of one company, parsed once for each version."""

    def __init__(self, pool: Pool, tenant_id: int, clock: Clock) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._clock = clock
        self._parsed: dict[int, Definition] = {}
        self._active: list[Active] = []
        self._read_at: float | None = None

    def forget(self) -> None:
        """Something changed: read anew at the next question."""
        self._read_at = None

    async def active(self) -> list[Active]:
        """Definitions that are enabled or in shadow mode, those of higher priority first."""
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at > _KEEP_SECONDS:
            rows = await kept.current(self._pool, self._tenant_id)
            found = [self._of(row) for row in rows if row.mode != Mode.DISABLED]
            self._active = sorted(filter(None, found), key=lambda each: -each.definition.priority)
            self._read_at = now
        return self._active

    async def by_name(self, name: str) -> Active | None:
        """The version of a workflow that counts now, whatever its mode."""
        rows = await kept.current(self._pool, self._tenant_id)
        return next((self._of(row) for row in rows if row.name == name), None)

    async def pinned(self, definition_id: int) -> Definition:
        """The version with this id. Raises Crash where it is gone: versions are never removed."""
        if definition_id not in self._parsed:
            row = await kept.by_id(self._pool, self._tenant_id, definition_id)
            if row is None:
                raise Crash(f"There is no workflow definition {definition_id}, which an instance goes by.")
            self._parsed[definition_id] = read(dict(row.document))
        return self._parsed[definition_id]

    def _of(self, row: Kept) -> Active | None:
        try:
            if row.id not in self._parsed:
                self._parsed[row.id] = read(dict(row.document))
        except BadWorkflow as error:
            _log.warning("a workflow cannot be read", workflow=row.name, error=str(error))
            return None
        return Active(row, self._parsed[row.id])
