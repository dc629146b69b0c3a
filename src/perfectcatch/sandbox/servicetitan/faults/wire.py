"""Sends an answer the way its ``Delivery`` says."""

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import web

from perfectcatch.sandbox.servicetitan.answers import Answer, Delivery

_PIECE = 64 * 1024


async def deliver(request: web.Request, answer: Answer, delivery: Delivery) -> web.StreamResponse:
    """Send ``answer``; a client that gives up meanwhile ends it without a word."""
    if delivery.wait:
        await asyncio.sleep(delivery.wait)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type.partition(";")[0]
    body, whole = _part(answer.body, delivery.cut)
    if delivery.ends == "reset" and not body:
        _reset(request)
        return response
    if delivery.announced:
        response.content_length = len(answer.body)
    with suppress(ConnectionError):
        await response.prepare(request)
        await _write(response, body, delivery)
        if whole:
            await response.write_eof()
        elif delivery.ends == "stall":
            await _until_gone(request)
        elif delivery.ends == "reset":
            _reset(request)
        elif request.transport is not None:
            request.transport.close()
    return response


def _part(body: bytes, cut: float | None) -> tuple[bytes, bool]:
    if cut is None:
        return body, True
    length = min(len(body), int(cut * len(body) if 0 < cut < 1 else cut))
    return body[:length], False


async def _write(response: web.StreamResponse, body: bytes, delivery: Delivery) -> None:
    size = delivery.piece or _PIECE
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        if delivery.pause:
            await asyncio.sleep(delivery.pause)


async def _until_gone(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.05)


def _reset(request: web.Request) -> None:
    """End the connection with a reset instead of a farewell."""
    transport = request.transport
    if transport is None:
        return
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
