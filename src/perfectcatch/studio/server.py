"""The server of the studio: on this machine's loopback only, for whoever holds the key.

Other users of the machine can reach the port too, and so can pages of other sites in the person's own
browser. Therefore: a random key that the address carries once and a cookie then; no name but this machine's
in ``Host``, so that a foreign name that resolves to 127.0.0.1 reads nothing; a policy under which a page
loads nothing but one style sheet.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from perfectcatch.errors import BadArgument, PerfectCatchError, Refused
from perfectcatch.kit.signals import until_told
from perfectcatch.model.entity import Entity
from perfectcatch.store.pool import Pool
from perfectcatch.studio.pages import STYLE, Pages, rendered

HOST: Final = "127.0.0.1"
_NAMES: Final = (HOST, "localhost")
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = "/studio.css"
_PORTS: Final = 65536
_log = structlog.get_logger()


async def serve(
    pool: Pool,
    *,
    port: int,
    ready: Callable[[str], object],
    entities: Iterable[Entity] = (),
    stop: asyncio.Event | None = None,
) -> None:
    """Serve the studio until ``stop``, or SIGINT or SIGTERM if none is given; ``ready`` gets its address.

    ``port`` 0 takes a free one. With ``entities`` the ids in mirror tables become links. Raises
    ``BadArgument`` when the port cannot be had.
    """
    key = secrets.token_urlsafe(32)
    with _listening(port) as listener:
        port = listener.getsockname()[1]
        runner = web.AppRunner(application(pool, key=key, port=port, entities=entities), access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            async with until_told(stop) as told:
                ready(f"http://{HOST}:{port}/?key={key}")
                await told.wait()
        finally:
            await runner.cleanup()


def _listening(port: int) -> socket.socket:
    if port not in range(_PORTS):
        raise BadArgument(f"Port {port} is none: choose one below {_PORTS} with --port, or 0 for a free one.")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise BadArgument(
            f"Port {port} of {HOST} cannot be used ({error.strerror}): choose another with --port, or 0 "
            "for a free one."
        ) from error


def application(pool: Pool, *, key: str, port: int, entities: Iterable[Entity] = ()) -> web.Application:
    """The studio without its socket; ``port`` tells its cookie from that of a studio on another port."""
    pages = Pages(pool, entities)
    app = web.Application(middlewares=[_explained, _guard(key, f"perfectcatch-studio-{port}")])
    app.router.add_get("/", pages.tables, allow_head=False)
    app.router.add_get("/table/{schema}/{name}", pages.table, allow_head=False)
    app.router.add_get("/row/{schema}/{name}", pages.row, allow_head=False)
    app.router.add_get(_STYLE, _style, allow_head=False)
    app.on_response_prepare.append(_protect)
    return app


async def _style(_: web.Request) -> web.Response:
    return web.Response(text=STYLE, content_type="text/css")


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    response.headers.pop("Server", None)


def _guard(key: str, cookie: str) -> Middleware:
    """Let in who asks by this machine's name, only reads, and holds the key."""

    def fits(offered: str) -> bool:
        return secrets.compare_digest(offered.encode(errors="replace"), key.encode())

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host(request) not in _NAMES:
            raise web.HTTPForbidden(text=f"The studio answers only to the name {' or '.join(_NAMES)}.")
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"], text="The studio only reads.")
        if fits(request.query.get("key", "")):
            # Sent on at once, so that no address in the browser's history holds the key.
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
            response.set_cookie(cookie, key, httponly=True, samesite="Strict", path="/")
            return response
        if request.path != _STYLE and not fits(request.cookies.get(cookie, "")):
            raise web.HTTPForbidden(
                text="The key is missing: open the address that `perfectcatch db studio` printed."
            )
        return await handler(request)

    return guard


def _host(request: web.Request) -> str | None:
    """The name that the browser was given for this server."""
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        return None


@web.middleware
async def _explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make a page of whatever went wrong."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": "GET"} if error.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
        said = error.text if error.text != f"{error.status}: {error.reason}" else "There is no such page."
        response = _failure(error.status, said or "")
        response.headers.update(headers)
        return response
    except Refused as error:
        return _failure(HTTPStatus.BAD_REQUEST, str(error))
    except PerfectCatchError as error:
        return _failure(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except Exception:  # noqa: BLE001 - the border of a request: logged whole, told as one sentence
        _log.exception("studio.failed", path=request.path)
        return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "The studio failed; its log says why.")


def _failure(status: int, said: str) -> web.Response:
    return rendered("failure.html", status=status, title=HTTPStatus(status).phrase, said=said)
