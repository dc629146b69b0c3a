"""Reading one feed page by page: the next page is under way while the last one is being stored."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from perfectcatch.errors import VendorLoop, VendorUnavailable
from perfectcatch.kit import fingerprint
from perfectcatch.model.entity import Entity, Feed, Source
from perfectcatch.model.source import EMPTY_PAGES, Page, RecordSource

OVERLAP = timedelta(minutes=10)  # rows may become visible late; an unchanged row costs nothing
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
PASSES = 4  # a list that moves while it is read is read again


@dataclass(frozen=True, slots=True)
class Step:
    """A page, and the position from which reading goes on when it is stored."""

    page: Page
    position: str | None


async def read(
    source: RecordSource, entity: Entity, feed: Feed, *, position: str | None, since: datetime | None
) -> AsyncGenerator[Step, None]:
    """Every page of ``feed``, from ``position`` (export feeds) or changed since ``since`` (lists).

    Ends normally only when everything was read: VendorLoop if the feed does not go on, VendorUnavailable if
    a list moved too much to be sure of it.
    """
    if feed.source is Source.EXPORT:
        steps = _export(source, feed, position)
    else:
        steps = _list(source, entity, feed, since if feed.source is Source.CHANGED else None)
    async with aclosing(steps) as opened:
        async for step in opened:
            yield step


async def _export(source: RecordSource, feed: Feed, token: str | None) -> AsyncGenerator[Step, None]:
    query = {"includeRecentChanges": "true", **dict(feed.query)}
    seen = {token}
    contents: set[bytes] = set()
    empty = 0

    async def fetch(at: str | None) -> Page:
        return await source.export_page(feed.endpoint, at, query)

    coming = asyncio.create_task(fetch(token))
    try:
        while True:
            page = await coming
            empty = 0 if page.records or page.broken else empty + 1
            content = _content(page)
            if page.has_more:
                _goes_on(feed, page, seen, again=empty >= EMPTY_PAGES or (not empty and content in contents))
            contents.add(content)
            token = page.token or token
            seen.add(token)
            if page.has_more:
                coming = asyncio.create_task(fetch(token))
            yield Step(page, token)
            if not page.has_more:
                return
    finally:
        await _abandon(coming)


def _goes_on(feed: Feed, page: Page, seen: set[str | None], *, again: bool) -> None:
    """Raise VendorLoop unless a page that promises more leads to another place and brings something new."""
    if page.token is None or page.token in seen:
        what = "with the same continuation"
    elif again:
        what = "with nothing new"
    else:
        return
    raise VendorLoop(
        f"The feed {feed.endpoint} promises more but does not go on: it answers {what}. The place is kept as "
        "it was before this read, and the next run tries from there; if this stays, tell the vendor."
    )


def _content(page: Page) -> bytes:
    return fingerprint.of_all(chain(page.records, (broken.raw for broken in page.broken)))


async def _abandon(coming: "asyncio.Task[Page]") -> None:
    """Give up a page that nobody will read, whatever becomes of it."""
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)


async def _list(
    source: RecordSource, entity: Entity, feed: Feed, since: datetime | None
) -> AsyncGenerator[Step, None]:
    """Page through a list until two passes bring the same records.

    With numbered pages a record that vanishes or appears moves all others, and one may slip between two
    pages unseen, even though the count is right. A list of a single page cannot move.
    """
    query = _list_query(source, feed, since)
    before: set[Any] | None = None
    for _ in range(PASSES):
        seen: set[Any] = set()
        pages = 0
        async with aclosing(_one_pass(source, entity, feed, query)) as opened:
            async for step, ids in opened:
                yield step
                seen |= ids
                pages += 1
        if pages == 1 or seen == before:
            return
        before = seen
    raise VendorUnavailable(
        f"The list {feed.endpoint} moved each of the {PASSES} times that it was read; what came is stored, "
        "and the next run reads it again."
    )


async def _one_pass(
    source: RecordSource, entity: Entity, feed: Feed, query: dict[str, str]
) -> AsyncGenerator[tuple[Step, set[Any]], None]:
    """Every page once, with the ids on it."""
    size = feed.page_size or 5000
    before = b""
    number = 0
    while True:
        page = await source.list_page(feed.endpoint, number, size, query)
        digest = _content(page)
        if page.has_more and (digest == before or not (page.records or page.broken)):
            raise VendorLoop(
                f"The list {feed.endpoint} promises more but page {number + 1} brings nothing new; "
                "nothing further was read, and the next run tries again."
            )
        before = digest
        yield Step(_tagged(page, feed), None), set(_ids(entity, page))
        if not page.has_more:
            return
        number += 1


def _list_query(source: RecordSource, feed: Feed, since: datetime | None) -> dict[str, str]:
    query = dict(feed.query)
    if source.takes(feed.endpoint, "sort") and "sort" not in query:
        query["sort"] = "+Id"  # an order that a change does not disturb
    if since is not None:
        start = max(since, BEFORE_ALL) - OVERLAP
        query["modifiedOnOrAfter"] = start.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
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
    return replace(
        page,
        records=[_with(start, bytes(record)) for record in page.records],
        broken=[replace(broken, raw=_with(start, broken.raw)) for broken in page.broken],
    )


def _with(start: bytes, record: bytes) -> bytes:
    rest = record.strip()[1:].lstrip()
    return start + (b"" if rest == b"}" else b",") + rest
