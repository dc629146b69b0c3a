"""What the engine works with, composed once per process, and its jobs."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from perfectcatch.errors import Retry, StatementStopped
from perfectcatch.kit.clock import Clock
from perfectcatch.messaging.desk import Desk
from perfectcatch.model.entity import Entity
from perfectcatch.model.roles import Caller, Chat, Crm, Refresher, Writer
from perfectcatch.store.jobs.queue import Jobs, Order
from perfectcatch.store.pool import Connection, Pool
from perfectcatch.workflows.records import Company
from perfectcatch.workflows.running.catalogue import Catalogue
from perfectcatch.workflows.thinking import InTurn, Limits

QUEUE: Final = "workflows"
ADVANCE: Final = "workflows.advance"
UNDER: Final = "instance "  # what the lock of an instance's jobs begins with; its id follows
PLACE: Final = "workflows_place"  # up to which events are dispatched
FEW: Final = 8  # things of a batch that are dealt with one by one sooner than halved once more
STALE: Final = timedelta(minutes=2)  # a mirror that is older is refreshed before somebody is written to


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Everything that an instance may need. A role that is None is not connected."""

    pool: Pool
    tenant_id: int
    clock: Clock
    entities: Mapping[str, Entity]
    company: Company
    desk: Desk
    jobs: Jobs
    catalogue: Catalogue
    refresher: Refresher | None = None
    writer: Writer | None = None
    crm: Crm | None = None
    chat: Chat | None = None
    caller: Caller | None = None
    models: InTurn | None = None
    ai_limits: Limits = field(default_factory=Limits)
    numbers: deque[int] = field(default_factory=deque)  # ids for tasks, taken beforehand

    @property
    def connected(self) -> frozenset[str]:
        """What definitions may need and have, by the words of their ``needs``."""
        roles = {"crm": self.crm, "chat": self.chat, "http": self.caller, "ai": self.models}
        return frozenset(name for name, role in roles.items() if role is not None)

    async def wake(
        self,
        instance_id: int,
        priority: int,
        *,
        happening: int | None = None,
        connection: Connection | None = None,
    ) -> None:
        """Have somebody look after an instance now; with ``connection`` when its transaction commits."""
        await self.jobs.defer(order(instance_id, priority, happening), connection=connection)


def is_away(error: Exception) -> bool:
    """Whether the whole is to be repeated, because the database or a vendor is away.

    A statement that the database stopped is the fault of what it was about: the others need not wait for it.
    """
    return isinstance(error, Retry) and not isinstance(error, StatementStopped)


def order(instance_id: int, priority: int, happening: int | None = None) -> Order:
    """The job for an instance; ``happening`` is the id of the event that wakes it."""
    arguments = {"instance_id": instance_id}
    if happening is not None:
        arguments["happening"] = happening
    return Order(name=ADVANCE, arguments=arguments, priority=priority, lock=lock_of(instance_id))


def lock_of(instance_id: int) -> str:
    """What the jobs of an instance are done under, in their order."""
    return f"{UNDER}{instance_id}"
