"""Roles that workflows reach the outside world by; vendors fulfil them, and each may be absent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from perfectcatch.kit.thought import Thought

CRM_ACTIONS: Final = ("upsert_contact", "create_opportunity", "move_opportunity", "add_tags", "add_note")


class Crm(Protocol):
    """Where sales people see their opportunities. Every action is an upsert by our own ids."""

    async def act(self, action: str, values: Mapping[str, Any], *, key: str) -> Mapping[str, Any]:
        """Carry ``action`` out; ``key`` stays the same when it is tried again."""


class Chat(Protocol):
    """Where the office talks."""

    async def post(self, channel: str, text: str, *, key: str) -> Mapping[str, Any]:
        """Say ``text`` in ``channel``; a key that was said already is not said again."""


class Writer(Protocol):
    """Changes at the source of the mirror. A change whose outcome nobody knows raises OutcomeUnknown."""

    async def write(self, operation: str, path: Mapping[str, Any], body: Mapping[str, Any]) -> Any:
        """Carry out the operation of that name."""


class Refresher(Protocol):
    """Reads one customer again from the source of the mirror."""

    async def refresh(self, customer_id: int) -> None:
        """Bring everything of the customer up to date. Raises Retry where that cannot be now."""


class Caller(Protocol):
    """Requests to hosts that the company has allowed."""

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Any, key: str
    ) -> Mapping[str, Any]:
        """Send a request; gives status and body. Raises Refused for another host."""


class Thinker(Protocol):
    """An AI model that answers in a given shape."""

    async def think(
        self, question: str, *, schema: Mapping[str, Any], data: Mapping[str, Any], tokens: int
    ) -> Thought:
        """What it says to ``question`` about ``data``, which is never taken for instructions.

        Whether the words fit ``schema`` is for the caller to see. Raises Retry where the model cannot be
        asked now, AskPerson where it refuses our key, Refused where it takes no such question.
        """

    def most(self, characters: int, tokens: int) -> Decimal:
        """Dollars that a question of so many characters costs at most, answered with ``tokens``."""
