"""One reader of the database for all listeners of this process.

A note from PostgreSQL is only a wake-up: what is sent is read by place, so nothing is passed over when a note
is lost with its connection. A listener who cannot keep up is dropped and resumes by himself.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.gateway.monitor import frames
from perfectcatch.gateway.monitor.frames import Frame
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.retry import Rules, backoff
from perfectcatch.store import events, notes
from perfectcatch.store.events import Event, Place
from perfectcatch.store.pool import Pool

WAITING: Final = 1000  # frames that a listener may be behind
_GATHER_SECONDS: Final = 0.02  # wake-ups that come together cost one read
_AGAIN: Final = Rules(first_wait=0.5, longest_wait=4.0)

log = structlog.get_logger(__name__)


class Listener:
    """One who listens. ``wants`` decides about a frame; ``lagging`` is set when he is too slow."""

    def __init__(self, wants: Callable[[Frame], bool]) -> None:
        self._wants = wants
        self._waiting: asyncio.Queue[Frame] = asyncio.Queue(WAITING)
        self.lagging = asyncio.Event()

    def offer(self, frame: Frame) -> None:
        """Put a frame in his queue, unless it is full."""
        if self.lagging.is_set() or not self._wants(frame):
            return
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.lagging.set()

    async def next(self) -> Frame:
        """The next frame."""
        return await self._waiting.get()

    @property
    def behind(self) -> int:
        """How many frames wait for him."""
        return self._waiting.qsize()


class Hub:
    """Reads what happens and hands it to everybody. Made by ``open_hub``."""

    def __init__(self, pool: Pool, tenant_id: int, clock: Clock, *, poll_seconds: float) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._listeners: set[Listener] = set()
        self._woken = asyncio.Event()
        self._failures = 0
        self.place: Place | None = None
        self.on_write: Callable[[str], None] = _nobody  # who remembers what the vendor said

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @contextmanager
    def listening(self, wants: Callable[[Frame], bool]) -> Iterator[Listener]:
        """Listen while the block runs."""
        listener = Listener(wants)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Read until cancelled; a database that is away is waited for."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hear())
                    group.create_task(self._read())
            except* PerfectCatchError as errors:
                self._failures += 1
                log.warning("the live stream waits for the database", error=str(errors.exceptions[0]))
            await self._clock.sleep(backoff(self._failures, _AGAIN))

    async def _hear(self) -> None:
        async for channel, payload in notes.listen(self._pool, notes.EVENTS, notes.PROGRESS, notes.WRITES):
            if channel == notes.WRITES:
                tenant_id, _, module = payload.partition(" ")
                if tenant_id == str(self._tenant_id):
                    self.on_write(module)
                continue
            self._woken.set()
            if channel == notes.PROGRESS:
                self._tell_progress(payload)

    def _tell_progress(self, payload: str) -> None:
        note: dict[str, Any] = json.loads(payload)
        if note.get("tenant_id", self._tenant_id) == self._tenant_id:
            self._tell(frames.of_progress(note))

    async def _read(self) -> None:
        if self.place is None:
            self.place = await events.here(self._pool, self._tenant_id)
        while True:
            self._woken.clear()
            await self._catch_up()
            self._failures = 0
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()
            except TimeoutError:
                continue
            await self._clock.sleep(_GATHER_SECONDS)

    async def _catch_up(self) -> None:
        """Tell everybody what happened; while nobody listens only the place goes on.

        In a storm of events reading them took all the time of a server that had webhooks to answer.
        """
        assert self.place is not None
        if not self._listeners:
            now = await events.here(self._pool, self._tenant_id)
            if not self._listeners:  # who came meanwhile was told the place where we are
                self.place = now
                return
        while True:
            read, reached = await events.after(self._pool, self._tenant_id, self.place)
            for event in read:
                self._tell(frames.of_event(event, place_behind(event, self.place, reached)))
            self.place = reached
            if not read:
                return

    def _tell(self, frame: Frame) -> None:
        for listener in self._listeners:
            listener.offer(frame)


def _nobody(module: str) -> None:
    """Remember nothing, and so forget nothing."""


def place_behind(event: Event, before: Place, reached: Place) -> Place:
    """From where to resume after ``event``, one of those between ``before`` and ``reached``, lowest id first.

    What appeared late comes first and is told again if the break comes before the rest.
    """
    return Place(event.id, reached.snapshot) if event.id > before.id else before


@asynccontextmanager
async def open_hub(
    pool: Pool, tenant_id: int, clock: Clock, *, poll_seconds: float = 30.0
) -> AsyncIterator[Hub]:
    """A hub that reads while the block runs."""
    hub = Hub(pool, tenant_id, clock, poll_seconds=poll_seconds)
    task = asyncio.create_task(hub.run(), name="live stream")
    try:
        yield hub
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
