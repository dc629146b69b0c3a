"""Our routes to ServiceTitan: one for each operation under ``/st``, and the names that habits know.

The path is the vendor's own without version and company: ``/crm/v2/tenant/{tenant}/customers/{id}`` is
``/st/crm/customers/{id}``. Where two versions of an operation would meet, the version stays in the path, and
the newest is also found without it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from perfectcatch.model.endpoint import Endpoint, Parameter
from perfectcatch.model.passing import Offer, Route, Schema
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE
from perfectcatch.vendors.servicetitan.schemas import components, schema_of
from perfectcatch.vendors.servicetitan.shapes import Shape, operation

PREFIX = "/st"
_PATH = re.compile(r"/(?P<module>[^/]+)/(?P<version>v\d+)/tenant/\{tenant\}/(?P<rest>.+)")
_PLACEHOLDER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Alias:
    """``/prefix/...`` leads to ``module``, or to one resource of it, as ``/jobs`` does to the jobs of jpm."""

    prefix: str
    module: str
    resource: str = ""


ALIASES: tuple[Alias, ...] = (
    Alias("jobs", "jpm", "jobs"),
    Alias("appointments", "jpm", "appointments"),
    Alias("projects", "jpm", "projects"),
    Alias("customers", "crm", "customers"),
    Alias("locations", "crm", "locations"),
    Alias("estimates", "sales", "estimates"),
    Alias("opportunities", "sales", "opportunities"),
    Alias("images", "pricebook", "images"),
    Alias("equipment", "equipmentsystems"),
    Alias("marketing-ads", "marketingads"),
    Alias("task-management", "taskmanagement"),
    Alias("salestech", "sales", "opportunities"),
    Alias("accounting", "accounting"),
    Alias("crm", "crm"),
    Alias("dispatch", "dispatch"),
    Alias("forms", "forms"),
    Alias("inventory", "inventory"),
    Alias("jbce", "jbce"),
    Alias("jpm", "jpm"),
    Alias("marketing", "marketing"),
    Alias("memberships", "memberships"),
    Alias("payroll", "payroll"),
    Alias("pricebook", "pricebook"),
    Alias("reporting", "reporting"),
    Alias("sales", "sales"),
    Alias("settings", "settings"),
    Alias("telecom", "telecom"),
    Alias("timesheets", "timesheets"),
)


@dataclass(frozen=True, slots=True)
class Also:
    """Another method that an operation answers to, below ``/st`` and every alias of it."""

    method: str
    operation: str
    query_is_body: bool = False


# What was promised in another method than the vendor's.
ALSO: tuple[Also, ...] = (
    Also("PUT", "crm.customers.update"),
    Also("POST", "sales.estimates.sell"),
    Also("POST", "sales.estimates.unsell"),
    Also("GET", "dispatch.capacity.get", query_is_body=True),
)

_ALSO_OF = {name: [also for also in ALSO if also.operation == name] for name in {x.operation for x in ALSO}}

# Read from our own copy, under the alias alone; the vendor's answer is under /st.
LOCAL: frozenset[str] = frozenset(
    f"GET /pricebook/{resource}" for resource in ("categories", "services", "materials", "equipment")
)


@cache
def offer() -> Offer:
    """Every route with its schemas."""
    meeting: dict[str, list[Endpoint]] = {}
    for row in CATALOGUE.values():
        meeting.setdefault(shape_of(f"{row.method} {_ours(row)[0]}"), []).append(row)
    primary = [route for rows in meeting.values() for route in _doors(rows)]
    primary += [_also(route, also) for route in primary for also in _ALSO_OF.get(route.endpoint.name, ())]
    aliases = [route for route in _aliases(primary) if route.key not in LOCAL]
    return Offer(routes=tuple(primary + aliases), schemas=components())


def shape_of(path: str) -> str:
    """A path with its placeholders unnamed: two routes with the same one could not be told apart."""
    return _PLACEHOLDER.sub("{}", path)


def _doors(rows: list[Endpoint]) -> Iterator[Route]:
    """The routes of operations that would meet in one path: the versions of one, mostly a single one."""
    newest = max(rows, key=lambda row: row.path.split("/")[2])
    yield _route(newest, _ours(newest)[0])
    if len(rows) > 1:
        yield from (_route(row, _ours(row)[1]) for row in rows)


def _ours(row: Endpoint) -> tuple[str, str]:
    """The path of ours without and with the version."""
    found = _PATH.fullmatch(row.path)
    assert found, row.path
    module, version, rest = found["module"], found["version"], found["rest"]
    return f"{PREFIX}/{module}/{rest}", f"{PREFIX}/{module}/{version}/{rest}"


def _route(row: Endpoint, path: str) -> Route:
    fact = operation(f"{row.method} {row.path}")
    uploads = row.body == "binary"
    return Route(
        method=row.method,
        path=path,
        endpoint=row,
        query=row.query,
        uploads=uploads,
        body=None if uploads or fact.body is None else schema_of(fact.body),
        answers={status: _answer(shape) for status, shape in fact.answers.items()},
    )


def _answer(shape: Shape | None) -> Schema | None:
    return None if shape is None else schema_of(shape)


def _also(route: Route, also: Also) -> Route:
    return _in_query(route) if also.query_is_body else replace(route, method=also.method)


def _in_query(route: Route) -> Route:
    """The same question asked with GET: the fields of the body are asked as a query."""
    shape = operation(f"{route.endpoint.method} {route.endpoint.path}").body
    assert shape is not None
    query = tuple(_parameter(name, field) for name, field in shape.fields.items())
    return replace(route, method="GET", query=query, query_is_body=True, body=None)


def _parameter(name: str, shape: Shape) -> Parameter:
    many = shape.word == "list" and shape.inner is not None
    word = shape.inner.word if many and shape.inner else shape.word
    kind = {"int64": "integer", "int32": "integer", "decimal": "number", "double": "number"}.get(word, word)
    return Parameter(name, kind + ("[]" if many else ""), required=shape.required and kind != "boolean")


def _aliases(primary: Iterable[Route]) -> Iterator[Route]:
    for route in primary:
        for alias in ALIASES:
            beginning = f"{PREFIX}/{alias.module}/" + (alias.resource or "")
            rest = route.path.removeprefix(beginning)
            if rest == route.path or (alias.resource and rest and not rest.startswith("/")):
                continue
            path = f"/{alias.prefix}{rest}" if alias.resource else f"/{alias.prefix}/{rest}"
            yield replace(route, path=path, alias=True)
