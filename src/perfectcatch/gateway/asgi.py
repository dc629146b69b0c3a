"""The application: every router mounted, errors as problems, one OpenAPI document."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from perfectcatch import __version__
from perfectcatch.errors import PerfectCatchError
from perfectcatch.gateway import (
    connecting,
    crm,
    database,
    document,
    enriching,
    health,
    instances,
    links,
    message_people,
    message_words,
    messages,
    metrics,
    mirror,
    operations,
    pricebook,
    problems,
    records,
    scheduling,
    shapes,
    slots,
    sync,
    unsubscribing,
    upserts,
    webhooks,
    workflows,
)
from perfectcatch.gateway.context import Gateway
from perfectcatch.gateway.counting import Tally
from perfectcatch.gateway.metrics import Measured
from perfectcatch.gateway.monitor import stream
from perfectcatch.gateway.passing.described import describe
from perfectcatch.gateway.passing.middleware import PassThrough
from perfectcatch.gateway.passing.table import Table, shape
from perfectcatch.gateway.patience import Patient
from perfectcatch.gateway.straight import Straight
from perfectcatch.kit import collector
from perfectcatch.model.entity import Entity
from perfectcatch.model.passing import Offer

ROUTERS = (
    health.router,
    metrics.router,
    stream.router,
    sync.router,
    webhooks.router,
    connecting.router,
    database.router,
    upserts.router,
    enriching.router,
    records.router,
    scheduling.router,
    slots.router,
    pricebook.router,
    messages.router,
    message_people.router,
    message_words.router,
    workflows.router,
    unsubscribing.router,
    links.router,
    instances.router,
    crm.router,
)


class Application(FastAPI):
    """The framework's application, behind layers that answer most requests and need nothing of it."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer through the layers."""
        scope["app"] = self
        await self.front(scope, receive, send)

    async def behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what the layers leave over."""
        await super().__call__(scope, receive, send)


def make_app(
    open_gateway: Callable[[], AbstractAsyncContextManager[Gateway]],
    entities: Mapping[str, Entity],
    offer: Offer,
    on_failure: Callable[[PerfectCatchError], None] | None = None,
    *,
    counts: tuple[Path, str] | None = None,
) -> Application:
    """Make the application; ``open_gateway`` is entered when the server starts and left when it ends.

    ``entities`` are those of the gateway: their routes and models follow from the declarations. ``offer``
    holds the routes that are passed through to the vendor; where one of its aliases is a route of our own
    too, ours answers. ``on_failure`` hears why the gateway could not be opened. ``counts``: where the
    processes of one server tell each other what they counted, and the name of this one there.
    """
    tally = Tally(counts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                app.state.gateway = await stack.enter_async_context(open_gateway())
            except PerfectCatchError as error:
                if on_failure is not None:
                    on_failure(error)
                raise
            gateway: Gateway = app.state.gateway
            await stack.enter_async_context(tally.told(gateway.clock, lambda: gateway.hub.listeners))
            # Routes and schemas stay for good, half a million objects: the collector need not walk them.
            collector.settle()
            yield

    app = Application(
        title="Perfect Catch",
        version=__version__,
        summary="A contractor's data and its events, and one door to the vendor.",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    rows = tuple(mirror.operations(entities))
    # Before all others: a request looks through the routes one by one.
    first = operations.routes(each for each in rows if each.route and "st_id" in each.route)
    app.router.routes[:0] = first
    for router in ROUTERS:
        app.include_router(router)
    local = frozenset(_ours(app, rows))
    table = Table(
        route for route in offer.routes if not (route.alias and (route.method, shape(route.path)) in local)
    )
    document.install(
        app,
        lambda whole: operations.describe(whole, rows, shapes.schemas_of(entities)),
        lambda whole: describe(whole, offer, table.routes),
    )
    app.router.routes += operations.routes((*rows, mirror.fallback()))
    app.state.tally = tally
    behind = Patient(Straight(app.behind, (*first, *webhooks.router.routes)))
    app.front = Measured(PassThrough(behind, table, local), tally)
    return app


def _ours(app: FastAPI, rows: Sequence[operations.Operation]) -> Iterator[tuple[str, str]]:
    """Method and shape of every route that we answer ourselves."""
    for path, methods in app.openapi()["paths"].items():
        yield from ((method.upper(), shape(path)) for method in methods)
    yield from ((row.method, shape(row.path)) for row in rows)
    app.openapi_schema = None  # it is written when somebody asks, with everything in it
