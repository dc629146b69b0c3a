"""Tokens that others gave us for their data, and the role of who keeps them."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol


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


RESTING: Final = "\0"  # where a token would be: for so long the giver wants to be asked for none


@dataclass(frozen=True, slots=True)
class Access:
    """A token that opens for ``seconds`` more."""

    text: str = field(repr=False)
    seconds: float


class Sharing(Protocol):
    """What a process may do while no other one fetches the same token."""

    @property
    def access(self) -> Access | None:
        """What another process has fetched meanwhile."""

    @property
    def others_failed(self) -> bool:
        """Whether another process was waited for, and has none: one try is enough for all."""

    async def keep(self, text: str, seconds: float) -> None:
        """Keep a token, or RESTING, for all processes, for ``seconds`` from now. Raises nothing."""


class Shelf(Protocol):
    """Keeps one access token for all processes of ours. Raises nothing: without it each has its own."""

    async def read(self) -> Access | None:
        """What is kept; None where nothing is that still opens."""

    def alone(self, refused: Collection[str]) -> AbstractAsyncContextManager[Sharing]:
        """Keep other processes from fetching one for the length of the block, which is one try.

        Who fetches one already is waited for; what he gets ends the wait, unless it is one of ``refused``.
        """


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
