"""The builders with which the catalogue's rows are spelled, one call per operation.

A query is a run of families (``PAGING``, ``CREATED``, ...) and words. A word is
``[!]name[:type][=choice|choice]``: the exclamation mark says required, the type is string unless given.
A path parameter is ``{name}`` for an integer and ``{name:string}`` otherwise. A schema that begins with
a dot lies in the module's own namespace, as in a relative import; ``binary`` stands for bytes.
"""

from collections.abc import Iterable
from functools import cache
from typing import TypedDict, Unpack

from perfectcatch.model.endpoint import Endpoint, Kind, Parameter

Query = tuple[Parameter, ...] | str


class Facts(TypedDict, total=False):
    """What only a few rows say; the meaning is that of the fields of ``Endpoint``."""

    current: bool
    first_page: int
    max_page_size: int
    always: tuple[tuple[str, str], ...]
    needs_one_of: tuple[str, ...]
    fresh_seconds: float


@cache
def parameters(words: str) -> tuple[Parameter, ...]:
    """Read a run of words, such as ``"name !from:date-time status=Open|Closed"``."""
    return tuple(_parameter(word) for word in words.split())


@cache
def _parameter(word: str) -> Parameter:
    declared, _, choices = word.partition("=")
    name, _, kind = declared.partition(":")
    return Parameter(
        name.removeprefix("!"),
        kind or "string",
        required=name.startswith("!"),
        choices=tuple(choices.split("|")) if choices else (),
    )


def _joined(query: Iterable[Query]) -> tuple[Parameter, ...]:
    found: tuple[Parameter, ...] = ()
    for part in query:
        found += parameters(part) if isinstance(part, str) else part
    return found


PAGING = parameters("page:integer pageSize:integer includeTotal:boolean")
CREATED = parameters("createdBefore:date-time createdOnOrAfter:date-time")
MODIFIED = parameters("modifiedBefore:date-time modifiedOnOrAfter:date-time")
SORT = parameters("sort")
DATED = PAGING + CREATED + MODIFIED
LISTED = DATED + SORT
IDS = parameters("ids")
ACTIVE = parameters("active=True|Any|False")
FEED = parameters("from includeRecentChanges:boolean")
EXTERNAL_DATA = parameters("externalDataApplicationGuid externalDataKey externalDataValues")
# Lists that an office changes now and then: an answer may be given again for this many seconds.
REFERENCE = 30.0
CUSTOM_FIELD = parameters("customField.Fields:object customField.Operator=And|Or")
CUSTOM_FIELDS = parameters("customFields.Fields:object customFields.Operator=And|Or")


@cache
def _placeholder(text: str) -> Parameter:
    name, _, kind = text.partition(":")
    return Parameter(name, kind or "integer", required=True)


