"""What walks have done and is not written yet: all of it goes to the database together, with the walks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from perfectcatch.errors import Crash
from perfectcatch.model.workflow import Result
from perfectcatch.store.jobs.queue import Order
from perfectcatch.store.messages import waiting
from perfectcatch.store.pool import Connection
from perfectcatch.store.workflows import batches, instances, letters, steps
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows.running.workshop import Workshop, order

STOPPED: Final = "stopped"  # the outcome of a step that a stop rule kept from acting
_NUMBERS: Final = 50  # ids of tasks that are taken at once; those of a process that ends stay unused


class NotTogether(Crash):
    """Something does not go the short way; nothing is kept of it, and it is done step by step."""


@dataclass(slots=True)
class Ledger:
    """Taken down in the order of the walks, written by ``flush`` inside the transaction of ``connection``."""

    workshop: Workshop
    connection: Connection
    now: datetime
    _executions: dict[tuple[int, str, int], dict[str, Any]] = field(default_factory=dict)
    _tasks: list[dict[str, Any]] = field(default_factory=list)
    _born: dict[int, Instance] = field(default_factory=dict)
    _changed: dict[int, Instance] = field(default_factory=dict)
    _failed: list[tuple[Instance, str, int]] = field(default_factory=list)
    _orders: list[Order] = field(default_factory=list)
    _left: list[tuple[int, str, str]] = field(default_factory=list)

    def born(self, instance: Instance) -> None:
        """A new instance; it is written as it stands in the end."""
        self._born[instance.id] = instance

    def keep(self, instance: Instance) -> None:
        """Where an instance stands in the end is to be written."""
        if instance.id not in self._born:
            self._changed[instance.id] = instance

    def order(self, ordered: Order) -> None:
        """A job that is visible when all this is committed."""
        self._orders.append(ordered)

    def executed(
        self,
        instance: Instance,
        step: str,
        occurrence: int,
        result: Result,
        sentence: str,
        *,
        status: str = steps.DONE,
        attempts: int = 0,
    ) -> None:
        """What became of a step; one that was stopped began and ended at this moment."""
        began = self.now if result.outcome == STOPPED else instance.entered_at
        self._executions[instance.id, step, occurrence] = {
            "workflow_instance_id": instance.id,
            "step": step,
            "occurrence": occurrence,
            "status": status,
            "outcome": result.outcome,
            "reason": result.reason,
            "sentence": sentence,
            "value": result.value,
            "attempts": attempts,
            "started_at": in_turn(instance, began).isoformat(),
            "ended_at": in_turn(instance, self.now).isoformat(),
        }

    async def task(self, **values: Any) -> int:
        """Something for a person to do; gives its id."""
        known = self.workshop.numbers
        if not known:
            known.extend(await batches.numbers(self.connection, "tasks", _NUMBERS))
        number = known.popleft()
        self._tasks.append({"id": number, **values})
        return number

    def left(self, instance: Instance, because: str) -> None:
        """The step at which an instance stands is left without its message, which may be waiting."""
        self._left.append((instance.id, instance.step, because))

    def failed(self, instance: Instance, error: str, attempts: int) -> None:
        """Nobody can go on with the instance but a person."""
        self._failed.append((instance, error, attempts))
        self.keep(instance)

    async def flush(self) -> None:
        """Write everything. Raises NotTogether where something of it is there already."""
        tenant_id, connection = self.workshop.tenant_id, self.connection
        if self._born:
            await batches.begin(connection, tenant_id, list(self._born.values()), now=self.now)
            await batches.time(connection, tenant_id, self._born.values(), born=True)
        if self._changed:
            await batches.save(connection, tenant_id, list(self._changed.values()), now=self.now)
            await batches.time(connection, tenant_id, self._changed.values(), born=False)
        if self._executions:
            await batches.execute(connection, tenant_id, list(self._executions.values()))
        if self._tasks and await batches.tasks(connection, tenant_id, self._tasks) < len(self._tasks):
            raise NotTogether("A task of the same step is there already.")
        for instance, error, attempts in self._failed:
            await letters.write(
                connection,
                tenant_id,
                kind=letters.INSTANCE,
                instance_id=instance.id,
                workflow=instance.workflow,
                step=instance.step,
                error=error,
                attempts=attempts,
            )
        await waiting.leave(connection, tenant_id, self._left, now=self.now)
        ended = [each for each in (*self._born.values(), *self._changed.values()) if not each.is_open]
        await followers(self, ended)
        await self.workshop.jobs.defer_many(self._orders, connection=connection)


def in_turn(instance: Instance, moment: datetime) -> datetime:
    """``moment``, as many microseconds later as the instance has come to steps.

    Steps of a walk happen at one moment, and the wait behind them begins at it: so they stay in their order.
    """
    return moment + timedelta(microseconds=sum(instance.visits.values()))


async def followers(ledger: Ledger, ended: Iterable[Instance]) -> None:
    """What ended instances let go on: the next in their queues, and the instances that wait for them."""
    over = list(ended)
    if not over:
        return
    workshop, connection = ledger.workshop, ledger.connection
    places = sorted({(each.workflow, each.key) for each in over})
    for following in await batches.queued_behind(connection, workshop.tenant_id, places):
        instance = await instances.lock(connection, workshop.tenant_id, following)
        if instance is not None and instance.status == instances.QUEUED:
            instance.status, instance.entered_at = instances.RUNNING, ledger.now
            await instances.save(connection, workshop.tenant_id, instance, now=ledger.now)
            ledger.order(order(instance.id, instance.priority))
    for each in over:
        if each.parent_id is not None:
            ledger.order(order(each.parent_id, each.priority))
