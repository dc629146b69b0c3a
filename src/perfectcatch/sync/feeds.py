"""Reading one feed page by page: the next page is under way while the last one is being stored."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec

from perfectcatch.errors import VendorLoop
from perfectcatch.model.entity import Entity, Feed, Source
from perfectcatch.model.source import Page, RecordSource

OVERLAP = timedelta(minutes=10)  # rows may become visible late; an unchanged row costs nothing
EMPTY_PAGES = 10  # so many pages without a record, each promising more, are a loop
PASSES = 3  # a list that shifts while it is read is read again


@dataclass(frozen=True, slots=True)
class Step:
    """A page, and the position from which reading goes on when it is stored."""

    page: Page
    position: str | None


def positions(feed: Feed) -> bool:
    """Whether a feed has a position that outlives a run (a continuation token)."""
    return feed.source is Source.EXPORT


async def read(
    source: RecordSource, entity: Entity, feed: Feed, *, position: str | None, since: datetime | None
) -> AsyncGenerator[Step, None]:
    """Every page of ``feed``, from ``position`` (export feeds) or changed since ``since`` (lists)."""
    if feed.source is Source.EXPORT:
        steps = _export(source, feed, position)
    else:
        steps = _list(source, entity, feed, since if feed.source is Source.CHANGED else None)
    async with aclosing(steps) as opened:
        async for step in opened:
            yield step


async def _export(source: RecordSource, feed: Feed, token: str | None) -> AsyncGenerator[Step, None]:
    query = {"includeRecentChanges": "true", **dict(feed.query)}
    empty = 0

    async def fetch(at: str | None) -> Page:
        return await source.export_page(feed.endpoint, at, query)

    coming = asyncio.create_task(fetch(token))
    try:
        while True:
            page = await coming
            empty = 0 if page.records or page.broken else empty + 1
            if page.has_more and (page.token is None or page.token == token or empty >= EMPTY_PAGES):
                raise VendorLoop(
                    f"The feed {feed.endpoint} promises more but does not go on (token {page.token!r} "
                    "again); nothing further was read, and the next run tries from the same place."
                )
            token = page.token or token
            if page.has_more:
                coming = asyncio.create_task(fetch(token))
            yield Step(page, token)
            if not page.has_more:
                return
    finally:
        await _abandon(coming)


async def _abandon(coming: "asyncio.Task[Page]") -> None:
    """Give up a page that nobody will read, whatever becomes of it."""
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)


async def _list(
    source: RecordSource, entity: Entity, feed: Feed, since: datetime | None
) -> AsyncGenerator[Step, None]:
    """Page through a list; when rows moved while it was read, read it again."""
    query = _list_query(source, feed, since)
    size = feed.page_size or 5000
    for attempt in range(1, PASSES + 1):
        seen: set[Any] = set()
        first_total = last_total = None
        fingerprint = b""
        async with aclosing(_numbered(source, feed, size, query)) as pages:
            async for number, page in pages:
                digest = blake2b(b"\n".join(page.records), digest_size=16).digest()
                if page.has_more and (digest == fingerprint or not (page.records or page.broken)):
                    raise VendorLoop(
                        f"The list {feed.endpoint} promises more but page {number + 1} brings nothing new; "
                        "nothing further was read, and the next run tries again."
                    )
                fingerprint = digest
                first_total = page.total if number == 0 else first_total
                last_total = page.total
                seen.update(_ids(entity, page))
                yield Step(_tagged(page, feed), None)
        complete = last_total is None or (first_total == last_total and len(seen) >= last_total)
        if complete or attempt == PASSES:
            return


async def _numbered(
    source: RecordSource, feed: Feed, size: int, query: dict[str, str]
) -> AsyncGenerator[tuple[int, Page], None]:
    number = 0
    while True:
        page = await source.list_page(feed.endpoint, number, size, query)
        yield number, page
        if not page.has_more:
            return
        number += 1


def _list_query(source: RecordSource, feed: Feed, since: datetime | None) -> dict[str, str]:
    query = dict(feed.query)
    if source.takes(feed.endpoint, "sort") and "sort" not in query:
        query["sort"] = "+Id"  # an order that a change does not disturb
    if source.takes(feed.endpoint, "includeTotal"):
        query["includeTotal"] = "true"
    if since is not None:
        query["modifiedOnOrAfter"] = (since - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return query


def _ids(entity: Entity, page: Page) -> list[Any]:
    ids = [_id(entity, record) for record in page.records]
    return ids + [broken.raw for broken in page.broken]


def _id(entity: Entity, record: bytes | memoryview) -> Any:
    try:
        value = msgspec.json.decode(record)
        for step in entity.key.split("."):
            value = value[step]
    except (msgspec.MsgspecError, TypeError, KeyError):
        return bytes(record)
    return value if isinstance(value, int | str) else bytes(record)


def _tagged(page: Page, feed: Feed) -> Page:
    """Put the feed's tag into each record, where several lists share a table."""
    if feed.tag is None:
        return page
    key, value = feed.tag
    start = b"{" + msgspec.json.encode(key) + b":" + msgspec.json.encode(value)
    records: list[bytes | memoryview] = []
    for record in page.records:
        rest = bytes(record).strip()[1:].lstrip()
        records.append(start + (b"" if rest == b"}" else b",") + rest)
    return replace(page, records=records)
