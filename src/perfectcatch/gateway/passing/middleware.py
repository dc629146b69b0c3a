"""The pass-through as a layer around the application: what its table covers does not reach the router."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
import structlog
from cachetools import LRUCache
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from perfectcatch.errors import PerfectCatchError
from perfectcatch.gateway import access, problems
from perfectcatch.gateway.context import Gateway
from perfectcatch.gateway.passing import bodies, faults, preview
from perfectcatch.gateway.passing.reads import Reads
from perfectcatch.gateway.passing.replies import Reply, deliver, reply_of
from perfectcatch.gateway.passing.table import Match, Table
from perfectcatch.gateway.passing.writes import Asked, Writes
from perfectcatch.gateway.problems import Denied
from perfectcatch.kit.http import MEBIBYTE, Streamed
from perfectcatch.model.call import JSON, Call
from perfectcatch.model.passing import Route

WHOLE_BYTES: Final = 16 * MEBIBYTE  # a longer answer is passed on while it arrives
_FILE_BYTES: Final = MEBIBYTE // 4
_LONGEST_QUERY: Final = 16 * 1024
_REMEMBERED: Final = 2048
_ONCE: Final = (
    b"authorization",
    b"content-length",
    b"content-type",
    b"idempotency-key",
    b"transfer-encoding",
)
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}

log = structlog.get_logger(__name__)


class PassThrough:
    """An ASGI layer. ``table`` holds the routes; everything else goes on to ``app``."""

    def __init__(self, app: ASGIApp, table: Table, local: frozenset[tuple[str, str]]) -> None:
        self._app = app
        self._table = table
        self._local = local
        self._desk: _Desk | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what the table covers."""
        if scope["type"] != "http" or not self._table.covers(scope["raw_path"]):
            await self._app(scope, receive, send)
            return
        try:
            match = self._table.find(scope["method"], scope["raw_path"])
            if isinstance(match, Match):
                scope["route"] = match.route  # who counts requests asks for it
                await self._at_desk(scope).serve(match, scope, receive, send)
                return
            if not match or (scope["method"], scope["path"]) in self._local:
                await self._app(scope, receive, send)
                return
            allowed = ", ".join(sorted(match))
            response: Response = problems.answer(
                405, f"This path takes {allowed}.", headers={"Allow": allowed}
            )
        except bodies.CallerGone:
            return
        except Denied as denied:
            response = problems.answer(denied.status, denied.detail, headers=denied.headers, **denied.more)
        except PerfectCatchError as error:
            response = faults.response_to(error)
        except Exception as error:  # nothing above us would answer
            log.exception("a request failed unexpectedly", path=scope["path"], exc_info=error)
            response = problems.answer(500, "Something is wrong with the program: its log says what.")
        await response(scope, receive, send)

    def _at_desk(self, scope: Scope) -> "_Desk":
        gateway: Gateway = scope["app"].state.gateway
        if self._desk is None or self._desk.gateway is not gateway:
            self._desk = _Desk(gateway)
        return self._desk


