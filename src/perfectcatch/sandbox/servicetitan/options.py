"""What can be set on the sandbox."""

from dataclasses import dataclass, field

from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.sandbox.servicetitan.company import TENANT_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Who may ask, how much, and what company answers."""

    seed: int = 7
    customers: int = 1696
    tenant_id: int = TENANT_ID
    client_id: str = "cid.sandbox-perfectcatch"
    client_secret: str = "cs1.sandbox-not-a-secret"  # noqa: S105 - opens nothing but this sandbox
    app_key: str = "ak1.sandbox-perfectcatch"
    token_seconds: int = 900
    tokens_per_minute: int = 10
    rate: float = 60  # requests a second for one app and tenant
    activity: float = 0  # changes a minute that happen by themselves
    ago: float = 0  # seconds before now at which the company's time begins
    speed: float | None = None  # simulated seconds a second at which the company lives; None: when advanced
    skip_quiet: bool = False  # jump over the time in which nothing happens, at a speed above 1
    export_page_size: int = 5000  # the most on a page of a list too
    settled_seconds: float = 900  # how long a change takes to reach an export feed by itself
    repeat_recent: bool = True  # a feed that shows recent changes shows them again until they have settled
    made_up: int = 30  # records of a resource that the company does not keep
    ledger: int = 20_000  # requests remembered
    changes: int = 50_000  # changes remembered
    webhook_url: str | None = None
    webhook_secret: str = ""
    clock: Clock = field(default_factory=SystemClock)  # the machine's time, below the company's own
