"""The role of a vendor that tells us of changes by itself: a webhook is a hint, never a fact."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Hint:
    """A record that is said to have changed. ``st_id`` None: some record of this entity."""

    entity: str
    st_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a webhook says. ``event_id`` is the vendor's own number of the happening, where it gives one."""

    event_type: str
    event_id: str | None
    hints: tuple[Hint, ...]


class WebhookSource(Protocol):
    """A vendor's webhooks."""

    @property
    def name(self) -> str:
        """The vendor's name, the last part of the route."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Whether the vendor has signed this body. Without a secret nothing is."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """What a verified body says; whatever cannot be read gives no hint."""
