"""What the vendor has, asked for within an allowance of requests, in the form that the feed gives."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from perfectcatch.model.entity import Entity, Feed, Inactive, Source
from perfectcatch.model.source import IDS_PER_REQUEST, BrokenRecord, Form, Listing, Page, RecordSource
from perfectcatch.sync.form import Document, form_of, formed, number_of
from perfectcatch.sync.gaps.search import Window


@dataclass(slots=True)
class Allowance:
    """Requests that may still be made. ``reserve`` of them are kept for looking at what seems to differ."""

    left: int
    reserve: int = 0
    used: int = 0

    def may(self, number: int = 1, *, looking: bool = False) -> bool:
        """Whether so many more requests are allowed."""
        return self.left - (0 if looking else self.reserve) >= number

    def spend(self, number: int) -> None:
        """So many were made."""
        self.left -= number
        self.used += number


@dataclass(frozen=True, slots=True)
class Sight:
    """One answer: records in the form of the feed, and what is no JSON."""

    records: list[Document]
    broken: list[BrokenRecord]
    has_more: bool = False
    token: str | None = None
    total: int | None = None


@dataclass(slots=True)
class Seen:
    """What asking by id gave: ``listed`` by the list, ``single`` by single reads; ``absent`` is unknown.

    ``unasked``: the allowance did not suffice, or the vendor cannot be asked.
    """

    listed: list[Document] = field(default_factory=list)
    single: list[Document] = field(default_factory=list)
    broken: list[BrokenRecord] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    unasked: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Vendor:
    """One entity at the vendor."""

    source: RecordSource
    entity: Entity
    allowance: Allowance
    told: int | None = None  # how many records the window read last has, by the vendor's word
    lists: list[tuple[Feed, Listing]] = field(init=False)

    def __post_init__(self) -> None:
        """Find the lists of the entity's feeds."""
        found = [(feed, self.source.listing(feed.endpoint)) for feed in self.entity.feeds]
        every = [(feed, listing) for feed, listing in found if listing is not None]
        self.lists = every if len(every) == len(found) else []

    @property
    def counts(self) -> bool:
        """Whether the vendor tells how many records there are."""
        return bool(self.lists) and all(listing.counts for _, listing in self.lists)

    @property
    def divisible(self) -> bool:
        """Whether it tells how many were created in a span of time."""
        return self.counts and self.entity.created is not None and all(each.dated for _, each in self.lists)

    @property
    def by_ids(self) -> bool:
        """Whether fifty records can be asked for at once."""
        return self._plain_key and len(self.lists) == 1 and self.lists[0][1].by_ids

    @property
    def singly(self) -> bool:
        """Whether a record can be asked for by its id at all."""
        return self.by_ids or (self._plain_key and self.entity.reads_one is not None)

    @property
    def _plain_key(self) -> bool:
        return not self.entity.derived_key and self.entity.key == "id"

    def pages_for(self, number: int) -> int:
        """How many requests a reading of ``number`` records takes."""
        size = min((listing.page_size for _, listing in self.lists), default=1)
        return -(-number // size) + len(self.lists) - 1 if number else len(self.lists)

    async def count(self, window: Window[datetime]) -> int:
        """How many living records the vendor has in a window; raises what the source raises."""
        total = 0
        for feed, listing in self.lists:
            query = {**_query(self.entity, feed, listing), **within(window), "includeTotal": "true"}
            page = await self.source.list_page(listing.endpoint, 0, 1, query)
            self.allowance.spend(page.requests)
            total += page.total or 0
        return total

    async def read(self, window: Window[datetime], *, looking: bool = False) -> AsyncGenerator[Sight, None]:
        """Every record of a window; ends early, with ``has_more``, when the allowance is used up."""
        totals: list[int | None] = []
        for feed, listing in self.lists:
            query = {**_query(self.entity, feed, listing), **within(window)}
            if listing.counts:
                query["includeTotal"] = "true"
            if self.source.takes(listing.endpoint, "sort"):
                query["sort"] = "+Id"
            number, more = 0, True
            while more:
                if not self.allowance.may(looking=looking):
                    yield Sight([], [], has_more=True)
                    return
                page = await self.source.list_page(listing.endpoint, number, listing.page_size, query)
                self.allowance.spend(page.requests)
                totals += [page.total] if number == 0 else []
                number, more = number + 1, page.has_more and bool(page.records or page.broken)
                yield _sight(page, form_of(feed, listing))
        self.told = None if None in totals else sum(total or 0 for total in totals)

    async def feed_page(self, at: str | None) -> Sight:
        """A page of the only feed, from a token or a day on."""
        [feed] = self.entity.feeds
        query = {"includeRecentChanges": "true", **dict(feed.query)}
        page = await self.source.export_page(feed.endpoint, at, query)
        self.allowance.spend(page.requests)
        return _sight(page, Form())

    async def ask(self, ids: Sequence[int]) -> Seen:
        """Look for records by their ids: first in the list, then one by one what the list does not show."""
        seen = Seen()
        remaining = list(ids)
        if self.by_ids:
            remaining = await self._ask_list(remaining, seen)
        if self.entity.reads_one is not None and self._plain_key:
            await self._ask_singly(self.entity.reads_one, remaining, seen)
        elif self.by_ids:
            seen.absent += remaining
        else:
            seen.unasked += remaining
        return seen

    async def _ask_list(self, ids: Sequence[int], seen: Seen) -> list[int]:
        [(feed, listing)] = self.lists
        query = {**(dict(feed.query) if feed.source is not Source.EXPORT else {}), **dict(listing.everything)}
        absent: list[int] = []
        for start in range(0, len(ids), IDS_PER_REQUEST):
            part = ids[start : start + IDS_PER_REQUEST]
            if not self.allowance.may(looking=True):
                seen.unasked += part
                continue
            asked = {**query, "ids": ",".join(map(str, part))}
            page = await self.source.list_page(listing.endpoint, 0, IDS_PER_REQUEST, asked)
            self.allowance.spend(page.requests)
            sight = _sight(page, form_of(feed, listing))
            seen.listed += sight.records
            seen.broken += sight.broken
            told = {number_of(record) for record in sight.records}
            absent += [st_id for st_id in part if st_id not in told]
        return absent

    async def _ask_singly(self, endpoint: str, ids: Sequence[int], seen: Seen) -> None:
        form = self.source.form(endpoint)
        for st_id in ids:
            if not self.allowance.may(looking=True):
                seen.unasked.append(st_id)
                continue
            self.allowance.spend(1)
            record = await self.source.one(endpoint, st_id)
            if record is None:
                seen.absent.append(st_id)
            else:
                seen.single.append(formed(record, form))


def _sight(page: Page, form: Form) -> Sight:
    records = [formed(record, form) for record in page.records]
    return Sight(records, page.broken, page.has_more, page.token, page.total)


def _query(entity: Entity, feed: Feed, listing: Listing) -> dict[str, str]:
    """What leaves out nothing that we hold as living."""
    fixed: Iterable[tuple[str, str]] = feed.query if feed.source is not Source.EXPORT else ()
    chosen = listing.living if entity.inactive_means is Inactive.DELETED else listing.everything
    return {**dict(fixed), **dict(chosen)}


def within(window: Window[datetime]) -> dict[str, str]:
    """The window as query parameters of a list."""
    limits = (("createdOnOrAfter", window.start), ("createdBefore", window.end))
    return {name: written(moment) for name, moment in limits if moment is not None}


def written(moment: datetime) -> str:
    """A moment as the vendor reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
