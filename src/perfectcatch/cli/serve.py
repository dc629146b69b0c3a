"""``perfectcatch serve``: the API server."""

import logging
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say
from perfectcatch.cli.ports import listening
from perfectcatch.errors import PerfectCatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from perfectcatch.kit.meter import Meter
    from perfectcatch.settings import Settings

GRACE_SECONDS = 10


def serve(
    *,
    port: Annotated[int | None, typer.Option(help="The port (PORT); 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes answer.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes.")] = False,
    shared: Annotated[
        str | None, typer.Option(hidden=True, help="What a process of --workers is handed.")
    ] = None,
) -> None:
    """Run the API server, until Ctrl-C."""
    import uvicorn

    from perfectcatch.cli.start import prepared
    from perfectcatch.connections import CREDENTIALS
    from perfectcatch.settings import require
    from perfectcatch.settings.production import refuse_unsafe

    given: dict[str, Any] = {} if port is None else {"port": port}
    settings = prepared(**given)
    require(settings, *CREDENTIALS)
    refuse_unsafe(settings)
    config: dict[str, Any] = {
        "factory": True,
        "http": "perfectcatch.gateway.strict:StrictProtocol",
        "log_config": None,  # its lines go where ours go
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nothing is decided by what a caller says of himself
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }
    if reload:
        uvicorn.run(
            "perfectcatch.cli.serve:application",
            host=settings.listen_host,
            port=settings.port,
            reload=True,
            **config,
        )
        return
    if workers > 1:
        from perfectcatch.cli.running import run_command

        run_command(_several(settings, workers))
        return
    failures: list[PerfectCatchError] = []
    with _listener(settings, shared) as listener:
        made = partial(_application, settings, failures.append, meter=_meter(shared), counts=_counts(shared))
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        # The server raises the signal that ended it once more: being asked to end is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            uvicorn.Server(uvicorn.Config(made, **config)).run(sockets=[listener])
        except SystemExit:  # its own status for an application that does not start
            if failures:
                raise failures[0] from None
            raise


def application() -> "FastAPI":
    """The application as the settings of this process say."""
    from perfectcatch.cli.start import prepared

    return _application(prepared(), None)


def _application(
    settings: "Settings",
    on_failure: "Callable[[PerfectCatchError], None] | None",
    *,
    meter: "Meter | None" = None,
    counts: "tuple[Path, str] | None" = None,
) -> "FastAPI":
    from perfectcatch.app import offer, open_gateway
    from perfectcatch.gateway.asgi import make_app
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    return make_app(lambda: open_gateway(settings, meter=meter), BY_NAME, offer(), on_failure, counts=counts)


# Several processes ---------------------------------------------------------------------------------


async def _several(settings: "Settings", workers: int) -> None:
    """Keep ``workers`` processes answering on one socket; the database, if it is embedded, is ours."""
    from perfectcatch.app import open_store
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.kit.meter import shared_file
    from perfectcatch.kit.supervisor import Program, Supervisor

    with (
        listening(settings.listen_host, settings.port) as listener,
        shared_file() as meter,
        TemporaryDirectory(prefix="perfectcatch-") as counts,
    ):
        # Opened here as well, so that it is migrated once and a wrong address is said once.
        async with open_store(settings, application="perfectcatch serve"):
            _tell(listener)
            handed = (listener.fileno(), meter)
            words = [sys.executable, "-m", "perfectcatch", "serve", "--shared"]
            programs = [
                Program(
                    name=f"serve {number}",
                    argv=[*words, ",".join(map(str, (*handed, number, counts)))],
                    descriptors=handed,
                )
                for number in range(1, workers + 1)
            ]
            await Supervisor(programs, SystemClock(), lines=sys.stderr).run()


def _listener(settings: "Settings", shared: str | None) -> socket.socket:
    """The socket that we were handed, or one of our own, which is then told."""
    if shared is not None:
        return socket.socket(fileno=int(shared.split(",")[0]))
    listener = listening(settings.listen_host, settings.port)
    _tell(listener)
    return listener


def _meter(shared: str | None) -> "Meter | None":
    from perfectcatch.kit.meter import SharedMeter

    return None if shared is None else SharedMeter(int(shared.split(",")[1]))


def _counts(shared: str | None) -> "tuple[Path, str] | None":
    """The directory that the processes share for what they counted, and our name there."""
    if shared is None:
        return None
    _, _, number, directory = shared.split(",", 3)
    return Path(directory), number


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the server says more than the one sentence with which the command ends."""
    return not record.getMessage().startswith(("Traceback", "Application startup failed"))


def _tell(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if Output.json:
        result({"url": url})
    else:
        say(f"The API answers at {url}; {url}/docs describes it.")
    sys.stdout.flush()
