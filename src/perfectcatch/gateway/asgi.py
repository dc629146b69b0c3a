"""The application: every router mounted, errors as problems, one OpenAPI document."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from perfectcatch import __version__
from perfectcatch.gateway import health, problems
from perfectcatch.gateway.context import Gateway

ROUTERS = (health.router,)


def make_app(open_gateway: Callable[[], AbstractAsyncContextManager[Gateway]]) -> FastAPI:
    """Make the application; ``open_gateway`` is entered when the server starts and left when it ends."""

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
    for router in ROUTERS:
        app.include_router(router)
    return app
