"""The vendor's side of the pass-through: what a caller asks becomes a call, and its answer comes back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from perfectcatch.errors import BadArgument, VendorUnavailable
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Response
from perfectcatch.model.call import Call
from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.model.passing import Found, Met, Passage, Route, Shown
from perfectcatch.vendors.servicetitan import shapes
from perfectcatch.vendors.servicetitan.arguments import fill, from_query
from perfectcatch.vendors.servicetitan.reading_back import marked, read_back
from perfectcatch.vendors.servicetitan.transport import Transport

_REDIRECTS = range(300, 400)
_FIELDS: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "number": msgspec.json.decode,
    "boolean": lambda text: text == "true",
}


class Passing(Passage):
    """Passes calls of one company on, through everything that surrounds a call."""

    def __init__(
        self, transport: Transport, tenant_id: int, clock: Clock, *, application: str | None = None
    ) -> None:
        self._application = application
        self._transport = transport
        self._tenant_id = tenant_id
        self._clock = clock

    def bind(self, route: Route, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Call:
        """Check what a caller asks; raises BadArgument with the nearest valid name."""
        endpoint = route.endpoint
        if not route.query_is_body:
            return fill(endpoint, self._tenant_id, {**from_query(endpoint, query), **path} if query else path)
        asked = replace(endpoint, query=route.query)
        call = fill(asked, self._tenant_id, {**from_query(asked, query), **path})
        return replace(call, endpoint=endpoint, query=(), body=_as_body(route, call))

    async def send(self, call: Call, *, whole_bytes: int) -> Response:
        """Make the call for somebody who waits; an answer above ``whole_bytes`` comes with its rest."""
        answer, _ = await self._transport.send(
            call, lambda response: _usable(call.endpoint, response), interactive=True, whole_bytes=whole_bytes
        )
        return answer

    def shown(self, call: Call) -> Shown:
        """The request that ``send`` would make, its secrets hidden."""
        request = self._transport.shown(call)
        body = request.body if isinstance(request.body, bytes) else None
        return Shown(method=request.method, url=request.url, headers=request.headers, body=body)

    def complaints(self, endpoint: Endpoint, body: Any) -> dict[str, list[str]]:
        """What is wrong with the values of a body by the vendor's documents: sentences by field."""
        shape = shapes.operation(f"{endpoint.method} {endpoint.path}").body
        if shape is None or endpoint.body == "binary":
            return {}
        found = shapes.complaints(body, shape)
        return found | {field: [said] for field, said in shapes.strangers(body, shape).items()}

    def marked(self, call: Call, word: str) -> Call:
        """``call`` with ``word`` in what it makes, where the vendor keeps a word for us."""
        return marked(call, self._application, word)

    async def read_back(self, call: Call, since_seconds: float) -> Found:
        """Look whether a change that was sent ``since_seconds`` ago, and was not answered, is in effect."""
        return await read_back(self, call, self._tenant_id, self._clock.now(), since_seconds)

    def met(self) -> Met:
        """What this process has met with at the vendor; asks nobody."""
        tokens = self._transport.tokens
        return Met(
            accepted=tokens.known_good, refusal=tokens.refusal, circuits=self._transport.breaker.status()
        )


def _usable(endpoint: Endpoint, response: Response) -> Response:
    """Refuse what only a proxy or a wrong address would answer, so that it counts as the failure it is."""
    if endpoint.kind is Kind.FILE:
        if response.status in _REDIRECTS and not _leads_somewhere(response):
            raise VendorUnavailable(f"{endpoint.name}: ServiceTitan redirects without a usable address")
        return response
    if response.status in _REDIRECTS:
        raise VendorUnavailable(
            f"{endpoint.name}: ServiceTitan redirects ({response.status}), which the API does not do; "
            "check SERVICE_TITAN_API_URL"
        )
    if response.body.lstrip()[:1] == b"<":
        raise VendorUnavailable(
            f"{endpoint.name}: ServiceTitan answered with a page instead of data; "
            "check SERVICE_TITAN_API_URL if this stays"
        )
    return response


def _leads_somewhere(response: Response) -> bool:
    return response.headers.get("Location", "").startswith(("https://", "http://"))


def _as_body(route: Route, call: Call) -> bytes:
    """The body whose fields were asked as a query. A flag that was not asked for is off."""
    given: dict[str, list[str]] = {}
    for name, text in call.query:
        given.setdefault(name, []).append(text)
    body: dict[str, Any] = {}
    for parameter in route.query:
        kind = parameter.type.removesuffix("[]")
        values = [_FIELDS.get(kind, str)(text) for text in given.get(parameter.name, ())]
        if parameter.type.endswith("[]"):
            body |= {parameter.name: values} if values else {}
        elif len(values) > 1:
            raise BadArgument(f"{route.endpoint.name}: {parameter.name} is given twice")
        elif values or kind == "boolean":
            body[parameter.name] = values[0] if values else False
    return msgspec.json.encode(body)