class _Desk:
    """What the requests of one gateway share."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._reads = Reads(gateway.clock)
        gateway.hub.on_write = self._reads.written
        self._writes = Writes(
            gateway.pool,
            gateway.tenant_id,
            gateway.passage,
            gateway.presence,
            gateway.clock,
            changed=lambda call: self._reads.written(call.endpoint.module),
        )
        self._calls: LRUCache[tuple[str, bytes, bytes], tuple[Call, bool]] = LRUCache(_REMEMBERED)

    async def serve(self, match: Match, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose route is known."""
        route, headers = match.route, _headers(scope["headers"])
        needed = access.Scope.WRITE if route.endpoint.writes else access.Scope.READ
        caller = await self.gateway.door.admit(_text(headers.get(b"authorization")), needed)
        call, dry = self._bound(match, scope["raw_path"], scope["query_string"])
        body: bodies.Body | None = None
        if b"content-length" in headers or b"transfer-encoding" in headers:
            body = await bodies.read(receive, headers, upload=route.uploads)
        try:
            call = _with_body(route, call, body, headers)
            if dry:
                await preview.preview(self.gateway.passage, call)(scope, receive, send)
            elif route.endpoint.writes:
                reply = await self._write(call, caller, body, headers)
                await deliver(reply, receive, send)
            else:
                anew = b"no-cache" in headers.get(b"cache-control", b"").lower()
                reply = await self._reads.answer(call, partial(self._ask, call), anew=anew)
                await deliver(reply, receive, send)
        finally:
            if body is not None:
                body.close()

    async def _write(
        self, call: Call, caller: access.Caller, body: bodies.Body | None, headers: Mapping[bytes, bytes]
    ) -> Reply:
        key = _text(headers.get(b"idempotency-key"))
        if key is not None:
            word = sha256(f"{self.gateway.tenant_id} {caller.key_id} {key}".encode()).hexdigest()[:32]
            call = self.gateway.passage.marked(call, word)
        asked = Asked(
            call=call, caller=caller, request_id=uuid4(), digest=body.digest if body else b"", key=key
        )
        reply = await self._writes.answer(asked, partial(self._ask, call))
        return reply.having(x_request_id=str(asked.request_id))

    async def _ask(self, call: Call) -> Reply:
        whole = _FILE_BYTES if call.endpoint.kind == "file" else WHOLE_BYTES
        return reply_of(call.endpoint, await self.gateway.passage.send(call, whole_bytes=whole))

    def _bound(self, match: Match, raw_path: bytes, query: bytes) -> tuple[Call, bool]:
        """The checked call, and whether it is only to be shown.

        A query is remembered, because callers repeat theirs. A path alone is checked in less time.
        """
        if not query:
            return self.gateway.passage.bind(match.route, match.values, ()), False
        key = (match.route.method, raw_path, query)
        if (known := self._calls.get(key)) is not None:
            return known
        pairs, dry = _pairs(query)
        found = self.gateway.passage.bind(match.route, match.values, pairs), dry
        self._calls[key] = found
        return found


def _headers(given: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in given:
        if name in headers and name in _ONCE:
            raise Denied(400, f"The header {name.decode()} is given twice.")
        headers[name] = value
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise Denied(400, "A body has a length or is chunked, not both.")
    return headers


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _pairs(query: bytes) -> tuple[list[tuple[str, str]], bool]:
    """The pairs of a query without ours, and what ours says."""
    if len(query) > _LONGEST_QUERY:
        raise Denied(414, f"A query may have {_LONGEST_QUERY} characters.")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=200, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise Denied(400, "The query cannot be read: it is ASCII, percent-encoded UTF-8, in pairs.") from None
    if any(char < " " or char == "\x7f" for pair in pairs for text in pair for char in text):
        raise Denied(400, "The query holds a control character.")
    dry = [value.lower() for name, value in pairs if name == preview.PARAMETER]
    if any(value not in _TRUE | _FALSE for value in dry):
        raise Denied(422, f"{preview.PARAMETER} is true or false, not {dry[0]!r}.")
    return [pair for pair in pairs if pair[0] != preview.PARAMETER], any(value in _TRUE for value in dry)


def _with_body(route: Route, call: Call, body: bodies.Body | None, headers: Mapping[bytes, bytes]) -> Call:
    endpoint = route.endpoint
    given = body is not None and len(body) > 0
    if route.query_is_body or endpoint.body is None:
        if given:
            raise Denied(422, f"{route.key} takes no body.")
        return call
    if not given or body is None:
        raise Denied(422, f"{route.key} needs a body: {endpoint.body}.")
    kind = headers.get(b"content-type", b"").decode("latin-1")
    if route.uploads:
        if not kind.startswith(("multipart/form-data;", "application/octet-stream", "image/")):
            raise Denied(415, f"{route.key} takes a file: send it as multipart/form-data.")
        return replace(call, body=body.content, content_type=kind)
    if isinstance(body.content, Streamed):
        raise Denied(413, "The body is too large.")
    try:
        msgspec.json.decode(body.content, type=Any)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise Denied(422, f"The body is not JSON: {problem}.") from None
    return replace(call, body=body.content, content_type=JSON)
