"""The application: every router mounted, errors as problems, one OpenAPI document."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from perfectcatch import __version__
from perfectcatch.gateway import database, health, mirror, operations, problems, records, shapes, upserts
from perfectcatch.gateway.context import Gateway
from perfectcatch.model.entity import Entity

ROUTERS = (health.router, database.router, upserts.router, records.router)


def make_app(
    open_gateway: Callable[[], AbstractAsyncContextManager[Gateway]], entities: Mapping[str, Entity]
) -> FastAPI:
    """Make the application; ``open_gateway`` is entered when the server starts and left when it ends.

    ``entities`` are those of the gateway: their routes and models follow from the declarations.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_gateway() as gateway:
            app.state.gateway = gateway
            yield

    app = FastAPI(
        title="Perfect Catch",
        version=__version__,
        summary="A contractor's data and its events, and one door to the vendor.",
        lifespan=lifespan,
        redoc_url=None,
    )
    problems.install(app)
    rows = tuple(mirror.operations(entities))
    # Before all others: a request looks through the routes one by one.
    app.router.routes[:0] = operations.routes(each for each in rows if each.route and "st_id" in each.route)
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes += operations.routes((*rows, mirror.fallback()))
    _describe(app, rows, shapes.schemas_of(entities))
    return app


def _describe(
    app: FastAPI, rows: Sequence[operations.Operation], schemas: Mapping[str, operations.Schema]
) -> None:
    """Let the document of the application describe the routes that are rows as well."""
    of_framework = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            operations.describe(of_framework(), rows, schemas)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
