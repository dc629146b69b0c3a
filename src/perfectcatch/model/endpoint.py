"""A vendor's operation, as a row: everything that a caller, a route, a sandbox or a page needs to know.

Behaviour is never inferred from a path: ``kind`` says how the answer continues.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How an operation answers, and so how it is called."""

    PAGE = "page"  # page/pageSize, answer {page, pageSize, hasMore, totalCount, data}
    EXPORT = "export"  # from=token, answer {hasMore, continueFrom, data}
    ITEM = "item"  # one JSON document
    LIST = "list"  # a whole list at once, unpaged
    REPORT = "report"  # a report run: rows aligned to fields, its own budget of one run a minute
    FILE = "file"  # bytes or a redirect to them
    COMMAND = "command"  # changes something


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query or path parameter in the vendor's spelling.

    ``type`` is one of string, integer, number, boolean, date-time, date, object, and each of them
    with ``[]`` behind it for a list. ``choices`` are the documented values of an enumeration, which the
    vendor itself treats as open on answers and as closed on requests.
    """

    name: str
    type: str = "string"
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation. ``name`` is ``module.resource.verb``; ``path`` holds ``{tenant}`` and typed segments."""

    name: str
    method: str
    path: str
    kind: Kind
    does: str
    query: tuple[Parameter, ...] = ()
    path_parameters: tuple[Parameter, ...] = ()
    body: str | None = None  # the vendor's name of the body's schema
    answer: str | None = None  # the vendor's name of the answer's schema
    record: str | None = None  # for PAGE, EXPORT and LIST: the schema of one record
    scopes: tuple[str, ...] = ()
    current: bool = True  # False: withdrawn from the vendor's documents, may still answer
    first_page: int = 1  # one list counts its pages from zero
    max_page_size: int = 5000
    always: tuple[tuple[str, str], ...] = ()  # query values that the vendor needs on each call
    needs_one_of: tuple[str, ...] = ()  # query parameters of which a call must give at least one
    fresh_seconds: float = 0.0  # how long an answer may be given again; 0 where it must be true now

    def __hash__(self) -> int:
        """Hash the name: that of all fields took longer than what is remembered by it."""
        return hash(self.name)

    @property
    def writes(self) -> bool:
        """Whether a call changes something at the vendor."""
        return self.kind is Kind.COMMAND

    @property
    def module(self) -> str:
        """The first word of the name: the first segment of the path with hyphens as underscores."""
        return self.name.split(".", 1)[0]

    def takes(self, name: str) -> bool:
        """Whether ``name`` is a query parameter of this operation."""
        return any(parameter.name == name for parameter in self.query)
