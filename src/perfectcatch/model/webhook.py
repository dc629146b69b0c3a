"""The role of a vendor that tells us of changes by itself: a webhook is a hint, never a fact."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Hint:
    """A record that is said to have changed. ``st_id`` None: some record of this entity.

    The id is a text where the vendor's ids are none of the mirror's numbers.
    """

    entity: str
    st_id: int | str | None


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

    @property
    def patience(self) -> float | None:
        """Seconds within which one must be stored, where the vendor tells again only what is put off (429).

        None: it tells again whatever was not taken.
        """

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Whether the vendor has signed this body. Without a secret nothing is."""

    def put_off(self, body: bytes, now: datetime) -> None:
        """A verified body could not be stored: it will come again, and be older then."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """What a verified body says; whatever cannot be read gives no hint."""
