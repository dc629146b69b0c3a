"""Brings webhooks to their receiver, without ever holding up an answer of the vendor."""

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Request, Response
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.journal import Change
from perfectcatch.sandbox.servicetitan.madeup import number_of
from perfectcatch.sandbox.servicetitan.table import Id
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.sandbox.servicetitan.webhooks import events
from perfectcatch.sandbox.servicetitan.webhooks.subscription import Subscription

Send = Callable[[Request], Awaitable[Response]]
RETRIES = (10.0, 30.0, 60.0, 300.0)  # seconds, as the vendor waits
_AT_ONCE = 8  # requests at the same time
_REMEMBERED, _WAITING = 5_000, 50_000
_PATIENCE = 10.0  # seconds for one answer
_LINGER = 1.0  # seconds for which one that is to come late waits for another to overtake it


@dataclass(slots=True)
class Delivery:
    """One event on its way. ``outcome``: waiting, acknowledged, retrying, given up, dropped, switched off."""

    event: str
    entity: str
    id: Id
    body: bytes
    event_id: str
    outcome: str = "waiting"
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """As the control surface tells it."""
        return {
            "eventId": self.event_id,
            "event": self.event,
            "entity": self.entity,
            "id": self.id,
            "outcome": self.outcome,
            "attempts": self.attempts,
        }


class Webhooks:
    """Reads the journal along; ``flush`` makes events of what one request or happening changed."""

    def __init__(self, tenant: Tenant, clock: Clock, subscription: Subscription, seed: int) -> None:
        self.subscription = subscription
        self._tenant, self._clock, self._seed = tenant, clock, seed
        self._dice = Random(f"{seed}/webhooks")
        self._changed: dict[tuple[str, Id], list[Change]] = {}
        self._queue: deque[Delivery] = deque()
        self._late: Delivery | None = None
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._serial = 0
        self.sent: deque[Delivery] = deque(maxlen=_REMEMBERED)
        self.lost = 0  # more than fit into the queue
        tenant.journal.readers.append(self._read)

    def set(self, facts: Mapping[str, Any]) -> None:
        """Change what is named of the subscription; a null address ends it. Raises BadArgument."""
        self.subscription = self.subscription.changed(facts)

    def state(self, limit: int) -> dict[str, Any]:
        """What is set, how many of which outcome, and the last deliveries, newest last."""
        known = [*self.sent]
        return {
            "subscription": self.subscription.shown(),
            "outcomes": dict(Counter(each.outcome for each in known)),
            "waiting": len(self._queue) + len(self._under_way) + (self._late is not None),
            "lost": self.lost,
            "deliveries": [each.row() for each in known[-limit:]] if limit > 0 else [],
        }

    # From changes to events ---------------------------------------------------------------------

    def _read(self, change: Change) -> None:
        if self.subscription.url is not None and change.collection in events.ENTITIES:
            self._changed.setdefault((change.collection, change.id), []).append(change)

    def flush(self) -> None:
        """Queue the events of what has changed since the last time: one of each type for a record."""
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        for (collection, record_id), changes in changed.items():
            row = self._tenant.table(collection).rows.get(record_id)
            record = row.record() if row is not None else None
            names = dict.fromkeys(events.name(each, record) for each in changes)
            if changes[0].kind == "added":  # what was filled in at once belongs to the creation
                names = dict.fromkeys((events.name(changes[0], record),))
            elif len(names) > 1:
                names.pop(f"{events.ENTITIES[collection]}.updated", None)
            for name in names:
                if name is not None and self.subscription.wants(name):
                    self._enqueue(name, changes[-1])

    def _enqueue(self, name: str, change: Change) -> None:
        self._serial += 1
        number = number_of("webhook", self._seed, self._serial)
        event_id = str(uuid.UUID(int=number << 96 | self._serial))
        entity = events.ENTITIES[change.collection]
        envelope = {
            "eventId": event_id,
            "eventType": name,
            "tenantId": self._tenant.options.tenant_id,
            "entityType": entity,
            "entityId": change.id,
            "modifiedOn": moments.write(change.moment),
        }
        delivery = Delivery(name, entity, change.id, msgspec.json.encode(envelope), event_id)
        self.sent.append(delivery)
        if self._falls(self.subscription.drop):
            delivery.outcome = "dropped"
            return
        if len(self._queue) >= _WAITING:
            delivery.outcome = "dropped"
            self.lost += 1
            return
        for _ in range(2 if self._falls(self.subscription.duplicate) else 1):
            self._line_up(delivery)
        self._wake.set()

    def _falls(self, share: float) -> bool:
        return share > 0 and self._dice.random() < share

    def _line_up(self, delivery: Delivery) -> None:
        if self._late is None and self._falls(self.subscription.reorder):
            self._late = delivery
            return
        self._queue.append(delivery)
        if self._late is not None:
            self._queue.append(self._late)
            self._late = None

    # On the way ---------------------------------------------------------------------------------

    async def run(self, send: Send) -> None:
        """Deliver until cancelled; ``send`` makes the request."""
        places = asyncio.Semaphore(_AT_ONCE)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue or self._late is not None:
                    if not self._queue and self._late is not None:
                        await self._clock.sleep(_LINGER)
                        if self._late is not None:
                            self._queue.append(self._late)
                            self._late = None
                    self._start(self._queue.popleft(), send, places)
                    await asyncio.sleep(0)
        finally:
            for task in self._under_way:
                task.cancel()

    def _start(self, delivery: Delivery, send: Send, places: asyncio.Semaphore) -> None:
        task = asyncio.create_task(self._deliver(delivery, send, places))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, delivery: Delivery, send: Send, places: asyncio.Semaphore) -> None:
        if self.subscription.delay:
            await self._clock.sleep(self.subscription.delay)
        for wait in (0.0, *RETRIES):
            if wait:
                delivery.outcome = "retrying"
                await self._clock.sleep(wait)
            to = self.subscription
            if to.url is None:
                delivery.outcome = "switched off"
                return
            async with places:
                answer = await self._attempt(delivery, to, send)
            delivery.attempts.append({"at": self._clock.now().isoformat(), "answer": answer})
            if isinstance(answer, int) and answer // 100 == 2:  # noqa: PLR2004 - a status of success
                delivery.outcome = "acknowledged"
                return
        delivery.outcome = "given up"

    async def _attempt(self, delivery: Delivery, to: Subscription, send: Send) -> int | str:
        headers = {"Content-Type": "application/json", "x-servicetitan-event": delivery.event}
        if to.secret:
            headers[to.header] = to.signature(delivery.body)
        request = Request(
            method="POST",
            url=to.url or "",
            headers=headers,
            body=delivery.body,
            total_seconds=_PATIENCE,
            max_bytes=64 * 1024,
        )
        try:
            return (await send(request)).status
        except PerfectCatchError as error:
            return str(error)
