"""Tokens that others gave us for their data, and the role of who keeps them."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A pair: ``access`` opens until ``expires_at``, ``refresh`` gets the next one, often once.

    ``holder`` is whose they are, as the giver calls it; ``organization`` its id there, where it has one.
    """

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    expires_at: datetime
    made_at: datetime
    holder: str = ""
    organization: str = ""


class Turn(Protocol):
    """What somebody may do while no other process does the same."""

    @property
    def tokens(self) -> Tokens | None:
        """What is kept now; None before anything was."""

    async def keep(self, tokens: Tokens) -> None:
        """Keep these instead; they are safe when this returns."""


class Vault(Protocol):
    """Keeps the pair of one account. Raises NotConnected for what cannot be opened any more."""

    async def read(self) -> Tokens | None:
        """What is kept; None before anything was."""

    def alone(self) -> AbstractAsyncContextManager[Turn]:
        """Wait until no other process renews the pair, and keep them out for the length of the block."""


class Consenting(Protocol):
    """An app of ours that an owner of an account lets in."""

    @property
    def account(self) -> str:
        """The account that is to be let in, as the giver calls it."""

    def consent_url(self, redirect_uri: str, state: str) -> str:
        """Where they do so; they come back to ``redirect_uri`` with a code and ``state``."""

    async def connect(self, code: str, redirect_uri: str) -> None:
        """Turn the code into tokens, and keep them."""
