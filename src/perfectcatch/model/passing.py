"""The role of a vendor whose operations are passed through, as the gateway sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from perfectcatch.kit.breaker import Status
from perfectcatch.kit.http import Response
from perfectcatch.model.call import Call
from perfectcatch.model.endpoint import Endpoint, Parameter

Schema = Mapping[str, Any]  # a JSON schema; named ones are referred to as "#/components/schemas/NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One door of ours to one operation of the vendor; placeholders are the operation's path parameters."""

    method: str
    path: str
    endpoint: Endpoint
    query: tuple[Parameter, ...]
    query_is_body: bool = False  # the operation wants as a body what is asked of us as a query
    alias: bool = False  # another name for what the vendor's own prefix offers too
    uploads: bool = False  # the body is a file
    body: Schema | None = field(default=None, repr=False)
    answers: Mapping[int, Schema | None] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """``METHOD path``."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Every route to a vendor, with the schemas that they refer to. ``notes`` say what a module is about."""

    routes: tuple[Route, ...]
    schemas: Mapping[str, Schema]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A request that was not sent. Nothing in it is secret."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What reading back showed. ``in_effect`` None: it cannot be told. ``look_at`` says where to look."""

    in_effect: bool | None
    look_at: str
    response: Response | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What this process has met with at the vendor. ``accepted`` None: no call has been made yet.

    ``refusal`` is what the vendor said to our credentials, when it refused them last; ``circuits`` are those
    of the parts of the vendor that were asked.
    """

    accepted: bool | None
    refusal: str
    circuits: Mapping[str, Status]


class Passage(Protocol):
    """What a vendor's client does for the gateway. Errors are those of ``perfectcatch.errors``."""

    def bind(self, route: Route, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Call:
        """Check what a caller asks; raises BadArgument with the nearest valid name."""

    async def send(self, call: Call, *, whole_bytes: int) -> Response:
        """Make the call for somebody who waits; an answer above ``whole_bytes`` comes with its rest."""

    def shown(self, call: Call) -> Shown:
        """The request that ``send`` would make."""

    def complaints(self, endpoint: Endpoint, body: Any) -> dict[str, list[str]]:
        """What is wrong with the values of a body by the vendor's documents: sentences by field."""

    def marked(self, call: Call, word: str) -> Call:
        """``call`` with ``word`` in what it makes, to be found by; where nobody keeps words, as it is."""

    async def read_back(self, call: Call, since_seconds: float) -> Found:
        """Look whether a change that was sent ``since_seconds`` ago, and was not answered, is in effect."""

    def met(self) -> Met:
        """What this process has met with at the vendor; asks nobody."""
