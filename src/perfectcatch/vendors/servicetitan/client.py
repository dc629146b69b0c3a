"""The one ServiceTitan client: every operation of the catalogue, for one company."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from perfectcatch.errors import BadArgument, NotFound, VendorUnavailable
from perfectcatch.kit import retry
from perfectcatch.kit.breaker import Breaker
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.http import Http, Response
from perfectcatch.kit.limits import Budget, LocalBudget
from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.model.source import Form, Listing, Page, RecordSource
from perfectcatch.model.tokens import Shelf
from perfectcatch.vendors.servicetitan import endpoints, listings
from perfectcatch.vendors.servicetitan.arguments import bind
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.paging import LoopGuard, read_page, read_whole, unusable
from perfectcatch.vendors.servicetitan.passing import Passing
from perfectcatch.vendors.servicetitan.transport import (
    BACKGROUND,
    INTERACTIVE,
    Observer,
    Transport,
    rates,
)

IDS_PER_CALL = 50
_BEFORE_ALL = "2000-01-01T00:00:00Z"  # older than any record: the vendor was founded in 2012

_REDIRECTS = range(300, 400)
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class FileLink:
    """Where the bytes of a file lie. ``url`` is signed: whoever has it may read the file, so it is not shown.

    It is given instead of being followed: the host is a storage account that nobody can foresee, and what
    the caller has is usually a browser, which follows it without our credentials.
    """

    url: str = field(repr=False)


class Client(RecordSource):
    """ServiceTitan for one company; an async context manager. Errors are those of ``perfectcatch.errors``."""

    def __init__(
        self,
        *,
        http: Http,
        credentials: Credentials,
        api_url: str,
        auth_url: str,
        budget: Budget,
        clock: Clock,
        find: Callable[[str], Endpoint] | None = None,
        breaker: Breaker | None = None,
        rules: retry.Rules = BACKGROUND,
        interactive_rules: retry.Rules = INTERACTIVE,
        on_request: Observer | None = None,
        draw: retry.Draw = random.random,
        lane: str | None = None,
        application: str | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._find = find or endpoints.find
        self._application = application
        self._tenant_id = credentials.tenant_id
        self._clock = clock
        self._transport = Transport(
            http=http,
            credentials=credentials,
            api_url=api_url,
            auth_url=auth_url,
            budget=budget,
            clock=clock,
            breaker=breaker,
            rules=rules,
            interactive_rules=interactive_rules,
            on_request=on_request,
            draw=draw,
            lane=lane,
            shelf=shelf,
        )

    async def __aenter__(self) -> Self:
        """Nothing is opened: the connections belong to the Http that was given."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up whatever is under way for nobody."""
        await self._transport.tokens.close()

    @property
    def tenant_id(self) -> int:
        """The company whose records these are."""
        return self._tenant_id

    @property
    def passing(self) -> Passing:
        """The same vendor for callers of ours, operation by operation."""
        return Passing(self._transport, self._tenant_id, self._clock, application=self._application)

    @property
    def requests(self) -> int:
        """How many HTTP requests were sent so far, those for tokens among them."""
        return self._transport.requests

    @property
    def breaker(self) -> Breaker:
        """The circuit breakers of this company's modules, for a page that shows their state."""
        return self._transport.breaker

    async def call(
        self, name: str, /, *, body: Any = None, interactive: bool = False, **arguments: Any
    ) -> Any:
        """Call any operation; arguments in the vendor's spelling or in snake case, ``body`` as JSON values.

        Gives the decoded JSON, bytes or a FileLink for a file, None where the vendor says nothing.
        ``interactive``: a person waits, so it goes before the background and gives up sooner.
        """
        endpoint = self._find(name)
        read = _read_file if endpoint.kind is Kind.FILE else _reader(endpoint)
        call = bind(endpoint, self._tenant_id, arguments, body)
        answer, _ = await self._transport.send(call, read, interactive=interactive)
        return answer

    async def records(
        self, name: str, /, *, interactive: bool = False, **arguments: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Every record of a list or an export feed, decoded, page after page.

        Raises VendorLoop when the paging does not end, and VendorUnavailable after the last record when
        some could not be read.
        """
        endpoint = self._find(name)
        guard, number, broken = LoopGuard(name), 0, 0
        token: str | None = None
        while True:
            more: dict[str, Any] = {"from": token} if token is not None else {}
            if endpoint.kind is Kind.PAGE:
                size = (
                    {} if _gives(arguments, "page_size", "pageSize") else {"pageSize": endpoint.max_page_size}
                )
                more = {"page": number + endpoint.first_page, **size}
            page = await self._page(endpoint, {**arguments, **more}, interactive=interactive)
            for record in page.records:
                yield msgspec.json.decode(record)
            broken += len(page.broken)
            guard.saw(page)
            if not page.has_more:
                break
            number, token = number + 1, page.token
        if broken:
            raise VendorUnavailable(f"{name}: {broken} records are not valid JSON and were left out")

    async def many(self, name: str, ids: Iterable[int], **arguments: Any) -> Page:
        """The records with these ids from a list that can be asked for ids, whether active or not.

        Fifty ids go into one request. Ids that the vendor does not have are absent from the answer.
        """
        endpoint = self._find(name)
        if not endpoint.takes("ids"):
            raise BadArgument(f"{name} cannot be asked for ids")
        wanted = list(dict.fromkeys(ids))
        found = Page(records=[], has_more=False, requests=0)
        for start in range(0, len(wanted), IDS_PER_CALL):
            part = wanted[start : start + IDS_PER_CALL]
            size = {"pageSize": len(part)} if endpoint.takes("pageSize") else {}
            query = {**_widest(endpoint), **size, **arguments, "ids": part}
            page = await self._page(endpoint, query)
            if page.has_more:
                raise VendorUnavailable(
                    f"{name}: more records came than the {len(part)} ids that were asked for"
                )
            found.records.extend(page.records)
            found.broken.extend(page.broken)
            found = replace(found, requests=found.requests + page.requests)
        return found

    def vendor_time(self) -> datetime | None:
        """What time it is at the vendor, by its own clock; None before the first answer."""
        return self._transport.vendor_time()

    # What the sync asks for --------------------------------------------------------------------

    async def export_page(self, endpoint: str, token: str | None, query: Mapping[str, str]) -> Page:
        """Read a page of an export feed; ``token`` None: from the beginning."""
        place = {} if token is None else {"from": token}
        return await self._page(self._find(endpoint), {**query, **place})

    async def list_page(self, endpoint: str, page: int, size: int, query: Mapping[str, str]) -> Page:
        """Read page ``page``, counted from 0, of a list; ``size`` above the list's own limit becomes that."""
        row = self._find(endpoint)
        if row.kind is Kind.LIST:
            return await self._page(row, query)
        place = {"page": page + row.first_page, "pageSize": min(size, row.max_page_size)}
        return await self._page(row, {**query, **place})

    def takes(self, endpoint: str, parameter: str) -> bool:
        """Whether the operation documents this query parameter; the vendor ignores others silently."""
        return self._find(endpoint).takes(parameter)

    async def count(self, endpoint: str) -> int | None:
        """How many records a feed has in all, inactive ones included; None where the vendor cannot tell.

        An export feed does not say; the list of the same records does, without deleted ones.
        """
        row = self._find(endpoint)
        if row.kind is Kind.EXPORT:
            row = self._twin(row)
        if row.kind is not Kind.PAGE or not row.takes("includeTotal"):
            return None
        since = {"modifiedOnOrAfter": _BEFORE_ALL} if "modifiedOnOrAfter" in row.needs_one_of else {}
        query = {**_widest(row), **since, "page": row.first_page, "pageSize": 1, "includeTotal": True}
        return (await self._page(row, query)).total

    def _twin(self, feed: Endpoint) -> Endpoint:
        """The list of the records that ``feed`` exports, the feed itself where there is none."""
        try:
            return self._find(feed.name.removesuffix(".export") + ".list")
        except BadArgument:
            return feed

    async def one(self, endpoint: str, st_id: int) -> bytes | None:
        """Read one record as JSON, None when the vendor has none by this id."""
        row = self._find(endpoint)
        names = [parameter.name for parameter in row.path_parameters if parameter.name != "tenant"]
        if row.kind is not Kind.ITEM or len(names) != 1:
            raise BadArgument(f"{endpoint} does not read one record by its id")
        call = bind(row, self._tenant_id, {names[0]: st_id})

        def read(response: Response) -> bytes | None:
            return None if _decoded(row, response) is None else response.body

        try:
            return (await self._transport.send(call, read, interactive=False))[0]
        except NotFound:
            return None

    def listing(self, feed: str) -> Listing | None:
        """How the records of a feed can be listed beside it, None where they cannot."""
        return listings.listing(feed)

    def form(self, endpoint: str) -> Form:
        """In what a record of a single read differs from that of the feed."""
        return listings.form(endpoint)

    async def _page(self, row: Endpoint, query: Mapping[str, Any], *, interactive: bool = False) -> Page:
        if row.kind not in {Kind.PAGE, Kind.EXPORT, Kind.LIST}:
            raise BadArgument(f"{row.name} gives no list of records")
        cut = read_whole if row.kind is Kind.LIST else read_page
        page, requests = await self._transport.send(
            bind(row, self._tenant_id, query),
            lambda response: cut(row.name, _content(row, response)),
            interactive=interactive,
        )
        return replace(page, requests=requests)


@asynccontextmanager
async def open_client(
    *,
    credentials: Credentials,
    api_url: str,
    auth_url: str,
    per_second: float = 50.0,
    http: Http | None = None,
    budget: Budget | None = None,
    clock: Clock | None = None,
    **more: Any,
) -> AsyncIterator[Client]:
    """Open a client with everything that is not given made for it; ``more`` goes to ``Client`` as it is.

    Without a ``budget`` the rate of ``per_second`` holds for this process alone.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(Http()) if http is None else http
        yield await stack.enter_async_context(
            Client(
                http=opened,
                credentials=credentials,
                api_url=api_url,
                auth_url=auth_url,
                budget=budget or LocalBudget(rates(per_second), clock),
                clock=clock,
                **more,
            )
        )


def _gives(arguments: Mapping[str, Any], *names: str) -> bool:
    return any(arguments.get(name) is not None for name in names)


def _widest(endpoint: Endpoint) -> dict[str, str]:
    """The filter without which the vendor leaves out inactive records silently."""
    return {
        parameter.name: "Any"
        for parameter in endpoint.query
        if parameter.name == "active" and (not parameter.choices or "Any" in parameter.choices)
    }


# Answers: each raises VendorUnavailable for what makes no sense ----------------------------------


def _content(endpoint: Endpoint, response: Response) -> bytes:
    if response.status in _REDIRECTS:
        raise VendorUnavailable(
            f"{endpoint.name}: ServiceTitan redirects ({response.status}), which the API does not do; "
            "check SERVICE_TITAN_API_URL"
        )
    return response.body


def _decoded(endpoint: Endpoint, response: Response) -> Any:
    body = _content(endpoint, response)
    if response.status == _NO_CONTENT or (not body and endpoint.kind is Kind.COMMAND):
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise unusable(endpoint.name, body, str(problem)) from None


def _reader(endpoint: Endpoint) -> Callable[[Response], Any]:
    def read(response: Response) -> Any:
        answer = _decoded(endpoint, response)
        if endpoint.kind in {Kind.PAGE, Kind.EXPORT}:
            data = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(data, list):
                raise unusable(endpoint.name, response.body, "it has no list of data")
        return answer

    return read


def _read_file(response: Response) -> bytes | FileLink | None:
    location = response.headers.get("Location", "")
    if response.status in _REDIRECTS:
        if location.startswith(("https://", "http://")):
            return FileLink(location)
        raise VendorUnavailable("ServiceTitan redirects to a file without a usable address")
    return None if response.status == _NO_CONTENT else response.body
