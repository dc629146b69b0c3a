"""The simulated vendor without its socket: a request goes in, an answer comes out."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.sandbox.servicetitan import exports, paging, reports, singles
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.company import generate
from perfectcatch.sandbox.servicetitan.door import Door
from perfectcatch.sandbox.servicetitan.faults import Faults
from perfectcatch.sandbox.servicetitan.ledger import Entry, Ledger
from perfectcatch.sandbox.servicetitan.life.life import Life
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.sandbox.servicetitan.webhooks.delivery import Webhooks
from perfectcatch.sandbox.servicetitan.webhooks.subscription import Subscription
from perfectcatch.sandbox.servicetitan.writes import command
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

TOKEN_PATH = "/connect/token"  # noqa: S105 - a path
_HANDLERS = {
    Kind.PAGE: paging.page,
    Kind.EXPORT: exports.export,
    Kind.ITEM: singles.item,
    Kind.LIST: singles.whole,
    Kind.FILE: singles.file,
    Kind.REPORT: reports.run,
    Kind.COMMAND: command,
}


class Service:
    """One vendor with one customer account. Give ``records`` for another company than the made-up one."""

    def __init__(
        self,
        options: Options,
        *,
        records: Iterable[tuple[str, Record]] | None = None,
        endpoints: Iterable[Endpoint] = tuple(CATALOGUE.values()),
    ) -> None:
        self.options = options
        self.door = Door(options)
        self.ledger = Ledger(options.ledger)
        self.tenant = Tenant(options, endpoints)
        self.clock = self.tenant.clock
        self.faults = Faults(self.tenant, self.door, token_path=TOKEN_PATH)
        if records is None:
            records = generate(options.seed, options.customers, now=self.clock.now())
        self.tenant.load(records)
        to = Subscription(url=options.webhook_url, secret=options.webhook_secret)
        self.webhooks = Webhooks(self.tenant, options.clock, to, options.seed)
        alone = options.speed is not None
        self.life = Life(self.tenant, options.seed, by_itself=alone, after_each=self.webhooks.flush)
        self.life.skip_quiet = options.skip_quiet

    def answer(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Answer one request; ``query`` is the part behind the question mark. Notes it in the ledger."""
        at = time.monotonic()
        struck: Sequence[str] = ()
        if self.faults.active:
            answer, struck = self.faults.answer(
                method, path, query, lambda: self._plain(method, path, query, headers or {}, body)
            )
        else:
            answer = self._plain(method, path, query, headers or {}, body)
        self.ledger.note(
            Entry(
                at=at,
                time=self.options.clock.now(),
                method=method,
                path=path,
                query=query,
                status=answer.status,
                records=answer.records if method == "GET" else 0,
                operation=answer.operation,
                collection=answer.collection,
                token=path == TOKEN_PATH,
                faults=struck,
                served=answer.served,
                headers=tuple(sorted(name.lower() for name in headers or ())),
            )
        )
        self.webhooks.flush()
        return answer

    def _plain(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The vendor's own answer."""
        route = None
        try:
            if path == TOKEN_PATH:
                return self._token(method, headers, body)
            call = self._call(method, path, query, headers, body)
            route = call.route
            answer = self._handle(call)
        except AnswerError as error:
            answer = error.answer()
        if route is not None:
            answer.operation, answer.collection = route.key, route.collection
        return answer

    def _token(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if method != "POST":
            raise AnswerError(405)
        return self.door.token(headers.get("Content-Type", ""), body)

    def _call(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Call:
        # Every path of the API reads /module/version/tenant/{tenant}/...
        match path.strip("/").split("/"):
            case [_, _, "tenant", tenant, *_]:
                self.door.admit(headers, tenant)
            case _:
                raise AnswerError(404)
        route, names = self.tenant.routes.find(method, path)
        pairs: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            pairs[name] = f"{pairs[name]},{value}" if name in pairs else value
        content_type = headers.get("Content-Type", "")
        upload = content_type.startswith("multipart/")
        return Call(self.tenant, route, names, pairs, {} if upload else _json(body), upload=upload)

    def _handle(self, call: Call) -> Answer:
        for name, value in call.route.operation.path.items():
            if value.word in {"int64", "int32"} and not call.path.get(name, "0").lstrip("-").isdigit():
                raise AnswerError(404)
        kind, shape = call.route.kind, call.route.answer
        if call.route.collection.startswith("reporting.") and kind is not Kind.REPORT:
            return reports.read(call) if call.route.method == "GET" else reports.forget(call)
        if kind is Kind.ITEM and call.route.method != "GET":
            return command(call)
        if kind is Kind.LIST and shape is not None and "hasMore" in shape.fields:
            return paging.page(call)
        return _HANDLERS[kind](call)

    def read(self, collection: str) -> list[Any]:
        """Every record of a collection whole, as the truth behind the lists (no paging, nothing hidden)."""
        return [row.record() for row in self.tenant.table(collection).by_id()]


def _json(body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise AnswerError(400, body="The request body is not valid JSON.") from None
