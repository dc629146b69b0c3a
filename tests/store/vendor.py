"""A vendor in memory, behind the role that the sync knows: feeds, lists, and what goes wrong there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from perfectcatch.errors import VendorUnavailable
from perfectcatch.model.source import Form, Listing, Page


@dataclass
class Vendor:
    """Records by endpoint and id, each with the number of the change that made it."""

    tenant_id: int = 7
    page_size: int = 3
    records: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    changes: dict[tuple[str, int], int] = field(default_factory=dict)
    counter: int = 0
    now: datetime = datetime(2026, 5, 1, tzinfo=UTC)
    fail_after: int | None = None  # so many pages, then the vendor is down
    between_pages: Any = None  # called before each list page but the first
    pages: list[tuple[str, str | None]] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)  # ids that feeds leave out although they exist
    stuck: bool = False  # promises more and gives the same token
    round: Any = None  # the tokens to promise more with, one after the other
    down: set[str] = field(default_factory=set)  # endpoints that do not answer
    circle: Any = None  # a record, and the tokens under which it comes again and again
    time_told: datetime | None = None
    broken: set[str] = field(default_factory=set)  # endpoints whose client has a mistake
    lists: dict[str, Listing] = field(default_factory=dict)  # of feeds that can be listed, by the feed
    unlisted: set[int] = field(default_factory=set)  # ids that lists leave out although they exist
    counted: int = 0  # requests for a count alone

    refusal: Exception | None = None  # what every call is answered with

    def put(self, endpoint: str, st_id: int, **values: Any) -> None:
        """Create or change a record; its modification time moves on."""
        self.counter += 1
        self.now += timedelta(seconds=1)
        kept = self.records.setdefault(endpoint, {})
        old = kept.get(st_id, {"id": st_id, "active": True, "createdOn": self.now.isoformat()})
        kept[st_id] = {**old, **values, "modifiedOn": self.now.isoformat()}
        self.changes[endpoint, st_id] = self.counter

    def remove(self, endpoint: str, st_id: int) -> None:
        """Delete without a trace."""
        del self.records[endpoint][st_id]

    def takes(self, endpoint: str, parameter: str) -> bool:
        return parameter == "includeTotal"

    def listing(self, feed: str) -> Listing | None:
        return self.lists.get(feed)

    def form(self, endpoint: str) -> Form:
        return Form()

    async def count(self, endpoint: str) -> int | None:
        return len(self.records.get(endpoint, {}))

    async def one(self, endpoint: str, st_id: int) -> bytes | None:
        self._available(endpoint)
        record = self.records[endpoint.replace(".get", ".export")].get(st_id)
        return json.dumps(record).encode() if record else None

    def vendor_time(self) -> datetime | None:
        return self.time_told

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        self._turn(endpoint, token)
        since = int(token) if token and token.isdigit() else 0
        waiting = sorted(
            (number, st_id)
            for (name, st_id), number in self.changes.items()
            if name == endpoint and number > since and st_id in self.records[endpoint]
        )
        waiting = [each for each in waiting if each[1] not in self.forgotten]
        chosen = waiting[: self.page_size]
        following = str(chosen[-1][0]) if chosen else str(since)
        page = Page(
            records=[json.dumps(self.records[endpoint][st_id]).encode() for _, st_id in chosen],
            has_more=len(waiting) > len(chosen),
            token=following,
        )
        if self.circle is not None:
            record, tokens = self.circle
            again = [json.dumps(record).encode()]
            return Page(records=again, has_more=True, token=str(next(tokens)))
        if self.round is not None:
            return replace(page, has_more=True, token=next(self.round))
        return replace(page, has_more=True, token=token or "1") if self.stuck else page

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        self._turn(endpoint, str(page))
        if page and self.between_pages:
            self.between_pages()
        if endpoint.endswith(".list") and endpoint not in self.records:
            return self._listed(endpoint.replace(".list", ".export"), page, size, query)
        since = query.get("modifiedOnOrAfter")
        rows = [
            record
            for _, record in sorted(self.records.get(endpoint, {}).items())
            if not since or datetime.fromisoformat(record["modifiedOn"]) >= datetime.fromisoformat(since)
        ]
        size = self.page_size
        shown = rows[page * size : (page + 1) * size]
        return Page(
            records=[json.dumps(record).encode() for record in shown],
            has_more=len(rows) > (page + 1) * size,
            total=len(rows),
        )

    def _listed(self, feed: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        self.counted += size == 1
        start = datetime.fromisoformat(query.get("createdOnOrAfter", "0001-01-01T00:00Z"))
        end = datetime.fromisoformat(query.get("createdBefore", "9999-01-01T00:00Z"))
        ids = {int(each) for each in query["ids"].split(",")} if "ids" in query else None
        of = {int(each) for each in query["customerIds"].split(",")} if "customerIds" in query else None
        rows = [
            record
            for st_id, record in sorted(self.records.get(feed, {}).items())
            if st_id not in self.unlisted
            and start <= datetime.fromisoformat(record["createdOn"]) < end
            and (ids is None or st_id in ids)
            and (of is None or (record["customerId"] in of and record["active"]))
        ]
        shown = rows[page * size : (page + 1) * size]
        return Page(
            records=[json.dumps(record).encode() for record in shown],
            has_more=len(rows) > (page + 1) * size,
            total=len(rows),
        )

    def _available(self, endpoint: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        if endpoint in self.down:
            raise VendorUnavailable("the vendor does not answer")
        if endpoint in self.broken:
            raise RuntimeError("a mistake")

    def _turn(self, endpoint: str, position: str | None) -> None:
        self._available(endpoint)
        if self.fail_after is not None and len(self.pages) >= self.fail_after:
            raise VendorUnavailable("the vendor does not answer")
        self.pages.append((endpoint, position))
