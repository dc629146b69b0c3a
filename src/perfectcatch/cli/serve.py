"""``perfectcatch serve``: the API server."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fastapi import FastAPI


def serve(
    *,
    port: Annotated[int | None, typer.Option(help="The port (PORT); 0 takes a free one.")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes.")] = False,
) -> None:
    """Run the API server, until Ctrl-C."""
    import uvicorn

    from perfectcatch.cli.start import prepared
    from perfectcatch.settings import require

    given: dict[str, Any] = {} if port is None else {"port": port}
    settings = prepared(**given)
    from perfectcatch.app import CREDENTIALS

    require(settings, *CREDENTIALS)
    uvicorn.run(
        "perfectcatch.cli.serve:application",
        factory=True,
        host=settings.listen_host,
        port=settings.port,
        reload=reload,
        http="perfectcatch.gateway.strict:StrictProtocol",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def application() -> "FastAPI":
    """The application as the settings of this process say."""
    from perfectcatch.app import offer, open_gateway
    from perfectcatch.cli.start import prepared
    from perfectcatch.gateway.asgi import make_app
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    settings = prepared()
    return make_app(lambda: open_gateway(settings), BY_NAME, offer())
