"""The routes of the vendor: method, path and kind from the catalogue, shapes from the vendor's documents.

A route belongs to a collection such as ``crm.customers``. Several routes may share one: the list, the
export feed, the read by id, the writes, and lists below a parent (``customers/{id}/contacts``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.sandbox.servicetitan.answers import AnswerError
from perfectcatch.vendors.servicetitan.shapes import Operation, Shape, operation

# The vendor's paths call the same records by several names.
_SAME = {
    "accounting.inventory_bills_paginated": "accounting.inventory_bills",
    "accounting.credit_memos_credit_memo_items": "accounting.credit_memos_items",
    "crm.booking_provider_bookings": "crm.bookings",
    "crm.booking_provider_bookings_contacts": "crm.bookings_contacts",
    "customer_interactions.technician_rating_technician_job": "customer_interactions.technician_ratings",
    "forms.jobs_attachment": "forms.jobs_attachments",
    "jpm.jobs_notes": "jpm.job_notes",
    "jpm.projects_notes": "jpm.project_notes",
    "jpm.jobs_canceled_log": "jpm.job_canceled_logs",
    "marketing.campaigns_costs": "marketing.costs",
    "memberships.memberships_status_changes": "memberships.membership_status_changes",
    "payroll.employees_payrolls": "payroll.payrolls",
    "payroll.technicians_payrolls": "payroll.payrolls",
}
_BY_PATH = {
    "/crm/v2/tenant/{tenant}/contacts/relationships/{relationshipId}": "crm.contacts",
    "/sales/v2/tenant/{tenant}/estimates/export": "sales.estimates",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation, resolved: which records it is about and how it names them."""

    method: str
    path: str
    kind: Kind
    operation: Operation
    collection: str
    item: str | None = None  # the path parameter that is the record's id
    parents: tuple[tuple[str, str], ...] = ()  # (path parameter, the static segment before it)
    action: str | None = None  # what a command does to the record, when it is not a plain write
    known: bool = True  # whether some GET shows this collection
    status: int = 200
    answer: Shape | None = None
    arguments: tuple[str, ...] = ()  # path parameters behind the action

    @property
    def key(self) -> str:
        """``METHOD path``, the name under which special behaviour is written down."""
        return f"{self.method} {self.path}"

    @property
    def wrapped(self) -> bool:
        """Whether the answer is ``{data: ...}`` and no page."""
        return self.answer is not None and set(self.answer.fields) == {"data"}

    @property
    def record(self) -> Shape | None:
        """The shape of one record of the answer."""
        answer = self.answer
        if answer is None or answer.word == "list":
            return answer.inner if answer else None
        data = answer.fields.get("data")
        if data is None or not (self.wrapped or "hasMore" in answer.fields):
            return answer
        return data.inner or data


@dataclass(slots=True)
class _Node:
    words: dict[str, "_Node"] = field(default_factory=dict)
    other: "_Node | None" = None
    methods: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Routes:
    """Finds the route of a request. A fixed segment wins over a parameter."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        rows = list(endpoints)
        shown = {_collection(row) for row in rows if row.method == "GET"}
        self.all = tuple(_route(row, shown) for row in rows)
        self.by_collection: dict[str, list[Route]] = {}
        self._root = _Node()
        for route in self.all:
            self.by_collection.setdefault(route.collection, []).append(route)
            self._add(route)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.other = node.other or _Node()
                node = node.other
            else:
                node = node.words.setdefault(segment, _Node())
        node.methods[route.method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and its path parameters. Raises 404, or 405 for a wrong method."""
        values: list[str] = []
        node = self._walk(self._root, path.strip("/").split("/"), 0, values)
        if node is None:
            raise AnswerError(404)
        found = node.methods.get(method)
        if found is None:
            error = AnswerError(405)
            error.headers["Allow"] = ", ".join(sorted(node.methods))
            raise error
        route, names = found
        return route, dict(zip(names, values, strict=True))

    def _walk(self, node: _Node, segments: list[str], at: int, values: list[str]) -> _Node | None:
        if at == len(segments):
            return node if node.methods else None
        fixed = node.words.get(segments[at])
        if fixed and (found := self._walk(fixed, segments, at + 1, values)):
            return found
        if node.other is None:
            return None
        values.append(segments[at])
        found = self._walk(node.other, segments, at + 1, values)
        if found is None:
            values.pop()
        return found

    def list_fields(self, collection: str) -> Mapping[str, Shape]:
        """The fields of a collection's list form: of its list without a parent where there is one."""
        ranks = {Kind.PAGE: 0, Kind.LIST: 2, Kind.ITEM: 4, Kind.EXPORT: 6}
        if collection == "telecom.calls":  # its lists nest the facts in leadCall: the feed's form holds more
            ranks[Kind.EXPORT] = -2
        shown = [
            route for route in self.by_collection.get(collection, ()) if route.kind in ranks and route.record
        ]
        best = min(shown, key=lambda route: ranks[route.kind] + bool(route.parents), default=None)
        return best.record.fields if best and best.record else {}

    def all_fields(self, collection: str) -> dict[str, Shape]:
        """Every field that any read of a collection shows, the list's own first."""
        fields = dict(self.list_fields(collection))
        for route in self.by_collection.get(collection, ()):
            if route.method == "GET" and route.record and route.kind is not Kind.FILE:
                for name, shape in route.record.fields.items():
                    fields.setdefault(name, shape)
        return fields


def owner_of(module: str, segments: Iterable[str]) -> str:
    """The collection that a run of fixed segments names."""
    return _name(module, segments)


def _split(path: str) -> tuple[str, list[str]]:
    segments = path.strip("/").split("/")
    return segments[0].replace("-", "_"), [each for each in segments[4:] if each != "export"]


def _name(module: str, segments: Iterable[str]) -> str:
    words = [segment.replace("-", "_") for segment in segments if not segment.startswith("{")]
    name = f"{module}.{'_'.join(words)}"
    return _SAME.get(name, name)


def _collection(row: Endpoint) -> str:
    return _BY_PATH.get(row.path) or _name(*_split(row.path))


def _route(row: Endpoint, shown: set[str]) -> Route:
    module, segments = _split(row.path)
    collection, rest = _collection(row), len(segments)
    if row.method != "GET":
        while collection not in shown and rest > 1:
            rest -= 1
            collection = _name(module, segments[:rest])
    known = collection in shown
    if not known:
        collection, rest = _collection(row), len(segments)
    own, behind = segments[:rest], segments[rest:]
    action = next((each for each in behind if not each.startswith("{")), None)
    parameters = [(own[at][1:-1], own[at - 1]) for at in range(1, len(own)) if own[at].startswith("{")]
    item = own[-1][1:-1] if own and own[-1].startswith("{") else None
    fact = operation(f"{row.method} {row.path}")
    status, answer = fact.success
    return Route(
        method=row.method,
        path=row.path,
        kind=row.kind,
        operation=fact,
        collection=collection,
        item=item,
        parents=tuple(each for each in parameters if each[0] != item or each is not parameters[-1]),
        action=action.replace("-", "_") if action else None,
        known=known,
        status=status,
        answer=answer,
        arguments=tuple(each[1:-1] for each in behind if each.startswith("{")),
    )
