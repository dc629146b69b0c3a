"""The role of a vendor that records are mirrored from, as the sync sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

IDS_PER_REQUEST: Final = 50  # that a list takes, by the vendor's word; short enough for any URL
EMPTY_PAGES: Final = 10  # so many in a row without a record, each promising more, are a loop


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record that is not valid JSON by the standard (NaN, a lone surrogate ...): kept, never parsed."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a feed. ``records`` are JSON documents as the vendor wrote them."""

    records: list[bytes | memoryview]
    has_more: bool
    token: str | None = None  # an export feed's continuation, given even when nothing more is there
    total: int | None = None  # where the vendor was asked for it
    requests: int = 1
    broken: list[BrokenRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Form:
    """In what a list's record differs from that of the feed: fields to add, with values, and to drop."""

    adds: tuple[tuple[str, bool | str], ...] = ()
    drops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How the records of a feed can be listed and counted. Queries are fixed values to send along.

    ``everything``: nothing is left out; ``living``: what is neither deleted nor switched off. ``dated``:
    takes ``createdOnOrAfter`` and ``createdBefore``. ``by_ids``: takes ``ids``. ``owner``: the parameter that
    takes ids of those whose records are wanted, and which entity these are.
    """

    endpoint: str
    everything: tuple[tuple[str, str], ...] = ()
    living: tuple[tuple[str, str], ...] = ()
    counts: bool = True
    dated: bool = True
    by_ids: bool = False
    owner: tuple[str, str] | None = None
    page_size: int = 5000
    form: Form = Form()


@dataclass(frozen=True, slots=True)
class Related:
    """Records of ``entity`` are listed by those of ``of`` that they point to.

    ``parameter`` of the list takes the id, or a list of ids with ``many``.
    """

    entity: str
    parameter: str
    of: str
    many: bool = True


class RecordSource(Protocol):
    """What a vendor's client does for the sync. Errors are those of ``perfectcatch.errors``."""

    @property
    def tenant_id(self) -> int:
        """The company whose records these are."""

    def vendor_time(self) -> datetime | None:
        """What time it is by the vendor's own clock, None where it has not told."""

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        """Read a page of an export feed; ``token`` None: from the beginning."""

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        """Read page ``page`` (the first is 0 here, whatever the vendor counts from) of a list."""

    def takes(self, endpoint: str, parameter: str) -> bool:
        """Whether the operation documents this query parameter; the vendor ignores others silently."""

    async def count(self, endpoint: str) -> int | None:
        """How many records a feed has in all, None where the vendor has no way to tell."""

    async def one(self, endpoint: str, st_id: int) -> bytes | None:
        """Read one record as JSON, None when the vendor has none by this id."""

    def listing(self, feed: str) -> Listing | None:
        """How the records of a feed can be listed beside it, None where they cannot."""

    def form(self, endpoint: str) -> Form:
        """In what a record of a single read differs from that of the feed."""
