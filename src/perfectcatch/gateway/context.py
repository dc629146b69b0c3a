"""What every route works with, composed once per process by ``app``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from starlette.requests import HTTPConnection

from perfectcatch.deals.desk import Deals
from perfectcatch.gateway.access import Door
from perfectcatch.gateway.monitor.hub import Hub
from perfectcatch.kit.cache import Cache
from perfectcatch.kit.clock import Clock
from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.post import PostRoom
from perfectcatch.model.entity import Entity
from perfectcatch.model.passing import Passage
from perfectcatch.model.source import RecordSource
from perfectcatch.model.tokens import Consenting
from perfectcatch.model.webhook import WebhookSource
from perfectcatch.store.jobs.queue import Jobs
from perfectcatch.store.pool import Pool
from perfectcatch.store.presence import Presence
from perfectcatch.store.reading.freshness import Freshness
from perfectcatch.store.reading.reads import Reads
from perfectcatch.store.reading.records import Finders
from perfectcatch.sync.one import Whole
from perfectcatch.workflows.running.workshop import Workshop

LISTS_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Everything that a route needs. ``zone`` is the company's time zone.

    ``reads`` are connections that cannot write, for everything that is only looked at.
    """

    pool: Pool
    reads: Reads
    freshness: Freshness
    source: RecordSource
    passage: Passage
    presence: Presence
    entities: Mapping[str, Entity]
    tenant_id: int
    clock: Clock
    zone: str
    door: Door
    hub: Hub
    jobs: Jobs
    webhooks: Mapping[str, WebhookSource]
    workshop: Workshop  # what workflows are changed with
    read_customer: Callable[[int], Awaitable[Whole]]  # from the vendor, with everything around
    desk: Desk  # what messages to people are sent with
    post: PostRoom  # what vendors of messages tell
    crm_app: Consenting | None = None  # our app at the CRM, where no private token is used
    deals: Deals | None = None  # what opportunities are written with; None: no CRM is connected
    finders: Finders = field(default_factory=Finders)
    lists: Cache[Any] = field(init=False)  # short lists that many ask for again and again

    def __post_init__(self) -> None:
        """Make what belongs to this process alone."""
        object.__setattr__(self, "lists", Cache(self.clock, seconds=LISTS_SECONDS))


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that answers this request."""
    return cast(Gateway, connection.app.state.gateway)
