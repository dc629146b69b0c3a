"""The post room: webhooks about messages are stored first, and looked after here, once each by anybody."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from perfectcatch.messaging import inbound, reconcile, reports
from perfectcatch.messaging.desk import Desk
from perfectcatch.model.messaging import Received
from perfectcatch.model.reports import MessageWebhooks, Webhook
from perfectcatch.model.webhook import Delivery
from perfectcatch.store import inbox
from perfectcatch.store.inbox import Arrival, ClaimedMessage
from perfectcatch.store.intake import Intake

TARGET: Final = ":target"  # beside the headers: path and query that a webhook was sent to
_AGAIN_SECONDS: Final = 5.0
_WEBHOOK_SECONDS: Final = 2.0  # between two looks for what another process stored and did not finish

_log = structlog.get_logger(__name__)


class PostRoom:
    """Takes what vendors of messages tell, and asks them for what they did not.

    ``poll_seconds``: between two questions to the vendors. ``run`` may go on in any number of processes.
    ``intake`` stores the webhooks of all vendors.
    """

    def __init__(self, desk: Desk, sources: Mapping[str, MessageWebhooks], *, poll_seconds: float) -> None:
        self.desk = desk
        self.sources = sources
        self.intake = Intake(desk.pool, desk.tenant_id)
        self._poll_seconds = poll_seconds
        self._stored = asyncio.Event()

    async def store(self, source: MessageWebhooks, webhook: Webhook, kept: Mapping[str, str]) -> bool:
        """Store a verified webhook, with the headers ``kept``; whether it is new. It is looked after soon."""
        event_type, event_id = source.identify(webhook)
        new = await self.intake.receive(
            Arrival(
                source=source.name,
                delivery=Delivery(event_type=event_type, event_id=event_id, hints=()),
                headers={**kept, TARGET: webhook.target},
                body=webhook.body,
                of_messages=True,
            )
        )
        self._stored.set()
        return new

    async def run(self) -> None:
        """Look after webhooks and ask the vendors, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._webhooks())
            group.create_task(self._questions())

    async def look_after(self) -> int:
        """Do what webhooks wait; how many."""
        desk, done = self.desk, 0
        while claimed := await inbox.claim_of_messages(desk.pool, desk.tenant_id):
            for each in claimed:
                await self._look_after(each)
            done += len(claimed)
        return done

    async def _look_after(self, webhook: ClaimedMessage) -> None:
        """Act on it, and note so at once: a report that is done again undoes what came after it."""
        desk, source = self.desk, self.sources.get(webhook.source)
        came = Webhook(
            target=webhook.headers.get(TARGET, ""), headers={}, body=webhook.body, at=webhook.received_at
        )
        try:
            for each in source.read(came) if source else ():
                if isinstance(each, Received):
                    await inbound.take(desk, each)
                else:
                    await reports.apply(desk, each)
        except Exception as error:  # noqa: BLE001 - the others must not wait for it
            _log.exception("webhook_of_messages_failed", webhook=webhook.id, source=webhook.source)
            await inbox.give_back(
                desk.pool,
                desk.tenant_id,
                [webhook.id],
                after_seconds=_AGAIN_SECONDS,
                error=f"{type(error).__name__}: {error}"[:500],
            )
        else:
            await inbox.settle(desk.pool, desk.tenant_id, [webhook.id])

    async def _webhooks(self) -> None:
        while True:
            self._stored.clear()
            try:
                await self.look_after()
            except Exception:  # noqa: BLE001 - what is stored waits, whatever it was
                _log.exception("webhooks_of_messages_wait")
                await self.desk.clock.sleep(_AGAIN_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_WEBHOOK_SECONDS):
                    await self._stored.wait()

    async def _questions(self) -> None:
        while True:
            try:
                await reconcile.round_of(self.desk)
            except Exception:  # noqa: BLE001 - the next round asks again
                _log.exception("vendors_of_messages_not_asked")
            await self.desk.clock.sleep(self._poll_seconds)