class Module:
    """One module of the API: writes down what all its rows share.

    ``root`` is the path before the row's own, ``scopes`` the permission before the row's own, ``schemas``
    the namespace of a schema that begins with a dot. Every builder takes the name without the module, the
    path, a sentence, the permission (``:r`` for GET and ``:w`` otherwise, unless it says so; empty where
    none is documented) and then its schemas.
    """

    def __init__(self, name: str, root: str, scopes: str, schemas: str) -> None:
        self._name = name
        self._root = root
        self._scopes = scopes
        self._schemas = schemas

    def page(
        self,
        name: str,
        path: str,
        does: str,
        scope: str,
        record: str | None,
        *query: Query,
        answer: str | None = None,
        **facts: Unpack[Facts],
    ) -> Endpoint:
        """A list read page by page; ``answer`` is given where the envelope is not the usual one."""
        envelope = answer or self._wrapped("PaginatedResponse_Of_{}", record)
        return self._row(Kind.PAGE, name, f"GET {path}", does, scope, query, None, envelope, record, facts)

    def export(
        self,
        name: str,
        path: str,
        does: str,
        scope: str,
        record: str | None,
        *query: Query,
        answer: str | None = None,
        **facts: Unpack[Facts],
    ) -> Endpoint:
        """A feed of every record and every later change, read by continuation token."""
        query = (FEED, *query)
        envelope = answer or self._wrapped("ExportResponse_Of_{}", record)
        return self._row(Kind.EXPORT, name, f"GET {path}", does, scope, query, None, envelope, record, facts)

    def whole(
        self,
        name: str,
        path: str,
        does: str,
        scope: str,
        record: str | None,
        *query: Query,
        answer: str | None = None,
        **facts: Unpack[Facts],
    ) -> Endpoint:
        """A list that comes at once: a bare array unless ``answer`` names an envelope with ``data``."""
        envelope = answer or self._wrapped("array<{}>", record)
        return self._row(Kind.LIST, name, f"GET {path}", does, scope, query, None, envelope, record, facts)

    def item(
        self,
        name: str,
        path: str,
        does: str,
        scope: str,
        answer: str | None,
        *query: Query,
        **facts: Unpack[Facts],
    ) -> Endpoint:
        """One document."""
        return self._row(Kind.ITEM, name, f"GET {path}", does, scope, query, None, answer, None, facts)

    def ask(
        self, name: str, path: str, does: str, scope: str, body: str, answer: str, **facts: Unpack[Facts]
    ) -> Endpoint:
        """One document asked for with POST; nothing changes."""
        return self._row(Kind.ITEM, name, f"POST {path}", does, scope, (), body, answer, None, facts)

    def file(
        self, name: str, path: str, does: str, scope: str, answer: str | None, *query: Query
    ) -> Endpoint:
        """Bytes, or a redirect to where they lie."""
        return self._row(Kind.FILE, name, f"GET {path}", does, scope, query, None, answer, None, {})

    def report(
        self, name: str, path: str, does: str, scope: str, body: str, answer: str, *query: Query
    ) -> Endpoint:
        """A run of a report, asked for with POST; nothing changes."""
        return self._row(Kind.REPORT, name, f"POST {path}", does, scope, query, body, answer, None, {})

    def command(
        self,
        name: str,
        operation: str,
        does: str,
        scope: str,
        body: str | None = None,
        answer: str | None = None,
        *query: Query,
        **facts: Unpack[Facts],
    ) -> Endpoint:
        """A change; ``operation`` is the method and the path, as in ``"PATCH customers/{id}"``."""
        return self._row(Kind.COMMAND, name, operation, does, scope, query, body, answer, None, facts)

    def _row(
        self,
        kind: Kind,
        name: str,
        operation: str,
        does: str,
        scope: str,
        query: tuple[Query, ...],
        body: str | None,
        answer: str | None,
        record: str | None,
        facts: Facts,
    ) -> Endpoint:
        method, path = operation.split(" ", 1)
        spelled, placeholders = _spelled(self._root + path)
        return Endpoint(
            name=f"{self._name}.{name}",
            method=method,
            path=spelled,
            kind=kind,
            does=does,
            query=_joined(query),
            path_parameters=placeholders,
            body=self._full(body),
            answer=self._full(answer),
            record=self._full(record),
            scopes=(self._scope(method, scope),) if scope else (),
            **facts,
        )

    def _scope(self, method: str, scope: str) -> str:
        if ":" in scope:
            return f"{self._scopes}{scope}"
        return f"{self._scopes}{scope}:{'r' if method == 'GET' else 'w'}"

    def _wrapped(self, envelope: str, record: str | None) -> str | None:
        return envelope.format(self._full(record)) if record else None

    def _full(self, schema: str | None) -> str | None:
        """Put the namespace before a leading dot, also within ``array<...>``."""
        if schema is None:
            return None
        if schema.startswith("."):
            return self._schemas + schema
        return schema.replace("<.", f"<{self._schemas}.")


def _spelled(path: str) -> tuple[str, tuple[Parameter, ...]]:
    """Divide ``customers/{id}/notes/{noteId:string}`` into the vendor's path and its parameters."""
    pieces = path.split("{")
    spelled = pieces[0]
    found = []
    for piece in pieces[1:]:
        inside, after = piece.split("}")
        parameter = _placeholder(inside)
        found.append(parameter)
        spelled += f"{{{parameter.name}}}{after}"
    return spelled, tuple(found)
