"""Who may ask for what: keys, scopes, and how often.

A key that was recognised is remembered for two seconds, so a revocation holds at most that much later; what
is no key of ours is remembered as well, so that guessing costs the database nothing. A key's rate is kept by
the processes of one machine together: of several machines behind one address each grants it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from perfectcatch.errors import DatabaseUnavailable
from perfectcatch.gateway.problems import MEDIA_TYPE, Denied
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.meter import LocalMeter, Meter
from perfectcatch.store import keys
from perfectcatch.store.keys import Found
from perfectcatch.store.pool import Pool
from perfectcatch.store.reading.fields import only_known

REMEMBERED_SECONDS: Final = 2.0
_FORGIVEN_SECONDS: Final = 600.0  # how long a key stays good for the page that tells what is down
_REMEMBERED: Final = 4096
_NOTED_SECONDS: Final = 60.0  # how exact "last used" is


class Scope(StrEnum):
    """What a key may do; ``admin`` may everything."""

    READ = "read"
    WRITE = "write"
    SEND = "send"
    WORKFLOW = "workflow"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    key_id: int
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether this caller has ``scope``."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(slots=True)
class _Known:
    found: Found | None
    until: float


class Door:
    """Recognises callers. ``per_second``: requests of a key that does not say otherwise; 0 is no limit.

    ``meter`` counts them, where several processes serve.
    """

    def __init__(
        self, pool: Pool, tenant_id: int, clock: Clock, *, per_second: float, meter: Meter | None = None
    ) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._clock = clock
        self._per_second = per_second
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._meter = meter or LocalMeter()
        self._noted: dict[int, float] = {}

    async def admit(self, authorization: str | None, scope: Scope, *, forgiving: bool = False) -> Caller:
        """The caller behind an ``Authorization`` header. Raises ``Denied`` 401, 403 or 429.

        ``forgiving``: while the database does not answer, a key that was good minutes ago is good.
        """
        try:
            found = await self.recognise(authorization)
        except DatabaseUnavailable:
            known = self._seen(authorization) if forgiving else None
            if known is None:
                raise
            found = known
        caller = Caller(found.id, found.name, found.scopes)
        if not caller.may(scope):
            raise Denied(403, f"The key {found.name!r} lacks the scope {scope}.")
        self._take(found)
        await self._note(found)
        return caller

    def _seen(self, authorization: str | None) -> Found | None:
        text = (authorization or "").partition(" ")[2].strip()
        known = self._known.get(keys.prefix_of(text) or "")
        if known is None or known.until + _FORGIVEN_SECONDS < self._clock.monotonic():
            return None
        return known.found if known.found is not None and known.found.opens(text) else None

    async def recognise(self, authorization: str | None) -> Found:
        """The key in an ``Authorization`` header. Raises ``Denied`` 401."""
        kind, _, text = (authorization or "").partition(" ")
        found = await self._find(text.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise Denied(
                401,
                "A valid API key is needed: send `Authorization: Bearer <key>` with one that "
                "`perfectcatch key create` made.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found

    async def _find(self, text: str) -> Found | None:
        prefix = keys.prefix_of(text)
        if prefix is None:
            return None
        now = self._clock.monotonic()
        known = self._known.get(prefix)
        if known is None or known.until <= now:
            known = _Known(await keys.find(self._pool, self._tenant_id, prefix), now + REMEMBERED_SECONDS)
            self._known[prefix] = known
            self._known.move_to_end(prefix)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        found = known.found
        return found if found is not None and found.opens(text) else None

    def _take(self, found: Found) -> None:
        """Count a request."""
        per_second = found.per_second if found.per_second is not None else self._per_second
        if not per_second:
            return
        if wait := self._meter.take(found.id, per_second, self._clock.monotonic()):
            seconds = max(1, round(wait))
            raise Denied(
                429,
                f"The key {found.name!r} may ask {per_second:g} times a second: wait {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )

    async def _note(self, found: Found) -> None:
        now = self._clock.monotonic()
        if now - self._noted.get(found.id, -_NOTED_SECONDS) >= _NOTED_SECONDS:
            self._noted[found.id] = now
            with suppress(DatabaseUnavailable):  # a key is no worse for a use that nobody could note
                await keys.used(self._pool, self._tenant_id, [found.id])


# Declaring what a route needs --------------------------------------------------------------------

_bearer = HTTPBearer(
    auto_error=False, scheme_name="apiKey", description="A key of `perfectcatch key create`."
)
PROBLEM: Final[dict[str, Any]] = {
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {**PROBLEM, "description": "The request cannot be read."},
    401: {**PROBLEM, "description": "No valid key."},
    403: {**PROBLEM, "description": "The key lacks the scope."},
    422: {**PROBLEM, "description": "The request is wrong."},
    429: {**PROBLEM, "description": "Too many requests with this key."},
    503: {**PROBLEM, "description": "Not possible right now."},
}


def scoped(
    scope: Scope,
    *problems: int,
    openapi: Mapping[str, Any] | None = None,
    answers: Mapping[int | str, dict[str, Any]] | None = None,
    forgiving: bool = False,
) -> dict[str, Any]:
    """Keyword arguments of a route for callers with ``scope``, such as ``**scoped(Scope.READ, 404)``.

    A query that names what the route does not declare is refused. ``problems`` are further statuses that the
    route may answer with, ``answers`` further descriptions of answers by status, ``openapi`` further parts of
    its entry in the document. ``forgiving``: as ``Door.admit`` has it.
    """

    async def check(request: Request, _: Annotated[Any, Depends(_bearer)]) -> None:
        door: Door = request.app.state.gateway.door
        authorization = request.headers.get("authorization")
        request.state.caller = await door.admit(authorization, scope, forgiving=forgiving)
        if request.scope["query_string"]:
            only_known(request.query_params.multi_items(), _declared(request.scope.get("route")))

    more = {status: {**PROBLEM, "description": MEANINGS[status]} for status in problems}
    return {
        "dependencies": [Depends(check)],
        "openapi_extra": {"x-required-scope": str(scope), **(openapi or {})},
        "responses": {**PROBLEMS, **more, **(answers or {})},
    }


MEANINGS: Final = {
    404: "There is no such thing.",
    409: "Something else is in the way.",
    413: "The body is too large.",
    502: "The vendor did not answer usably.",
}


def _declared(route: object) -> list[str]:
    """The names that a query of ``route`` may use."""
    if not isinstance(route, APIRoute):
        return []
    flat = get_flat_params(route.dependant)
    return [each.alias for each in flat if isinstance(each.field_info, Query)]
