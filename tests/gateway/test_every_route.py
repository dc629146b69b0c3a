"""What a server answers and what its document tells of are the same (X9 of the scorecard)."""

from collections.abc import Iterable

from office import Office
from starlette.routing import BaseRoute, Route

from perfectcatch.gateway.passing.table import shape
from perfectcatch.vendors.servicetitan.routes import offer

UNTOLD = {("GET", "/openapi.json"), ("GET", "/docs")}
# Routes for every entity; the document has two of each, and another name is 404.
OF_ENTITIES = {("GET", "/db/{}"), ("GET", "/db/{}/{}")}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def mounted(routes: Iterable[BaseRoute]) -> set[tuple[str, str]]:
    found = set()
    for route in routes:
        inner = getattr(route, "original_router", None)  # how the framework keeps a router
        if inner is not None:
            found |= mounted(inner.routes)
            continue
        assert isinstance(route, Route), f"{type(route)} would hide what lies below it"
        found |= {(method, shape(route.path)) for method in METHODS & set(route.methods or ())}
    return found


async def test_no_route_is_undeclared_and_none_is_missing(library: Office):
    document = library.app.openapi()
    paths = document["paths"].items()
    told = {(name.upper(), shape(path)) for path, item in paths for name in item if name != "head"}
    there = mounted(library.app.router.routes)
    of_entities = {each for each in told if each[0] == "GET" and each[1].startswith("/db/")}
    assert there - told - OF_ENTITIES == UNTOLD
    assert told - there <= of_entities
    # Nothing is there for tests: the made-up company and its faults are a program of their own.
    every = {path for _, path in told | there} | {route.path for route in offer().routes}
    words = {word for path in every for word in path.strip("/").split("/")}
    assert not words & {"_sandbox", "sandbox", "faults", "debug", "test", "clock", "time"}
