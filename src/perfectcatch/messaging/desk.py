"""What the gate works with, composed once per process."""

from dataclasses import dataclass, field

from perfectcatch.kit.clock import Clock
from perfectcatch.messaging.rules import Rules
from perfectcatch.model.messaging import Mailer, Messenger
from perfectcatch.store.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Who writes. ``public_url`` is where links of emails lead to, ``secret`` what signs them."""

    name: str = ""
    postal_address: str = ""
    phone: str = ""
    public_url: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that a message needs. Without a vendor for a channel its messages are suppressed."""

    pool: Pool
    tenant_id: int
    clock: Clock
    company: Company = field(default_factory=Company)
    rules: Rules = field(default_factory=Rules)
    messenger: Messenger | None = None
    mailer: Mailer | None = None
