"""What a vendor of messages tells us by itself: what became of one of ours, and messages from people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perfectcatch.model.messaging import Channel, NotCarried, Receipt, Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a message. ``reference``: ours, if the vendor carried it; ``address``: who got it.

    ``receipt`` None: nothing about the message itself, as with a complaint about one that arrived.
    ``trouble`` is what to learn for later messages.
    """

    channel: Channel
    vendor_id: str
    address: str
    reference: str | None = None
    receipt: Receipt | None = None
    trouble: NotCarried | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook as it came. ``target``: path and query; the names of ``headers`` are in small letters."""

    target: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime


class MessageWebhooks(Protocol):
    """One kind of a vendor's webhooks about messages."""

    @property
    def name(self) -> str:
        """The end of the route, such as ``vendor/kind``."""

    @property
    def answer(self) -> tuple[str, bytes]:
        """Content type and body that the vendor wants to hear, with status 200."""

    def verify(self, webhook: Webhook) -> bool:
        """Whether the vendor signed this."""

    def identify(self, webhook: Webhook) -> tuple[str, str | None]:
        """The kind of what a verified one tells, and the vendor's own number of it, where there is one."""

    def read(self, webhook: Webhook) -> Sequence[Received | Report]:
        """What a verified one tells; whatever cannot be read tells nothing."""
